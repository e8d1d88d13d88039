//! Usage files: gov's own, and the one that users of infracost have.
//!
//! ```toml
//! [usage."aws_lambda_function.api"]
//! source = "measured"
//! expires = "2027-01-01"
//! monthly_requests = { low = 100000, expected = 200000, high = 900000 }
//! request_duration_ms = 120
//!
//! [default.aws_sqs_queue]
//! source = "assumed"
//! monthly_requests = 1000000
//! ```
//!
//! What has expired is not stated any more, and says so. Figures must not fall: low, expected,
//! high.

use jiff::civil::Date;
use serde::Deserialize;
use serde_json::Value as Json;

use super::Stated;
use super::Usage;
use super::tree;
use crate::cost::decimal;
use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Source;
use crate::diagnostic::Span;

/// Bytes of a usage file. One for ten thousand resources has about three million.
const TEXT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Where figures come from.
const SOURCES: [&str; 3] = ["assumed", "measured", "declared"];

/// Keys that are about the figures, and no usage themselves.
const ABOUT: [&str; 2] = ["source", "expires"];

/// Reads gov's own usage file as of a day.
///
/// # Errors
/// Everything that is wrong. Figures that have expired are left out with a warning.
pub fn read(
    source: &Source,
    today: Date,
    is_claim: bool,
) -> Result<(Usage, Diagnostics), Diagnostics> {
    let mut diagnostics = Diagnostics::new();
    let mut usage = Usage { is_claim, ..Usage::default() };
    let whole = Span::new(source, 0..0);
    let refuse = |code, message: String| -> Result<(Usage, Diagnostics), Diagnostics> {
        Err(Diagnostic::error(code, message).at(whole.clone()).into())
    };
    if source.text.len() > TEXT_BYTES_MAX {
        return refuse(Code::TooLarge, format!("longer than {TEXT_BYTES_MAX} bytes"));
    }
    let json: Json = match toml::from_str(&source.text) {
        Ok(json) => json,
        Err(error) => return refuse(Code::TomlSyntax, error.message().to_owned()),
    };
    for (section, entries) in json.as_object().into_iter().flatten() {
        if !matches!(section.as_str(), "usage" | "default") {
            let message = format!("`{section}` is neither `usage` nor `default`");
            diagnostics.push(Diagnostic::error(Code::UnknownKey, message).at(whole.clone()));
            continue;
        }
        for (whom, entry) in entries.as_object().into_iter().flatten() {
            let at = source.text.find(whom.as_str()).unwrap_or(0);
            let span = Span::new(source, at..at.saturating_add(whom.len()));
            match stated(entry, today) {
                Ok(stated) if section == "usage" => usage.state(whom, stated),
                Ok(stated) => {
                    usage.kinds.insert(whom.clone(), stated);
                }
                Err(Unusable::Expired(day)) => {
                    let message = format!("what is stated of {whom} expired on {day}");
                    let help = "state it anew, with a later `expires`";
                    let warning = Diagnostic::warning(Code::InvalidUsage, message);
                    diagnostics.push(warning.at(span).help(help));
                }
                Err(Unusable::Wrong(what)) => {
                    let message = format!("{whom}: {what}");
                    diagnostics.push(Diagnostic::error(Code::InvalidUsage, message).at(span));
                }
            }
        }
    }
    diagnostics.into_result(usage)
}

enum Unusable {
    Expired(Date),
    Wrong(String),
}

fn stated(entry: &Json, today: Date) -> Result<Stated, Unusable> {
    let wrong = |what: String| Unusable::Wrong(what);
    let Json::Object(members) = entry else { return Err(wrong("a table is wanted".to_owned())) };
    let text = |name: &str| members.get(name).and_then(Json::as_str);
    match text("source") {
        Some(known) if SOURCES.contains(&known) => {}
        _ => return Err(wrong(format!("`source` is one of {}", SOURCES.join(", ")))),
    }
    if let Some(day) = members.get("expires") {
        let day = day.as_str().and_then(|day| day.parse::<Date>().ok());
        let day = day.ok_or_else(|| wrong("`expires` is a day such as 2027-01-01".to_owned()))?;
        if day <= today {
            return Err(Unusable::Expired(day));
        }
    }
    let figures = members.iter().filter(|(name, _)| !ABOUT.contains(&name.as_str()));
    let figures: serde_json::Map<String, Json> =
        figures.map(|(name, value)| (name.clone(), value.clone())).collect();
    let figures = Json::Object(figures);
    check(&figures).map_err(wrong)?;
    let of = |which: &str| tree(&pick(&figures, which));
    let (low, expected, high) = (of("low"), of("expected"), of("high"));
    let apart = low != expected || high != expected;
    Ok(Stated { expected, bounds: apart.then(|| Box::new((low, high))) })
}

/// The three figures of a leaf, where it has three.
fn three(json: &Json) -> Option<(&Json, &Json, &Json)> {
    let members = json.as_object()?;
    let all = (members.get("low")?, members.get("expected")?, members.get("high")?);
    (members.len() == 3).then_some(all)
}

/// The tree with one of the three figures in place of all three.
fn pick(json: &Json, which: &str) -> Json {
    if three(json).is_some() {
        return json.get(which).cloned().unwrap_or(Json::Null);
    }
    match json {
        Json::Object(members) => {
            Json::Object(members.iter().map(|(n, v)| (n.clone(), pick(v, which))).collect())
        }
        leaf => leaf.clone(),
    }
}

fn check(json: &Json) -> Result<(), String> {
    if let Some((low, expected, high)) = three(json) {
        let number = |json: &Json| decimal::parse(&json.to_string());
        return match (number(low), number(expected), number(high)) {
            (Some(a), Some(b), Some(c)) if a <= b && b <= c => Ok(()),
            _ => Err("low, expected and high are numbers that do not fall".to_owned()),
        };
    }
    match json {
        Json::Object(members) => members.values().try_for_each(check),
        Json::Number(number) if number.to_string().starts_with('-') => {
            Err(format!("{number} is below zero"))
        }
        _ => Ok(()),
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Infracost {
    resource_type_default_usage: serde_json::Map<String, Json>,
    resource_usage: serde_json::Map<String, Json>,
}

/// Reads `infracost-usage.yml` as it is.
///
/// # Errors
/// Where it is not YAML of that shape.
pub fn read_infracost(source: &Source, is_claim: bool) -> Result<Usage, Diagnostics> {
    let refuse = |code, message: String| {
        Diagnostics::from(Diagnostic::error(code, message).at(Span::new(source, 0..0)))
    };
    if source.text.len() > TEXT_BYTES_MAX {
        return Err(refuse(Code::TooLarge, format!("longer than {TEXT_BYTES_MAX} bytes")));
    }
    let file: Infracost = serde_saphyr::from_str(&source.text)
        .map_err(|error| refuse(Code::InvalidUsage, error.to_string()))?;
    let mut usage = Usage { is_claim, ..Usage::default() };
    let plain = |figures: &Json| Stated { expected: tree(figures), bounds: None };
    for (whom, figures) in &file.resource_usage {
        usage.state(whom, plain(figures));
    }
    for (kind, figures) in &file.resource_type_default_usage {
        usage.kinds.insert(kind.clone(), plain(figures));
    }
    Ok(usage)
}

#[cfg(test)]
mod tests {
    use super::read;
    use super::read_infracost;
    use crate::cost::usage::Bound;
    use crate::diagnostic::Source;

    const TEXT: &str = r#"
[usage."aws_lambda_function.api"]
source = "measured"
expires = "2027-01-01"
monthly_requests = { low = 1, expected = 2, high = 9 }
standard = { storage_gb = 0.38 }

[default.aws_sqs_queue]
source = "assumed"
monthly_requests = 5
"#;

    fn at(text: &str, today: &str) -> Result<(super::Usage, usize), String> {
        let source = Source::new("usage.toml", text);
        match read(&source, today.parse().unwrap(), true) {
            Ok((usage, warnings)) => Ok((usage, warnings.len())),
            Err(wrong) => Err(wrong.iter().map(ToString::to_string).collect()),
        }
    }

    #[test]
    fn three_figures_are_kept_apart_and_expire() {
        let (usage, _) = at(TEXT, "2026-12-31").unwrap();
        let stated = usage.of("aws_lambda_function.api", "aws_lambda_function").next().unwrap();
        let of = |bound| stated.at(bound).get("monthly_requests").unwrap().to_plain_json();
        assert_eq!(Bound::ALL.map(of), [1, 2, 9].map(serde_json::Value::from));
        let stored = stated.at(Bound::High).get("standard").unwrap().get("storage_gb").unwrap();
        assert_eq!(stored.to_plain_json(), "0.38");
        assert!(usage.is_claim && usage.kinds.contains_key("aws_sqs_queue"));
        let (usage, warnings) = at(TEXT, "2027-01-01").unwrap();
        assert!(usage.addresses.is_empty());
        assert_eq!(warnings, 1);
    }

    #[test]
    fn what_is_no_usage_is_refused() {
        for (from, to, want) in [
            ("low = 1", "low = 3", "do not fall"),
            ("\"measured\"", "\"guessed\"", "one of assumed"),
            ("2027-01-01", "soon", "is a day"),
            ("monthly_requests = 5", "monthly_requests = -5", "below zero"),
            ("[default.", "[defaults.", "neither"),
            ("[default.aws_sqs_queue]", "[default.aws", "invalid TOML"),
        ] {
            let message = at(&TEXT.replace(from, to), "2026-01-01").unwrap_err();
            assert!(message.contains(want), "{to}: {message}");
        }
    }

    #[test]
    fn the_file_of_infracost_is_read_as_it_is() {
        let text = "version: 0.1\nresource_type_default_usage:\n  aws_lambda_function:\n    \
                    monthly_requests: 100000 # each month\nresource_usage:\n  \
                    aws_s3_bucket.b:\n    standard:\n      storage_gb: 0.25\n  \
                    aws_sqs_queue.q[*]:\n    monthly_requests: 1\n";
        let usage = read_infracost(&Source::new("infracost-usage.yml", text), false).unwrap();
        let bucket = usage.addresses["aws_s3_bucket.b"].at(Bound::Expected);
        let stored = bucket.get("standard").unwrap().get("storage_gb").unwrap();
        assert_eq!(stored.to_plain_json(), "0.25");
        assert_eq!(usage.of("aws_sqs_queue.q[3]", "aws_sqs_queue").count(), 1);
        assert_eq!(usage.of("x.y", "aws_lambda_function").count(), 1);
        for wrong in ["- a", "resource_usage: 1", "a: [", "resource_usage: &a\n  b: *c\n"] {
            assert!(read_infracost(&Source::new("u.yml", wrong), false).is_err(), "{wrong}");
        }
    }
}
