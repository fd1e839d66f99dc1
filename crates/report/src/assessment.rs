//! The HTML page of one network's evaluation: metrics, calibration, confusions and the accuracy of
//! each class.
use crate::chart::{Chart, Drawing, Grid, Kind, Margins, Mark, Scale, TOP, WIDE, WIDTH};
use crate::figures::{Figure, Table};
use crate::format::{fixed, plural};
use crate::page::{FigureContext, SCRIPT, STYLE, fill};
use minijinja::context;
use res2lab_error::Error;
use res2lab_store::assessment::{Assessment, Bin, ClassRow};
use serde::Serialize;

const TEMPLATE: &str = include_str!("page/assessment.html");

/// With more classes than this the confusion matrix is not drawn. The most frequent confusions are
/// listed for any number of classes.
const MOST_CLASSES: usize = 20;
/// With more classes than this the matrix needs twice the width.
const MOST_NARROW: usize = 10;
const MOST_CONFUSIONS: usize = 25;
const MOST_LEFT_OUT: usize = 100;

#[derive(Serialize)]
struct Row {
    cells: Vec<String>,
    values: Vec<f64>,
}

/// Renders the evaluation page as one self-contained HTML document.
pub fn render(a: &Assessment) -> Result<String, Error> {
    let page = context! {
        title => a.title,
        facts => facts(a),
        sentence => sentence(a),
        figures => figures(a).into_iter().map(FigureContext::from).collect::<Vec<_>>(),
        confusions => confusions(a),
        classes => a.classes.iter().map(class_row).collect::<Vec<_>>(),
        left_out => a.left_out.iter().take(MOST_LEFT_OUT).collect::<Vec<_>>(),
        left_out_count => a.left_out.len(),
        style => STYLE,
        script => SCRIPT,
        data => crate::page::of_figures("eval"),
    };
    fill(TEMPLATE, page)
}

fn figures(a: &Assessment) -> Vec<Figure> {
    let confusion = (a.classes.len() <= MOST_CLASSES).then(|| confusion(a));
    std::iter::once(calibration(a)).chain(confusion).collect()
}

fn facts(a: &Assessment) -> Vec<String> {
    vec![
        format!("{} images", a.images),
        format!("{} classes", a.classes.len()),
        format!("{:.0} images/s", a.images_per_s),
    ]
}

fn sentence(a: &Assessment) -> String {
    let (low, high) = interval(a.acc1 / 100.0, a.images as f64);
    let five = a
        .acc5
        .map_or_else(String::new, |acc5| format!(" Top-5 accuracy is {}\u{a0}%.", fixed(acc5, 2)));
    let confidence = a.bins.iter().map(|b| b.images as f64 * b.confidence).sum::<f64>()
        / (a.images as f64).max(1.0);
    let lean = if confidence > a.acc1 { "over-confident" } else { "under-confident" };
    format!(
        "Top-1 accuracy is {}\u{a0}% (95 % CI {} to {}, from the number of images alone).{five} The network's confidence is off by {} \
         points on average (expected calibration error): it is {lean}, {} % confident on average.",
        fixed(a.acc1, 2),
        fixed(100.0 * low, 2),
        fixed(100.0 * high, 2),
        fixed(a.calibration_error, 2),
        fixed(confidence, 1)
    )
}

/// Wilson's 95 % score interval of the proportion `share` among `n` images.
fn interval(share: f64, n: f64) -> (f64, f64) {
    const Z: f64 = 1.959_963_984_540_054;
    if n == 0.0 {
        return (0.0, 1.0);
    }
    let z2 = Z * Z / n;
    let center = (share + z2 / 2.0) / (1.0 + z2);
    let half = Z / (1.0 + z2) * (share * (1.0 - share) / n + z2 / (4.0 * n)).sqrt();
    (center - half, center + half)
}

/// Reliability diagram: accuracy against confidence, one mark per bin with its interval.
fn calibration(a: &Assessment) -> Figure {
    let filled = || a.bins.iter().filter(|bin| bin.images > 0);
    let scale = |title: &str| Scale::linear([0.0, 100.0], title);
    let guide =
        Mark { points: vec![(0.0, 0.0), (100.0, 100.0)], kind: Kind::Guide, ..Mark::default() };
    let ends = |bin: &Bin| {
        let (low, high) = interval(bin.accuracy / 100.0, bin.images as f64);
        (100.0 * low, 100.0 * high)
    };
    let marks_of = |bin: &Bin| {
        let (low, high) = ends(bin);
        let mark = |kind, points| Mark {
            points,
            kind,
            color: Some(0),
            title: format!(
                "{}: {} % confident, {} % correct (95 % CI {} to {})",
                plural(bin.images as usize, "image"),
                fixed(bin.confidence, 1),
                fixed(bin.accuracy, 1),
                fixed(low, 1),
                fixed(high, 1)
            ),
            ..Mark::default()
        };
        [
            mark(Kind::Bar, vec![(bin.confidence, low), (bin.confidence, high)]),
            mark(Kind::Symbol, vec![(bin.confidence, bin.accuracy)]),
        ]
    };
    let row = |bin: &Bin| {
        let (low, high) = ends(bin);
        vec![
            fixed(bin.confidence, 1),
            fixed(bin.accuracy, 1),
            format!("{} to {}", fixed(low, 1), fixed(high, 1)),
            bin.images.to_string(),
        ]
    };
    let label = "Accuracy against confidence".to_owned();
    Figure {
        id: "calibration".into(),
        title: label.clone(),
        drawing: Drawing::from(Chart {
            label,
            height: 300,
            x: scale("confidence (%)"),
            y: scale("accuracy (%)"),
            grid: Grid::Horizontal,
            marks: std::iter::once(guide).chain(filled().flat_map(marks_of)).collect(),
        }),
        how_to_read: "Images in bins of confidence, with 95 % intervals of the accuracy (Wilson's). A calibrated network lies \
                      on the line; below the line it is over-confident. Training with label smoothing lowers the confidence."
            .into(),
        legend: Vec::new(),
        table: Table {
            columns: ["confidence %", "accuracy %", "95 % CI", "images"].map(str::to_owned).to_vec(),
            rows: filled().map(row).collect(),
        },
    }
}

/// The fill of the fewest images, and how much stronger that of the most is.
const LEVELS: (f64, f64) = (0.06, 0.5);

/// Confusion matrix: rows are true classes, columns predictions. Correct predictions and errors
/// have a color and a scale each, so that few errors are seen beside many correct predictions.
fn confusion(a: &Assessment) -> Figure {
    let n = a.classes.len();
    let names: Vec<String> = a.classes.iter().map(|c| crate::svg::shorten(&c.name, 90.0)).collect();
    let mut y = Scale::rows(n);
    y.ticks = names.iter().enumerate().map(|(i, name)| (i as f64, name.clone())).collect();
    y.title = "true class".to_owned();
    let is_short = names.iter().all(|name| name.len() <= 3);
    let numbers: Vec<String> =
        (0..n).map(|i| if is_short { names[i].clone() } else { i.to_string() }).collect();
    let width = if n > MOST_NARROW { WIDE } else { WIDTH };
    let x = Scale::points(&numbers, None, "predicted class", f64::from(width));
    let label = "Confusion matrix".to_owned();
    let marks = cells(a);
    let mut chart = Chart { label: label.clone(), height: 0, x, y, grid: Grid::None, marks };
    let margins = Margins::of(&chart);
    let side = margins.plot_width(width) / n.max(1) as f64;
    chart.height = (TOP + margins.bottom + side * n as f64) as i32;
    let columns = std::iter::once("class".to_owned())
        .chain(a.classes.iter().map(|c| format!("predicted {}", c.name)));
    let row = |(class, row): (&ClassRow, &Vec<u64>)| {
        std::iter::once(class.name.clone()).chain(row.iter().map(u64::to_string)).collect()
    };
    let order =
        if is_short { "" } else { " Predicted classes are numbered in the order of the rows." };
    Figure {
        id: "confusion".into(),
        title: label,
        drawing: if n > MOST_NARROW { Drawing::Wide(chart) } else { chart.into() },
        how_to_read: format!(
            "A row per class, a column per predicted class, with numbers of images. Blue are correct predictions, filled by \
             their share of the row; orange are errors, filled by their share of the most frequent error.{order}"
        ),
        legend: Vec::new(),
        table: Table {
            columns: columns.collect(),
            rows: a.classes.iter().zip(&a.confusion).map(row).collect(),
        },
    }
}

fn cells(a: &Assessment) -> Vec<Mark> {
    let share =
        |i: usize, count: u64| count as f64 / a.confusion[i].iter().sum::<u64>().max(1) as f64;
    let all = || {
        let of_row = |(i, row): (usize, &Vec<u64>)| {
            row.iter().copied().enumerate().map(move |(j, count)| (i, j, count)).collect::<Vec<_>>()
        };
        a.confusion.iter().enumerate().flat_map(of_row).filter(|(.., count)| *count > 0)
    };
    let errors = all().filter(|(i, j, _)| i != j).map(|(i, _, count)| share(i, count));
    let most = errors.fold(f64::MIN_POSITIVE, f64::max);
    let cell = |(i, j, count): (usize, usize, u64)| {
        let level = if i == j { share(i, count) } else { share(i, count) / most };
        let images: u64 = a.confusion[i].iter().sum();
        let x = j as f64;
        let y = i as f64;
        Mark {
            points: vec![(x - 0.5, y - 0.5), (x + 0.5, y + 0.5)],
            kind: Kind::Cell(LEVELS.0 + LEVELS.1 * level, count.to_string()),
            color: Some(usize::from(i != j)),
            title: format!(
                "{} predicted as {}: {count} of {images}",
                a.classes[i].name, a.classes[j].name
            ),
            ..Mark::default()
        }
    };
    all().map(cell).collect()
}

fn confusions(a: &Assessment) -> Vec<Row> {
    let off = a.confusion.iter().enumerate().flat_map(|(i, row)| {
        row.iter()
            .enumerate()
            .filter(move |&(j, &count)| i != j && count > 0)
            .map(move |(j, &count)| (count, i, j))
    });
    let mut off: Vec<_> = off.collect();
    off.sort_by_key(|&(count, i, j)| (std::cmp::Reverse(count), i, j));
    let row = |&(count, i, j): &(u64, usize, usize)| {
        let share = 100.0 * count as f64 / a.classes[i].images.max(1) as f64;
        Row {
            cells: vec![
                a.classes[i].name.clone(),
                a.classes[j].name.clone(),
                count.to_string(),
                fixed(share, 1),
            ],
            values: vec![f64::NAN, f64::NAN, count as f64, share],
        }
    };
    off.iter().take(MOST_CONFUSIONS).map(row).collect()
}

fn class_row(c: &ClassRow) -> Row {
    let shown = |x: f64| if x.is_finite() { fixed(x, 1) } else { "–".to_owned() };
    Row {
        cells: vec![c.name.clone(), c.images.to_string(), shown(c.acc1), shown(c.precision)],
        values: vec![f64::NAN, c.images as f64, c.acc1, c.precision],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use res2lab_store::assessment::Prediction;

    #[test]
    fn a_page_says_what_was_found_and_escapes_names() {
        let one = |label: i64, guess: u32| Prediction {
            index: 0,
            label,
            guesses: vec![guess],
            shares: vec![0.9],
            loss: 0.2,
        };
        let mut a = Assessment::of(
            vec![one(0, 0), one(0, 1), one(1, 1), one(2, 2)],
            3,
            1.0,
            vec!["x.jpg: cut off".into()],
        );
        a.name_classes(&["<script>".into(), "b".into(), "c".into()]);
        a.title = "resnet50 on <b>".into();
        let page = render(&a).unwrap();
        assert!(page.contains("Top-1 accuracy is 75.00\u{a0}%") && page.contains("x.jpg: cut off"));
        assert!(!page.contains("<b>") && !page.contains("><script>"));
        assert!(page.contains("&lt;script&gt;"));
        // Reference: statsmodels, proportion_confint(75, 100, method="wilson").
        let (low, high) = interval(0.75, 100.0);
        assert!(
            (low - 0.656_955_364_5).abs() < 1e-9 && (high - 0.824_547_886_4).abs() < 1e-9,
            "{low} {high}"
        );
    }
}
