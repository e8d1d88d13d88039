//! Where providers come from: `builtin/local`, `hashicorp/aws`, `registry.example/acme/thing`.
//!
//! Only the syntax of addresses and of version constraints is known here, not what exists.

use crate::blueprint::BUILTIN_PROVIDERS;
use crate::model::schema::nearest;

/// The namespace of providers that are part of gov.
const BUILTIN: &str = "builtin";

/// The namespace of a source that names a type only, as in Terraform.
const NAMESPACE_DEFAULT: &str = "hashicorp";

/// Why a source or a version constraint is refused, and the way out.
pub(super) struct Refusal {
    /// What is wrong, in a sentence.
    pub(super) detail: String,
    /// What to write instead.
    pub(super) help: String,
    /// Whether the text is well formed but names a built-in provider that gov does not have.
    pub(super) unknown: bool,
}

/// The source of a provider that states none, by its name.
pub(super) fn implied(name: &str) -> String {
    let builtin = BUILTIN_PROVIDERS.contains(&name);
    format!("{}/{name}", if builtin { BUILTIN } else { NAMESPACE_DEFAULT })
}

/// Whether a source is part of gov.
pub(super) fn is_builtin(source: &str) -> bool {
    source.split_once('/').is_some_and(|(namespace, _)| namespace == BUILTIN)
}

/// The whole source of what is written: one segment is a type of the default namespace.
pub(super) fn whole(text: &str) -> Result<String, Refusal> {
    let syntax = || Refusal {
        detail: format!("`{text}` is not the source of a provider"),
        help: "write TYPE, NAMESPACE/TYPE or HOST/NAMESPACE/TYPE in lower case".to_owned(),
        unknown: false,
    };
    let segment = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
    };
    let host = |part: &str| {
        let (name, port) = part.split_once(':').unwrap_or((part, "1"));
        (name.contains('.') || name == "localhost")
            && name.split('.').all(segment)
            && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    let parts: Vec<&str> = text.split('/').collect();
    match parts.as_slice() {
        [kind] if segment(kind) => Ok(implied(kind)),
        [BUILTIN, kind] if segment(kind) && !BUILTIN_PROVIDERS.contains(kind) => {
            let near = nearest(kind, BUILTIN_PROVIDERS.iter().copied());
            Err(Refusal {
                detail: format!("gov has no built-in provider `{kind}`"),
                help: match near {
                    Some(near) => format!("did you mean `{BUILTIN}/{near}`?"),
                    None => format!("built in are: {}", BUILTIN_PROVIDERS.join(", ")),
                },
                unknown: true,
            })
        }
        [namespace, kind] if segment(namespace) && segment(kind) => Ok(text.to_owned()),
        [at, namespace, kind] if host(at) && segment(namespace) && segment(kind) => {
            Ok(text.to_owned())
        }
        _ => Err(syntax()),
    }
}

/// Checks a version constraint such as `~> 5.100` or `>= 1.2, < 2`.
pub(super) fn check_constraint(text: &str) -> Result<(), Refusal> {
    let version = |text: &str| {
        let (numbers, label) = text.split_once('-').unwrap_or((text, "0"));
        let numbers: Vec<&str> = numbers.split('.').collect();
        let label_char = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
        (1..=3).contains(&numbers.len())
            && numbers.iter().all(|number| is_version_number(number))
            && !label.is_empty()
            && label.bytes().all(label_char)
    };
    let clause = |clause: &str| {
        let clause = clause.trim();
        let operators = ["~>", ">=", "<=", "!=", ">", "<", "="];
        let rest = operators.iter().find_map(|operator| clause.strip_prefix(operator));
        version(rest.unwrap_or(clause).trim_start())
    };
    if text.split(',').all(clause) {
        return Ok(());
    }
    Err(Refusal {
        detail: format!("`{text}` is not a version constraint"),
        help: "write one such as \"~> 5.100\" or \">= 1.2, < 2\"".to_owned(),
        unknown: false,
    })
}

/// Whether text is one number of a version: digits, few enough to compare.
pub(super) fn is_version_number(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u32>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::check_constraint;
    use super::whole;

    #[test]
    fn sources_are_whole_or_refused() {
        for (text, want) in [
            ("local", "builtin/local"),
            ("aws", "hashicorp/aws"),
            ("builtin/random", "builtin/random"),
            ("hashicorp/random", "hashicorp/random"),
            ("registry.example:8443/acme/thing", "registry.example:8443/acme/thing"),
        ] {
            assert_eq!(whole(text).ok().as_deref(), Some(want), "{text}");
        }
        for text in ["", "/", "a/", "A/b", "a/b/c", "a.b/c/d/e", "../x", "builtin/nope", "a b"] {
            assert!(whole(text).is_err(), "{text}");
        }
    }

    #[test]
    fn constraints_have_a_syntax() {
        for text in ["5", "~> 5.100", ">= 1.2, < 2", "=1.2.3-beta.1", "!= 1.0.0"] {
            assert!(check_constraint(text).is_ok(), "{text}");
        }
        for text in ["", "latest", "~>", "1.2.3.4", ">= 1,", "^1.0", "1.-2", "1.99999999999"] {
            assert!(check_constraint(text).is_err(), "{text}");
        }
    }
}
