//! A running stand-in, and how tests fill it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::http;
use super::state::State;

/// A running stand-in. It ends with the test's process.
pub struct Instance {
    address: String,
    root: PathBuf,
    state: Arc<Mutex<State>>,
}

impl Instance {
    /// Starts one of this version, with its files in `root` and one API key that it accepts.
    pub fn start(version: &str, root: &Path, key: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("bound"));
        let packs = root.join("opt/stackstorm/packs");
        std::fs::create_dir_all(packs).expect("a directory for packs");
        let state = Arc::new(Mutex::new(State::new(version, root, key)));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || http::serve(&listener, &shared));
        Self {
            address,
            root: root.to_owned(),
            state,
        }
    }

    /// Base URL of its API.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its file system.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What it holds, to look at or to change.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a file of the instance.
    pub fn file(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        std::fs::create_dir_all(path.parent().expect("inside")).expect("made");
        std::fs::write(path, text).expect("written");
    }

    /// Registers a pack whose files are written already.
    pub fn pack(&self, name: &str, version: &str) {
        self.file(
            &format!("opt/stackstorm/packs/{name}/pack.yaml"),
            &format!("ref: {name}\nname: {name}\nversion: {version}\n"),
        );
        let pack = json!({ "ref": name, "name": name, "version": version });
        self.state().packs.insert(name.to_owned(), pack);
    }

    /// Makes a rule through the API, or, with a file, as a pack brings it.
    pub fn rule(&self, pack: &str, name: &str, file: Option<&str>) {
        let rule = json!({
            "pack": pack,
            "name": name,
            "ref": format!("{pack}.{name}"),
            "trigger": { "type": "core.st2.webhook", "parameters": { "url": name }, "ref": "made.here" },
            "criteria": {},
            "action": { "ref": "core.local", "parameters": { "cmd": "date" } },
            "enabled": true,
            "metadata_file": file,
            "id": format!("id-of-{name}"),
        });
        self.state().rules.push(rule);
    }

    /// Everything about it that a roll-over could change, to be compared.
    pub fn picture(&self) -> Value {
        let state = self.state();
        json!({
            "keys": state.key_picture(),
            "packs": state.packs,
            "rules": state.rules,
            "configs": state.configs,
            "api-keys": state.api_keys,
        })
    }
}
