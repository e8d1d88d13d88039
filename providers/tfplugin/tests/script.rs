//! Programs written for a test: a shell script, or a small server that speaks just enough HTTP/2.

use std::time::Duration;

use tfplugin::process::Launch;

/// Long enough for an interpreter to start on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A plugin that is a shell script.
pub fn shell(script: &str) -> Launch {
    let mut launch = Launch::new("/bin/sh");
    launch.arguments = vec!["-c".into(), script.into()];
    launch.start_within = PATIENCE;
    launch
}

/// A plugin that says a proper handshake, waits for two calls, and does `on_call` for both. One is
/// the test's and one asks for redirected output, in either order. In `on_call`, `conn` is the
/// connection, `stream` the number of the call, and `frame`, `answer` and `status` send parts of
/// an answer.
pub fn server(on_call: &str) -> Launch {
    let mut program = SERVER.to_owned();
    program.push_str("def on_call(conn, stream):\n");
    for line in on_call.lines() {
        program.push_str(&format!("    {line}\n"));
    }
    program.push_str("main()\n");
    let mut launch = Launch::new("python3");
    launch.arguments = vec!["-c".into(), program.into()];
    launch.start_within = PATIENCE;
    launch
}

const SERVER: &str = r#"
import os, socket, struct, sys, time

def frame(conn, kind, flags, stream, body=b""):
    conn.sendall(struct.pack(">I", len(body))[1:] + bytes([kind, flags])
                 + struct.pack(">I", stream) + body)

def literal(name, value):
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value

def answer(conn, stream, *messages):
    frame(conn, 1, 4, stream, b"\x88" + literal(b"content-type", b"application/grpc"))
    for message in messages:
        frame(conn, 0, 0, stream, b"\x00" + struct.pack(">I", len(message)) + message)

def status(conn, stream, code, text=b""):
    fields = literal(b"grpc-status", code) + literal(b"grpc-message", text)
    frame(conn, 1, 5, stream, fields)

def receive(conn, length):
    data = b""
    while len(data) < length:
        piece = conn.recv(length - len(data))
        if not piece:
            time.sleep(3600)
        data += piece
    return data

def main():
    path = os.environ["PLUGIN_UNIX_SOCKET_DIR"] + "/s"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    print("1|6|unix|" + path + "|grpc|", flush=True)
    conn, _ = listener.accept()
    receive(conn, len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
    frame(conn, 4, 0, 0)
    calls = 0
    while True:
        head = receive(conn, 9)
        length = int.from_bytes(head[:3], "big")
        kind, flags = head[3], head[4]
        stream = int.from_bytes(head[5:], "big")
        receive(conn, length)
        if kind == 4 and not flags & 1:
            frame(conn, 4, 1, 0)
        if kind == 1:
            calls += 1
            if calls == 2:
                on_call(conn, 1)
                on_call(conn, 3)

"#;

/// Whether the process is still there and not merely waiting to be noticed.
pub fn is_alive(id: u32) -> bool {
    match std::fs::read_to_string(format!("/proc/{id}/stat")) {
        Ok(stat) => !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'),
        Err(_) => false,
    }
}

/// Waits until the process is gone.
pub async fn wait_for_death(id: u32) {
    let gone = async {
        while is_alive(id) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.unwrap_or_else(|_| panic!("{id} lives"));
}
