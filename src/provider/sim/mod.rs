//! `builtin/sim`: a seeded cloud in memory, for tests, simulations and demonstrations.
//!
//! It does what real clouds do to their callers: it is slow, refuses, forgets to answer, answers
//! and has not done it, shows yesterday's listing, changes behind one's back. The same seed and
//! the same calls give the same cloud. A [`warden`] sees what really happened. Nothing survives the
//! process, and nothing sleeps.
//!
//! A simulation drives [`SimCloud`] itself, which is synchronous; everything else opens a
//! [`SimProvider`] over a [`SharedCloud`].

mod client;
mod cloud;
pub mod fate;
mod gate;
mod kinds;
mod outside;
#[cfg(test)]
mod tests;
pub mod warden;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use crate::model::id::EnvironmentId;
use crate::provider::Answer;
use crate::provider::Call;
use crate::provider::Failure;
use crate::provider::Offer;
use crate::provider::Pending;
use crate::provider::Provider;
use crate::provider::builtin::Clock;
use crate::provider::builtin::Means;
use crate::provider::sim::gate::Passage;
use crate::provider::sim::warden::WardenReport;

pub use self::cloud::SimCloud;
pub use self::fate::Act;
pub use self::fate::Fate;
pub use self::fate::Odds;
pub use self::fate::Order;
pub use self::fate::SimPlan;
pub use self::gate::Gate;

/// A cloud that several providers act on, as several commands act on a real one.
#[derive(Clone, Debug)]
pub struct SharedCloud(Arc<Mutex<SimCloud>>);

impl SharedCloud {
    /// An empty cloud.
    #[must_use]
    pub fn new(seed: u64, plan: SimPlan) -> Self {
        Self(Arc::new(Mutex::new(SimCloud::new(seed, plan))))
    }

    /// Does something with the cloud while nobody else does.
    pub fn with<R>(&self, act: impl FnOnce(&mut SimCloud) -> R) -> R {
        // A test that panics while it looks leaves the cloud as sound as it was.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What really happened. For tests.
    #[must_use]
    pub fn warden(&self) -> WardenReport {
        self.with(|cloud| cloud.warden())
    }
}

/// A provider over a simulated cloud. Calls complete at once, unless a gate holds them.
pub struct SimProvider {
    cloud: SharedCloud,
    offer: Arc<Offer>,
    clock: Option<Clock>,
    gate: Option<Arc<Gate>>,
    environment: Mutex<Option<EnvironmentId>>,
}

impl SimProvider {
    /// A provider over this cloud. It judges `start_by` by the time that the cloud was told.
    #[must_use]
    pub fn new(cloud: SharedCloud) -> Self {
        let offer = cloud.with(|cloud| cloud.offer());
        Self { cloud, offer, clock: None, gate: None, environment: Mutex::new(None) }
    }

    /// The same, telling the cloud the time of this clock before each call.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// The same behind a gate.
    #[must_use]
    pub fn with_gate(mut self, gate: Arc<Gate>) -> Self {
        self.gate = Some(gate);
        self
    }

    async fn perform(&self, call: Call) -> Result<Answer, Failure> {
        if let Some(gate) = &self.gate
            && gate.pass(Act::of(&call)).await == Passage::Stopped
        {
            return Err(Failure::transient("stopped before it began"));
        }
        let mut environment = self.environment.lock().unwrap_or_else(PoisonError::into_inner);
        if let Call::Configure { place, .. } = &call {
            *environment = Some(place.environment);
        }
        self.cloud.with(|cloud| {
            if let Some(clock) = &self.clock {
                cloud.set_now(clock());
            }
            cloud.set_environment(*environment);
            cloud.perform(&call)
        })
    }
}

impl Provider for SimProvider {
    fn offer(&self) -> Arc<Offer> {
        self.offer.clone()
    }

    fn call<'a>(&'a self, call: Call) -> Pending<'a, Result<Answer, Failure>> {
        Box::pin(self.perform(call))
    }

    fn stop<'a>(&'a self) -> Pending<'a, ()> {
        if let Some(gate) = &self.gate {
            gate.stop();
        }
        Box::pin(std::future::ready(()))
    }
}

/// Opens the provider over a cloud of its own, in which nothing goes wrong.
#[must_use]
pub fn open(means: &Means) -> Arc<dyn Provider> {
    let cloud = SharedCloud::new(0, SimPlan::calm());
    Arc::new(SimProvider::new(cloud).with_clock(means.clock.clone()))
}
