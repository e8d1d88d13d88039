//! From text to tree. A hand-written descent with a bound on depth; positions are bytes.

use rust_decimal::Decimal;

use super::Expression;
use super::Function;
use super::Node;
use super::Operator;
use super::SYMBOLS;
use super::SyntaxError;
use super::Template;
use crate::cost::decimal;

/// Bytes of one expression. The longest of a real mapping has a few hundred.
const TEXT_BYTES_MAX: usize = 2_000;

/// Nesting. Every level is a few frames of the parser's and the evaluator's stack.
const DEPTH_MAX: usize = 40;

impl Expression {
    /// Parses an expression.
    ///
    /// # Errors
    /// [`SyntaxError`], with the byte where it stands.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let mut parser = Parser { text, at: 0, depth: 0 };
        if text.len() > TEXT_BYTES_MAX {
            return Err(parser.error(format!("longer than {TEXT_BYTES_MAX} bytes")));
        }
        let root = parser.choice()?;
        parser.space();
        if parser.at < text.len() {
            return Err(parser.error("something follows the expression".to_owned()));
        }
        Ok(Self { root })
    }

    /// The names it uses that stand alone: definitions, references or attributes.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let mut found = Vec::new();
        self.root.visit(&mut |node| {
            if let Node::Name(name) = node {
                found.push(name.as_str());
            }
        });
        found
    }

    /// The usage keys it reads, as written after `usage.`.
    #[must_use]
    pub fn usage_keys(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.root.visit(&mut |node| {
            if let Node::Usage(path) = node {
                found.push(path.join("."));
            }
        });
        found
    }

    /// The tables it looks things up in, as far as they are written out.
    #[must_use]
    pub fn tables(&self) -> Vec<&str> {
        let mut found = Vec::new();
        self.root.visit(&mut |node| {
            if let Node::Call(Function::Lookup, arguments) = node
                && let Some(Node::Text(table)) = arguments.first()
            {
                found.push(table.as_str());
            }
        });
        found
    }
}

impl Node {
    fn visit<'a>(&'a self, seen: &mut impl FnMut(&'a Node)) {
        seen(self);
        match self {
            Self::Member(inner, _) | Self::Not(inner) | Self::Negate(inner) => inner.visit(seen),
            Self::Index(a, b) | Self::Binary(_, a, b) | Self::Default(a, b) => {
                a.visit(seen);
                b.visit(seen);
            }
            Self::Choose(a, b, c) => {
                a.visit(seen);
                b.visit(seen);
                c.visit(seen);
            }
            Self::Call(_, arguments) => arguments.iter().for_each(|node| node.visit(seen)),
            _ => {}
        }
    }
}

impl Template {
    /// Parses text with expressions in braces; `{{` stands for a brace.
    ///
    /// # Errors
    /// [`SyntaxError`], with the byte where it stands.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('{') {
            let at = text.len() - behind.len();
            let Some((inner, after)) = behind.split_once('}') else {
                return Err(SyntaxError { at, message: "a brace is never closed".to_owned() });
            };
            let expression = Expression::parse(inner)
                .map_err(|error| SyntaxError { at: at + error.at, ..error })?;
            pieces.push((before.to_owned(), Some(expression)));
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push((rest.to_owned(), None));
        }
        Ok(Self { pieces })
    }

    /// The expressions in it.
    pub fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.pieces.iter().filter_map(|(_, expression)| expression.as_ref())
    }

    /// Its pieces: text and what follows it.
    pub(super) fn pieces(&self) -> &[(String, Option<Expression>)] {
        &self.pieces
    }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl<'t> Parser<'t> {
    fn error(&self, message: String) -> SyntaxError {
        SyntaxError { at: self.at, message }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// Takes these characters, where they come next.
    fn take(&mut self, wanted: &str) -> bool {
        self.space();
        let taken = self.rest().starts_with(wanted);
        if taken {
            self.at += wanted.len();
        }
        taken
    }

    fn require(&mut self, wanted: &str) -> Result<(), SyntaxError> {
        if self.take(wanted) {
            return Ok(());
        }
        Err(self.error(format!("`{wanted}` was expected here")))
    }

    fn deeper<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, SyntaxError>,
    ) -> Result<T, SyntaxError> {
        if self.depth >= DEPTH_MAX {
            return Err(self.error(format!("nested deeper than {DEPTH_MAX} levels")));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// `a ? b : c`, the loosest.
    fn choice(&mut self) -> Result<Node, SyntaxError> {
        self.deeper(|parser| {
            let condition = parser.or()?;
            parser.space();
            if parser.rest().starts_with("??") || !parser.take("?") {
                return Ok(condition);
            }
            let yes = parser.choice()?;
            parser.require(":")?;
            let no = parser.choice()?;
            Ok(Node::Choose(Box::new(condition), Box::new(yes), Box::new(no)))
        })
    }

    fn or(&mut self) -> Result<Node, SyntaxError> {
        let mut left = self.and()?;
        while self.take("||") {
            let right = self.and()?;
            left = Node::Binary(Operator::Or, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Node, SyntaxError> {
        let mut left = self.comparison()?;
        while self.take("&&") {
            let right = self.comparison()?;
            left = Node::Binary(Operator::And, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn symbol(&mut self, among: &[Operator]) -> Option<Operator> {
        self.space();
        let (text, operator) =
            SYMBOLS.into_iter().find(|(text, _)| self.rest().starts_with(text))?;
        if !among.contains(&operator) {
            return None;
        }
        self.at += text.len();
        Some(operator)
    }

    fn comparison(&mut self) -> Result<Node, SyntaxError> {
        let left = self.sum()?;
        let among = [
            Operator::Equal,
            Operator::NotEqual,
            Operator::LessOrEqual,
            Operator::GreaterOrEqual,
            Operator::Less,
            Operator::Greater,
        ];
        let Some(operator) = self.symbol(&among) else { return Ok(left) };
        let right = self.sum()?;
        Ok(Node::Binary(operator, Box::new(left), Box::new(right)))
    }

    fn sum(&mut self) -> Result<Node, SyntaxError> {
        let mut left = self.product()?;
        while let Some(operator) = self.symbol(&[Operator::Add, Operator::Subtract]) {
            let right = self.product()?;
            left = Node::Binary(operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<Node, SyntaxError> {
        let mut left = self.fallback()?;
        while let Some(operator) = self.symbol(&[Operator::Multiply, Operator::Divide]) {
            let right = self.fallback()?;
            left = Node::Binary(operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    /// `a ?? b ?? c`, tighter than arithmetic: `hours * count ?? 1` reads as it looks.
    fn fallback(&mut self) -> Result<Node, SyntaxError> {
        let left = self.unary()?;
        if !self.take("??") {
            return Ok(left);
        }
        let right = self.deeper(Self::fallback)?;
        Ok(Node::Default(Box::new(left), Box::new(right)))
    }

    fn unary(&mut self) -> Result<Node, SyntaxError> {
        self.space();
        if self.rest().starts_with('!') && !self.rest().starts_with("!=") {
            self.at += 1;
            return Ok(Node::Not(Box::new(self.deeper(Self::unary)?)));
        }
        if self.take("-") {
            return Ok(Node::Negate(Box::new(self.deeper(Self::unary)?)));
        }
        self.postfix()
    }

    fn postfix(&mut self) -> Result<Node, SyntaxError> {
        let mut node = self.primary()?;
        loop {
            if self.take(".") {
                let name = self.identifier()?;
                node = match node {
                    Node::Name(root) if root == "usage" => Node::Usage(vec![name]),
                    Node::Usage(mut path) => {
                        path.push(name);
                        Node::Usage(path)
                    }
                    other => Node::Member(Box::new(other), name),
                };
            } else if self.take("[") {
                let index = self.choice()?;
                self.require("]")?;
                node = Node::Index(Box::new(node), Box::new(index));
            } else {
                return Ok(node);
            }
        }
    }

    fn primary(&mut self) -> Result<Node, SyntaxError> {
        self.space();
        let Some(first) = self.rest().chars().next() else {
            return Err(self.error("the expression ends too early".to_owned()));
        };
        match first {
            '(' => {
                self.at += 1;
                let inner = self.choice()?;
                self.require(")")?;
                Ok(inner)
            }
            '\'' => self.literal(),
            '0'..='9' => self.number(),
            c if c.is_ascii_alphabetic() || c == '_' => self.word(),
            c => Err(self.error(format!("`{c}` begins no expression"))),
        }
    }

    fn literal(&mut self) -> Result<Node, SyntaxError> {
        let inner = self.rest().get(1..).unwrap_or("");
        let Some((text, _)) = inner.split_once('\'') else {
            return Err(self.error("the text is never closed".to_owned()));
        };
        self.at += text.len() + 2;
        Ok(Node::Text(text.to_owned()))
    }

    fn number(&mut self) -> Result<Node, SyntaxError> {
        let rest = self.rest();
        let digits = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let text = rest.get(..rest.len() - digits.len()).unwrap_or("");
        let number = decimal::parse(text);
        let number = number.ok_or_else(|| self.error(format!("`{text}` is not a number")))?;
        self.at += text.len();
        Ok(Node::Number(number))
    }

    fn identifier(&mut self) -> Result<String, SyntaxError> {
        self.space();
        let rest = self.rest();
        let tail = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let name = rest.get(..rest.len() - tail.len()).unwrap_or("");
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(self.error("a name was expected here".to_owned()));
        }
        self.at += name.len();
        Ok(name.to_owned())
    }

    fn word(&mut self) -> Result<Node, SyntaxError> {
        let start = self.at;
        let name = self.identifier()?;
        if !self.take("(") {
            return Ok(match name.as_str() {
                "null" => Node::Null,
                "true" => Node::Bool(true),
                "false" => Node::Bool(false),
                "hours" => Node::Number(Decimal::from(crate::model::money::HOURS_PER_MONTH)),
                _ => Node::Name(name),
            });
        }
        let mut arguments = Vec::new();
        if !self.take(")") {
            loop {
                arguments.push(self.choice()?);
                if self.take(")") {
                    break;
                }
                self.require(",")?;
            }
        }
        let refuse = |message: String| SyntaxError { at: start, message };
        let function = Function::named(&name)
            .ok_or_else(|| refuse(format!("there is no function `{name}`")))?;
        if !function.takes().contains(&arguments.len()) {
            return Err(refuse(format!("`{name}` does not take {} arguments", arguments.len())));
        }
        Ok(Node::Call(function, arguments))
    }
}
