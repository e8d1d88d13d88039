//! Terraform's own CLI configuration, as far as it says where providers are.
//!
//! Of `provider_installation` only `filesystem_mirror` is used. Where the block is there at all,
//! the standard folders are out of use, as they are for Terraform. Development overrides are left
//! aside on purpose: they would run what nobody has locked.

use std::path::PathBuf;

use hcl_edit::expr::Expression;
use hcl_edit::structure::Block;
use hcl_edit::structure::Body;

use crate::provider::terraform::install::SourcePattern;
use crate::provider::terraform::install::mirror::Mirror;

/// The configuration cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CliConfigError {
    /// It is not HCL.
    #[error("Terraform's CLI configuration cannot be read: {0}")]
    Syntax(String),
    /// A mirror is declared in a way that nobody understands.
    #[error("a filesystem_mirror of Terraform's CLI configuration is wrong: {0}")]
    Mirror(String),
}

/// The mirrors that a configuration declares, in order; nothing where it leaves the matter open.
///
/// # Errors
/// [`CliConfigError`].
pub fn mirrors(text: &str) -> Result<Option<Vec<Mirror>>, CliConfigError> {
    let body: Body = with_plain_names(text)
        .parse()
        .map_err(|error: hcl_edit::parser::Error| CliConfigError::Syntax(error.to_string()))?;
    let mut installations =
        body.blocks().filter(|block| block.ident.as_str() == "provider_installation");
    let Some(installation) = installations.next() else { return Ok(None) };
    let declared =
        installation.body.blocks().filter(|block| block.ident.as_str() == "filesystem_mirror");
    declared.map(mirror).collect::<Result<_, _>>().map(Some)
}

/// The text with quoted names of attributes made plain. Development overrides are written with
/// such names, which the older language allowed and the newer, which is parsed here, does not.
fn with_plain_names(text: &str) -> String {
    let plain = |(number, line): (usize, &str)| {
        let quoted = line.trim_start().strip_prefix('"').and_then(|rest| rest.split_once('"'));
        match quoted {
            Some((_, rest)) if rest.trim_start().starts_with('=') => {
                format!("quoted_{number} {}\n", rest.trim_start())
            }
            _ => format!("{line}\n"),
        }
    };
    text.lines().enumerate().map(plain).collect()
}

fn mirror(block: &Block) -> Result<Mirror, CliConfigError> {
    let path = match block.body.get_attribute("path").map(|attribute| &attribute.value) {
        Some(Expression::String(path)) => PathBuf::from(path.as_str()),
        _ => return Err(CliConfigError::Mirror("it has no path".to_owned())),
    };
    Ok(Mirror {
        folder: path,
        include: patterns(block, "include")?,
        exclude: patterns(block, "exclude")?.unwrap_or_default(),
    })
}

fn patterns(block: &Block, name: &str) -> Result<Option<Vec<SourcePattern>>, CliConfigError> {
    let Some(attribute) = block.body.get_attribute(name) else { return Ok(None) };
    let wrong = || CliConfigError::Mirror(format!("{name} is not a list of texts"));
    let Expression::Array(items) = &attribute.value else { return Err(wrong()) };
    let pattern = |item: &Expression| match item {
        Expression::String(text) => SourcePattern::parse(text.as_str())
            .map_err(|error| CliConfigError::Mirror(error.to_string())),
        _ => Err(wrong()),
    };
    items.iter().map(pattern).collect::<Result<_, _>>().map(Some)
}

#[cfg(test)]
mod tests {
    use super::mirrors;
    use crate::provider::terraform::install::SourceAddress;

    #[test]
    fn declared_mirrors_are_found_with_their_patterns() {
        let text = r#"
            plugin_cache_dir = "/var/cache"
            provider_installation {
              dev_overrides {
                "hashicorp/null" = "/somewhere"
              }
              filesystem_mirror {
                path    = "/usr/share/providers"
                include = ["example.com/*/*", "hashicorp/aws"]
                exclude = ["example.com/bad/*"]
              }
              filesystem_mirror {
                path = "/second"
              }
              direct {}
            }
        "#;
        let found = mirrors(text).unwrap().unwrap();
        assert_eq!(found.len(), 2);
        let serves = |index: usize, source: &str| {
            found[index].serves(&source.parse::<SourceAddress>().unwrap())
        };
        assert!(serves(0, "hashicorp/aws") && serves(0, "example.com/good/x"));
        assert!(!serves(0, "example.com/bad/x") && !serves(0, "hashicorp/null"));
        assert!(serves(1, "hashicorp/null"));
    }

    #[test]
    fn silence_is_not_the_same_as_none() {
        assert_eq!(mirrors("disable_checkpoint = true").unwrap(), None);
        assert_eq!(mirrors("provider_installation {\n direct {}\n}").unwrap(), Some(Vec::new()));
        mirrors("provider_installation {").unwrap_err();
        mirrors("provider_installation {\n filesystem_mirror {}\n}").unwrap_err();
        let list =
            "provider_installation {\n filesystem_mirror {\n path = \"/a\"\n include = 1\n}\n}";
        mirrors(list).unwrap_err();
    }
}
