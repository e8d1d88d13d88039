//! What an evaluation may spend, and texts that pay while they grow.
//!
//! Fuel is the only bound on time and memory of an evaluation, so whatever visits a node, copies a
//! value or makes an item pays first. It deliberately counts work, not time: the same expression
//! over the same values always costs the same.

use crate::blueprint::expr::FUEL;
use crate::blueprint::expr::TEXT_BYTES_MAX;
use crate::model::value::Kind;
use crate::model::value::Value;

/// Bytes of text that one unit pays for: copying a cache line costs about as much as a visit.
const BYTES_PER_UNIT: usize = 64;

/// What is left to spend.
#[derive(Clone, Debug)]
pub struct Fuel(u64);

impl Default for Fuel {
    fn default() -> Self {
        Self(FUEL)
    }
}

/// Why an evaluation is stopped although nothing in it is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exhausted {
    /// The fuel is spent.
    Fuel,
    /// A text grew beyond [`TEXT_BYTES_MAX`].
    Text,
}

impl Fuel {
    /// This many units.
    #[must_use]
    pub fn new(units: u64) -> Self {
        Self(units)
    }

    /// Units left.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.0
    }

    /// Pays.
    ///
    /// # Errors
    /// Where less is left; all of it is spent then, so that nothing goes on.
    pub fn spend(&mut self, units: u64) -> Result<(), Exhausted> {
        if let Some(rest) = self.0.checked_sub(units) {
            self.0 = rest;
            return Ok(());
        }
        self.0 = 0;
        Err(Exhausted::Fuel)
    }

    /// Pays for a value: for reading all of it, or for a copy.
    ///
    /// # Errors
    /// As [`Fuel::spend`].
    pub fn spend_value(&mut self, value: &Value) -> Result<(), Exhausted> {
        self.spend(units(value))
    }

    /// Pays for text of this many bytes.
    ///
    /// # Errors
    /// As [`Fuel::spend`], or where the text is too long.
    pub fn spend_text(&mut self, bytes: usize) -> Result<(), Exhausted> {
        if bytes > TEXT_BYTES_MAX {
            return Err(Exhausted::Text);
        }
        self.spend(text_units(bytes))
    }
}

/// What a value costs: its nodes and its text.
#[must_use]
pub fn units(value: &Value) -> u64 {
    let own = match value.kind() {
        Kind::String(text) => text_units(text.len()),
        // A number may have hundreds of digits, and every operation on it walks them all.
        Kind::Number(_) => 4,
        Kind::Map(members) => members.keys().map(|key| text_units(key.len())).sum(),
        _ => 1,
    };
    value.children().map(units).fold(own, u64::saturating_add)
}

fn text_units(bytes: usize) -> u64 {
    u64::try_from(bytes / BYTES_PER_UNIT).unwrap_or(u64::MAX).saturating_add(1)
}

/// A text under construction that pays for each byte it gains.
#[derive(Debug, Default)]
pub struct Text(String);

impl Text {
    /// Adds a piece.
    ///
    /// # Errors
    /// Where the text grows too long, or the fuel is spent.
    pub fn push(&mut self, piece: &str, fuel: &mut Fuel) -> Result<(), Exhausted> {
        if self.0.len().saturating_add(piece.len()) > TEXT_BYTES_MAX {
            return Err(Exhausted::Text);
        }
        fuel.spend(text_units(piece.len()))?;
        self.0.push_str(piece);
        Ok(())
    }

    /// Adds a character some number of times.
    ///
    /// # Errors
    /// As [`Text::push`].
    pub fn repeat(&mut self, c: char, times: usize, fuel: &mut Fuel) -> Result<(), Exhausted> {
        let bytes = times.saturating_mul(c.len_utf8());
        if self.0.len().saturating_add(bytes) > TEXT_BYTES_MAX {
            return Err(Exhausted::Text);
        }
        fuel.spend(text_units(bytes))?;
        self.0.extend(std::iter::repeat_n(c, times));
        Ok(())
    }

    /// The text.
    #[must_use]
    pub fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Exhausted;
    use super::Fuel;
    use super::Text;
    use super::units;
    use crate::blueprint::expr::TEXT_BYTES_MAX;
    use crate::model::value::Value;

    #[test]
    fn fuel_runs_out_for_good() {
        let mut fuel = Fuel::new(10);
        assert_eq!(fuel.spend(11), Err(Exhausted::Fuel));
        assert_eq!(fuel.spend(1), Err(Exhausted::Fuel));
    }

    #[test]
    fn values_cost_their_nodes_and_their_text() {
        let long = Value::string("x".repeat(6400));
        assert_eq!(units(&long), 101);
        assert_eq!(units(&Value::list(vec![Value::bool(true), long])), 103);
    }

    #[test]
    fn text_is_bounded() {
        let mut text = Text::default();
        let mut fuel = Fuel::default();
        assert_eq!(text.repeat('x', TEXT_BYTES_MAX, &mut fuel), Ok(()));
        assert_eq!(text.push("y", &mut fuel), Err(Exhausted::Text));
        assert_eq!(text.repeat('é', usize::MAX, &mut fuel), Err(Exhausted::Text));
    }
}
