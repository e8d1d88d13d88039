//! Speaks the Terraform plugin protocol, versions 5 and 6, to provider plugins.
//!
//! A provider plugin is a separate program. The host starts it, reads one line from its standard
//! output, connects to the socket that this line names and then calls it over gRPC. This crate is
//! that host side, and nothing else:
//!
//! * [`process`] starts and ends the program; begin there, with [`process::Plugin::start`].
//! * [`handshake`] reads the line and [`tls`] makes the mutual trust it asks for.
//! * [`client`] has one method for each remote call, and decodes large schemas piece by piece.
//! * [`wire`] has the messages, [`protocol`] the versions and the names of the calls.
//! * [`guard`] lets a plugin die with its host without a line of unsafe code.
//!
//! What it deliberately does not do: it knows nothing of HCL, of values (a
//! [`wire::DynamicValue`] is bytes to it), of the meaning of a plan, of state files, of registries
//! and mirrors, or of retries. It runs on Unix only, as a socket in a private folder is what keeps
//! other users of the machine out.

#![cfg(unix)]

pub mod client;
pub mod exit;
pub mod guard;
pub mod handshake;
pub mod process;
pub mod protocol;
pub mod tls;
pub mod wire;

pub use prost::bytes::Bytes;
pub use protocol::Method;
pub use protocol::Protocol;

/// What a caller may do after a failure.
///
/// Every error of this crate answers `class()` with one of these, so that a caller never has to
/// read a message to decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// The same call with the same input fails again. Nothing was changed by it.
    Rejected,
    /// Nothing was changed; the call may be made again, with a new plugin process if the old one
    /// is gone.
    Transient,
    /// The call may or may not have had its effect. Only reading the real thing tells.
    Unknown,
}
