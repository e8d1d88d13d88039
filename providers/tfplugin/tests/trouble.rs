//! Plugins that start well and then fail in the middle of a call.

use std::time::Duration;

use tfplugin::Class;
use tfplugin::client::CallError;
use tfplugin::client::Code;
use tfplugin::process::Launch;
use tfplugin::process::LogEvent;
use tfplugin::process::LogLevel;
use tfplugin::process::LogSource;
use tfplugin::process::Plugin;
use tfplugin::wire;
use tokio::sync::mpsc;

use crate::script::server;

async fn read(launch: Launch) -> (Plugin, CallError) {
    let plugin = Plugin::start(launch).await.unwrap();
    let request = wire::ReadResourceRequest::default();
    let error = plugin.client().read_resource(&request).await.expect_err("it fails");
    (plugin, error)
}

async fn apply(launch: Launch) -> (Plugin, CallError) {
    let plugin = Plugin::start(launch).await.unwrap();
    let request = wire::ApplyResourceChangeRequest::default();
    let error = plugin.client().apply_resource_change(&request).await.expect_err("it fails");
    (plugin, error)
}

const CRASH: &str = r#"
sys.stderr.write('{"@level":"error","@message":"about to fail"}\n')
sys.stderr.write("panic: runtime error: index out of range\n\ngoroutine 1 [running]:\n")
sys.stderr.flush()
os._exit(2)
"#;

#[tokio::test]
async fn a_crash_during_a_read_is_transient_and_tells_the_panic() {
    let (log, mut events) = mpsc::channel(10);
    let mut launch = server(CRASH);
    launch.log = Some(log);
    let (plugin, error) = read(launch).await;
    assert_eq!(error.class(), Class::Transient, "{error}");
    let CallError::Broken { exit: Some(report), .. } = &error else { panic!("{error:?}") };
    assert_eq!(report.status.and_then(|status| status.code()), Some(2));
    assert!(!report.killed);
    assert!(error.to_string().contains("index out of range\n\ngoroutine 1"), "{error}");

    let LogEvent::Record(record) = events.recv().await.unwrap() else { panic!() };
    assert_eq!(record.level, Some(LogLevel::Error));
    assert_eq!(record.message, "about to fail");

    // What comes after the end was never sent.
    let request = wire::ApplyResourceChangeRequest::default();
    let error = plugin.client().apply_resource_change(&request).await.unwrap_err();
    assert!(matches!(error, CallError::Gone { exit: Some(_), .. }), "{error:?}");
    assert_eq!(error.class(), Class::Transient);
    let report = plugin.shutdown().await;
    assert!(!report.killed, "{report}");
}

#[tokio::test]
async fn a_crash_during_an_apply_leaves_the_outcome_unknown() {
    let (_plugin, error) = apply(server(CRASH)).await;
    assert_eq!(error.class(), Class::Unknown, "{error}");
    assert!(matches!(error, CallError::Broken { exit: Some(_), .. }), "{error:?}");
}

#[tokio::test]
async fn a_connection_that_is_closed_by_a_living_plugin() {
    let (plugin, error) = read(server("conn.close()\ntime.sleep(3600)")).await;
    assert!(matches!(error, CallError::Broken { exit: None, .. }), "{error:?}");
    assert_eq!(error.class(), Class::Transient);
    assert!(plugin.shutdown().await.killed);
}

#[tokio::test]
async fn a_plugin_that_never_answers_meets_the_deadline() {
    let mut launch = server("time.sleep(3600)");
    launch.deadlines.act = Duration::from_millis(200);
    let (plugin, error) = apply(launch).await;
    assert!(matches!(error, CallError::TimedOut { .. }), "{error:?}");
    assert_eq!(error.class(), Class::Unknown);
    // It does not end when asked either, and shutting down is bounded all the same.
    let report = plugin.shutdown().await;
    assert!(report.killed, "{report}");
}

#[tokio::test]
async fn a_status_of_the_plugin_is_told_as_such() {
    let (_plugin, error) =
        read(server("answer(conn, stream)\nstatus(conn, stream, b'7', b'no')")).await;
    let CallError::Failed { code, message, .. } = &error else { panic!("{error:?}") };
    assert_eq!((*code, message.as_str()), (Code::PermissionDenied, "no"));
    assert_eq!(error.class(), Class::Rejected);
}

#[tokio::test]
async fn a_cancelled_call_is_told_as_such() {
    let (_plugin, error) = apply(server("answer(conn, stream)\nstatus(conn, stream, b'1')")).await;
    assert!(matches!(error, CallError::Cancelled { .. }), "{error:?}");
    assert_eq!(error.class(), Class::Unknown);
}

#[tokio::test]
async fn an_answer_that_is_no_message_is_malformed() {
    let (_plugin, error) =
        read(server("answer(conn, stream, b'\\xff\\xff')\nstatus(conn, stream, b'0')")).await;
    assert!(matches!(error, CallError::Malformed { .. }), "{error:?}");
    assert_eq!(error.class(), Class::Rejected);
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_refused_unread() {
    // A length of 1 GiB, of which nothing follows.
    let huge = "answer(conn, stream)\nframe(conn, 0, 0, stream, b'\\x00\\x40\\x00\\x00\\x00')";
    let (_plugin, error) = read(server(huge)).await;
    let CallError::Failed { code, .. } = &error else { panic!("{error:?}") };
    assert_eq!(*code, Code::OutOfRange);
}

#[tokio::test]
async fn a_deferred_answer_is_an_error_with_a_reason() {
    // Field 4 of the answer is a message whose field 1 is 2.
    let deferred = "answer(conn, stream, b'\\x22\\x02\\x08\\x02')\nstatus(conn, stream, b'0')";
    let (_plugin, error) = read(server(deferred)).await;
    let CallError::Deferred { reason, .. } = &error else { panic!("{error:?}") };
    assert_eq!(*reason, wire::DeferredReason::ProviderConfigUnknown);
    assert!(error.to_string().contains("provider's configuration"), "{error}");
}

#[tokio::test]
async fn redirected_output_is_logged() {
    // The other call gets the same answer, and finds nothing in it that it knows.
    let said = "answer(conn, stream, b'\\x08\\x01\\x12\\x06print\\x0a')\n\
        frame(conn, 0, 0, stream, b'\\x00\\x00\\x00\\x00\\x07\\x08\\x02\\x12\\x03err')\n\
        status(conn, stream, b'0')";
    let (log, mut events) = mpsc::channel(10);
    let mut launch = server(said);
    launch.log = Some(log);
    let plugin = Plugin::start(launch).await.unwrap();
    let _two_answers = plugin.client().shutdown().await;
    let mut found = Vec::new();
    while found.len() < 2 {
        match events.recv().await.unwrap() {
            LogEvent::Record(record) => found.push((record.source, record.message)),
            other => panic!("{other:?}"),
        }
    }
    let expected = [
        (LogSource::RedirectedStdout, "print".to_owned()),
        (LogSource::RedirectedStderr, "err".to_owned()),
    ];
    assert_eq!(found, expected);
}
