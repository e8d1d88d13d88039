//! Sealing: sensitive values at rest are ciphertext under the user's key.
//!
//! XChaCha20-Poly1305 with a nonce derived from the key and the plaintext, so that sealing is a
//! function: equal secrets have equal ciphertexts, plans of equal secrets have equal digests, and
//! a ciphertext is a keyed commitment to its secret. What that reveals is equality alone. Where
//! the key comes from is not decided here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chacha20poly1305::Key;
use chacha20poly1305::KeyInit as _;
use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::XNonce;
use chacha20poly1305::aead::Aead as _;
use hmac::Hmac;
use hmac::Mac as _;
use sha2::Digest as _;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::model::environment::Private;
use crate::model::environment::SealedPrivate;
use crate::model::sealed::Ciphertext;
use crate::model::sealed::SealedValue;
use crate::model::value::Kind;
use crate::model::value::Value;

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;

/// Bytes of a nonce of XChaCha20.
const NONCE_BYTES: usize = 24;

/// The version in front of every ciphertext, so that another cipher can follow.
const PREFIX: &str = "s1:";

/// A sealed value cannot be opened, or a value cannot be sealed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The key is not the one it was sealed with.
    #[error(
        "a sensitive value cannot be opened: the key is not the one it was sealed with. \
         Restore that key (`gov doctor` says where it is looked for); without it the value is \
         lost"
    )]
    WrongKey,
    /// The bytes are not a sealed value.
    #[error("a sensitive value is damaged")]
    Damaged,
    /// There is no key.
    #[error("{0}")]
    NoKey(String),
}

/// Seals and opens values under one key.
pub struct Sealer {
    keys: Result<Keys, SealError>,
    id: String,
}

struct Keys {
    cipher: XChaCha20Poly1305,
    nonce: Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealer({})", self.id)
    }
}

impl Sealer {
    /// A sealer under a key of 32 random bytes.
    #[must_use]
    pub fn new(key: &[u8; KEY_BYTES]) -> Self {
        let derive = |purpose: &[u8]| {
            let mut hasher = Sha256::new();
            hasher.update(b"gov:seal:v1:");
            hasher.update(purpose);
            hasher.update(key);
            Zeroizing::new(<[u8; 32]>::from(hasher.finalize()))
        };
        let cipher_key = derive(b"cipher");
        let id = derive(b"id");
        let cipher = XChaCha20Poly1305::new(Key::from_slice(cipher_key.as_slice()));
        Self {
            keys: Ok(Keys { cipher, nonce: derive(b"nonce") }),
            id: id.iter().take(4).map(|byte| format!("{byte:02x}")).collect(),
        }
    }

    /// A sealer without a key: what is not sensitive passes, everything else is this error.
    #[must_use]
    pub fn absent(why: SealError) -> Self {
        Self { keys: Err(why), id: "none".to_owned() }
    }

    /// A short name of the key that tells nothing about it.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.id
    }

    /// The value with every sensitive node sealed. Unknown nodes stay unknown, whatever their mark.
    ///
    /// # Errors
    /// [`SealError::Damaged`] where the cipher refuses, which it does only beyond 256 GiB.
    pub fn seal(&self, value: &Value) -> Result<SealedValue, SealError> {
        if value.is_sensitive() {
            return self.seal_sensitive(value);
        }
        Ok(match value.kind() {
            Kind::List(items) => SealedValue::List(self.seal_all(items)?),
            Kind::Set(items) => SealedValue::Set(self.seal_all(items)?),
            Kind::Map(members) => SealedValue::Map(
                members
                    .iter()
                    .map(|(name, member)| Ok((name.clone(), self.seal(member)?)))
                    .collect::<Result<_, SealError>>()?,
            ),
            _ => plain(value),
        })
    }

    fn seal_all(&self, items: &[Value]) -> Result<Vec<SealedValue>, SealError> {
        items.iter().map(|item| self.seal(item)).collect()
    }

    /// A sensitive node is sealed whole. Where something inside is unknown, the mark moves to the
    /// children, so that what is unknown stays visible as such.
    fn seal_sensitive(&self, value: &Value) -> Result<SealedValue, SealError> {
        if value.is_unknown() {
            return Ok(SealedValue::UnknownSensitive);
        }
        if !value.is_wholly_known() {
            let pushed = match value.kind() {
                Kind::List(items) => {
                    Kind::List(items.iter().map(|v| v.clone().into_sensitive()).collect())
                }
                Kind::Set(items) => {
                    Kind::Set(items.iter().map(|v| v.clone().into_sensitive()).collect())
                }
                Kind::Map(members) => Kind::Map(
                    members
                        .iter()
                        .map(|(name, member)| (name.clone(), member.clone().into_sensitive()))
                        .collect(),
                ),
                leaf => leaf.clone(),
            };
            return self.seal(&Value::new(pushed));
        }
        let bytes = Zeroizing::new(
            serde_json::to_vec(&plain(&value.unmarked())).map_err(|_| SealError::Damaged)?,
        );
        self.encrypt(&bytes).map(SealedValue::Sealed)
    }

    /// Seals bytes that are no value, such as a provider's private bytes.
    ///
    /// # Errors
    /// As [`Sealer::seal`].
    pub fn encrypt(&self, bytes: &[u8]) -> Result<Ciphertext, SealError> {
        let keys = self.keys.as_ref().map_err(Clone::clone)?;
        let mut mac = <Hmac<Sha256> as hmac::Mac>::new_from_slice(keys.nonce.as_slice())
            .map_err(|_| SealError::Damaged)?;
        mac.update(bytes);
        let tag = mac.finalize().into_bytes();
        let nonce: Vec<u8> = tag.iter().take(NONCE_BYTES).copied().collect();
        let sealed = keys
            .cipher
            .encrypt(XNonce::from_slice(&nonce), bytes)
            .map_err(|_| SealError::Damaged)?;
        let whole: Vec<u8> = nonce.into_iter().chain(sealed).collect();
        Ok(Ciphertext(format!("{PREFIX}{}", STANDARD_NO_PAD.encode(whole))))
    }

    /// A provider's bytes at rest. None stay none, so that they need no key.
    ///
    /// # Errors
    /// As [`Sealer::encrypt`].
    pub fn seal_private(&self, private: &Private) -> Result<SealedPrivate, SealError> {
        if private.0.is_empty() {
            return Ok(SealedPrivate(None));
        }
        self.encrypt(&private.0).map(Some).map(SealedPrivate)
    }

    /// A provider's bytes, live.
    ///
    /// # Errors
    /// As [`Sealer::decrypt`].
    pub fn open_private(&self, sealed: &SealedPrivate) -> Result<Private, SealError> {
        match &sealed.0 {
            None => Ok(Private::default()),
            Some(ciphertext) => self.decrypt(ciphertext).map(|bytes| Private(bytes.to_vec())),
        }
    }

    /// Opens bytes sealed with [`Sealer::encrypt`].
    ///
    /// # Errors
    /// [`SealError::WrongKey`] or [`SealError::Damaged`].
    pub fn decrypt(&self, sealed: &Ciphertext) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let text = sealed.0.strip_prefix(PREFIX).ok_or(SealError::Damaged)?;
        let whole = STANDARD_NO_PAD.decode(text).map_err(|_| SealError::Damaged)?;
        let (nonce, body) = whole.split_at_checked(NONCE_BYTES).ok_or(SealError::Damaged)?;
        let keys = self.keys.as_ref().map_err(Clone::clone)?;
        let opened = keys.cipher.decrypt(XNonce::from_slice(nonce), body);
        opened.map(Zeroizing::new).map_err(|_| SealError::WrongKey)
    }

    /// The live value, sealed nodes opened and marked sensitive.
    ///
    /// # Errors
    /// [`SealError`] where the key is another one or bytes are damaged.
    pub fn open(&self, sealed: &SealedValue) -> Result<Value, SealError> {
        Ok(match sealed {
            SealedValue::Sealed(ciphertext) => {
                let bytes = self.decrypt(ciphertext)?;
                let inner: SealedValue =
                    serde_json::from_slice(&bytes).map_err(|_| SealError::Damaged)?;
                self.open(&inner)?.into_sensitive()
            }
            SealedValue::Null => Value::null(),
            SealedValue::Unknown => Value::unknown(),
            SealedValue::UnknownSensitive => Value::unknown().into_sensitive(),
            SealedValue::Bool(truth) => Value::bool(*truth),
            SealedValue::Number(number) => Value::number(number.clone()),
            SealedValue::String(text) => Value::string(text.clone()),
            SealedValue::List(items) => Value::list(self.open_all(items)?),
            SealedValue::Set(items) => Value::set(self.open_all(items)?),
            SealedValue::Map(members) => Value::map(
                members
                    .iter()
                    .map(|(name, member)| Ok((name.clone(), self.open(member)?)))
                    .collect::<Result<_, SealError>>()?,
            ),
        })
    }

    fn open_all(&self, items: &[SealedValue]) -> Result<Vec<Value>, SealError> {
        items.iter().map(|item| self.open(item)).collect()
    }
}

/// The stored form of a value without sensitive nodes.
fn plain(value: &Value) -> SealedValue {
    match value.kind() {
        Kind::Null => SealedValue::Null,
        Kind::Unknown => SealedValue::Unknown,
        Kind::Bool(truth) => SealedValue::Bool(*truth),
        Kind::Number(number) => SealedValue::Number(number.clone()),
        Kind::String(text) => SealedValue::String(text.clone()),
        Kind::List(items) => SealedValue::List(items.iter().map(plain).collect()),
        Kind::Set(items) => SealedValue::Set(items.iter().map(plain).collect()),
        Kind::Map(members) => {
            SealedValue::Map(members.iter().map(|(k, v)| (k.clone(), plain(v))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SealError;
    use super::Sealer;
    use crate::model::sealed::SealedValue;
    use crate::model::value::Value;

    fn value() -> Value {
        Value::object([
            ("open", Value::string("seen")),
            ("secret", Value::string("hunter2").into_sensitive()),
            ("later", Value::unknown().into_sensitive()),
            (
                "mixed",
                Value::list(vec![Value::string("hunter2"), Value::unknown()]).into_sensitive(),
            ),
        ])
    }

    #[test]
    fn secrets_are_ciphertext_at_rest_and_come_back_marked() {
        let sealer = Sealer::new(&[7; 32]);
        let sealed = sealer.seal(&value()).unwrap();
        let text = serde_json::to_string(&sealed).unwrap();
        assert!(!text.contains("hunter2"));
        assert!(text.contains("seen"));
        assert!(!sealed.is_wholly_known());
        let opened = sealer.open(&sealed).unwrap();
        assert_eq!(opened.get("secret").unwrap().as_str(), Some("hunter2"));
        assert!(opened.get("secret").unwrap().is_sensitive());
        assert!(opened.get("later").unwrap().is_unknown());
    }

    #[test]
    fn sealing_is_a_function_of_key_and_secret() {
        let secret = Value::string("hunter2").into_sensitive();
        let one = Sealer::new(&[7; 32]);
        assert_eq!(one.seal(&secret), one.seal(&secret));
        let other = Sealer::new(&[8; 32]);
        assert_ne!(one.seal(&secret), other.seal(&secret));
        let sealed = one.seal(&secret).unwrap();
        assert_eq!(other.open(&sealed), Err(SealError::WrongKey));
        assert_eq!(serde_json::to_string(&SealedValue::Null).unwrap(), "\"null\"");
    }
}
