//! How a plugin process ended, and what it said last.
//!
//! [`crate::process`] writes the report, and [`crate::client`] attaches it to the call that the
//! end interrupted, so that a person reads the plugin's panic and not merely that a connection
//! was lost.

use std::fmt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// How a plugin process ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExitReport {
    /// Its exit status; `None` if it could not be learnt.
    pub status: Option<ExitStatus>,
    /// Whether this host killed it.
    pub killed: bool,
    /// The panic it wrote, or else its last lines that were not log records. Bounded in length.
    pub last_words: String,
}

impl fmt::Display for ExitReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.killed, self.status) {
            (true, _) => write!(f, "the plugin was killed")?,
            (false, Some(status)) => write!(f, "the plugin ended by itself ({status})")?,
            (false, None) => write!(f, "the plugin ended by itself")?,
        }
        if self.last_words.is_empty() {
            write!(f, " and said nothing")
        } else {
            write!(f, " and said:\n{}", self.last_words)
        }
    }
}

/// Tells once, to any number of listeners, that a process has ended.
#[derive(Clone, Debug)]
pub struct ExitWatch {
    report: watch::Receiver<Option<Arc<ExitReport>>>,
}

/// The other end of an [`ExitWatch`].
#[derive(Debug)]
pub(crate) struct ExitTeller {
    report: watch::Sender<Option<Arc<ExitReport>>>,
}

impl ExitWatch {
    pub(crate) fn new() -> (ExitTeller, Self) {
        let (sender, receiver) = watch::channel(None);
        (ExitTeller { report: sender }, Self { report: receiver })
    }

    /// The report, if the process has ended.
    #[must_use]
    pub fn now(&self) -> Option<Arc<ExitReport>> {
        self.report.borrow().clone()
    }

    /// Waits for the process to end. `None` if nobody is left to tell.
    pub async fn ended(&self) -> Option<Arc<ExitReport>> {
        let mut report = self.report.clone();
        let report = report.wait_for(Option::is_some).await.ok()?;
        report.clone()
    }

    /// Waits for the process to end, for as long as this and no longer.
    pub async fn ended_within(&self, limit: Duration) -> Option<Arc<ExitReport>> {
        timeout(limit, self.ended()).await.ok().flatten()
    }
}

impl ExitTeller {
    pub(crate) fn tell(self, report: ExitReport) {
        // Without a listener there is nobody to tell, which is fine.
        self.report.send_replace(Some(Arc::new(report)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_as_a_sentence() {
        let mut report = ExitReport::default();
        assert_eq!(report.to_string(), "the plugin ended by itself and said nothing");
        report.last_words = "panic: boom".to_owned();
        report.killed = true;
        assert_eq!(report.to_string(), "the plugin was killed and said:\npanic: boom");
    }

    #[tokio::test]
    async fn the_end_is_told_to_late_listeners_too() {
        let (teller, watch) = ExitWatch::new();
        assert!(watch.now().is_none());
        assert!(watch.ended_within(Duration::from_millis(1)).await.is_none());
        let report = ExitReport { killed: true, ..ExitReport::default() };
        teller.tell(report.clone());
        assert_eq!(watch.ended().await.as_deref(), Some(&report));
        assert_eq!(watch.now().as_deref(), Some(&report));
    }

    #[tokio::test]
    async fn nobody_left_to_tell_is_no_report() {
        let (teller, watch) = ExitWatch::new();
        drop(teller);
        assert!(watch.ended().await.is_none());
    }
}
