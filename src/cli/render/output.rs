//! Outputs of an environment. A sensitive one is named, never shown.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use serde_json::json;

use super::Screen;
use super::document;
use super::text::clean;
use super::text::clean_lines;
use super::value;
use crate::model::sealed::SealedValue;

/// `name = value`, a line each.
#[must_use]
pub fn lines(screen: &Screen, outputs: &BTreeMap<String, SealedValue>) -> String {
    let mut text = String::new();
    for (name, output) in outputs {
        let name = clean(name);
        let room = screen.width.saturating_sub(name.len() + 5);
        text.push_str(&format!("  {name} = {}\n", value::text(screen, output, room)));
    }
    text
}

/// All outputs.
#[must_use]
pub fn text(screen: &Screen, name: &str, outputs: &BTreeMap<String, SealedValue>) -> String {
    if outputs.is_empty() {
        return format!("{} has no outputs.\n", clean(name));
    }
    // Somebody who asks for outputs wants them whole.
    lines(&Screen { unfold: true, ..*screen }, outputs)
}

/// One output, for scripts: text without quotes, anything else as JSON. `raw` where no terminal
/// reads it, so that every byte of a text may pass.
#[must_use]
pub fn one(output: &SealedValue, raw: bool) -> String {
    let text = match output {
        SealedValue::String(text) if raw => text.clone(),
        SealedValue::String(text) => clean_lines(text),
        SealedValue::Sealed(_) => "(sensitive)".to_owned(),
        other => clean(&other.to_plain_json().to_string()),
    };
    format!("{text}\n")
}

/// All outputs as a document.
#[must_use]
pub fn json(name: &str, outputs: &BTreeMap<String, SealedValue>) -> Json {
    document("outputs", json!({ "environment": name, "outputs": value::named(outputs) }))
}

#[cfg(test)]
mod tests {
    use super::one;
    use crate::model::sealed::Ciphertext;
    use crate::model::sealed::SealedValue;

    #[test]
    fn scripts_get_bytes_terminals_get_clean_text_and_nobody_gets_secrets() {
        let text = SealedValue::String("a\u{1b}\nb".into());
        assert_eq!(one(&text, true), "a\u{1b}\nb\n");
        assert_eq!(one(&text, false), "a\\u{1b}\nb\n");
        assert_eq!(one(&SealedValue::Sealed(Ciphertext("s1:x".into())), true), "(sensitive)\n");
        assert_eq!(one(&SealedValue::List(vec![SealedValue::Bool(true)]), true), "[true]\n");
    }
}
