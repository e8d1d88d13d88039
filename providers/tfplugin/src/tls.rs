//! Mutual trust between host and plugin, made for one process and gone with it.
//!
//! The host makes a certificate, hands it to the plugin through the environment, and learns the
//! plugin's own from the handshake line. Each side then accepts exactly the other's certificate.
//! No authority, no name and no expiry is involved, so none is checked; the proof is that the peer
//! holds the key of the certificate that came over a private channel.
//!
//! What this does not do: it has no way to skip the signature check. A plugin whose key is too
//! weak for rustls (an RSA key under 2048 bits) cannot be spoken to.

use std::fmt;
use std::sync::Arc;

use rcgen::CertificateParams;
use rcgen::DistinguishedName;
use rcgen::DnType;
use rcgen::ExtendedKeyUsagePurpose;
use rcgen::IsCa;
use rcgen::KeyPair;
use rcgen::KeyUsagePurpose;
use rcgen::PKCS_ECDSA_P256_SHA256;
use rustls::ClientConfig;
use rustls::DigitallySignedStruct;
use rustls::SignatureScheme;
use rustls::client::Resumption;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::client::danger::ServerCertVerified;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs;
use rustls::crypto::verify_tls12_signature;
use rustls::crypto::verify_tls13_signature;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::UnixTime;

use crate::Class;

/// The name in both certificates. Nothing is resolved by it.
pub const SERVER_NAME: &str = "localhost";

/// HTTP/2, which newer gRPC servers insist on having negotiated.
pub const ALPN_HTTP2: &[u8] = b"h2";

/// Why there is no trust.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The certificate could not be made.
    #[error("cannot make a certificate for the connection to the plugin")]
    Certificate(#[from] rcgen::Error),
    /// The configuration could not be made.
    #[error("cannot set up TLS for the connection to the plugin")]
    Configuration(#[from] rustls::Error),
}

impl TlsError {
    /// What the caller may do next.
    #[must_use]
    pub fn class(&self) -> Class {
        Class::Rejected
    }
}

/// A certificate and its key, for the connection to one plugin process.
pub struct ClientIdentity {
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    key: PrivateKeyDer<'static>,
}

impl ClientIdentity {
    /// Makes a new one. The key never leaves this process.
    pub fn generate() -> Result<Self, TlsError> {
        // P-256 is what every TLS library accepts. Plugins written in Rust refuse a certificate
        // that may sign others, and some check both usages, as both sides are "localhost" to each
        // other.
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::new(vec![SERVER_NAME.to_owned()])?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyAgreement];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, SERVER_NAME);
        let certificate = params.self_signed(&key)?;
        Ok(Self {
            certificate_pem: certificate.pem(),
            certificate: certificate.der().clone(),
            key: PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        })
    }

    /// The certificate in the form in which the plugin is told of it.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// A TLS configuration that presents this identity and accepts exactly `server`, the
    /// certificate in DER from the handshake line.
    pub fn configure(self, server: Vec<u8>) -> Result<ClientConfig, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = PinnedCertificate {
            expected: CertificateDer::from(server),
            provider: Arc::clone(&provider),
        };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_auth_cert(vec![self.certificate], self.key)?;
        config.alpn_protocols = vec![ALPN_HTTP2.to_vec()];
        // There is one connection and no second one to resume.
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientIdentity").finish_non_exhaustive()
    }
}

/// Accepts one certificate, byte for byte, from a peer that proves to hold its key.
///
/// The usual verifier is of no use here: plugins written in Go present a certificate that is its
/// own authority, which it refuses.
#[derive(Debug)]
struct PinnedCertificate {
    expected: CertificateDer<'static>,
    /// Has to know P-521, the key of plugins written in Go; ring does not, aws-lc does.
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinnedCertificate {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if *end_entity == self.expected {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(rustls::CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rustls::ClientConnection;
    use rustls::ServerConfig;
    use rustls::ServerConnection;
    use rustls::SupportedProtocolVersion;
    use rustls::server::ClientHello;
    use rustls::server::ResolvesServerCert;
    use rustls::sign::CertifiedKey;
    use rustls::version::TLS12;
    use rustls::version::TLS13;

    use super::*;

    #[test]
    fn each_identity_is_new() {
        let one = ClientIdentity::generate().unwrap();
        let two = ClientIdentity::generate().unwrap();
        assert_ne!(one.certificate, two.certificate);
        assert!(one.certificate_pem().starts_with("-----BEGIN CERTIFICATE-----"));
        assert_eq!(format!("{one:?}"), "ClientIdentity { .. }");
    }

    #[test]
    fn the_configuration_offers_http2_only() {
        let identity = ClientIdentity::generate().unwrap();
        let config = identity.configure(vec![1, 2, 3]).unwrap();
        assert_eq!(config.alpn_protocols, [ALPN_HTTP2]);
    }

    #[test]
    fn only_the_pinned_certificate_is_accepted() {
        let theirs = ClientIdentity::generate().unwrap().certificate;
        let other = ClientIdentity::generate().unwrap().certificate;
        let verifier = PinnedCertificate {
            expected: theirs.clone(),
            provider: Arc::new(aws_lc_rs::default_provider()),
        };
        let name = ServerName::try_from(SERVER_NAME).unwrap();
        let now = UnixTime::since_unix_epoch(std::time::Duration::ZERO);
        verifier.verify_server_cert(&theirs, &[], &name, &[], now).unwrap();
        verifier.verify_server_cert(&other, &[], &name, &[], now).unwrap_err();
        assert!(
            verifier.supported_verify_schemes().contains(&SignatureScheme::ECDSA_NISTP521_SHA512)
        );
    }

    /// Presents whatever it is given, even a certificate whose key it does not have.
    #[derive(Debug)]
    struct Presents(Arc<CertifiedKey>);

    impl ResolvesServerCert for Presents {
        fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
            Some(Arc::clone(&self.0))
        }
    }

    /// Lets a client that pins `pinned` and a server that presents `certificate` and signs with
    /// `key` shake hands in memory.
    fn shake_hands(
        pinned: &CertificateDer<'_>,
        certificate: &CertificateDer<'_>,
        key: &PrivateKeyDer<'_>,
        version: &'static SupportedProtocolVersion,
    ) -> Result<(), rustls::Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let key = provider.key_provider.load_private_key(key.clone_key()).unwrap();
        let certified = CertifiedKey::new(vec![certificate.clone().into_owned()], key);
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Presents(Arc::new(certified))));
        let mut server = ServerConnection::new(Arc::new(config)).unwrap();
        let config = ClientIdentity::generate().unwrap().configure(pinned.to_vec()).unwrap();
        let name = ServerName::try_from(SERVER_NAME).unwrap();
        let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
        while client.is_handshaking() || server.is_handshaking() {
            let mut bytes = Vec::new();
            client.write_tls(&mut bytes).unwrap();
            server.read_tls(&mut bytes.as_slice()).unwrap();
            server.process_new_packets()?;
            let mut bytes = Vec::new();
            server.write_tls(&mut bytes).unwrap();
            client.read_tls(&mut bytes.as_slice()).unwrap();
            client.process_new_packets()?;
        }
        Ok(())
    }

    #[test]
    fn the_peer_must_have_the_certificate_and_its_key() {
        let theirs = ClientIdentity::generate().unwrap();
        let other = ClientIdentity::generate().unwrap();
        for version in [&TLS12, &TLS13] {
            let hands = |pinned: &ClientIdentity, shown: &ClientIdentity, key: &ClientIdentity| {
                shake_hands(&pinned.certificate, &shown.certificate, &key.key, version)
            };
            hands(&theirs, &theirs, &theirs).unwrap();
            hands(&theirs, &other, &other).unwrap_err();
            // The right certificate is public; only its key proves anything.
            hands(&theirs, &theirs, &other).unwrap_err();
        }
    }
}
