//! The table of arms for a paper: LaTeX with booktabs and siunitx, a column per axis, the best mean
//! in bold.

use crate::format::{capital, p_cell, plural};
use crate::study::{Arm, Study};
use crate::text_table::latex_text;

/// A column: its specification, its title, and whether the next column belongs under that title.
struct Column {
    spec: String,
    /// Empty under the title of the column before.
    title: String,
    spans: usize,
}

/// The arms for which `wanted` holds as a LaTeX table with caption and label.
pub fn latex(study: &Study, wanted: impl Fn(&Arm) -> bool) -> String {
    let arms: Vec<&Arm> = study.arms.iter().filter(|arm| wanted(arm)).collect();
    let axes = axes(study, &arms);
    let has_pairs = arms.iter().any(|arm| arm.paired().is_some());
    let mut columns: Vec<Column> = names(study, &axes);
    columns.extend(of_means(study, &arms));
    if has_pairs {
        columns.extend(of_differences(study, &arms));
    }
    let best = best(study, &arms);
    let row = |arm: &&Arm| {
        let mut cells = of_names(&axes, arm);
        cells.extend(mean_cells(study, arm, best == Some(arm.id)));
        if has_pairs {
            cells.extend(difference_cells(study, arm));
        }
        format!("    {} \\\\\n", cells.join(" & "))
    };
    let specs: Vec<&str> = columns.iter().map(|c| &c.spec[..]).collect();
    format!(
        "% \\usepackage{{booktabs}} \\usepackage{{siunitx}}\n\
         \\begin{{table}}\n  \\centering\n  \\caption{{{}}}\n  \\label{{tab:{}}}\n  \\smallskip\n\
         \x20 \\sisetup{{detect-weight=true, detect-inline-weight=math, table-number-alignment=center}}\n\
         \x20 \\begin{{tabular}}{{{}}}\n    \\toprule\n    {} \\\\\n    \\midrule\n{}    \\bottomrule\n\
         \x20 \\end{{tabular}}\n\\end{{table}}\n",
        caption(study, &arms, has_pairs),
        label(&study.rows.plan.name),
        specs.join(" "),
        titles(&columns).join(" & "),
        arms.iter().map(row).collect::<String>(),
    )
}

/// The axes that tell all arms apart; empty if names are needed.
fn axes(study: &Study, arms: &[&Arm]) -> Vec<usize> {
    let all: Vec<usize> = (0..study.axes.len()).collect();
    let place = |arm: &&Arm| arm.places.first().cloned();
    let mut places: Vec<_> = arms.iter().map(place).collect();
    places.sort();
    let is_told = places.windows(2).all(|pair| pair[0] != pair[1])
        && arms.iter().all(|arm| arm.places.len() == 1 && arm.variant.is_empty())
        && places.iter().flatten().flatten().all(Option::is_some);
    if is_told { all } else { Vec::new() }
}

fn column(spec: impl Into<String>, title: impl Into<String>) -> Column {
    Column { spec: spec.into(), title: title.into(), spans: 1 }
}

fn names(study: &Study, axes: &[usize]) -> Vec<Column> {
    if axes.is_empty() {
        return vec![column("l", "arm")];
    }
    let of_axis = |&axis: &usize| {
        let axis = &study.axes[axis];
        column(if axis.numbers.is_some() { "r" } else { "l" }, latex_text(&axis.label))
    };
    axes.iter().map(of_axis).collect()
}

fn of_names(axes: &[usize], arm: &Arm) -> Vec<String> {
    if axes.is_empty() {
        return vec![latex_text(&arm.label)];
    }
    let value = |&axis: &usize| arm.places[0][axis].as_deref().unwrap_or("–");
    axes.iter().map(value).map(latex_text).collect()
}

/// Digits before the point of the largest of some numbers.
fn digits(values: impl Iterator<Item = f64>) -> usize {
    let most = values.map(f64::abs).filter(|v| v.is_finite()).fold(0.0, f64::max);
    (most.max(1.0).log10().floor() as usize) + 1
}

fn of_means(study: &Study, arms: &[&Arm]) -> Vec<Column> {
    let decimals = study.decimals;
    let samples = || arms.iter().filter_map(|arm| arm.sample);
    let before = digits(samples().map(|s| s.mean));
    let of_std = digits(samples().filter_map(|s| s.std));
    let n = digits(samples().map(|s| s.n as f64));
    let title = latex_text(&study.metric.title());
    let mean_spec = format!("S[table-format={before}.{decimals}, table-number-alignment=right]");
    let mean = Column { spans: 2, ..column(mean_spec, title) };
    let spread = format!(
        "@{{${{}}\\pm{{}}$}} S[table-format={of_std}.{decimals}, table-number-alignment=left]"
    );
    vec![
        mean,
        Column { spans: 0, ..column(spread, "") },
        column(format!("S[table-format={n}]"), "{$n$}"),
    ]
}

fn mean_cells(study: &Study, arm: &Arm, is_best: bool) -> Vec<String> {
    let decimals = study.decimals;
    let number = |x: Option<f64>| x.map_or("{--}".to_owned(), |x| format!("{x:.decimals$}"));
    let mean = number(arm.sample.map(|s| s.mean));
    vec![
        if is_best { format!("\\bfseries {mean}") } else { mean },
        number(arm.sample.and_then(|s| s.std)),
        arm.values.len().to_string(),
    ]
}

fn of_differences(study: &Study, arms: &[&Arm]) -> Vec<Column> {
    let decimals = study.difference_decimals;
    let paired = || arms.iter().filter_map(|arm| arm.paired());
    let ends = paired().filter_map(|p| p.interval()).flat_map(|(low, high)| [low, high]);
    let before = digits(ends.chain(paired().map(|p| p.difference.mean)));
    let spec = format!("S[table-format=+{before}.{decimals}, retain-explicit-plus]");
    let mut columns = Vec::new();
    columns.extend(study.common_partner().is_none().then(|| column("l", "against")));
    columns.push(column(spec.clone(), "{difference}"));
    columns.push(Column { spans: 2, ..column(spec.clone(), "95\\,\\% interval") });
    columns.push(Column { spans: 0, ..column(format!("@{{ to }} {spec}"), "") });
    columns.push(column("l", "$p$"));
    columns
}

fn difference_cells(study: &Study, arm: &Arm) -> Vec<String> {
    let decimals = study.difference_decimals;
    let number = |x: Option<f64>| x.map_or("{--}".to_owned(), |x| format!("{x:+.decimals$}"));
    let paired = arm.paired();
    let interval = paired.and_then(|p| p.interval());
    let mut cells = Vec::new();
    if study.common_partner().is_none() {
        let partner = arm.against.map(|pair| study.arms[pair.partner].label.as_str());
        cells.push(latex_text(partner.unwrap_or("–")));
    }
    cells.push(number(paired.map(|p| p.difference.mean)));
    match interval {
        Some((low, high)) => cells.extend([low, high].map(|end| number(Some(end)))),
        // One dash over both columns, or "to" would stand between two.
        None => cells.push("\\multicolumn{2}{c}{--}".into()),
    }
    cells.push(arm.p_holm().map_or("--".into(), |p| format!("${}$", p_cell(p))));
    cells
}

/// Titles of columns; a title over two columns is centered.
fn titles(columns: &[Column]) -> Vec<String> {
    let shown = columns.iter().filter(|column| column.spans > 0);
    shown
        .map(|column| match column.spans {
            1 => column.title.clone(),
            n => format!("\\multicolumn{{{n}}}{{c}}{{{}}}", column.title),
        })
        .collect()
}

/// The id of the arm with the best mean; `None` if there are fewer than two arms.
fn best<'a>(study: &Study, arms: &[&Arm<'a>]) -> Option<&'a str> {
    let sign = if study.metric.higher_is_better { 1.0 } else { -1.0 };
    let mean = |arm: &&&Arm| arm.sample.map_or(f64::NEG_INFINITY, |s| sign * s.mean);
    let measured = arms.iter().filter(|arm| arm.sample.is_some());
    let best = measured.max_by(|a, b| mean(a).total_cmp(&mean(b)))?;
    (arms.len() > 1).then_some(best.id)
}

fn caption(study: &Study, arms: &[&Arm], has_pairs: bool) -> String {
    let most = arms.iter().map(|arm| arm.values.len()).max().unwrap_or(0);
    let spread = format!(
        "{}: mean $\\pm$ standard deviation over {}",
        latex_text(&capital(&study.metric.title())),
        plural(most, "seed")
    );
    let partner =
        study.common_partner().map_or("the arm named".to_owned(), |arm| latex_text(&arm.label));
    let pairs = if has_pairs {
        format!(
            "; mean paired difference from {partner} with its 95\\,\\% confidence interval; \
             $p$ of a paired $t$-test, Holm-adjusted"
        )
    } else {
        String::new()
    };
    let smoke = if study.rows.plan.is_smoke { " Smoke test: no number is a result." } else { "" };
    format!("{spread}{pairs}. The best mean is in bold.{smoke}")
}

/// A name as a LaTeX label: letters, digits, dashes and dots.
fn label(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_ascii_alphanumeric() || ".-".contains(c) { c } else { '-' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{digits, label};

    #[test]
    fn formats_hold_the_largest_number() {
        assert_eq!(digits([97.6, 100.0, -3.0].into_iter()), 3);
        assert_eq!(digits([0.2, -0.6].into_iter()), 1);
        assert_eq!(digits(std::iter::empty()), 1);
        assert_eq!(label("a_b c%"), "a-b-c-");
    }
}
