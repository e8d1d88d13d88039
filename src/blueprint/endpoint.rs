//! Endpoints of third parties: a scheme and a host, in one normal form so that two can be compared.
//!
//! An endpoint names whom an environment may talk to, and nothing more: no path, no query, and
//! above all no credentials, which would end up in plans and logs.

use std::net::Ipv6Addr;

/// The longest host name that the domain name system has.
const HOST_BYTES_MAX: usize = 253;

/// The longest label of a host name.
const LABEL_BYTES_MAX: usize = 63;

/// Ports that need not be written, by scheme.
const PORTS: &[(&str, u16)] =
    &[("http", 80), ("https", 443), ("ws", 80), ("wss", 443), ("ftp", 21), ("ssh", 22)];

/// Why text is not an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// No `scheme://` in front.
    #[error("it has no scheme; an endpoint looks like https://db.example")]
    Scheme,
    /// A user or a password before the host.
    #[error("it carries credentials; give them as a sensitive input instead")]
    Credentials,
    /// A path, a query or a fragment.
    #[error("it has more than a host; leave out what follows it")]
    Path,
    /// No host, or none that can be one.
    #[error("its host is not a host name or an address")]
    Host,
    /// Not a port.
    #[error("its port is not a number from 1 to 65535")]
    Port,
}

/// The normal form: lower case, without the scheme's own port and without a final `/`.
///
/// # Errors
/// [`EndpointError`] for text that is no absolute URL of scheme and host.
pub fn normalize(text: &str) -> Result<String, EndpointError> {
    let (scheme, rest) = text.split_once("://").ok_or(EndpointError::Scheme)?;
    let scheme = scheme.to_ascii_lowercase();
    let scheme_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let begins = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
    if !begins || !scheme.chars().all(scheme_char) {
        return Err(EndpointError::Scheme);
    }
    let (authority, path) = match rest.find(['/', '?', '#', '\\']) {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    if authority.contains('@') {
        return Err(EndpointError::Credentials);
    }
    if !matches!(path, "" | "/") {
        return Err(EndpointError::Path);
    }
    let (host, port) = split_port(authority)?;
    let own = PORTS.iter().find(|(known, _)| *known == scheme).map(|(_, port)| *port);
    Ok(match port {
        Some(port) if Some(port) != own => format!("{scheme}://{host}:{port}"),
        _ => format!("{scheme}://{host}"),
    })
}

fn split_port(authority: &str) -> Result<(String, Option<u16>), EndpointError> {
    let (host, port) = if let Some(inner) = authority.strip_prefix('[') {
        let (address, after) = inner.split_once(']').ok_or(EndpointError::Host)?;
        let address: Ipv6Addr = address.parse().map_err(|_| EndpointError::Host)?;
        let port = match after {
            "" => None,
            _ => Some(after.strip_prefix(':').ok_or(EndpointError::Host)?),
        };
        (format!("[{address}]"), port)
    } else {
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        (host_name(host)?, port)
    };
    let port = match port {
        None => None,
        Some(text) if text.bytes().all(|b| b.is_ascii_digit()) => {
            let port: u16 = text.parse().map_err(|_| EndpointError::Port)?;
            Some(if port == 0 { return Err(EndpointError::Port) } else { port })
        }
        Some(_) => return Err(EndpointError::Port),
    };
    Ok((host, port))
}

fn host_name(host: &str) -> Result<String, EndpointError> {
    let label_fits = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // A final dot only says that the name is complete; without it the two forms compare equal.
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.len() > HOST_BYTES_MAX || !host.split('.').all(label_fits) {
        return Err(EndpointError::Host);
    }
    Ok(host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::EndpointError;
    use super::normalize;

    #[test]
    fn one_endpoint_has_one_form() {
        for (text, want) in [
            ("https://db.example", "https://db.example"),
            ("HTTPS://DB.Example:443/", "https://db.example"),
            ("https://db.example.:8443", "https://db.example:8443"),
            ("grpc+tls://10.0.0.1:50051", "grpc+tls://10.0.0.1:50051"),
            ("http://[::1]:80", "http://[::1]"),
            ("postgres://localhost", "postgres://localhost"),
        ] {
            assert_eq!(normalize(text).as_deref(), Ok(want), "{text}");
        }
    }

    #[test]
    fn what_is_more_or_less_than_a_host_is_refused() {
        for (text, want) in [
            ("db.example", EndpointError::Scheme),
            ("://db.example", EndpointError::Scheme),
            ("1http://db.example", EndpointError::Scheme),
            ("https://user:secret@db.example", EndpointError::Credentials),
            ("https://db.example/v1", EndpointError::Path),
            ("https://db.example?key=1", EndpointError::Path),
            ("https://db.example#a", EndpointError::Path),
            ("https://evil.example\\@db.example", EndpointError::Path),
            ("https://", EndpointError::Host),
            ("https://-a.example", EndpointError::Host),
            ("https://a..b", EndpointError::Host),
            ("https://dé.example", EndpointError::Host),
            ("https://[::1", EndpointError::Host),
            ("https://[::1]x", EndpointError::Host),
            ("https://db.example:0", EndpointError::Port),
            ("https://db.example:", EndpointError::Port),
            ("https://db.example:+80", EndpointError::Port),
            ("https://db.example:65536", EndpointError::Port),
        ] {
            assert_eq!(normalize(text), Err(want), "{text}");
        }
    }
}
