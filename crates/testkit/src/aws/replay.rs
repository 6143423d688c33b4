//! Answers of AWS, given again as they were written down: for what no stand-in shows.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// A server on loopback that answers each action of a service of forms with its documents in turn, the last one again
/// and again. It ends with its process.
pub struct Replay {
    /// Where it answers.
    pub url: String,
    script: Arc<Mutex<Script>>,
}

#[derive(Default)]
struct Script {
    documents: BTreeMap<String, Vec<(u16, String)>>,
    /// Every request: its action, and what it says.
    heard: Vec<(String, String)>,
}

impl Replay {
    /// Starts one that knows nothing but who asks.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let script: Arc<Mutex<Script>> = Arc::default();
        let shared = Arc::clone(&script);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // Clients keep a connection and open another beside it.
                thread::spawn(move || serve(&stream, &shared));
            }
        });
        let replay = Self {
            url: format!("http://{address}"),
            script,
        };
        let account = super::ACCOUNT;
        let caller = format!(
            "<Arn>arn:aws:iam::{account}:user/ops</Arn><UserId>A</UserId><Account>{account}</Account>"
        );
        replay.answer("GetCallerIdentity", &[&caller]);
        replay
    }

    /// What an action is answered with, one after the other: the inside of its result.
    pub fn answer(&self, action: &str, results: &[&str]) {
        let documents = results.iter().map(|result| {
            let whole = format!(
                "<{action}Response><{action}Result>{result}</{action}Result></{action}Response>"
            );
            (200, whole)
        });
        self.insert(action, documents.collect());
    }

    /// The code that the next request for an action is refused with, before its answers.
    pub fn refuse_once(&self, action: &str, code: &str) {
        let refusal = format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>"
        );
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        let documents = script.documents.entry(action.to_owned()).or_default();
        documents.insert(0, (400, refusal));
    }

    /// How often an action was asked for.
    pub fn heard(&self, action: &str) -> usize {
        let script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        script
            .heard
            .iter()
            .filter(|(heard, _)| heard == action)
            .count()
    }

    /// What the last request for an action says, as a form.
    pub fn form(&self, action: &str) -> Option<String> {
        let script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        let mut heard = script.heard.iter().rev();
        heard
            .find(|(heard, _)| heard == action)
            .map(|(_, form)| form.clone())
    }

    fn insert(&self, action: &str, documents: Vec<(u16, String)>) {
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        script.documents.insert(action.to_owned(), documents);
    }
}

/// Answers everything that comes over one connection. What is malformed ends it: the client tells.
fn serve(stream: &TcpStream, script: &Mutex<Script>) {
    let mut reader = BufReader::new(stream);
    while let Some(form) = request(&mut reader) {
        let action = form
            .split('&')
            .find_map(|pair| pair.strip_prefix("Action="))
            .unwrap_or_default();
        let (status, document) = next(script, action, &form);
        let head = format!(
            "HTTP/1.1 {status} Said\r\nContent-Type: text/xml\r\nDate: Sun, 01 Mar 2026 10:00:00 GMT\r\nContent-Length: {}\r\n\r\n",
            document.len()
        );
        let mut out = stream;
        if out
            .write_all(format!("{head}{document}").as_bytes())
            .is_err()
        {
            return;
        }
    }
}

/// The body of the next request.
fn request(reader: &mut BufReader<&TcpStream>) -> Option<String> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(said) = line.strip_prefix("content-length:") {
            length = said.trim().parse().ok()?;
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    String::from_utf8(body).ok()
}

fn next(script: &Mutex<Script>, action: &str, form: &str) -> (u16, String) {
    let mut script = script.lock().unwrap_or_else(PoisonError::into_inner);
    script.heard.push((action.to_owned(), form.to_owned()));
    let Some(documents) = script.documents.get_mut(action) else {
        let unknown = "<ErrorResponse><Error><Type>Sender</Type><Code>NotWrittenDown</Code></Error></ErrorResponse>";
        return (400, unknown.to_owned());
    };
    match documents.len() {
        0 | 1 => documents.first().cloned().unwrap_or_default(),
        _ => documents.remove(0),
    }
}
