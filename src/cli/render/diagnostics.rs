//! Diagnostics, each with its code, its place in the source and the way out, through miette.

use std::fmt;
use std::fmt::Write as _;

use miette::GraphicalReportHandler;
use miette::GraphicalTheme;
use miette::LabeledSpan;
use miette::NamedSource;
use miette::Severity;
use miette::ThemeCharacters;
use miette::ThemeStyles;
use serde_json::Value as Json;
use serde_json::json;

use super::Screen;
use super::document;
use super::text::clean;
use super::text::clean_lines;
use super::text::clean_source;
use super::text::count;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Level;
use crate::diagnostic::Source;
use crate::diagnostic::Span;

/// Everything that is wrong, errors first, and how many there are. `drawn` where the terminal has
/// the characters to draw with.
#[must_use]
pub fn text(screen: &Screen, diagnostics: &Diagnostics, drawn: bool) -> String {
    let styles = if screen.color { ThemeStyles::ansi() } else { ThemeStyles::none() };
    let characters = if drawn { ThemeCharacters::unicode() } else { ThemeCharacters::ascii() };
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme { characters, styles })
        .with_width(screen.width)
        .with_links(false)
        .with_break_words(false)
        .without_cause_chain();
    let mut text = String::new();
    let sorted = diagnostics.clone().into_sorted();
    for diagnostic in &sorted {
        let shown = Shown::new(diagnostic);
        if handler.render_report(&mut text, &shown).is_err() {
            // Words are better than nothing: a report that cannot be drawn is still said.
            text.push_str(&clean(&diagnostic.to_string()));
            text.push('\n');
        }
        text.push('\n');
    }
    let of = |level: Level| sorted.iter().filter(|one| one.level == level).count();
    let (errors, warnings) = (of(Level::Error), of(Level::Warning));
    let parts: Vec<String> = [(errors, "error"), (warnings, "warning")]
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, noun)| count(number, noun))
        .collect();
    if !parts.is_empty() {
        let _infallible = writeln!(text, "{}.", parts.join(", "));
    }
    text
}

/// Everything that is wrong, as JSON.
#[must_use]
pub fn json(diagnostics: &Diagnostics) -> Json {
    let sorted = diagnostics.clone().into_sorted();
    document("diagnostics", json!({ "diagnostics": list(&sorted) }))
}

/// Each diagnostic as JSON.
#[must_use]
pub fn list(sorted: &[Diagnostic]) -> Vec<Json> {
    let place = |(span, label): &(Span, String)| {
        let (line, column) = span.line_column();
        json!({
            "source": &*span.source.name,
            "line": line,
            "column": column,
            "from": span.range.0,
            "to": span.range.1,
            "label": label,
        })
    };
    let one = |diagnostic: &Diagnostic| {
        json!({
            "level": match diagnostic.level {
                Level::Error => "error",
                Level::Warning => "warning",
            },
            "code": diagnostic.code.id(),
            "summary": diagnostic.code.summary(),
            "detail": diagnostic.detail,
            "help": diagnostic.help,
            "places": diagnostic.spans.iter().map(place).collect::<Vec<_>>(),
        })
    };
    sorted.iter().map(one).collect()
}

/// A diagnostic in the form that miette draws. Places in other sources become reports beside it.
#[derive(Debug)]
struct Shown {
    code: String,
    message: String,
    help: Option<String>,
    level: Severity,
    source: Option<NamedSource<String>>,
    labels: Vec<LabeledSpan>,
    beside: Vec<Shown>,
}

impl Shown {
    fn new(diagnostic: &Diagnostic) -> Self {
        let code = diagnostic.code;
        let main = diagnostic.spans.first().map(|(span, _)| &span.source);
        let mut others: Vec<&Source> =
            diagnostic.spans.iter().map(|(span, _)| &span.source).collect();
        others.retain(|source| Some(*source) != main);
        others.dedup();
        let beside = others.iter().map(|source| Self {
            code: String::new(),
            message: format!("see also {}", clean(&source.name)),
            help: None,
            level: Severity::Advice,
            source: Some(named(source)),
            labels: labels(diagnostic, source),
            beside: Vec::new(),
        });
        Self {
            code: code.id().to_owned(),
            message: format!("{}: {}", code.summary(), clean_lines(&diagnostic.detail)),
            help: diagnostic.help.as_deref().map(clean_lines),
            level: match diagnostic.level {
                Level::Error => Severity::Error,
                Level::Warning => Severity::Warning,
            },
            source: main.map(named),
            labels: main.map(|source| labels(diagnostic, source)).unwrap_or_default(),
            beside: beside.collect(),
        }
    }
}

fn named(source: &Source) -> NamedSource<String> {
    NamedSource::new(clean(&source.name), clean_source(&source.text))
}

fn labels(diagnostic: &Diagnostic, source: &Source) -> Vec<LabeledSpan> {
    let spans = diagnostic.spans.iter().filter(|(span, _)| span.source == *source);
    let label = |(span, text): &(Span, String)| {
        let (from, to) = span.range;
        let text = Some(clean(text)).filter(|text| !text.is_empty());
        LabeledSpan::new(text, from, to.saturating_sub(from))
    };
    spans.map(label).collect()
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Shown {}

impl miette::Diagnostic for Shown {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        (!self.code.is_empty()).then(|| Box::new(&self.code) as Box<dyn fmt::Display>)
    }

    fn severity(&self) -> Option<Severity> {
        Some(self.level)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.source.as_ref().map(|source| source as &dyn miette::SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let labels = self.labels.iter().cloned();
        (!self.labels.is_empty()).then(|| Box::new(labels) as Box<dyn Iterator<Item = _>>)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        let beside = self.beside.iter().map(|shown| shown as &dyn miette::Diagnostic);
        (!self.beside.is_empty()).then(|| Box::new(beside) as Box<dyn Iterator<Item = _>>)
    }
}

#[cfg(test)]
mod tests {
    use super::text;
    use crate::cli::render::Screen;
    use crate::diagnostic::Code;
    use crate::diagnostic::Diagnostic;
    use crate::diagnostic::Diagnostics;
    use crate::diagnostic::Source;
    use crate::diagnostic::Span;

    #[test]
    fn a_diagnostic_shows_its_place_its_way_out_and_no_escape_sequence() {
        let source = Source::new("b.toml", "a = 1\nb = \"\u{1b}[2J\"\n");
        let other = Source::new("e.toml", "c = 2\n");
        let mut diagnostics = Diagnostics::new();
        diagnostics.push(Diagnostic::warning(Code::UnknownInput, "c is unused"));
        diagnostics.push(
            Diagnostic::error(Code::UnknownKey, "b\u{1b} is not known")
                .label(Span::new(&source, 6..7), "here")
                .label(Span::new(&other, 0..1), "and here")
                .help("did you mean a?"),
        );
        for drawn in [false, true] {
            let text = text(&Screen::plain(80), &diagnostics, drawn);
            for part in ["B002", "unknown key: b\\u{1b}", "b.toml:2:1", "here", "e.toml:1:1"] {
                assert!(text.contains(part), "{part}:\n{text}");
            }
            assert!(text.contains("did you mean a?") && !text.contains('\u{1b}'), "{text}");
            assert!(text.find("B002") < text.find("I002"), "errors first:\n{text}");
            assert!(text.ends_with("1 error, 1 warning.\n"), "{text}");
            assert_eq!(text.is_ascii(), !drawn, "{text}");
        }
    }
}
