//! From offsets in a decoded TOML string back to bytes of the source.
//!
//! An expression sits inside a TOML string with escapes, trimmed newlines and line-ending
//! backslashes, and a diagnostic must point at the bytes that somebody wrote. The map is built by
//! walking the token beside its decoded value; it does not decode and does not judge the token,
//! which the TOML parser has already accepted. Where both do not agree, the place is the whole
//! token.

use std::ops::Range;

/// Where each byte of a decoded TOML string stands in the source.
#[derive(Clone, Debug)]
pub struct OffsetMap {
    /// The token with its quotes, in the source.
    token: Range<usize>,
    /// In order, without gaps in the decoded text.
    runs: Vec<Run>,
}

/// Bytes that decode together: plain text, byte for byte, or a single escape.
#[derive(Clone, Copy, Debug)]
struct Run {
    decoded: usize,
    decoded_bytes: usize,
    source: usize,
    source_bytes: usize,
}

impl Run {
    fn is_plain(self) -> bool {
        self.decoded_bytes == self.source_bytes
    }
}

/// The ways to write a string in TOML.
#[derive(Clone, Copy)]
struct Style {
    quote: &'static str,
    escapes: bool,
    lines: bool,
}

/// The longer quotes first, since a shorter one begins them.
const STYLES: [Style; 4] = [
    Style { quote: "\"\"\"", escapes: true, lines: true },
    Style { quote: "'''", escapes: false, lines: true },
    Style { quote: "\"", escapes: true, lines: false },
    Style { quote: "'", escapes: false, lines: false },
];

impl OffsetMap {
    /// The map for the token at `token` in `source`, whose decoded value is `text`.
    #[must_use]
    pub fn new(source: &str, token: Range<usize>, text: &str) -> Self {
        let written = source.get(token.clone()).unwrap_or("");
        let runs = walk(written, text, token.start).unwrap_or_default();
        Self { token, runs }
    }

    /// The bytes of the source for a range of the decoded text.
    #[must_use]
    pub fn range(&self, decoded: Range<usize>) -> Range<usize> {
        let start = match self.run(decoded.start) {
            Some(run) if run.is_plain() => run.source + (decoded.start - run.decoded),
            Some(run) => run.source,
            // At the end of the text, or a map without runs.
            None => match self.runs.last() {
                Some(last) => last.source + last.source_bytes,
                None => return self.token.clone(),
            },
        };
        if decoded.end <= decoded.start {
            return start..start;
        }
        let end = match self.run(decoded.end - 1) {
            Some(run) if run.is_plain() => run.source + (decoded.end - run.decoded),
            Some(run) => run.source + run.source_bytes,
            None => start,
        };
        start..end.max(start)
    }

    /// The run that this decoded byte belongs to.
    fn run(&self, decoded: usize) -> Option<Run> {
        let behind = self.runs.partition_point(|run| run.decoded <= decoded);
        let run = self.runs.get(behind.checked_sub(1)?)?;
        (decoded < run.decoded + run.decoded_bytes).then_some(*run)
    }
}

/// The runs of a token, or nothing where token and text do not agree.
fn walk(written: &str, text: &str, base: usize) -> Option<Vec<Run>> {
    let style = STYLES.into_iter().find(|style| {
        let quotes = 2 * style.quote.len();
        written.len() >= quotes
            && written.starts_with(style.quote)
            && written.ends_with(style.quote)
    })?;
    let close = written.len() - style.quote.len();
    let mut at = style.quote.len();
    if style.lines {
        let inside = written.get(at..close)?;
        at += if inside.starts_with("\r\n") { 2 } else { usize::from(inside.starts_with('\n')) };
    }
    let mut runs: Vec<Run> = Vec::new();
    let mut decoded = 0;
    while at < close {
        let (source_bytes, decoded_bytes) =
            step(written.get(at..close)?, text.get(decoded..)?, style)?;
        let next = Run { decoded, decoded_bytes, source: base + at, source_bytes };
        match runs.last_mut() {
            Some(last) if last.is_plain() && next.is_plain() && continues(*last, next) => {
                last.decoded_bytes += decoded_bytes;
                last.source_bytes += source_bytes;
            }
            _ if decoded_bytes > 0 => runs.push(next),
            _ => {}
        }
        at += source_bytes;
        decoded += decoded_bytes;
    }
    (decoded == text.len()).then_some(runs)
}

fn continues(last: Run, next: Run) -> bool {
    last.source + last.source_bytes == next.source
}

/// How many bytes the next thing has in the source and decoded.
fn step(rest: &str, text: &str, style: Style) -> Option<(usize, usize)> {
    let mut chars = rest.chars();
    let first = chars.next()?;
    if first == '\r' && rest.starts_with("\r\n") && text.starts_with('\n') {
        return Some((2, 1));
    }
    if first != '\\' || !style.escapes {
        return text.starts_with(first).then(|| (first.len_utf8(), first.len_utf8()));
    }
    let length = match chars.next()? {
        'x' => 4,
        'u' => 6,
        'U' => 10,
        c if style.lines && matches!(c, ' ' | '\t' | '\r' | '\n') => {
            let after = rest.get(1..)?;
            return Some((1 + after.len() - after.trim_start().len(), 0));
        }
        _ => 2,
    };
    Some((length, text.chars().next()?.len_utf8()))
}

#[cfg(test)]
mod tests {
    use super::OffsetMap;

    /// The source bytes that the decoded `needle` maps to.
    fn place(token: &str, needle: &str) -> String {
        let source = format!("key = {token} # end");
        let text =
            toml::from_str::<toml::Table>(&source).unwrap()["key"].as_str().unwrap().to_owned();
        let map = OffsetMap::new(&source, 6..6 + token.len(), &text);
        let start = text.find(needle).unwrap();
        source.get(map.range(start..start + needle.len())).unwrap().to_owned()
    }

    #[test]
    fn every_kind_of_string_maps_back() {
        assert_eq!(place(r#""a ${b} c""#, "${b}"), "${b}");
        assert_eq!(place(r"'a ${b} c'", "${b}"), "${b}");
        assert_eq!(place("\"\"\"\nä ${b} c\"\"\"", "${b}"), "${b}");
        assert_eq!(place("'''\r\nä ${b}\r\n${c}'''", "${c}"), "${c}");
    }

    #[test]
    fn escapes_keep_their_own_length() {
        assert_eq!(place(r#""\u00e9\t${upper(\"é\")} \U0001F600""#, "upper"), "upper");
        assert_eq!(place(r#""x ${upper(\"é\")}""#, "\"é\""), r#"\"é\""#);
        assert_eq!(place(r#""\u00e9${a}""#, "é"), r"\u00e9");
        assert_eq!(place(r#""\U0001F600${a}""#, "${a}"), "${a}");
    }

    #[test]
    fn trimmed_space_belongs_to_nothing() {
        let token = "\"\"\"\n  one \\\n   ${two} \\  \n\n  three\"\"\"";
        assert_eq!(place(token, "${two}"), "${two}");
        assert_eq!(place(token, "one "), "one ");
        assert_eq!(place(token, "three"), "three");
    }

    #[test]
    fn quotes_inside_and_at_the_end() {
        assert_eq!(place("\"\"\"a \"${b}\"\"\"\"", "${b}"), "${b}");
        assert_eq!(place("'''${b}''''", "${b}'"), "${b}'");
    }

    #[test]
    fn a_value_that_does_not_fit_its_token_lies_in_the_whole_token() {
        let map = OffsetMap::new("k = \"abc\"", 4..9, "other");
        assert_eq!(map.range(1..2), 4..9);
        assert_eq!(OffsetMap::new("k = \"\"", 4..6, "").range(0..0), 4..6);
    }
}
