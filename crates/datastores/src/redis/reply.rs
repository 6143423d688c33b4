//! Answers of the command line client in its CSV form: one line per answer,
//! strings quoted, so that no byte of a value can be mistaken for a border.

/// One value of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// A string, as bytes.
    Bytes(Vec<u8>),
    /// A number.
    Number(i64),
    /// Nothing there.
    Nil,
}

impl Value {
    /// As the bytes that a server sent; nothing for nothing.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Number(number) => number.to_string().into_bytes(),
            Self::Nil => Vec::new(),
        }
    }
}

/// One answer: an array comes as its elements, anything else as one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// It answered.
    Values(Vec<Value>),
    /// It said no, e.g. `NOAUTH Authentication required.`.
    Error(String),
}

impl Reply {
    /// Reads one line; `None` for what older clients say beside answers (how long one took).
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        if line.first() == Some(&b'(') {
            return None;
        }
        if let Some(rest) = line.strip_prefix(b"ERROR,") {
            let text = string(rest).map_or_else(|| rest.to_vec(), |(text, _)| text);
            return Some(Self::Error(
                String::from_utf8_lossy(&text).trim().to_owned(),
            ));
        }
        let mut values = Vec::new();
        let mut rest = line;
        while !rest.is_empty() {
            let (value, after) = value(rest);
            values.push(value);
            rest = after.strip_prefix(b",").unwrap_or(after);
        }
        Some(Self::Values(values))
    }

    /// The only value as text.
    pub(super) fn text(&self) -> Option<String> {
        match self {
            Self::Values(values) => match values.first()? {
                Value::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
                Value::Number(number) => Some(number.to_string()),
                Value::Nil => None,
            },
            Self::Error(_) => None,
        }
    }
}

fn value(from: &[u8]) -> (Value, &[u8]) {
    if let Some((bytes, rest)) = string(from) {
        return (Value::Bytes(bytes), rest);
    }
    let end = from
        .iter()
        .position(|byte| *byte == b',')
        .unwrap_or(from.len());
    let (word, rest) = from.split_at(end);
    let number = std::str::from_utf8(word)
        .ok()
        .and_then(|word| word.parse().ok());
    let value = match (word, number) {
        (b"NULL" | b"NIL", _) => Value::Nil,
        (_, Some(number)) => Value::Number(number),
        (_, None) => Value::Bytes(word.to_vec()),
    };
    (value, rest)
}

/// A quoted string at the beginning, and what follows it.
fn string(from: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut rest = from.strip_prefix(b"\"")?;
    let mut bytes = Vec::new();
    loop {
        let (first, after) = rest.split_first()?;
        rest = after;
        match first {
            b'"' => return Some((bytes, rest)),
            b'\\' => {
                let (escaped, after) = rest.split_first()?;
                rest = after;
                bytes.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'a' => 7,
                    b'b' => 8,
                    b'x' => {
                        let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
                        rest = &rest[2..];
                        u8::from_str_radix(digits, 16).ok()?
                    }
                    other => *other,
                });
            }
            other => bytes.push(*other),
        }
    }
}

/// A string as the client reads it.
pub(super) fn quoted(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() + 2);
    text.push('"');
    for byte in bytes {
        match byte {
            b'"' | b'\\' => {
                text.push('\\');
                text.push(char::from(*byte));
            }
            0x20..=0x7e => text.push(char::from(*byte)),
            other => {
                let _ = write!(text, "\\x{other:02x}");
            }
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives() {
        let all: Vec<u8> = (0..=255).collect();
        let (read, rest) = string(quoted(&all).as_bytes())
            .map(|(bytes, rest)| (bytes, rest.to_vec()))
            .expect("quoted");
        assert_eq!((read, rest), (all, Vec::new()));
    }

    #[test]
    fn answers_of_every_kind() {
        let values = |line: &str| match Reply::parse(line.as_bytes()) {
            Some(Reply::Values(values)) => values,
            other => panic!("{other:?}"),
        };
        let bytes = |text: &str| Value::Bytes(text.as_bytes().to_vec());
        assert_eq!(values(""), []);
        assert_eq!(values("NULL"), [Value::Nil]);
        assert_eq!(values("-2"), [Value::Number(-2)]);
        assert_eq!(
            values(r#""17","a,b","c\"\n""#),
            [bytes("17"), bytes("a,b"), bytes("c\"\n")]
        );
        assert_eq!(Reply::parse(b"(0.73s)"), None);
        assert_eq!(
            Reply::parse(br#"ERROR,"NOAUTH Authentication required.\r\n""#),
            Some(Reply::Error("NOAUTH Authentication required.".to_owned()))
        );
    }
}
