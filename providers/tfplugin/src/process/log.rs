//! What a plugin writes, as records, handed on without ever waiting for the receiver.
//!
//! A plugin that writes faster than somebody reads must not block, and must not fill our memory
//! either. So records go into a channel of the receiver's making, as many as fit and at most so
//! many in a second; what does not go is counted, and the count is handed on.

use std::time::Duration;

use serde_json::Map;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::lines::Line;

/// The longest line that is kept; the rest of it is thrown away. Go's own plugin host keeps as
/// much, and providers that log whole requests stay mostly under it.
pub const LOG_LINE_BYTES_MAX: usize = 64 * 1024;

/// How many lines of one stream are handed on in a second. A provider at its most talkative writes
/// some hundreds; ten times that is a fault, and reading it would take a processor from the work.
pub const LOG_LINES_PER_SECOND_MAX: u32 = 5_000;

/// Where log events go. The receiver chooses how many may wait.
pub type LogSender = mpsc::Sender<LogEvent>;

/// What comes out of a plugin.
#[derive(Clone, Debug, PartialEq)]
pub enum LogEvent {
    /// A line.
    Record(LogRecord),
    /// Lines that were thrown away, for they came too fast or the receiver was too slow.
    Dropped {
        /// The stream that they came from.
        source: LogSource,
        /// How many.
        lines: u64,
    },
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct LogRecord {
    /// The stream that it came from.
    pub source: LogSource,
    /// How important it is; `None` for a line that is not a log record but mere text.
    pub level: Option<LogLevel>,
    /// The message, or the whole line if it is mere text.
    pub message: String,
    /// The part of the plugin that wrote it.
    pub module: Option<String>,
    /// When it was written, as the plugin puts it.
    pub timestamp: Option<String>,
    /// Everything else in it.
    pub fields: Map<String, Value>,
    /// Whether the line was too long and lost its end.
    pub cut: bool,
}

/// The streams of a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogSource {
    /// Standard output of the process, after the handshake.
    Stdout,
    /// Standard error of the process, where log records come from.
    Stderr,
    /// Standard output as redirected by the plugin: prints of the provider's own code.
    RedirectedStdout,
    /// Standard error as redirected by the plugin.
    RedirectedStderr,
}

/// How important a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    /// Every step.
    Trace,
    /// For finding faults.
    Debug,
    /// Worth knowing.
    Info,
    /// Probably a fault.
    Warn,
    /// A fault.
    Error,
}

impl LogRecord {
    /// Reads a line: a JSON object with keys that begin with `@`, or else mere text.
    pub(super) fn read(source: LogSource, line: &Line<'_>) -> Self {
        let mut record = Self {
            source,
            level: None,
            message: String::new(),
            module: None,
            timestamp: None,
            fields: Map::new(),
            cut: line.cut,
        };
        match log_fields(&line.text) {
            Some(mut fields) => {
                let mut take = |key| match fields.remove(key) {
                    Some(Value::String(text)) => Some(text),
                    Some(other) => Some(other.to_string()),
                    None => None,
                };
                record.level = take("@level").as_deref().and_then(level);
                record.message = take("@message").unwrap_or_default();
                record.module = take("@module");
                record.timestamp = take("@timestamp");
                record.fields = fields;
            }
            None => record.message = line.text.clone().into_owned(),
        }
        record
    }
}

fn log_fields(text: &str) -> Option<Map<String, Value>> {
    if !looks_like_record(text) {
        return None;
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(fields)) if fields.contains_key("@message") => Some(fields),
        _ => None,
    }
}

/// Whether a line is a log record and no mere text, judged cheaply.
pub(super) fn looks_like_record(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

fn level(name: &str) -> Option<LogLevel> {
    match name {
        "trace" => Some(LogLevel::Trace),
        "debug" => Some(LogLevel::Debug),
        "info" => Some(LogLevel::Info),
        "warn" | "warning" => Some(LogLevel::Warn),
        "error" => Some(LogLevel::Error),
        _ => None,
    }
}

/// Hands on the lines of one stream.
#[derive(Debug)]
pub(super) struct LogFeed {
    source: LogSource,
    sender: Option<LogSender>,
    dropped: u64,
    second_began: Instant,
    lines_this_second: u32,
}

impl LogFeed {
    pub(super) fn new(source: LogSource, sender: Option<LogSender>) -> Self {
        Self { source, sender, dropped: 0, second_began: Instant::now(), lines_this_second: 0 }
    }

    pub(super) fn offer(&mut self, line: &Line<'_>) {
        let within_limit = self.count();
        let Some(sender) = &self.sender else {
            return;
        };
        if !within_limit {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        // The count goes first, so that a reader sees the gap where it is.
        if self.dropped > 0 {
            let gap = LogEvent::Dropped { source: self.source, lines: self.dropped };
            if sender.try_send(gap).is_err() {
                self.dropped = self.dropped.saturating_add(1);
                return;
            }
            self.dropped = 0;
        }
        if sender.try_send(LogEvent::Record(LogRecord::read(self.source, line))).is_err() {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// Tells of what was dropped and not yet told. To be called when the stream has ended.
    pub(super) fn finish(&mut self) {
        if let Some(sender) = &self.sender
            && self.dropped > 0
        {
            let gap = LogEvent::Dropped { source: self.source, lines: self.dropped };
            // The last word may find no room; the stream is over all the same.
            let _full = sender.try_send(gap);
        }
    }

    fn count(&mut self) -> bool {
        let now = Instant::now();
        if now.duration_since(self.second_began) >= Duration::from_secs(1) {
            self.second_began = now;
            self.lines_this_second = 0;
        }
        self.lines_this_second = self.lines_this_second.saturating_add(1);
        self.lines_this_second <= LOG_LINES_PER_SECOND_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line<'_> {
        Line { text: text.into(), cut: false }
    }

    #[test]
    fn a_log_record_is_taken_apart() {
        let text =
            r#"{"@level":"warn","@message":"slow","@module":"sdk","@timestamp":"now","n":1}"#;
        let record = LogRecord::read(LogSource::Stderr, &line(text));
        assert_eq!(record.level, Some(LogLevel::Warn));
        assert_eq!(record.message, "slow");
        assert_eq!(record.module.as_deref(), Some("sdk"));
        assert_eq!(record.timestamp.as_deref(), Some("now"));
        assert_eq!(record.fields.get("n"), Some(&Value::from(1)));
    }

    #[test]
    fn everything_else_is_text() {
        for text in ["plain", "{broken", "{\"a\":1}", "[1]", ""] {
            let record = LogRecord::read(LogSource::Stderr, &line(text));
            assert_eq!((record.level, record.message.as_str()), (None, text));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_dropped_and_counted() {
        let (sender, mut receiver) = mpsc::channel(100_000);
        let mut feed = LogFeed::new(LogSource::Stderr, Some(sender));
        for _ in 0..LOG_LINES_PER_SECOND_MAX + 7 {
            feed.offer(&line("x"));
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        feed.offer(&line("after"));
        let mut events = Vec::new();
        while let Ok(event) = receiver.try_recv() {
            events.push(event);
        }
        assert_eq!(events.len(), LOG_LINES_PER_SECOND_MAX as usize + 2);
        let gap = LogEvent::Dropped { source: LogSource::Stderr, lines: 7 };
        assert_eq!(events[events.len() - 2], gap);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_loses_lines_and_learns_how_many() {
        let (sender, mut receiver) = mpsc::channel(2);
        let mut feed = LogFeed::new(LogSource::Stdout, Some(sender));
        for text in ["a", "b", "c", "d"] {
            feed.offer(&line(text));
        }
        assert!(matches!(receiver.recv().await, Some(LogEvent::Record(_))));
        assert!(matches!(receiver.recv().await, Some(LogEvent::Record(_))));
        feed.finish();
        let gap = LogEvent::Dropped { source: LogSource::Stdout, lines: 2 };
        assert_eq!(receiver.recv().await, Some(gap));
    }
}
