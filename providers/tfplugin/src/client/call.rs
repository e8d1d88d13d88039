//! One remote call: bytes out, bytes in, and what a failure means.
//!
//! All calls go through one codec of plain bytes, so that the gRPC machinery is compiled once and
//! not once per message, and so that a large answer can be kept as it came.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use hyper::http::uri::PathAndQuery;
use prost::DecodeError;
use prost::Message;
use prost::bytes::Buf;
use prost::bytes::BufMut;
use prost::bytes::Bytes;
use tokio::time::timeout;
pub use tonic::Code;
use tonic::Request;
use tonic::Status;
use tonic::Streaming;
use tonic::codec::Codec;
use tonic::codec::DecodeBuf;
use tonic::codec::Decoder;
use tonic::codec::EncodeBuf;
use tonic::codec::Encoder;

use super::Client;
use super::MESSAGE_BYTES_MAX;
use crate::Class;
use crate::exit::ExitReport;
use crate::protocol::Method;
use crate::wire::DeferredReason;
use crate::wire::Empty;
use crate::wire::StdioData;

/// How long a lost connection waits to learn how the process ended. The end is known within
/// milliseconds; a plugin that closed the connection and lives on must not hold the error up.
const EXIT_REPORT_WAIT_MS: u64 = 1_000;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The provider does not know this call.
    #[error("the provider does not implement {method}")]
    Unimplemented {
        /// The call.
        method: Method,
    },
    /// The provider answered with an error instead of an answer with diagnostics.
    #[error("the provider failed at {method}: {message} ({code:?})")]
    Failed {
        /// The call.
        method: Method,
        /// The kind of error, in gRPC's terms.
        code: Code,
        /// What it said.
        message: String,
    },
    /// The call was cancelled, usually since the provider was asked to stop.
    #[error("the provider cancelled {method}: {message}")]
    Cancelled {
        /// The call.
        method: Method,
        /// What it said.
        message: String,
    },
    /// The provider wants to put the matter off although it was told that this is not possible.
    #[error("the provider put {method} off until more is known: {reason}")]
    Deferred {
        /// The call.
        method: Method,
        /// Why it does.
        reason: DeferredReason,
    },
    /// The request is longer than any provider accepts. It was not sent.
    #[error("the request to {method} is {bytes} bytes long; the limit is {MESSAGE_BYTES_MAX}")]
    TooLarge {
        /// The call.
        method: Method,
        /// How long the request is.
        bytes: usize,
    },
    /// The connection was already lost. The request was not sent.
    #[error("the plugin is gone, {method} was not sent{}", told(exit))]
    Gone {
        /// The call.
        method: Method,
        /// How the plugin ended, if that is known.
        exit: Option<Arc<ExitReport>>,
    },
    /// The connection was lost while the call was under way.
    #[error("the connection to the plugin broke during {method}: {detail}{}", told(exit))]
    Broken {
        /// The call.
        method: Method,
        /// What the connection said.
        detail: String,
        /// How the plugin ended, if it did.
        exit: Option<Arc<ExitReport>>,
    },
    /// The deadline passed.
    #[error("the plugin did not answer {method} within {} seconds", after.as_secs_f32())]
    TimedOut {
        /// The call.
        method: Method,
        /// How long it was waited for.
        after: Duration,
    },
    /// The answer cannot be read.
    #[error("the plugin's answer to {method} is malformed")]
    Malformed {
        /// The call.
        method: Method,
        /// What is wrong with it.
        source: DecodeError,
    },
}

impl CallError {
    /// What the caller may do next.
    ///
    /// A call with an effect leaves its outcome unknown in every case in which the request may
    /// have reached the provider, even when the provider itself reports the failure: it may have
    /// failed at telling us what it had done.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Unimplemented { .. } | Self::Deferred { .. } | Self::TooLarge { .. } => {
                Class::Rejected
            }
            Self::Gone { .. } => Class::Transient,
            _ if self.method().has_effect() => Class::Unknown,
            Self::Failed { code: Code::Unavailable, .. } => Class::Transient,
            Self::Failed { .. } | Self::Malformed { .. } => Class::Rejected,
            Self::Cancelled { .. } | Self::Broken { .. } | Self::TimedOut { .. } => {
                Class::Transient
            }
        }
    }

    /// The call that failed.
    #[must_use]
    pub fn method(&self) -> Method {
        match self {
            Self::Unimplemented { method }
            | Self::Failed { method, .. }
            | Self::Cancelled { method, .. }
            | Self::Deferred { method, .. }
            | Self::TooLarge { method, .. }
            | Self::Gone { method, .. }
            | Self::Broken { method, .. }
            | Self::TimedOut { method, .. }
            | Self::Malformed { method, .. } => *method,
        }
    }
}

fn told(exit: &Option<Arc<ExitReport>>) -> String {
    exit.as_ref().map(|report| format!("; {report}")).unwrap_or_default()
}

impl Client {
    /// Sends bytes and returns the bytes of the answer.
    pub(super) async fn call_bytes(
        &self,
        method: Method,
        request: Bytes,
    ) -> Result<Bytes, CallError> {
        if request.len() > MESSAGE_BYTES_MAX {
            return Err(CallError::TooLarge { method, bytes: request.len() });
        }
        let after = self.deadlines.of(method);
        let mut grpc = self.grpc.clone();
        let path = PathAndQuery::from_static(method.path(self.protocol));
        let exchange = async {
            if grpc.ready().await.is_err() {
                return Err(CallError::Gone { method, exit: self.exit_report().await });
            }
            match grpc.unary(Request::new(request), path, BytesCodec).await {
                Ok(response) => Ok(response.into_inner()),
                Err(status) => Err(self.explain(method, status).await),
            }
        };
        timeout(after, exchange).await.unwrap_or(Err(CallError::TimedOut { method, after }))
    }

    /// Opens a stream of answers.
    pub(super) async fn stream(&self, method: Method) -> Result<StdioStream, CallError> {
        let mut grpc = self.grpc.clone();
        let path = PathAndQuery::from_static(method.path(self.protocol));
        if grpc.ready().await.is_err() {
            return Err(CallError::Gone { method, exit: self.exit_report().await });
        }
        let request = Request::new(Bytes::from(Empty {}.encode_to_vec()));
        match grpc.server_streaming(request, path, BytesCodec).await {
            Ok(response) => {
                Ok(StdioStream { client: self.clone(), messages: response.into_inner(), method })
            }
            Err(status) => Err(self.explain(method, status).await),
        }
    }

    /// Tells a failure of the provider from a failure of the connection.
    async fn explain(&self, method: Method, status: Status) -> CallError {
        // A status that the plugin sent has no cause on this side of the connection.
        let lost = match status.source() {
            Some(cause) => Some(cause.to_string()),
            // A plugin that dies between answer and status leaves a status made up by the library.
            None => self.http2.is_closed().then(|| status.message().to_owned()),
        };
        if let Some(detail) = lost {
            return CallError::Broken { method, detail, exit: self.exit_report().await };
        }
        let message = status.message().to_owned();
        match status.code() {
            Code::Unimplemented => CallError::Unimplemented { method },
            Code::Cancelled => CallError::Cancelled { method, message },
            code => CallError::Failed { method, code, message },
        }
    }

    async fn exit_report(&self) -> Option<Arc<ExitReport>> {
        let exit = self.exit.as_ref()?;
        exit.ended_within(Duration::from_millis(EXIT_REPORT_WAIT_MS)).await
    }
}

/// The pieces of a plugin's redirected standard output and error.
pub struct StdioStream {
    client: Client,
    messages: Streaming<Bytes>,
    method: Method,
}

impl std::fmt::Debug for StdioStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StdioStream").finish_non_exhaustive()
    }
}

impl StdioStream {
    /// The next piece; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<StdioData>, CallError> {
        let method = self.method;
        match self.messages.message().await {
            Ok(None) => Ok(None),
            Ok(Some(bytes)) => match StdioData::decode(bytes) {
                Ok(data) => Ok(Some(data)),
                Err(source) => Err(CallError::Malformed { method, source }),
            },
            Err(status) => Err(self.client.explain(method, status).await),
        }
    }
}

/// Leaves messages as they are.
#[derive(Clone, Copy)]
struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(method: Method) -> CallError {
        CallError::Broken { method, detail: "reset".to_owned(), exit: None }
    }

    fn failed(method: Method, code: Code) -> CallError {
        CallError::Failed { method, code, message: String::new() }
    }

    #[test]
    fn a_lost_apply_is_unknown_and_a_lost_read_is_not() {
        let (read, apply) = (Method::ReadResource, Method::ApplyResourceChange);
        assert_eq!(broken(read).class(), Class::Transient);
        assert_eq!(broken(apply).class(), Class::Unknown);
        assert_eq!(failed(read, Code::Internal).class(), Class::Rejected);
        assert_eq!(failed(read, Code::Unavailable).class(), Class::Transient);
        assert_eq!(failed(apply, Code::InvalidArgument).class(), Class::Unknown);
        let after = Duration::from_secs(1);
        assert_eq!(CallError::TimedOut { method: apply, after }.class(), Class::Unknown);
    }

    #[test]
    fn what_was_never_sent_is_never_unknown() {
        let method = Method::ApplyResourceChange;
        assert_eq!(CallError::Gone { method, exit: None }.class(), Class::Transient);
        assert_eq!(CallError::TooLarge { method, bytes: 1 }.class(), Class::Rejected);
        assert_eq!(CallError::Unimplemented { method }.class(), Class::Rejected);
    }

    #[test]
    fn an_error_carries_the_last_words() {
        let report = ExitReport { last_words: "panic: boom".to_owned(), ..Default::default() };
        let error = CallError::Gone { method: Method::ReadResource, exit: Some(Arc::new(report)) };
        assert!(error.to_string().ends_with("panic: boom"), "{error}");
        assert_eq!(error.method(), Method::ReadResource);
    }
}
