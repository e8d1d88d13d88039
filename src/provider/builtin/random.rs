//! `builtin/random`: identifiers and passwords drawn once and kept.
//!
//! A value exists only in the reply to its create, and then in gov's books, a password sealed.
//! Nothing outside holds it: a create whose reply was lost left nothing, so looking for it answers
//! that it is absent, and drawing again is safe. Every argument forces a new object, `keepers`
//! too: change one to draw anew. Start with [`open`].

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bigdecimal::num_bigint::BigUint;
use zeroize::Zeroizing;

use crate::model::lifetime::Timestamp;
use crate::model::schema::Attribute;
use crate::model::schema::Block;
use crate::model::schema::Schema;
use crate::model::schema::Type;
use crate::model::value::Value;
use crate::provider::Failure;
use crate::provider::Governance;
use crate::provider::PriceRule;
use crate::provider::Provider;
use crate::provider::RegionRule;
use crate::provider::Remark;
use crate::provider::TypeOffer;
use crate::provider::builtin::Entropy;
use crate::provider::builtin::EntropyError;
use crate::provider::builtin::Means;
use crate::provider::builtin::attribute;
use crate::provider::builtin::kept::Kept;
use crate::provider::builtin::kept::KeptProvider;

/// Bytes of an identifier where none are asked for: as good as never drawn twice by one team.
const ID_BYTES_DEFAULT: usize = 8;

/// Most bytes of an identifier; a longer one fits no name that a cloud allows.
const ID_BYTES_MAX: usize = 256;

/// Bytes of the identifier of a password, which says nothing of the password.
const PASSWORD_ID_BYTES: usize = 8;

/// Fewest characters of a password: NIST SP 800-63B allows none shorter.
const PASSWORD_MIN: usize = 8;

/// Most characters of a password; what takes passwords cuts or refuses longer ones.
const PASSWORD_MAX: usize = 256;

/// Characters drawn as special where no others are named: none that a shell or a URL reads.
const SPECIAL: &str = "!@#%&*()-_=+[]{}<>:?";

/// Most characters in a prefix, so that a name made of it still fits somewhere.
const PREFIX_MAX: usize = 256;

/// Draws in a row that may fall outside the range before the source counts as broken. Each does so
/// with a chance below one half, so a sound source gets here once in 2^128 draws.
const REDRAWS_MAX: u32 = 128;

/// The classes of characters: the switch, the least count, the characters.
const CLASSES: [(&str, &str, &str); 4] = [
    ("upper", "min_upper", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    ("lower", "min_lower", "abcdefghijklmnopqrstuvwxyz"),
    ("numeric", "min_numeric", "0123456789"),
    ("special", "min_special", SPECIAL),
];

/// Opens the provider.
#[must_use]
pub fn open(means: &Means) -> Arc<dyn Provider> {
    let types: BTreeMap<&'static str, Arc<dyn Kept>> = [
        ("random_id", Arc::new(RandomId(means.entropy.clone())) as Arc<dyn Kept>),
        ("random_password", Arc::new(RandomPassword(means.entropy.clone()))),
    ]
    .into();
    Arc::new(KeptProvider::new(types, means.clock.clone()))
}

struct RandomId(Arc<dyn Entropy>);

struct RandomPassword(Arc<dyn Entropy>);

fn offer(attributes: Vec<(&str, Attribute)>, reason: &str) -> TypeOffer {
    let attributes = attributes.into_iter().map(|(name, a)| (name.to_owned(), a)).collect();
    let block = Block { attributes, ..Block::default() };
    let governance = Governance {
        region: RegionRule::Global,
        price: PriceRule::Free { reason: reason.to_owned() },
        ..Governance::default()
    };
    TypeOffer { schema: Schema { version: 1, block }, governance }
}

fn keepers() -> Attribute {
    Attribute::optional(Type::Map(Box::new(Type::String)))
        .describe("Values that have to stay the same; a change of one draws anew.")
}

impl Kept for RandomId {
    fn offer(&self) -> TypeOffer {
        let computed = || Attribute::computed(Type::String);
        let attributes = vec![
            (
                "byte_length",
                Attribute::optional(Type::Number)
                    .or_computed()
                    .describe("Random bytes to draw, 1 to 256; 8 unless given."),
            ),
            (
                "prefix",
                Attribute::optional(Type::String)
                    .describe("Text before `hex`, `dec` and `b64_url`; not before `id`."),
            ),
            ("keepers", keepers()),
            ("id", computed().describe("The bytes in base 64 for URLs, without the prefix.")),
            ("hex", computed().describe("The prefix and the bytes in lower-case hex.")),
            ("dec", computed().describe("The prefix and the bytes as one decimal number.")),
            ("b64_url", computed().describe("The prefix and the bytes in base 64 for URLs.")),
        ];
        offer(attributes, "a drawn number takes no room anywhere")
    }

    fn defaults(&self, _config: &Value) -> Vec<(&'static str, Value)> {
        vec![("byte_length", Value::number(ID_BYTES_DEFAULT))]
    }

    fn check(&self, config: &Value) -> Vec<Remark> {
        let mut problems = Vec::new();
        check_count(config, "byte_length", 1, ID_BYTES_MAX, &mut problems);
        let length = attribute(config, "prefix").as_str().map_or(0, |text| text.chars().count());
        if length > PREFIX_MAX {
            let problem = format!("may have {PREFIX_MAX} characters at most, has {length}");
            problems.push(Remark::on("prefix", problem));
        }
        problems
    }

    fn make(&self, settled: &Value, _: Timestamp) -> Result<BTreeMap<String, Value>, Failure> {
        let mut bytes = vec![0; count(settled, "byte_length").unwrap_or(ID_BYTES_DEFAULT)];
        self.0.fill(&mut bytes).map_err(broken)?;
        let prefix = attribute(settled, "prefix");
        let prefixed = |text: &str| {
            let whole = format!("{}{text}", prefix.as_str().unwrap_or_default());
            Value::string(whole).with_sensitive(prefix.is_sensitive())
        };
        let encoded = URL_SAFE_NO_PAD.encode(&bytes);
        Ok([
            ("hex", prefixed(&hex(&bytes))),
            ("dec", prefixed(&BigUint::from_bytes_be(&bytes).to_string())),
            ("b64_url", prefixed(&encoded)),
            ("id", Value::string(encoded)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into())
    }
}

impl Kept for RandomPassword {
    fn offer(&self) -> TypeOffer {
        let switch = |what: &str| {
            Attribute::optional(Type::Bool)
                .or_computed()
                .describe(&format!("Whether to use {what}; true unless given."))
        };
        let least = |what: &str| {
            Attribute::optional(Type::Number)
                .or_computed()
                .describe(&format!("How many {what} there are at least; 0 unless given."))
        };
        let attributes = vec![
            ("length", Attribute::required(Type::Number).describe("Characters to draw, 8 to 256.")),
            ("upper", switch("upper-case letters")),
            ("lower", switch("lower-case letters")),
            ("numeric", switch("digits")),
            ("special", switch("special characters")),
            (
                "override_special",
                Attribute::optional(Type::String)
                    .describe("The special characters to draw from, instead of gov's own."),
            ),
            ("min_upper", least("upper-case letters")),
            ("min_lower", least("lower-case letters")),
            ("min_numeric", least("digits")),
            ("min_special", least("special characters")),
            ("keepers", keepers()),
            (
                "id",
                Attribute::computed(Type::String)
                    .describe("A name for this password, drawn apart from it."),
            ),
            ("result", Attribute::computed(Type::String).sensitive().describe("The password.")),
        ];
        offer(attributes, "a drawn password takes no room anywhere")
    }

    fn defaults(&self, _config: &Value) -> Vec<(&'static str, Value)> {
        CLASSES
            .iter()
            .flat_map(|(switch, least, _)| {
                [(*switch, Value::bool(true)), (*least, Value::number(0_usize))]
            })
            .collect()
    }

    fn check(&self, config: &Value) -> Vec<Remark> {
        let mut problems = Vec::new();
        check_count(config, "length", PASSWORD_MIN, PASSWORD_MAX, &mut problems);
        let mut least_sum = 0_usize;
        let mut switched_off = 0;
        for (switch, least, _) in CLASSES {
            check_count(config, least, 0, PASSWORD_MAX, &mut problems);
            let wanted = count(config, least).unwrap_or(0);
            least_sum = least_sum.saturating_add(wanted);
            if attribute(config, switch).as_bool() == Some(false) {
                switched_off += 1;
                if wanted > 0 {
                    let problem = format!("asks for {wanted} and `{switch}` is false");
                    problems.push(Remark::on(least, problem));
                }
            }
        }
        if switched_off == CLASSES.len() {
            problems.push(Remark::new("there is no class of characters left to draw from"));
        }
        if count(config, "length").is_some_and(|length| least_sum > length) {
            let problem = format!("is less than the {least_sum} that the least counts ask for");
            problems.push(Remark::on("length", problem));
        }
        if let Some(own) = attribute(config, "override_special").as_str()
            && let Some(problem) = wrong_special(own)
        {
            problems.push(Remark::on("override_special", problem));
        }
        problems
    }

    fn make(&self, settled: &Value, _: Timestamp) -> Result<BTreeMap<String, Value>, Failure> {
        let mut id = [0; PASSWORD_ID_BYTES];
        self.0.fill(&mut id).map_err(broken)?;
        let password = self.draw_password(settled).map_err(broken)?;
        Ok([
            ("id".to_owned(), Value::string(hex(&id))),
            ("result".to_owned(), Value::string(password.as_str()).into_sensitive()),
        ]
        .into())
    }
}

impl RandomPassword {
    /// Draws the least counts of each class, then the rest from all classes, then shuffles.
    fn draw_password(&self, settled: &Value) -> Result<Zeroizing<String>, EntropyError> {
        let own = attribute(settled, "override_special");
        let length = count(settled, "length").unwrap_or(PASSWORD_MAX);
        let mut drawn = Zeroizing::new(Vec::with_capacity(length));
        let mut all = Vec::new();
        for (switch, least, letters) in CLASSES {
            if attribute(settled, switch).as_bool() == Some(false) {
                continue;
            }
            let letters = match own.as_str() {
                Some(own) if switch == "special" => own,
                _ => letters,
            };
            all.extend_from_slice(letters.as_bytes());
            for _ in 0..count(settled, least).unwrap_or(0) {
                drawn.push(self.pick(letters.as_bytes())?);
            }
        }
        while drawn.len() < length {
            drawn.push(self.pick(&all)?);
        }
        for last in (1..drawn.len()).rev() {
            drawn.swap(last, draw_below(self.0.as_ref(), last + 1)?);
        }
        let letters = drawn.iter().map(|byte| char::from(*byte));
        let mut password = Zeroizing::new(String::with_capacity(length));
        password.extend(letters);
        Ok(password)
    }

    fn pick(&self, letters: &[u8]) -> Result<u8, EntropyError> {
        let at = draw_below(self.0.as_ref(), letters.len())?;
        letters.get(at).copied().ok_or(EntropyError)
    }
}

/// Draws a number below `bound`, each as likely as any other: what would tilt the scale is drawn
/// again. Bounds from 1 to 256.
fn draw_below(entropy: &dyn Entropy, bound: usize) -> Result<usize, EntropyError> {
    if bound == 0 || bound > 256 {
        return Err(EntropyError);
    }
    let fair = 256 - 256 % bound;
    for _ in 0..REDRAWS_MAX {
        let mut byte = [0];
        entropy.fill(&mut byte)?;
        let drawn = usize::from(u8::from_be_bytes(byte));
        if drawn < fair {
            return Ok(drawn % bound);
        }
    }
    Err(EntropyError)
}

/// Why text will not do as special characters.
fn wrong_special(text: &str) -> Option<&'static str> {
    let mut seen = std::collections::BTreeSet::new();
    if text.is_empty() {
        Some("is empty; leave it out, or set `special` to false")
    } else if !text.bytes().all(|byte| byte.is_ascii_punctuation() || byte == b' ') {
        Some("may hold ASCII punctuation and the space only; the rest has switches of its own")
    } else if !text.bytes().all(|byte| seen.insert(byte)) {
        Some("names a character twice, which would draw it more often")
    } else {
        None
    }
}

fn count(value: &Value, name: &str) -> Option<usize> {
    attribute(value, name).as_number().and_then(crate::model::number::Number::as_usize)
}

fn check_count(config: &Value, name: &str, least: usize, most: usize, found: &mut Vec<Remark>) {
    let value = attribute(config, name);
    let Some(number) = value.as_number() else { return };
    if !number.as_usize().is_some_and(|given| (least..=most).contains(&given)) {
        let problem = format!("needs a whole number from {least} to {most}, has {number}");
        found.push(Remark::on(name, problem));
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn broken(error: EntropyError) -> Failure {
    Failure::transient(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::CLASSES;
    use super::Kept;
    use super::RandomId;
    use super::RandomPassword;
    use super::draw_below;
    use crate::model::lifetime::Timestamp;
    use crate::model::value::Value;
    use crate::provider::builtin::Entropy;
    use crate::provider::builtin::EntropyError;
    use std::sync::Arc;

    /// Gives these bytes over and over.
    struct Bytes(Vec<u8>, Mutex<usize>);

    impl Bytes {
        fn new(bytes: impl IntoIterator<Item = u8>) -> Self {
            Self(bytes.into_iter().collect(), Mutex::new(0))
        }
    }

    impl Entropy for Bytes {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
            let mut at = self.1.lock().unwrap();
            for byte in bytes {
                *byte = self.0[*at % self.0.len()];
                *at += 1;
            }
            Ok(())
        }
    }

    struct Broken;

    impl Entropy for Broken {
        fn fill(&self, _: &mut [u8]) -> Result<(), EntropyError> {
            Err(EntropyError)
        }
    }

    fn number(value: i64) -> Value {
        Value::number(value)
    }

    #[test]
    fn every_number_is_as_likely_as_any_other() {
        for bound in [1, 2, 3, 10, 26, 82, 255, 256] {
            let source = Bytes::new(0..=255);
            let fair = 256 - 256 % bound;
            let mut seen = vec![0; bound];
            for _ in 0..fair {
                seen[draw_below(&source, bound).unwrap()] += 1;
            }
            assert!(seen.iter().all(|times| *times == fair / bound), "{bound}: {seen:?}");
        }
    }

    #[test]
    fn a_source_that_never_fits_is_broken_not_waited_for() {
        assert_eq!(draw_below(&Bytes::new([255]), 10), Err(EntropyError));
        assert_eq!(draw_below(&Broken, 10), Err(EntropyError));
        let made = RandomId(Arc::new(Broken)).make(&Value::null(), Timestamp::from_millis(0));
        assert!(made.unwrap_err().to_string().contains("nothing was made"));
    }

    #[test]
    fn an_identifier_reads_the_same_in_every_base() {
        let entropy = Arc::new(Bytes::new([0, 255, 16, 3]));
        let settled = Value::object([("byte_length", number(4)), ("prefix", Value::string("p-"))]);
        let made = RandomId(entropy).make(&settled, Timestamp::from_millis(0)).unwrap();
        let text = |name: &str| made.get(name).unwrap().as_str().unwrap().to_owned();
        assert_eq!(text("hex"), "p-00ff1003");
        assert_eq!(text("dec"), "p-16715779");
        assert_eq!(text("b64_url"), "p-AP8QAw");
        assert_eq!(text("id"), "AP8QAw");
    }

    #[test]
    fn a_secret_prefix_stays_secret_in_what_is_made_of_it() {
        let settled = Value::object([("prefix", Value::string("p-").into_sensitive())]);
        let entropy = Arc::new(Bytes::new([1]));
        let made = RandomId(entropy).make(&settled, Timestamp::from_millis(0)).unwrap();
        assert!(made.get("hex").unwrap().is_sensitive());
        assert!(!made.get("id").unwrap().is_sensitive());
    }

    #[test]
    fn a_password_keeps_to_its_classes_and_least_counts() {
        let settled = Value::object([
            ("length", number(12)),
            ("lower", Value::bool(false)),
            ("special", Value::bool(true)),
            ("min_numeric", number(3)),
            ("min_special", number(2)),
            ("override_special", Value::string("~^")),
        ]);
        let maker = RandomPassword(Arc::new(Bytes::new((0..=255).map(|b: u8| b.wrapping_mul(73)))));
        assert!(maker.check(&settled).is_empty());
        for _ in 0..50 {
            let made = maker.make(&settled, Timestamp::from_millis(0)).unwrap();
            let result = made.get("result").unwrap();
            assert!(result.is_sensitive());
            let text = result.as_str().unwrap();
            assert_eq!(text.len(), 12);
            assert!(text.chars().filter(char::is_ascii_digit).count() >= 3, "{text}");
            assert!(text.chars().filter(|c| "~^".contains(*c)).count() >= 2, "{text}");
            assert!(!text.chars().any(|c| c.is_ascii_lowercase() || CLASSES[3].2.contains(c)));
        }
    }

    #[test]
    fn impossible_passwords_are_refused_with_all_reasons() {
        let off = || Value::bool(false);
        let config = Value::object([
            ("length", number(9)),
            ("upper", off()),
            ("min_upper", number(4)),
            ("min_lower", number(6)),
            ("override_special", Value::string("!!")),
        ]);
        let maker = RandomPassword(Arc::new(Broken));
        let texts: Vec<String> = maker.check(&config).iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), 3, "{texts:?}");
        assert!(texts[0].starts_with("min_upper: "), "{texts:?}");
        assert!(texts[1].starts_with("length: "), "{texts:?}");
        assert!(texts[2].starts_with("override_special: "), "{texts:?}");
        let none = Value::object(["upper", "lower", "numeric", "special"].map(|n| (n, off())));
        assert_eq!(maker.check(&none).len(), 1);
        assert!(maker.check(&Value::unknown()).is_empty());
    }
}
