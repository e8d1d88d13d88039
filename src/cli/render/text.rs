//! Text for terminals: cleaned, measured, folded, wrapped and painted.
//!
//! Whatever comes from users, blueprints and providers passes [`clean`] or [`clean_lines`] before
//! it is part of a text, so that no escape sequence of theirs reaches a terminal. Painting comes
//! last, since painted text cannot be measured any more.

use unicode_width::UnicodeWidthChar;
use unicode_width::UnicodeWidthStr;

use super::Screen;

/// Columns of a tab in prose.
const TAB: &str = "    ";

/// What a colour says. Every text says the same in words or signs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hue {
    /// Something comes, or is well.
    Good,
    /// Something changes, or deserves a look.
    Warn,
    /// Something goes, or is wrong.
    Bad,
    /// Something is only read.
    Calm,
    /// A heading.
    Strong,
    /// A side remark.
    Faint,
}

impl Hue {
    fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Warn => "33",
            Self::Bad => "31",
            Self::Calm => "36",
            Self::Strong => "1",
            Self::Faint => "2",
        }
    }
}

impl Screen {
    /// The text in a colour, where colour is wanted.
    #[must_use]
    pub fn paint(&self, hue: Hue, text: &str) -> String {
        if self.color && !text.is_empty() {
            format!("\u{1b}[{}m{text}\u{1b}[0m", hue.code())
        } else {
            text.to_owned()
        }
    }
}

/// Text as one line without any character that moves a cursor, hides text or turns its direction.
#[must_use]
pub fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmless(c) {
            cleaned.push(c);
        } else {
            cleaned.extend(c.escape_default());
        }
    }
    cleaned
}

/// The same for text of several lines, which stay lines.
#[must_use]
pub fn clean_lines(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for c in text.replace("\r\n", "\n").chars() {
        match c {
            '\n' => cleaned.push('\n'),
            '\t' => cleaned.push_str(TAB),
            c if is_harmless(c) => cleaned.push(c),
            c => cleaned.extend(c.escape_default()),
        }
    }
    cleaned
}

/// The same for source text that spans point into: each character is replaced by as many bytes.
#[must_use]
pub fn clean_source(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => cleaned.push(c),
            '\r' => cleaned.push(' '),
            c if is_harmless(c) => cleaned.push(c),
            c => match c.len_utf8() {
                3 => cleaned.push('\u{fffd}'),
                2 => cleaned.push('\u{b7}'),
                bytes => cleaned.extend(std::iter::repeat_n('?', bytes)),
            },
        }
    }
    cleaned
}

/// A JSON document as text. What JSON itself would let through to a terminal is escaped as well.
#[must_use]
pub fn json(document: &serde_json::Value) -> String {
    let mut text = String::new();
    // Such characters can only stand inside strings, where every escape means the same.
    for c in format!("{document:#}\n").chars() {
        if c == '\n' || is_harmless(c) {
            text.push(c);
        } else {
            let mut units = [0; 2];
            let units = c.encode_utf16(&mut units).iter();
            text.extend(units.map(|unit| format!("\\u{unit:04x}")));
        }
    }
    text
}

/// Whether a character only shows itself. Format characters can hide text and turn its direction.
fn is_harmless(c: char) -> bool {
    let hidden = matches!(
        u32::from(c),
        0xad | 0x61c
            | 0x180e
            | 0x200b..=0x200f
            | 0x2028..=0x202e
            | 0x2060..=0x206f
            | 0xfeff
            | 0xfff9..=0xfffb
            | 0xe0000..=0xe007f
    );
    !c.is_control() && !hidden
}

/// Columns that a text takes on a terminal.
#[must_use]
pub fn columns(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// The text's beginning, at most so many columns wide, with `…` where something was cut.
#[must_use]
pub fn cut(text: &str, room: usize) -> String {
    if columns(text) <= room {
        return text.to_owned();
    }
    let mut taken = String::new();
    let mut width = 1;
    for c in text.chars() {
        width += c.width().unwrap_or(0);
        if width > room {
            break;
        }
        taken.push(c);
    }
    taken.push('…');
    taken
}

/// Lines of at most `width` columns, broken between words; a longer word stays whole, since
/// paths and commands are copied.
#[must_use]
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        for word in paragraph.split(' ').filter(|word| !word.is_empty()) {
            if !line.is_empty() && columns(&line) + 1 + columns(word) > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

/// The text padded with blanks to so many columns.
#[must_use]
pub fn pad(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(columns(text));
    format!("{text}{}", " ".repeat(missing))
}

/// A count with its noun: `1 resource`, `2 resources`.
#[must_use]
pub fn count(number: usize, noun: &str) -> String {
    match (number, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        (_, None) => format!("{number} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::Hue;
    use super::clean;
    use super::clean_lines;
    use super::clean_source;
    use super::columns;
    use super::count;
    use super::cut;
    use super::wrap;
    use crate::cli::render::Screen;

    #[test]
    fn what_could_move_a_cursor_is_escaped() {
        let evil = "a\u{1b}[2Jb\u{9b}31m\r\nc\u{202e}d\u{200b}";
        let cleaned = clean(evil);
        assert_eq!(cleaned, r"a\u{1b}[2Jb\u{9b}31m\r\nc\u{202e}d\u{200b}");
        assert_eq!(clean_lines("a\r\n\tb\u{1b}"), "a\n    b\\u{1b}");
        assert_eq!(clean("Müller é 漢字"), "Müller é 漢字");
    }

    #[test]
    fn cleaned_source_keeps_every_byte_in_its_place() {
        let evil = "a\u{1b}b\u{9b}c\u{202e}d\u{e0001}\r\n";
        let cleaned = clean_source(evil);
        assert_eq!(cleaned.len(), evil.len());
        assert_eq!(cleaned.find('d'), evil.find('d'));
        assert!(!cleaned.chars().any(|c| c.is_control() && c != '\n'));
    }

    #[test]
    fn json_is_harmless_and_still_says_the_same() {
        let document = serde_json::json!({ "a": "x\u{9b}\u{202e}\u{e0001}\u{1b}é" });
        let text = super::json(&document);
        assert!(text.contains(r"x\u009b\u202e\udb40\udc01\u001bé"), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), document);
    }

    #[test]
    fn width_counts_columns_and_not_characters() {
        assert_eq!(columns("漢字"), 4);
        assert_eq!(cut("漢字漢字", 5), "漢字…");
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(wrap("aa bb cc /a/long/path d", 5), ["aa bb", "cc", "/a/long/path", "d"]);
        assert_eq!((count(1, "entry"), count(2, "entry")), ("1 entry".into(), "2 entries".into()));
    }

    #[test]
    fn colour_is_only_there_where_it_is_wanted() {
        let plain = Screen::plain(80);
        assert_eq!(plain.paint(Hue::Bad, "x"), "x");
        let painted = Screen { color: true, ..plain }.paint(Hue::Bad, "x");
        assert_eq!(painted, "\u{1b}[31mx\u{1b}[0m");
    }
}
