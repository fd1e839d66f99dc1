//! Every mark of a figure has a contrast of at least three to one against the page and against the
//! zone of a forest plot, on light and on dark pages, in every color that figures use.

const PAGE: &str = include_str!("../src/page/page.css");
const FIGURES: &str = include_str!("../src/page/figure.css");
const LEAST: f64 = 3.0;

type Rgb = [f64; 3];

/// Paints that are no marks: grid lines lie behind all marks, brushes are invisible until used.
const NO_MARKS: [&str; 2] = [".grid", ".brush"];

/// The light and the dark color of a variable.
fn variable(name: &str) -> [Rgb; 2] {
    let start = format!("--{name}: light-dark(");
    let (_, rest) = PAGE.split_once(&start).unwrap_or_else(|| panic!("no color {name}"));
    let (colors, _) = rest.split_once(')').unwrap();
    let (light, dark) = colors.split_once(", ").unwrap();
    [light, dark].map(rgb)
}

fn rgb(text: &str) -> Rgb {
    let part = |i: usize| f64::from(u8::from_str_radix(&text[i..i + 2], 16).unwrap()) / 255.0;
    [part(1), part(3), part(5)]
}

/// The relative luminance of WCAG 2.
fn luminance(color: Rgb) -> f64 {
    let linear = |x: f64| if x <= 0.03928 { x / 12.92 } else { ((x + 0.055) / 1.055).powf(2.4) };
    0.2126 * linear(color[0]) + 0.7152 * linear(color[1]) + 0.0722 * linear(color[2])
}

fn contrast(a: Rgb, b: Rgb) -> f64 {
    let a = luminance(a);
    let b = luminance(b);
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

fn property<'r>(rule: &'r str, name: &str) -> Option<&'r str> {
    let of = |part: &'r str| part.trim().strip_prefix(name)?.strip_prefix(':').map(str::trim);
    rule.split(['{', '}', ';']).find_map(of)
}

/// The colors of a paint: one, or each that a mark's class may have.
fn paints(rule: &str, name: &str) -> Vec<(String, [Rgb; 2])> {
    let Some(value) = property(rule, name).and_then(|v| v.strip_prefix("var(--")) else {
        return Vec::new();
    };
    let named = |name: String| (name.clone(), variable(&name));
    match value.trim_end_matches(')') {
        "c" => {
            let ramps = (0..8).flat_map(|i| [format!("s{i}"), format!("r{i}")]);
            ramps.chain(["quiet".to_owned()]).map(named).collect()
        }
        name => vec![named(name.to_owned())],
    }
}

fn opacity(rule: &str, name: &str) -> f64 {
    property(rule, name).map_or(1.0, |value| value.parse().unwrap())
}

#[test]
fn every_mark_is_at_three_to_one_on_light_and_dark_pages() {
    let mut checked = 0;
    let is_mark = |rule: &&str| rule.contains('{') && !NO_MARKS.iter().any(|n| rule.contains(n));
    for rule in FIGURES.lines().filter(is_mark) {
        let fills = paints(rule, "fill");
        let strokes = paints(rule, "stroke");
        // With several colors both paints have the mark's class.
        let colors = fills.len().max(strokes.len());
        for i in 0..colors {
            let at = |of: &[(String, [Rgb; 2])]| of.get(i).or(of.last()).cloned();
            for theme in 0..2 {
                for ground in ["page", "zone"] {
                    let behind = variable(ground)[theme];
                    let seen = |paint: Option<(String, [Rgb; 2])>, opacity: f64| {
                        let mix = |a: f64, b: f64| opacity * a + (1.0 - opacity) * b;
                        paint.map_or(1.0, |(_, c)| {
                            let c = c[theme];
                            let on = [0, 1, 2].map(|i| mix(c[i], behind[i]));
                            contrast(on, behind)
                        })
                    };
                    let whole = opacity(rule, "opacity");
                    let fill = seen(at(&fills), whole * opacity(rule, "fill-opacity"));
                    let best = fill.max(seen(at(&strokes), whole));
                    // The zone is seen by its edge on the page, and never lies on itself.
                    let is_itself = rule.contains(".zone") && ground == "zone";
                    let name = at(&strokes).or(at(&fills)).map_or(String::new(), |(n, _)| n);
                    assert!(
                        best >= LEAST || is_itself,
                        "{best:.2} to one: {rule} in {name} on {ground}, theme {theme}"
                    );
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 500, "{checked} paints");
}

/// Numbers in cells stay readable on the strongest fill that a heat map uses.
#[test]
fn text_in_cells_is_readable() {
    for theme in 0..2 {
        let page = variable("page")[theme];
        let fill = variable("s0")[theme];
        for level in [0.06, 0.3, 0.56] {
            let ground = [0, 1, 2].map(|i| level * fill[i] + (1.0 - level) * page[i]);
            let ratio = contrast(variable("text")[theme], ground);
            assert!(ratio >= 4.5, "{ratio:.2} at {level}, theme {theme}");
        }
    }
}
