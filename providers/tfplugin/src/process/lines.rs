//! Cuts a stream of bytes into lines of bounded length.

use std::borrow::Cow;

use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;

/// How much is read at once: what a pipe holds in a few writes, small enough for a stack of tasks.
const CHUNK_BYTES: usize = 8 * 1024;

/// One line, without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// The text; what is not UTF-8 is replaced.
    pub(super) text: Cow<'a, str>,
    /// Whether the rest was thrown away.
    pub(super) cut: bool,
}

/// The beginning of a line whose end has not come yet.
#[derive(Debug)]
pub(super) struct LineBuffer {
    partial: Vec<u8>,
    cut: bool,
    bytes_max: usize,
}

impl LineBuffer {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { partial: Vec::new(), cut: false, bytes_max }
    }

    /// Takes what came and hands on each line that it completes.
    pub(super) fn push(&mut self, chunk: &[u8], each: &mut impl FnMut(Line<'_>)) {
        let mut pieces = chunk.split(|byte| *byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            let room = self.bytes_max.saturating_sub(self.partial.len());
            let fitting = piece.get(..room.min(piece.len())).unwrap_or_default();
            self.partial.extend_from_slice(fitting);
            self.cut |= fitting.len() < piece.len();
            if pieces.peek().is_some() {
                self.emit(each);
            }
        }
    }

    /// Hands on the last line, if it lacks its end.
    pub(super) fn finish(&mut self, each: &mut impl FnMut(Line<'_>)) {
        if !self.partial.is_empty() {
            self.emit(each);
        }
    }

    fn emit(&mut self, each: &mut impl FnMut(Line<'_>)) {
        let bytes = self.partial.strip_suffix(b"\r").unwrap_or(&self.partial);
        each(Line { text: String::from_utf8_lossy(bytes), cut: self.cut });
        self.partial.clear();
        self.cut = false;
    }
}

/// Reads to the end and hands on each line. An error counts as the end: it is a pipe.
pub(super) async fn read_lines(
    mut reader: impl AsyncRead + Unpin,
    bytes_max: usize,
    mut each: impl FnMut(Line<'_>),
) {
    let mut buffer = LineBuffer::new(bytes_max);
    let mut chunk = vec![0; CHUNK_BYTES];
    while let Ok(length) = reader.read(&mut chunk).await {
        if length == 0 {
            break;
        }
        buffer.push(chunk.get(..length).unwrap_or_default(), &mut each);
    }
    buffer.finish(&mut each);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes_max: usize, chunks: &[&[u8]]) -> Vec<(String, bool)> {
        let mut lines = Vec::new();
        let mut each = |line: Line<'_>| lines.push((line.text.into_owned(), line.cut));
        let mut buffer = LineBuffer::new(bytes_max);
        for chunk in chunks {
            buffer.push(chunk, &mut each);
        }
        buffer.finish(&mut each);
        lines
    }

    #[test]
    fn chunks_may_end_anywhere() {
        let whole = lines(100, &[b"one\r\ntwo\n\nthree"]);
        let expected = ["one", "two", "", "three"].map(|text| (text.to_owned(), false));
        assert_eq!(whole, expected);
        let cut: Vec<&[u8]> = b"one\r\ntwo\n\nthree".chunks(1).collect();
        assert_eq!(lines(100, &cut), expected);
    }

    #[test]
    fn a_long_line_is_cut_and_the_next_is_whole() {
        let found = lines(4, &[b"abc", b"defg", b"hi\njk\n", b"1234\n"]);
        let expected =
            [("abcd".to_owned(), true), ("jk".to_owned(), false), ("1234".to_owned(), false)];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_not_text_is_replaced() {
        assert_eq!(lines(9, &[b"a\xffb\n"]), [("a\u{fffd}b".to_owned(), false)]);
    }

    #[tokio::test]
    async fn reading_ends_with_the_stream() {
        let mut count = 0;
        read_lines(&b"a\nb\nc"[..], 10, |_| count += 1).await;
        assert_eq!(count, 3);
    }
}
