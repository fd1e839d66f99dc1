//! Layout of one block's nodes: rows by depth in the graph, columns by split.

use res2lab_arch::{Graph, NodeId, Op};
use std::collections::BTreeMap;

/// The layout of one block.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// Module name, e.g. `layer1.0`.
    pub name: String,
    /// From top to bottom; arrows point downwards only.
    pub shapes: Vec<Shape>,
    pub arrows: Vec<Arrow>,
    /// Number of splits side by side; 1 for a block without splits.
    pub splits: usize,
    /// Number of columns to the right of the splits, for the shortcut and for squeeze and
    /// excitation.
    pub side_columns: usize,
}

/// One element of the diagram.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    pub kind: Kind,
    /// The operation in one or two short lines.
    pub lines: Vec<String>,
    /// The node whose result the shape represents; shown as a tooltip.
    pub node: String,
    /// Counted from the top.
    pub row: usize,
    pub column: Column,
}

/// The appearance of a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The input of the block.
    Input,
    /// A layer.
    Box,
    /// A bar over all splits: the split operation or the concatenation.
    Bar,
    /// A sum or a product: a small circle.
    Circle,
}

/// The horizontal position of a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Centered over the splits.
    Middle,
    /// Below the split with this index.
    Split(usize),
    /// Beside the splits.
    Side(usize),
}

/// An arrow between two shapes, given by their indices in [`Block::shapes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrow {
    pub from: usize,
    pub to: usize,
    /// Index of the split that the arrow carries away from a split bar.
    pub split: Option<usize>,
}

/// The layouts of all blocks of a network in order. A block is a module with a `conv3`.
pub fn blocks(graph: &Graph) -> Vec<Block> {
    let names = graph.nodes.iter().filter_map(|node| node.name.strip_suffix(".conv3"));
    names.map(|name| place(graph, name)).collect()
}

fn place(graph: &Graph, name: &str) -> Block {
    let prefix = format!("{name}.");
    let inside: Vec<NodeId> =
        graph.iter().filter(|(_, n)| n.name.starts_with(&prefix)).map(|(id, _)| id).collect();
    let mut placing =
        Placing { graph, prefix: &prefix, block: Block::empty(name), at: BTreeMap::new() };
    placing.block.splits =
        inside.iter().filter(|id| matches!(graph.node(**id).op, Op::Slice { .. })).count().max(1);
    inside.into_iter().for_each(|id| placing.add(id));
    placing.block
}

/// A block during layout.
struct Placing<'a> {
    graph: &'a Graph,
    prefix: &'a str,
    block: Block,
    /// The shape that carries a node's result, and the split if the shape is a bar.
    at: BTreeMap<NodeId, (usize, Option<usize>)>,
}

impl Placing<'_> {
    fn add(&mut self, id: NodeId) {
        let node = self.graph.node(id);
        let inputs: Vec<(usize, Option<usize>)> =
            node.inputs.iter().map(|input| self.shape_of(*input)).collect();
        match node.op {
            Op::BatchNorm { .. } | Op::GroupNorm { .. } | Op::Relu | Op::Sigmoid
                if self.may_join(id, inputs[0].0) =>
            {
                let shape = &mut self.block.shapes[inputs[0].0];
                shape.node.clone_from(&node.name);
                if let (Op::Sigmoid, Some(last)) = (node.op, shape.lines.last_mut()) {
                    *last = "sigmoid".into();
                }
                self.at.insert(id, (inputs[0].0, None));
            }
            Op::Slice { len, .. } => self.slice(id, inputs[0].0, len),
            // Batch norms and activations are written into the box of the layer before them, where
            // they can be.
            Op::BatchNorm { .. }
            | Op::GroupNorm { .. }
            | Op::Relu
            | Op::Sigmoid
            | Op::Noise { .. }
            | Op::Input
            | Op::Conv(_)
            | Op::Add
            | Op::Gate
            | Op::Concat
            | Op::MaxPool(_)
            | Op::AvgPool(_)
            | Op::GlobalPool
            | Op::Resize(_)
            | Op::Linear { .. } => {
                let column = self.column(id, &inputs);
                let row = inputs
                    .iter()
                    .map(|(shape, _)| self.block.shapes[*shape].row + 1)
                    .max()
                    .unwrap_or(0);
                let (kind, lines) = words(&node.op, node.shape.channels);
                let shape = self.push(Shape { kind, lines, node: node.name.clone(), row, column });
                self.block.arrows.extend(inputs.iter().map(|&(from, split)| Arrow {
                    from,
                    to: shape,
                    split,
                }));
                self.at.insert(id, (shape, None));
            }
        }
    }

    /// The shape of a node. A node outside the block becomes the input shape.
    fn shape_of(&mut self, id: NodeId) -> (usize, Option<usize>) {
        if let Some(found) = self.at.get(&id) {
            return *found;
        }
        let node = self.graph.node(id);
        let others = self.block.shapes.iter().filter(|s| s.kind == Kind::Input).count();
        let column = if others == 0 { Column::Middle } else { self.side(others - 1) };
        let lines = vec![format!("{} channels", node.shape.channels)];
        let shape =
            self.push(Shape { kind: Kind::Input, lines, node: node.name.clone(), row: 0, column });
        self.at.insert(id, (shape, None));
        (shape, None)
    }

    /// Adds a split to the bar that all splits of a result share.
    fn slice(&mut self, id: NodeId, from: usize, channels: usize) {
        let bar = self
            .block
            .arrows
            .iter()
            .find(|a| a.from == from && self.block.shapes[a.to].kind == Kind::Bar);
        let bar = bar.map(|arrow| arrow.to).unwrap_or_else(|| {
            let row = self.block.shapes[from].row + 1;
            let lines = vec![format!("split: {} × {channels}", self.block.splits)];
            let node = self.block.shapes[from].node.clone();
            let bar =
                self.push(Shape { kind: Kind::Bar, lines, node, row, column: Column::Middle });
            self.block.arrows.push(Arrow { from, to: bar, split: None });
            bar
        });
        let before =
            self.at.values().filter(|(shape, split)| *shape == bar && split.is_some()).count();
        self.at.insert(id, (bar, Some(before)));
    }

    /// Whether a node can be merged into the shape of its input: the node must be the input's only
    /// consumer.
    fn may_join(&self, id: NodeId, shape: usize) -> bool {
        let read = self.graph.node(id).inputs[0];
        let readers = self.graph.nodes.iter().filter(|node| node.inputs.contains(&read)).count();
        readers == 1 && matches!(self.block.shapes[shape].kind, Kind::Box | Kind::Circle)
    }

    /// The column of a node: a layer stands below its input, a sum of splits below the later one.
    fn column(&mut self, id: NodeId, inputs: &[(usize, Option<usize>)]) -> Column {
        let node = self.graph.node(id);
        let part = node.name.strip_prefix(self.prefix).unwrap_or_default();
        if ["downsample", "project", "se."].iter().any(|beside| part.starts_with(beside)) {
            // The shortcut runs outside of squeeze and excitation, which comes later.
            let has_gate =
                self.graph.nodes.iter().any(|n| n.name == format!("{}se.pool", self.prefix));
            return self.side(usize::from(has_gate && !part.starts_with("se.")));
        }
        if matches!(node.op, Op::Concat | Op::Gate) {
            return Column::Middle;
        }
        let of = |(shape, split): &(usize, Option<usize>)| {
            split.map_or(self.block.shapes[*shape].column, Column::Split)
        };
        let splits = inputs
            .iter()
            .map(of)
            .filter_map(|c| if let Column::Split(i) = c { Some(i) } else { None });
        splits.max().map_or(Column::Middle, Column::Split)
    }

    fn side(&mut self, i: usize) -> Column {
        self.block.side_columns = self.block.side_columns.max(i + 1);
        Column::Side(i)
    }

    fn push(&mut self, shape: Shape) -> usize {
        self.block.shapes.push(shape);
        self.block.shapes.len() - 1
    }
}

impl Block {
    fn empty(name: &str) -> Block {
        Block {
            name: name.into(),
            shapes: Vec::new(),
            arrows: Vec::new(),
            splits: 1,
            side_columns: 0,
        }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.shapes.iter().map(|shape| shape.row + 1).max().unwrap_or(0)
    }
}

/// The kind and the text of an operation's shape.
fn words(op: &Op, channels: usize) -> (Kind, Vec<String>) {
    let layer = |what: String| (Kind::Box, vec![what, channels.to_string()]);
    match op {
        Op::Conv(conv) => {
            let stride = if conv.stride > 1 { format!(" /{}", conv.stride) } else { String::new() };
            let word = |letter: &str, n: usize| match n {
                1 => String::new(),
                n => format!(" {letter}{n}"),
            };
            let [dilation, groups] = [word("d", conv.dilation), word("g", conv.groups)];
            layer(format!("{0}×{0}{stride}{dilation}{groups}", conv.kernel))
        }
        Op::MaxPool(pool) | Op::AvgPool(pool) => {
            let stride = if pool.stride > 1 { format!(" /{}", pool.stride) } else { String::new() };
            let name = if matches!(op, Op::MaxPool(_)) { "max" } else { "avg" };
            // Pooling keeps the number of channels.
            (Kind::Box, vec![name.into(), format!("{0}×{0}{stride}", pool.kernel)])
        }
        Op::GlobalPool => layer("global avg".into()),
        Op::Linear { .. } => layer("linear".into()),
        Op::Add => (Kind::Circle, vec!["+".into()]),
        Op::Gate => (Kind::Circle, vec!["×".into()]),
        Op::Concat => (Kind::Bar, vec![format!("concat: {channels}")]),
        Op::BatchNorm { .. } | Op::GroupNorm { .. } => layer("norm".into()),
        Op::Resize(_) => layer("resize".into()),
        Op::Relu => layer("ReLU".into()),
        Op::Sigmoid => layer("sigmoid".into()),
        Op::Noise { .. } => layer("noise".into()),
        Op::Input | Op::Slice { .. } => (Kind::Input, vec![channels.to_string()]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use res2lab_arch::{Input, ModelOverrides, build, zoo};

    fn of(zoo: &str) -> Vec<Block> {
        let words = ModelOverrides { zoo: Some(zoo.to_owned()), ..ModelOverrides::default() };
        blocks(&build(&words.resolve().unwrap().0, Input::square(224, 10)).unwrap())
    }

    fn at(block: &Block, node: &str) -> (usize, Column) {
        let shape =
            block.shapes.iter().find(|s| s.node == format!("{}.{node}", block.name)).unwrap();
        (shape.row, shape.column)
    }

    #[test]
    fn splits_step_down_one_after_the_other_as_in_the_papers_figure() {
        let blocks = of("res2net50_26w_4s");
        assert_eq!(blocks.len(), 16);
        let block = &blocks[1];
        assert_eq!((block.name.as_str(), block.splits, block.side_columns), ("layer1.1", 4, 0));
        let split = Column::Split;
        assert_eq!(
            [0, 1, 2].map(|i| at(block, &format!("relus.{i}"))),
            [(3, split(0)), (5, split(1)), (7, split(2))]
        );
        assert_eq!([1, 2].map(|i| at(block, &format!("sum.{i}"))), [(4, split(1)), (6, split(2))]);
        assert_eq!(
            (at(block, "concat"), at(block, "relu3")),
            ((8, Column::Middle), (10, Column::Middle))
        );
        // The last split goes straight to the concatenation.
        let concat = block.shapes.iter().position(|s| s.node.ends_with("concat")).unwrap();
        let splits: Vec<_> =
            block.arrows.iter().filter(|a| a.to == concat).map(|a| a.split).collect();
        assert_eq!(splits, [None, None, None, Some(3)]);
    }

    #[test]
    fn a_first_block_has_no_sums_but_a_pool_and_a_shortcut_beside() {
        let block = &of("seres2net50_26w_4s")[0];
        assert_eq!(at(block, "pool"), (3, Column::Split(3)));
        assert_eq!(at(block, "downsample.1"), (1, Column::Side(1)));
        assert_eq!((at(block, "se.pool").1, block.side_columns), (Column::Side(0), 2));
        assert!(block.shapes.iter().all(|s| !s.node.contains(".sum.")));
    }

    #[test]
    fn every_block_of_every_network_is_whole_and_arrows_go_down() {
        for entry in zoo::entries() {
            for block in of(entry.name) {
                assert!(
                    block.arrows.iter().all(|a| block.shapes[a.from].row < block.shapes[a.to].row),
                    "{}",
                    entry.name
                );
                let last = block.shapes.iter().max_by_key(|s| s.row).unwrap();
                assert_eq!(
                    (last.kind, block.shapes.iter().filter(|s| s.row == last.row).count()),
                    (Kind::Circle, 1)
                );
                // No two shapes share a place.
                for (i, a) in block.shapes.iter().enumerate() {
                    assert!(
                        !block.shapes[..i].iter().any(|b| (a.row, a.column) == (b.row, b.column)),
                        "{}",
                        entry.name
                    );
                }
            }
        }
    }
}
