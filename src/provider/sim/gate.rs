//! A gate that holds calls before they are performed, so that a test can look at a command while
//! its calls are in flight. No gate, no waiting.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;

use crate::provider::sim::fate::Act;

/// Holds calls of some kinds until they are let through.
#[derive(Debug)]
pub struct Gate {
    acts: BTreeSet<Act>,
    state: watch::Sender<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: u64,
    permits: u64,
    is_open: bool,
    is_stopped: bool,
}

/// How a call leaves the gate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Passage {
    /// To be performed.
    Go,
    /// Not to be performed: the provider was asked to stop.
    Stopped,
}

/// Takes a call out of the count, however its wait ends.
struct Waiting<'a>(&'a watch::Sender<State>);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|state| state.waiting = state.waiting.saturating_sub(1));
    }
}

impl Gate {
    /// A closed gate for these kinds of call.
    pub fn closed(acts: impl IntoIterator<Item = Act>) -> Arc<Self> {
        let state = watch::Sender::new(State::default());
        Arc::new(Self { acts: acts.into_iter().collect(), state })
    }

    /// Lets this many more calls through.
    pub fn release(&self, calls: u64) {
        self.state.send_modify(|state| state.permits = state.permits.saturating_add(calls));
    }

    /// Lets all calls through from now on.
    pub fn open(&self) {
        self.state.send_modify(|state| state.is_open = true);
    }

    /// How many calls are held.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.state.borrow().waiting
    }

    /// Waits until at least this many calls are held.
    pub async fn arrived(&self, calls: u64) {
        let mut receiver = self.state.subscribe();
        // It fails only when the sender is gone, and the sender is part of the gate.
        let _ = receiver.wait_for(|state| state.waiting >= calls).await;
    }

    /// Sends away, undone, whatever is held and whatever comes.
    pub(crate) fn stop(&self) {
        self.state.send_modify(|state| state.is_stopped = true);
    }

    pub(crate) async fn pass(&self, act: Act) -> Passage {
        if !self.acts.contains(&act) {
            return Passage::Go;
        }
        let mut receiver = self.state.subscribe();
        self.state.send_modify(|state| state.waiting = state.waiting.saturating_add(1));
        let _waiting = Waiting(&self.state);
        loop {
            let mut passage = None;
            self.state.send_if_modified(|state| {
                passage = if state.is_stopped {
                    Some(Passage::Stopped)
                } else if state.is_open {
                    Some(Passage::Go)
                } else if state.permits > 0 {
                    state.permits -= 1;
                    Some(Passage::Go)
                } else {
                    None
                };
                passage.is_some()
            });
            if let Some(passage) = passage {
                return passage;
            }
            if receiver.changed().await.is_err() {
                return Passage::Stopped;
            }
        }
    }
}
