//! Rust text taken apart just far enough for rules: code, comments and string contents.
//!
//! This is no parser. It tells three classes of bytes apart, matches braces and knows which parts
//! are test code; that is enough for every rule of this crate and costs milliseconds. The three
//! views of [`Source`] have the length of the text, so one offset means the same place in all.
//! Macros that build code from tokens are seen as they are written, never as they expand.

use std::ops::Range;

/// A Rust file and its views.
#[derive(Clone, Debug)]
pub struct Source {
    /// From the root of the repository, with `/` between folders.
    pub path: String,
    /// The file as it is.
    pub text: String,
    /// The text with comments and the contents of strings and characters made blank.
    pub code: String,
    /// The comments alone, their slashes kept.
    pub comments: String,
    /// The contents of strings alone.
    pub strings: String,
    /// Places of test items, from their attribute to their end.
    tests: Vec<Range<usize>>,
    /// Whether all of it is test code.
    all_test: bool,
    /// Where each line begins.
    line_starts: Vec<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Class {
    Code,
    Comment,
    Text,
}

impl Source {
    /// Takes a file apart. Files under a `tests` or `benches` folder of a package are test code.
    pub fn new(path: &str, text: &str) -> Self {
        let classes = classify(text.as_bytes());
        let code = view(text, &classes, Class::Code);
        let tests = test_ranges(&code);
        let starts =
            text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let all_test =
            path.split('/').rev().skip(1).any(|part| part == "tests" || part == "benches");
        Self {
            path: path.to_owned(),
            comments: view(text, &classes, Class::Comment),
            strings: view(text, &classes, Class::Text),
            line_starts: std::iter::once(0).chain(starts).collect(),
            text: text.to_owned(),
            code,
            tests,
            all_test,
        }
    }

    /// Marks the whole file as test code: its `mod` declaration says so, not its own text.
    pub fn mark_test(&mut self) {
        self.all_test = true;
    }

    /// The line of an offset, counted from one.
    pub fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    /// Where a line begins; lines are counted from one.
    pub fn line_start(&self, line: usize) -> usize {
        self.line_starts.get(line.saturating_sub(1)).copied().unwrap_or(self.text.len())
    }

    /// Whether an offset lies in test code.
    pub fn is_test(&self, offset: usize) -> bool {
        self.all_test || self.tests.iter().any(|range| range.contains(&offset))
    }

    /// Whether the byte before an offset is inside of a string that goes on over lines.
    pub fn starts_in_string(&self, line: usize) -> bool {
        let start = self.line_start(line);
        // A string's line break is kept in every view; what tells is that no quote closed it.
        let before = self.code.get(..start).unwrap_or_default();
        before.bytes().filter(|byte| *byte == b'"').count() % 2 == 1
    }

    /// Every place of a word in the code, as [`words`] finds it.
    pub fn code_words<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        words(&self.code, word)
    }

    /// The inline modules (`mod name { … }`): name and place, outer before inner.
    pub fn inline_modules(&self) -> Vec<(String, Range<usize>)> {
        let mut found = Vec::new();
        for at in self.code_words("mod") {
            let (name, after) = identifier(&self.code, at + 3);
            let rest = self.code.get(after..).unwrap_or_default();
            let open = after + (rest.len() - rest.trim_start().len());
            if name.is_empty() || self.code.as_bytes().get(open) != Some(&b'{') {
                continue;
            }
            let end = closing(&self.code, open).unwrap_or(self.code.len());
            found.push((name.to_owned(), at..end));
        }
        found
    }
}

/// Every place of `word` in `text` where it does not continue an identifier.
pub fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let whole_start = word.bytes().next().is_some_and(is_word);
    let whole_end = word.bytes().last().is_some_and(is_word);
    text.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let bytes = text.as_bytes();
        let before = at.checked_sub(1).and_then(|before| bytes.get(before)).copied();
        let after = bytes.get(at + word.len()).copied();
        let goes_on_before = whole_start && before.is_some_and(is_word);
        let goes_on_after = whole_end && after.is_some_and(is_word);
        !goes_on_before && !goes_on_after
    })
}

/// The identifier after blanks from an offset, and where it ends. Empty where none begins.
pub fn identifier(code: &str, from: usize) -> (&str, usize) {
    let rest = code.get(from..).unwrap_or_default();
    let start = from + (rest.len() - rest.trim_start().len());
    let rest = code.get(start..).unwrap_or_default();
    let length = rest.bytes().take_while(|byte| is_word(*byte)).count();
    (rest.get(..length).unwrap_or_default(), start + length)
}

/// The offset of the bracket that closes the one at `open`, in code.
pub fn closing(code: &str, open: usize) -> Option<usize> {
    let bytes = code.as_bytes();
    let opener = *bytes.get(open)?;
    let closer = match opener {
        b'{' => b'}',
        b'(' => b')',
        b'[' => b']',
        _ => return None,
    };
    let mut depth = 0_usize;
    for (at, byte) in bytes.iter().enumerate().skip(open) {
        if *byte == opener {
            depth += 1;
        } else if *byte == closer {
            depth -= 1;
            if depth == 0 {
                return Some(at);
            }
        }
    }
    None
}

/// The end of the item that begins after an offset: its `;`, or the brace that closes it.
pub fn item_end(code: &str, from: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            b';' if depth == 0 => return Some(at),
            b'{' if depth == 0 => return closing(code, at),
            _ => {}
        }
    }
    None
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

fn test_ranges(code: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    for (at, _) in code.match_indices("#[") {
        let Some(end) = closing(code, at + 1) else { continue };
        let attribute = code.get(at + 2..end).unwrap_or_default();
        let path = attribute.split(['(', ' ']).next().unwrap_or_default();
        let conditional = path == "cfg"
            && words(attribute, "test").next().is_some()
            && words(attribute, "not").next().is_none();
        if conditional || path == "test" || path.ends_with("::test") {
            ranges.push(at..item_end(code, end + 1).unwrap_or(code.len()));
        }
    }
    ranges
}

fn view(text: &str, classes: &[Class], wanted: Class) -> String {
    let kept = text
        .bytes()
        .zip(classes)
        .map(|(byte, class)| if *class == wanted || byte == b'\n' { byte } else { b' ' });
    String::from_utf8_lossy(&kept.collect::<Vec<u8>>()).into_owned()
}

fn classify(bytes: &[u8]) -> Vec<Class> {
    let mut classes = Vec::with_capacity(bytes.len());
    while classes.len() < bytes.len() {
        let at = classes.len();
        let rest = bytes.get(at..).unwrap_or_default();
        let fresh =
            !at.checked_sub(1).and_then(|before| bytes.get(before)).copied().is_some_and(is_word);
        if rest.starts_with(b"//") {
            let length = rest.iter().take_while(|byte| **byte != b'\n').count();
            extend(&mut classes, Class::Comment, length);
        } else if rest.starts_with(b"/*") {
            extend(&mut classes, Class::Comment, block_comment(rest));
        } else if let Some((prefix, hashes)) = raw_string(rest).filter(|_| fresh) {
            extend(&mut classes, Class::Code, prefix);
            let inner = rest.get(prefix..).unwrap_or_default();
            let mut close = vec![b'"'];
            close.resize(hashes + 1, b'#');
            let length = inner.windows(close.len()).position(|window| window == close);
            extend(&mut classes, Class::Text, length.unwrap_or(inner.len()));
            extend(&mut classes, Class::Code, close.len());
        } else if rest.starts_with(b"\"") {
            let length = quoted(rest.get(1..).unwrap_or_default(), b'"');
            extend(&mut classes, Class::Code, 1);
            extend(&mut classes, Class::Text, length);
            extend(&mut classes, Class::Code, 1);
        } else if let Some(length) = character(rest) {
            extend(&mut classes, Class::Text, length);
        } else {
            extend(&mut classes, Class::Code, 1);
        }
    }
    classes.truncate(bytes.len());
    classes
}

fn extend(classes: &mut Vec<Class>, class: Class, count: usize) {
    classes.resize(classes.len() + count, class);
}

/// The length of a block comment; they nest.
fn block_comment(rest: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        match (rest.get(at), rest.get(at + 1)) {
            (Some(b'/'), Some(b'*')) => {
                depth += 1;
                at += 2;
            }
            (Some(b'*'), Some(b'/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    rest.len()
}

/// Where a raw string begins: the length of its opening and how many `#` it has.
fn raw_string(rest: &[u8]) -> Option<(usize, usize)> {
    let letters = match rest {
        [b'r', ..] => 1,
        [b'b' | b'c', b'r', ..] => 2,
        _ => return None,
    };
    let hashes = rest.iter().skip(letters).take_while(|byte| **byte == b'#').count();
    (rest.get(letters + hashes) == Some(&b'"')).then_some((letters + hashes + 1, hashes))
}

/// The length up to a closing quote that no backslash escapes.
fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut escaped = false;
    for (at, byte) in rest.iter().enumerate() {
        if !escaped && *byte == quote {
            return at;
        }
        escaped = !escaped && *byte == b'\\';
    }
    rest.len()
}

/// The length of a character literal; none for a lifetime, which has no closing quote.
fn character(rest: &[u8]) -> Option<usize> {
    let [b'\'', first, ..] = rest else { return None };
    let inner = rest.get(1..).unwrap_or_default();
    if *first == b'\\' {
        return Some(quoted(inner, b'\'') + 2);
    }
    let width = match first {
        0..=0x7f => 1,
        0x80..=0xdf => 2,
        0xe0..=0xef => 3,
        _ => 4,
    };
    (inner.get(width) == Some(&b'\'')).then_some(width + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::new("src/a.rs", text)
    }

    #[test]
    fn views_have_the_length_of_the_text_and_share_nothing() {
        let text =
            "let a = \"// no\"; // yes \"x\"\n/* b /* c */ d */ 'x' 'é' &'a str r#\"q\"q\"#;\n";
        let source = source(text);
        assert_eq!(source.code.len(), text.len());
        assert_eq!(source.comments.len(), text.len());
        assert!(source.strings.contains("// no"));
        assert!(source.comments.contains("// yes \"x\""));
        assert!(source.comments.contains("/* b /* c */ d */"));
        assert!(source.code.contains("&'a str"));
        assert!(source.strings.contains("q\"q"));
        assert!(!source.code.contains("yes") && !source.code.contains('q'));
    }

    #[test]
    fn escapes_do_not_end_a_string_or_a_character() {
        let source = source(r#"let a = "x\"y\\"; let b = '\''; let c = '"'; end"#);
        assert!(source.strings.contains(r#"x\"y\\"#));
        assert!(source.code.contains("end"));
    }

    #[test]
    fn raw_identifiers_and_words_ending_in_r_are_code() {
        let source = source("let r#type = var\"\"; inner");
        assert!(source.code.contains("inner"));
    }

    #[test]
    fn test_modules_are_test_code_and_the_rest_is_not() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() {}\n}\nfn c() {}\n\
                    #[cfg(not(test))]\nfn d() {}\n";
        let source = source(text);
        let place = |name: &str| text.find(name).unwrap();
        assert!(!source.is_test(place("fn a")));
        assert!(source.is_test(place("fn b")));
        assert!(!source.is_test(place("fn c")));
        assert!(!source.is_test(place("fn d")));
    }

    #[test]
    fn files_under_tests_are_test_code() {
        assert!(Source::new("tests/cli/a.rs", "fn a() {}").is_test(0));
        assert!(!Source::new("src/tests.rs", "fn a() {}").is_test(0));
    }

    #[test]
    fn lines_are_counted_from_one() {
        let source = source("a\nb\nc");
        assert_eq!((source.line(0), source.line(1), source.line(2), source.line(4)), (1, 1, 2, 3));
    }

    #[test]
    fn a_line_inside_a_long_string_is_known() {
        let source = source("let a = \"x\n  y\n\";\nlet b = 1;\n");
        assert!(source.starts_in_string(2));
        assert!(!source.starts_in_string(4));
    }

    #[test]
    fn inline_modules_are_found_with_their_place() {
        let source = source("mod a { mod b { } }\nmod c;\n");
        let names: Vec<String> =
            source.inline_modules().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "b"]);
    }
}
