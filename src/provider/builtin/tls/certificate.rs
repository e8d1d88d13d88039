//! `tls_self_signed_cert`: a certificate that its own key signs, replaced before it ends.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::DistinguishedName;
use rcgen::DnType;
use rcgen::ExtendedKeyUsagePurpose;
use rcgen::IsCa;
use rcgen::KeyPair;
use rcgen::KeyUsagePurpose;
use rcgen::SanType;
use rcgen::SerialNumber;

use crate::model::lifetime::Duration;
use crate::model::lifetime::Timestamp;
use crate::model::number::Number;
use crate::model::schema::Attribute;
use crate::model::schema::ObjectAttribute;
use crate::model::schema::Type;
use crate::model::value::Path;
use crate::model::value::Step;
use crate::model::value::Value;
use crate::provider::Failure;
use crate::provider::Remark;
use crate::provider::TypeOffer;
use crate::provider::builtin::Entropy;
use crate::provider::builtin::attribute;
use crate::provider::builtin::kept::Kept;
use crate::provider::builtin::tls::fingerprint;
use crate::provider::builtin::tls::not_one_of;
use crate::provider::builtin::tls::type_offer;

/// Longest validity in hours, ten years: a certificate outliving its environment by more is a
/// forgotten one.
const VALIDITY_HOURS_MAX: usize = 10 * 366 * 24;

/// Most names in one certificate: what public authorities allow.
const NAMES_MAX: usize = 100;

/// Longest text of a private key in bytes; RSA with 4096 bits takes 3.3 KB.
const KEY_TEXT_MAX: usize = 16 * 1024;

/// Bytes of a serial number: the most that RFC 5280 allows.
const SERIAL_BYTES: usize = 20;

/// The last second that a certificate can name: the end of the year 9999.
const SECOND_MAX: i64 = 253_402_300_799;

/// Parts of a subject: name, type, most characters (RFC 5280, appendix A).
const SUBJECT: [(&str, DnType, usize); 6] = [
    ("common_name", DnType::CommonName, 64),
    ("organization", DnType::OrganizationName, 64),
    ("organizational_unit", DnType::OrganizationalUnitName, 64),
    ("country", DnType::CountryName, 2),
    ("province", DnType::StateOrProvinceName, 128),
    ("locality", DnType::LocalityName, 128),
];

/// Uses of the key itself.
const KEY_USES: [(&str, KeyUsagePurpose); 9] = [
    ("digital_signature", KeyUsagePurpose::DigitalSignature),
    ("content_commitment", KeyUsagePurpose::ContentCommitment),
    ("key_encipherment", KeyUsagePurpose::KeyEncipherment),
    ("data_encipherment", KeyUsagePurpose::DataEncipherment),
    ("key_agreement", KeyUsagePurpose::KeyAgreement),
    ("cert_signing", KeyUsagePurpose::KeyCertSign),
    ("crl_signing", KeyUsagePurpose::CrlSign),
    ("encipher_only", KeyUsagePurpose::EncipherOnly),
    ("decipher_only", KeyUsagePurpose::DecipherOnly),
];

/// Purposes of the certificate.
const PURPOSES: [(&str, ExtendedKeyUsagePurpose); 7] = [
    ("any_extended", ExtendedKeyUsagePurpose::Any),
    ("server_auth", ExtendedKeyUsagePurpose::ServerAuth),
    ("client_auth", ExtendedKeyUsagePurpose::ClientAuth),
    ("code_signing", ExtendedKeyUsagePurpose::CodeSigning),
    ("email_protection", ExtendedKeyUsagePurpose::EmailProtection),
    ("timestamping", ExtendedKeyUsagePurpose::TimeStamping),
    ("ocsp_signing", ExtendedKeyUsagePurpose::OcspSigning),
];

/// `tls_self_signed_cert`, with the source of its serial numbers.
pub(super) struct SelfSigned(pub(super) Arc<dyn Entropy>);

impl Kept for SelfSigned {
    fn offer(&self) -> TypeOffer {
        let texts = || Attribute::optional(Type::List(Box::new(Type::String)));
        let part = |(name, ..): &(&str, DnType, usize)| {
            ((*name).to_owned(), ObjectAttribute { ty: Type::String, optional: true })
        };
        let subject = Type::Object(SUBJECT.iter().map(part).collect());
        let computed = |what: &str| Attribute::computed(Type::String).describe(what);
        let attributes = vec![
            (
                "private_key_pem",
                Attribute::required(Type::String)
                    .sensitive()
                    .describe("The key that signs and is certified, in PEM."),
            ),
            ("subject", Attribute::optional(subject).describe("Whom the certificate is about.")),
            ("dns_names", texts().describe("Host names it is valid for.")),
            ("ip_addresses", texts().describe("Addresses it is valid for.")),
            (
                "validity_hours",
                Attribute::required(Type::Number)
                    .describe("Hours it is valid for, up to ten years."),
            ),
            (
                "early_renewal_hours",
                Attribute::optional(Type::Number)
                    .or_computed()
                    .describe("Hours before its end from which it is replaced; 0 unless given."),
            ),
            (
                "is_ca",
                Attribute::optional(Type::Bool)
                    .or_computed()
                    .describe("Whether it may sign certificates of others; false unless given."),
            ),
            ("allowed_uses", texts().describe("What it may be used for, such as server_auth.")),
            ("id", computed("SHA-256 over the certificate, in hex: its fingerprint.")),
            ("cert_pem", computed("The certificate, in PEM.")),
            ("validity_start", computed("From when it is valid.")),
            ("validity_end", computed("Until when it is valid.")),
        ];
        type_offer(attributes, &[], "a certificate signed by itself takes no room anywhere")
    }

    fn defaults(&self, _config: &Value) -> Vec<(&'static str, Value)> {
        vec![("early_renewal_hours", Value::number(0_usize)), ("is_ca", Value::bool(false))]
    }

    fn in_place(&self) -> &'static [&'static str] {
        // It says when to replace the certificate and is not in it.
        &["early_renewal_hours"]
    }

    fn check(&self, config: &Value) -> Vec<Remark> {
        let mut problems = Vec::new();
        if let Some(pem) = attribute(config, "private_key_pem").as_str()
            && let Err(problem) = read_key(pem)
        {
            problems.push(Remark::on("private_key_pem", problem));
        }
        check_hours(config, &mut problems);
        check_subject(config, &mut problems);
        check_names(config, &mut problems);
        check_each(config, "allowed_uses", &mut problems, |text| {
            let known: Vec<&str> = uses().collect();
            not_one_of(text, &known)
        });
        problems
    }

    fn make(&self, settled: &Value, now: Timestamp) -> Result<BTreeMap<String, Value>, Failure> {
        let pem = attribute(settled, "private_key_pem");
        let key = read_key(pem.as_str().unwrap_or_default())
            .map_err(|problem| Failure::rejected(problem).on("private_key_pem"))?;
        let hours = whole(settled, "validity_hours").and_then(|h| u32::try_from(h).ok());
        let start = Timestamp::from_millis(now.as_millis().div_euclid(1000).saturating_mul(1000));
        let end = start.plus(Duration::from_hours(hours.unwrap_or(0)));
        let mut params = CertificateParams::default();
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        params.not_before = epoch + seconds(start)?;
        params.not_after = epoch + seconds(end)?;
        params.serial_number = Some(self.draw_serial()?);
        params.distinguished_name = subject(settled);
        params.subject_alt_names = names(settled)?;
        params.is_ca = match attribute(settled, "is_ca").as_bool() {
            Some(true) => IsCa::Ca(BasicConstraints::Unconstrained),
            _ => IsCa::ExplicitNoCa,
        };
        let allowed = texts(settled, "allowed_uses");
        let is_allowed = |name: &str| allowed.iter().any(|given| given == name);
        params.key_usages =
            KEY_USES.iter().filter(|(name, _)| is_allowed(name)).map(|(_, p)| *p).collect();
        params.extended_key_usages =
            PURPOSES.iter().filter(|(name, _)| is_allowed(name)).map(|(_, p)| p.clone()).collect();
        let certificate = params.self_signed(&key).map_err(|error| {
            Failure::rejected(format!("the certificate could not be signed: {error}"))
        })?;
        Ok([
            ("id", fingerprint(certificate.der())),
            ("cert_pem", certificate.pem()),
            ("validity_start", start.to_string()),
            ("validity_end", end.to_string()),
        ]
        .map(|(name, text)| (name.to_owned(), Value::string(text)))
        .into())
    }

    fn renewal(&self, object: &Value, now: Timestamp) -> Option<(&'static str, String)> {
        let end = Timestamp::parse(attribute(object, "validity_end").as_str()?).ok()?;
        let hours = whole(object, "early_renewal_hours").and_then(|h| u32::try_from(h).ok())?;
        let due = end.minus(Duration::from_hours(hours));
        (now >= due)
            .then(|| ("cert_pem", format!("ends at {end} and is to be replaced from {due} on")))
    }
}

impl SelfSigned {
    fn draw_serial(&self) -> Result<SerialNumber, Failure> {
        let mut bytes = [0; SERIAL_BYTES];
        self.0.fill(&mut bytes).map_err(|error| Failure::transient(error.to_string()))?;
        // Positive, and of full length, so that it neither grows a sign byte nor reads as zero.
        if let Some(first) = bytes.first_mut() {
            *first = (*first & 0x7f) | 0x40;
        }
        Ok(SerialNumber::from_slice(&bytes))
    }
}

fn read_key(pem: &str) -> Result<KeyPair, &'static str> {
    const WRONG: &str = "is not a private key in PEM (PKCS #8, ECDSA, Ed25519 or RSA)";
    if pem.len() > KEY_TEXT_MAX {
        return Err(WRONG);
    }
    // What the parser says might quote the key.
    KeyPair::from_pem(pem).map_err(|_| WRONG)
}

/// Seconds since 1970, where a certificate can name the time.
fn seconds(at: Timestamp) -> Result<std::time::Duration, Failure> {
    let seconds = at.as_millis().div_euclid(1000);
    match u64::try_from(seconds) {
        Ok(since) if seconds <= SECOND_MAX => Ok(std::time::Duration::from_secs(since)),
        _ => Err(Failure::rejected(format!("a certificate cannot name the time {at}"))),
    }
}

fn subject(settled: &Value) -> DistinguishedName {
    let given = attribute(settled, "subject");
    let mut name = DistinguishedName::new();
    for (part, kind, _) in SUBJECT {
        if let Some(text) = attribute(&given, part).as_str() {
            name.push(kind, text);
        }
    }
    name
}

fn names(settled: &Value) -> Result<Vec<SanType>, Failure> {
    let mut names = Vec::new();
    for text in texts(settled, "dns_names") {
        let name = text.as_str().try_into().map_err(|_| {
            Failure::rejected(format!("`{text}` is not a host name")).on("dns_names")
        })?;
        names.push(SanType::DnsName(name));
    }
    for text in texts(settled, "ip_addresses") {
        let address: IpAddr = text.parse().map_err(|_| {
            Failure::rejected(format!("`{text}` is not an address")).on("ip_addresses")
        })?;
        names.push(SanType::IpAddress(address));
    }
    Ok(names)
}

fn check_hours(config: &Value, problems: &mut Vec<Remark>) {
    let bounds = [("validity_hours", 1), ("early_renewal_hours", 0)];
    for (name, least) in bounds {
        let value = attribute(config, name);
        let fits = |number: &Number| {
            number.as_usize().is_some_and(|given| (least..=VALIDITY_HOURS_MAX).contains(&given))
        };
        if let Some(number) = value.as_number().filter(|number| !fits(number)) {
            let problem =
                format!("needs whole hours from {least} to {VALIDITY_HOURS_MAX}, has {number}");
            problems.push(Remark::on(name, problem));
        }
    }
    let pair = whole(config, "early_renewal_hours").zip(whole(config, "validity_hours"));
    if let Some((early, valid)) = pair
        && early >= valid
    {
        let problem = format!(
            "of {early} is not below `validity_hours` of {valid}: it would be replaced for ever"
        );
        problems.push(Remark::on("early_renewal_hours", problem));
    }
}

fn check_subject(config: &Value, problems: &mut Vec<Remark>) {
    let given = attribute(config, "subject");
    for (part, _, most) in SUBJECT {
        let value = attribute(&given, part);
        let Some(text) = value.as_str() else { continue };
        let length = text.chars().count();
        let wrong = match part {
            "country" => text.len() != 2 || !text.bytes().all(|b| b.is_ascii_uppercase()),
            _ => length == 0 || length > most || text.chars().any(char::is_control),
        };
        if wrong {
            let problem = match part {
                "country" => "needs two capital letters".to_owned(),
                _ => format!("needs 1 to {most} printable characters, has {length}"),
            };
            let path = Path::attribute("subject").join(Step::Attribute(part.to_owned()));
            problems.push(Remark { path, ..Remark::new(problem) });
        }
    }
    let is_empty = |name: &str| {
        let value = attribute(config, name);
        value.is_null() || value.as_items().is_some_and(<[Value]>::is_empty)
    };
    let names_nobody =
        given.is_null() || SUBJECT.iter().all(|(p, ..)| attribute(&given, p).is_null());
    if names_nobody && is_empty("dns_names") && is_empty("ip_addresses") {
        problems.push(Remark::new(
            "the certificate names nobody; give `subject`, `dns_names` or `ip_addresses`",
        ));
    }
}

fn check_names(config: &Value, problems: &mut Vec<Remark>) {
    check_each(config, "dns_names", problems, |text| {
        (!is_host_name(text)).then(|| format!("`{text}` is not a host name"))
    });
    check_each(config, "ip_addresses", problems, |text| {
        text.parse::<IpAddr>().is_err().then(|| format!("`{text}` is not an address"))
    });
}

fn check_each(
    config: &Value,
    name: &str,
    problems: &mut Vec<Remark>,
    wrong: impl Fn(&str) -> Option<String>,
) {
    let value = attribute(config, name);
    let items = value.as_items().unwrap_or_default();
    if items.len() > NAMES_MAX {
        let problem = format!("may have {NAMES_MAX} items at most, has {}", items.len());
        problems.push(Remark::on(name, problem));
        return;
    }
    for (index, item) in items.iter().enumerate() {
        let problem = if item.is_null() {
            Some("is null".to_owned())
        } else {
            item.as_str().and_then(&wrong)
        };
        if let Some(problem) = problem {
            let path = Path::attribute(name).join(Step::Index(index));
            problems.push(Remark { path, ..Remark::new(problem) });
        }
    }
}

/// Letters, digits, hyphens and underscores between dots; `*` alone in front.
fn is_host_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(inner)
    };
    text.len() <= 253 && text.strip_prefix("*.").unwrap_or(text).split('.').all(is_label)
}

fn uses() -> impl Iterator<Item = &'static str> {
    KEY_USES.iter().map(|(name, _)| *name).chain(PURPOSES.iter().map(|(name, _)| *name))
}

fn whole(value: &Value, name: &str) -> Option<usize> {
    attribute(value, name).as_number().and_then(Number::as_usize)
}

fn texts(value: &Value, name: &str) -> Vec<String> {
    let value = attribute(value, name);
    let items = value.as_items().unwrap_or_default();
    items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::Kept;
    use super::SelfSigned;
    use super::is_host_name;
    use crate::model::lifetime::Duration;
    use crate::model::lifetime::Timestamp;
    use crate::model::value::Value;
    use crate::provider::builtin::Entropy;
    use crate::provider::builtin::EntropyError;

    struct Same(u8);

    impl Entropy for Same {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
            bytes.fill(self.0);
            Ok(())
        }
    }

    fn now() -> Timestamp {
        Timestamp::parse("2026-03-04T05:06:07.890Z").unwrap()
    }

    fn key() -> String {
        rcgen::KeyPair::generate().unwrap().serialize_pem()
    }

    fn certificate(extra: &[(&str, Value)]) -> Value {
        let mut config = vec![
            ("private_key_pem", Value::string(key())),
            ("dns_names", Value::list(vec![Value::string("db.example")])),
            ("validity_hours", Value::number(48_i64)),
            ("early_renewal_hours", Value::number(8_i64)),
        ];
        config.extend_from_slice(extra);
        Value::object(config)
    }

    fn contains(whole: &[u8], part: &[u8]) -> bool {
        whole.windows(part.len()).any(|window| window == part)
    }

    #[test]
    fn a_wrong_key_is_refused_without_quoting_it() {
        let secret = "-----BEGIN PRIVATE KEY-----\naHVudGVyMg==\n-----END PRIVATE KEY-----\n";
        let config = certificate(&[("private_key_pem", Value::string(secret))]);
        let problems = SelfSigned(Arc::new(Same(1))).check(&config);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].to_string().starts_with("private_key_pem: is not a private key"));
        assert!(!problems[0].to_string().contains("aHVudGVyMg"));
    }

    #[test]
    fn a_certificate_carries_its_names_times_and_serial_number() {
        let maker = SelfSigned(Arc::new(Same(0xff)));
        let config = certificate(&[
            ("ip_addresses", Value::list(vec![Value::string("10.1.2.3")])),
            ("subject", Value::object([("common_name", Value::string("Data Base"))])),
            ("allowed_uses", Value::list(vec![Value::string("server_auth")])),
        ]);
        assert!(maker.check(&config).is_empty(), "{:?}", maker.check(&config));
        let made = maker.make(&config, now()).unwrap();
        let text = |name: &str| made.get(name).unwrap().as_str().unwrap().to_owned();
        assert_eq!(text("validity_start"), "2026-03-04T05:06:07Z");
        assert_eq!(text("validity_end"), "2026-03-06T05:06:07Z");
        let pem = text("cert_pem");
        let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let der = STANDARD.decode(body).unwrap();
        for part in [b"db.example".as_slice(), b"Data Base", &[10, 1, 2, 3]] {
            assert!(contains(&der, part));
        }
        assert!(contains(&der, b"260304050607Z") && contains(&der, b"260306050607Z"));
        let serial: Vec<u8> = [2, 20, 0x7f].into_iter().chain([0xff; 19]).collect();
        assert!(contains(&der, &serial), "a positive serial number of 20 bytes");
    }

    #[test]
    fn renewal_comes_due_early_and_not_before() {
        let maker = SelfSigned(Arc::new(Same(1)));
        let end = now().plus(Duration::from_hours(48));
        let object = Value::object([
            ("validity_end", Value::string(end.to_string())),
            ("early_renewal_hours", Value::number(8_i64)),
        ]);
        assert!(maker.renewal(&object, end.minus(Duration::from_secs(8 * 3600 + 1))).is_none());
        assert!(maker.renewal(&object, end.minus(Duration::from_hours(8))).is_some());
    }

    #[test]
    fn wrong_certificates_are_refused_with_all_reasons() {
        let config = certificate(&[
            ("dns_names", Value::list(vec![Value::string("ok.example"), Value::string("a b")])),
            ("ip_addresses", Value::list(vec![Value::string("10.0.0.256")])),
            ("early_renewal_hours", Value::number(48_i64)),
            ("allowed_uses", Value::list(vec![Value::string("server_atuh")])),
            ("subject", Value::object([("country", Value::string("Germany"))])),
        ]);
        let problems = SelfSigned(Arc::new(Same(1))).check(&config);
        let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), 5, "{texts:?}");
        assert!(texts.iter().any(|text| text.starts_with("dns_names[1]: ")), "{texts:?}");
        assert!(texts.iter().any(|text| text.contains("did you mean `server_auth`?")), "{texts:?}");
        let nobody = certificate(&[("dns_names", Value::list(Vec::new()))]);
        assert_eq!(SelfSigned(Arc::new(Same(1))).check(&nobody).len(), 1);
        assert!(SelfSigned(Arc::new(Same(1))).check(&Value::unknown()).is_empty());
    }

    #[test]
    fn a_time_beyond_all_calendars_is_refused() {
        let far = Timestamp::from_millis(253_402_300_000_000);
        let failure = SelfSigned(Arc::new(Same(1))).make(&certificate(&[]), far).unwrap_err();
        assert!(failure.to_string().contains("cannot name the time"));
    }

    #[test]
    fn host_names() {
        for right in ["a", "db.example", "*.example", "_dmarc.x-y.example"] {
            assert!(is_host_name(right), "{right}");
        }
        for wrong in ["", ".", "a..b", "-a", "a b", "a.*.b", "https://a", "é.example"] {
            assert!(!is_host_name(wrong), "{wrong}");
        }
    }
}
