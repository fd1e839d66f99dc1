//! Figures as files of their own: every figure of every fixture sweep in every format.

mod fixture;

use fixture::cases;
use res2lab_report::Study;
use res2lab_report::legend;
use res2lab_report::saved::{Format, Look, all, content};
use res2lab_report::svg::text_width;

fn look(font: &str) -> Look {
    Look { width_px: 312, font: font.into() }
}

#[test]
fn every_figure_is_saved_in_every_format_that_can_hold_it() {
    for (name, rows) in [("grid", cases::grid()), ("effective", cases::effective())] {
        let study = Study::of(&rows);
        for figure in all(&study) {
            let saved = |format| content(&study, &figure, &look("sans"), format);
            let svg = String::from_utf8(saved(Format::Svg).unwrap()).unwrap();
            assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""), "{}", figure.id);
            assert!(svg.contains("<style>") && !svg.contains("var("), "{name} {}", figure.id);
            assert!(saved(Format::Png).unwrap().starts_with(b"\x89PNG"), "{name} {}", figure.id);
            assert!(saved(Format::Pdf).unwrap().starts_with(b"%PDF"), "{name} {}", figure.id);
            match saved(Format::Pgf) {
                Ok(pgf) => {
                    let pgf = String::from_utf8(pgf).unwrap();
                    assert!(pgf.contains("\\pgfpathmoveto") && pgf.contains("\\pgftext"), "{pgf}");
                }
                Err(e) => assert!(svg.contains("<image"), "{name} {}: {e}", figure.id),
            }
        }
    }
}

#[test]
fn a_chart_is_as_wide_as_asked_and_its_text_keeps_its_size() {
    let rows = cases::quickstart();
    let study = Study::of(&rows);
    let figure = all(&study).into_iter().find(|figure| figure.id == "by-axis-0").unwrap();
    for width_px in [240, 312, 700] {
        let look = Look { width_px, font: "serif".into() };
        let svg = String::from_utf8(content(&study, &figure, &look, Format::Svg).unwrap()).unwrap();
        assert!(svg.contains(&format!("width=\"{width_px}\"")), "{width_px}");
        assert!(svg.contains("font-size: 12px") && svg.contains("font-family: 'Times"), "{svg}");
    }
}

#[test]
fn a_saved_chart_says_what_its_colors_and_shapes_stand_for() {
    let rows = cases::grid();
    let study = Study::of(&rows);
    let saved = |id: &str, width_px| {
        let figure = all(&study).into_iter().find(|figure| figure.id == id).unwrap();
        let look = Look { width_px, font: "sans".into() };
        String::from_utf8(content(&study, &figure, &look, Format::Svg).unwrap()).unwrap()
    };
    let chart = saved("by-axis-0", 312);
    let entries = study.encoding.entries(&study.axes);
    assert!(!entries.is_empty());
    let legend = chart.split_once("<g class=\"legend\">").unwrap().1;
    let legend = legend.split_once("<svg").unwrap().0;
    for (name, values) in &entries {
        assert!(legend.contains(&format!(">{name}</text>")), "{name} in {legend}");
        for value in values {
            assert!(legend.contains(&format!(">{}</text>", value.text)), "{value:?} in {legend}");
        }
    }
    assert!(!saved("answer", 312).contains("class=\"legend\""), "its rows have names");
    let narrow = legend::of(&study, 120).unwrap();
    assert!(narrow.height > legend::of(&study, 700).unwrap().height);
    let places = narrow.svg.split("<text ").skip(1).map(|text| {
        let left: f64 =
            text.split_once(" x=\"").unwrap().1.split_once('"').unwrap().0.parse().unwrap();
        let words = text.split_once('>').unwrap().1.split_once('<').unwrap().0;
        left + text_width(words)
    });
    places.for_each(|right| assert!(right <= 121.0, "{right} in {}", narrow.svg));
}

#[test]
fn a_font_that_is_not_there_is_named_with_those_that_are() {
    let rows = cases::quickstart();
    let study = Study::of(&rows);
    let figure = &all(&study)[0];
    let error = content(&study, figure, &look("No Such Font"), Format::Pdf).unwrap_err();
    assert!(error.cause.contains("\"No Such Font\"") && error.help.contains("serif"), "{error}");
}

#[test]
fn the_table_for_a_paper_has_a_column_per_axis_and_the_best_in_bold() {
    let rows = cases::grid();
    let study = Study::of(&rows);
    let latex = res2lab_report::paper::latex(&study, |_| true);
    let line = latex.lines().find(|line| line.starts_with("    depth")).unwrap();
    assert!(line.trim_start().starts_with("depth & width & cardinality & "), "{latex}");
    assert_eq!(latex.matches("\\bfseries").count(), 1, "{latex}");
    for part in ["\\toprule", "\\caption{", "\\label{tab:grid}", "\\pm", "table-format=2.2"] {
        assert!(latex.contains(part), "{part} in {latex}");
    }
    let one = res2lab_report::paper::latex(&study, |arm| arm.id == study.arms[0].id);
    assert!(!one.contains("\\bfseries") && one.matches(" \\\\\n").count() == 2, "{one}");
}
