//! Facts of the machine that a lease depends on: which boot this is, which processes live, and a
//! clock that goes on while the machine sleeps. Never the time of day: that is always an argument.
#![expect(clippy::disallowed_methods, reason = "IO: reads /proc")]

use std::fmt::Debug;

use rustix::time::ClockId;
use rustix::time::clock_gettime;

/// Facts of one machine.
pub trait Machine: Send + Sync + Debug {
    /// The name of this boot: process ids and the boot clock mean nothing across boots.
    fn boot_id(&self) -> String;

    /// Milliseconds since the boot, time asleep included.
    fn boottime_ms(&self) -> u64;

    /// This process.
    fn pid(&self) -> u32;

    /// When a process started, in clock ticks since the boot. Nothing where there is no such
    /// process, or only a dead one that its parent has not collected.
    fn pid_start(&self, pid: u32) -> Option<u64>;

    /// The space that process ids are counted in: two containers may share a folder and not it.
    fn pid_namespace(&self) -> Option<String>;

    /// The machine's name, for people.
    fn hostname(&self) -> String;
}

/// The machine this runs on, by way of `/proc`.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThisMachine;

impl Machine for ThisMachine {
    fn boot_id(&self) -> String {
        first_line("/proc/sys/kernel/random/boot_id")
    }

    fn boottime_ms(&self) -> u64 {
        let time = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let millis = u64::try_from(time.tv_nsec / 1_000_000).unwrap_or(0);
        seconds.saturating_mul(1000).saturating_add(millis)
    }

    fn pid(&self) -> u32 {
        std::process::id()
    }

    fn pid_start(&self, pid: u32) -> Option<u64> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        start_of(&stat)
    }

    fn pid_namespace(&self) -> Option<String> {
        let link = std::fs::read_link("/proc/self/ns/pid").ok()?;
        Some(link.to_string_lossy().into_owned())
    }

    fn hostname(&self) -> String {
        first_line("/proc/sys/kernel/hostname")
    }
}

fn first_line(path: &str) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or_default().trim().to_owned()
}

/// The start in a line of `/proc/PID/stat`. The second field is the program's name in brackets and
/// may hold anything, brackets too; the state follows it, and the start is the 20th after that.
fn start_of(stat: &str) -> Option<u64> {
    let (_, after) = stat.rsplit_once(')')?;
    let mut fields = after.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X" | "x") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::Machine;
    use super::ThisMachine;
    use super::start_of;

    #[test]
    fn a_process_knows_its_own_start() {
        let machine = ThisMachine;
        assert!(machine.pid_start(machine.pid()).is_some());
        assert_eq!(machine.pid_start(u32::MAX), None);
        assert_eq!(machine.boot_id().len(), 36);
        assert!(machine.boottime_ms() > 0);
    }

    #[test]
    fn names_of_programs_confuse_nobody_and_the_dead_have_no_start() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20";
        assert_eq!(start_of(&format!("42 (a) b) c) {rest}")), Some(4711));
        assert_eq!(start_of(&format!("42 (x) {}", rest.replace('S', "Z"))), None);
        assert_eq!(start_of("42"), None);
    }
}
