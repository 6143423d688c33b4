//! The database of an application.

use anyhow::Result;

use super::site::Site;
use crate::deployment::PostgresServer;

/// A database in a server of its own, in the directory of a site. It ends with the site.
pub(super) struct Database {
    server: PostgresServer,
    name: String,
}

impl Database {
    /// Makes and starts the server, with the empty database.
    pub(super) fn start(site: &Site, port: u16, name: &str) -> Result<Self> {
        let server = PostgresServer::at(site.dir().join("data/postgres"), port)?;
        server.install(name, &site.dir().join("postgres.log"))?;
        Ok(Self {
            server,
            name: name.to_owned(),
        })
    }

    pub(super) fn port(&self) -> u16 {
        self.server.port()
    }

    /// What cannot be observed of a datastore that lies in the database.
    pub(super) fn configuration(&self, site: &Site, datastore: &str) -> String {
        format!(
            "\n[datastores.{datastore}]\naddress = \"127.0.0.1:{}\"\ndatabase = {:?}\nuser = \"root\"\ndirectory = {:?}\n\
             start = {:?}\n\n[verify]\nurl = \"http://127.0.0.1:{}\"\n",
            self.port(),
            self.name,
            self.server.data(),
            self.server.words(),
            site.port()
        )
    }

    /// Asks it one question.
    pub(super) fn ask(&self, question: &str) -> Result<String> {
        self.server.ask(&self.name, question)
    }
}
