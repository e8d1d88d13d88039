//! A look at a template before it is parsed: how deep it nests and how much of it is expression.
//!
//! The parser behind this is recursive and not ours. What it is given is bounded here first,
//! whatever it bounds itself. This is no parser: it follows quotes, brackets and here-documents
//! just well enough to count, and leaves everything that is wrong to the parser.

use crate::blueprint::expr::EXPRESSION_BYTES_MAX;
use crate::blueprint::expr::EXPRESSION_DEPTH_MAX;

/// Why a template is not parsed at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// It nests too deeply, at this byte.
    Deep(usize),
    /// It has too many bytes inside `${…}` and `%{…}`, from this byte on.
    Long(usize),
}

/// What surrounds the present byte.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Mode {
    /// Text inside quotes.
    Quoted,
    /// Text of a here-document, until this word stands alone on a line.
    Heredoc(String),
    /// An expression, until this bracket.
    Until(u8),
}

/// Refuses what is too deep or too long.
///
/// # Errors
/// [`Refused`], with the place.
pub fn scan(text: &str) -> Result<(), Refused> {
    let bytes = text.as_bytes();
    let mut open: Vec<Mode> = Vec::new();
    let mut inside = 0_usize;
    let mut at = 0;
    while at < bytes.len() {
        let before = at;
        let depth = open.len();
        at = match open.last() {
            None => in_text(bytes, at, &mut open, None),
            Some(Mode::Quoted) => in_text(bytes, at, &mut open, Some(b'"')),
            Some(Mode::Heredoc(word)) => match heredoc_end(text, at, word) {
                Some(end) => {
                    open.pop();
                    end
                }
                None => in_text(bytes, at, &mut open, None),
            },
            Some(Mode::Until(close)) => in_expression(text, at, *close, &mut open),
        };
        if open.len() > depth && open.len() > 2 * EXPRESSION_DEPTH_MAX {
            return Err(Refused::Deep(before));
        }
        if !open.is_empty() {
            inside += at - before;
            if inside > EXPRESSION_BYTES_MAX {
                return Err(Refused::Long(before));
            }
        }
    }
    Ok(())
}

/// One step through text; `quote` ends it where it is quoted.
fn in_text(bytes: &[u8], at: usize, open: &mut Vec<Mode>, quote: Option<u8>) -> usize {
    let byte = bytes.get(at).copied();
    let next = bytes.get(at + 1).copied();
    match (byte, next) {
        (Some(b'\\'), Some(_)) if quote.is_some() => at + 2,
        (Some(b'$' | b'%'), Some(b'{')) => {
            open.push(Mode::Until(b'}'));
            at + 2
        }
        // An escaped marker: `$${`.
        (Some(b'$' | b'%'), same) if same == byte && bytes.get(at + 2) == Some(&b'{') => at + 3,
        (Some(_), _) if byte == quote => {
            open.pop();
            at + 1
        }
        _ => at + 1,
    }
}

/// One step through an expression.
fn in_expression(text: &str, at: usize, close: u8, open: &mut Vec<Mode>) -> usize {
    let bytes = text.as_bytes();
    let rest = text.get(at..).unwrap_or("");
    match bytes.get(at).copied() {
        Some(byte) if byte == close => {
            open.pop();
            at + 1
        }
        Some(b'"') => push(open, Mode::Quoted, at),
        Some(b'(') => push(open, Mode::Until(b')'), at),
        Some(b'[') => push(open, Mode::Until(b']'), at),
        Some(b'{') => push(open, Mode::Until(b'}'), at),
        Some(b'#') => at + line(rest),
        Some(b'/') if rest.starts_with("//") => at + line(rest),
        Some(b'/') if rest.starts_with("/*") => at + rest.find("*/").map_or(rest.len(), |n| n + 2),
        Some(b'<') if rest.starts_with("<<") => {
            let first = line(rest);
            let word = rest.get(2..first).unwrap_or("").trim_start_matches('-').trim_end();
            if !word.is_empty() && first < rest.len() {
                open.push(Mode::Heredoc(word.to_owned()));
                // The newline stays, so that an empty here-document ends like any other.
                return at + first;
            }
            at + 2
        }
        _ => at + 1,
    }
}

fn push(open: &mut Vec<Mode>, mode: Mode, at: usize) -> usize {
    open.push(mode);
    at + 1
}

/// Bytes up to the end of the line.
fn line(rest: &str) -> usize {
    rest.find('\n').unwrap_or(rest.len())
}

/// Where a here-document ends, if its last line begins with the newline at `at`.
fn heredoc_end(text: &str, at: usize, word: &str) -> Option<usize> {
    let after = text.get(at..)?.strip_prefix('\n')?;
    let blank = after.len() - after.trim_start_matches([' ', '\t']).len();
    let tail = after.get(blank..)?.strip_prefix(word)?;
    let goes_on = tail.chars().next().is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '-');
    (!goes_on).then(|| text.len() - tail.len())
}

#[cfg(test)]
mod tests {
    use super::Refused;
    use super::scan;
    use crate::blueprint::expr::EXPRESSION_BYTES_MAX;

    #[test]
    fn depth_is_bounded_and_its_place_known() {
        let text = format!("ab ${{{}", "[".repeat(100_000));
        assert_eq!(scan(&text), Err(Refused::Deep(3 + 2 + 127)));
        assert_eq!(scan(&"(".repeat(100_000)), Ok(()), "text is not an expression");
    }

    #[test]
    fn brackets_in_text_do_not_count() {
        let brackets = "[".repeat(500);
        assert_eq!(scan(&format!("${{\"{brackets}\"}} {brackets}")), Ok(()));
        assert_eq!(scan(&format!("${{<<EOT\n{brackets}\nEOT\n}}")), Ok(()));
        assert_eq!(scan(&format!("${{a /* {brackets} */}} $${{{brackets}")), Ok(()));
        assert_eq!(scan(&format!("${{\"\\\"{brackets}\"}}")), Ok(()));
    }

    #[test]
    fn long_text_is_fine_and_long_expressions_are_not() {
        let long = "x".repeat(EXPRESSION_BYTES_MAX + 1);
        assert_eq!(scan(&format!("{long}${{a}}")), Ok(()));
        assert!(matches!(scan(&format!("${{{long}}}")), Err(Refused::Long(_))));
    }
}
