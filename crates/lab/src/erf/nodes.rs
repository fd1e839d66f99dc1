//! Which nodes are asked, and what is kept of each.

use res2lab_arch::NodeId;
use res2lab_error::Error;
use res2lab_explain::{Erf, ErfOptions, Map, erf};
use res2lab_nn::Net;
use res2lab_store::effective::{AREAS, EffectiveNode, EffectiveState, Thumbnail};
use tch::Tensor;

/// Cells of a kept map's side: more are not seen on a page.
const MOST_CELLS: usize = 64;

/// The network as it is now, under this name.
pub(super) fn state(
    net: &Net,
    images: &Tensor,
    name: &str,
    options: ErfOptions,
) -> Result<EffectiveState, Error> {
    let nodes = nodes(net);
    let ids: Vec<NodeId> = nodes.iter().map(|(_, id)| *id).collect();
    let found = erf(net, images, &ids, options)?;
    let nodes =
        nodes.into_iter().zip(&found).map(|((node, _), found)| of_node(node, found)).collect();
    Ok(EffectiveState { state: name.into(), nodes })
}

/// The end of the last stage alone, which is what widths are told of.
pub(super) fn last_stage(net: &Net, images: &Tensor, options: ErfOptions) -> Result<Width, Error> {
    let found = erf(net, images, &[res2lab_rf::last_stage(net.graph())], options)?;
    let Some(Erf { mean, .. }) = found.first() else {
        return Err(Error::machine("nothing was measured", "please report this"));
    };
    let (x, y) = mean.sigma().unwrap_or_default();
    let sigma_px = ((x * x + y * y) / 2.0).sqrt();
    Ok(Width { sigma_px, ratio_50: mean.area(found[0].center_pixel(), AREAS[2]).ratio })
}

/// How wide a field is.
pub(super) struct Width {
    pub sigma_px: f64,
    /// Area of the smallest square with half of the total weight, divided by the image's area.
    pub ratio_50: f64,
}

/// The end of each stage, and the splits of the last block that has any.
pub(super) fn nodes(net: &Net) -> Vec<(String, NodeId)> {
    let graph = net.graph();
    let mut nodes: Vec<(String, NodeId)> =
        graph.stages.iter().map(|s| (s.name.clone(), s.node)).collect();
    let splits = res2lab_rf::splits::splits(graph);
    let last = splits.last().map(|split| split.block.clone());
    let of_last = splits.iter().filter(|split| Some(&split.block) == last.as_ref());
    nodes.extend(
        of_last.map(|s| (format!("{}.{}", s.block.trim_end_matches(".concat"), s.index), s.node)),
    );
    nodes
}

fn of_node(node: String, found: &Erf) -> EffectiveNode {
    let map = &found.mean;
    let (sigma_x_px, sigma_y_px) = map.sigma().unwrap_or_default();
    let (x, y) = map.center_of_mass().unwrap_or(found.center);
    let center = found.center_pixel();
    let log = map.log();
    let profile = map.radial_profile(found.center);
    let most = profile.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let error = found.error.values.iter().map(|e| e * e).sum::<f64>().sqrt();
    EffectiveNode {
        node,
        rf_max_px: found.field.max_px(),
        center_px: [found.center.0, found.center.1],
        sigma_x_px,
        sigma_y_px,
        com_dx_px: x - found.center.0,
        com_dy_px: y - found.center.1,
        size_px: map.seen_size_px(),
        area_ratios: AREAS.map(|share| map.area(center, share).ratio),
        area_ratios_log: AREAS.map(|share| log.area(center, share).ratio),
        profile: profile.into_iter().filter(|v| v.is_finite()).map(|v| v / most).collect(),
        scale: map.sum(),
        relative_error: error / map.sum().max(f64::MIN_POSITIVE),
        is_saturated: found.is_saturated(),
        images: found.images,
        skipped: found.skipped,
        map: thumbnail(map),
    }
}

/// Means over cells of equal size; a cell at the edge may be smaller.
pub(super) fn thumbnail(map: &Map) -> Thumbnail {
    let w = map.width;
    let h = map.height();
    let cell_px = w.max(h).div_ceil(MOST_CELLS).max(1);
    let width = w.div_ceil(cell_px);
    let height = h.div_ceil(cell_px);
    let mut sums = vec![0.0; width * height];
    let mut counts = vec![0.0_f64; width * height];
    for (i, value) in map.values.iter().enumerate() {
        let cell = i / w / cell_px * width + i % w / cell_px;
        sums[cell] += value;
        counts[cell] += 1.0;
    }
    let means: Vec<f64> = sums.iter().zip(&counts).map(|(sum, n)| sum / n.max(1.0)).collect();
    let most = means.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    Thumbnail {
        width,
        cell_px,
        values: means.iter().map(|v| (65535.0 * v / most).round() as u16).collect(),
    }
}
