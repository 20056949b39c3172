//! A certificate and its key from files, read again when they are renewed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::error::{Error, Result};
use crate::watched::Watched;

/// A certificate and its key.
#[derive(Clone)]
pub struct Tls(pub(crate) TlsAcceptor);

impl Tls {
    /// Reads a certificate chain and a private key in PEM. New connections get what the files say then: whoever
    /// renews them need not restart anything. The process must have chosen its `rustls` provider.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Self> {
        let files = Files { certificate: certificate.to_owned(), key: key.to_owned() };
        let watched = Watched::open(&[certificate, key], || files.read())?;
        let config = rustls::ServerConfig::builder();
        let mut config =
            config.with_no_client_auth().with_cert_resolver(Arc::new(Renewed { files, watched }));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

/// Where they are.
#[derive(Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn read(&self) -> Result<Arc<CertifiedKey>> {
        let wrong = |path: &Path, reason: String| Error::Tls { path: path.to_owned(), reason };
        let chain = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| wrong(&self.certificate, error.to_string()))?;
        if chain.is_empty() {
            return Err(wrong(&self.certificate, "there is no certificate in it".to_owned()));
        }
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| {
            let reason = match error {
                pem::Error::NoItemsFound => "there is no private key in it".to_owned(),
                other => other.to_string(),
            };
            wrong(&self.key, reason)
        })?;
        let provider = CryptoProvider::get_default().ok_or_else(|| {
            wrong(&self.key, "the process has chosen no provider of cryptography".to_owned())
        })?;
        let certified = CertifiedKey::from_der(chain, key, provider);
        Ok(Arc::new(certified.map_err(|error| wrong(&self.certificate, error.to_string()))?))
    }

    /// What was renewed; nothing when it cannot be used.
    fn read_again(&self) -> Option<Arc<CertifiedKey>> {
        match self.read() {
            Ok(certified) => {
                tracing::info!(path = %self.certificate.display(), "read the certificate again");
                Some(certified)
            }
            // Also for a moment when the certificate is there already and its key is not.
            Err(error) => {
                tracing::error!(%error, "the certificate is not taken; the one from before stays");
                None
            }
        }
    }
}

/// Gives each connection the certificate of the files as they are.
#[derive(Debug)]
struct Renewed {
    files: Files,
    watched: Watched<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for Renewed {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.watched.current(|| self.files.read_again()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renewed_certificate_is_taken_once_its_key_is_there() {
        // Another test may have chosen it before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let directory = tempfile::tempdir().expect("a directory");
        let files =
            Files { certificate: directory.path().join("cert.pem"), key: directory.path().join("key.pem") };
        let make = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let write_certificate = |made: &rcgen::CertifiedKey<rcgen::KeyPair>| {
            std::fs::write(&files.certificate, made.cert.pem()).expect("writes");
        };
        let write_key = |made: &rcgen::CertifiedKey<rcgen::KeyPair>| {
            // Replaced, as programs that renew certificates do, so that the change is seen at once.
            let new = directory.path().join("new.pem");
            std::fs::write(&new, made.signing_key.serialize_pem()).expect("writes");
            std::fs::rename(new, &files.key).expect("replaces");
        };
        let (first, second) = (make(), make());
        write_certificate(&first);
        write_key(&first);
        let watched = Watched::open(&[&files.certificate, &files.key], || files.read()).expect("usable");
        let shown = || watched.now(|| files.read_again()).cert[0].clone();
        assert_eq!(&shown(), first.cert.der());
        write_certificate(&second);
        assert_eq!(&shown(), first.cert.der(), "the key is still the old one");
        write_key(&second);
        assert_eq!(&shown(), second.cert.der());
        std::fs::remove_file(&files.key).expect("removes");
        assert_eq!(&shown(), second.cert.der());
    }
}
