//! Messages to a server and its answers, over TCP or TLS.
//!
//! ```text
//! up to 3.4   OP_QUERY on `db.$cmd`  ─►  OP_REPLY
//! from 3.6    OP_MSG                 ─►  OP_MSG
//! ```
//!
//! The first message of a connection is always the older one, which every server understands.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use bson::raw::{RawDocument, RawDocumentBuf};
use rustls::{ClientConnection, StreamOwned};
use switchback_engine::signal::{StopSignal, Urgency};

/// No document is longer (16 MB), with what servers allow beyond it for their own.
const LONGEST_DOCUMENT: usize = 17 << 20;

const OP_REPLY: i32 = 1;
const OP_QUERY: i32 = 2004;
const OP_MSG: i32 = 2013;
const HEADER: usize = 16;
/// No server sends more in one message (48 MB) than this leaves room for.
const LONGEST: usize = 64 << 20;
/// How long a server may take to accept a connection: one that is up does it in far less.
const CONNECT: Duration = Duration::from_secs(10);
/// How often a wait for an answer looks whether it shall go on. An answer itself may take hours.
const LOOK: Duration = Duration::from_millis(500);

/// One connection.
pub(super) struct Link {
    stream: Stream,
    stop: Option<StopSignal>,
    next: i32,
    /// True for servers that know only the older message.
    pub(super) older: bool,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Broken {
    /// The connection could not be made, or ended.
    Lost(io::Error),
    /// The operator wanted no longer to wait.
    Stopped,
    /// What came is no answer of a MongoDB server.
    Odd(String),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Lost(error)
    }
}

impl Link {
    /// Connects, with TLS where `tls` has a configuration for it. `name` is what the server's certificate is for: the
    /// way to it may begin elsewhere.
    pub(super) fn connect(
        (host, port): (&str, u16),
        name: &str,
        tls: Option<std::sync::Arc<rustls::ClientConfig>>,
        stop: Option<&StopSignal>,
    ) -> Result<Self, Broken> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, format!("`{host}` has no address"));
        let mut connected = None;
        for address in (host, port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, CONNECT) {
                Ok(stream) => {
                    connected = Some(stream);
                    break;
                }
                Err(error) => last = error,
            }
        }
        let Some(stream) = connected else {
            return Err(Broken::Lost(last));
        };
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LOOK))?;
        let stream = match tls {
            None => Stream::Plain(stream),
            Some(config) => {
                let name = rustls::pki_types::ServerName::try_from(name.to_owned())
                    .map_err(|error| Broken::Odd(error.to_string()))?;
                let client = ClientConnection::new(config, name)
                    .map_err(|error| Broken::Odd(error.to_string()))?;
                Stream::Tls(Box::new(StreamOwned::new(client, stream)))
            }
        };
        Ok(Self {
            stream,
            stop: stop.cloned(),
            next: 0,
            older: true,
        })
    }

    /// Sends a command, with `documents` after it where they are too many for a part of it, and returns the answer.
    pub(super) fn ask(
        &mut self,
        database: &str,
        command: &RawDocument,
        documents: Option<&[u8]>,
    ) -> Result<RawDocumentBuf, Broken> {
        self.next += 1;
        let body = if self.older {
            query(database, command)
        } else {
            message(command, documents)
        };
        let mut out = Vec::with_capacity(HEADER + body.len());
        let length = i32::try_from(HEADER + body.len())
            .map_err(|_| Broken::Odd("the question is too long".to_owned()))?;
        let code = if self.older { OP_QUERY } else { OP_MSG };
        for number in [length, self.next, 0, code] {
            out.extend(number.to_le_bytes());
        }
        out.extend(body);
        self.send(&out)?;
        self.receive()
    }

    fn send(&mut self, mut bytes: &[u8]) -> Result<(), Broken> {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(0) => return Err(ended()),
                Ok(written) => bytes = &bytes[written..],
                Err(error) => self.wait_or(error)?,
            }
        }
        loop {
            match self.stream.flush() {
                Ok(()) => return Ok(()),
                Err(error) => self.wait_or(error)?,
            }
        }
    }

    fn receive(&mut self) -> Result<RawDocumentBuf, Broken> {
        let mut header = [0; HEADER];
        self.fill(&mut header)?;
        let (length, code) = (number(&header, 0)?, number(&header, 12)?);
        let length = usize::try_from(length).unwrap_or(0);
        if !(HEADER..=LONGEST).contains(&length) {
            return Err(odd(format!("a message of {length} bytes")));
        }
        let mut body = vec![0; length - HEADER];
        self.fill(&mut body)?;
        match code {
            // Flags, a cursor, a position and a count come before the document.
            OP_REPLY => document(&body, 20),
            // Flags and the kind of the section do.
            OP_MSG => document(&body, 5),
            _ => Err(odd(format!("a message of kind {code}"))),
        }
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Broken> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.stream.read(&mut buffer[filled..]) {
                Ok(0) => return Err(ended()),
                Ok(read) => filled += read,
                Err(error) => self.wait_or(error)?,
            }
        }
        Ok(())
    }

    /// Goes on where an error only says that nothing has happened yet.
    fn wait_or(&self, error: io::Error) -> Result<(), Broken> {
        use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
        if !matches!(error.kind(), Interrupted | TimedOut | WouldBlock) {
            return Err(Broken::Lost(error));
        }
        let stopped = |stop: &StopSignal| stop.urgency() == Urgency::Now;
        if self.stop.as_ref().is_some_and(stopped) {
            return Err(Broken::Stopped);
        }
        Ok(())
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

fn query(database: &str, command: &RawDocument) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(0_i32.to_le_bytes());
    body.extend(format!("{database}.$cmd\0").into_bytes());
    body.extend(0_i32.to_le_bytes());
    body.extend((-1_i32).to_le_bytes());
    body.extend(command.as_bytes());
    body
}

fn message(command: &RawDocument, documents: Option<&[u8]>) -> Vec<u8> {
    const NAME: &[u8] = b"documents\0";
    let mut body = Vec::new();
    body.extend(0_u32.to_le_bytes());
    body.push(0);
    body.extend(command.as_bytes());
    if let Some(documents) = documents {
        body.push(1);
        let length = i32::try_from(4 + NAME.len() + documents.len()).unwrap_or(i32::MAX);
        body.extend(length.to_le_bytes());
        body.extend(NAME);
        body.extend(documents);
    }
    body
}

/// The document that begins at `from`.
fn document(body: &[u8], from: usize) -> Result<RawDocumentBuf, Broken> {
    let length = usize::try_from(number(body, from)?).unwrap_or(0);
    let bytes = from
        .checked_add(length)
        .and_then(|end| body.get(from..end))
        .ok_or_else(|| odd("an answer that is cut short".to_owned()))?;
    RawDocumentBuf::from_bytes(bytes.to_vec()).map_err(|error| odd(error.to_string()))
}

fn number(bytes: &[u8], at: usize) -> Result<i32, Broken> {
    let found = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
    found
        .map(i32::from_le_bytes)
        .ok_or_else(|| odd("an answer that is cut short".to_owned()))
}

fn odd(what: String) -> Broken {
    Broken::Odd(what)
}

fn ended() -> Broken {
    Broken::Lost(io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the server ended the connection",
    ))
}

/// The length of the document that `bytes` begin with.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    let four: [u8; 4] = bytes.get(..4)?.try_into().ok()?;
    let length = usize::try_from(i32::from_le_bytes(four)).ok()?;
    (5..=LONGEST_DOCUMENT).contains(&length).then_some(length)
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;

    fn raw(document: bson::Document) -> RawDocumentBuf {
        RawDocumentBuf::try_from(&document).expect("a document")
    }

    #[test]
    fn both_kinds_of_message_carry_the_command_and_what_is_cut_short_is_told() {
        let command = raw(doc! { "ping": 1 });
        let older = query("admin", &command);
        assert_eq!(&older[4..15], b"admin.$cmd\0");
        assert_eq!(document(&older, 23).expect("there"), command);
        let newer = message(&command, Some(b"rest"));
        assert_eq!(document(&newer, 5).expect("there"), command);
        assert!(newer.ends_with(b"\x12\0\0\0documents\0rest"));
        assert!(matches!(
            document(&older[..older.len() - 1], 23),
            Err(Broken::Odd(_))
        ));
        assert!(matches!(document(&[1], 0), Err(Broken::Odd(_))));
    }
}
