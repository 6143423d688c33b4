//! HTTP as an outside client would speak it.

use std::time::Duration;

use ureq::http::Request;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

/// How long one request may take. A healthy server answers in milliseconds; a wait asks again.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest answer that is looked at.
const LONGEST: u64 = 1 << 20;
/// Where distributions keep the certificates that the administrator trusts, private ones included.
const SYSTEM_CERTIFICATES: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
];

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) method: &'a str,
    pub(crate) url: &'a str,
    /// Sent as a bearer token.
    pub(crate) token: Option<&'a str>,
    pub(crate) body: Option<&'a str>,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Sends one request; any status is an answer, `Err` says why there was none.
///
/// A certificate is checked only where a token is sent: whether a server is up does not depend on who
/// signed for it, but a token must reach nobody else.
pub(crate) fn send(call: &Call<'_>) -> Result<Answer, String> {
    let agent = agent(call.url, call.token.is_some(), PATIENCE);
    let mut request = Request::builder().method(call.method).uri(call.url);
    if let Some(token) = call.token {
        request = request.header("Authorization", format!("Bearer {token}"));
    }
    let sent = match call.body {
        Some(body) => request
            .header("Content-Type", "application/json")
            .body(body)
            .map_err(|error| error.to_string())
            .and_then(|request| agent.run(request).map_err(|error| error.to_string())),
        None => request
            .body(())
            .map_err(|error| error.to_string())
            .and_then(|request| agent.run(request).map_err(|error| error.to_string())),
    };
    let mut response = sent?;
    let body = response
        .body_mut()
        .with_config()
        .limit(LONGEST)
        .read_to_vec();
    Ok(Answer {
        status: response.status().as_u16(),
        body: String::from_utf8_lossy(&body.unwrap_or_default()).into_owned(),
    })
}

/// A client for `url`: any status is an answer, nothing is followed elsewhere, and a proxy is asked only for what
/// it can reach. `checked` says whether the certificate must be one that the system trusts.
pub fn agent(url: &str, checked: bool, patience: Duration) -> ureq::Agent {
    let mut config = ureq::Agent::config_builder()
        .timeout_global(Some(patience))
        .http_status_as_error(false)
        .max_redirects(0)
        .tls_config(trust(checked));
    if is_local(url) {
        config = config.proxy(None);
    }
    config.build().into()
}

fn trust(checked: bool) -> TlsConfig {
    if !checked {
        return TlsConfig::builder().disable_verification(true).build();
    }
    let said = std::env::var("SSL_CERT_FILE").ok();
    let pem = said
        .iter()
        .map(String::as_str)
        .chain(SYSTEM_CERTIFICATES)
        .find_map(|path| std::fs::read(path).ok());
    let Some(pem) = pem else {
        return TlsConfig::default();
    };
    let certificates: Vec<_> = parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&certificates))
        .build()
}

/// Addresses that a proxy could not reach.
fn is_local(url: &str) -> bool {
    let host = crate::formats::uri::Uri::parse(url)
        .host
        .unwrap_or_default();
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| match address {
                std::net::IpAddr::V4(address) => address.is_loopback() || address.is_private(),
                std::net::IpAddr::V6(address) => address.is_loopback(),
            })
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    /// Answers requests one by one with what `respond` says to (method, path, authorization, body).
    pub(crate) fn serve(
        respond: impl Fn(&str, &str, &str, &str) -> (u16, String) + Send + 'static,
    ) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let mut reader = BufReader::new(stream.try_clone().expect("clone"));
                let (mut first, mut token, mut length) = (String::new(), String::new(), 0);
                let _ = reader.read_line(&mut first);
                loop {
                    let mut line = String::new();
                    if reader.read_line(&mut line).unwrap_or(0) <= 2 {
                        break;
                    }
                    let lower = line.to_lowercase();
                    if let Some(value) = lower.strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap_or(0);
                    }
                    if lower.starts_with("authorization:") {
                        token = line["authorization:".len()..].trim().to_owned();
                    }
                }
                let mut body = vec![0; length];
                let _ = reader.read_exact(&mut body);
                let mut words = first.split_whitespace();
                let (method, path) = (
                    words.next().unwrap_or_default(),
                    words.next().unwrap_or_default(),
                );
                let (status, text) = respond(method, path, &token, &String::from_utf8_lossy(&body));
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
                    text.len()
                );
            }
        });
        address
    }

    #[test]
    fn every_status_is_an_answer_and_no_connection_is_none() {
        let address = serve(|method, path, token, body| {
            (
                if path == "/up" { 200 } else { 503 },
                format!("{method} {token} {body}"),
            )
        });
        let up = send(&Call {
            method: "PUT",
            url: &format!("http://{address}/up"),
            token: Some("t0ken"),
            body: Some("{}"),
        });
        assert_eq!(
            up,
            Ok(Answer {
                status: 200,
                body: "PUT Bearer t0ken {}".to_owned()
            })
        );
        let get = |url: String| {
            send(&Call {
                method: "GET",
                url: &url,
                token: None,
                body: None,
            })
        };
        assert_eq!(
            get(format!("http://{address}/x")).map(|answer| answer.status),
            Ok(503)
        );
        assert!(get("http://127.0.0.1:1/".to_owned()).is_err());
    }
}
