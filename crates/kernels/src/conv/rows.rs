//! How a product divides its rows, which positions it computes, and how its weights lie.

/// The rows of weights, and so of results, of one register tile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TileRows {
    pub first: usize,
    pub rows: usize,
}

/// Divides rows into tiles of six rows. The last tiles have three to five, unless there are fewer
/// rows in all.
pub(crate) fn tiles(rows: usize) -> Vec<TileRows> {
    cut(
        rows,
        6,
        match (rows / 6, rows % 6) {
            (_, 0) => &[],
            (0, 1) => &[1],
            (0, 2) => &[2],
            (_, 1) => &[4, 3],
            (_, 2) => &[4, 4],
            (_, 3) => &[3],
            (_, 4) => &[4],
            (_, _) => &[5],
        },
    )
}

/// Divides rows into tiles of four rows, which suit dot products. The last tiles may have three,
/// five or six, or fewer if there are fewer rows in all.
pub(crate) fn dot_tiles(rows: usize) -> Vec<TileRows> {
    cut(
        rows,
        4,
        match (rows / 4, rows % 4) {
            (_, 0) => &[],
            (0, 1) => &[1],
            (0, 2) => &[2],
            (_, 1) => &[5],
            (1, 2) => &[6],
            (_, 2) => &[5, 5],
            (_, _) => &[3],
        },
    )
}

/// Tiles of `size` rows, followed by tiles of the sizes in `last`.
fn cut(rows: usize, size: usize, last: &[usize]) -> Vec<TileRows> {
    let equal = (rows - last.iter().sum::<usize>()) / size;
    let mut first = 0;
    std::iter::repeat_n(size, equal)
        .chain(last.iter().copied())
        .map(|rows| {
            first += rows;
            TileRows { first: first - rows, rows }
        })
        .collect()
}

/// The positions of a panel that are computed: `count` runs of `len` consecutive positions, which
/// start `span` apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Runs {
    pub count: usize,
    pub span: usize,
    pub len: usize,
}

/// The layout of weights before packing: row r, column k lies at `r * row_stride + columns[k]`.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub row_stride: usize,
    pub columns: Vec<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_every_row_once_and_exist() {
        for (rows, tiles) in
            (1..300).flat_map(|rows| [(rows, tiles(rows)), (rows, dot_tiles(rows))])
        {
            let mut next = 0;
            for tile in tiles {
                assert_eq!(tile.first, next);
                assert!((1..=super::super::tile::ROWS).contains(&tile.rows));
                assert!(tile.rows > 1 || rows == 1);
                next += tile.rows;
            }
            assert_eq!(next, rows);
        }
    }
}
