//! Keys and their digests, many at a time: made by the server in a script, so that values need not travel;
//! where scripts are not allowed, and for keys that would hold the server up, made here.

use switchback_engine::ports::Failure;

use super::client::reading;
use super::digest;
use super::groups;
use super::key::{About, Key};
use super::reply::{Reply, Value, quoted};
use super::session::Session;

/// Makes digests in the server.
const SCRIPT: &str = include_str!("digest.lua");
/// Keys per script: it holds the server up for a millisecond or two.
const PER_SCRIPT: usize = 200;
/// Elements (members, fields; 256 bytes of a string) after which a script leaves the rest for the next one.
const BUDGET: u32 = 1000;
/// Elements from which a value is read by a plain command, which holds the server up for less long.
const LARGE: u32 = 1000;
/// Keys per `SCAN` where no script is used: few round trips, and no pause worth noting.
const PER_SCAN: u32 = 2000;

/// What a script says about a key.
enum Said {
    About(About),
    /// The script had done enough.
    Later,
    /// Too large for a script.
    Large,
}

/// A key and what the script says of it.
type SaidOf = (Vec<u8>, Said);

/// Reads the keys of one database.
pub(super) struct Keys<'a> {
    session: Session<'a>,
    scripted: bool,
    script: String,
}

impl<'a> Keys<'a> {
    /// Finds out whether the server runs scripts for us.
    pub(super) fn new(mut session: Session<'a>) -> Result<Self, Failure> {
        let probe = session.attempt("EVAL \"return redis.call('TIME')[1]\" 0")?;
        if let Reply::Error(error) = &probe
            && !error.starts_with("NOPERM")
        {
            session.client.understood(&probe)?;
        }
        Ok(Self {
            session,
            scripted: matches!(probe, Reply::Values(_)),
            script: quoted(SCRIPT.as_bytes()),
        })
    }

    /// The session itself, for other questions.
    pub(super) fn session(&mut self) -> &mut Session<'a> {
        &mut self.session
    }

    /// Goes to a database.
    pub(super) fn select(&mut self, database: u32) -> Result<(), Failure> {
        self.session
            .command(&format!("SELECT {database}"))
            .map(drop)
    }

    /// The keys from a cursor on, with their digests, and the next cursor; `None` at the end. A key may be told
    /// twice while the server grows a table; one that was there all the time is told.
    pub(super) fn scan(&mut self, cursor: &str) -> Result<(Option<String>, Vec<Key>), Failure> {
        if !self.scripted {
            let (next, names) = self.names(cursor)?;
            return Ok((next, self.plain(names)?));
        }
        let (next, said) = self.eval(&[], cursor)?;
        Ok((Some(next).filter(|next| next != "0"), self.settle(said)?))
    }

    /// The names from a cursor on, as [`Keys::scan`].
    pub(super) fn names(
        &mut self,
        cursor: &str,
    ) -> Result<(Option<String>, Vec<Vec<u8>>), Failure> {
        let scan = format!("SCAN {cursor} COUNT {PER_SCAN}");
        let values = match self.session.ask(&scan)? {
            Reply::Values(values) => values,
            Reply::Error(error) => return Err(self.session.client.refused(&scan, &error)),
        };
        let mut values = values.into_iter().map(Value::into_bytes);
        let next = values.next().unwrap_or_else(|| b"0".to_vec());
        let next = String::from_utf8_lossy(&next).into_owned();
        Ok((Some(next).filter(|next| next != "0"), values.collect()))
    }

    /// These keys, in this order.
    pub(super) fn read(&mut self, names: &[Vec<u8>]) -> Result<Vec<Key>, Failure> {
        if !self.scripted {
            return self.plain(names.to_vec());
        }
        let mut read = Vec::with_capacity(names.len());
        for some in names.chunks(PER_SCRIPT) {
            let (_, said) = self.eval(some, "")?;
            read.extend(self.settle(said)?);
        }
        Ok(read)
    }

    /// Asks the script, for keys or from a cursor on.
    fn eval(&mut self, names: &[Vec<u8>], cursor: &str) -> Result<(String, Vec<SaidOf>), Failure> {
        let mut command = format!("EVAL {} {}", self.script, names.len());
        for name in names {
            command.push(' ');
            command.push_str(&quoted(name));
        }
        command.push_str(&format!(" \"{cursor}\" {PER_SCRIPT} {BUDGET} {LARGE}"));
        let values = match self.session.ask(&command)? {
            Reply::Values(values) => values,
            Reply::Error(error) => return Err(self.session.client.refused("EVAL", &error)),
        };
        let mut values = values.into_iter().map(Value::into_bytes);
        let next = values.next().unwrap_or_default();
        let mut said = Vec::new();
        while let (Some(name), Some(about)) = (values.next(), values.next()) {
            let about = self.said(&about)?;
            said.push((name, about));
        }
        Ok((String::from_utf8_lossy(&next).into_owned(), said))
    }

    fn said(&self, about: &[u8]) -> Result<Said, Failure> {
        let text = String::from_utf8_lossy(about);
        let mut words = text.split(' ');
        let (kind, lasts, digest) = (words.next(), words.next(), words.next());
        let (kind, digest) = match (kind, digest) {
            (Some("none"), _) => return Ok(Said::About(About::Gone)),
            (Some("later"), _) => return Ok(Said::Later),
            (_, Some("large")) => return Ok(Said::Large),
            (Some(kind), Some("module")) => (kind, None),
            (Some(kind), Some(digest)) => match u128::from_str_radix(digest, 16) {
                Ok(digest) => (kind, Some(digest)),
                Err(_) => return Err(self.session.client.refused("EVAL", &text)),
            },
            _ => return Err(self.session.client.refused("EVAL", &text)),
        };
        Ok(Said::About(About::Here {
            kind: kind.to_owned(),
            expires: lasts == Some("expires"),
            digest,
        }))
    }

    /// Reads what a script left, however often that takes: each one does at least one key.
    fn settle(&mut self, said: Vec<SaidOf>) -> Result<Vec<Key>, Failure> {
        let mut keys = Vec::with_capacity(said.len());
        let (mut later, mut large) = (Vec::new(), Vec::new());
        let mut sort = |from: Vec<(usize, Vec<u8>, Said)>, keys: &mut Vec<Key>| {
            let mut left = Vec::new();
            for (place, name, said) in from {
                match said {
                    Said::About(about) => keys[place].about = about,
                    Said::Later => left.push((place, name)),
                    Said::Large => large.push((place, name)),
                }
            }
            left
        };
        let mut first = Vec::with_capacity(said.len());
        for (place, (name, said)) in said.into_iter().enumerate() {
            keys.push(Key {
                name: name.clone(),
                about: About::Gone,
            });
            first.push((place, name, said));
        }
        let asked = first.len();
        later.extend(sort(first, &mut keys));
        // As many as the last one did, and twice as many: it stops by itself where that is too much.
        let mut done = asked - later.len();
        while !later.is_empty() {
            let rest = later.split_off(later.len().min((done * 2).clamp(1, PER_SCRIPT)));
            let names: Vec<Vec<u8>> = later.iter().map(|(_, name)| name.clone()).collect();
            let (_, said) = self.eval(&names, "")?;
            let said = later
                .iter()
                .zip(said)
                .map(|((place, _), (name, said))| (*place, name, said))
                .collect();
            let left = sort(said, &mut keys);
            done = names.len() - left.len();
            later = left.into_iter().chain(rest).collect();
        }
        let names: Vec<Vec<u8>> = large.iter().map(|(_, name)| name.clone()).collect();
        for ((place, _), key) in large.into_iter().zip(self.plain(names)?) {
            keys[place] = key;
        }
        Ok(keys)
    }

    /// Reads keys with plain commands, and makes their digests here.
    fn plain(&mut self, names: Vec<Vec<u8>>) -> Result<Vec<Key>, Failure> {
        let mut keys = self.kinds(names)?;
        let groups = groups::read(&mut self.session, &keys)?;
        let mut commands = Vec::new();
        let mut asked = Vec::new();
        for (place, key) in keys.iter().enumerate() {
            if let About::Here { kind, .. } = &key.about
                && let Some(command) = reading(kind, &key.name)
            {
                commands.push(command);
                asked.push(place);
            }
        }
        let client = self.session.client;
        self.session.each(&commands, |place, reply| {
            let key = &mut keys[asked[place]];
            let About::Here { kind, digest, .. } = &mut key.about else {
                return Ok(());
            };
            let values = match reply {
                // Removed, and another one made, by somebody between the two questions.
                Reply::Error(error) if error.starts_with("WRONGTYPE") => {
                    key.about = About::Gone;
                    return Ok(());
                }
                Reply::Error(error) => return Err(client.refused(kind, &error)),
                Reply::Values(values) => values,
            };
            let group = groups.get(&key.name);
            // A stream may be empty and still have groups.
            let gone = match kind.as_str() {
                "stream" => group.is_none(),
                "string" => values == [Value::Nil],
                _ => values.is_empty(),
            };
            if gone {
                key.about = About::Gone;
                return Ok(());
            }
            let values: Vec<Vec<u8>> = values.into_iter().map(Value::into_bytes).collect();
            *digest = digest::body(kind, &values).map(|mut body| {
                body.extend(group.map_or(&[][..], |group| group.as_bytes()));
                digest::of_key(&key.name, kind, &body)
            });
            Ok(())
        })?;
        Ok(keys)
    }

    /// Types of keys, and whether they expire.
    fn kinds(&mut self, names: Vec<Vec<u8>>) -> Result<Vec<Key>, Failure> {
        let commands: Vec<String> = names
            .iter()
            .flat_map(|name| {
                let name = quoted(name);
                [format!("TYPE {name}"), format!("PTTL {name}")]
            })
            .collect();
        let mut answers = Vec::with_capacity(commands.len());
        let client = self.session.client;
        self.session.each(&commands, |place, reply| match reply {
            Reply::Error(error) => Err(client.refused(&commands[place], &error)),
            reply => {
                answers.push(reply.text().unwrap_or_default());
                Ok(())
            }
        })?;
        let about = |answers: &[String]| match answers {
            [kind, left] if kind != "none" && left != "-2" => About::Here {
                kind: kind.clone(),
                expires: left != "-1",
                digest: None,
            },
            _ => About::Gone,
        };
        Ok(names
            .into_iter()
            .zip(answers.chunks(2))
            .map(|(name, answers)| Key {
                name,
                about: about(answers),
            })
            .collect())
    }
}
