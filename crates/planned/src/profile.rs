//! A profile: what one thread's time goes to, by kind of instruction.

use res2lab_kernels::ConvShape;

/// All instructions of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The instruction's name, for convolutions with the kernel: `conv 3x3`.
    pub name: String,
    /// How often such an instruction ran.
    pub count: usize,
    pub seconds: f64,
    /// Multiply-adds of convolutions for the thread's images. Zero for other instructions.
    pub multiply_adds: usize,
}

/// The time of one thread in one or several passes.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    rows: Vec<Row>,
}

/// The products of an instruction that computes convolutions of one shape.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Products {
    pub shape: ConvShape,
    /// Products of the size of the forward pass.
    pub count: usize,
}

impl Profile {
    /// Adds a run of an instruction on `images` images.
    pub(crate) fn add(
        &mut self,
        name: &'static str,
        products: Option<Products>,
        images: usize,
        seconds: f64,
    ) {
        let (name, multiply_adds) = match products {
            Some(Products { shape, count }) => {
                let groups = if shape.groups > 1 { ", grouped" } else { "" };
                let name = format!("{name} {0}x{0}{groups}", shape.kernel);
                (name, shape.multiply_adds() * count * images)
            }
            None => (name.to_owned(), 0),
        };
        let found = self.rows.iter().position(|row| row.name == name);
        let index = found.unwrap_or_else(|| {
            self.rows.push(Row { name, count: 0, seconds: 0.0, multiply_adds: 0 });
            self.rows.len() - 1
        });
        let row = &mut self.rows[index];
        row.count += 1;
        row.seconds += seconds;
        row.multiply_adds += multiply_adds;
    }

    /// The kinds of instructions, the longest first.
    pub fn rows(&self) -> Vec<Row> {
        let mut rows = self.rows.clone();
        rows.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_of_one_kind_are_one_row() {
        let shape = ConvShape {
            channels: 2,
            height: 4,
            width: 4,
            out: 3,
            kernel: 1,
            stride: 1,
            padding: 0,
            dilation: 1,
            groups: 1,
        };
        let mut profile = Profile::default();
        profile.add("relu", None, 5, 1.0);
        for seconds in [2.0, 3.0] {
            profile.add("conv back", Some(Products { shape, count: 2 }), 5, seconds);
        }
        let row = |name: &str, count, seconds, multiply_adds| Row {
            name: name.into(),
            count,
            seconds,
            multiply_adds,
        };
        let of_conv = 2 * 2 * 5 * (2 * 3 * 16);
        assert_eq!(profile.rows(), [row("conv back 1x1", 2, 5.0, of_conv), row("relu", 1, 1.0, 0)]);
    }
}
