//! Which addresses may be spoken to at all. Tests and rehearsals against stand-ins must never reach AWS because of
//! a setting that somebody forgot, so this is decided where connections are made: for every service, for STS, and
//! for whatever the credential chain asks.

use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

/// Which addresses may be spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reachable {
    /// Any.
    #[default]
    Anything,
    /// This machine alone. A service without an endpoint of its own cannot be asked then.
    Loopback,
}

impl Reachable {
    /// Why `url` may not be spoken to, where it may not.
    pub(crate) fn refuses(self, url: &str) -> Option<String> {
        let host = host(url);
        let here = matches!(host, "127.0.0.1" | "localhost" | "[::1]");
        (self == Self::Loopback && !here).then(|| {
            format!("`{host}` is not on this machine, and only this machine may be spoken to")
        })
    }
}

fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit('@').next().unwrap_or_default();
    match authority.strip_prefix('[') {
        Some(_) => authority
            .find(']')
            .map_or(authority, |end| &authority[..=end]),
        None => authority.split(':').next().unwrap_or_default(),
    }
}

/// The one HTTP client of an account.
pub(crate) fn client(reachable: Reachable) -> SharedHttpClient {
    let inner = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
        .build_https();
    SharedHttpClient::new(Fence { inner, reachable })
}

#[derive(Clone, Debug)]
struct Fence {
    inner: SharedHttpClient,
    reachable: Reachable,
}

impl HttpClient for Fence {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Gate {
            inner: self.inner.http_connector(settings, components),
            reachable: self.reachable,
        })
    }
}

#[derive(Clone, Debug)]
struct Gate {
    inner: SharedHttpConnector,
    reachable: Reachable,
}

impl HttpConnector for Gate {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        match self.reachable.refuses(request.uri()) {
            Some(why) => HttpConnectorFuture::ready(Err(ConnectorError::user(why.into()))),
            None => self.inner.call(request),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Reachable;

    #[test]
    fn only_this_machine_passes_the_fence() {
        let fence = Reachable::Loopback;
        for url in [
            "http://127.0.0.1:4570/",
            "http://localhost/x",
            "http://[::1]:80?a",
        ] {
            assert_eq!(fence.refuses(url), None, "{url}");
        }
        for url in [
            "https://cloudformation.eu-west-1.amazonaws.com/",
            "http://169.254.169.254/latest",
            "http://127.0.0.1.example.com/",
            "http://127.0.0.1@example.com/",
            "http://localhost.example.com:4570",
            "",
        ] {
            assert!(fence.refuses(url).is_some(), "{url}");
        }
        assert_eq!(Reachable::Anything.refuses("https://example.com"), None);
    }
}
