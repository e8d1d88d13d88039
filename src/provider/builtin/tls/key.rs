//! `tls_private_key`: a key pair, the private half sealed in gov's books.

use std::collections::BTreeMap;

use rcgen::KeyPair;
use rcgen::PublicKeyData as _;
use rcgen::RsaKeySize;

use crate::model::lifetime::Timestamp;
use crate::model::number::Number;
use crate::model::schema::Attribute;
use crate::model::schema::Type;
use crate::model::value::Value;
use crate::provider::Failure;
use crate::provider::Remark;
use crate::provider::TypeOffer;
use crate::provider::builtin::attribute;
use crate::provider::builtin::kept::Kept;
use crate::provider::builtin::tls::fingerprint;
use crate::provider::builtin::tls::not_one_of;
use crate::provider::builtin::tls::type_offer;

/// Algorithms by the name that a blueprint uses.
const ALGORITHMS: [&str; 3] = ["ECDSA", "ED25519", "RSA"];

/// Curves for ECDSA, the default first.
const CURVES: [&str; 2] = ["P256", "P384"];

/// Sizes of RSA keys, the default first. Below 2048 bits no browser accepts one; above 4096 making
/// one takes minutes and adds nothing.
const RSA_BITS: [usize; 3] = [2048, 3072, 4096];

/// `tls_private_key`.
pub(super) struct PrivateKey;

impl Kept for PrivateKey {
    fn offer(&self) -> TypeOffer {
        let attributes = vec![
            ("algorithm", Attribute::required(Type::String).describe("ECDSA, ED25519 or RSA.")),
            (
                "ecdsa_curve",
                Attribute::optional(Type::String)
                    .or_computed()
                    .describe("For ECDSA: P256, the default, or P384."),
            ),
            (
                "rsa_bits",
                Attribute::optional(Type::Number)
                    .or_computed()
                    .describe("For RSA: 2048, the default, 3072 or 4096."),
            ),
            (
                "id",
                Attribute::computed(Type::String)
                    .describe("SHA-256 over the public key, in hex: its fingerprint."),
            ),
            (
                "private_key_pem",
                Attribute::computed(Type::String).sensitive().describe("PKCS #8, in PEM."),
            ),
            (
                "public_key_pem",
                Attribute::computed(Type::String).describe("The public key, in PEM."),
            ),
        ];
        type_offer(attributes, &["change-key"], "a key takes no room anywhere")
    }

    fn defaults(&self, config: &Value) -> Vec<(&'static str, Value)> {
        let algorithm = attribute(config, "algorithm");
        if algorithm.is_unknown() {
            return vec![("ecdsa_curve", Value::unknown()), ("rsa_bits", Value::unknown())];
        }
        match algorithm.as_str() {
            Some("ECDSA") => vec![("ecdsa_curve", Value::string("P256"))],
            Some("RSA") => vec![("rsa_bits", Value::number(2048_usize))],
            _ => Vec::new(),
        }
    }

    fn check(&self, config: &Value) -> Vec<Remark> {
        let mut problems = Vec::new();
        let algorithm = attribute(config, "algorithm");
        if let Some(name) = algorithm.as_str() {
            if let Some(problem) = not_one_of(name, &ALGORITHMS) {
                problems.push(Remark::on("algorithm", problem));
            }
            for (option, of) in [("ecdsa_curve", "ECDSA"), ("rsa_bits", "RSA")] {
                let given = attribute(config, option);
                if name != of && !given.is_null() && !given.is_unknown() {
                    let problem = format!("is for {of} alone; leave it out for {name}");
                    problems.push(Remark::on(option, problem));
                }
            }
        }
        if let Some(curve) = attribute(config, "ecdsa_curve").as_str()
            && let Some(problem) = not_one_of(curve, &CURVES)
        {
            problems.push(Remark::on("ecdsa_curve", problem));
        }
        let bits = attribute(config, "rsa_bits");
        if let Some(bits) = bits.as_number()
            && !bits.as_usize().is_some_and(|given| RSA_BITS.contains(&given))
        {
            problems.push(Remark::on("rsa_bits", format!("needs 2048, 3072 or 4096, has {bits}")));
        }
        problems
    }

    fn make(&self, settled: &Value, _: Timestamp) -> Result<BTreeMap<String, Value>, Failure> {
        let curve = attribute(settled, "ecdsa_curve");
        let bits = attribute(settled, "rsa_bits");
        let key = match attribute(settled, "algorithm").as_str() {
            Some("ED25519") => KeyPair::generate_for(&rcgen::PKCS_ED25519),
            Some("ECDSA") if curve.as_str() == Some("P384") => {
                KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384)
            }
            Some("ECDSA") => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
            _ => {
                let size = match bits.as_number().and_then(Number::as_usize) {
                    Some(4096) => RsaKeySize::_4096,
                    Some(3072) => RsaKeySize::_3072,
                    _ => RsaKeySize::_2048,
                };
                KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, size)
            }
        };
        let key = key.map_err(|error| {
            Failure::transient(format!("the key could not be made: {error}; nothing exists"))
        })?;
        Ok([
            ("id", Value::string(fingerprint(&key.subject_public_key_info()))),
            ("private_key_pem", Value::string(key.serialize_pem()).into_sensitive()),
            ("public_key_pem", Value::string(key.public_key_pem())),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into())
    }
}

#[cfg(test)]
mod tests {
    use super::Kept;
    use super::PrivateKey;
    use crate::model::lifetime::Timestamp;
    use crate::model::value::Value;

    #[test]
    fn each_algorithm_gives_a_key_that_reads_back() {
        for (algorithm, curve) in
            [("ECDSA", "P256"), ("ECDSA", "P384"), ("ED25519", ""), ("RSA", "")]
        {
            let settled = Value::object([
                ("algorithm", Value::string(algorithm)),
                ("ecdsa_curve", Value::string(curve)),
            ]);
            let made = PrivateKey.make(&settled, Timestamp::from_millis(0)).unwrap();
            let pem = made.get("private_key_pem").unwrap();
            assert!(pem.is_sensitive());
            assert!(pem.as_str().unwrap().starts_with("-----BEGIN PRIVATE KEY-----"));
            let read = rcgen::KeyPair::from_pem(pem.as_str().unwrap()).unwrap();
            assert_eq!(
                made.get("public_key_pem").unwrap().as_str().unwrap(),
                read.public_key_pem()
            );
            assert_eq!(made.get("id").unwrap().as_str().unwrap().len(), 64);
        }
    }

    #[test]
    fn options_of_another_algorithm_are_refused() {
        let config = Value::object([
            ("algorithm", Value::string("ED25519")),
            ("rsa_bits", Value::number(1024_i64)),
        ]);
        assert_eq!(PrivateKey.check(&config).len(), 2);
        let unknown = Value::object([("algorithm", Value::unknown())]);
        assert!(PrivateKey.check(&unknown).is_empty());
        assert!(PrivateKey.defaults(&unknown).iter().all(|(_, value)| value.is_unknown()));
    }
}
