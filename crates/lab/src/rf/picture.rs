//! A picture of what the stages of a network see of an image, for TensorBoard.

use res2lab_store::PlannedTrial;
use res2lab_store::tensorboard::Picture;

/// Pixels of the picture's side.
const SIDE: i64 = 240;
const OUTSIDE: [u8; 3] = [235, 236, 238];
const IMAGE: [u8; 3] = [255, 255, 255];
/// Of the stages in order; the same as the report's first arms.
const COLORS: [[u8; 3]; 6] =
    [[0, 114, 178], [213, 94, 0], [0, 143, 104], [181, 88, 138], [176, 124, 0], [74, 79, 87]];

/// The image in the middle (white), and around its center the largest field of each stage as a
/// square of its own color; what lies beyond the image is padding. None for a network that cannot
/// be built.
pub fn picture(trial: &PlannedTrial) -> Option<Picture> {
    let px = trial.image_px;
    let graph = trial.graph().ok()?;
    let fields = res2lab_rf::fields(&graph);
    let sizes: Vec<i64> = graph.stages.iter().map(|stage| fields[stage.node.0].max_px()).collect();
    // Fields far larger than the image would make it a dot.
    let shown = sizes.iter().copied().max()?.max(px as i64).min(4 * px as i64);
    let scaled = |size: i64| (size * (SIDE - 8) / shown).max(1);
    let mut rgb = OUTSIDE.repeat((SIDE * SIDE) as usize);
    let half = scaled(px as i64) / 2;
    let middle = SIDE / 2;
    for y in middle - half..=middle + half {
        (middle - half..=middle + half).for_each(|x| set(&mut rgb, x, y, IMAGE));
    }
    for (i, size) in sizes.iter().enumerate().rev() {
        let half = scaled(*size) / 2;
        for d in -half..=half {
            for thick in 0..2 {
                for (x, y) in
                    [(d, -half + thick), (d, half - thick), (-half + thick, d), (half - thick, d)]
                {
                    set(&mut rgb, middle + x, middle + y, COLORS[i % COLORS.len()]);
                }
            }
        }
    }
    Some(Picture { width: SIDE as usize, height: SIDE as usize, rgb })
}

/// What lies outside of the picture is not drawn.
fn set(rgb: &mut [u8], x: i64, y: i64, color: [u8; 3]) {
    if (0..SIDE).contains(&x) && (0..SIDE).contains(&y) {
        let at = 3 * (y * SIDE + x) as usize;
        rgb[at..at + 3].copy_from_slice(&color);
    }
}
