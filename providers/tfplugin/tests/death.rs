//! The end of plugins: by being dropped, and by the death of their host.

use std::io::BufRead as _;
use std::io::BufReader;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;

use tfplugin::Class;
use tfplugin::guard::Guard;
use tfplugin::process::Plugin;
use tfplugin::process::StartError;

use crate::script::is_alive;
use crate::script::server;
use crate::script::shell;
use crate::script::wait_for_death;

const GUARD: &str = env!("CARGO_BIN_EXE_tfplugin-guard");

fn guard() -> Guard {
    Guard { program: PathBuf::from(GUARD), arguments: Vec::new() }
}

#[tokio::test]
async fn dropping_a_plugin_kills_it_and_removes_its_socket() {
    let root = tempfile::tempdir().unwrap();
    let mut launch = server("pass");
    launch.socket_root = Some(root.path().to_owned());
    let plugin = Plugin::start(launch).await.unwrap();
    let id = plugin.id().unwrap();
    assert!(is_alive(id));
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
    drop(plugin);
    wait_for_death(id).await;
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_socket_elsewhere_is_removed_too() {
    let root = tempfile::tempdir().unwrap();
    let mut launch = server("pass");
    let program = launch.arguments[1].clone().into_string().unwrap();
    let elsewhere = format!("{:?}", root.path());
    launch.arguments[1] =
        program.replace(r#"os.environ["PLUGIN_UNIX_SOCKET_DIR"]"#, &elsewhere).into();
    let plugin = Plugin::start(launch).await.unwrap();
    assert!(root.path().join("s").exists());
    plugin.shutdown().await;
    assert!(!root.path().join("s").exists());
}

#[tokio::test]
async fn killing_a_plugin_is_reported() {
    let plugin = Plugin::start(server("pass")).await.unwrap();
    plugin.kill();
    let report = plugin.exit().ended().await.unwrap();
    assert!(report.killed, "{report}");
    assert_eq!(plugin.id(), None);
    // A second time hits nobody.
    plugin.kill();
}

#[tokio::test]
async fn a_plugin_runs_under_a_guard() {
    let mut launch = server("pass");
    launch.guard = Some(guard());
    let plugin = Plugin::start(launch).await.unwrap();
    let id = plugin.id().unwrap();
    let name = std::fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap();
    assert!(name.contains("python3\0-c\0"), "the guard became the plugin: {name:?}");
    drop(plugin);
    wait_for_death(id).await;
}

#[tokio::test]
async fn a_guard_tells_why_it_cannot_become_the_plugin() {
    let mut launch = shell("");
    launch.program = PathBuf::from("/no/such/program");
    launch.guard = Some(guard());
    let error = Plugin::start(launch).await.unwrap_err();
    let StartError::NoHandshake { report } = &error else { panic!("{error}") };
    assert!(report.last_words.contains("/no/such/program"), "{report}");
    assert_eq!(error.class(), Class::Rejected);
}

#[tokio::test]
async fn a_guarded_plugin_dies_with_a_host_that_is_killed() {
    let host = format!("{GUARD} $$ /bin/sleep 3600 & echo $!; wait");
    let mut host =
        Command::new("/bin/sh").args(["-c", &host]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(host.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let id: u32 = line.trim().parse().unwrap();
    // Only what has become the plugin has asked for the signal.
    while !std::fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap().starts_with("/bin/sleep")
    {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    host.kill().unwrap();
    host.wait().unwrap();
    wait_for_death(id).await;
}

#[test]
fn a_guard_without_its_parent_does_not_start() {
    let output = Command::new(GUARD).args(["1", "/bin/echo", "started"]).output().unwrap();
    assert!(output.stdout.is_empty());
    assert_eq!(output.status.code(), Some(126));
    assert!(String::from_utf8_lossy(&output.stderr).contains("gone"));
}
