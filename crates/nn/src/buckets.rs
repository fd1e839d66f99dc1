//! Buckets of the gradient buffer, which are all-reduced over processes while the backward pass
//! still runs.

use crate::Params;
use res2lab_error::Error;
use res2lab_libtorch::{Bucket, Group, Reducer};
use std::ops::Range;
use std::rc::Rc;

/// The size of a bucket in bytes. It is large enough that a transfer takes longer than its start
/// (Li et al., VLDB 2020).
const BUCKET: i64 = 25 << 20;
/// The size of the first bucket, which is smaller so that the first transfer starts early.
const FIRST_BUCKET: i64 = 1 << 20;

impl Params {
    /// A reducer that sums these gradients over the processes of `group`.
    pub fn reducer(&self, group: &Rc<Group>) -> Result<Reducer, Error> {
        let bytes = self.grads.kind().elt_size_in_bytes() as i64;
        let bucket = |(range, entries): (Range<i64>, Vec<usize>)| Bucket {
            gradients: self.grads.narrow(0, range.start, range.end - range.start),
            leaves: entries
                .into_iter()
                .filter_map(|i| Some((self.leaf(i), self.grad(i)?)))
                .collect(),
        };
        let buckets: Vec<Bucket> = self.bucket_ranges(bytes).into_iter().map(bucket).collect();
        Reducer::new(group, &buckets)
    }

    /// Divides the flat buffer into buckets: ranges with their entries. Buckets are in the order in
    /// which a backward pass completes them: weights from the last to the first, then batch norms
    /// and biases, which follow all weights in the buffer.
    fn bucket_ranges(&self, element_bytes: i64) -> Vec<(Range<i64>, Vec<usize>)> {
        let offsets = self.trained_offsets();
        let (mut weights, rest): (Vec<_>, Vec<_>) =
            offsets.iter().copied().partition(|&(offset, _)| offset < self.weights_end);
        weights.sort_unstable();
        // Small networks have several buckets too, since a single one would wait for the whole
        // backward pass.
        let first = FIRST_BUCKET.min(self.weights_end * element_bytes / 4);
        let mut cut = Vec::new();
        let mut end = self.weights_end;
        let mut entries = vec![];
        for (offset, entry) in weights.into_iter().rev() {
            entries.push(entry);
            let most = if cut.is_empty() { first } else { BUCKET };
            if (end - offset) * element_bytes >= most || offset == 0 {
                cut.push((offset..end, std::mem::take(&mut entries)));
                end = offset;
            }
        }
        if !rest.is_empty() {
            cut.push((
                self.weights_end..self.grads.size()[0],
                rest.into_iter().map(|(_, entry)| entry).collect(),
            ));
        }
        cut
    }
}

#[cfg(test)]
mod tests {
    use crate::{Engine, Layout, Params, Placement};
    use tch::{Device, Kind};

    #[test]
    fn buckets_hold_every_gradient_once_from_the_last_layer_to_the_first() {
        for name in ["res2net50_26w_4s", "resnet101", "res2net_dla60", "res2next29_6c24w4s"] {
            let spec = res2lab_arch::zoo::find(name).unwrap().words.resolve().unwrap().0;
            let input = res2lab_arch::Input { channels: 3, height: 224, width: 224, classes: 1000 };
            let graph = res2lab_arch::build(&spec, input).unwrap();
            let placement = Placement {
                device: Device::Cpu,
                kind: Kind::Float,
                layout: Layout::ChannelsLast,
                engine: Engine::Autograd,
            };
            let params = Params::new(&graph, placement).unwrap();
            let cut = params.bucket_ranges(4);
            let mut ranges: Vec<_> = cut.iter().map(|(range, _)| range.clone()).collect();
            assert!(ranges.len() > 2 && ranges[0].end == params.weights_end, "{name}");
            ranges.sort_by_key(|range| range.start);
            assert_eq!((ranges[0].start, ranges.last().unwrap().end), (0, params.grads.size()[0]));
            assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start), "{name}");
            // No bucket is larger than 25 MiB and the tensor that fills it.
            let largest = params.entries().iter().map(|e| e.elements() as i64 * 4).max().unwrap();
            assert!(
                ranges.iter().all(|r| (r.end - r.start) * 4 <= super::BUCKET + largest),
                "{name}"
            );
            let mut entries: Vec<usize> =
                cut.into_iter().flat_map(|(_, entries)| entries).collect();
            entries.sort_unstable();
            let trained = |&i: &usize| params.grad(i).is_some();
            assert!(entries.into_iter().eq((0..params.entries().len()).filter(trained)), "{name}");
        }
    }
}
