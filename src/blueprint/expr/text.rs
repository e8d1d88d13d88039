//! Text with parts: `${}`, `%{if}` and `%{for}`.
//!
//! An unknown part makes the whole text unknown. The other parts are still evaluated, for what is
//! wrong in them is wrong whatever the unknown part will be.

use crate::blueprint::expr::ast::If;
use crate::blueprint::expr::ast::Node;
use crate::blueprint::expr::ast::Part;
use crate::blueprint::expr::ast::Place;
use crate::blueprint::expr::ast::Repeat;
use crate::blueprint::expr::convert;
use crate::blueprint::expr::evaluate::Evaluator;
use crate::blueprint::expr::evaluate::Failure;
use crate::blueprint::expr::evaluate::Outcome;
use crate::blueprint::expr::evaluate::collect;
use crate::blueprint::expr::fuel::Text;
use crate::blueprint::expr::repeat;
use crate::diagnostic::Code;
use crate::model::value::Value;

/// A text under construction.
#[derive(Default)]
struct Rendering {
    text: Text,
    unknown: bool,
    sensitive: bool,
    failed: Option<Failure>,
}

impl Evaluator<'_> {
    /// The text of some parts.
    #[inline(never)]
    pub fn template(&mut self, parts: &[Part], place: Place) -> Outcome {
        let mut rendering = Rendering::default();
        self.render(parts, place, &mut rendering)?;
        if let Some(failure) = rendering.failed {
            return Err(failure);
        }
        let made = if rendering.unknown {
            Value::unknown()
        } else {
            Value::string(rendering.text.finish())
        };
        Ok(made.with_sensitive(rendering.sensitive))
    }

    fn render(&mut self, parts: &[Part], place: Place, into: &mut Rendering) -> Outcome<()> {
        for part in parts {
            self.pay(place, 1)?;
            match part {
                Part::Text(text) => self.push(text, place, into)?,
                Part::Value(node) => {
                    let outcome = self.value(node);
                    if let Some(value) = collect(&mut into.failed, outcome)? {
                        self.push_value(&value, node, into)?;
                    }
                }
                Part::If(written) => self.render_if(written, place, into)?,
                Part::For(written) => self.render_for(written, place, into)?,
            }
        }
        Ok(())
    }

    fn push(&mut self, text: &str, place: Place, into: &mut Rendering) -> Outcome<()> {
        into.text.push(text, self.fuel).map_err(|why| self.exhausted(place, why))
    }

    fn push_value(&mut self, value: &Value, node: &Node, into: &mut Rendering) -> Outcome<()> {
        into.sensitive |= value.contains_sensitive();
        if value.is_unknown() {
            into.unknown = true;
            return Ok(());
        }
        if let Some(text) = convert::text(value) {
            return self.push(&text, node.place, into);
        }
        let detail = format!("Text cannot hold {}.", value.kind_name());
        let failure = self.failure(node.place, Code::TypeMismatch, detail);
        let help = if value.is_null() {
            "Give another value for null with `coalesce`, or leave it out with `%{if}`."
        } else {
            "Make text of it with `join` or `jsonencode`."
        };
        collect::<()>(&mut into.failed, Err(failure.help(help)))?;
        Ok(())
    }

    fn render_if(&mut self, written: &If, place: Place, into: &mut Rendering) -> Outcome<()> {
        let outcome = self.value(&written.condition);
        let Some(condition) = collect(&mut into.failed, outcome)? else { return Ok(()) };
        into.sensitive |= condition.is_sensitive();
        let outcome = self.truth(&condition, written.condition.place, "`%{if}`");
        match collect(&mut into.failed, outcome)? {
            Some(Some(true)) => self.render(&written.yes, place, into)?,
            Some(Some(false)) => self.render(&written.no, place, into)?,
            Some(None) => {
                into.unknown = true;
                self.render_stand_in(&written.yes, place, into)?;
                self.render_stand_in(&written.no, place, into)?;
            }
            None => {}
        }
        Ok(())
    }

    fn render_for(&mut self, written: &Repeat, place: Place, into: &mut Rendering) -> Outcome<()> {
        let at = written.collection.place;
        let outcome = self.value(&written.collection).and_then(|value| self.items(value, at));
        let Some(items) = collect(&mut into.failed, outcome)? else { return Ok(()) };
        into.sensitive |= items.sensitive;
        into.unknown |= !items.known;
        for (key, item) in items.pairs {
            self.pay(place, 1)?;
            self.with(repeat::names(&written.names, key, item), |this| {
                if items.known {
                    this.render(&written.body, place, into)
                } else {
                    this.render_stand_in(&written.body, place, into)
                }
            })?;
        }
        Ok(())
    }

    /// Looks at parts that may turn out not to matter, for their marks only.
    fn render_stand_in(
        &mut self,
        parts: &[Part],
        place: Place,
        into: &mut Rendering,
    ) -> Outcome<()> {
        let mut aside = Rendering::default();
        self.render(parts, place, &mut aside)?;
        into.sensitive |= aside.sensitive;
        Ok(())
    }
}
