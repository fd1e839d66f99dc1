//! The terminal: whether there is one, how wide it is, and whether it gets colors.

use console::{Style, Term};
use std::io::IsTerminal;
use std::sync::OnceLock;

/// Which of the two outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Out,
    Err,
}

/// Of `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// In files and pipes, too
    Always,
    /// Nowhere
    Never,
}

/// What a color says; the same everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Headers and the best arm.
    Strong,
    /// What is read last.
    Faint,
    Good,
    Bad,
    /// Worth a look, but no failure.
    Attention,
    /// Running, and remedies.
    Accent,
}

static CHOICE: OnceLock<Color> = OnceLock::new();

/// Sets `--color`, once, before anything is printed.
pub(crate) fn choose(color: Color) {
    CHOICE.get_or_init(|| color);
}

/// What `--color` says among the words of a command line. clap needs it before it has read them.
pub(crate) fn asked(words: &[String]) -> Color {
    let mut found = Color::Auto;
    for (i, word) in words.iter().enumerate() {
        let value = match word.strip_prefix("--color") {
            Some("") => words.get(i + 1).map(String::as_str),
            Some(rest) => rest.strip_prefix('='),
            None if word == "--" => break,
            None => None,
        };
        found = value.and_then(|v| clap::ValueEnum::from_str(v, false).ok()).unwrap_or(found);
    }
    found
}

/// Rows and columns of the terminal behind `stream`; None if there is no terminal.
pub(crate) fn size(stream: Stream) -> Option<(usize, usize)> {
    let term = match stream {
        Stream::Out => Term::stdout(),
        Stream::Err => Term::stderr(),
    };
    term.size_checked().map(|(rows, columns)| (rows.into(), columns.into()))
}

/// Columns of the terminal behind `stream`. Read anew each time, since a terminal can be resized.
pub(crate) fn width(stream: Stream) -> Option<usize> {
    size(stream).map(|(_, columns)| columns)
}

/// Whether `stream` gets colors.
pub(crate) fn has_color(stream: Stream) -> bool {
    let is_terminal = match stream {
        Stream::Out => std::io::stdout().is_terminal(),
        Stream::Err => std::io::stderr().is_terminal(),
    };
    let is_set = |value: Result<String, _>| value.is_ok_and(|value| !value.is_empty());
    let is_dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
    let is_refused = is_dumb || is_set(std::env::var("NO_COLOR"));
    is_colored(CHOICE.get().copied().unwrap_or_default(), is_terminal, is_refused)
}

/// A flag beats the environment.
fn is_colored(choice: Color, is_terminal: bool, is_refused: bool) -> bool {
    match choice {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => is_terminal && !is_refused,
    }
}

/// `text` in the color of `tone`, where `stream` gets colors.
pub(crate) fn paint(stream: Stream, tone: Tone, text: &str) -> String {
    if has_color(stream) { painted(tone, text) } else { text.to_owned() }
}

fn painted(tone: Tone, text: &str) -> String {
    let style = Style::new().force_styling(true);
    let style = match tone {
        Tone::Strong => style.bold(),
        Tone::Faint => style.dim(),
        Tone::Good => style.green(),
        Tone::Bad => style.red().bold(),
        Tone::Attention => style.yellow(),
        Tone::Accent => style.cyan(),
    };
    style.apply_to(text).to_string()
}

/// The tone of a trial's status or of an arm's verdict.
pub(crate) fn tone_of(word: &str) -> Option<Tone> {
    Some(match word {
        "done" | "better" => Tone::Good,
        "failed" | "diverged" | "worse" => Tone::Bad,
        "stopped early" | "interrupted" => Tone::Attention,
        "running" => Tone::Accent,
        "pending" | "not tested" | "not resolved" => Tone::Faint,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_for_colors_is_found_before_the_command_line_is_read() {
        let of = |line: &str| {
            asked(&line.split_whitespace().map(str::to_owned).collect::<Vec<String>>())
        };
        assert_eq!(of("plan --color never scale=2"), Color::Never);
        assert_eq!(of("--color=always plan"), Color::Always);
        assert_eq!(of("plan --color purple"), Color::Auto, "clap refuses it afterwards");
        assert_eq!(of("plan -- --color=never"), Color::Auto);
        assert_eq!(of("plan --colors never --color"), Color::Auto);
    }

    #[test]
    fn files_pipes_and_no_color_get_no_colors_unless_the_flag_says_so() {
        assert!(is_colored(Color::Auto, true, false));
        assert!(!is_colored(Color::Auto, false, false));
        assert!(!is_colored(Color::Auto, true, true));
        assert!(is_colored(Color::Always, false, true));
        assert!(!is_colored(Color::Never, true, false));
    }

    #[test]
    fn a_color_takes_no_columns_and_ends_with_its_word() {
        for tone in [Tone::Strong, Tone::Faint, Tone::Good, Tone::Bad, Tone::Attention] {
            let text = painted(tone, "diverged");
            assert!(text.starts_with("\x1b[") && text.ends_with("\x1b[0m"), "{text:?}");
            assert_eq!(console::measure_text_width(&text), 8);
        }
        assert_eq!((tone_of("diverged"), tone_of("scale=4")), (Some(Tone::Bad), None));
    }
}
