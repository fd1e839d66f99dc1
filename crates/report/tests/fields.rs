//! The page of receptive fields, and the figures that it shares with a sweep's report.

mod fixture;

use fixture::{cases, sweep};
use res2lab_arch::{Input, ModelOverrides};
use res2lab_report::axis::Axis;
use res2lab_report::fields::{Fields, render};
use res2lab_report::figures::{Table, all};
use res2lab_report::network::Network;
use res2lab_report::{Study, figures};
use res2lab_rf::Weighting;

fn network(i: usize, scale: &str) -> Network {
    let words = ModelOverrides { scale: Some(scale.parse().unwrap()), ..ModelOverrides::default() };
    let graph = res2lab_arch::build(&words.resolve().unwrap().0, Input::square(224, 1000)).unwrap();
    Network {
        label: format!("scale={scale}"),
        id: String::new(),
        color: Some(i),
        shape: i % 4,
        node: res2lab_rf::last_stage(&graph),
        graph,
        image_px: 224,
        places: vec![vec![Some(scale.to_owned())]],
        variant: String::new(),
    }
}

fn fields(scales: &[&str]) -> Fields {
    let row = vec!["<b>".to_owned(), "1".to_owned()];
    let table = Table { columns: vec!["network".into(), "max px".into()], rows: vec![row] };
    Fields {
        title: "scale <2>".into(),
        command: "just rf scale=2,4".into(),
        asked: "the last stage".into(),
        weighting: Weighting::Structural,
        axes: vec![Axis::new("scale", scales.iter().map(|s| (*s).to_owned()).collect())],
        networks: scales.iter().enumerate().map(|(i, scale)| network(i, scale)).collect(),
        stages: table.clone(),
        splits: table.clone(),
        table,
        notes: vec!["a note".into()],
    }
}

#[test]
fn the_page_is_whole_and_says_what_is_known_of_these_networks() {
    let page = render(&fields(&["2", "4", "8"])).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.trim_end().ends_with("</html>"));
    for asked in ["http://", "https://", "src=\"", "@import", "url(", "<link rel=\"stylesheet\""] {
        assert!(!page.contains(asked), "the page contains {asked}");
    }
    assert!(
        page.contains("default-src 'none'")
            && page.contains("scale &lt;2&gt;")
            && page.contains("<td>&lt;b&gt;</td>")
    );
    for known in [
        "scale=2: receptive fields of 11 to 427 px, 171.0 ± 58.9 px on average; 80.7\u{a0}% of paths stay within the image&#x27;s 224 px.",
        "scale=4: receptive fields of 11 to 1131 px, 502.2 ± 116.4 px on average; 0.5\u{a0}%",
        "scale=8: receptive fields of 11 to 2539 px, 1053.5 ± 218.8 px on average; fewer than 0.1\u{a0}%",
        "The mean receptive field goes from ",
        // A row of the figure's table of receptive fields against scale.
        "<tr><td>4</td><td>11</td><td>502.2</td><td>1131</td><td>0.5 %</td></tr>",
        "a note",
    ] {
        assert!(page.contains(known), "{known}");
    }
    for figure in ["extent-0", "receptive", "paths", "block-0"] {
        assert!(page.contains(&format!("<figure id=\"{figure}\">")), "{figure}");
    }
}

#[test]
fn a_single_network_is_told_by_its_stages_and_has_no_axis() {
    let page = render(&fields(&["4"])).unwrap();
    assert!(
        page.contains("Receptive field of a unit of each stage")
            && !page.contains("id=\"extent-0\"")
    );
    assert!(page.contains("<td>layer3</td><td>11</td><td>715</td>"));
}

/// The shares of a line sum to all paths for any bin width.
#[test]
fn shares_of_paths_add_up_and_quantiles_are_those_of_the_distribution() {
    let networks = [network(0, "2"), network(1, "8")];
    let seen = res2lab_report::network::seen(&networks, Weighting::Structural);
    for s in &seen {
        assert!((s.shares.iter().map(|(_, share)| share).sum::<f64>() - 1.0).abs() < 1e-12);
    }
    let figure =
        figures::paths::figure(&seen, "the last stage", "paths are weighted equally").unwrap();
    assert_eq!(figure.table.rows[0], ["scale=2", "75", "131", "171", "211", "275", "80.7 %"]);
    assert_eq!(figure.table.rows[1][0..2], ["scale=8", "707"]);
}

#[test]
fn a_sweep_over_scale_shows_distributions_and_extents_and_one_over_rates_does_not() {
    let ids = |rows: &res2lab_store::SweepRows| {
        all(&Study::of(rows)).into_iter().map(|f| f.id).collect::<Vec<_>>()
    };
    let of_scale = ids(&cases::quickstart());
    assert!(
        ["extent-0", "receptive", "paths"]
            .iter()
            .all(|id| of_scale.iter().any(|known| known == id))
    );
    let of_rates = ids(&sweep("rates", &[("train.batch_size", &["32", "64"])], &[0, 1]));
    assert!(
        !of_rates.iter().any(|id| ["extent-0", "receptive", "paths"].contains(&id.as_str())),
        "{of_rates:?}"
    );
    // Lines along one axis hold the other axes fixed; width changes no receptive field.
    let of_grid = all(&Study::of(&cases::grid()));
    let extents: Vec<&str> =
        of_grid.iter().map(|f| f.id.as_str()).filter(|id| id.starts_with("extent")).collect();
    assert_eq!(extents, ["extent-0"], "depth");
}

#[test]
fn measured_figures_say_how_it_was_measured_and_how_fields_grew() {
    let mut rows = cases::effective();
    let figure = |rows: &res2lab_store::SweepRows, id: &str| {
        all(&Study::of(rows)).into_iter().find(|f| f.id == id)
    };
    let growth = figure(&rows, "effective-growth").unwrap();
    let first = [["scale=2", "2", "0", "7.00"], ["scale=2", "2", "1", "6.10"]];
    assert_eq!(growth.table.rows[..2], first);
    assert!(growth.how_to_read.contains("at most 16 MiB"));
    let accuracy = figure(&rows, "effective-accuracy").unwrap();
    assert_eq!(accuracy.table.rows.len(), 12);
    assert!(
        accuracy.how_to_read.contains("over 12 trials, 95 % interval"),
        "{}",
        accuracy.how_to_read
    );
    let known = rows.effective.as_mut().unwrap();
    (known.noise, known.relu, known.float64, known.sign) = (true, true, true, "positive".into());
    let said = figure(&rows, "effective-width").unwrap().how_to_read;
    let how = "64 images of normal noise, negative ones dropped, channels through a ReLU first, in double precision;";
    assert!(said.contains(how) && !said.contains("kept after epochs"), "{said}");
    // Files of older measurements: one trial per arm, no growth.
    let known = rows.effective.as_mut().unwrap();
    known.trials.clear();
    known.arms.iter_mut().for_each(|arm| arm.growth.clear());
    assert_eq!(figure(&rows, "effective-growth"), None);
    assert_eq!(figure(&rows, "effective-accuracy").unwrap().table.rows.len(), 4);
    assert!(
        figure(&rows, "effective-width")
            .unwrap()
            .how_to_read
            .contains("was not measured. Weights are kept after")
    );
}

/// All maps of a column share one color scale: a map twice as wide is paler, and the narrowest
/// reaches full opacity.
#[test]
fn maps_of_a_column_share_their_scale() {
    let mut rows = cases::effective();
    let narrow = rows.effective.as_ref().unwrap().arms[0].states[1].nodes[0].map.clone();
    let wide = rows.effective.as_ref().unwrap().arms[0].states[1].nodes[1].map.clone();
    rows.effective.as_mut().unwrap().arms[1].states[1].nodes[0].map = wide.clone();
    let sum = |map: &res2lab_store::effective::Thumbnail| {
        map.values.iter().map(|v| f64::from(*v)).sum::<f64>()
    };
    let maps =
        all(&Study::of(&rows)).into_iter().find(|f| f.id == "effective-maps-linear").unwrap();
    let pictures = pictures(&maps.svg());
    // Three stages per arm; the opacity of the fullest pixel.
    let fullest = |i: usize| *pictures[i].iter().max().unwrap();
    assert_eq!(fullest(0), 255);
    let expected = (255.0 * sum(&narrow) / sum(&wide)).round();
    assert!((f64::from(fullest(3)) - expected).abs() <= 1.0, "{} {expected}", fullest(3));
}

/// Opacities of the images in an SVG.
fn pictures(svg: &str) -> Vec<Vec<u8>> {
    use base64::Engine;
    let decode = |text: &str| {
        let bytes =
            base64::prelude::BASE64_STANDARD.decode(&text[..text.find('"').unwrap()]).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        pixels.chunks(4).map(|pixel| pixel[3]).collect()
    };
    svg.split("data:image/png;base64,").skip(1).map(decode).collect()
}
