//! From text to a tree: `hcl-edit` parses, this resolves names and keeps the places.
//!
//! What can be judged without values is judged here: depth, names that begin a reference, members
//! of `env`, `count` and `each`. Whether a resource or an iterator exists is not known here; see
//! [`Template::references`](crate::blueprint::expr::Template::references).

use std::ops::Range;

use hcl_edit::Span as _;
use hcl_edit::expr::BinaryOperator;
use hcl_edit::expr::Expression;
use hcl_edit::expr::FuncCall;
use hcl_edit::expr::ObjectKey;
use hcl_edit::expr::TraversalOperator;
use hcl_edit::expr::UnaryOperator;
use hcl_edit::template::Directive;
use hcl_edit::template::Element;
use hcl_edit::template::Strip;

use crate::blueprint::expr::EXPRESSION_BYTES_MAX;
use crate::blueprint::expr::EXPRESSION_DEPTH_MAX;
use crate::blueprint::expr::TEXT_BYTES_MAX;
use crate::blueprint::expr::ast::Access;
use crate::blueprint::expr::ast::Binary;
use crate::blueprint::expr::ast::Calculation;
use crate::blueprint::expr::ast::Call;
use crate::blueprint::expr::ast::Comparison;
use crate::blueprint::expr::ast::Conditional;
use crate::blueprint::expr::ast::For;
use crate::blueprint::expr::ast::If;
use crate::blueprint::expr::ast::Link;
use crate::blueprint::expr::ast::Names;
use crate::blueprint::expr::ast::Node;
use crate::blueprint::expr::ast::NodeKind;
use crate::blueprint::expr::ast::Part;
use crate::blueprint::expr::ast::Place;
use crate::blueprint::expr::ast::Repeat;
use crate::blueprint::expr::ast::Unary;
use crate::blueprint::expr::literal::OffsetMap;
use crate::blueprint::expr::root;
use crate::blueprint::expr::scan::Refused;
use crate::blueprint::expr::scan::scan;
use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Source;
use crate::diagnostic::Span;
use crate::model::number::Number;
use crate::model::value::Value;

/// Parses the text of a TOML string.
///
/// # Errors
/// Everything that is wrong, each with its place.
pub fn parse(source: &Source, literal: Range<usize>, text: &str) -> Result<Node, Diagnostics> {
    let map = OffsetMap::new(&source.text, literal.clone(), text);
    let refuse = |range: Range<usize>, code: Code, detail: String| {
        let span = Span::new(source, map.range(range));
        Diagnostics::from(Diagnostic::error(code, detail).at(span))
    };
    if text.len() > TEXT_BYTES_MAX {
        let detail = format!("The text is longer than {TEXT_BYTES_MAX} bytes.");
        return Err(refuse(0..0, Code::TooExpensive, detail));
    }
    scan(text).map_err(|refused| match refused {
        Refused::Deep(at) => refuse(at..at + 1, Code::TooExpensive, too_deep()),
        Refused::Long(at) => {
            let detail = format!(
                "The expressions of one string have more than {EXPRESSION_BYTES_MAX} bytes."
            );
            refuse(at..at + 1, Code::TooExpensive, detail)
        }
    })?;
    let parsed: hcl_edit::template::Template = match text.parse() {
        Ok(parsed) => parsed,
        Err(error) => {
            let error: hcl_edit::parser::Error = error;
            let (range, code, detail) = syntax_error(text, &error);
            return Err(refuse(range, code, detail));
        }
    };
    let mut compiler =
        Compiler { source, map: &map, bound: Vec::new(), problems: Diagnostics::new() };
    let elements: Vec<&Element> = parsed.iter().collect();
    let whole = (literal.start, literal.end);
    let node = compiler.template(&elements, whole, 0);
    compiler.problems.into_result(node).map(|(node, _)| node)
}

fn too_deep() -> String {
    format!("The expression nests deeper than {EXPRESSION_DEPTH_MAX} levels.")
}

fn syntax_error(text: &str, error: &hcl_edit::parser::Error) -> (Range<usize>, Code, String) {
    let start = text.floor_char_boundary(error.location().offset());
    let width = text.get(start..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    let range = start..start + width;
    let message = error.message();
    if message.contains("nesting depth") || message.contains("chained binary") {
        return (range, Code::TooExpensive, too_deep());
    }
    let mut detail = match text.get(range.clone()) {
        Some(found) if !found.is_empty() => {
            format!("The expression cannot be read at `{}`: ", found.escape_debug())
        }
        _ => "The expression cannot be read: ".to_owned(),
    };
    detail.push_str(message);
    detail.push('.');
    (range, Code::ExpressionSyntax, detail)
}

struct Compiler<'a> {
    source: &'a Source,
    map: &'a OffsetMap,
    /// Names bound by the `for` around, innermost last.
    bound: Vec<String>,
    problems: Diagnostics,
}

impl Compiler<'_> {
    fn place(&self, span: Option<Range<usize>>, otherwise: Place) -> Place {
        span.map_or(otherwise, |range| {
            let range = self.map.range(range);
            (range.start, range.end)
        })
    }

    fn wrong(&mut self, place: Place, code: Code, detail: String) -> Node {
        let span = Span::new(self.source, place.0..place.1);
        self.problems.push(Diagnostic::error(code, detail).at(span));
        Node { kind: NodeKind::Literal(Value::null()), place }
    }

    fn template(&mut self, elements: &[&Element], place: Place, depth: usize) -> Node {
        if depth > EXPRESSION_DEPTH_MAX {
            return self.wrong(place, Code::TooExpensive, too_deep());
        }
        if let [Element::Interpolation(only)] = elements {
            return self.expression(&only.expr, place, depth + 1);
        }
        let mut parts = self.parts(elements, (false, false), place, depth + 1);
        let kind = match parts.as_mut_slice() {
            [] => NodeKind::Literal(Value::string("")),
            [Part::Text(text)] => NodeKind::Literal(Value::string(std::mem::take(text))),
            _ => NodeKind::Template(parts),
        };
        Node { kind, place }
    }

    /// The parts; `strip` says whether what stands before and behind them strips their ends.
    fn parts(
        &mut self,
        elements: &[&Element],
        strip: (bool, bool),
        place: Place,
        depth: usize,
    ) -> Vec<Part> {
        let mut parts = Vec::new();
        for (index, element) in elements.iter().enumerate() {
            let before = index.checked_sub(1).and_then(|i| elements.get(i));
            let after = elements.get(index + 1);
            match element {
                Element::Literal(text) => {
                    let mut text: &str = text;
                    if before.map_or(strip.0, |element| outer_strip(element).1) {
                        text = text.trim_start();
                    }
                    if after.map_or(strip.1, |element| outer_strip(element).0) {
                        text = text.trim_end();
                    }
                    if !text.is_empty() {
                        parts.push(Part::Text(text.to_owned()));
                    }
                }
                Element::Interpolation(value) => {
                    parts.push(Part::Value(self.expression(&value.expr, place, depth)));
                }
                Element::Directive(directive) => {
                    let at = self.place(directive.span(), place);
                    parts.push(self.directive(directive, at, depth));
                }
            }
        }
        parts
    }

    fn directive(&mut self, directive: &Directive, place: Place, depth: usize) -> Part {
        if depth > EXPRESSION_DEPTH_MAX {
            self.wrong(place, Code::TooExpensive, too_deep());
            return Part::Text(String::new());
        }
        match directive {
            Directive::If(written) => {
                let first = written.if_expr.strip;
                let last = written.endif_expr.strip;
                let other = written.else_expr.as_ref();
                let yes_end = other.map_or(last, |other| other.strip).strip_start();
                let condition = self.expression(&written.if_expr.cond_expr, place, depth + 1);
                let yes: Vec<&Element> = written.if_expr.template.iter().collect();
                let yes = self.parts(&yes, (first.strip_end(), yes_end), place, depth + 1);
                let no = other.map_or_else(Vec::new, |other| {
                    let no: Vec<&Element> = other.template.iter().collect();
                    let strip = (other.strip.strip_end(), last.strip_start());
                    self.parts(&no, strip, place, depth + 1)
                });
                Part::If(Box::new(If { condition, yes, no }))
            }
            Directive::For(written) => {
                let head = &written.for_expr;
                let strip = (head.strip.strip_end(), written.endfor_expr.strip.strip_start());
                let collection = self.expression(&head.collection_expr, place, depth + 1);
                let names = Names {
                    key: head.key_var.as_ref().map(|name| name.as_str().to_owned()),
                    value: head.value_var.as_str().to_owned(),
                };
                let body: Vec<&Element> = head.template.iter().collect();
                let body = self.binding(&names, |this| this.parts(&body, strip, place, depth + 1));
                Part::For(Box::new(Repeat { names, collection, body }))
            }
        }
    }

    /// Does something while names are bound.
    fn binding<T>(&mut self, names: &Names, inner: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.bound.len();
        self.bound.extend(names.key.clone());
        self.bound.push(names.value.clone());
        let made = inner(self);
        self.bound.truncate(before);
        made
    }

    fn expression(&mut self, written: &Expression, around: Place, depth: usize) -> Node {
        let place = self.place(written.span(), around);
        if depth > EXPRESSION_DEPTH_MAX {
            return self.wrong(place, Code::TooExpensive, too_deep());
        }
        let below = depth + 1;
        let kind = match written {
            Expression::Null(_) => NodeKind::Literal(Value::null()),
            Expression::Bool(truth) => NodeKind::Literal(Value::bool(*truth.value())),
            Expression::String(text) => NodeKind::Literal(Value::string(text.value().as_str())),
            Expression::Number(number) => {
                let digits = number.as_repr().map_or("", |repr| &**repr);
                let digits: String = digits.chars().filter(|c| !c.is_whitespace()).collect();
                match Number::parse(&digits) {
                    Ok(number) => NodeKind::Literal(Value::number(number)),
                    Err(error) => {
                        let detail = format!("This is {error}.");
                        return self.wrong(place, Code::Arithmetic, detail);
                    }
                }
            }
            Expression::Array(items) => NodeKind::List(
                items.iter().map(|item| self.expression(item, place, below)).collect(),
            ),
            Expression::Object(_) => self.object(written, place, below),
            Expression::StringTemplate(template) => {
                let elements: Vec<&Element> = template.iter().collect();
                return self.template(&elements, place, below);
            }
            Expression::HeredocTemplate(heredoc) => {
                let elements: Vec<&Element> = heredoc.template.iter().collect();
                let parts = self.parts(&elements, (false, false), place, below);
                NodeKind::Template(parts)
            }
            Expression::Parenthesis(inner) => return self.expression(inner.inner(), place, below),
            Expression::Variable(name) => {
                return self.traversal(Root::Name(name.as_str(), place), &[], place, below);
            }
            Expression::Traversal(traversal) => {
                let operators: Vec<&TraversalOperator> =
                    traversal.operators.iter().map(|operator| operator.value()).collect();
                let start = self.place(traversal.expr.span(), place);
                let root = match &traversal.expr {
                    Expression::Variable(name) => Root::Name(name.as_str(), start),
                    other => Root::Node(self.expression(other, start, below)),
                };
                return self.traversal(root, &operators, place, below);
            }
            Expression::Conditional(conditional) => NodeKind::Conditional(Box::new(Conditional {
                condition: self.expression(&conditional.cond_expr, place, below),
                yes: self.expression(&conditional.true_expr, place, below),
                no: self.expression(&conditional.false_expr, place, below),
            })),
            Expression::FuncCall(call) => NodeKind::Call(self.call(call, place, below)),
            Expression::UnaryOp(operation) => {
                let operator = match operation.operator.value() {
                    UnaryOperator::Neg => Unary::Negate,
                    UnaryOperator::Not => Unary::Not,
                };
                let inner = self.expression(&operation.expr, place, below);
                NodeKind::Unary(operator, Box::new(inner))
            }
            Expression::BinaryOp(_) => self.chain(written, place, below),
            Expression::ForExpr(_) => self.for_expression(written, place, below),
        };
        Node { kind, place }
    }

    fn object(&mut self, written: &Expression, place: Place, depth: usize) -> NodeKind {
        let mut members = Vec::new();
        for (key, value) in written.as_object().into_iter().flatten() {
            let key = match key {
                ObjectKey::Ident(name) => {
                    let kind = NodeKind::Literal(Value::string(name.as_str()));
                    Node { kind, place: self.place(name.span(), place) }
                }
                ObjectKey::Expression(key) => self.expression(key, place, depth),
            };
            members.push((key, self.expression(value.expr(), place, depth)));
        }
        NodeKind::Object(members)
    }

    fn call(&mut self, written: &FuncCall, place: Place, depth: usize) -> Call {
        let name = &written.name;
        Call {
            name: name.name.as_str().to_owned(),
            namespace: name.namespace.iter().map(|part| part.as_str().to_owned()).collect(),
            arguments: written.args.iter().map(|a| self.expression(a, place, depth)).collect(),
            expand: written.args.expand_final(),
            name_place: self.place(name.name.span(), place),
        }
    }

    /// Operators of one left-leaning chain: the parser builds one level for each, which would make
    /// the depth of a tree out of the length of a sum.
    fn chain(&mut self, written: &Expression, place: Place, depth: usize) -> NodeKind {
        let mut links = Vec::new();
        let mut left = written;
        while let Expression::BinaryOp(operation) = left {
            let right = self.expression(&operation.rhs_expr, place, depth);
            links.push(Link { operator: binary(*operation.operator.value()), right });
            left = &operation.lhs_expr;
        }
        links.reverse();
        NodeKind::Chain(Box::new(self.expression(left, place, depth)), links)
    }

    fn for_expression(&mut self, written: &Expression, place: Place, depth: usize) -> NodeKind {
        let Expression::ForExpr(written) = written else {
            return NodeKind::Literal(Value::null());
        };
        let intro = &written.intro;
        let names = Names {
            key: intro.key_var.as_ref().map(|name| name.as_str().to_owned()),
            value: intro.value_var.as_str().to_owned(),
        };
        let collection = self.expression(&intro.collection_expr, place, depth);
        let (key, value, condition) = self.binding(&names, |this| {
            (
                written.key_expr.as_ref().map(|key| this.expression(key, place, depth)),
                this.expression(&written.value_expr, place, depth),
                written.cond.as_ref().map(|c| this.expression(&c.expr, place, depth)),
            )
        });
        let group = written.grouping;
        NodeKind::For(Box::new(For { names, collection, key, value, condition, group }))
    }

    fn traversal(
        &mut self,
        root: Root<'_>,
        operators: &[&TraversalOperator],
        place: Place,
        depth: usize,
    ) -> Node {
        let (base, used) = match root {
            Root::Node(node) => (node, 0),
            Root::Name(name, at) if self.bound.iter().any(|bound| bound == name) => {
                (Node { kind: NodeKind::Variable(name.to_owned()), place: at }, 0)
            }
            Root::Name(name, at) => {
                let members: Vec<&str> = operators.iter().map_while(|o| member(o)).collect();
                match root::resolve(name, &members) {
                    Ok((kind, used)) => {
                        let last = used.checked_sub(1).and_then(|i| operators.get(i));
                        let end = last.map_or(at, |last| self.place(last.span(), at)).1;
                        (Node { kind, place: (at.0, end) }, used)
                    }
                    Err((detail, help)) => {
                        let span = Span::new(self.source, place.0..place.1);
                        let problem = Diagnostic::error(Code::UnknownReference, detail).at(span);
                        self.problems.push(problem.help(help));
                        (Node { kind: NodeKind::Literal(Value::null()), place }, operators.len())
                    }
                }
            }
        };
        // An open root keeps its member as a step too: an iterator is asked for it like anything.
        let skip = used - usize::from(matches!(&base.kind, NodeKind::Open { member: Some(_), .. }));
        let steps = self.steps(operators.get(skip..).unwrap_or(&[]), place, depth);
        if steps.is_empty() {
            return base;
        }
        Node { kind: NodeKind::Access(Box::new(base), steps), place }
    }

    fn steps(
        &mut self,
        operators: &[&TraversalOperator],
        around: Place,
        depth: usize,
    ) -> Vec<Access> {
        if depth > EXPRESSION_DEPTH_MAX {
            self.wrong(around, Code::TooExpensive, too_deep());
            return Vec::new();
        }
        let mut steps = Vec::new();
        let mut rest = operators;
        while let Some((first, others)) = rest.split_first() {
            rest = others;
            let place = self.place(first.span(), around);
            steps.push(match first {
                TraversalOperator::GetAttr(name) => {
                    Access::Attribute(name.as_str().to_owned(), place)
                }
                TraversalOperator::Index(key) => {
                    Access::Index(Box::new(self.expression(key, place, depth + 1)))
                }
                TraversalOperator::LegacyIndex(index) => {
                    let kind = NodeKind::Literal(Value::number(*index.value()));
                    Access::Index(Box::new(Node { kind, place }))
                }
                // All that follows belongs to each item.
                TraversalOperator::FullSplat(_) => {
                    let inner = self.steps(std::mem::take(&mut rest), around, depth + 1);
                    Access::Splat(inner, place)
                }
                // Only names and old-style positions belong to each item.
                TraversalOperator::AttrSplat(_) => {
                    let simple = others.iter().take_while(|next| {
                        matches!(
                            next,
                            TraversalOperator::GetAttr(_) | TraversalOperator::LegacyIndex(_)
                        )
                    });
                    let (own, later) = others.split_at_checked(simple.count()).unwrap_or_default();
                    rest = later;
                    Access::Splat(self.steps(own, around, depth + 1), place)
                }
            });
        }
        steps
    }
}

/// What a traversal begins with.
enum Root<'a> {
    Name(&'a str, Place),
    Node(Node),
}

/// Whether an element strips the text before and behind it.
fn outer_strip(element: &Element) -> (bool, bool) {
    let both = |first: Strip, last: Strip| (first.strip_start(), last.strip_end());
    match element {
        Element::Literal(_) => (false, false),
        Element::Interpolation(value) => both(value.strip, value.strip),
        Element::Directive(directive) => match &**directive {
            Directive::If(written) => both(written.if_expr.strip, written.endif_expr.strip),
            Directive::For(written) => both(written.for_expr.strip, written.endfor_expr.strip),
        },
    }
}

fn member<'a>(operator: &'a &TraversalOperator) -> Option<&'a str> {
    match operator {
        TraversalOperator::GetAttr(name) => Some(name.as_str()),
        _ => None,
    }
}

fn binary(operator: BinaryOperator) -> Binary {
    match operator {
        BinaryOperator::And => Binary::And,
        BinaryOperator::Or => Binary::Or,
        BinaryOperator::Eq => Binary::Equal,
        BinaryOperator::NotEq => Binary::Unequal,
        BinaryOperator::Less => Binary::Compare(Comparison::Less),
        BinaryOperator::LessEq => Binary::Compare(Comparison::LessOrEqual),
        BinaryOperator::Greater => Binary::Compare(Comparison::Greater),
        BinaryOperator::GreaterEq => Binary::Compare(Comparison::GreaterOrEqual),
        BinaryOperator::Plus => Binary::Calculate(Calculation::Add),
        BinaryOperator::Minus => Binary::Calculate(Calculation::Subtract),
        BinaryOperator::Mul => Binary::Calculate(Calculation::Multiply),
        BinaryOperator::Div => Binary::Calculate(Calculation::Divide),
        BinaryOperator::Mod => Binary::Calculate(Calculation::Remainder),
    }
}
