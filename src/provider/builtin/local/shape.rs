//! Reading configurations and building values: what the four types have in common.
//!
//! Deliberately not here: any effect. Marks of sensitivity travel with the values that carry
//! them; whatever is derived from a sensitive value is marked as well.

use std::collections::BTreeMap;

use crate::model::digest::Digest;
use crate::model::digest::Domain;
use crate::model::id::Marker;
use crate::model::schema::Attribute;
use crate::model::schema::Block;
use crate::model::schema::Schema;
use crate::model::value::Path;
use crate::model::value::Value;
use crate::provider::Failure;
use crate::provider::Proposal;
use crate::provider::Remark;

/// The longest marker used as it is in the names of files.
const MARKER_BYTES_MAX: usize = 64;

/// Bytes of arguments and variables of one command, together. The kernel takes about 2 MiB, but a
/// blueprint with more than this holds data that belongs in a file.
const COMMAND_BYTES_MAX: usize = 128 * 1024;

/// The schema with these attributes, at version 0.
pub(super) fn schema(attributes: impl IntoIterator<Item = (&'static str, Attribute)>) -> Schema {
    let attributes = attributes.into_iter().map(|(name, a)| (name.to_owned(), a)).collect();
    Schema { version: 0, block: Block { attributes, blocks: BTreeMap::new() } }
}

/// The planned value before a type fills in what it knows: what is configured, else what was
/// computed before, else unknown where the provider will set it, else null.
pub(super) fn outline(
    schema: &Schema,
    prior: Option<&Value>,
    config: &Value,
) -> BTreeMap<String, Value> {
    let plan = |(name, attribute): (&String, &Attribute)| {
        let configured = config.get(name).filter(|value| !value.is_null());
        let before = prior.and_then(|p| p.get(name)).filter(|value| !value.is_null());
        let planned = match configured {
            _ if config.is_unknown() => Value::unknown(),
            Some(value) => value.clone(),
            None if attribute.computed => before.cloned().unwrap_or_else(Value::unknown),
            None => Value::null(),
        };
        (name.clone(), planned)
    };
    schema.block.attributes.iter().map(plan).collect()
}

/// The proposal for these planned members.
pub(super) fn proposal(members: BTreeMap<String, Value>, replacing: &[&str]) -> Proposal {
    Proposal {
        planned: Value::map(members),
        requires_replace: replacing.iter().map(|name| Path::attribute(*name)).collect(),
        private: crate::model::environment::Private::default(),
        warnings: Vec::new(),
    }
}

/// The proposal to delete.
pub(super) fn deletion() -> Proposal {
    Proposal { planned: Value::null(), ..proposal(BTreeMap::new(), &[]) }
}

/// Whether a planned object differs from the prior one in an attribute that needs a new object.
pub(super) fn replaces(
    prior: &Value,
    planned: &BTreeMap<String, Value>,
    replacing: &[&str],
) -> bool {
    let null = Value::null();
    replacing.iter().any(|name| {
        let before = prior.get(name).unwrap_or(&null);
        !crate::model::value::same(before, planned.get(*name).unwrap_or(&null))
    })
}

/// Puts a member in.
pub(super) fn put(members: &mut BTreeMap<String, Value>, name: &str, value: Value) {
    members.insert(name.to_owned(), value);
}

/// The members to apply: the planned ones, with what was unknown then taken from the
/// configuration where that sets it.
pub(super) fn settled(planned: &Value, config: &Value) -> BTreeMap<String, Value> {
    let empty = BTreeMap::new();
    let settle = |(name, value): (&String, &Value)| {
        let set = config.get(name).filter(|c| !c.is_null() && !value.is_wholly_known());
        (name.clone(), set.unwrap_or(value).clone())
    };
    planned.as_map().unwrap_or(&empty).iter().map(settle).collect()
}

/// The text of an attribute that must be known by now.
pub(super) fn text(value: &Value, name: &str) -> Result<String, Failure> {
    let found = value.get(name).and_then(Value::as_str).map(str::to_owned);
    found.ok_or_else(|| Failure::rejected("needs a text that is known").on(name))
}

/// The text of an attribute, where it is set and known.
pub(super) fn text_if_any(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).map(str::to_owned)
}

/// The items of a list of text; empty where it is not set.
pub(super) fn texts(value: &Value, name: &str) -> Result<Vec<String>, Failure> {
    let Some(list) = value.get(name).filter(|v| !v.is_null()) else { return Ok(Vec::new()) };
    let wrong = || Failure::rejected("needs a list of texts that are known").on(name);
    let items = list.as_items().ok_or_else(wrong)?;
    items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
}

/// The members of a map of text; empty where it is not set.
pub(super) fn text_map(value: &Value, name: &str) -> Result<BTreeMap<String, String>, Failure> {
    let Some(map) = value.get(name).filter(|v| !v.is_null()) else { return Ok(BTreeMap::new()) };
    let wrong = || Failure::rejected("needs a map of texts that are known").on(name);
    let member = |(key, member): (&String, &Value)| {
        Ok((key.clone(), member.as_str().ok_or_else(wrong)?.to_owned()))
    };
    map.as_map().ok_or_else(wrong)?.iter().map(member).collect()
}

/// A whole number; the default where it is not set.
pub(super) fn count(value: &Value, name: &str, default: u32) -> Result<u32, Failure> {
    let Some(number) = value.get(name).filter(|v| !v.is_null()) else { return Ok(default) };
    let whole = number.as_number().and_then(|n| n.as_i64()).and_then(|n| u32::try_from(n).ok());
    whole.ok_or_else(|| Failure::rejected("needs a whole number that is known").on(name))
}

/// A remark where a known number is outside its bounds.
pub(super) fn check_count(
    config: &Value,
    name: &str,
    bounds: std::ops::RangeInclusive<i64>,
    remarks: &mut Vec<Remark>,
) {
    let Some(number) = config.get(name).and_then(Value::as_number) else { return };
    if !number.as_i64().is_some_and(|whole| bounds.contains(&whole)) {
        let (min, max) = (bounds.start(), bounds.end());
        remarks.push(Remark::on(name, format!("must be a whole number from {min} to {max}")));
    }
}

/// A remark where a known text is not a path that `parse` takes.
pub(super) fn check_path<T>(
    config: &Value,
    name: &str,
    parse: impl Fn(&str) -> Result<T, String>,
    remarks: &mut Vec<Remark>,
) {
    if let Some(Err(problem)) = config.get(name).and_then(Value::as_str).map(parse) {
        remarks.push(Remark::on(name, problem));
    }
}

/// Remarks on a command's arguments: at least one where it is required, the first a program.
pub(super) fn check_arguments(config: &Value, name: &str, remarks: &mut Vec<Remark>) {
    let Some(items) = config.get(name).and_then(Value::as_items) else { return };
    let Some(first) = items.first() else {
        remarks.push(Remark::on(name, "is empty; its first item is the program to run"));
        return;
    };
    let is_program = |p: &str| p.starts_with('/') || !(p.is_empty() || p.contains('/'));
    if !first.as_str().is_none_or(is_program) {
        let problem = "begins with neither an absolute path nor a plain program name";
        remarks.push(Remark::on(name, problem));
    }
    let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
    check_size(name, texts.iter().copied(), remarks);
    if items.iter().any(Value::is_null) {
        remarks.push(Remark::on(name, "holds an item that is null"));
    }
}

/// Remarks on environment variables; names beginning with `GOV_` are gov's.
pub(super) fn check_variables(config: &Value, name: &str, remarks: &mut Vec<Remark>) {
    let Some(members) = config.get(name).and_then(Value::as_map) else { return };
    for key in members.keys() {
        if !is_variable_name(key) {
            remarks.push(Remark::on(name, format!("`{key}` is no name for a variable")));
        } else if key.starts_with("GOV_") {
            let problem = format!("`{key}`: names beginning with GOV_ are set by gov alone");
            remarks.push(Remark::on(name, problem));
        }
    }
    let texts = members.iter().flat_map(|(key, value)| [Some(key.as_str()), value.as_str()]);
    check_size(name, texts.flatten(), remarks);
}

/// Remarks on labels, whose keys become parts of variable names.
pub(super) fn check_labels(config: &Value, name: &str, remarks: &mut Vec<Remark>) {
    let Some(members) = config.get(name).and_then(Value::as_map) else { return };
    for key in members.keys().filter(|key| !is_variable_name(&format!("_{key}"))) {
        let problem = format!("`{key}`: keys hold letters, digits and `_` alone");
        remarks.push(Remark::on(name, problem));
    }
    let texts = members.iter().flat_map(|(key, value)| [Some(key.as_str()), value.as_str()]);
    check_size(name, texts.flatten(), remarks);
}

fn is_variable_name(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && name.chars().all(letter) && !name.starts_with(|c: char| c.is_ascii_digit())
}

fn check_size<'a>(name: &str, texts: impl Iterator<Item = &'a str>, remarks: &mut Vec<Remark>) {
    let mut bytes: usize = 0;
    let mut nul = false;
    for text in texts {
        bytes = bytes.saturating_add(text.len());
        nul |= text.contains('\0');
    }
    if bytes > COMMAND_BYTES_MAX {
        let problem = format!("holds more than {COMMAND_BYTES_MAX} bytes; put them in a file");
        remarks.push(Remark::on(name, problem));
    }
    if nul {
        remarks.push(Remark::on(name, "holds a NUL character, which no command can take"));
    }
}

/// Permission bits from octal text such as `0644`. Bits beyond the nine are not for blueprints.
pub(super) fn parse_mode(text: &str) -> Option<u32> {
    let octal = text.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    let mode = u32::from_str_radix(text, 8).ok()?;
    (octal && (3..=4).contains(&text.len()) && mode <= 0o777).then_some(mode)
}

/// Permission bits as text. What was there before stays as it was written, if it means the same.
pub(super) fn mode_text(mode: u32, before: Option<&str>) -> String {
    match before {
        Some(text) if parse_mode(text) == Some(mode) => text.to_owned(),
        _ => format!("{mode:04o}"),
    }
}

/// A remark where a known mode is no mode.
pub(super) fn check_mode(config: &Value, remarks: &mut Vec<Remark>) {
    let mode = config.get("mode").and_then(Value::as_str);
    if mode.is_some_and(|text| parse_mode(text).is_none()) {
        let problem = "needs permissions as octal text from \"0000\" to \"0777\"";
        remarks.push(Remark::on("mode", problem));
    }
}

/// The mode of an attribute that must be known by now.
pub(super) fn mode(value: &Value) -> Result<u32, Failure> {
    let text = text(value, "mode")?;
    parse_mode(&text).ok_or_else(|| Failure::rejected("is no octal mode").on("mode"))
}

/// The marker as a part of file names: itself where it is fit for that, else a digest of it.
pub(super) fn stem(marker: &Marker) -> String {
    let fit = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !marker.0.is_empty() && marker.0.len() <= MARKER_BYTES_MAX && marker.0.chars().all(fit) {
        marker.0.clone()
    } else {
        Digest::of(Domain::Marker, marker.0.as_bytes()).to_string()
    }
}

/// The failure of a step that changed nothing, from what the system said.
pub(super) fn refuse(step: &str, error: &std::io::Error) -> Failure {
    use std::io::ErrorKind;
    let summary = format!("cannot {step}: {error}");
    match error.kind() {
        ErrorKind::StorageFull
        | ErrorKind::QuotaExceeded
        | ErrorKind::OutOfMemory
        | ErrorKind::Interrupted
        | ErrorKind::WouldBlock
        | ErrorKind::ResourceBusy => Failure::transient(summary),
        _ => Failure::rejected(summary),
    }
}

#[cfg(test)]
mod tests {
    use super::mode_text;
    use super::parse_mode;
    use super::stem;
    use crate::model::id::Marker;

    #[test]
    fn modes_are_nine_bits_of_octal() {
        assert_eq!(parse_mode("0644"), Some(0o644));
        assert_eq!(parse_mode("755"), Some(0o755));
        for bad in ["", "7", "4755", "0888", "00644", "+755", "rwx"] {
            assert_eq!(parse_mode(bad), None, "{bad}");
        }
        assert_eq!(mode_text(0o644, Some("644")), "644");
        assert_eq!(mode_text(0o600, Some("644")), "0600");
    }

    #[test]
    fn no_marker_leads_out_of_a_folder() {
        assert_eq!(stem(&Marker("m-1".into())), "m-1");
        for odd in ["", "../x", "a.b", &"x".repeat(65)] {
            assert_eq!(stem(&Marker(odd.to_owned())).len(), 64, "{odd}");
        }
    }
}
