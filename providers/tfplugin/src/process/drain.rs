//! Reads everything that a plugin writes, for as long as it lives, so that it never blocks.

use tokio::io::AsyncRead;
use tokio::sync::oneshot;

use super::last_words::LastWords;
use super::lines::Line;
use super::lines::LineBuffer;
use super::lines::read_lines;
use super::log::LOG_LINE_BYTES_MAX;
use super::log::LogFeed;
use super::log::LogSender;
use super::log::LogSource;
use crate::client::Client;
use crate::handshake;
use crate::handshake::HandshakeError;
use crate::wire::StdioChannel;

/// The first line that is not blank, whole.
pub(super) type FirstLine = Result<String, HandshakeError>;

/// Reads standard output. The first line is for the handshake; the rest is logged.
pub(super) async fn stdout(
    pipe: impl AsyncRead + Unpin,
    first: oneshot::Sender<FirstLine>,
    log: Option<LogSender>,
) {
    let mut first = Some(first);
    let mut feed = LogFeed::new(LogSource::Stdout, log);
    // Lines after the handshake could be longer, but nothing of worth comes there.
    read_lines(pipe, handshake::LINE_BYTES_MAX, |line| {
        let is_handshake = first.is_some() && !line.text.trim().is_empty();
        match first.take_if(|_| is_handshake) {
            // Nobody waits any more if the start was given up.
            Some(first) if line.cut => drop(first.send(Err(HandshakeError::TooLong))),
            Some(first) => drop(first.send(Ok(line.text.into_owned()))),
            None if first.is_none() => feed.offer(&line),
            None => {}
        }
    })
    .await;
    feed.finish();
}

/// Reads standard error: log records, and last words. Drops `ended` at the end.
pub(super) async fn stderr(
    pipe: impl AsyncRead + Unpin,
    last_words: LastWords,
    log: Option<LogSender>,
    ended: oneshot::Sender<()>,
) {
    let mut feed = LogFeed::new(LogSource::Stderr, log);
    read_lines(pipe, LOG_LINE_BYTES_MAX, |line| {
        last_words.hear(&line.text);
        feed.offer(&line);
    })
    .await;
    feed.finish();
    drop(ended);
}

/// Reads what the plugin redirects. Older plugins and other frameworks have no such stream.
pub(super) async fn redirected(client: Client, log: Option<LogSender>) {
    let Ok(Some(mut stream)) = client.stdio().await else {
        return;
    };
    let mut out = Channel::new(LogSource::RedirectedStdout, log.clone());
    let mut err = Channel::new(LogSource::RedirectedStderr, log);
    while let Ok(Some(data)) = stream.next().await {
        match data.channel() {
            StdioChannel::Stdout => out.push(&data.data),
            StdioChannel::Stderr | StdioChannel::Invalid => err.push(&data.data),
        }
    }
    out.finish();
    err.finish();
}

struct Channel {
    lines: LineBuffer,
    feed: LogFeed,
}

impl Channel {
    fn new(source: LogSource, log: Option<LogSender>) -> Self {
        Self { lines: LineBuffer::new(LOG_LINE_BYTES_MAX), feed: LogFeed::new(source, log) }
    }

    fn push(&mut self, data: &[u8]) {
        let feed = &mut self.feed;
        self.lines.push(data, &mut |line: Line<'_>| feed.offer(&line));
    }

    fn finish(&mut self) {
        let feed = &mut self.feed;
        self.lines.finish(&mut |line: Line<'_>| feed.offer(&line));
        self.feed.finish();
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::super::log::LogEvent;
    use super::*;

    async fn first_line(output: &[u8]) -> (Option<FirstLine>, Vec<String>) {
        let (sender, first) = oneshot::channel();
        let (log, mut records) = mpsc::channel(100);
        stdout(output, sender, Some(log)).await;
        let mut messages = Vec::new();
        while let Ok(LogEvent::Record(record)) = records.try_recv() {
            messages.push(record.message);
        }
        (first.await.ok(), messages)
    }

    #[tokio::test]
    async fn the_first_line_is_the_first_that_is_not_blank() {
        let (first, rest) = first_line(b"\n  \r\n1|6|unix|/s|grpc\nhello\n").await;
        assert_eq!(first, Some(Ok("1|6|unix|/s|grpc".to_owned())));
        assert_eq!(rest, ["hello"]);
    }

    #[tokio::test]
    async fn there_may_be_no_line_or_one_without_end() {
        assert_eq!(first_line(b"\n\n").await, (None, Vec::new()));
        let endless = vec![b'x'; handshake::LINE_BYTES_MAX * 3];
        let (first, rest) = first_line(&endless).await;
        assert_eq!(first, Some(Err(HandshakeError::TooLong)));
        assert!(rest.is_empty());
    }
}
