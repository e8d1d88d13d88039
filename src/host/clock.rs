//! The only clock.
#![expect(clippy::disallowed_methods, reason = "IO: this is the clock")]

use rustix::time::ClockId;
use rustix::time::clock_gettime;

use crate::model::lifetime::Clock;
use crate::model::lifetime::Timestamp;

/// This machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock {
    /// Added to the time of day, in milliseconds; always zero outside simulations and tests.
    shift_ms: i64,
}

impl SystemClock {
    /// The clock. With the feature `simulation`, `GOV_SIM_SHIFT_MS` moves its time of day.
    #[must_use]
    pub fn new() -> Self {
        Self { shift_ms: shift_ms() }
    }
}

#[cfg(feature = "simulation")]
fn shift_ms() -> i64 {
    std::env::var("GOV_SIM_SHIFT_MS").ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[cfg(not(feature = "simulation"))]
fn shift_ms() -> i64 {
    0
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let time = clock_gettime(ClockId::Realtime);
        let millis = time.tv_sec.saturating_mul(1000).saturating_add(time.tv_nsec / 1_000_000);
        Timestamp::from_millis(millis.saturating_add(self.shift_ms))
    }

    fn uptime_ms(&self) -> u64 {
        let time = clock_gettime(ClockId::Boottime);
        let millis = time.tv_sec.saturating_mul(1000).saturating_add(time.tv_nsec / 1_000_000);
        u64::try_from(millis).unwrap_or(0)
    }
}

impl crate::provider::builtin::local::Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Clock::now(self)
    }

    fn boot_id(&self) -> std::io::Result<String> {
        Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
    }
}
