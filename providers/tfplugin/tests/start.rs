//! Programs that are no plugins, or not quite.

use std::time::Duration;
use std::time::Instant;

use tfplugin::Class;
use tfplugin::client::ConnectError;
use tfplugin::handshake::HandshakeError;
use tfplugin::process::LOG_LINES_PER_SECOND_MAX;
use tfplugin::process::Launch;
use tfplugin::process::LogEvent;
use tfplugin::process::LogSource;
use tfplugin::process::Plugin;
use tfplugin::process::StartError;
use tokio::sync::mpsc;

use crate::script::shell;
use crate::script::wait_for_death;

async fn refused(launch: Launch) -> StartError {
    Plugin::start(launch).await.expect_err("this is no plugin")
}

#[tokio::test]
async fn a_program_that_is_not_there() {
    let error = refused(Launch::new("/no/such/program")).await;
    assert!(matches!(error, StartError::Spawn { .. }), "{error}");
    assert_eq!(error.class(), Class::Rejected);
}

#[tokio::test]
async fn a_program_that_hangs_is_killed_in_time() {
    let mut launch = shell("echo waiting >&2; sleep 3600");
    launch.start_within = Duration::from_millis(300);
    let began = Instant::now();
    let error = refused(launch).await;
    assert!(began.elapsed() < Duration::from_secs(10));
    let StartError::TimedOut { report, .. } = &error else { panic!("{error}") };
    assert!(report.killed);
    assert_eq!(report.last_words, "waiting");
    assert_eq!(error.class(), Class::Transient);
}

#[tokio::test]
async fn a_program_that_prints_nonsense_is_killed() {
    for script in ["echo hello; sleep 3600", "echo; echo '| a | b | c | d |'; sleep 3600"] {
        let error = refused(shell(script)).await;
        let StartError::Handshake { source, report } = &error else { panic!("{error}") };
        assert!(matches!(source, HandshakeError::NotAHandshake { .. }), "{source}");
        assert!(report.killed, "{report}");
        assert_eq!(error.class(), Class::Rejected);
    }
}

#[tokio::test]
async fn a_line_without_bounds_is_refused() {
    let error = refused(shell("head -c 1000000 /dev/zero | tr '\\0' x; echo; sleep 3600")).await;
    let StartError::Handshake { source, .. } = &error else { panic!("{error}") };
    assert_eq!(*source, HandshakeError::TooLong);
}

#[tokio::test]
async fn a_program_that_ends_at_once_says_why() {
    let error = refused(shell("echo 'cannot open shared object file' >&2; exit 127")).await;
    let StartError::NoHandshake { report } = &error else { panic!("{error}") };
    assert!(!report.killed);
    assert_eq!(report.status.and_then(|status| status.code()), Some(127));
    assert!(error.to_string().contains("shared object"), "{error}");
}

#[tokio::test]
async fn a_program_that_closes_its_output_and_lives_on_is_killed() {
    let error = refused(shell("exec >&-; sleep 3600")).await;
    let StartError::NoHandshake { report } = &error else { panic!("{error}") };
    assert!(report.killed, "{report}");
}

#[tokio::test]
async fn a_socket_that_is_not_there() {
    let error =
        refused(shell("echo \"1|5|unix|$PLUGIN_UNIX_SOCKET_DIR/s|grpc\"; sleep 3600")).await;
    let StartError::Connect { source, report } = &error else { panic!("{error}") };
    assert!(matches!(source, ConnectError::Socket { .. }), "{source}");
    assert!(report.killed);
    assert_eq!(error.class(), Class::Transient);
}

#[tokio::test]
async fn a_certificate_from_a_server_without_tls_is_refused() {
    // "AQID" is not even a certificate; what answers is not TLS.
    let mut launch = crate::script::server("pass");
    let program = launch.arguments[1].clone().into_string().unwrap();
    launch.arguments[1] = program.replace("|grpc|", "|grpc|AQID").into();
    let error = refused(launch).await;
    let StartError::Connect { source, .. } = &error else { panic!("{error}") };
    assert!(matches!(source, ConnectError::Tls(_)), "{source}");
    assert_eq!(error.class(), Class::Rejected);
}

#[tokio::test]
async fn a_flood_of_errors_blocks_nobody() {
    let (log, mut events) = mpsc::channel(10);
    // Far more than a pipe holds; then a handshake, so that it is seen to have gone on.
    let mut launch =
        shell("yes 'one of very many lines' | head -n 300000 >&2; echo '1|9|a|b|grpc'");
    launch.log = Some(log);
    let error = refused(launch).await;
    let StartError::Handshake { source, .. } = &error else { panic!("{error}") };
    assert_eq!(*source, HandshakeError::Protocol { version: "9".to_owned() });
    let (mut records, mut dropped) = (0, 0);
    while let Ok(event) = events.try_recv() {
        match event {
            LogEvent::Record(record) => {
                assert_eq!(record.source, LogSource::Stderr);
                records += 1;
            }
            LogEvent::Dropped { lines, .. } => dropped += lines,
        }
    }
    assert!(records <= u64::from(LOG_LINES_PER_SECOND_MAX));
    assert!(records <= 10, "the channel holds no more, and nobody read");
    assert!(dropped < 300_000);
}

#[tokio::test]
async fn what_it_started_dies_with_it() {
    let script = "sleep 3600 & echo \"child $!\" >&2; echo nonsense; wait";
    let error = refused(shell(script)).await;
    let StartError::Handshake { report, .. } = &error else { panic!("{error}") };
    let id = report.last_words.strip_prefix("child ").unwrap().parse().unwrap();
    wait_for_death(id).await;
}

#[tokio::test]
async fn the_environment_is_as_promised() {
    let script = "ls -ld \"$PLUGIN_UNIX_SOCKET_DIR\" | cut -c 1-10 >&2; \
        echo \"$GOGC $GOMEMLIMIT ${PLUGIN_UNIX_SOCKET_GROUP-unset} $PLUGIN_PROTOCOL_VERSIONS \
        ${HOME-no home}\" >&2; exit 1";
    let words = |error: StartError| match error {
        StartError::NoHandshake { report } => report.last_words.clone(),
        other => panic!("{other}"),
    };
    let mut launch = shell(script);
    launch.inherit_environment = false;
    let said = words(refused(launch.clone()).await);
    assert_eq!(said, "drwx------\noff 1GiB unset 5,6 no home");

    launch.variables = vec![("GOGC".into(), "50".into()), ("HOME".into(), "/h".into())];
    let said = words(refused(launch).await);
    assert_eq!(said, "drwx------\n50  unset 5,6 /h");
}
