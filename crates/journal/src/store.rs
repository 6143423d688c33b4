//! The state directory: what lies where.
//!
//! ```text
//! <state>/journal.db
//!        /leases/<key>.lock                  locked while a process works on a deployment: see `presence`
//!        /plans/<plan id>.json
//!        /runs/<run id>/output/<digest>      captured output, redacted
//!        /runs/<run id>/children/<pid>       children that run now
//!        /shadows/<deployment>/<run id>/     backups of a run's first round
//!        /shadows/<deployment>/round-<n>/…   the same of its later rounds
//! ```
//!
//! Reviews of updates (`reviews/`) and rehearsals (`rehearsals/`) are kept beside these by the CLI.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use switchback_model::plan::FORMAT;
use switchback_model::{Digest, Plan, PlanId, RunId};

use crate::durable::write_durably;
use crate::error::JournalError;
use crate::journal::Journal;
use crate::lease::Key;
use crate::outputs::Outputs;
use crate::prefix::one_of;

/// Where switchback keeps what it must not forget.
#[derive(Clone, Debug)]
pub struct StateDirectory {
    root: PathBuf,
}

impl StateDirectory {
    /// Opens the directory, and makes it readable for this user alone where it is not there yet.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, JournalError> {
        use std::os::unix::fs::DirBuilderExt as _;
        let root = root.into();
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&root)
            .map_err(|error| JournalError::io(&root, error))?;
        Ok(Self { root })
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The journal, made where it is not there yet.
    pub fn journal(&self) -> Result<Journal, JournalError> {
        Journal::open(self.root.join("journal.db"))
    }

    /// Where children of a run are noted while they run.
    pub fn children(&self, run: &RunId) -> PathBuf {
        self.run(run).join("children")
    }

    /// Captured output of a run.
    pub fn outputs(&self, run: &RunId) -> Outputs {
        Outputs::new(self.run(run).join("output"))
    }

    /// Where backups of a deployment lie. Two of the same name in different directories never share.
    pub fn backups(&self, key: &Key) -> PathBuf {
        let plain: String = key
            .deployment
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || "-_".contains(c) {
                    c
                } else {
                    '-'
                }
            })
            .collect();
        let directory = Digest::of(&key.directory);
        self.root
            .join("shadows")
            .join(format!("{plain}-{}", &directory.as_str()[..6]))
    }

    /// Where the backups of a later round lie: apart, for they hold other contents of the same run.
    pub fn backups_of_round(&self, key: &Key, round: u32) -> PathBuf {
        let first = self.backups(key);
        if round <= 1 {
            first
        } else {
            first.join(format!("round-{round}"))
        }
    }

    /// A run id that is not in use.
    pub fn new_run(&self, journal: &Journal) -> Result<RunId, JournalError> {
        let taken = journal.runs()?;
        loop {
            let mut bytes = [0; 4];
            let source = Path::new("/dev/urandom");
            File::open(source)
                .and_then(|mut file| file.read_exact(&mut bytes))
                .map_err(|error| JournalError::io(source, error))?;
            let run = RunId::new(format!("r-{:08x}", u32::from_be_bytes(bytes)));
            if taken.iter().all(|record| record.run != run) {
                return Ok(run);
            }
        }
    }

    /// Saves a sealed plan, durably and at once, and says where.
    pub fn save_plan(&self, plan: &Plan) -> Result<PathBuf, JournalError> {
        let path = self.plan_path(&plan.id);
        write_durably(&path, plan.to_json().as_bytes())?;
        Ok(path)
    }

    /// The saved plan with this id, unaltered.
    pub fn plan(&self, id: &PlanId) -> Result<Plan, JournalError> {
        let path = self.plan_path(id);
        if !path.exists() {
            return Err(JournalError::NoSuch {
                kind: "plan",
                wanted: id.to_string(),
            });
        }
        let plan = read_plan(&path)?;
        if plan.id == *id {
            Ok(plan)
        } else {
            Err(JournalError::PlanAltered {
                path,
                named: id.clone(),
                content: plan.id,
            })
        }
    }

    /// Ids of all saved plans, oldest first.
    pub fn plans(&self) -> Result<Vec<PlanId>, JournalError> {
        let directory = self.root.join("plans");
        let failed = |error| JournalError::io(&directory, error);
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some(id) = name.strip_suffix(".json").filter(|id| id.starts_with("p-")) {
                let modified = entry
                    .metadata()
                    .and_then(|data| data.modified())
                    .map_err(failed)?;
                found.push((modified, PlanId::new(id)));
            }
        }
        found.sort();
        Ok(found.into_iter().map(|(_, id)| id).collect())
    }

    /// The one saved plan whose id begins with `prefix`; with or without `p-`.
    pub fn find_plan(&self, prefix: &str) -> Result<PlanId, JournalError> {
        let ids = self.plans()?.into_iter().map(|id| id.to_string());
        one_of("plan", "p-", prefix, ids).map(PlanId::new)
    }

    fn run(&self, run: &RunId) -> PathBuf {
        self.root.join("runs").join(run.as_str())
    }

    fn plan_path(&self, id: &PlanId) -> PathBuf {
        self.root.join("plans").join(format!("{id}.json"))
    }
}

/// Reads a plan file from anywhere and verifies that its content is what its id says.
pub fn read_plan(path: &Path) -> Result<Plan, JournalError> {
    let bytes = fs::read(path).map_err(|error| JournalError::io(path, error))?;
    let unreadable = |detail: String| JournalError::PlanUnreadable {
        path: path.to_owned(),
        detail,
    };
    // The format is read first, so that a newer plan is called newer and not malformed.
    let document: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
    let format = document.get("format").and_then(serde_json::Value::as_u64);
    match format.map(u32::try_from) {
        Some(Ok(format)) if format > FORMAT => {
            return Err(JournalError::Newer {
                path: path.to_owned(),
                found: format,
                known: FORMAT,
            });
        }
        Some(Ok(_)) => {}
        _ => return Err(unreadable("it names no format".to_owned())),
    }
    let plan: Plan =
        serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
    // Every byte counts, also white space: what was reviewed is what is executed.
    if plan.id_of_content() == plan.id && plan.to_json().as_bytes() == bytes {
        return Ok(plan);
    }
    Err(JournalError::PlanAltered {
        path: path.to_owned(),
        content: PlanId::new(format!("p-{}", Digest::of(&bytes).short())),
        named: plan.id,
    })
}
