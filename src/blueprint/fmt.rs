//! The normal form of a blueprint's text, for `gov fmt`.
//!
//! Order, comments and the spelling of every key and value stay; only the space between them
//! changes: nothing in front of a line, one space around `=`, one blank line between tables, lists
//! that were on several lines one item a line. Formatting twice changes nothing more. Nothing is
//! said here of what the text means: any TOML can be formatted. Start with [`format()`].

use std::collections::BTreeMap;
use std::ops::Range;

use toml_edit::Item;
use toml_edit::Table;
use toml_edit::Value;

use crate::blueprint::tree;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Source;

/// Spaces in front of an item of a list, for each list around it.
const INDENT: usize = 2;

/// The text in its normal form.
///
/// # Errors
/// What is wrong with the TOML, and text beyond the size of a blueprint.
pub fn format(source: &Source) -> Result<String, Diagnostics> {
    let mut problems = Diagnostics::new();
    let Some(document) = tree::parse(source, &mut problems) else { return Err(problems) };
    let mut starts = BTreeMap::new();
    collect(&source.text, document.as_table(), &mut starts);
    let mut layout =
        Layout { text: &source.text, out: String::new(), pending: Vec::new(), after_header: false };
    layout.run(&starts);
    Ok(layout.out)
}

/// What begins on a line.
enum Statement<'d> {
    /// `[a.b]` or `[[a.b]]`, at this place.
    Header(Range<usize>),
    /// `a.b = …`.
    Pair(&'d Value),
}

/// Finds every statement, by the start of the line it begins on: TOML has at most one on a line.
fn collect<'d>(text: &str, table: &'d Table, starts: &mut BTreeMap<usize, Statement<'d>>) {
    let line_start = |at: usize| {
        text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1)
    };
    let enter = |table: &'d Table, starts: &mut BTreeMap<usize, Statement<'d>>| {
        // A table that only stands in a longer header, or in a dotted key, has no line of its own.
        if let Some(range) = table.span().filter(|_| !table.is_implicit() && !table.is_dotted()) {
            starts.insert(line_start(range.start), Statement::Header(range));
        }
        collect(text, table, starts);
    };
    for (name, item) in table {
        match item {
            Item::None => {}
            Item::Table(table) => enter(table, starts),
            Item::ArrayOfTables(tables) => tables.iter().for_each(|t| enter(t, starts)),
            Item::Value(value) => {
                if let Some(range) = table.key(name).and_then(toml_edit::Key::span) {
                    starts.insert(line_start(range.start), Statement::Pair(value));
                }
            }
        }
    }
}

/// A layout under way.
struct Layout<'s> {
    text: &'s str,
    out: String,
    /// Comments since the last statement, and blank lines as empty text, never two in a row.
    pending: Vec<&'s str>,
    /// Whether the last statement written is a header.
    after_header: bool,
}

impl<'s> Layout<'s> {
    fn run(&mut self, starts: &BTreeMap<usize, Statement<'_>>) {
        let mut at = 0;
        while at < self.text.len() {
            let end = match starts.get(&at) {
                Some(Statement::Header(range)) => {
                    self.lead(true);
                    let header = self.slice(range.clone());
                    self.out.push_str(&without_space(header));
                    range.end
                }
                Some(Statement::Pair(value)) => {
                    self.lead(false);
                    let range = value.span().unwrap_or(at..at);
                    // The mark of byte order may precede the first key.
                    let front = self.slice(at..range.start).trim_start_matches('\u{feff}');
                    let key = front.trim_end().trim_end_matches('=');
                    self.out.push_str(&without_space(key));
                    self.out.push_str(" = ");
                    self.value(value, 0);
                    range.end
                }
                None => {
                    at = self.between(at);
                    continue;
                }
            };
            at = self.line_end(end);
            let comment = self.slice(end..at).trim();
            if !comment.is_empty() {
                self.out.push(' ');
                self.out.push_str(comment);
            }
            self.out.push('\n');
        }
        while self.pending.last() == Some(&"") {
            self.pending.pop();
        }
        self.lead(false);
    }

    fn slice(&self, range: Range<usize>) -> &'s str {
        self.text.get(range).unwrap_or("")
    }

    /// The end of the line that this place is on, behind its newline.
    fn line_end(&self, at: usize) -> usize {
        let rest = self.slice(at..self.text.len());
        at + rest.find('\n').map_or(rest.len(), |newline| newline + 1)
    }

    /// Takes in a line without a statement: a comment or nothing.
    fn between(&mut self, at: usize) -> usize {
        let end = self.line_end(at);
        let line = self.slice(at..end).trim_start_matches('\u{feff}').trim();
        let doubled = line.is_empty() && self.pending.last() == Some(&"");
        if !doubled {
            self.pending.push(line);
        }
        end
    }

    /// Writes what stands before a statement: as it was before a pair; before a header with one
    /// blank line, which goes before the comments that touch the header.
    fn lead(&mut self, header: bool) {
        let mut lines = std::mem::take(&mut self.pending);
        if header && !lines.contains(&"") {
            lines.insert(0, "");
        }
        let after_header = std::mem::replace(&mut self.after_header, header);
        for (position, line) in lines.iter().enumerate() {
            // No blank line at the very beginning, nor between a header and its first key.
            let first = position == 0 && (self.out.is_empty() || (after_header && !header));
            if !(line.is_empty() && first) {
                self.out.push_str(line);
                self.out.push('\n');
            }
        }
    }

    /// Writes a value; `depth` is the number of lists around it that are on several lines.
    fn value(&mut self, value: &Value, depth: usize) {
        match value {
            Value::Array(array) => self.list(value, array, depth),
            Value::InlineTable(table) => {
                let mut pairs: Vec<_> = table
                    .get_values()
                    .into_iter()
                    .map(|(path, value)| (place(value), path, value))
                    .collect();
                // Dotted keys are grouped by their first part in the tree, not in the text.
                pairs.sort_by_key(|(range, ..)| range.start);
                if pairs.is_empty() {
                    return self.out.push_str("{}");
                }
                for (position, (_, path, value)) in pairs.into_iter().enumerate() {
                    self.out.push_str(if position == 0 { "{ " } else { ", " });
                    let keys: Vec<&str> = path
                        .iter()
                        .map(|key| key.span().map_or("", |range| self.slice(range)))
                        .collect();
                    self.out.push_str(&keys.join("."));
                    self.out.push_str(" = ");
                    self.value(value, depth);
                }
                self.out.push_str(" }");
            }
            scalar => {
                let text = self.slice(place(scalar));
                self.out.push_str(text);
            }
        }
    }

    fn list(&mut self, value: &Value, array: &toml_edit::Array, depth: usize) {
        let whole = place(value);
        // What stands between the brackets and the items: commas, space and comments.
        let mut gaps = Vec::new();
        let mut from = whole.start + 1;
        for item in array {
            let range = place(item);
            gaps.push(self.slice(from..range.start));
            from = range.end;
        }
        gaps.push(self.slice(from..whole.end.saturating_sub(1)));
        if !gaps.iter().any(|gap| gap.contains('\n')) {
            self.out.push('[');
            for (position, item) in array.iter().enumerate() {
                self.out.push_str(if position == 0 { "" } else { ", " });
                self.value(item, depth);
            }
            return self.out.push(']');
        }
        let inner = depth + 1;
        self.out.push('[');
        let mut gaps = gaps.into_iter();
        self.comments(gaps.next().unwrap_or(""), inner);
        for (item, gap) in array.iter().zip(gaps) {
            self.indent(inner);
            self.value(item, inner);
            self.out.push(',');
            self.comments(gap, inner);
        }
        self.indent(depth);
        self.out.push(']');
    }

    /// Ends a line of a list: with the comment that stood on it, and those on lines of their own.
    fn comments(&mut self, gap: &str, depth: usize) {
        for (position, line) in gap.split('\n').enumerate() {
            let Some((_, comment)) = line.split_once('#') else {
                if position == 0 {
                    self.out.push('\n');
                }
                continue;
            };
            if position == 0 {
                self.out.push(' ');
            } else {
                self.indent(depth);
            }
            self.out.push('#');
            self.out.push_str(comment.trim_end());
            self.out.push('\n');
        }
    }

    fn indent(&mut self, depth: usize) {
        self.out.extend(std::iter::repeat_n(' ', depth * INDENT));
    }
}

fn place(value: &Value) -> Range<usize> {
    value.span().unwrap_or(0..0)
}

/// A header or a dotted key without the space outside of quotes.
fn without_space(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut quote: Option<char> = None;
    let mut escaped = false;
    for c in text.chars() {
        match quote {
            Some(open) => {
                if c == open && !escaped {
                    quote = None;
                }
                escaped = open == '"' && c == '\\' && !escaped;
                out.push(c);
            }
            None if c.is_whitespace() => {}
            None => {
                if matches!(c, '"' | '\'') {
                    quote = Some(c);
                }
                out.push(c);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::format;
    use crate::blueprint::tree;
    use crate::diagnostic::Diagnostics;
    use crate::diagnostic::Source;
    use crate::model::value::Value;

    fn formatted(text: &str) -> String {
        format(&Source::new("t", text)).unwrap()
    }

    fn meaning(text: &str) -> Option<Value> {
        let mut problems = Diagnostics::new();
        let table = tree::read(&Source::new("t", text), &mut problems)?;
        let span = table.span.clone();
        tree::Item { span, kind: tree::Kind::Table(table) }.given()
    }

    #[test]
    fn space_changes_and_nothing_else() {
        let text = concat!(
            "\u{feff}\n\n# top\n\n\n  [ a . \"b c\" ]   # head\n\n  # first\n x=1\n\n\n",
            "y . z   =   'q'#c\nlist=[1,  2,]\n",
            "long = [ # open\n1, # one\n  # own\n 2 # two\n, {a=1,b.c = [ ]},\n[\n3]]\n",
            "# about d\n[[d]]\nt = \"\"\"\n  # no comment\n\"\"\"\n",
            "n.b=1\nm=2\nn.a=3\n\n\n# end\n\n",
        );
        let want = r#"# top

[a."b c"] # head
# first
x = 1

y.z = 'q' #c
list = [1, 2]
long = [ # open
  1, # one
  # own
  2, # two
  { a = 1, b.c = [] },
  [
    3,
  ],
]

# about d
[[d]]
t = """
  # no comment
"""
n.b = 1
m = 2
n.a = 3

# end
"#;
        assert_eq!(formatted(text), want);
        assert_eq!(formatted(want), want);
        assert_eq!(meaning(text), meaning(want));
    }

    #[test]
    fn small_texts() {
        for (text, want) in [
            ("", ""),
            ("\n\n", ""),
            ("#a", "#a\n"),
            ("a=1", "a = 1\n"),
            ("a=1\r\n\r\n[b]\r\nc=2\r\n", "a = 1\n\n[b]\nc = 2\n"),
            ("[a]\n[b]\n", "[a]\n\n[b]\n"),
            ("[a]\n\n# x\n\n[b]\n", "[a]\n\n# x\n\n[b]\n"),
            ("a = [\n]\n", "a = [\n]\n"),
        ] {
            assert_eq!(formatted(text), want, "{text:?}");
        }
        assert!(format(&Source::new("t", "a = ")).is_err());
    }

    fn space() -> impl Strategy<Value = String> {
        prop::sample::select(vec!["", " ", "  ", "\t"]).prop_map(str::to_owned)
    }

    /// Space inside a list, where lines may break and comments stand.
    fn gap() -> impl Strategy<Value = String> {
        prop::sample::select(vec!["", " ", "\n", " \n\n  ", " # g,]\n", "\n  # h\n # i \n"])
            .prop_map(str::to_owned)
    }

    fn value() -> impl Strategy<Value = String> {
        let scalars = vec![
            "1",
            "-0.50",
            "true",
            "'#=['",
            "\"a\\\"b # \"",
            "\"\"\"\nx\n # y\n\"\"\"",
            "1_000",
        ];
        let leaf = prop::sample::select(scalars).prop_map(str::to_owned);
        leaf.prop_recursive(3, 12, 4, |inner| {
            let item = (gap(), inner.clone(), gap()).prop_map(|(a, v, b)| format!("{a}{v}{b}"));
            let list = (prop::collection::vec(item, 0..4), any::<bool>(), gap()).prop_map(
                |(items, comma, end)| {
                    let comma = if comma && !items.is_empty() { "," } else { "" };
                    format!("[{}{comma}{end}]", items.join(","))
                },
            );
            let pair = (space(), space(), inner, space());
            let table = prop::collection::vec(pair, 0..3).prop_map(|pairs| {
                let pairs = pairs.into_iter().enumerate();
                let pairs = pairs.map(|(at, (a, b, v, c))| format!("{a}k{at} .\"x\"{b}={v}{c}"));
                format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
            });
            prop_oneof![list, table]
        })
    }

    fn line() -> impl Strategy<Value = String> {
        prop_oneof![
            3 => (space(), space(), value(), prop::sample::select(vec!["", " # c", "#c "]))
                .prop_map(|(a, b, v, c)| format!("{a}K{b}={b}{v}{c}\n")),
            1 => (space(), space()).prop_map(|(a, b)| format!("{a}[{b}K . 'z']{b}\n")),
            1 => (space(), space()).prop_map(|(a, b)| format!("{a}[[ K{b}]]# t\n")),
            1 => (space(), space()).prop_map(|(a, b)| format!("{a}# K{b}\n")),
            1 => space().prop_map(|a| format!("{a}\n")),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// Any text keeps its meaning and its comments, and is formatted once and for all.
        #[test]
        fn formatting_is_idempotent_and_keeps_meaning(
            lines in prop::collection::vec(line(), 0..12),
        ) {
            let lines = lines.iter().enumerate();
            let named = |(at, line): (usize, &String)| line.replace('K', &format!("key{at}"));
            let text: String = lines.map(named).collect();
            let once = formatted(&text);
            prop_assert_eq!(&formatted(&once), &once, "{}", text);
            prop_assert_eq!(meaning(&once), meaning(&text), "{}", text);
            prop_assert_eq!(once.matches('#').count(), text.matches('#').count(), "{}", text);
            prop_assert!(!once.contains("\n\n\n"), "{}", once);
        }
    }
}
