//! Requests one by one, from any number of connections.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::state::State;

/// What was asked.
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    question: Vec<(String, String)>,
    pub(super) key: String,
    pub(super) body: Value,
}

/// What is answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
    pub(super) total: Option<usize>,
}

impl Request {
    /// The value that the question gives to `name`.
    pub(super) fn asked(&self, name: &str) -> Option<&str> {
        self.question
            .iter()
            .find_map(|(known, value)| (known == name).then_some(value.as_str()))
    }
}

impl Answer {
    pub(super) fn found(body: Value) -> Self {
        Self {
            status: 200,
            body,
            total: None,
        }
    }

    pub(super) fn nothing(status: u16) -> Self {
        Self {
            status,
            body: Value::Null,
            total: None,
        }
    }

    pub(super) fn fault(status: u16, said: &str) -> Self {
        Self {
            status,
            body: json!({ "faultstring": said }),
            total: None,
        }
    }
}

pub(super) fn serve(listener: &TcpListener, state: &Arc<Mutex<State>>) {
    for stream in listener.incoming().flatten() {
        let state = Arc::clone(state);
        // Who hangs up in the middle, because he was killed, has no right to an answer.
        std::thread::spawn(move || {
            let _ = talk(stream, &state);
        });
    }
}

fn talk(mut stream: TcpStream, state: &Mutex<State>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut words = first.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (mut key, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? <= 2 {
            break;
        }
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        match name.to_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "st2-api-key" | "x-auth-token" => value.trim().clone_into(&mut key),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (path, question) = target.split_once('?').unwrap_or((&target, ""));
    let pairs = question.split('&').filter_map(|pair| pair.split_once('='));
    let request = Request {
        method,
        path: path.trim_end_matches('/').to_owned(),
        question: pairs
            .map(|(name, value)| (decoded(name), decoded(value)))
            .collect(),
        key,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    let answer = state
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .answer(&request);
    let text = if answer.body.is_null() {
        String::new()
    } else {
        answer.body.to_string()
    };
    let total = answer
        .total
        .map_or_else(String::new, |total| format!("X-Total-Count: {total}\r\n"));
    write!(
        stream,
        "HTTP/1.1 {} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{total}Connection: close\r\n\r\n{text}",
        answer.status,
        text.len()
    )
    .ok()
}

/// Percent signs and plus signs undone.
pub(super) fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let code = match byte {
            b'%' => [rest.next(), rest.next()]
                .into_iter()
                .flatten()
                .collect::<Vec<u8>>(),
            b'+' => b"20".to_vec(),
            other => {
                bytes.push(other);
                continue;
            }
        };
        let code = String::from_utf8_lossy(&code).into_owned();
        bytes.extend(u8::from_str_radix(&code, 16).ok());
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
