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
    pub parts: Vec<Part>,
}

/// A piece of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Html(String),
    /// The id of a figure that stands here: `![words](#cost-macs)` in a paragraph of its own.
    Figure(String),
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

    /// The figures that stand in the text.
    pub fn placed(&self) -> impl Iterator<Item = &String> {
        let parts = self.sections.iter().flat_map(|section| &section.parts);
        parts.filter_map(|part| match part {
            Part::Figure(id) => Some(id),
            Part::Html(_) => None,
        })
    }

    /// What the text names and the report does not have, in sentences.
    pub fn mistakes<'f>(&self, figures: impl Iterator<Item = &'f str> + Clone) -> Vec<String> {
        let is_missing = |name: &&String| *name != OTHERS && figures.clone().all(|f| f != *name);
        let missing = self.figures.iter().chain(self.placed()).filter(is_missing);
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
    let mut reader = Reader { found: vec![Section::default()], ..Reader::default() };
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        reader.read(event);
    }
    reader.flush();
    reader.found.retain(|section| !section.heading.is_empty() || !section.parts.is_empty());
    reader.found
}

/// Sections under construction.
#[derive(Default)]
struct Reader<'t> {
    found: Vec<Section>,
    /// What is not yet HTML.
    events: Vec<Event<'t>>,
    is_heading: bool,
    /// Number of open elements, headings of sections left out.
    depth: usize,
    /// Where the paragraph began that may be a figure.
    paragraph: usize,
    /// The figure that the paragraph names.
    figure: Option<String>,
}

impl<'t> Reader<'t> {
    fn read(&mut self, event: Event<'t>) {
        match event {
            Event::Start(Tag::Heading { level: HeadingLevel::H1 | HeadingLevel::H2, .. }) => {
                self.flush();
                self.found.push(Section::default());
                self.is_heading = true;
            }
            Event::End(TagEnd::Heading(HeadingLevel::H1 | HeadingLevel::H2)) => {
                self.is_heading = false;
            }
            Event::Text(text) | Event::Code(text) if self.is_heading => {
                self.found.last_mut().into_iter().for_each(|section| section.heading += &text);
            }
            _ if self.is_heading => {}
            event => self.read_body(event),
        }
    }

    fn read_body(&mut self, event: Event<'t>) {
        match event {
            Event::Start(Tag::Paragraph) if self.depth == 0 => {
                self.paragraph = self.events.len();
                self.figure = None;
            }
            Event::Start(Tag::Image { ref dest_url, .. }) => {
                self.figure = dest_url.strip_prefix('#').map(str::to_owned);
            }
            _ => {}
        }
        match event {
            Event::Start(_) => self.depth += 1,
            Event::End(_) => self.depth -= 1,
            _ => {}
        }
        let is_end = self.depth == 0 && event == Event::End(TagEnd::Paragraph);
        self.events.push(match event {
            Event::Html(markup) | Event::InlineHtml(markup) => Event::Text(markup),
            // A page loads nothing, so a picture becomes a link to it.
            Event::End(TagEnd::Image) => Event::End(TagEnd::Link),
            Event::Start(
                Tag::Image { link_type, dest_url, title, id }
                | Tag::Link { link_type, dest_url, title, id },
            ) => Event::Start(Tag::Link { link_type, dest_url: safe(dest_url), title, id }),
            event => event,
        });
        if is_end {
            self.place_figure();
        }
    }

    /// Puts a figure in the place of a paragraph that is nothing but its picture.
    fn place_figure(&mut self) {
        let Some(id) = self.figure.take() else { return };
        let is_picture = match &self.events[self.paragraph..] {
            [_, Event::Start(Tag::Link { .. }), within @ .., Event::End(TagEnd::Link), _] => {
                within.iter().all(|event| matches!(event, Event::Text(_)))
            }
            _ => false,
        };
        if is_picture {
            self.events.truncate(self.paragraph);
            self.flush();
            self.found.last_mut().into_iter().for_each(|s| s.parts.push(Part::Figure(id.clone())));
        }
    }

    fn flush(&mut self) {
        let mut text = String::new();
        html::push_html(&mut text, self.events.drain(..));
        if let Some(last) = self.found.last_mut().filter(|_| !text.trim().is_empty()) {
            last.parts.push(Part::Html(text));
        }
    }
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
    use super::{Notes, Part, Section};

    const TEXT: &str = "---\ntitle: Our ablation\nquestion: Why?\nfigures: [answer, cost-macs]\n\
                        color: red\n---\nFirst *words*.\n\n## Cost\n\nCheap, see [there](#cost).\n\n\
                        ### More\n\n<script>alert(1)</script>\n\n\
                        [x](javascript:alert(1)) ![p](a.png)\n";

    fn html(section: &Section) -> String {
        let of = |part: &Part| match part {
            Part::Html(text) => text.clone(),
            Part::Figure(id) => format!("[{id}]"),
        };
        section.parts.iter().map(of).collect()
    }

    #[test]
    fn a_picture_in_a_paragraph_of_its_own_is_a_figure() {
        let text =
            "Before.\n\n![the cost](#cost-macs)\n\n- ![in a list](#seeds)\n\nIn ![text](#b).";
        let notes = Notes::parse(text);
        let shown = html(&notes.sections[0]);
        assert!(shown.starts_with("<p>Before.</p>\n[cost-macs]<ul>"), "{shown}");
        assert!(shown.contains("<a href=\"#seeds\">in a list</a>"), "{shown}");
        assert!(shown.ends_with("<p>In <a href=\"#b\">text</a>.</p>\n"), "{shown}");
        assert_eq!(notes.placed().collect::<Vec<_>>(), ["cost-macs"]);
        assert_eq!(notes.mistakes([].into_iter()), ["notes.md: there is no figure cost-macs."]);
    }

    #[test]
    fn settings_and_sections_are_read() {
        let notes = Notes::parse(TEXT);
        assert_eq!(notes.title.as_deref(), Some("Our ablation"));
        assert_eq!((notes.place("cost-macs"), notes.place("seeds")), (Some(1), None));
        let headings: Vec<&str> = notes.sections.iter().map(|s| &s.heading[..]).collect();
        assert_eq!(headings, ["", "Cost"]);
        assert!(html(&notes.sections[0]).contains("<em>words</em>"));
        let mistakes = notes.mistakes(["answer"].into_iter());
        assert_eq!(mistakes[0], "notes.md: there is no figure cost-macs.");
        assert!(mistakes[1].contains("`color: red`"));
    }

    #[test]
    fn markup_and_scripts_are_text() {
        let html = html(&Notes::parse(TEXT).sections[1]);
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
