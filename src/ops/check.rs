//! Check: everything that can be said of a blueprint without an environment.

use std::collections::BTreeMap;

use crate::diagnostic::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Diagnostics;
use crate::diagnostic::Source;
use crate::model::address::Mode;
use crate::model::digest::Digest;
use crate::model::digest::Domain;
use crate::model::schema::nearest;
use crate::ops::ask;
use crate::ops::ask::Parsed;
use crate::policy::trust::Trust;
use crate::provider::PriceRule;
use crate::provider::catalog::Catalog;

/// What there is to say.
pub struct Report {
    /// The blueprint.
    pub parsed: Parsed,
    /// The digest of its text: what a trust root publishes it by.
    pub digest: Digest,
    /// Whether the trust root publishes it.
    pub published: bool,
    /// Resource types with what gov knows of each: a price, or none.
    pub types: BTreeMap<String, String>,
}

/// Checks a blueprint: text, references, types and attributes' names.
///
/// # Errors
/// Everything that is wrong with it.
pub fn check(source: &Source, catalog: &Catalog, trust: &Trust) -> Result<Report, Diagnostics> {
    let parsed = ask::read_blueprint(source)?;
    let mut problems = Diagnostics::new();
    let mut types = BTreeMap::new();
    for block in parsed.blueprint.resources.values() {
        let Some(declared) = parsed.blueprint.providers.get(&block.provider.value) else {
            continue;
        };
        let offer = match catalog.open(&declared.source) {
            Ok(provider) => provider.offer(),
            Err(error) => {
                let wrong = Diagnostic::error(Code::UnknownProvider, error.to_string());
                problems.push(wrong.at(declared.span.clone()));
                continue;
            }
        };
        let known = match block.name.mode {
            Mode::Managed => &offer.resources,
            Mode::Data => &offer.data,
        };
        let Some(offered) = known.get(&block.name.kind) else {
            let detail =
                format!("the provider {} has no type `{}`", declared.source, block.name.kind);
            let wrong = Diagnostic::error(Code::UnknownType, detail).at(block.span.clone());
            let near = nearest(&block.name.kind, known.keys().map(String::as_str));
            problems.push(match near {
                Some(near) => wrong.help(format!("did you mean `{near}`?")),
                None => wrong,
            });
            continue;
        };
        let block_schema = &offered.schema.block;
        for (name, member) in &block.body.members {
            if block_schema.attributes.contains_key(name) || block_schema.blocks.contains_key(name)
            {
                continue;
            }
            let names = block_schema.attributes.keys().chain(block_schema.blocks.keys());
            let near = nearest(name, names.map(String::as_str));
            let detail = format!("{}: there is no attribute `{name}`", block.name);
            let wrong = Diagnostic::error(Code::InvalidAttribute, detail).at(member.span.clone());
            problems.push(match near {
                Some(near) => wrong.help(format!("did you mean `{near}`?")),
                None => wrong,
            });
        }
        let price = match &offered.governance.price {
            PriceRule::Free { reason } => format!("free: {reason}"),
            PriceRule::Declared(cost) => format!("{} a month", cost.summary()),
            PriceRule::Unmapped => "no price: refused unless the trust root allows it".to_owned(),
        };
        types.insert(block.name.kind.clone(), price);
    }
    if problems.has_errors() {
        problems.extend(parsed.warnings);
        return Err(problems);
    }
    let digest = Digest::of(Domain::Blueprint, source.text.as_bytes());
    Ok(Report { parsed, digest, published: trust.published.contains_key(&digest), types })
}
