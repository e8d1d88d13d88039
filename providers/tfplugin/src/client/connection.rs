//! One HTTP/2 connection to a plugin, over a Unix socket or a loopback port.
//!
//! It is made directly with hyper. The channel that gRPC libraries offer would connect again
//! behind our back when the connection is lost, and the process that listened is then gone: the
//! second attempt could only hide why.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use hyper::Request;
use hyper::Response;
use hyper::Uri;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::body::Body;
use tonic::client::GrpcService;

use crate::Class;
use crate::handshake::Address;
use crate::tls::ALPN_HTTP2;
use crate::tls::SERVER_NAME;

/// A plugin listens before it writes its handshake, and everything is on this machine: connecting
/// takes milliseconds. Ten seconds allow for a badly overloaded one.
const CONNECT_SECONDS_MAX: u64 = 10;

/// How much a plugin may send before we acknowledge. With the usual 64 KiB a large schema is a
/// long dialogue; with a whole message's worth it is one burst.
const WINDOW_BYTES: u32 = 64 * 1024 * 1024;

/// The text of an error comes in a header. With the usual 16 KiB a provider's long error breaks
/// the connection instead of being read.
const HEADER_BYTES_MAX: u32 = 1024 * 1024;

/// Why there is no connection. The plugin has not been asked to do anything yet, so a new process
/// may be tried unless the certificate was wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Nobody listens there, or not for us.
    #[error("cannot connect to the plugin at {address:?}")]
    Socket {
        /// Where it said it would listen.
        address: Address,
        /// What the system said.
        source: io::Error,
    },
    /// The TLS handshake failed.
    #[error("cannot agree with the plugin on encryption")]
    Tls(#[source] io::Error),
    /// The plugin wants to speak something else over TLS.
    #[error("the plugin does not speak HTTP/2")]
    NotHttp2,
    /// The HTTP/2 preface failed.
    #[error("cannot open an HTTP/2 connection to the plugin")]
    Http2(#[source] hyper::Error),
    /// It took too long.
    #[error("the plugin did not accept a connection within {CONNECT_SECONDS_MAX} seconds")]
    TimedOut,
}

impl ConnectError {
    /// What the caller may do next.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Tls(_) | Self::NotHttp2 => Class::Rejected,
            Self::Socket { .. } | Self::Http2(_) | Self::TimedOut => Class::Transient,
        }
    }
}

/// The sending side of the connection. Clones share it.
#[derive(Clone)]
pub(super) struct Http2 {
    sender: http2::SendRequest<Body>,
    /// Drives the connection, and is aborted with the last clone.
    _driver: Arc<JoinSet<()>>,
}

impl Http2 {
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

impl GrpcService<Body> for Http2 {
    type ResponseBody = Incoming;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Incoming>, hyper::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.sender.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.sender.send_request(request))
    }
}

/// What requests claim to be addressed to. Servers want an authority; none looks at which.
pub(super) fn origin() -> Uri {
    Uri::from_static("http://localhost")
}

pub(super) async fn connect(
    address: Address,
    tls: Option<ClientConfig>,
) -> Result<Http2, ConnectError> {
    let attempt = async {
        match &address {
            Address::Unix(path) => match UnixStream::connect(path).await {
                Ok(stream) => secure(stream, tls).await,
                Err(source) => Err(ConnectError::Socket { address, source }),
            },
            Address::Tcp(socket) => match connect_tcp(socket).await {
                Ok(stream) => secure(stream, tls).await,
                Err(source) => Err(ConnectError::Socket { address, source }),
            },
        }
    };
    timeout(Duration::from_secs(CONNECT_SECONDS_MAX), attempt)
        .await
        .unwrap_or(Err(ConnectError::TimedOut))
}

async fn connect_tcp(socket: &SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(socket).await?;
    // Otherwise the system holds small requests back until earlier ones are acknowledged: 40 ms
    // for each call.
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn secure<S>(stream: S, tls: Option<ClientConfig>) -> Result<Http2, ConnectError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let Some(config) = tls else {
        return open(stream).await;
    };
    let name = ServerName::try_from(SERVER_NAME)
        .map_err(|error| ConnectError::Tls(io::Error::other(error)))?;
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(ConnectError::Tls)?;
    // Old gRPC servers negotiate nothing and mean HTTP/2 all the same.
    match stream.get_ref().1.alpn_protocol() {
        None | Some(ALPN_HTTP2) => open(stream).await,
        Some(_) => Err(ConnectError::NotHttp2),
    }
}

async fn open<S>(stream: S) -> Result<Http2, ConnectError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    // No pings: gRPC servers take them for an attack, and the end of the process is noticed anyway.
    // The executor runs what hyper needs beside the connection, and that ends with it.
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_header_list_size(HEADER_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(ConnectError::Http2)?;
    let mut driver = JoinSet::new();
    driver.spawn(async move {
        // How it ended is told to each call that was under way; there is nobody else to tell.
        let _ended = connection.await;
    });
    Ok(Http2 { sender, _driver: Arc::new(driver) })
}
