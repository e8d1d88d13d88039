//! A page: text put together line by line, wrapped to the screen.

use super::Screen;
use super::text::Hue;
use super::text::columns;
use super::text::pad;
use super::text::wrap;

/// Columns of a label, so that values of one page stand below each other.
const LABEL_COLUMNS: usize = 14;

/// The narrowest room for wrapped text: whatever stands before it, words need this much.
const ROOM_MIN: usize = 24;

/// A text under construction. What is added must be clean already.
pub struct Page<'a> {
    screen: &'a Screen,
    text: String,
}

impl<'a> Page<'a> {
    /// An empty page.
    #[must_use]
    pub fn new(screen: &'a Screen) -> Self {
        Self { screen, text: String::new() }
    }

    /// The text, every line ended.
    #[must_use]
    pub fn finish(self) -> String {
        self.text
    }

    /// What it is for.
    #[must_use]
    pub fn screen(&self) -> &'a Screen {
        self.screen
    }

    /// A line as it is.
    pub fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// Wrapped sentences in a colour.
    pub fn strong(&mut self, hue: Hue, text: &str) {
        for line in wrap(text, self.screen.width) {
            let painted = self.screen.paint(hue, &line);
            self.line(&painted);
        }
    }

    /// A text of finished lines as it is.
    pub fn block(&mut self, block: &str) {
        for line in block.lines() {
            self.line(line);
        }
    }

    /// An empty line between what was said and what comes; none at the start.
    pub fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// A heading after a gap.
    pub fn heading(&mut self, title: &str) {
        self.gap();
        let painted = self.screen.paint(Hue::Strong, title);
        self.line(&painted);
    }

    /// Wrapped sentences, indented.
    pub fn prose(&mut self, indent: usize, text: &str) {
        self.hang(&" ".repeat(indent), None, text);
    }

    /// Wrapped text after a sign, later lines below the first one's text.
    pub fn item(&mut self, indent: usize, sign: (&str, Hue), text: &str) {
        let before = format!("{}{} ", " ".repeat(indent), sign.0);
        let painted = format!("{}{} ", " ".repeat(indent), self.screen.paint(sign.1, sign.0));
        self.hang(&before, Some(&painted), text);
    }

    /// A label with its value.
    pub fn pair(&mut self, label: &str, value: &str) {
        let before = format!("  {} ", pad(label, LABEL_COLUMNS));
        let painted = format!("  {} ", self.screen.paint(Hue::Faint, &pad(label, LABEL_COLUMNS)));
        self.hang(&before, Some(&painted), value);
    }

    /// A label with its value, where there is one.
    pub fn pair_if(&mut self, label: &str, value: Option<String>) {
        if let Some(value) = value {
            self.pair(label, &value);
        }
    }

    fn hang(&mut self, before: &str, painted: Option<&str>, text: &str) {
        let indent = columns(before);
        let room = self.screen.width.saturating_sub(indent).max(ROOM_MIN);
        let mut lead = painted.unwrap_or(before).to_owned();
        for line in wrap(text, room) {
            let whole = format!("{lead}{line}");
            self.line(&whole);
            lead = " ".repeat(indent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Page;
    use crate::cli::render::Screen;
    use crate::cli::render::text::Hue;

    #[test]
    fn later_lines_stand_below_the_first_ones_text() {
        let screen = Screen { width: 30, ..Screen::plain(60) };
        let mut page = Page::new(&screen);
        page.gap();
        page.item(2, ("-", Hue::Bad), "one two three four five six seven");
        page.pair("owner", "ann");
        assert_eq!(
            page.finish(),
            "  - one two three four five\n    six seven\n  owner          ann\n"
        );
    }
}
