//! A training step and an evaluation with activations in bfloat16: the same values are rounded with
//! every instruction set, so results differ only by the order of sums.

use res2lab_arch::{Graph, Input, ModelOverrides, build};
use res2lab_kernels::amx;
use res2lab_kernels::instruction_set::{InstructionSet, highest, use_instruction_set};
use res2lab_planned::{Bf16, Inference, Plan, State, Stored, Workspace};
use serde_json::json;

const BATCH: usize = 8;
const SIDE: usize = 32;
const CLASSES: usize = 7;

fn graph(words: serde_json::Value) -> Graph {
    let words: ModelOverrides = serde_json::from_value(words).unwrap();
    let input = Input { height: SIDE, width: SIDE, channels: 3, classes: CLASSES };
    build(&words.resolve().unwrap().0, input).unwrap()
}

/// Numbers from -1 to 1.
fn noise(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

/// An entry of the state, of a size at which activations keep theirs.
fn entry(graph: &Graph, i: usize) -> Vec<f32> {
    let shape = &graph.state[i].shape;
    let elements = graph.state[i].elements();
    match shape.len() {
        1 => noise(elements, i as u64).iter().map(|x| 1.0 + 0.2 * x).collect(),
        _ => {
            let fan_in = (elements / shape[0]) as f32;
            noise(elements, i as u64).iter().map(|x| x * (3.0 / fan_in).sqrt()).collect()
        }
    }
}

/// The logits of a training step, the gradients of all entries, and the logits of an evaluation.
fn results<T: Stored<Real = f32>>(graph: &Graph, threads: usize) -> [Vec<f32>; 3] {
    let mut entries = Vec::new();
    let mut values = Vec::new();
    for i in 0..graph.state.len() {
        entries.push(values.len());
        values.extend(entry(graph, i));
    }
    let mut grads = vec![0.0; values.len()];
    let mut running = vec![0.0; values.len()];
    let images = noise(BATCH * 3 * SIDE * SIDE, 1000);
    let plan = Plan::<T>::new(graph, entries, BATCH, threads);
    let mut workspace = Workspace::new(&plan);
    let mut state = State { values: &mut values, grads: &mut grads, running: &mut running };
    let logits = plan.forward(&mut workspace, &images, &mut state).to_vec();
    plan.backward(&mut workspace, &images, &noise(logits.len(), 1001), &mut state, false);
    let mut inference = Inference::<T>::new(graph, |i| entry(graph, i), BATCH, threads);
    [logits, grads, inference.logits(&images)]
}

/// The largest difference, relative to the spread of the second.
fn deviation(ours: &[f32], theirs: &[f32]) -> f32 {
    let most = theirs.iter().copied().fold(f32::MIN, f32::max);
    let least = theirs.iter().copied().fold(f32::MAX, f32::min);
    let off = ours.iter().zip(theirs).fold(0.0, |off: f32, (a, b)| off.max((a - b).abs()));
    off / (most - least)
}

/// Whether the results of a network are near enough to those of other instructions. The norm behind
/// deeplab's mean over the whole map has eight values to a channel, which turns the rounding of one
/// into large differences of gradients, so these are not compared.
fn is_near(name: &str, [logits, gradients, evaluated]: [f32; 3]) -> bool {
    const MOST: f32 = 1e-2;
    let is_deeplab = name.contains("deeplab");
    logits.max(evaluated) <= MOST && (is_deeplab || gradients <= MOST)
}

/// A difference in the last bit of a sum may change how a value is rounded, and what is computed
/// from it. In training that happens to many values.
#[test]
fn every_instruction_set_rounds_the_same_values() {
    let res2 = json!({"block": "res2", "stem": "cifar", "blocks": [1, 1, 1], "planes": 8});
    let se =
        json!({"block": "res2", "stem": "cifar", "blocks": [1, 1], "cardinality": 2, "se": true});
    let pools = json!({"block": "res2", "stem": "imagenet", "blocks": [1, 1], "downsample": "avg"});
    let maps = json!({"head": "fpn", "blocks": [1, 1, 1, 1], "planes": 8, "pyramid_channels": 16});
    let atrous = json!({"head": "deeplabv3plus", "blocks": [1, 1, 1, 1], "planes": 8,
        "decoder_channels": 16, "output_stride": 8});
    for words in [res2, se, pools, maps, atrous] {
        let name = words.to_string();
        let graph = graph(words);
        use_instruction_set(InstructionSet::Plain);
        let plain = results::<Bf16>(&graph, 2);
        for set in InstructionSet::ALL.into_iter().filter(|set| set.is_available()) {
            use_instruction_set(set);
            let ours = results::<Bf16>(&graph, 3);
            let off: [f32; 3] = std::array::from_fn(|i| deviation(&ours[i], &plain[i]));
            println!("{name}, {}: {off:?}", set.name());
            assert!(is_near(&name, off), "{name}, {}: {off:?}", set.name());
        }
        use_instruction_set(highest());
        let own = results::<Bf16>(&graph, 2);
        amx::emulate(true);
        let tiles = results::<Bf16>(&graph, 2);
        amx::emulate(false);
        let off: [f32; 3] = std::array::from_fn(|i| deviation(&tiles[i], &plain[i]));
        println!("{name}, emulated AMX tiles: {off:?}");
        assert!(is_near(&name, off), "{name}, AMX tiles: {off:?}");
        assert!(tiles[1] != own[1], "{name}: no tile is used");
        let real = results::<f32>(&graph, 2);
        for (ours, real) in plain.iter().zip(&real) {
            assert!(deviation(ours, real) > 1e-4, "{name}: nothing is rounded");
        }
    }
}
