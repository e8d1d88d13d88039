//! Real processes: killed, stopped, out of disk. This executable starts itself again as a child;
//! what the child is to do comes in an environment variable.

use std::fs;
use std::io::BufRead as _;
use std::io::BufReader;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration as Wait;

use gov::model::lifetime::Duration;
use gov::state::HistoryQuery;
use gov::state::Store;
use gov::state::StoreError;
use gov::state::Stream;
use gov::state::local;
use gov::state::local::LocalOptions;
use gov::state::local::LocalStore;

use super::conformance::increment;
use super::fixture::*;

const ROLE: &str = "GOV_TEST_CHILD";
const DIR: &str = "GOV_TEST_DIR";

/// Kills in the loop: enough to hit opening, writing, syncing and checkpointing.
const KILLS: u32 = 60;

/// What a child does. A no-op when the whole suite runs.
#[test]
fn child() {
    let (Ok(role), Ok(dir)) = (std::env::var(ROLE), std::env::var(DIR)) else { return };
    let dir = Path::new(&dir);
    match role.as_str() {
        "append" => append_for_ever(dir),
        "count" => block_on(async {
            let store = local(dir);
            for _ in 0..25 {
                increment(&store).await;
            }
            store.checkpoint().unwrap();
        }),
        "hold" => hold(dir),
        "fill" => fill(dir),
        other => panic!("no role {other}"),
    }
}

fn spawn(role: &str, dir: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "state::process::child", "--nocapture", "--test-threads=1"]);
    start(command, role, dir)
}

fn start(mut command: Command, role: &str, dir: &Path) -> Child {
    command.env(ROLE, role).env(DIR, dir).env_remove("RUST_BACKTRACE");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// The lines that a child says, without what the test harness says around them.
fn lines(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.map_while(Result::ok).filter_map(|line| {
        let (_, said) = line.split_once("child: ")?;
        Some(said.to_owned())
    })
}

fn say(text: &str) {
    println!("child: {text}");
}

/// Appends numbered events, saying each number once it is durable.
fn append_for_ever(dir: &Path) {
    block_on(async {
        let store = local(dir);
        let ledger = store.ledger().await.unwrap();
        let frozen_so_far = ledger.globals.frozen.first().map(|(_, reason)| reason.clone());
        let first: u64 = frozen_so_far.map_or(0, |reason| number_in(&reason));
        for number in first + 1.. {
            // Long enough that a kill can tear it.
            let reason = format!("{number} {}", "x".repeat(3_000));
            put(&store, None, vec![frozen(&reason)]).await;
            say(&number.to_string());
            if number % 7 == 0 {
                store.checkpoint().unwrap();
            }
        }
    });
}

fn number_in(reason: &str) -> u64 {
    reason.split(' ').next().unwrap().parse().unwrap()
}

/// Must show 2 and 4 in small: whatever was acknowledged before a kill is there after it, once.
#[test]
fn killed_at_any_moment_nothing_acknowledged_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    local(dir.path());
    let mut acknowledged = 0_u64;
    for kill in 0..KILLS {
        let mut child = spawn("append", dir.path());
        let mut said = lines(&mut child);
        // Every third kill hits the opening, the others some appends after it.
        let first = if kill % 3 == 0 { None } else { said.next() };
        std::thread::sleep(Wait::from_micros(u64::from(kill * 7919 % 40_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        let heard = first.into_iter().chain(said).last();
        acknowledged = heard.map_or(acknowledged, |number| number.parse().unwrap());
        let store = open(dir.path()).unwrap();
        let query = HistoryQuery { kinds: vec!["frozen"], ..HistoryQuery::default() };
        let history = block_on(store.history(query)).unwrap();
        let numbers: Vec<u64> = history
            .iter()
            .map(|recorded| match &recorded.event {
                gov::model::event::Event::Frozen { reason, .. } => number_in(reason),
                other => panic!("{other:?}"),
            })
            .collect();
        let count = u64::try_from(numbers.len()).unwrap();
        assert!(numbers.iter().copied().eq(1..=count), "kill {kill}: {numbers:?}");
        assert!(count >= acknowledged, "kill {kill}: {count} of {acknowledged}");
        assert!(count <= acknowledged + 1, "kill {kill}: one may have gone unheard");
        acknowledged = count;
    }
    assert!(acknowledged >= u64::from(KILLS / 2), "only {acknowledged} appends went through");
    let report = local::verify(dir.path(), &options()).unwrap();
    assert_eq!(report.findings, []);
}

/// Four processes and this one count together by compare-and-swap.
#[test]
fn processes_lose_no_update() {
    let dir = tempfile::tempdir().unwrap();
    let store = local(dir.path());
    block_on(put(&store, Some(environment(1)), vec![created("env-1")]));
    let children: Vec<Child> = (0..4).map(|_| spawn("count", dir.path())).collect();
    block_on(async {
        for _ in 0..25 {
            increment(&store).await;
        }
    });
    for child in children {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    let ledger = block_on(store.ledger()).unwrap();
    assert_eq!(ledger.revision(&Stream::Resources(environment(1))), 1 + 5 * 25);
    assert_eq!(ledger.environments[&environment(1)].resources_revision, 126);
    assert_eq!(local::verify(dir.path(), &options()).unwrap().findings, []);
    assert_eq!(block_on(open(dir.path()).unwrap().ledger()).unwrap(), ledger);
}

fn short_leases() -> LocalOptions {
    LocalOptions { lease_duration: Duration::from_secs(1), ..options() }
}

/// Takes the lease, says its token, then for each line it hears tries to write under it.
fn hold(dir: &Path) {
    block_on(async {
        let store = LocalStore::open(dir, short_leases()).unwrap();
        let fence = store.acquire(lease_request(1, now())).await.unwrap();
        say(&format!("token {}", fence.token));
        for line in std::io::stdin().lines() {
            let _ = line.unwrap();
            let mut write = batch(None, vec![frozen("under a lease")]);
            write.preconditions.fence = Some(fence);
            match store.append(write).await {
                Ok(_) => say("written"),
                Err(StoreError::Fenced { by }) => say(&format!("fenced by {by}")),
                Err(error) => say(&error.to_string()),
            }
            let renewed = store.renew(fence, now()).await;
            say(if renewed.is_ok() { "renewed" } else { "not renewed" });
        }
    });
}

fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, signal).unwrap();
}

/// Must show 3: a dead holder is taken over at once.
#[test]
fn a_killed_holder_is_taken_over_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = local(dir.path());
    block_on(put(&store, Some(environment(1)), vec![created("env-1")]));
    let mut child = spawn("hold", dir.path());
    let mut said = lines(&mut child);
    assert_eq!(said.next().unwrap(), "token 1");
    let held = block_on(store.acquire(lease_request(1, now()))).unwrap_err();
    assert!(matches!(&held, StoreError::Held { holder, .. } if holder.pid == child.id()), "{held}");
    child.kill().unwrap();
    child.wait().unwrap();
    let fence = block_on(store.acquire(lease_request(1, now()))).unwrap();
    assert_eq!(fence.token, 2);
    let files = fs::read_dir(dir.path().join("leases")).unwrap().count();
    assert_eq!(files, 1, "the dead one's file is gone");
}

/// Must show 3: a stopped holder is taken over when its lease ends, and changes nothing on waking.
#[test]
fn a_stopped_holder_is_taken_over_in_time_and_fenced_on_waking() {
    let dir = tempfile::tempdir().unwrap();
    let store = local(dir.path());
    block_on(put(&store, Some(environment(1)), vec![created("env-1")]));
    let mut child = spawn("hold", dir.path());
    let mut said = lines(&mut child);
    assert_eq!(said.next().unwrap(), "token 1");
    let mut ear = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut ear, b"go on\n").unwrap();
    assert_eq!(said.next().unwrap(), "written");
    assert_eq!(said.next().unwrap(), "renewed");
    signal(&child, rustix::process::Signal::STOP);
    let mut polls = 0;
    let fence = loop {
        match block_on(store.acquire(lease_request(1, later(1)))) {
            Ok(fence) => break fence,
            Err(StoreError::Held { .. }) if polls < 100 => polls += 1,
            Err(error) => panic!("{error}"),
        }
        std::thread::sleep(Wait::from_millis(50));
    };
    assert!(polls >= 5, "its lease had not ended after {polls} polls");
    assert_eq!(fence.token, 2);
    signal(&child, rustix::process::Signal::CONT);
    std::io::Write::write_all(&mut ear, b"go on\n").unwrap();
    assert!(said.next().unwrap().starts_with("fenced by"));
    assert_eq!(said.next().unwrap(), "not renewed");
    drop(ear);
    assert!(child.wait().unwrap().success());
}

/// Appends until the disk is full, then shows that reading still works.
fn fill(dir: &Path) {
    block_on(async {
        let store = local(dir);
        let mut written = 0;
        let error = loop {
            let reason = format!("{written} {}", "x".repeat(10_000));
            match store.append(batch(None, vec![frozen(&reason)])).await {
                Ok(_) => written += 1,
                Err(error) => break error,
            }
            assert!(written < 1000, "the disk never got full");
        };
        let ledger = store.ledger().await.unwrap();
        assert_eq!(number_in(&ledger.globals.frozen[0].1), written - 1);
        let again = store.append(batch(None, vec![frozen(&"y".repeat(90_000))])).await;
        assert!(matches!(again, Err(StoreError::Unavailable(_))), "{again:?}");
        let reopened = open(dir).unwrap();
        assert_eq!(reopened.ledger().await.unwrap(), ledger);
        say(&format!("{written} {error}"));
    });
}

/// A limit on file sizes stands in for a full disk: the write is cut short in the same way.
#[test]
fn on_a_full_disk_nothing_is_lost_and_reading_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut shell = Command::new("sh");
    // An ignored signal stays ignored across exec, so that the write fails instead of killing.
    shell.arg("-c").arg(r#"trap "" XFSZ; ulimit -f 600 || exit 7; exec "$0" "$@""#);
    shell.arg(std::env::current_exe().unwrap());
    shell.args(["--exact", "state::process::child", "--nocapture", "--test-threads=1"]);
    let mut child = start(shell, "fill", dir.path());
    let said: Vec<String> = lines(&mut child).collect();
    let status = child.wait().unwrap();
    if status.code() == Some(7) {
        eprintln!("SKIPPED: this shell cannot limit the size of files");
        return;
    }
    assert!(status.success(), "{said:?}");
    let (written, error) = said[0].split_once(' ').unwrap();
    assert!(error.contains("raise the limit"), "{error}");
    let written: usize = written.parse().unwrap();
    assert!(written > 10, "{written}");
    let store = open(dir.path()).unwrap();
    let query = HistoryQuery { kinds: vec!["frozen"], ..HistoryQuery::default() };
    assert_eq!(block_on(store.history(query)).unwrap().len(), written);
    block_on(put(&store, None, vec![frozen("there is space again")]));
    assert_eq!(local::verify(dir.path(), &options()).unwrap().findings, []);
}

/// Reading needs neither the lock nor the index. Folders in the place of both files stand in for
/// missing permissions, which would not keep root from anything.
#[test]
fn a_folder_that_cannot_be_written_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let store = local(dir.path());
    block_on(furnish(&store, 1, 1));
    store.checkpoint().unwrap();
    let wanted = block_on(store.ledger()).unwrap();
    drop(store);
    fs::remove_file(dir.path().join("gov.lock")).unwrap();
    fs::create_dir(dir.path().join("gov.lock")).unwrap();
    let journal = dir.path().join("journal/00000001.log");
    let whole = fs::read(&journal).unwrap();
    fs::write(&journal, [&whole[..], &whole[..30]].concat()).unwrap();
    let store = open(dir.path()).unwrap();
    assert_eq!(block_on(store.ledger()).unwrap(), wanted);
    assert!(store.notices()[0].contains("left out"), "{:?}", store.notices());
    let refused = block_on(store.append(batch(None, vec![frozen("x")]))).unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
    assert_eq!(fs::read(&journal).unwrap().len(), whole.len() + 30);
    fs::remove_dir(dir.path().join("gov.lock")).unwrap();
    block_on(put(&store, None, vec![frozen("x")]));
    assert!(store.notices()[1].contains("kept in"), "{:?}", store.notices());
}
