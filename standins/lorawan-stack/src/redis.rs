//! The little of the Redis protocol that is needed.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::config::Config;

/// A connection, with the configured namespace for keys.
pub(crate) struct Redis {
    stream: BufReader<TcpStream>,
    namespace: String,
}

/// What a server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Nil,
    Number(i64),
    Text(String),
    List(Vec<Reply>),
}

impl Redis {
    pub(crate) fn connect(config: &Config) -> Result<Self> {
        let address = config.get_or("redis.address", "localhost:6379");
        let stream = TcpStream::connect(&address)
            .with_context(|| format!("error:pkg/redis:store (store error) dial tcp {address}"))?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let mut redis = Self {
            stream: BufReader::new(stream),
            namespace: config
                .get_or("redis.namespace", "ttn v3")
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(":"),
        };
        if let Some(password) = config
            .get("redis.password")
            .filter(|password| !password.is_empty())
        {
            redis.call(&["AUTH", &password])?;
        }
        if let Some(number) = config.get("redis.database") {
            redis.call(&["SELECT", &number])?;
        }
        Ok(redis)
    }

    /// A key inside the namespace.
    pub(crate) fn key(&self, parts: &[&str]) -> String {
        format!("{}:{}", self.namespace, parts.join(":"))
    }

    /// One command and its answer; a server's error is an error.
    pub(crate) fn call(&mut self, words: &[&str]) -> Result<Reply> {
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.stream.get_mut().write_all(request.as_bytes())?;
        self.reply()
    }

    pub(crate) fn get(&mut self, key: &str) -> Result<Option<String>> {
        match self.call(&["GET", key])? {
            Reply::Nil => Ok(None),
            Reply::Text(text) => Ok(Some(text)),
            other => bail!("unexpected answer {other:?}"),
        }
    }

    /// Every key that fits a pattern, found step by step as the real program does.
    pub(crate) fn scan(&mut self, pattern: &str) -> Result<Vec<String>> {
        let mut cursor = "0".to_owned();
        let mut found = Vec::new();
        loop {
            let Reply::List(answer) =
                self.call(&["SCAN", &cursor, "MATCH", pattern, "COUNT", "1024"])?
            else {
                bail!("unexpected answer to SCAN");
            };
            let mut answer = answer.into_iter();
            let (Some(Reply::Text(next)), Some(Reply::List(keys))) = (answer.next(), answer.next())
            else {
                bail!("unexpected answer to SCAN");
            };
            found.extend(keys.into_iter().filter_map(Reply::text));
            if next == "0" {
                found.sort();
                found.dedup();
                return Ok(found);
            }
            cursor = next;
        }
    }

    fn reply(&mut self) -> Result<Reply> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            bail!("error:pkg/redis:store (store error) EOF");
        }
        let (kind, rest) = line
            .trim_end()
            .split_at_checked(1)
            .context("an empty answer")?;
        Ok(match kind {
            "+" => Reply::Text(rest.to_owned()),
            "-" => bail!("error:pkg/redis:store (store error) {rest}"),
            ":" => Reply::Number(rest.parse()?),
            "$" => match rest.parse::<i64>()? {
                -1 => Reply::Nil,
                length => {
                    let mut bytes = vec![0; usize::try_from(length)? + 2];
                    self.stream.read_exact(&mut bytes)?;
                    bytes.truncate(bytes.len() - 2);
                    Reply::Text(String::from_utf8_lossy(&bytes).into_owned())
                }
            },
            "*" => {
                let count = rest.parse::<i64>()?.max(0);
                Reply::List((0..count).map(|_| self.reply()).collect::<Result<_>>()?)
            }
            other => bail!("unexpected answer {other}{rest}"),
        })
    }
}

impl Reply {
    pub(crate) fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}
