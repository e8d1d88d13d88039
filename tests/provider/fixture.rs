//! The types under test: one fixture each, with configurations that work and one that does not.
//!
//! Start with [`Fixture`]; a new type is a row in [`every_type`].

use std::path::Path as Folder;
use std::sync::Arc;
use std::sync::LazyLock;

use gov::model::value::Value;
use gov::provider::Provider;
use gov::provider::builtin::Means;
use gov::provider::builtin::random;
use gov::provider::builtin::tls;
use gov::provider::sim;

/// What looking for a create whose reply was lost finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Find {
    /// The object, by its marker; with another marker, none.
    ByMarker,
    /// The object, by a name that follows from the configuration, whatever the marker.
    ByName,
    /// Nothing, since the object exists in the reply alone.
    InReplyAlone,
    /// Nobody can tell.
    Never,
}

/// Makes a configuration.
pub type Config = fn() -> Value;

/// One type under test. Configurations are as a blueprint has them: what is left out is null.
pub struct Fixture {
    /// Opens the provider; relative paths of local types lie under the folder.
    pub open: fn(&Folder, &Means) -> Arc<dyn Provider>,
    /// The type.
    pub kind: &'static str,
    /// A configuration that works; made anew each time, since some hold keys.
    pub valid: Config,
    /// One that changes the valid one in place, where the type can.
    pub update: Option<Config>,
    /// One that needs a new object, and the attributes that force it.
    pub replacement: Option<(Config, &'static [&'static str])>,
    /// One that fits the schema and is wrong all the same, and the attribute that is wrong.
    pub invalid: (Config, &'static str),
    /// What looking for a lost create finds.
    pub find: Find,
}

pub fn text(value: &str) -> Value {
    Value::string(value)
}

fn random_provider(_: &Folder, means: &Means) -> Arc<dyn Provider> {
    random::open(means)
}

fn tls_provider(_: &Folder, means: &Means) -> Arc<dyn Provider> {
    tls::open(means)
}

fn sim_provider(_: &Folder, means: &Means) -> Arc<dyn Provider> {
    sim::open(means)
}

/// One key for all certificates of a run: a certificate changes with its key.
static SECRET_KEY: LazyLock<String> =
    LazyLock::new(|| rcgen::KeyPair::generate().expect("a key").serialize_pem());

fn certificate(extra: [(&str, Value); 2]) -> Value {
    let base = [
        ("private_key_pem", text(&SECRET_KEY)),
        ("dns_names", Value::list(vec![text("db.example")])),
    ];
    Value::object(base.into_iter().chain(extra))
}

/// Every type of every built-in provider. Adding a type is adding a fixture.
pub fn every_type() -> Vec<Fixture> {
    [random_types(), tls_types(), sim_types()].into_iter().flatten().collect()
}

fn random_types() -> Vec<Fixture> {
    vec![
        Fixture {
            open: random_provider,
            kind: "random_id",
            valid: || Value::object([("prefix", text("run-"))]),
            update: None,
            replacement: Some((
                || {
                    Value::object([
                        ("byte_length", Value::number(16_i64)),
                        ("prefix", text("run-")),
                    ])
                },
                &["byte_length"],
            )),
            invalid: (|| Value::object([("byte_length", Value::number(0_i64))]), "byte_length"),
            find: Find::InReplyAlone,
        },
        Fixture {
            open: random_provider,
            kind: "random_password",
            valid: || Value::object([("length", Value::number(24_i64))]),
            update: None,
            replacement: Some((
                || {
                    let keepers = Value::object([("rotated", text("2026-03"))]);
                    Value::object([("length", Value::number(24_i64)), ("keepers", keepers)])
                },
                &["keepers"],
            )),
            invalid: (|| Value::object([("length", Value::number(4_i64))]), "length"),
            find: Find::InReplyAlone,
        },
    ]
}

pub fn tls_types() -> Vec<Fixture> {
    vec![
        Fixture {
            open: tls_provider,
            kind: "tls_private_key",
            valid: || Value::object([("algorithm", text("ECDSA"))]),
            update: None,
            replacement: Some((
                || Value::object([("algorithm", text("ECDSA")), ("ecdsa_curve", text("P384"))]),
                &["ecdsa_curve"],
            )),
            invalid: (|| Value::object([("algorithm", text("DSA"))]), "algorithm"),
            find: Find::InReplyAlone,
        },
        Fixture {
            open: tls_provider,
            kind: "tls_self_signed_cert",
            valid: || {
                certificate([("validity_hours", Value::number(48_i64)), ("is_ca", Value::null())])
            },
            update: Some(|| {
                let early = ("early_renewal_hours", Value::number(8_i64));
                certificate([("validity_hours", Value::number(48_i64)), early])
            }),
            replacement: Some((
                || {
                    let names = Value::list(vec![text("other.example")]);
                    certificate([("validity_hours", Value::number(48_i64)), ("dns_names", names)])
                },
                &["dns_names"],
            )),
            invalid: (
                || {
                    let subject = Value::object([("country", text("germany"))]);
                    certificate([("validity_hours", Value::number(48_i64)), ("subject", subject)])
                },
                "subject",
            ),
            find: Find::InReplyAlone,
        },
    ]
}

fn sim_type(kind: &'static str, valid: Config, find: Find) -> Fixture {
    Fixture {
        open: sim_provider,
        kind,
        valid,
        update: None,
        replacement: Some((|| Value::object([("name", text("b"))]), &["name"])),
        invalid: (|| Value::object([("name", text(""))]), "name"),
        find,
    }
}

pub fn sim_types() -> Vec<Fixture> {
    let named: Config = || Value::object([("name", text("a"))]);
    let database: Config = || Value::object([("name", text("a")), ("region", text("eu-1"))]);
    let remote: Config =
        || Value::object([("name", text("a")), ("endpoint", text("https://db.example"))]);
    let link: Config = || Value::object([("from", text("a")), ("to", text("b"))]);
    vec![
        Fixture {
            update: Some(|| {
                let tags = Value::object([("gov:owner", text("ada"))]);
                let members = [("name", text("a")), ("secret", text("s3")), ("tags", tags)];
                Value::object(members)
            }),
            replacement: Some((
                || Value::object([("name", text("a")), ("zone", text("zone-b"))]),
                &["zone"],
            )),
            ..sim_type("sim_object", named, Find::ByMarker)
        },
        Fixture {
            update: Some(|| {
                let size = Value::number(3_i64);
                Value::object([("name", text("a")), ("region", text("eu-1")), ("size", size)])
            }),
            replacement: Some((
                || Value::object([("name", text("a")), ("region", text("eu-2"))]),
                &["region"],
            )),
            invalid: (
                || {
                    let size = Value::number(0_i64);
                    Value::object([("name", text("a")), ("region", text("r")), ("size", size)])
                },
                "size",
            ),
            ..sim_type("sim_database", database, Find::ByMarker)
        },
        Fixture {
            replacement: Some((
                || Value::object([("from", text("a")), ("to", text("c"))]),
                &["to"],
            )),
            invalid: (|| Value::object([("from", text("a")), ("to", text("a"))]), "to"),
            ..sim_type("sim_link", link, Find::ByName)
        },
        Fixture {
            update: Some(|| {
                let endpoint = text("https://other.example");
                Value::object([("name", text("a")), ("endpoint", endpoint)])
            }),
            replacement: Some((
                || {
                    let endpoint = text("https://db.example");
                    Value::object([("name", text("b")), ("endpoint", endpoint)])
                },
                &["name"],
            )),
            invalid: (
                || Value::object([("name", text("a")), ("endpoint", text("http://x"))]),
                "endpoint",
            ),
            ..sim_type("sim_remote", remote, Find::ByMarker)
        },
        sim_type("sim_unpriced", named, Find::ByMarker),
        sim_type("sim_vague", named, Find::Never),
    ]
}
