//! Which question gets which answer.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::http::{Answer, Request, decoded};
use super::state::State;

const MASK: &str = "********";

impl State {
    pub(super) fn answer(&mut self, request: &Request) -> Answer {
        if !self.accepted.contains(&request.key) {
            return Answer::fault(401, "Unauthorized - ApiKey with key_hash not found.");
        }
        if request.method != "GET" {
            self.writes
                .push(format!("{} {}", request.method, request.path));
        }
        let path: Vec<String> = request
            .path
            .trim_start_matches('/')
            .split('/')
            .map(decoded)
            .collect();
        let words: Vec<&str> = path.iter().map(String::as_str).collect();
        match (request.method.as_str(), words.as_slice()) {
            ("GET", ["v1"] | [""]) if self.hides_version => Answer::fault(404, "not found"),
            ("GET", ["v1"] | [""]) => Answer::found(json!({ "version": self.version })),
            ("GET", ["v1", "keys"]) => self.list_keys(request),
            ("GET", ["v1", "keys", name]) => self.get_key(request, name),
            ("PUT", ["v1", "keys", name]) => self.put_key(request, name),
            ("DELETE", ["v1", "keys", name]) => self.delete_key(request, name),
            ("GET", ["v1", "packs"]) => self.page(request, self.packs.values().cloned().collect()),
            ("GET", ["v1", "packs", name]) => match self.packs.get(*name) {
                Some(pack) => Answer::found(pack.clone()),
                None => Answer::fault(404, "no such pack"),
            },
            ("POST", ["v1", "packs", "install"]) => self.install(request),
            ("GET", ["v1", "executions"]) => self.page(request, self.executions.clone()),
            ("GET", ["v1", "executions", id]) => {
                self.asked_about.push((*id).to_owned());
                let found = self
                    .executions
                    .iter()
                    .find(|execution| execution["id"] == **id);
                found.map_or_else(
                    || Answer::fault(404, "no such execution"),
                    |found| Answer::found(found.clone()),
                )
            }
            ("GET", ["v1", "rules"]) => self.page(request, self.rules.clone()),
            ("POST", ["v1", "rules"]) => self.add_rule(request),
            ("GET", ["v1", "configs"]) => self.list_configs(request),
            ("PUT", ["v1", "configs", pack]) => {
                self.configs
                    .insert((*pack).to_owned(), request.body.clone());
                Answer::found(json!({ "pack": pack, "values": request.body }))
            }
            ("GET", ["v1", "apikeys"]) => self.list_api_keys(request),
            ("POST", ["v1", "apikeys"]) => {
                let mut key = request.body.clone();
                key["id"] = json!(format!("key-{}", self.api_keys.len()));
                self.api_keys.push(key.clone());
                Answer {
                    status: 201,
                    ..Answer::found(key)
                }
            }
            _ => Answer::fault(404, "The resource could not be found."),
        }
    }

    /// Releases before 2.4 know no pages; 2.4 and 2.5 refuse more than a hundred.
    pub(super) fn page(&self, request: &Request, all: Vec<Value>) -> Answer {
        if !self.is_from((2, 4)) {
            return Answer::found(all.into());
        }
        let number = |name: &str| {
            request
                .asked(name)
                .and_then(|said| said.parse::<i64>().ok())
        };
        let limit = number("limit");
        if limit.is_some_and(|limit| limit > 100 && !self.is_from((2, 6))) {
            return Answer::fault(400, "Limit specified, maximum value is \"100\"");
        }
        let total = all.len();
        let offset = usize::try_from(number("offset").unwrap_or(0)).unwrap_or(0);
        let limit = limit
            .and_then(|limit| usize::try_from(limit).ok())
            .unwrap_or(total);
        let mut page: Vec<Value> = all.into_iter().skip(offset).take(limit).collect();
        if self.loses_pages && offset > 0 {
            page.clear();
        }
        Answer {
            total: Some(total),
            ..Answer::found(page.into())
        }
    }

    /// Begins an installation, and ends it as well unless those are held up.
    fn install(&mut self, request: &Request) -> Answer {
        let id = format!("execution-{}", self.executions.len());
        self.executions.push(json!({
            "id": id, "status": "running", "action": { "ref": "packs.install" },
            "parameters": request.body, "result": {},
        }));
        if !self.holds_installations {
            self.end_installations();
        }
        Answer {
            status: 202,
            ..Answer::found(json!({ "execution_id": id }))
        }
    }

    /// Brings every installation that goes on to its end, and holds up none any more.
    pub fn end_installations(&mut self) {
        self.holds_installations = false;
        let mut executions = std::mem::take(&mut self.executions);
        let live = executions.iter_mut();
        for execution in live.filter(|execution| execution["status"] == "running") {
            let fetched = self.fetch(&execution["parameters"]);
            let succeeded = fetched.is_ok();
            execution["status"] = json!(if succeeded { "succeeded" } else { "failed" });
            execution["result"] = json!({ "said": fetched.err() });
        }
        self.executions = executions;
    }

    /// Fetches a pack with git as the real instance does, and registers it.
    fn fetch(&mut self, parameters: &Value) -> Result<(), String> {
        let wanted = parameters["packs"][0].as_str().unwrap_or_default();
        let (address, commit) = wanted.rsplit_once('=').unwrap_or((wanted, "HEAD"));
        let name = address
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .trim_end_matches(".git")
            .to_owned();
        let directory = self.root.join("opt/stackstorm/packs").join(&name);
        let text = fetch(address, commit, &directory)?;
        let version = text
            .lines()
            .find_map(|line| line.strip_prefix("version:"))
            .unwrap_or("")
            .trim();
        let pack = json!({ "ref": name, "name": name, "version": version });
        self.packs.insert(name, pack);
        Ok(())
    }

    fn add_rule(&mut self, request: &Request) -> Answer {
        let mut rule = request.body.clone();
        let same = |known: &&Value| known["pack"] == rule["pack"] && known["name"] == rule["name"];
        if self.rules.iter().any(|known| same(&known)) {
            return Answer::fault(409, "rule exists");
        }
        rule["id"] = json!(format!("rule-{}", self.rules.len()));
        rule["metadata_file"] = Value::Null;
        rule["ref"] = json!(format!(
            "{}.{}",
            rule["pack"].as_str().unwrap_or_default(),
            rule["name"].as_str().unwrap_or_default()
        ));
        rule["trigger"]["ref"] = json!("made.there");
        self.rules.push(rule.clone());
        Answer {
            status: 201,
            ..Answer::found(rule)
        }
    }

    fn list_configs(&self, request: &Request) -> Answer {
        let shown = request.asked("show_secrets") == Some("true");
        let listed = self.configs.iter().map(|(pack, values)| {
            let mut values = values.clone();
            if !shown && !values["token"].is_null() {
                values["token"] = json!(MASK);
            }
            json!({ "pack": pack, "values": values })
        });
        self.page(request, listed.collect())
    }

    fn list_api_keys(&self, request: &Request) -> Answer {
        let shown = request.asked("show_secrets") == Some("true");
        let listed = self.api_keys.iter().map(|key| {
            let mut key = key.clone();
            if !shown {
                key["key_hash"] = json!(MASK);
            }
            key
        });
        self.page(request, listed.collect())
    }
}

/// Clones, checks out, and returns the pack's description.
fn fetch(address: &str, commit: &str, directory: &Path) -> Result<String, String> {
    let git = |words: &[&str]| {
        let ran = Command::new("git")
            .args(["-c", "safe.directory=*"])
            .args(words)
            .output();
        let ran = ran.map_err(|error| error.to_string())?;
        if ran.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&ran.stderr).into_owned())
        }
    };
    let place = directory.display().to_string();
    if directory.exists() {
        std::fs::remove_dir_all(directory).map_err(|error| error.to_string())?;
    }
    git(&["clone", "--quiet", address, &place])?;
    git(&["-C", &place, "checkout", "--quiet", commit])?;
    std::fs::read_to_string(directory.join("pack.yaml")).map_err(|error| error.to_string())
}
