//! What the local provider is given from outside: how to start gov's supervisor, which clock it
//! follows and which user's settings the commands see.
//!
//! Deliberately not here: any choice of when to start something. Start with [`Launcher`].
#![expect(clippy::disallowed_methods, reason = "IO: reads the kernel's name for this boot")]

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::time::ClockId;

use crate::model::lifetime::Timestamp;

/// The hidden command under which gov supervises a process.
pub const SUPERVISE_COMMAND: &str = "__supervise";

/// The option of that command that names the file with what to start.
pub const SPEC_OPTION: &str = "--spec";

/// Time and boot, as the provider sees them.
pub trait Clock: Send + Sync {
    /// Now, on a clock that goes on while the machine is suspended.
    fn now(&self) -> Timestamp;

    /// A name for the present boot: no process of another boot is alive.
    ///
    /// # Errors
    /// Where the kernel does not tell.
    fn boot_id(&self) -> io::Result<String>;
}

/// How to start the supervisor, and what every command sees of its user.
#[derive(Clone)]
pub struct Launcher {
    /// The gov executable, by its absolute path.
    pub program: PathBuf,
    /// Time and boot.
    pub clock: Arc<dyn Clock>,
    /// `HOME` for commands; not set where absent.
    pub home: Option<String>,
    /// `LANG` for commands; not set where absent.
    pub lang: Option<String>,
}

/// The machine's own clock: the wall clock as it stood once, carried on by the boot clock. A step
/// of the wall clock neither shortens nor lengthens a deadline, and a suspended machine loses none.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    wall_less_boot_ms: i64,
}

impl SystemClock {
    /// Reads the wall clock once.
    #[must_use]
    pub fn start() -> Self {
        let wall = clock_ms(ClockId::Realtime);
        Self { wall_less_boot_ms: wall.saturating_sub(clock_ms(ClockId::Boottime)) }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.wall_less_boot_ms.saturating_add(boot_clock_ms()))
    }

    fn boot_id(&self) -> io::Result<String> {
        Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
    }
}

/// Milliseconds since boot, suspended time included: for measuring waits.
pub(super) fn boot_clock_ms() -> i64 {
    clock_ms(ClockId::Boottime)
}

fn clock_ms(id: ClockId) -> i64 {
    let now = rustix::time::clock_gettime(id);
    now.tv_sec.saturating_mul(1000).saturating_add(now.tv_nsec / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::Clock as _;
    use super::SystemClock;

    #[test]
    fn the_clock_goes_on_and_the_boot_has_a_name() {
        let clock = SystemClock::start();
        assert!(clock.now() >= clock.now().minus(crate::model::lifetime::Duration::from_secs(1)));
        assert_eq!(clock.boot_id().unwrap().len(), 36);
    }
}
