//! The processes that belong to one supervised command, found and ended.
//!
//! A process is known by its pid and the tick it started at, within one boot. Its kin are all that
//! the supervisor's session holds, all that descend from the supervisor (it adopts orphans), and
//! all whose variables carry its marker: a member gets away only by leaving the session, outliving
//! the supervisor and clearing its variables. Nobody else is ever signalled, so a forged pid file
//! reaches no stranger: what it names must carry the marker.
//!
//! Deliberately not here: files. Start with [`Kin::scan`].
#![expect(clippy::disallowed_methods, reason = "IO: reads /proc, where the kernel lists processes")]

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::io;
use std::thread;
use std::time::Duration;

use rustix::process::Pid;
use rustix::process::Signal;

use crate::provider::builtin::local::launcher::boot_clock_ms;

/// The variable that carries the marker of a create.
pub(super) const MARKER_VARIABLE: &str = "GOV_MARKER";

/// Between two looks at processes: short beside any grace, long beside the cost of a look.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long the supervisor has to notice that its command has ended.
const SUPERVISOR_MS_MAX: i64 = 2_000;

/// How long the kernel has to end what was killed; what stays longer hangs in a device.
const KILL_MS_MAX: i64 = 10_000;

/// A supervisor, told apart from every other process of this boot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Supervisor {
    /// Its pid, which is also its session.
    pub pid: i32,
    /// When it started, in clock ticks since boot.
    pub started: u64,
    /// The pid of its command, which is also its group. Known only where the supervisor itself has
    /// told it: a file can be forged, and this number is believed without a marker.
    pub command: Option<i32>,
    /// The marker its variables carry, fit for file names.
    pub stem: String,
}

/// One line of the kernel's table of processes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Row {
    /// Its pid.
    pub pid: i32,
    /// Its parent.
    pub parent: i32,
    /// Its process group.
    pub group: i32,
    /// Its session.
    pub session: i32,
    /// When it started, in clock ticks since boot.
    pub started: u64,
}

/// Parses a line of `/proc/PID/stat`; none for a process that is dead already.
fn parse_stat(line: &str) -> Option<Row> {
    // The name in parentheses may hold anything, parentheses too; what follows the last is plain.
    let (head, tail) = line.rsplit_once(')')?;
    let pid = head.split_whitespace().next()?.parse().ok()?;
    let fields: Vec<&str> = tail.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<i32>().ok();
    if matches!(fields.first(), Some(&"Z" | &"X" | &"x")) {
        return None;
    }
    Some(Row {
        pid,
        parent: number(1)?,
        group: number(2)?,
        session: number(3)?,
        started: fields.get(19)?.parse().ok()?,
    })
}

/// The row of a process; none where it is dead.
pub(super) fn row(pid: i32) -> Option<Row> {
    parse_stat(&String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/stat")).ok()?))
}

fn carries(pid: i32, stem: &str) -> bool {
    let Ok(variables) = std::fs::read(format!("/proc/{pid}/environ")) else { return false };
    let wanted = format!("{MARKER_VARIABLE}={stem}");
    variables.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
}

/// Whether this very process is alive and carries the marker.
pub(super) fn is_alive(pid: i32, started: u64, stem: &str) -> bool {
    row(pid).is_some_and(|row| row.started == started) && carries(pid, stem)
}

/// The kin of a supervisor, at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Kin {
    members: BTreeMap<i32, Row>,
    /// Groups all of whose living processes are members.
    own_groups: BTreeSet<i32>,
}

impl Kin {
    /// Looks for the kin of a supervisor of this boot.
    pub(super) fn scan(of: &Supervisor) -> io::Result<Self> {
        let mut rows = BTreeMap::new();
        for entry in std::fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let pid = name.to_str().and_then(|name| name.parse::<i32>().ok());
            if let Some(found) = pid.and_then(row) {
                rows.insert(found.pid, found);
            }
        }
        let leads = is_alive(of.pid, of.started, &of.stem);
        // While a stranger has the number, its session is the stranger's.
        let orphans = of.command.filter(|_| !rows.contains_key(&of.pid));
        let is_member = |row: &Row| {
            // Whoever started before the supervisor cannot be of its kin.
            row.started >= of.started
                && ((leads && (row.session == of.pid || descends(row, of.pid, &rows)))
                    || (row.session == of.pid && orphans == Some(row.group))
                    || carries(row.pid, &of.stem))
        };
        let members: BTreeMap<i32, Row> =
            rows.values().filter(|row| is_member(row)).map(|row| (row.pid, row.clone())).collect();
        let shared: BTreeSet<i32> = rows
            .values()
            .filter(|row| !members.contains_key(&row.pid))
            .map(|row| row.group)
            .collect();
        let own_groups =
            members.values().map(|row| row.group).filter(|g| !shared.contains(g)).collect();
        Ok(Self { members, own_groups })
    }

    /// Whether nobody is left.
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.members.len()
    }

    /// The same without one process.
    fn without(mut self, pid: i32) -> Self {
        if let Some(row) = self.members.remove(&pid) {
            self.own_groups.remove(&row.group);
        }
        self
    }

    /// Signals everybody: group by group, so that nobody escapes by forking, and one by one where
    /// a group holds strangers. Who has ended meanwhile needs no signal.
    fn signal(&self, signal: Signal) {
        for group in self.own_groups.iter().filter_map(|group| Pid::from_raw(*group)) {
            let _ended = rustix::process::kill_process_group(group, signal);
        }
        let single = self.members.values().filter(|row| !self.own_groups.contains(&row.group));
        for pid in single.filter_map(|row| Pid::from_raw(row.pid)) {
            let _ended = rustix::process::kill_process(pid, signal);
        }
    }
}

fn descends(row: &Row, from: i32, rows: &BTreeMap<i32, Row>) -> bool {
    let mut parent = row.parent;
    // A table read while processes come and go may hold a circle, so the way up is bounded.
    for _ in 0..rows.len() {
        if parent == from {
            return true;
        }
        match rows.get(&parent) {
            Some(above) => parent = above.parent,
            None => return false,
        }
    }
    false
}

/// How the kin of a supervisor ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ending {
    /// There was nobody.
    WasGone,
    /// All went when asked to.
    Asked,
    /// Some had to be killed.
    Killed,
    /// The wait was interrupted; some may live.
    Interrupted,
    /// So many could not even be killed.
    Left(usize),
}

/// Ends the kin of a supervisor: asks, waits for the grace, kills, and waits until nobody is left.
/// `sparing` is a process that is not ended and not waited for: the supervisor, when it asks.
pub(super) fn end(
    of: &Supervisor,
    grace_ms: i64,
    sparing: Option<i32>,
    interrupted: &dyn Fn() -> bool,
) -> io::Result<Ending> {
    let look = || -> io::Result<Kin> {
        let kin = Kin::scan(of)?;
        Ok(sparing.map_or_else(|| kin.clone(), |pid| kin.clone().without(pid)))
    };
    let first = look()?;
    if first.is_empty() {
        return Ok(Ending::WasGone);
    }
    // The supervisor ends by itself when its command has: asked directly, it would orphan it.
    let orphaned = !first.members.contains_key(&of.pid);
    first.without(of.pid).signal(Signal::TERM);
    let begun = boot_clock_ms();
    loop {
        let left = look()?;
        if left.is_empty() {
            return Ok(Ending::Asked);
        }
        let alone = !orphaned && left.clone().without(of.pid).is_empty();
        let patience = if alone { grace_ms.max(SUPERVISOR_MS_MAX) } else { grace_ms };
        if boot_clock_ms().saturating_sub(begun) >= patience {
            break;
        }
        if interrupted() {
            return Ok(Ending::Interrupted);
        }
        thread::sleep(LOOK_EVERY);
    }
    let killing = boot_clock_ms();
    loop {
        let left = look()?;
        if left.is_empty() {
            return Ok(Ending::Killed);
        }
        if boot_clock_ms().saturating_sub(killing) >= KILL_MS_MAX {
            return Ok(Ending::Left(left.count()));
        }
        left.signal(Signal::KILL);
        thread::sleep(LOOK_EVERY);
    }
}

/// Pauses between two looks at something that another process is about to do.
pub(super) fn pause() {
    thread::sleep(LOOK_EVERY);
}

#[cfg(test)]
mod tests {
    use super::Kin;
    use super::Row;
    use super::Supervisor;
    use super::parse_stat;
    use super::row;

    #[test]
    fn a_name_cannot_forge_a_row() {
        let line = "42 (a) R 1 (b)) S 7 8 9 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 777 99 1 2\n";
        let want = Row { pid: 42, parent: 7, group: 8, session: 9, started: 777 };
        assert_eq!(parse_stat(line), Some(want));
        assert_eq!(parse_stat(&line.replace(") S 7", ") Z 7")), None);
        assert_eq!(parse_stat("42 (x) S"), None);
    }

    #[test]
    fn who_does_not_carry_the_marker_is_no_kin() {
        let own = row(i32::try_from(std::process::id()).unwrap()).unwrap();
        let forged = Supervisor {
            pid: own.pid,
            started: own.started,
            command: Some(own.pid),
            stem: "forged".into(),
        };
        assert!(Kin::scan(&forged).unwrap().is_empty());
    }
}
