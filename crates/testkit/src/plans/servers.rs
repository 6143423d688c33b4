//! Steps that make a server another version.

use switchback_model::hand_work::{DoneWhen, HandWork, ServerIs};
use switchback_model::plan::{Act, Check, Expectation, FileEdit};
use switchback_model::{DatastoreName, Digest};

use super::PlanBuilder;
use super::pieces::{
    FILE, SERVER, carried, change, file_with_server, no_writers, server_image, stopped,
};

impl PlanBuilder {
    /// Fetches the image of a server.
    #[must_use]
    pub fn fetch_server(self, version: &str) -> Self {
        let image = server_image(version);
        let here = Expectation::ImageHere {
            image: image.clone(),
        };
        self.step(Act::Fetch { image }, vec![], vec![here])
    }

    /// Tries another version of a server.
    #[must_use]
    pub fn fits(self, datastore: &str, to: &str) -> Self {
        let checks = vec![Check::Fits {
            datastore: datastore.into(),
            engine: change(to),
        }];
        self.step(Act::Verify { checks }, vec![], vec![])
    }

    /// Builds what another version of a server will run on.
    #[must_use]
    pub fn carry(self, datastore: &str, to: &str) -> Self {
        let (datastore, engine) = (DatastoreName::from(datastore), change(to));
        let mut before = vec![
            stopped(),
            no_writers(&datastore),
            Expectation::ImageHere {
                image: engine.image.clone(),
            },
            Expectation::Engine {
                datastore: datastore.clone(),
                version: engine.from.clone(),
            },
            self.file_names(),
        ];
        before.extend(self.all_proven());
        let after = vec![carried(&datastore, to)];
        self.down(Act::Carry { datastore, engine }, before, after)
    }

    /// Writes the version of a server into the file.
    #[must_use]
    pub fn set_server(mut self, to: &str) -> Self {
        let from = self.engine.replace(to.to_owned()).expect("it has a server");
        let text = file_with_server(&self.named, &from);
        let found = String::from_utf8(text.clone()).expect("the file is text");
        let named = format!("{SERVER}:{from}");
        let after = file_with_server(&self.named, to);
        let edit = FileEdit {
            path: FILE.to_owned(),
            offset: found.find(&named).expect("the file names the server") + SERVER.len() + 1,
            old: from.clone(),
            new: to.to_owned(),
            before: Digest::of(&text),
            after: Digest::of(&after),
        };
        let digest = |text: &[u8]| Expectation::File {
            path: FILE.to_owned(),
            digest: Digest::of(text),
        };
        let act = Act::Set {
            edits: vec![edit],
            from: from.as_str().into(),
            to: to.into(),
        };
        self.down(act, vec![digest(&text)], vec![digest(&after)])
    }

    /// Waits until people have brought a server to the first of these lines, and compares what it holds. A way back
    /// needs the server of version 15 again.
    #[must_use]
    pub fn rung(self, datastore: &str, lines: &[&str]) -> Self {
        let name = DatastoreName::from(datastore);
        let server = |lines: &[&str], format| {
            DoneWhen::Server(ServerIs {
                datastore: name.clone(),
                lines: lines.iter().map(|line| (*line).to_owned()).collect(),
                format,
            })
        };
        let back = HandWork {
            id: format!("{datastore}-15-again"),
            steps: vec!["put 15 back on an empty directory".to_owned()],
            done: server(&["15"], false),
            source: "hand-made".to_owned(),
            back: None,
        };
        let work = HandWork {
            id: format!("{datastore}-{}", lines[0]),
            steps: vec![format!("bring it to {}", lines[0])],
            done: server(lines, true),
            source: "hand-made".to_owned(),
            back: Some(Box::new(back)),
        };
        let mut before = vec![stopped(), self.file_names()];
        before.extend(self.all_proven());
        let after = vec![Expectation::DoneByHand {
            work: work.id.clone(),
            done: work.done.clone(),
        }];
        let checks = vec![Check::Counts {
            datastore: name.clone(),
            run: None,
            exact: true,
        }];
        self.down(Act::HandWork { work }, before, after).down(
            Act::Verify { checks },
            vec![stopped()],
            vec![],
        )
    }

    /// Exchanges what a server runs on.
    #[must_use]
    pub fn exchange(self, datastore: &str, to: &str) -> Self {
        let (datastore, engine) = (DatastoreName::from(datastore), change(to));
        let mut before = vec![
            stopped(),
            no_writers(&datastore),
            carried(&datastore, to),
            self.file_names(),
        ];
        before.extend(self.all_proven());
        let after = vec![
            Expectation::Engine {
                datastore: datastore.clone(),
                version: to.to_owned(),
            },
            Expectation::Runs {
                service: SERVER.into(),
                image: engine.image.clone(),
            },
        ];
        self.down(Act::Exchange { datastore, engine }, before, after)
    }
}
