//! The first words between host and plugin: environment variables one way, one line the other way.
//!
//! Everything here is pure. [`crate::process`] sets the variables and reads the line;
//! [`crate::tls`] uses the certificate that the line may carry.
//!
//! The magic cookie is not a secret. It only lets a plugin say something helpful to a person who
//! starts it by hand.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::GeneralPurpose;
use base64::engine::GeneralPurposeConfig;

use crate::Class;
use crate::protocol::Protocol;

/// The longest handshake line that is read. The certificate takes nearly all of it: under 1 KiB
/// for the usual key, under 4 KiB for a large RSA key. The rest is for a very long socket path.
pub const LINE_BYTES_MAX: usize = 16 * 1024;

/// The longest path of a Unix socket: the kernel's 108 bytes less the terminating zero. macOS has
/// 104, and refuses by itself what lies between.
pub const SOCKET_PATH_BYTES_MAX: usize = 107;

/// How much of a bad line is repeated in an error. Enough to recognise it, too little to flood.
const EXCERPT_CHARS_MAX: usize = 80;

/// The version of the handshake itself, unchanged since the first plugin.
const CORE_VERSION: &str = "1";

const COOKIE_NAME: &str = "TF_PLUGIN_MAGIC_COOKIE";
const COOKIE_VALUE: &str = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2";

/// The bounds go unused on Unix, but some plugin frameworks refuse to start without them.
const PORT_MIN: &str = "10000";
const PORT_MAX: &str = "25000";

/// Variables that would change what a plugin does and must not leak in from our own environment:
/// the group given to the socket, and a multiplexing of connections that is not spoken here.
pub const REMOVED_VARIABLES: [&str; 2] = ["PLUGIN_UNIX_SOCKET_GROUP", "PLUGIN_MULTIPLEX_GRPC"];

/// Base64 as plugins write it: without padding, though a few write it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a plugin says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// The newest version that both sides speak.
    pub protocol: Protocol,
    /// Where it listens.
    pub address: Address,
    /// Its certificate in DER. Whether there is one decides on TLS, whatever was asked for.
    pub certificate: Option<Vec<u8>>,
}

/// Where a plugin listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A Unix socket.
    Unix(PathBuf),
    /// A port of this machine's loopback interface.
    Tcp(SocketAddr),
}

/// Why a handshake line is refused. Starting the same program again gives the same line, so all of
/// these are [`Class::Rejected`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// Not a handshake at all.
    #[error("the program did not answer as a provider plugin does; it wrote {excerpt:?}")]
    NotAHandshake {
        /// The beginning of what it wrote.
        excerpt: String,
    },
    /// The line does not end where a line has to end.
    #[error("the plugin's handshake is longer than {LINE_BYTES_MAX} bytes")]
    TooLong,
    /// A newer plugin system.
    #[error("the plugin uses version {version:?} of the plugin system; only 1 is supported")]
    CoreVersion {
        /// What it uses.
        version: String,
    },
    /// A protocol that is not spoken here.
    #[error("the plugin speaks provider protocol {version:?}; only 5 and 6 are supported")]
    Protocol {
        /// What it speaks.
        version: String,
    },
    /// Not gRPC.
    #[error("the plugin speaks {transport:?}; only \"grpc\" is supported")]
    Transport {
        /// What it speaks.
        transport: String,
    },
    /// An address that is of no use.
    #[error("the plugin listens at {network:?} {address:?}: {reason}")]
    Address {
        /// The kind of address.
        network: String,
        /// The address.
        address: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A certificate that is none.
    #[error("the plugin's certificate is not valid base64: {0}")]
    Certificate(base64::DecodeError),
}

impl HandshakeError {
    /// What the caller may do next.
    #[must_use]
    pub fn class(&self) -> Class {
        Class::Rejected
    }
}

/// Reads the line that a plugin writes once it listens.
///
/// The fields are `core version | protocol | network | address | transport | certificate |
/// multiplexing`, of which the last two may be missing. Blanks around the line are ignored, as are
/// fields that later versions may add.
pub fn parse(line: &str) -> Result<Handshake, HandshakeError> {
    if line.len() > LINE_BYTES_MAX {
        return Err(HandshakeError::TooLong);
    }
    let mut fields = line.trim().split('|').map(str::trim);
    let mut next = || fields.next();
    let (Some(core), Some(protocol), Some(network), Some(address)) =
        (next(), next(), next(), next())
    else {
        return Err(HandshakeError::NotAHandshake { excerpt: excerpt(line) });
    };
    // Ordinary output can contain bars too. It is a handshake only if it starts with a number.
    if core.is_empty() || !core.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(HandshakeError::NotAHandshake { excerpt: excerpt(line) });
    }
    if core != CORE_VERSION {
        return Err(HandshakeError::CoreVersion { version: excerpt(core) });
    }
    let protocol = protocol
        .parse()
        .ok()
        .and_then(Protocol::from_number)
        .ok_or_else(|| HandshakeError::Protocol { version: excerpt(protocol) })?;
    let address = parse_address(network, address)?;
    // A plugin too old to name its transport speaks Go's own net/rpc.
    let transport = next().unwrap_or("netrpc");
    if transport != "grpc" {
        return Err(HandshakeError::Transport { transport: excerpt(transport) });
    }
    let certificate = match next() {
        None | Some("") => None,
        Some(text) => Some(BASE64.decode(text).map_err(HandshakeError::Certificate)?),
    };
    Ok(Handshake { protocol, address, certificate })
}

/// The variables that tell a program that it is to be a plugin, and how.
///
/// `certificate_pem` is the one that the host will present. Its presence makes the plugin answer
/// with one of its own. `socket_folder` is where the plugin is to put its socket.
#[must_use]
pub fn variables(certificate_pem: &str, socket_folder: &Path) -> Vec<(&'static str, OsString)> {
    vec![
        (COOKIE_NAME, COOKIE_VALUE.into()),
        ("PLUGIN_PROTOCOL_VERSIONS", Protocol::OFFERED.into()),
        ("PLUGIN_MIN_PORT", PORT_MIN.into()),
        ("PLUGIN_MAX_PORT", PORT_MAX.into()),
        ("PLUGIN_CLIENT_CERT", certificate_pem.into()),
        ("PLUGIN_UNIX_SOCKET_DIR", socket_folder.into()),
    ]
}

fn parse_address(network: &str, address: &str) -> Result<Address, HandshakeError> {
    let refuse = |reason| HandshakeError::Address {
        network: excerpt(network),
        address: excerpt(address),
        reason,
    };
    match network {
        "unix" if address.is_empty() => Err(refuse("the path is empty")),
        "unix" if address.len() > SOCKET_PATH_BYTES_MAX => {
            Err(refuse("the path is too long for a Unix socket"))
        }
        "unix" if address.contains('\0') => Err(refuse("the path contains a zero byte")),
        "unix" => Ok(Address::Unix(PathBuf::from(address))),
        "tcp" => match address.parse::<SocketAddr>() {
            // A plugin runs here. One that sends us to another machine is not to be followed: the
            // provider's credentials would go there.
            Ok(address) if address.ip().is_loopback() => Ok(Address::Tcp(address)),
            Ok(_) => Err(refuse("the address is not on this machine's loopback interface")),
            Err(_) => Err(refuse("the address is not an IP address and a port")),
        },
        _ => Err(refuse("the kind of address is not supported")),
    }
}

fn excerpt(text: &str) -> String {
    text.trim().chars().take(EXCERPT_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unix(path: &str) -> Address {
        Address::Unix(PathBuf::from(path))
    }

    #[test]
    fn a_plain_line_has_no_certificate() {
        for line in [
            "1|6|unix|/tmp/plugin1|grpc",
            "1|6|unix|/tmp/plugin1|grpc|",
            "1|6|unix|/tmp/plugin1|grpc||true",
            "  1|6|unix|/tmp/plugin1|grpc|  \r\n",
            "1|6|unix|/tmp/plugin1|grpc||true|and|more",
        ] {
            let handshake = parse(line).unwrap();
            assert_eq!(handshake.protocol, Protocol::V6, "{line}");
            assert_eq!(handshake.address, unix("/tmp/plugin1"), "{line}");
            assert_eq!(handshake.certificate, None, "{line}");
        }
    }

    #[test]
    fn a_certificate_comes_with_or_without_padding() {
        for text in ["AQIDBA", "AQIDBA=="] {
            let handshake = parse(&format!("1|5|unix|/s|grpc|{text}|true")).unwrap();
            assert_eq!(handshake.protocol, Protocol::V5);
            assert_eq!(handshake.certificate.as_deref(), Some(&[1, 2, 3, 4][..]));
        }
    }

    #[test]
    fn loopback_ports_are_followed_and_others_are_not() {
        for address in ["127.0.0.1:4000", "[::1]:4000"] {
            let handshake = parse(&format!("1|6|tcp|{address}|grpc")).unwrap();
            assert_eq!(handshake.address, Address::Tcp(address.parse().unwrap()));
        }
        for address in ["10.0.0.1:4000", "example.com:80", "localhost:1", "127.0.0.1", "", ":1"] {
            let error = parse(&format!("1|6|tcp|{address}|grpc")).unwrap_err();
            assert!(matches!(error, HandshakeError::Address { .. }), "{address}: {error}");
        }
    }

    #[test]
    fn what_is_no_handshake_is_called_so() {
        for line in [
            "",
            "\n",
            "hello",
            "This binary is a plugin. These are not meant to be executed directly.",
            "1|6|unix",
            "a|b|c|d|e",
            "|6|unix|/s|grpc",
            "-1|6|unix|/s|grpc",
            "| name | size | owner | mode |",
            "{\"@level\":\"debug\",\"@message\":\"a|b|c|d\"}",
        ] {
            let error = parse(line).unwrap_err();
            assert!(matches!(error, HandshakeError::NotAHandshake { .. }), "{line}: {error}");
        }
    }

    #[test]
    fn versions_that_are_not_spoken_are_refused() {
        let error = parse("2|6|unix|/s|grpc").unwrap_err();
        assert_eq!(error, HandshakeError::CoreVersion { version: "2".to_owned() });
        for version in ["4", "7", "", "six", "6.1", "99999999999999999999"] {
            let error = parse(&format!("1|{version}|unix|/s|grpc")).unwrap_err();
            assert_eq!(error, HandshakeError::Protocol { version: version.to_owned() });
        }
    }

    #[test]
    fn transports_that_are_not_spoken_are_refused() {
        for (line, transport) in [
            ("1|6|unix|/s", "netrpc"),
            ("1|6|unix|/s|netrpc", "netrpc"),
            ("1|6|unix|/s|", ""),
            ("1|6|unix|/s|GRPC", "GRPC"),
        ] {
            let error = parse(line).unwrap_err();
            assert_eq!(error, HandshakeError::Transport { transport: transport.to_owned() });
        }
    }

    #[test]
    fn useless_addresses_are_refused() {
        let long = "/".repeat(SOCKET_PATH_BYTES_MAX + 1);
        for (network, address) in
            [("unix", ""), ("unix", long.as_str()), ("unix", "/a\0b"), ("pipe", "x"), ("", "x")]
        {
            let error = parse(&format!("1|6|{network}|{address}|grpc")).unwrap_err();
            assert!(matches!(error, HandshakeError::Address { .. }), "{error}");
        }
        let longest = "/".repeat(SOCKET_PATH_BYTES_MAX);
        parse(&format!("1|6|unix|{longest}|grpc")).unwrap();
    }

    #[test]
    fn bad_certificates_and_long_lines_are_refused() {
        let error = parse("1|6|unix|/s|grpc|not base64!").unwrap_err();
        assert!(matches!(error, HandshakeError::Certificate(_)), "{error}");
        let long = format!("1|6|unix|/s|grpc|{}", "A".repeat(LINE_BYTES_MAX));
        assert_eq!(parse(&long).unwrap_err(), HandshakeError::TooLong);
    }

    #[test]
    fn an_error_repeats_little_of_a_long_line() {
        let error = parse(&"ä".repeat(4000)).unwrap_err();
        assert!(error.to_string().chars().count() < 200, "{error}");
        assert_eq!(error.class(), Class::Rejected);
    }

    #[test]
    fn the_variables_name_cookie_versions_and_folder() {
        let variables = variables("PEM", Path::new("/private"));
        let get = |name| variables.iter().find(|(key, _)| *key == name).unwrap().1.clone();
        assert_eq!(get("TF_PLUGIN_MAGIC_COOKIE").len(), 64);
        assert_eq!(get("PLUGIN_PROTOCOL_VERSIONS"), "5,6");
        assert_eq!(get("PLUGIN_UNIX_SOCKET_DIR"), "/private");
        assert_eq!(get("PLUGIN_CLIENT_CERT"), "PEM");
    }
}
