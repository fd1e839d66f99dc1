//! The HTML page of one network's evaluation: metrics, calibration, confusions and the accuracy of
//! each class.
use crate::chart::{Chart, Drawing, Grid, Kind, Mark, Scale};
use crate::format::fixed;
use crate::page::{SCRIPT, STYLE, fill};
use minijinja::context;
use res2lab_error::Error;
use res2lab_store::assessment::{Assessment, ClassRow};
use serde::Serialize;

const TEMPLATE: &str = include_str!("page/assessment.html");

/// With more classes than this the confusion matrix is not drawn. The most frequent confusions are
/// listed for any number of classes.
const MOST_CLASSES: usize = 20;
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
        calibration => calibration(a),
        confusion => (a.classes.len() <= MOST_CLASSES).then(|| confusion(a)),
        confusions => confusions(a),
        classes => a.classes.iter().map(class_row).collect::<Vec<_>>(),
        left_out => a.left_out.iter().take(MOST_LEFT_OUT).collect::<Vec<_>>(),
        left_out_count => a.left_out.len(),
        style => STYLE,
        script => SCRIPT,
    };
    fill(TEMPLATE, page)
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
    let five =
        a.acc5.map_or_else(String::new, |acc5| format!(" Top-5 accuracy is {} %.", fixed(acc5, 2)));
    let confidence = a.bins.iter().map(|b| b.images as f64 * b.confidence).sum::<f64>()
        / (a.images as f64).max(1.0);
    let lean = if confidence > a.acc1 { "over-confident" } else { "under-confident" };
    format!(
        "Top-1 accuracy is {} % (95 % CI {} to {}, from the number of images alone).{five} The network's confidence is off by {} \
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

/// Reliability diagram: accuracy against confidence, one mark per bin.
fn calibration(a: &Assessment) -> String {
    let filled = a.bins.iter().filter(|bin| bin.images > 0);
    let scale = |title: &str| Scale::linear([0.0, 100.0], title);
    let guide =
        Mark { points: vec![(0.0, 0.0), (100.0, 100.0)], kind: Kind::Guide, ..Mark::default() };
    let point = |bin: &res2lab_store::assessment::Bin| Mark {
        points: vec![(bin.confidence, bin.accuracy)],
        kind: Kind::Symbol,
        color: Some(0),
        title: format!(
            "{} images: {} % confident, {} % right",
            bin.images,
            fixed(bin.confidence, 1),
            fixed(bin.accuracy, 1)
        ),
        ..Mark::default()
    };
    let marks = std::iter::once(guide).chain(filled.map(point)).collect();
    let label = "Accuracy against confidence".to_owned();
    Drawing::from(Chart {
        label,
        height: 300,
        x: scale("confidence %"),
        y: scale("accuracy %"),
        grid: Grid::Horizontal,
        marks,
    })
    .svg()
}

/// Confusion matrix: rows are true classes, columns predictions; the shade is the share of the row.
fn confusion(a: &Assessment) -> String {
    let n = a.classes.len();
    let names: Vec<String> = a.classes.iter().map(|c| crate::svg::shorten(&c.name, 90.0)).collect();
    let mut y = Scale::rows(n);
    y.ticks = names.iter().enumerate().map(|(i, name)| (i as f64, name.clone())).collect();
    y.title = "class".to_owned();
    let numbers: Vec<String> = (0..n)
        .map(|i| if names.iter().any(|n| n.len() > 3) { i.to_string() } else { names[i].clone() })
        .collect();
    let x = Scale::points(&numbers, None, "guess", f64::from(crate::chart::WIDTH) - 90.0);
    let mut marks = Vec::new();
    for (i, row) in a.confusion.iter().enumerate() {
        let images: u64 = row.iter().sum();
        for (j, &count) in row.iter().enumerate().filter(|(_, count)| **count > 0) {
            let x = j as f64;
            let y = i as f64;
            marks.push(Mark {
                points: vec![(x - 0.5, y - 0.5), (x + 0.5, y + 0.5)],
                kind: Kind::Cell(count as f64 / images.max(1) as f64, count.to_string()),
                title: format!(
                    "{} predicted as {}: {count} of {images}",
                    a.classes[i].name, a.classes[j].name
                ),
                ..Mark::default()
            });
        }
    }
    let label = "Confusion matrix".to_owned();
    Drawing::from(Chart { label, height: 70 + 26 * n as i32, x, y, grid: Grid::None, marks }).svg()
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
        assert!(page.contains("Top-1 accuracy is 75.00 %") && page.contains("x.jpg: cut off"));
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
