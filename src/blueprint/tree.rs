//! TOML with a place on everything: what the rest of the blueprint floor reads.
//!
//! `toml_edit` parses; this file bounds the result, keeps numbers exact, refuses what gov has no
//! value for (dates, infinities), and gives every key and value its span. It knows nothing of what
//! the keys mean. Start with [`read`].

use std::collections::BTreeMap;
use std::ops::Range;

use crate::blueprint::BLOCKS_MAX;
use crate::blueprint::BLUEPRINT_BYTES_MAX;
use crate::blueprint::NESTING_MAX;
use crate::blueprint::Spanned;
use crate::blueprint::expr;
use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Source;
use crate::diagnostic::Span;
use crate::model::number::Number;
use crate::model::schema::nearest;
use crate::model::value::Value;

/// The most syntax errors reported. Behind a first one, a parser guesses; more is noise.
const SYNTAX_ERRORS_MAX: usize = 20;

/// A value as written.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// Where: of a table with a header the header, of a string the token with its quotes.
    pub(super) span: Span,
    /// What.
    pub(super) kind: Kind,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// A string.
    Text(String),
    /// An integer or a float, exactly as written.
    Number(Number),
    /// True or false.
    Bool(bool),
    /// An array, or an array of tables.
    List(Vec<Item>),
    /// A table, however it is written.
    Table(Table),
    /// Something refused; a diagnostic says why, and nobody needs to say more.
    Refused,
}

/// Keys and values.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// Where: the header, where it has one.
    pub(super) span: Span,
    /// By key.
    pub(super) entries: BTreeMap<String, Entry>,
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The key's place.
    pub(super) key: Span,
    /// The value.
    pub(super) item: Item,
}

/// Reads a whole text. `None` where nothing can be made of it; `problems` says why.
pub(super) fn read(source: &Source, problems: &mut Diagnostics) -> Option<Table> {
    let document = parse(source, problems)?;
    let mut conversion = Conversion { source, problems, tables: 0 };
    Some(conversion.table(document.as_table(), Span::new(source, 0..0), 0))
}

/// Parses a whole text of bounded size, or says what is wrong with it.
pub(super) fn parse<'s>(
    source: &'s Source,
    problems: &mut Diagnostics,
) -> Option<toml_edit::Document<&'s str>> {
    let bytes = source.text.len();
    if bytes > BLUEPRINT_BYTES_MAX {
        let detail = format!("it has {bytes} bytes, and {BLUEPRINT_BYTES_MAX} are allowed");
        let problem = Diagnostic::error(Code::TooLarge, detail).at(Span::new(source, 0..0));
        problems.push(problem.help("split it into several blueprints"));
        return None;
    }
    match toml_edit::Document::parse(&*source.text) {
        Ok(document) => Some(document),
        Err(first) => {
            syntax(source, &first, problems);
            None
        }
    }
}

/// Converts an item of a document that somebody else has parsed from `source`.
pub(super) fn convert(source: &Source, item: &toml_edit::Item, problems: &mut Diagnostics) -> Item {
    let mut conversion = Conversion { source, problems, tables: 0 };
    conversion.item(item, &Span::new(source, 0..0), 0)
}

/// Reports all syntax errors: `toml_edit` tells the first only, `toml` recovers and finds the rest.
fn syntax(source: &Source, first: &toml_edit::TomlError, problems: &mut Diagnostics) {
    let mut found: Vec<(Range<usize>, String)> =
        vec![(first.span().unwrap_or(0..0), first.message().to_owned())];
    let (_, all) = toml::de::DeTable::parse_recoverable(&source.text);
    for error in all.into_iter().take(SYNTAX_ERRORS_MAX) {
        let range = error.span().unwrap_or(0..0);
        if found.iter().all(|(known, _)| *known != range) {
            found.push((range, error.message().to_owned()));
        }
    }
    for (range, message) in found {
        let span = Span::new(source, range.clone());
        problems.push(if message == "duplicate key" {
            let key = source.text.get(range).unwrap_or("");
            Diagnostic::error(Code::DuplicateName, format!("`{key}` is already set in this table"))
                .at(span)
                .help("keep one of them")
        } else {
            Diagnostic::error(Code::TomlSyntax, message).at(span)
        });
    }
}

/// A conversion under way.
struct Conversion<'a> {
    source: &'a Source,
    problems: &'a mut Diagnostics,
    tables: usize,
}

impl Conversion<'_> {
    fn span(&self, range: Option<Range<usize>>, fallback: &Span) -> Span {
        range.map_or_else(|| fallback.clone(), |range| Span::new(self.source, range))
    }

    fn refuse(&mut self, problem: Diagnostic) -> Kind {
        self.problems.push(problem);
        Kind::Refused
    }

    fn too_deep(&self, span: &Span) -> Diagnostic {
        let detail = format!("tables and lists nest deeper than {NESTING_MAX} levels");
        Diagnostic::error(Code::TooLarge, detail).at(span.clone()).help("flatten the structure")
    }

    fn table(&mut self, table: &dyn toml_edit::TableLike, span: Span, depth: usize) -> Table {
        let mut entries = BTreeMap::new();
        self.tables += 1;
        if self.tables > BLOCKS_MAX {
            // Said once, whatever the number beyond.
            if self.tables == BLOCKS_MAX + 1 {
                let detail = format!("it has more than {BLOCKS_MAX} tables");
                let problem = Diagnostic::error(Code::TooLarge, detail).at(span.clone());
                self.problems.push(problem.help("use `count` or `for_each`, or split it"));
            }
            return Table { span, entries };
        }
        for (name, item) in table.iter() {
            let key = self.span(table.key(name).and_then(toml_edit::Key::span), &span);
            let item = self.item(item, &key, depth + 1);
            entries.insert(name.to_owned(), Entry { key, item });
        }
        Table { span, entries }
    }

    fn item(&mut self, item: &toml_edit::Item, key: &Span, depth: usize) -> Item {
        let span = self.span(item.span(), key);
        let kind = match item {
            toml_edit::Item::None => Kind::Refused,
            toml_edit::Item::Value(value) => return self.value(value, key, depth),
            _ if depth > NESTING_MAX => self.refuse(self.too_deep(&span)),
            toml_edit::Item::Table(table) => Kind::Table(self.table(table, span.clone(), depth)),
            toml_edit::Item::ArrayOfTables(tables) => {
                let mut items = Vec::new();
                for table in tables {
                    let span = self.span(table.span(), key);
                    let table = self.table(table, span.clone(), depth + 1);
                    items.push(Item { span, kind: Kind::Table(table) });
                }
                Kind::List(items)
            }
        };
        Item { span, kind }
    }

    fn value(&mut self, value: &toml_edit::Value, key: &Span, depth: usize) -> Item {
        let span = self.span(value.span(), key);
        let kind = match value {
            toml_edit::Value::String(text) => Kind::Text(text.value().clone()),
            toml_edit::Value::Integer(number) => Kind::Number(Number::from(*number.value())),
            toml_edit::Value::Boolean(truth) => Kind::Bool(*truth.value()),
            toml_edit::Value::Float(float) => self.float(float, &span),
            toml_edit::Value::Datetime(_) => {
                let detail = "a date or time is no value of a blueprint";
                let problem = Diagnostic::error(Code::WrongType, detail).at(span.clone());
                self.refuse(problem.help("write it as a string, in quotes"))
            }
            _ if depth > NESTING_MAX => self.refuse(self.too_deep(&span)),
            toml_edit::Value::Array(array) => {
                Kind::List(array.iter().map(|item| self.value(item, &span, depth + 1)).collect())
            }
            toml_edit::Value::InlineTable(table) => {
                Kind::Table(self.table(table, span.clone(), depth))
            }
        };
        Item { span, kind }
    }

    /// The exact decimal that was written, not the float nearest to it.
    fn float(&mut self, float: &toml_edit::Formatted<f64>, span: &Span) -> Kind {
        let raw = float.as_repr().map(toml_edit::Repr::as_raw);
        let text = match raw.and_then(toml_edit::RawString::as_str) {
            Some(text) => text,
            None => self.source.text.get(span.range.0..span.range.1).unwrap_or(""),
        };
        match Number::parse(&text.replace('_', "")) {
            Ok(number) => Kind::Number(number),
            Err(_) => {
                let detail = format!("`{text}` is no number that gov can keep exactly");
                let problem = Diagnostic::error(Code::WrongType, detail).at(span.clone());
                self.refuse(problem.help("write a decimal number of at most 400 digits"))
            }
        }
    }
}

impl Table {
    /// Refuses every key that is not known; `place` names the table, empty for the whole text.
    pub(super) fn refuse_unknown(&self, place: &str, known: &[&str], problems: &mut Diagnostics) {
        for (name, entry) in &self.entries {
            if known.contains(&name.as_str()) {
                continue;
            }
            let detail = match place {
                "" => format!("`{name}` is no section of a blueprint"),
                _ => format!("`{place}` has no key `{name}`"),
            };
            let help = match nearest(name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", known.join(", ")),
            };
            let problem = Diagnostic::error(Code::UnknownKey, detail);
            problems.push(problem.at(entry.key.clone()).help(help));
        }
    }

    /// The entry under a key that must be there; `place` as in [`Table::refuse_unknown`].
    pub(super) fn required(
        &self,
        place: &str,
        key: &str,
        help: &str,
        problems: &mut Diagnostics,
    ) -> Option<&Entry> {
        let found = self.entries.get(key);
        if found.is_none() {
            let detail = match place {
                "" => format!("the section [{key}] is missing"),
                _ => format!("`{place}` needs `{key}`"),
            };
            let problem = Diagnostic::error(Code::MissingKey, detail);
            problems.push(problem.at(self.span.clone()).help(help));
        }
        found
    }
}

impl Item {
    /// What it is, for messages.
    pub(super) fn kind_name(&self) -> &'static str {
        match self.kind {
            Kind::Text(_) => "a string",
            Kind::Number(_) => "a number",
            Kind::Bool(_) => "a bool",
            Kind::List(_) => "a list",
            Kind::Table(_) => "a table",
            Kind::Refused => "nothing that can be read",
        }
    }

    /// Says that something else is needed here, unless what is here was refused already.
    pub(super) fn wrong<T>(
        &self,
        place: &str,
        want: &str,
        problems: &mut Diagnostics,
    ) -> Option<T> {
        if !matches!(self.kind, Kind::Refused) {
            let detail = format!("`{place}` needs {want}, has {}", self.kind_name());
            problems.push(Diagnostic::error(Code::WrongType, detail).at(self.span.clone()));
        }
        None
    }

    /// A string that is taken as it stands: expressions in it are refused.
    pub(super) fn text(&self, place: &str, problems: &mut Diagnostics) -> Option<Spanned<String>> {
        let Kind::Text(text) = &self.kind else {
            return self.wrong(place, "a string", problems);
        };
        if expr::is_template(text) {
            let detail = format!("`{place}` is fixed before anything is evaluated");
            let problem = Diagnostic::error(Code::NotLiteral, detail).at(self.span.clone());
            problems.push(problem.help("write the text itself, without `${` and `%{`"));
            return None;
        }
        Some(Spanned { value: text.clone(), span: self.span.clone() })
    }

    /// True or false.
    pub(super) fn bool(&self, place: &str, problems: &mut Diagnostics) -> Option<bool> {
        match self.kind {
            Kind::Bool(truth) => Some(truth),
            _ => self.wrong(place, "true or false", problems),
        }
    }

    /// A number.
    pub(super) fn number(&self, place: &str, problems: &mut Diagnostics) -> Option<&Number> {
        match &self.kind {
            Kind::Number(number) => Some(number),
            _ => self.wrong(place, "a number", problems),
        }
    }

    /// A list.
    pub(super) fn list(&self, place: &str, problems: &mut Diagnostics) -> Option<&[Item]> {
        match &self.kind {
            Kind::List(items) => Some(items),
            _ => self.wrong(place, "a list", problems),
        }
    }

    /// A table.
    pub(super) fn table(&self, place: &str, problems: &mut Diagnostics) -> Option<&Table> {
        match &self.kind {
            Kind::Table(table) => Some(table),
            _ => self.wrong(place, "a table", problems),
        }
    }

    /// A list of strings, each taken as it stands, none of them twice.
    pub(super) fn texts(&self, place: &str, problems: &mut Diagnostics) -> Vec<Spanned<String>> {
        let mut texts: Vec<Spanned<String>> = Vec::new();
        let mut seen: BTreeMap<String, Span> = BTreeMap::new();
        for item in self.list(place, problems).unwrap_or_default() {
            let Some(text) = item.text(place, problems) else { continue };
            if let Some(first) = seen.get(&text.value) {
                let detail = format!("`{}` is in `{place}` twice", text.value);
                let problem = Diagnostic::error(Code::DuplicateName, detail)
                    .label(text.span, "again here")
                    .label(first.clone(), "first here");
                problems.push(problem.help("remove one of them"));
            } else {
                seen.insert(text.value.clone(), text.span.clone());
                texts.push(text);
            }
        }
        texts
    }

    /// The value it stands for. With `problems`, strings with expressions are refused in it.
    pub(super) fn literal(&self, place: &str, problems: &mut Diagnostics) -> Option<Value> {
        if let Kind::Text(_) = self.kind {
            return self.text(place, problems).map(|text| Value::string(text.value));
        }
        Some(match &self.kind {
            Kind::List(items) => {
                let values: Vec<_> = items.iter().map(|i| i.literal(place, problems)).collect();
                Value::list(values.into_iter().collect::<Option<_>>()?)
            }
            Kind::Table(table) => {
                let entries = table.entries.iter();
                let pair = |(name, entry): (&String, &Entry)| {
                    (name.clone(), entry.item.literal(place, problems))
                };
                let members: Vec<_> = entries.map(pair).collect();
                let whole = members.into_iter().map(|(name, value)| value.map(|v| (name, v)));
                Value::map(whole.collect::<Option<_>>()?)
            }
            _ => return self.given(),
        })
    }

    /// The value it stands for, every string as it stands. `None` where some of it was refused.
    pub(super) fn given(&self) -> Option<Value> {
        Some(match &self.kind {
            Kind::Text(text) => Value::string(text.clone()),
            Kind::Number(number) => Value::number(number.clone()),
            Kind::Bool(truth) => Value::bool(*truth),
            Kind::List(items) => Value::list(items.iter().map(Self::given).collect::<Option<_>>()?),
            Kind::Table(table) => {
                let entries = table.entries.iter();
                let pairs = entries.map(|(name, e)| e.item.given().map(|v| (name.clone(), v)));
                Value::map(pairs.collect::<Option<_>>()?)
            }
            Kind::Refused => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Kind;
    use super::Table;
    use super::read;
    use crate::diagnostic::Code;
    use crate::diagnostic::Diagnostics;
    use crate::diagnostic::Source;

    fn tree(text: &str) -> (Option<Table>, Vec<(Code, usize)>) {
        let mut problems = Diagnostics::new();
        let table = read(&Source::new("t", text), &mut problems);
        let codes = problems.iter().map(|p| (p.code, p.spans[0].0.range.0)).collect();
        (table, codes)
    }

    #[test]
    fn every_value_has_its_exact_place() {
        let text = "\u{feff}[a.b]\nx = \"é${y}\" # c\nd.e = 0.10_0\n[[l]]\nk = 1\n[[l]]\n";
        let (table, problems) = tree(text);
        assert!(problems.is_empty());
        let root = table.unwrap();
        let Kind::Table(a) = &root.entries["a"].item.kind else { panic!("a table") };
        let Kind::Table(b) = &a.entries["b"].item.kind else { panic!("a table") };
        let at = |range: (usize, usize)| text.get(range.0..range.1).unwrap();
        assert_eq!(at(b.span.range), "[a.b]");
        assert_eq!(at(b.entries["x"].item.span.range), "\"é${y}\"");
        assert_eq!(at(b.entries["x"].key.range), "x");
        let Kind::Table(d) = &b.entries["d"].item.kind else { panic!("a table") };
        assert_eq!(at(d.entries["e"].item.span.range), "0.10_0");
        let Kind::Number(number) = &d.entries["e"].item.kind else { panic!("a number") };
        assert_eq!(number.to_string(), "0.1");
        let Kind::List(l) = &root.entries["l"].item.kind else { panic!("a list") };
        assert_eq!(at(l[1].span.range), "[[l]]");
        assert_ne!(l[0].span, l[1].span);
    }

    #[test]
    fn what_has_no_value_is_refused_once() {
        let (_, problems) = tree("a = 1979-05-27\nb = inf\nc = -nan\n");
        assert_eq!(problems.len(), 3);
        assert!(problems.iter().all(|(code, _)| *code == Code::WrongType));
    }

    #[test]
    fn all_syntax_errors_are_found() {
        let (table, problems) = tree("a = \nb = 1\nb = 2\nc = [1,, 2]\n");
        assert!(table.is_none());
        assert!(problems.len() >= 3, "{problems:?}");
        assert!(problems.iter().any(|(code, _)| *code == Code::DuplicateName));
    }

    /// Depth and size are bounded before anything walks the tree.
    #[test]
    fn depth_and_size_are_bounded() {
        for deep in [
            format!("a = {}{}\n", "[".repeat(40), "]".repeat(40)),
            format!("a{} = 1\n", ".a".repeat(40)),
            format!("[a{}]\n", ".a".repeat(40)),
            format!("a = {}1{}\n", "{a=".repeat(40), "}".repeat(40)),
        ] {
            let (_, problems) = tree(&deep);
            assert_eq!(problems.len(), 1, "{deep}");
            assert_eq!(problems[0].0, Code::TooLarge, "{deep}");
        }
        let endless = format!("a = {}", "[".repeat(200_000));
        assert!(!tree(&endless).1.is_empty());
        let wide = "[[a]]\n".repeat(20_001);
        assert_eq!(tree(&wide).1.len(), 1);
        assert_eq!(tree(&"#".repeat(3 << 20)).1[0].0, Code::TooLarge);
    }
}
