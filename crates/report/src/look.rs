//! The style sheet of a figure outside of the page: the rules of figure.css with the colors of a
//! light page in place of variables.

use crate::page::{FIGURES, STYLE};
use std::collections::BTreeMap;

/// Rules for a figure in a file of its own; `font` is a CSS font family.
pub fn style(font: &str) -> String {
    let colors = light();
    let classes = color_classes();
    let mut rules = format!("svg {{ font-family: {font}; background: #ffffff; }}\n");
    for line in FIGURES.lines().filter(|line| line.contains('{')) {
        if line.contains("var(--c)") {
            for (class, color) in &classes {
                let own = line.replacen("svg ", &format!(".{class} "), 1);
                rules += &resolved(&own.replace("var(--c)", &format!("var(--{color})")), &colors);
                rules.push('\n');
            }
        } else {
            rules += &resolved(line, &colors);
            rules.push('\n');
        }
    }
    rules.replace("font-family: inherit; ", "")
}

/// The light color of each variable.
fn light() -> BTreeMap<&'static str, &'static str> {
    let variable = |line: &'static str| {
        let (name, rest) = line.trim().strip_prefix("--")?.split_once(": light-dark(")?;
        Some((name, rest.split_once(',')?.0))
    };
    STYLE.lines().filter_map(variable).collect()
}

/// Color classes with the variable that each one stands for.
fn color_classes() -> Vec<(&'static str, &'static str)> {
    let of = |rule: &'static str| {
        let (class, rest) = rule.split_once(" { --c: var(--")?;
        Some((class.trim().strip_prefix('.')?, rest.split_once(')')?.0))
    };
    STYLE.lines().flat_map(|line| line.split('}')).filter_map(of).collect()
}

fn resolved(rule: &str, colors: &BTreeMap<&str, &str>) -> String {
    colors
        .iter()
        .fold(rule.to_owned(), |rule, (name, color)| rule.replace(&format!("var(--{name})"), color))
}

#[cfg(test)]
mod tests {
    use super::style;

    #[test]
    fn no_variable_is_left_and_every_color_has_its_rules() {
        let style = style("serif");
        assert!(!style.contains("var(") && !style.contains("light-dark"), "{style}");
        for rule in [".s0 .symbol { fill: #0072b2;", ".r7 .line { stroke: #8a8a00;", ".muted .bar"]
        {
            assert!(style.contains(rule), "{rule} in {style}");
        }
        assert!(style.starts_with("svg { font-family: serif;"));
    }
}
