//! The server whose data is kept: what it says about itself, and who else is connected.

use bson::{Bson, Document, doc};
use switchback_engine::ports::{Context, Failure, Reach};
use switchback_engine::process::Secret;
use switchback_engine::signal::StopSignal;
use switchback_model::observed::DatastoreLocation;
use switchback_model::product::DatastoreKind;
use switchback_model::{Contents, DatastoreName, RunId};

use super::answers;
use super::client::{Client, Door};
use super::layout::Layout;
use super::uri;
use crate::backup::Backup;
use crate::tally::Tally;
use crate::writers::lasting;

/// A MongoDB server and the one database of it that is ours to keep.
pub(super) struct Server {
    pub(super) name: DatastoreName,
    pub(super) location: DatastoreLocation,
    /// The way to it, where it is another machine's, or a container's, and not this one's.
    pub(super) elsewhere: Option<Box<dyn Reach>>,
    pub(super) password: Option<Secret>,
}

/// What a server is, and how much it holds.
#[derive(Clone, Debug, Default)]
pub(super) struct About {
    /// Version of the program, e.g. `4.0.28`.
    pub(super) version: String,
    /// The line whose data format is in force; `None` where our user may not ask.
    pub(super) compatibility: Option<String>,
    /// Documents of all collections.
    pub(super) objects: u64,
    /// Bytes of all documents.
    pub(super) data: u64,
    /// Bytes on its disk, with indexes.
    pub(super) stored: u64,
    /// Bytes that are free there, where it tells.
    pub(super) free: Option<u64>,
}

impl Server {
    pub(super) fn backup(&self, cx: &Context<'_>, run: &RunId) -> Backup {
        Backup::of(cx, run, &self.name, DatastoreKind::Mongodb)
    }

    /// Connects. Who talks is this machine, whichever one the product is on.
    pub(super) fn client(&self, stop: Option<&StopSignal>) -> Result<Client<'_>, Failure> {
        Door {
            name: &self.name,
            location: &self.location,
            way: &|host, port| self.way(host, port),
            far: self.elsewhere.as_ref().and_then(|reach| reach.foreign()),
            password: self.password.as_ref(),
            stop,
        }
        .open()
    }

    /// Where a server is reached from here, as its own machine names it.
    fn way(&self, host: &str, port: u16) -> Result<Option<(String, u16)>, Failure> {
        let Some(reach) = &self.elsewhere else {
            return Ok(None);
        };
        let led = reach.reached_at(host, port)?;
        if led.is_some() || !uri::is_loopback(host) {
            return Ok(led);
        }
        Err(Failure::new(
            "datastore-unreachable",
            format!("the server of `{}` is not to be reached from here", self.name),
        )
        .cause(format!("it listens on {host} of the machine or the container that it is on"))
        .state(self.name.to_string(), "not asked")
        .hint("run switchback on the machine that the server is on")
        .hint(format!(
            "or let the server listen for this machine, too, and say where: `address` under [datastores.{}] in switchback.toml",
            self.name
        )))
    }

    /// Why this server cannot be kept, one line each.
    pub(super) fn obstacles(&self, client: &Client<'_>, layout: &Layout) -> Vec<String> {
        let mut found = layout.obstacles.clone();
        if client.server.router {
            found.push("it is a router of a sharded cluster: every shard would have to be kept at one moment".to_owned());
        }
        found
    }

    /// Refuses a server that cannot be kept.
    pub(super) fn require_suitable(
        &self,
        client: &Client<'_>,
        layout: &Layout,
    ) -> Result<(), Failure> {
        let obstacles = self.obstacles(client, layout);
        if obstacles.is_empty() {
            return Ok(());
        }
        let mut failure = Failure::new(
            "datastore-unsupported",
            format!("`{}` cannot be kept", self.name),
        )
        .state(self.name.to_string(), "not changed")
        .hint(format!(
            "remove what is in the way, or set backup = \"none\" under [datastores.{}] in switchback.toml",
            self.name
        ));
        failure.causes = obstacles;
        Err(failure)
    }

    /// Counts and checksums of what the product has there, without collections that empty themselves.
    pub(super) fn read(&self, cx: &Context<'_>) -> Result<Contents, Failure> {
        let mut client = self.client(Some(cx.stop))?;
        let layout = client.layout()?;
        let mut contents = Contents::default();
        for (name, shape) in &layout.collections {
            if !shape.expires() {
                let tally = client.tally(cx, name)?;
                contents
                    .collections
                    .insert(name.clone(), tally.collection());
            }
        }
        client.require_same_primary()?;
        Ok(contents)
    }
}

impl Client<'_> {
    /// Counts and adds up the documents of a collection.
    pub(super) fn tally(&mut self, cx: &Context<'_>, collection: &str) -> Result<Tally, Failure> {
        let mut tally = Tally::default();
        let mut progress = Counted::new(cx, format!("reading `{collection}`"));
        self.documents(collection, |document| {
            tally.add([document.as_bytes()]);
            progress.one();
            Ok(())
        })?;
        Ok(tally)
    }

    pub(super) fn about(&mut self) -> Result<About, Failure> {
        let build = self.ask("admin", doc! { "buildInfo": 1 })?;
        let version = build
            .get_str("version")
            .map_err(|error| answers::odd(self.name, &error))?;
        let stats = self.ask_own(doc! { "dbStats": 1 })?;
        let number = |key: &str| stats.get(key).and_then(whole);
        let free = number("fsTotalSize")
            .zip(number("fsUsedSize"))
            .filter(|(total, _)| *total > 0)
            .map(|(total, used)| total.saturating_sub(used));
        Ok(About {
            version: version.to_owned(),
            compatibility: self.compatibility(),
            objects: number("objects").unwrap_or(0),
            data: number("dataSize").unwrap_or(0),
            stored: number("storageSize").unwrap_or(0) + number("indexSize").unwrap_or(0),
            free,
        })
    }

    /// `featureCompatibilityVersion`. Servers before 3.4 have none, and the product's user may not always ask.
    fn compatibility(&mut self) -> Option<String> {
        let ask = doc! { "getParameter": 1, "featureCompatibilityVersion": 1 };
        let answer = self.ask("admin", ask).ok()?;
        match answer.get("featureCompatibilityVersion")? {
            // 3.4 says it without a document around it.
            Bson::String(line) => Some(line.clone()),
            Bson::Document(said) => said.get_str("version").ok().map(str::to_owned),
            _ => None,
        }
    }

    /// Who else is connected and could write, one line each. Sessions of other users are seen where ours may look.
    pub(super) fn writers(&mut self) -> Result<Vec<String>, Failure> {
        let me = self.ask("admin", doc! { "whatsmyuri": 1 })?;
        let me = me.get_str("you").unwrap_or_default().to_owned();
        let all = match self.sessions(true) {
            Err(failure) if failure.code == answers::DENIED => {
                let own = self.sessions(false);
                own.map_err(|failure| answers::unseen(self.name, failure))?
            }
            sessions => sessions?,
        };
        let mut writers: Vec<String> = all.iter().filter_map(|it| described(it, &me)).collect();
        writers.sort();
        writers.dedup();
        Ok(writers)
    }

    /// Those of them that stay: a connection whose client has just ended is there for a moment yet.
    pub(super) fn lasting_writers(&mut self) -> Result<Vec<String>, Failure> {
        lasting(|| self.writers())
    }

    fn sessions(&mut self, of_all: bool) -> Result<Vec<Document>, Failure> {
        // The command, not the stage of an aggregation that newer servers have, too: all of them know it.
        let answer = self.ask(
            "admin",
            doc! { "currentOp": 1, "$all": true, "$ownOps": !of_all },
        )?;
        let sessions = answer.get_array("inprog").into_iter().flatten();
        Ok(sessions.filter_map(Bson::as_document).cloned().collect())
    }
}

/// A session in one line; `None` for the server's own, for other members of its set, and for ours.
fn described(session: &Document, me: &str) -> Option<String> {
    let client = session.get_str("client").ok()?;
    let application = session.get_str("appName").unwrap_or_default();
    let metadata = session.get_document("clientMetadata").ok();
    let driver = metadata
        .and_then(|metadata| metadata.get_document("driver").ok())
        .and_then(|driver| driver.get_str("name").ok())
        .unwrap_or_default();
    let is_member = driver.contains("MongoDB Internal Client") || driver == "NetworkInterfaceTL";
    if client == me || is_member {
        return None;
    }
    let host = client.rsplit_once(':').map_or(client, |(host, _)| host);
    let who = [application, driver]
        .into_iter()
        .find(|name| !name.is_empty());
    let who = who.unwrap_or("a client");
    Some(format!("{who} from {host}"))
}

/// A number of any kind that is not negative.
fn whole(value: &Bson) -> Option<u64> {
    match value {
        Bson::Int32(number) => u64::try_from(*number).ok(),
        Bson::Int64(number) => u64::try_from(*number).ok(),
        Bson::Double(number) if *number >= 0.0 => Some(*number as u64),
        _ => None,
    }
}

/// Tells how many documents are done, and not after each.
pub(super) struct Counted<'c, 'x> {
    cx: &'c Context<'x>,
    doing: String,
    done: u64,
}

impl<'c, 'x> Counted<'c, 'x> {
    /// Documents that go by between two reports: a report costs more than a document.
    const EVERY: u64 = 5000;

    pub(super) fn new(cx: &'c Context<'x>, doing: String) -> Self {
        cx.progress.report(&doing, None, None, None);
        Self { cx, doing, done: 0 }
    }

    pub(super) fn one(&mut self) {
        self.done += 1;
        if self.done.is_multiple_of(Self::EVERY) {
            let done = Some(self.done);
            self.cx
                .progress
                .report(&self.doing, done, None, Some("documents"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_that_could_write_are_told_and_ours_is_not() {
        let told = |session: Document| described(&session, "127.0.0.1:5000");
        let session = |client: &str| {
            doc! { "client": client, "clientMetadata": { "driver": { "name": "PyMongo" } } }
        };
        assert_eq!(told(session("127.0.0.1:5000")), None);
        assert_eq!(
            told(session("10.0.0.3:4711")).as_deref(),
            Some("PyMongo from 10.0.0.3")
        );
        let mut named = session("[::1]:4711");
        named.insert("appName", "st2actionrunner");
        assert_eq!(told(named).as_deref(), Some("st2actionrunner from [::1]"));
        let member = doc! {
            "client": "10.0.0.4:1", "clientMetadata": { "driver": { "name": "NetworkInterfaceTL" } }
        };
        assert_eq!(told(member), None);
        assert_eq!(told(doc! { "desc": "TTLMonitor" }), None);
        assert_eq!(
            told(doc! { "client": "10.0.0.5:1" }).as_deref(),
            Some("a client from 10.0.0.5")
        );
        assert_eq!(whole(&Bson::Double(12.0)), Some(12));
        assert_eq!(whole(&Bson::Int32(-1)), None);
    }
}
