//! The author's own text for the report, from notes.md in the sweep's folder: Markdown whose
//! sections are woven in, with settings between `---` lines at its start.

use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

/// The text with its settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// In place of the sweep's name.
    pub title: Option<String>,
    /// In place of the sweep's question.
    pub question: Option<String>,
    /// The figures to show, in this order; empty for all. `...` stands for the others.
    pub figures: Vec<String>,
    /// Settings that do not exist, as they are written.
    pub unknown: Vec<String>,
    pub sections: Vec<Section>,
}

/// A part of the text under a heading; the first part may have none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    pub heading: String,
    pub html: String,
}

/// The entry that stands for all figures that are not named.
const OTHERS: &str = "...";

impl Notes {
    /// Reads the text. Every text is valid: settings that do not exist are listed.
    pub fn parse(text: &str) -> Notes {
        let mut notes = Notes::default();
        let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
        let body = match text.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---")) {
            Some((settings, body)) => {
                settings.lines().for_each(|line| notes.set(line));
                body.trim_start_matches('-')
            }
            None => &text,
        };
        notes.sections = sections(body);
        notes
    }

    fn set(&mut self, line: &str) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return;
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.trim().trim_matches(['"', '\'']).trim();
        let some = (!value.is_empty()).then(|| value.to_owned());
        match name.trim() {
            "title" => self.title = some,
            "question" => self.question = some,
            "figures" => {
                let names = value.trim_matches(['[', ']']).split(',').map(str::trim);
                self.figures = names.filter(|n| !n.is_empty()).map(str::to_owned).collect();
            }
            _ => self.unknown.push(line.to_owned()),
        }
    }

    /// The place of a figure among those that are named; `None` if it is not to be shown.
    pub fn place(&self, id: &str) -> Option<usize> {
        let named = self.figures.iter().position(|name| name == id);
        let others = self.figures.iter().position(|name| name == OTHERS);
        if self.figures.is_empty() { Some(0) } else { named.or(others) }
    }

    /// What the settings name and the report does not have, in sentences.
    pub fn mistakes<'f>(&self, figures: impl Iterator<Item = &'f str> + Clone) -> Vec<String> {
        let is_missing = |name: &&String| *name != OTHERS && figures.clone().all(|f| f != *name);
        let missing = self.figures.iter().filter(is_missing);
        let of_figures = missing.map(|name| format!("notes.md: there is no figure {name}."));
        let of_settings = self.unknown.iter().map(|line| {
            format!("notes.md: `{line}` is none of its settings: title, question, figures.")
        });
        of_figures.chain(of_settings).collect()
    }
}

/// The sections by headings of the first and the second level. Markup in the text is shown, not
/// executed.
fn sections(text: &str) -> Vec<Section> {
    let mut found = vec![Section::default()];
    let mut events: Vec<Event> = Vec::new();
    let mut is_heading = false;
    let flush = |events: &mut Vec<Event>, found: &mut Vec<Section>| {
        if let Some(last) = found.last_mut() {
            html::push_html(&mut last.html, events.drain(..));
        }
    };
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Heading { level: HeadingLevel::H1 | HeadingLevel::H2, .. }) => {
                flush(&mut events, &mut found);
                found.push(Section::default());
                is_heading = true;
            }
            Event::End(TagEnd::Heading(HeadingLevel::H1 | HeadingLevel::H2)) => is_heading = false,
            Event::Text(text) | Event::Code(text) if is_heading => {
                found.last_mut().into_iter().for_each(|section| section.heading += &text);
            }
            _ if is_heading => {}
            Event::Html(markup) | Event::InlineHtml(markup) => events.push(Event::Text(markup)),
            // A page loads nothing, so a picture becomes a link to it.
            Event::End(TagEnd::Image) => events.push(Event::End(TagEnd::Link)),
            Event::Start(
                Tag::Image { link_type, dest_url, title, id }
                | Tag::Link { link_type, dest_url, title, id },
            ) => {
                events.push(Event::Start(Tag::Link {
                    link_type,
                    dest_url: safe(dest_url),
                    title,
                    id,
                }));
            }
            event => events.push(event),
        }
    }
    flush(&mut events, &mut found);
    found.retain(|section| !section.heading.is_empty() || !section.html.trim().is_empty());
    found
}

/// A link's address; addresses that could run a script lead nowhere.
fn safe(address: CowStr<'_>) -> CowStr<'_> {
    let plain: String = address.chars().filter(|c| !c.is_whitespace() && !c.is_control()).collect();
    let scheme = plain.split_once(':').map(|(scheme, _)| scheme.to_lowercase());
    match scheme.as_deref() {
        None | Some("http" | "https" | "mailto") => address,
        Some(_) => CowStr::from("#"),
    }
}

#[cfg(test)]
mod tests {
    use super::Notes;

    const TEXT: &str = "---\ntitle: Our ablation\nquestion: Why?\nfigures: [answer, cost-macs]\n\
                        color: red\n---\nFirst *words*.\n\n## Cost\n\nCheap, see [there](#cost).\n\n\
                        ### More\n\n<script>alert(1)</script>\n\n\
                        [x](javascript:alert(1)) ![p](a.png)\n";

    #[test]
    fn settings_and_sections_are_read() {
        let notes = Notes::parse(TEXT);
        assert_eq!(notes.title.as_deref(), Some("Our ablation"));
        assert_eq!((notes.place("cost-macs"), notes.place("seeds")), (Some(1), None));
        let headings: Vec<&str> = notes.sections.iter().map(|s| &s.heading[..]).collect();
        assert_eq!(headings, ["", "Cost"]);
        assert!(notes.sections[0].html.contains("<em>words</em>"));
        let mistakes = notes.mistakes(["answer"].into_iter());
        assert_eq!(mistakes[0], "notes.md: there is no figure cost-macs.");
        assert!(mistakes[1].contains("`color: red`"));
    }

    #[test]
    fn markup_and_scripts_are_text() {
        let html = &Notes::parse(TEXT).sections[1].html;
        assert!(html.contains("&lt;script&gt;") && !html.contains("<script"), "{html}");
        assert!(!html.contains("javascript") && !html.contains("<img"), "{html}");
        assert!(html.contains("<h3>More</h3>"), "{html}");
    }

    #[test]
    fn every_text_is_valid() {
        assert!(Notes::parse("").sections.is_empty());
        assert_eq!(Notes::parse("---\nno end").sections.len(), 1);
        assert_eq!(Notes::parse("---\nfigures: a, ...\n---\n").place("b"), Some(1));
    }
}
