//! TLS as the product is told to use it: against the authorities it trusts, with a certificate where it has one.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use switchback_engine::ports::Failure;
use switchback_model::DatastoreName;
use switchback_model::observed::DatastoreLocation;

/// `true` where the server is reached by TLS.
pub(super) const TLS: &str = "tls";
/// The authorities that are trusted, a PEM file; those that everybody trusts where it is not given.
pub(super) const AUTHORITIES: &str = "tls-ca-file";
/// Certificate and key of the client in one PEM file.
pub(super) const CERTIFICATE_KEY: &str = "tls-certificate-key-file";
/// The certificate of the client, where its key has a file of its own.
pub(super) const CERTIFICATE: &str = "tls-certificate-file";
/// That key.
pub(super) const KEY: &str = "tls-key-file";

/// The configuration for a location; `None` where it says nothing of TLS.
pub(super) fn configured(
    name: &DatastoreName,
    location: &DatastoreLocation,
) -> Result<Option<Arc<ClientConfig>>, Failure> {
    let option = |name: &str| location.options.get(name).map(String::as_str);
    if option(TLS) != Some("true") {
        return Ok(None);
    }
    let mut roots = RootCertStore::empty();
    match option(AUTHORITIES) {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            for certificate in certificates(name, path)? {
                roots
                    .add(certificate)
                    .map_err(|error| unusable(name, path, &error))?;
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(name, "TLS", &error))?
        .with_root_certificates(roots);
    let both = option(CERTIFICATE_KEY);
    let pair = (both.or(option(CERTIFICATE)), both.or(option(KEY)));
    let config = match pair {
        (Some(certificate), Some(key)) => {
            let chain = certificates(name, certificate)?;
            let key = PrivateKeyDer::from_pem_file(Path::new(key))
                .map_err(|error| unusable(name, key, &error))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| unusable(name, certificate, &error))?
        }
        _ => builder.with_no_client_auth(),
    };
    Ok(Some(Arc::new(config)))
}

fn certificates(name: &DatastoreName, path: &str) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let read = CertificateDer::pem_file_iter(Path::new(path))
        .and_then(|all| all.collect::<Result<Vec<_>, _>>());
    match read {
        Ok(found) if found.is_empty() => Err(unusable(name, path, &"it has no certificate")),
        Ok(found) => Ok(found),
        Err(error) => Err(unusable(name, path, &error)),
    }
}

fn unusable(name: &DatastoreName, path: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(
        "datastore-tls",
        format!("`{path}` is of no use for TLS to `{name}`"),
    )
    .cause(error)
    .state(name.to_string(), "not asked")
    .hint("correct the file that the product's own configuration names")
}
