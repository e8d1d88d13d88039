//! Diagnostics: what is wrong with what somebody wrote, all of it at once.
//!
//! A diagnostic has a code, a fixed summary, a detail in sentences, places in the source and the
//! way out. It is collected and ordered here and never printed here; `cli/ui.rs` renders it.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// The most diagnostics kept. A file with more errors than this is not read by anyone to its end.
pub const DIAGNOSTICS_MAX: usize = 200;

/// A text that diagnostics point into.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Source {
    /// Its name for people, such as `blueprints/sandbox/blueprint.toml`.
    pub name: Arc<str>,
    /// Its whole text.
    pub text: Arc<str>,
}

impl Source {
    /// A source of this name and text.
    pub fn new(name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), text: text.into() }
    }
}

/// Bytes of a source.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Span {
    /// Where.
    pub source: Source,
    /// From the first byte to behind the last.
    pub range: (usize, usize),
}

impl Span {
    /// A span; it is cut to the source's length and never ends before it begins.
    #[must_use]
    pub fn new(source: &Source, range: Range<usize>) -> Self {
        let length = source.text.len();
        let start = range.start.min(length);
        Self { source: source.clone(), range: (start, range.end.clamp(start, length)) }
    }

    /// Line and column, both from 1, of the span's start.
    #[must_use]
    pub fn line_column(&self) -> (usize, usize) {
        let before = self.source.text.get(..self.range.0).unwrap_or("");
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
        (line, column)
    }
}

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// Nothing goes on.
    Error,
    /// It goes on, and somebody should know.
    Warning,
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $name:ident = $code:literal, $summary:literal;)*) => {
        /// What is wrong, for scripts and for the reference. Each has a golden test.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum Code {
            $(#[doc = $summary] $(#[doc = $doc])* $name,)*
        }

        impl Code {
            /// Every code, in the order of the reference.
            pub const ALL: &[Code] = &[$(Code::$name,)*];

            /// The stable code.
            #[must_use]
            pub fn id(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The fixed summary, without any name of the user's.
            #[must_use]
            pub fn summary(self) -> &'static str {
                match self { $(Self::$name => $summary,)* }
            }
        }
    };
}

codes! {
    TomlSyntax = "B001", "invalid TOML";
    UnknownKey = "B002", "unknown key";
    MissingKey = "B003", "required key is missing";
    WrongType = "B004", "wrong type of value";
    InvalidName = "B005", "invalid name";
    InvalidLimit = "B006", "invalid limit";
    TooLarge = "B007", "blueprint is too large";
    ReservedName = "B008", "reserved name";
    DuplicateName = "B009", "name is used twice";
    InvalidVersion = "B010", "invalid version";
    UnknownPolicy = "B011", "unknown policy";
    InvalidEndpoint = "B012", "invalid endpoint";
    ExpressionSyntax = "E001", "invalid expression";
    UnknownReference = "E002", "reference to something undeclared";
    UnknownFunction = "E003", "unknown function";
    InvalidCall = "E004", "invalid function call";
    TypeMismatch = "E005", "values do not fit together";
    Arithmetic = "E006", "arithmetic has no answer";
    MissingMember = "E007", "no such member";
    TooExpensive = "E008", "evaluation is too expensive";
    NotLiteral = "E009", "only a literal is allowed here";
    ReferenceCycle = "E010", "references form a cycle";
    UnknownRepetition = "E011", "repetition must be known before apply";
    SensitiveRepetition = "E012", "repetition must not be sensitive";
    InvalidRepetition = "E013", "invalid repetition";
    MissingInput = "I001", "input is missing";
    UnknownInput = "I002", "unknown input";
    InvalidInput = "I003", "input is not allowed";
    InvalidInputDeclaration = "I004", "invalid input declaration";
    UnknownType = "R001", "unknown resource type";
    UnknownProvider = "R002", "unknown provider";
    InvalidAttribute = "R003", "invalid attribute";
    ReservedTag = "R004", "reserved tag";
    ProviderRefused = "R005", "provider refused the configuration";
    ProviderFailed = "R006", "provider could not be reached";
    InvalidReplace = "R007", "nothing to replace";
    MissingIdentity = "N001", "environment is incomplete";
    InvalidIdentity = "N002", "invalid environment";
    InvalidConfig = "C001", "invalid configuration";
    InvalidTrust = "C002", "invalid trust root";
    InvalidMapping = "C003", "invalid mapping to prices";
    InvalidUsage = "C004", "invalid usage file";
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Diagnostic {
    /// How bad.
    pub level: Level,
    /// Where; the first span is the place of the cause, the others belong to the story.
    pub spans: Vec<(Span, String)>,
    /// What, for scripts.
    pub code: Code,
    /// What, in sentences, with names.
    pub detail: String,
    /// The way out.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error without a place yet.
    pub fn error(code: Code, detail: impl Into<String>) -> Self {
        Self { level: Level::Error, code, detail: detail.into(), help: None, spans: Vec::new() }
    }

    /// A warning without a place yet.
    pub fn warning(code: Code, detail: impl Into<String>) -> Self {
        Self { level: Level::Warning, ..Self::error(code, detail) }
    }

    /// The same, at a place.
    #[must_use]
    pub fn at(self, span: Span) -> Self {
        self.label(span, "")
    }

    /// The same, at a place with a word on it.
    #[must_use]
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.spans.push((span, text.into()));
        self
    }

    /// The same, with a way out.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((span, _)) = self.spans.first() {
            let (line, column) = span.line_column();
            write!(f, "{}:{line}:{column}: ", span.source.name)?;
        }
        write!(f, "{} [{}]: {}", self.code.summary(), self.code.id(), self.detail)
    }
}

/// Everything that is wrong, and everything worth a warning.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one; those beyond [`DIAGNOSTICS_MAX`] are dropped, since the first ones say enough.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if self.0.len() < DIAGNOSTICS_MAX && !self.0.contains(&diagnostic) {
            self.0.push(diagnostic);
        }
    }

    /// Adds all of another collection.
    pub fn extend(&mut self, other: Diagnostics) {
        for diagnostic in other.0 {
            self.push(diagnostic);
        }
    }

    /// Whether there is an error among them.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|diagnostic| diagnostic.level == Level::Error)
    }

    /// Whether there are none at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Errors first, each level in the order of source and place.
    #[must_use]
    pub fn into_sorted(self) -> Vec<Diagnostic> {
        let mut all = self.0;
        all.sort();
        all
    }

    /// All of them, as collected.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter()
    }

    /// The value, unless there is an error.
    ///
    /// # Errors
    /// The diagnostics, where one of them is an error.
    pub fn into_result<T>(self, value: T) -> Result<(T, Diagnostics), Diagnostics> {
        if self.has_errors() { Err(self) } else { Ok((value, self)) }
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self(vec![diagnostic])
    }
}

impl FromIterator<Diagnostic> for Diagnostics {
    fn from_iter<I: IntoIterator<Item = Diagnostic>>(all: I) -> Self {
        let mut collected = Self::new();
        for diagnostic in all {
            collected.push(diagnostic);
        }
        collected
    }
}
