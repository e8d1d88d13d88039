//! Keeps what a plugin says before it dies, in bounded space.
//!
//! A dying Go program writes its panic to standard error as mere text, after log records and
//! before the stacks of all its threads. The top of the panic tells the cause, so from a panic
//! the beginning is kept; without one, the last few lines of mere text are.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use super::log::looks_like_record;

/// How much of a panic is kept: its cause and the stacks of the first threads.
const PANIC_BYTES_MAX: usize = 32 * 1024;

/// How much is kept where there is no panic: a complaint of the loader, a usage text.
const TAIL_BYTES_MAX: usize = 4 * 1024;

/// How lines begin that announce the end: of Go, twice, and of Python. Rust's is told separately.
const OMENS: [&str; 4] =
    ["panic: ", "fatal error: ", "unexpected fault address", "Traceback (most recent call last)"];

/// Shared by the reader of standard error and whoever reports the end.
#[derive(Clone, Debug, Default)]
pub(super) struct LastWords {
    words: Arc<Mutex<Words>>,
}

#[derive(Debug, Default)]
struct Words {
    panic: Option<String>,
    tail: VecDeque<String>,
    tail_bytes: usize,
}

impl LastWords {
    pub(super) fn hear(&self, line: &str) {
        if looks_like_record(line) {
            return;
        }
        let mut words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut words.panic {
            Some(panic) => append(panic, line),
            None if is_omen(line) => {
                let mut panic = String::new();
                append(&mut panic, line);
                words.panic = Some(panic);
            }
            None => words.keep(line),
        }
    }

    /// The panic, or else the last lines.
    pub(super) fn spoken(&self) -> String {
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        let text = match &words.panic {
            Some(panic) => panic.clone(),
            None => words.tail.iter().map(String::as_str).collect::<Vec<_>>().join("\n"),
        };
        text.trim().to_owned()
    }
}

impl Words {
    fn keep(&mut self, line: &str) {
        let line = prefix(line, TAIL_BYTES_MAX);
        self.tail.push_back(line.to_owned());
        self.tail_bytes += line.len() + 1;
        while self.tail_bytes > TAIL_BYTES_MAX {
            match self.tail.pop_front() {
                Some(line) => self.tail_bytes -= line.len() + 1,
                None => break,
            }
        }
    }
}

fn append(panic: &mut String, line: &str) {
    let room = PANIC_BYTES_MAX.saturating_sub(panic.len() + 1);
    if room > 0 {
        panic.push_str(prefix(line, room));
        panic.push('\n');
    }
}

fn is_omen(line: &str) -> bool {
    OMENS.iter().any(|omen| line.starts_with(omen))
        || (line.starts_with("thread '") && line.contains("panicked at"))
}

/// The longest beginning that has at most so many bytes and ends between characters.
fn prefix(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_kept_from_its_first_line() {
        let words = LastWords::default();
        words.hear("usage: plugin");
        words.hear(r#"{"@message":"about to fail"}"#);
        words.hear("panic: boom");
        words.hear("");
        words.hear(r#"{"@message":"another thread still logs"}"#);
        words.hear("goroutine 1 [running]:");
        assert_eq!(words.spoken(), "panic: boom\n\ngoroutine 1 [running]:");
    }

    #[test]
    fn panics_of_several_languages_are_known() {
        for line in [
            "fatal error: concurrent map writes",
            "thread 'main' (7) panicked at src/main.rs:1:1:",
            "Traceback (most recent call last):",
        ] {
            let words = LastWords::default();
            words.hear("before");
            words.hear(line);
            assert_eq!(words.spoken(), line);
        }
    }

    #[test]
    fn without_a_panic_the_end_is_kept() {
        let words = LastWords::default();
        for number in 0..10_000 {
            words.hear(&format!("line {number}"));
        }
        let spoken = words.spoken();
        assert!(spoken.ends_with("line 9999"), "{spoken}");
        assert!(spoken.len() <= TAIL_BYTES_MAX);
        assert!(spoken.len() > TAIL_BYTES_MAX / 2);
    }

    #[test]
    fn neither_grows_without_bound() {
        let words = LastWords::default();
        words.hear(&"ä".repeat(TAIL_BYTES_MAX));
        assert!(words.spoken().len() <= TAIL_BYTES_MAX);
        words.hear("panic: x");
        for _ in 0..10_000 {
            words.hear(&"ö".repeat(99));
        }
        let spoken = words.spoken();
        assert!(spoken.starts_with("panic: x"));
        assert!(spoken.len() <= PANIC_BYTES_MAX);
    }
}
