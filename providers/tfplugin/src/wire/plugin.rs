//! Messages of the plugin system itself, below the provider protocol.

use std::fmt;

use prost::Message;

/// A piece of what the plugin wrote to its redirected standard output or error.
#[derive(Clone, PartialEq, Eq, Message)]
#[prost(skip_debug)]
pub struct StdioData {
    /// Which of the two.
    #[prost(enumeration = "StdioChannel", tag = "1")]
    pub channel: i32,
    /// The bytes, cut anywhere.
    #[prost(bytes = "vec", tag = "2")]
    pub data: Vec<u8>,
}

impl fmt::Debug for StdioData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StdioData({:?}, {} bytes)", self.channel(), self.data.len())
    }
}

/// The two streams of a [`StdioData`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
pub enum StdioChannel {
    /// Not given.
    Invalid = 0,
    /// Standard output.
    Stdout = 1,
    /// Standard error.
    Stderr = 2,
}
