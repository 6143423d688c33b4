//! A server before a stand-in's CloudFormation that changes what passes, one way and the other.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// What is done to what passes.
pub(super) trait Manner: Send + Sync + 'static {
    /// A request, as the form that it is.
    fn there(&self, form: String) -> String;
    /// What is answered to it.
    fn back(&self, form: &str, answer: String) -> String;
}

/// Stands before `upstream` on a port of its own until the process ends, and says where.
pub(super) fn before(upstream: String, manner: impl Manner) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let manner = Arc::new(manner);
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let (upstream, manner) = (upstream.clone(), Arc::clone(&manner));
            thread::spawn(move || relay(connection, &upstream, manner.as_ref()));
        }
    });
    format!("http://127.0.0.1:{port}")
}

/// One request and its answer. Whoever hung up meanwhile gets none.
fn relay(mut connection: TcpStream, upstream: &str, manner: &impl Manner) -> Option<()> {
    let mut reader = BufReader::new(connection.try_clone().ok()?);
    let (mut length, mut authorization) = (0, String::new());
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "authorization" => authorization = value.trim().to_owned(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let form = manner.there(String::from_utf8(body).ok()?);
    let (status, text) = asked(upstream, &authorization, &form)?;
    let text = manner.back(&form, text);
    let head = format!(
        "HTTP/1.1 {status} \r\ncontent-type: text/xml\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        text.len()
    );
    connection.write_all(head.as_bytes()).ok()?;
    connection.write_all(text.as_bytes()).ok()
}

/// What is answered to a form.
pub(super) fn asked(upstream: &str, authorization: &str, form: &str) -> Option<(u16, String)> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let mut answer = agent
        .post(upstream)
        .header("authorization", authorization)
        .content_type("application/x-www-form-urlencoded")
        .send(form)
        .ok()?;
    let text = answer.body_mut().read_to_string().ok()?;
    Some((answer.status().as_u16(), text))
}
