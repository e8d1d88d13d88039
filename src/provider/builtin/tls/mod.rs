//! `builtin/tls`: private keys and certificates signed by themselves.
//!
//! Keys are made by `rcgen` with the generator of AWS-LC, which draws on the operating system
//! itself; the injected source of chance gives serial numbers only. A key or certificate exists in
//! the reply to its create and then in gov's books, a private key sealed: a create whose reply was
//! lost left nothing, and making another is safe. There is no authority here that signs for
//! others. Start with [`open`].

mod certificate;
mod key;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use sha2::Digest as _;
use sha2::Sha256;

use crate::model::schema::Attribute;
use crate::model::schema::Block;
use crate::model::schema::Schema;
use crate::model::schema::nearest;
use crate::provider::Governance;
use crate::provider::PriceRule;
use crate::provider::Provider;
use crate::provider::RegionRule;
use crate::provider::TypeOffer;
use crate::provider::builtin::Means;
use crate::provider::builtin::kept::Kept;
use crate::provider::builtin::kept::KeptProvider;
use crate::provider::builtin::tls::certificate::SelfSigned;
use crate::provider::builtin::tls::key::PrivateKey;

/// Opens the provider.
#[must_use]
pub fn open(means: &Means) -> Arc<dyn Provider> {
    let types: BTreeMap<&'static str, Arc<dyn Kept>> = [
        ("tls_private_key", Arc::new(PrivateKey) as Arc<dyn Kept>),
        ("tls_self_signed_cert", Arc::new(SelfSigned(means.entropy.clone()))),
    ]
    .into();
    Arc::new(KeptProvider::new(types, means.clock.clone()))
}

fn type_offer(attributes: Vec<(&str, Attribute)>, classes: &[&str], reason: &str) -> TypeOffer {
    let attributes = attributes.into_iter().map(|(name, a)| (name.to_owned(), a)).collect();
    let block = Block { attributes, ..Block::default() };
    let governance = Governance {
        region: RegionRule::Global,
        classes: classes.iter().map(|class| (*class).to_owned()).collect(),
        price: PriceRule::Free { reason: reason.to_owned() },
        ..Governance::default()
    };
    TypeOffer { schema: Schema { version: 1, block }, governance }
}

fn not_one_of(given: &str, known: &[&str]) -> Option<String> {
    if known.contains(&given) {
        return None;
    }
    let near = nearest(given, known.iter().copied());
    let hint = near.map_or_else(
        || format!("; it is one of {}", known.join(", ")),
        |near| format!("; did you mean `{near}`?"),
    );
    Some(format!("`{given}` is not known here{hint}"))
}

fn fingerprint(der: &[u8]) -> String {
    Sha256::digest(der).iter().fold(String::new(), |mut text, byte| {
        // Writing into a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
