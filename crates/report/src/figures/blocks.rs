//! Figures: block diagrams, derived from the networks' graphs.

use super::{Figure, Legend, Table};
use crate::chart::Drawing;
use crate::diagram::{self, Block, layout::Shape};
use crate::network::Network;

/// Maximum number of diagrams.
const MOST: usize = 8;

/// A block shape with the networks that have it.
struct Form<'n> {
    block: Block,
    networks: Vec<(&'n Network, String)>,
}

/// One figure per distinct block shape among the networks that have a color. `noun` names the
/// networks in the text: `arm` or `network`.
pub fn figures(networks: &[Network], noun: &str) -> Vec<Figure> {
    let mut forms: Vec<Form> = Vec::new();
    for network in networks.iter().filter(|network| network.color.is_some()) {
        for block in blocks(network) {
            let channels = channels(&block);
            match forms.iter_mut().find(|form| form_of(&form.block) == form_of(&block)) {
                // A network is listed once per shape, with its first block.
                Some(form)
                    if form
                        .networks
                        .last()
                        .is_some_and(|(last, _)| std::ptr::eq(*last, network)) => {}
                Some(form) => form.networks.push((network, channels)),
                None => forms.push(Form { block, networks: vec![(network, channels)] }),
            }
        }
    }
    forms.truncate(MOST);
    forms.iter().enumerate().map(|(i, form)| figure(i, form, noun)).collect()
}

fn blocks(network: &Network) -> Vec<Block> {
    let graph = &network.graph;
    let mut blocks = diagram::blocks(graph);
    let splits = res2lab_rf::splits::splits(graph);
    for shape in blocks.iter_mut().flat_map(|block| &mut block.shapes) {
        let split = splits.iter().find(|split| graph.node(split.node).name == shape.node);
        shape.lines.extend(split.map(|split| format!("{}px", split.max_px)));
    }
    blocks
}

/// The properties in which two diagrams must agree to be equal: everything but channels and
/// strides.
fn form_of(block: &Block) -> Vec<(usize, String, diagram::layout::Column)> {
    let word = |s: &Shape| {
        let words =
            s.lines.first().map_or("", |line| line.split([' ', ':']).next().unwrap_or_default());
        let is_channels = words.chars().all(|c| c.is_ascii_digit());
        if is_channels { String::new() } else { words.to_owned() }
    };
    block.shapes.iter().map(|s| (s.row, word(s), s.column)).collect()
}

/// The channels through a block: `64 → 4 × 26 → 256`.
fn channels(block: &Block) -> String {
    let number = |s: Option<&Shape>| {
        let digits = s
            .and_then(|s| s.lines.last())
            .map_or("", |line| line.split(' ').next().unwrap_or_default());
        digits.to_owned()
    };
    let named = |name: &str| {
        block
            .shapes
            .iter()
            .find(|s| s.node.strip_prefix(&block.name).is_some_and(|n| n.starts_with(name)))
    };
    let inner = block.shapes.iter().find_map(|s| s.lines.first()?.strip_prefix("split: "));
    let inner = inner
        .map(str::to_owned)
        .unwrap_or_else(|| number(named(".relu2").or_else(|| named(".bn2"))));
    format!("{} → {inner} → {}", number(block.shapes.first()), number(named(".bn3")))
}

fn figure(i: usize, form: &Form, noun: &str) -> Figure {
    let (first, _) = form.networks[0];
    let others = match form.networks.len() {
        1 => String::new(),
        2 => format!(", and of another {noun}"),
        n => format!(", and of {} other {noun}s", n - 1),
    };
    let title = format!("Block {} of {}{others}", form.block.name, first.label);
    let legend = |(n, _): &(&Network, String)| Legend {
        text: n.label.clone(),
        style: n.style(),
        arm: n.id.clone(),
    };
    Figure {
        id: format!("block-{i}"),
        drawing: Drawing::Svg(diagram::svg(&form.block, &title)),
        title,
        how_to_read:
            "Boxes are layers with their kernel and channels (/2: stride 2, g8: eight groups), each followed by batch \
                      norm and, but for the last before the sum, ReLU; below a split's last layer stands how much of the image its units see at \
                      most, exactly. Numbers are those of the first one named."
                .into(),
        legend: form.networks.iter().map(legend).collect(),
        table: Table {
            columns: [noun, "channels of the block"].map(str::to_owned).to_vec(),
            rows: form.networks.iter().map(|(n, channels)| vec![n.label.clone(), channels.clone()]).collect(),
        },
    }
}
