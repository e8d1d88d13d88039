//! MessagePack, as much of it as values need: writing, and reading without trust.
//!
//! It knows nothing of types; [`value`](crate::provider::terraform::value) gives the tokens their
//! meaning. A reader believes no length before the bytes are there, so a short message cannot ask
//! for much memory.

/// What a host writes for an unknown value: an extension of one byte, of code 0.
const UNKNOWN: [u8; 3] = [0xd4, 0x00, 0x00];

/// One token. Lengths of collections come first, their items follow as tokens.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Token<'a> {
    /// Null.
    Nil,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Signed(i64),
    /// A whole number too large for the other.
    Unsigned(u64),
    /// A binary fraction.
    Float(f64),
    /// Text, of bytes that are not checked yet.
    Text(&'a [u8]),
    /// Bytes.
    Bytes(&'a [u8]),
    /// So many items follow.
    Array(usize),
    /// So many pairs follow.
    Map(usize),
    /// An extension: an unknown value, whatever its code and content say.
    Extension,
}

/// Reads tokens.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

/// The bytes end too early, or are none that MessagePack has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the bytes are not MessagePack")]
pub struct Damaged;

impl<'a> Reader<'a> {
    /// A reader at the start of these bytes.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether everything has been read.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next token.
    ///
    /// # Errors
    /// [`Damaged`].
    pub fn token(&mut self) -> Result<Token<'a>, Damaged> {
        let [marker] = self.array::<1>()?;
        let low = |mask: u8| usize::from(marker & mask);
        Ok(match marker {
            0x00..=0x7f => Token::Signed(i64::from(marker)),
            0x80..=0x8f => Token::Map(low(0x0f)),
            0x90..=0x9f => Token::Array(low(0x0f)),
            0xa0..=0xbf => Token::Text(self.take(low(0x1f))?),
            0xc0 => Token::Nil,
            0xc1 => return Err(Damaged),
            0xc2 => Token::Bool(false),
            0xc3 => Token::Bool(true),
            0xc4..=0xc6 => {
                let length = self.length(marker - 0xc4)?;
                Token::Bytes(self.take(length)?)
            }
            0xc7..=0xc9 => {
                let length = self.length(marker - 0xc7)?;
                self.extension(length)?
            }
            0xca => Token::Float(f64::from(f32::from_be_bytes(self.array()?))),
            0xcb => Token::Float(f64::from_be_bytes(self.array()?)),
            0xcc => Token::Signed(i64::from(u8::from_be_bytes(self.array()?))),
            0xcd => Token::Signed(i64::from(u16::from_be_bytes(self.array()?))),
            0xce => Token::Signed(i64::from(u32::from_be_bytes(self.array()?))),
            0xcf => {
                let number = u64::from_be_bytes(self.array()?);
                i64::try_from(number).map_or(Token::Unsigned(number), Token::Signed)
            }
            0xd0 => Token::Signed(i64::from(i8::from_be_bytes(self.array()?))),
            0xd1 => Token::Signed(i64::from(i16::from_be_bytes(self.array()?))),
            0xd2 => Token::Signed(i64::from(i32::from_be_bytes(self.array()?))),
            0xd3 => Token::Signed(i64::from_be_bytes(self.array()?)),
            0xd4..=0xd8 => self.extension(1 << (marker - 0xd4))?,
            0xd9..=0xdb => {
                let length = self.length(marker - 0xd9)?;
                Token::Text(self.take(length)?)
            }
            0xdc | 0xdd => Token::Array(self.length(marker - 0xdc + 1)?),
            0xde | 0xdf => Token::Map(self.length(marker - 0xde + 1)?),
            0xe0..=0xff => Token::Signed(i64::from(i8::from_be_bytes([marker]))),
        })
    }

    /// A length of one, two or four bytes.
    fn length(&mut self, size: u8) -> Result<usize, Damaged> {
        let length = match size {
            0 => u32::from(u8::from_be_bytes(self.array()?)),
            1 => u32::from(u16::from_be_bytes(self.array()?)),
            _ => u32::from_be_bytes(self.array()?),
        };
        usize::try_from(length).map_err(|_| Damaged)
    }

    fn extension(&mut self, length: usize) -> Result<Token<'a>, Damaged> {
        let [_code] = self.array::<1>()?;
        self.take(length)?;
        Ok(Token::Extension)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        self.take(N)?.try_into().map_err(|_| Damaged)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Damaged> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Damaged)?;
        self.rest = rest;
        Ok(taken)
    }
}

/// Writes tokens.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// What was written.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Null.
    pub fn nil(&mut self) {
        self.bytes.push(0xc0);
    }

    /// A value that only applying will settle.
    pub fn unknown(&mut self) {
        self.bytes.extend_from_slice(&UNKNOWN);
    }

    /// True or false.
    pub fn bool(&mut self, value: bool) {
        self.bytes.push(if value { 0xc3 } else { 0xc2 });
    }

    /// A whole number, in its shortest form.
    pub fn signed(&mut self, value: i64) {
        if let Ok(small) = u8::try_from(value) {
            return match small {
                0x00..=0x7f => self.bytes.push(small),
                _ => self.bytes.extend_from_slice(&[0xcc, small]),
            };
        }
        if (-32..0).contains(&value) {
            // The last byte of a small negative number is its own marker.
            let [.., last] = value.to_be_bytes();
            self.bytes.push(last);
        } else if let Ok(value) = i8::try_from(value) {
            self.marked(0xd0, &value.to_be_bytes());
        } else if let Ok(value) = i16::try_from(value) {
            self.marked(0xd1, &value.to_be_bytes());
        } else if let Ok(value) = i32::try_from(value) {
            self.marked(0xd2, &value.to_be_bytes());
        } else {
            self.marked(0xd3, &value.to_be_bytes());
        }
    }

    /// A binary fraction.
    pub fn float(&mut self, value: f64) {
        self.marked(0xcb, &value.to_be_bytes());
    }

    /// Text.
    pub fn text(&mut self, text: &str) {
        self.sized(text.len(), (0xa0, 32), [Some(0xd9), Some(0xda), Some(0xdb)]);
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// Bytes.
    pub fn binary(&mut self, bytes: &[u8]) {
        self.sized(bytes.len(), (0, 0), [Some(0xc4), Some(0xc5), Some(0xc6)]);
        self.bytes.extend_from_slice(bytes);
    }

    /// The start of an array; its items follow.
    pub fn array(&mut self, count: usize) {
        self.sized(count, (0x90, 16), [None, Some(0xdc), Some(0xdd)]);
    }

    /// The start of a map; its keys and values follow in turn.
    pub fn map(&mut self, count: usize) {
        self.sized(count, (0x80, 16), [None, Some(0xde), Some(0xdf)]);
    }

    /// Something already written elsewhere.
    pub fn raw(&mut self, written: &[u8]) {
        self.bytes.extend_from_slice(written);
    }

    fn marked(&mut self, marker: u8, content: &[u8]) {
        self.bytes.push(marker);
        self.bytes.extend_from_slice(content);
    }

    /// A length: in the marker itself below a bound, else in one, two or four bytes after one.
    fn sized(&mut self, count: usize, short: (u8, u8), markers: [Option<u8>; 3]) {
        let [one, two, four] = markers;
        match (u8::try_from(count), u16::try_from(count), one, two) {
            (Ok(count), ..) if count < short.1 => self.bytes.push(short.0 | count),
            (Ok(count), _, Some(marker), _) => self.marked(marker, &count.to_be_bytes()),
            (_, Ok(count), _, Some(marker)) => self.marked(marker, &count.to_be_bytes()),
            _ => {
                // Nothing so long gets past the limit of a message.
                let count = u32::try_from(count).unwrap_or(u32::MAX);
                self.marked(four.unwrap_or_default(), &count.to_be_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Damaged;
    use super::Reader;
    use super::Token;
    use super::Writer;

    fn written(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut writer = Writer::default();
        write(&mut writer);
        writer.into_bytes()
    }

    #[test]
    fn whole_numbers_of_every_size_come_back() {
        let edges = [0, 1, 127, 128, 255, 256, -1, -32, -33, -128, -129, 65_535, 65_536];
        let far = [i64::from(i32::MIN), i64::from(u32::MAX) + 1, i64::MIN, i64::MAX];
        for number in edges.into_iter().chain(far) {
            let bytes = written(|writer| writer.signed(number));
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.token(), Ok(Token::Signed(number)));
            assert!(reader.is_at_end());
        }
    }

    #[test]
    fn lengths_of_every_size_come_back() {
        for length in [0, 15, 16, 31, 32, 255, 256, 65_535, 65_536] {
            let text = "x".repeat(length);
            let bytes = written(|writer| writer.text(&text));
            assert_eq!(Reader::new(&bytes).token(), Ok(Token::Text(text.as_bytes())));
            let bytes = written(|writer| writer.binary(text.as_bytes()));
            assert_eq!(Reader::new(&bytes).token(), Ok(Token::Bytes(text.as_bytes())));
            let bytes = written(|writer| writer.array(length));
            assert_eq!(Reader::new(&bytes).token(), Ok(Token::Array(length)));
            let bytes = written(|writer| writer.map(length));
            assert_eq!(Reader::new(&bytes).token(), Ok(Token::Map(length)));
        }
    }

    #[test]
    fn extensions_of_every_form_are_unknown() {
        let forms: [&[u8]; 5] = [
            &[0xd4, 0, 0],
            &[0xd5, 12, 1, 2],
            &[0xd8, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[0xc7, 3, 12, 0x81, 1, 0xc2],
            &[0xc8, 0, 1, 0x7f, 0],
        ];
        for form in forms {
            let mut reader = Reader::new(form);
            assert_eq!(reader.token(), Ok(Token::Extension), "{form:?}");
            assert!(reader.is_at_end(), "{form:?}");
        }
        assert_eq!(written(Writer::unknown), [0xd4, 0, 0]);
    }

    #[test]
    fn what_is_cut_or_foreign_is_damaged() {
        let wrong: [&[u8]; 5] =
            [&[], &[0xc1], &[0xa3, b'a'], &[0xdb, 0xff, 0xff, 0xff, 0xff], &[0xcb]];
        for bytes in wrong {
            assert_eq!(Reader::new(bytes).token(), Err(Damaged), "{bytes:?}");
        }
        assert_eq!(Reader::new(&[0xca, 0x3f, 0, 0, 0]).token(), Ok(Token::Float(0.5)));
        let bytes = written(|writer| writer.float(0.25));
        assert_eq!(Reader::new(&bytes).token(), Ok(Token::Float(0.25)));
        let large = [0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(Reader::new(&large).token(), Ok(Token::Unsigned(u64::MAX)));
    }
}
