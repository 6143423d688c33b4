//! A conversation with a server: who it is, commands and their answers, cursors.

use bson::raw::{RawDocument, RawDocumentBuf};
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, Document, doc};
use switchback_engine::ports::Failure;
use switchback_engine::process::Secret;
use switchback_engine::signal::StopSignal;
use switchback_model::DatastoreName;
use switchback_model::observed::DatastoreLocation;

use super::answers;
use super::hello::{self, Hello};
use super::scram::{Mechanism, Scram};
use super::wire::{self, Link};
use super::{tls, uri};

/// The first wire version with the newer message (3.6).
const NEWER: i32 = 6;
/// The first wire version with `find` and `getMore` as commands (3.2): nothing older is kept.
const OLDEST: i32 = 4;
/// Documents of one answer. A server also ends one at 16 MB.
const BATCH: i32 = 1000;
/// What servers and their logs call us.
const APPLICATION: &str = "switchback";

/// One connection that knows whom it talks with.
pub(super) struct Client<'a> {
    pub(super) name: &'a DatastoreName,
    link: Link,
    /// The database that is kept.
    pub(super) database: String,
    pub(super) server: Hello,
    /// Host and port, for people.
    pub(super) address: String,
    /// Where the server is, in half a sentence, where it is reached by way of another machine.
    far: Option<String>,
}

/// Where a host and a port are reached from here; nothing where that is there.
pub(super) type Way<'w> = &'w dyn Fn(&str, u16) -> Result<Option<(String, u16)>, Failure>;

/// Where and as whom to connect.
pub(super) struct Door<'a, 's> {
    pub(super) name: &'a DatastoreName,
    pub(super) location: &'a DatastoreLocation,
    pub(super) way: Way<'s>,
    /// What is said of a server that is reached by such a way.
    pub(super) far: Option<String>,
    pub(super) password: Option<&'a Secret>,
    pub(super) stop: Option<&'s StopSignal>,
}

impl<'a> Door<'a, '_> {
    /// Connects to the server, or to the primary of its replica set, and says who we are.
    pub(super) fn open(&self) -> Result<Client<'a>, Failure> {
        let ((host, port), others) = uri::addresses(self.location);
        let mut found = self.primary_by(&host, port);
        // What is wrong with the first that is named is told, unless another one knows better.
        for (host, port) in others {
            if found.as_ref().err().is_none_or(|failure| failure.stopped) {
                break;
            }
            found = self.primary_by(&host, port).or(found);
        }
        found.and_then(|client| self.admitted(client))
    }

    /// A server that takes writes: this one, or the primary that it names.
    fn primary_by(&self, host: &str, port: u16) -> Result<Client<'a>, Failure> {
        let client = self.connect(host, port)?;
        let wanted = self.location.options.get(uri::REPLICA_SET);
        hello::require_named(self.name, &client.address, wanted, &client.server)?;
        if client.server.writable {
            return Ok(client);
        }
        let Some(primary) = &client.server.primary else {
            return Err(hello::no_primary(
                self.name,
                &client.address,
                &client.server,
            ));
        };
        let (host, port) = uri::split(primary);
        let found = self.connect(&host, port).map_err(|failure| {
            failure.cause(format!("{} names it as the primary", client.address))
        })?;
        match found.server.writable {
            true => Ok(found),
            false => Err(hello::no_primary(self.name, &found.address, &found.server)),
        }
    }

    fn connect(&self, host: &str, port: u16) -> Result<Client<'a>, Failure> {
        let address = format!("{host}:{port}");
        let tls = tls::configured(self.name, self.location)?;
        let broken = |error| answers::broken(self.name, &address, error);
        let led = (self.way)(host, port)?;
        let (there, at) = led
            .as_ref()
            .map_or((host, port), |(host, port)| (host.as_str(), *port));
        let mut link = Link::connect((there, at), host, tls, self.stop).map_err(broken)?;
        let mut command = doc! {
            "isMaster": 1,
            "client": {
                "application": { "name": APPLICATION },
                "driver": { "name": APPLICATION, "version": env!("CARGO_PKG_VERSION") },
                "os": { "type": "Linux" },
            },
        };
        if let Some(user) = &self.location.user {
            command.insert("saslSupportedMechs", format!("{}.{user}", self.source()));
        }
        let command =
            RawDocumentBuf::try_from(&command).map_err(|error| answers::odd(self.name, &error))?;
        let answer = link.ask("admin", &command, None).map_err(broken)?;
        let answer =
            Document::try_from(&answer).map_err(|error| answers::odd(self.name, &error))?;
        let server = Hello::read(&answer);
        link.older = server.wire < NEWER;
        if server.wire < OLDEST {
            return Err(answers::too_old(self.name));
        }
        Ok(Client {
            name: self.name,
            link,
            database: uri::database(self.location),
            server,
            address,
            far: self.far.clone().filter(|_| led.is_some()),
        })
    }

    /// The database in which the user is known.
    fn source(&self) -> String {
        let said = self.location.options.get(uri::SOURCE).cloned();
        said.unwrap_or_else(|| uri::database(self.location))
    }

    fn admitted(&self, mut client: Client<'a>) -> Result<Client<'a>, Failure> {
        let Some(user) = &self.location.user else {
            return Ok(client);
        };
        let Some(password) = self.password else {
            return Err(answers::no_password(self.name, user));
        };
        let known = |mechanism: Mechanism| {
            let mut all = client.server.mechanisms.iter();
            all.any(|it| it == mechanism.name())
        };
        let mechanism = if known(Mechanism::Sha256) {
            Mechanism::Sha256
        } else {
            Mechanism::Sha1
        };
        let mut scram = Scram::new(mechanism, user, password.expose())
            .map_err(|error| answers::odd(self.name, &error))?;
        let source = self.source();
        let first = doc! {
            "saslStart": 1,
            "mechanism": mechanism.name(),
            "payload": payload(scram.first()),
            "options": { "skipEmptyExchange": true },
        };
        let mut answer = client.ask(&source, first)?;
        let refused = |why: &str| answers::refused(self.name, user, why);
        let last = scram
            .last(said(&answer))
            .map_err(|why| refused(&format!("the server cannot be talked with: {why}")))?;
        answer = client.ask(&source, next(&answer, last))?;
        if !scram.accepts(said(&answer)) {
            return Err(refused("it does not know the password itself"));
        }
        // Older servers want to hear an empty word at the end.
        while !answer.get_bool("done").unwrap_or(true) {
            answer = client.ask(&source, next(&answer, Vec::new()))?;
        }
        Ok(client)
    }
}

fn payload(bytes: Vec<u8>) -> Binary {
    Binary {
        subtype: BinarySubtype::Generic,
        bytes,
    }
}

fn said(answer: &Document) -> &[u8] {
    answer
        .get_binary_generic("payload")
        .map_or(&[], Vec::as_slice)
}

fn next(answer: &Document, bytes: Vec<u8>) -> Document {
    let id = answer
        .get("conversationId")
        .cloned()
        .unwrap_or(Bson::Int32(1));
    doc! { "saslContinue": 1, "conversationId": id, "payload": payload(bytes) }
}

impl Client<'_> {
    /// Runs a command on a database; an answer that says no is a failure.
    pub(super) fn ask(&mut self, database: &str, command: Document) -> Result<Document, Failure> {
        let answer = self.ask_raw(database, command, None)?;
        Document::try_from(&answer).map_err(|error| answers::odd(self.name, &error))
    }

    /// Runs a command on the database that is kept.
    pub(super) fn ask_own(&mut self, command: Document) -> Result<Document, Failure> {
        let database = self.database.clone();
        self.ask(&database, command)
    }

    /// As [`Client::ask`], with documents beside the command and the answer as it came.
    pub(super) fn ask_raw(
        &mut self,
        database: &str,
        mut command: Document,
        documents: Option<&[u8]>,
    ) -> Result<RawDocumentBuf, Failure> {
        let what = command.keys().next().cloned().unwrap_or_default();
        if !self.link.older {
            command.insert("$db", database);
        }
        let mut raw =
            RawDocumentBuf::try_from(&command).map_err(|error| answers::odd(self.name, &error))?;
        let beside = match documents {
            Some(documents) if self.link.older => {
                raw = with_documents(raw, documents).map_err(|e| answers::odd(self.name, &e))?;
                None
            }
            other => other,
        };
        let answer = self.link.ask(database, &raw, beside).map_err(|error| {
            answers::broke_off(self.name, &self.address, self.far.as_deref(), error)
        })?;
        answers::understood(self.name, database, &what, &answer)?;
        Ok(answer)
    }

    /// Hands over every document that `command` finds, as it came.
    pub(super) fn each(
        &mut self,
        database: &str,
        command: Document,
        mut hear: impl FnMut(&RawDocument) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut answer = self.ask_raw(database, command, None)?;
        let mut batch = "firstBatch";
        loop {
            let (id, collection) = {
                let odd = |error: &dyn std::fmt::Display| answers::odd(self.name, error);
                let cursor = answer.get_document("cursor").map_err(|e| odd(&e))?;
                for found in cursor.get_array(batch).map_err(|e| odd(&e))? {
                    let found = found.map_err(|error| odd(&error))?;
                    let document = found.as_document().ok_or_else(|| odd(&"no document"))?;
                    hear(document)?;
                }
                let space = cursor.get_str("ns").map_err(|error| odd(&error))?;
                let collection = space.split_once('.').map_or(space, |(_, name)| name);
                let id = cursor.get_i64("id").map_err(|error| odd(&error))?;
                (id, collection.to_owned())
            };
            if id == 0 {
                return Ok(());
            }
            let more = doc! { "getMore": id, "collection": collection, "batchSize": BATCH };
            answer = self.ask_raw(database, more, None)?;
            batch = "nextBatch";
        }
    }

    /// Hands over every document of a collection in its natural order.
    pub(super) fn documents(
        &mut self,
        collection: &str,
        hear: impl FnMut(&RawDocument) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let database = self.database.clone();
        self.each(
            &database,
            doc! { "find": collection, "batchSize": BATCH },
            hear,
        )
    }

    /// Every answer of a command with a cursor, where they are few.
    pub(super) fn all(
        &mut self,
        database: &str,
        command: Document,
    ) -> Result<Vec<Document>, Failure> {
        let mut found = Vec::new();
        let name = self.name;
        self.each(database, command, |document| {
            found.push(Document::try_from(document).map_err(|error| answers::odd(name, &error))?);
            Ok(())
        })?;
        Ok(found)
    }

    /// True for servers that know only the older message.
    pub(super) fn is_older(&self) -> bool {
        self.link.older
    }
}

/// A command with its documents inside.
fn with_documents(
    mut command: RawDocumentBuf,
    mut documents: &[u8],
) -> Result<RawDocumentBuf, bson::error::Error> {
    let mut all = bson::raw::RawArrayBuf::new();
    while let Some(length) = wire::length(documents) {
        let Some((one, rest)) = documents.split_at_checked(length) else {
            break;
        };
        all.push(RawDocument::from_bytes(one)?.to_owned());
        documents = rest;
    }
    command.append(bson::raw::cstr!("documents"), all);
    Ok(command)
}
