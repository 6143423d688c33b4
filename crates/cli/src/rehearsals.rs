//! Rehearsals on disk: the reports that are kept, and which of them counts for a plan.
//!
//! ```text
//! <state>/rehearsals/<id>.json            the report, kept
//!                   /<id>/marker.json     whose copy this is: enough to remove it after a crash
//!                   /<id>/deployment/     the copy, a deployment of its own
//!                   /<id>/state/          its journal, plans and backups
//! ```

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use switchback_journal::{Key, StateDirectory};
use switchback_model::exit::Exit;
use switchback_model::plan::Plan;
use switchback_model::rehearsal::FORMAT;
use switchback_model::{Digest, PlanId, Problem, Rehearsal};

/// What ids of rehearsals begin with.
const LETTER: &str = "e-";
/// Name of the file that says whose copy a directory is.
const MARKER: &str = "marker.json";

/// The directory of all rehearsals.
#[derive(Clone, Debug)]
pub(crate) struct Rehearsals {
    directory: PathBuf,
}

/// What is known of a copy from before anything of it exists until all of it is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Marker {
    /// The rehearsal.
    pub id: String,
    /// Name of the deployment that is copied.
    pub deployment: String,
    /// Its directory.
    pub directory: String,
    /// The copy's Compose project, once it has one.
    pub project: Option<String>,
    /// The stack of copies, once it may be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
    /// The plan that is rehearsed.
    pub plan: PlanId,
    /// True where the operator wants to keep the copy.
    pub kept: bool,
}

impl Marker {
    /// Says that the copy, or something of it, could not be removed.
    pub(crate) fn left(&self, what: &str) -> Problem {
        let problem = Problem::new(
            Exit::Halted,
            "rehearsal-left",
            format!("the copy of rehearsal `{}` is left: {what}", self.id),
        )
        .state("production", "not touched");
        let problem = match (&self.stack, &self.project) {
            (Some(stack), _) => {
                problem.state("copy", format!("stack `{stack}` at AWS, which bills it"))
            }
            (None, Some(project)) => problem.state("copy", format!("project `{project}`")),
            (None, None) => problem,
        };
        problem.hint("free what holds it, then: `switchback rehearse --clean`")
    }
}

impl Rehearsals {
    /// Those of a state directory.
    pub(crate) fn of(state: &StateDirectory) -> Self {
        Self {
            directory: state.root().join("rehearsals"),
        }
    }

    /// Where the copy of a rehearsal is made.
    pub(crate) fn place(&self, id: &str) -> PathBuf {
        self.directory.join(id)
    }

    /// An id that is not in use.
    pub(crate) fn new_id(&self) -> Result<String, Problem> {
        loop {
            let mut bytes = [0; 4];
            let source = Path::new("/dev/urandom");
            File::open(source)
                .and_then(|mut file| file.read_exact(&mut bytes))
                .map_err(|error| unwritable(source, &error))?;
            let id = format!("{LETTER}{:08x}", u32::from_be_bytes(bytes));
            if !self.place(&id).exists() && !self.report(&id).exists() {
                return Ok(id);
            }
        }
    }

    /// Notes what a rehearsal is about to make.
    pub(crate) fn mark(&self, marker: &Marker) -> Result<(), Problem> {
        use std::os::unix::fs::DirBuilderExt as _;
        let place = self.place(&marker.id);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&place)
            .map_err(|error| unwritable(&place, &error))?;
        write(&place.join(MARKER), marker)
    }

    /// Copies that are there, kept or left by a dead process.
    pub(crate) fn marked(&self) -> Vec<Marker> {
        let mut found: Vec<Marker> = self
            .entries()
            .filter_map(|path| {
                let text = fs::read(path.join(MARKER)).ok()?;
                serde_json::from_slice(&text).ok()
            })
            .collect();
        found.sort_by(|one, other| one.id.cmp(&other.id));
        found
    }

    /// Keeps a report.
    pub(crate) fn save(&self, report: &Rehearsal) -> Result<(), Problem> {
        write(&self.report(&report.id), report)
    }

    /// Every report that can be read, oldest first. One of a newer format is not ours to judge.
    pub(crate) fn reports(&self) -> Vec<Rehearsal> {
        let mut found: Vec<Rehearsal> = self
            .entries()
            .filter(|path| path.extension().is_some_and(|kind| kind == "json"))
            .filter_map(|path| serde_json::from_slice(&fs::read(path).ok()?).ok())
            .filter(|report: &Rehearsal| report.format <= FORMAT)
            .collect();
        found.sort_by_key(|report| report.at);
        found
    }

    /// The newest rehearsal of a plan of these steps, of this deployment, whatever came out.
    pub(crate) fn latest(&self, plan: &Plan) -> Option<Rehearsal> {
        let shape = shape(plan);
        let key = Key::from(&plan.deployment);
        self.reports()
            .into_iter()
            .rfind(|report| report.shape == shape && Key::from(&report.deployment) == key)
    }

    /// The report that `said` means: an id, or a unique prefix of one.
    pub(crate) fn find(&self, said: &str) -> Result<Rehearsal, Problem> {
        let full = format!("{LETTER}{}", said.trim_start_matches(LETTER));
        let mut found: Vec<Rehearsal> = self
            .reports()
            .into_iter()
            .filter(|report| report.id.starts_with(&full))
            .collect();
        match found.len() {
            1 => Ok(found.remove(0)),
            0 => Err(Problem::new(
                Exit::Usage,
                "rehearsal-missing",
                format!("no rehearsal is called `{said}`"),
            )
            .hint("rehearse: `switchback rehearse`")),
            _ => Err(Problem::new(
                Exit::Usage,
                "ambiguous-id",
                format!("several rehearsals begin with `{said}`"),
            )
            .hint("give more of the id")),
        }
    }

    fn report(&self, id: &str) -> PathBuf {
        self.directory.join(format!("{id}.json"))
    }

    fn entries(&self) -> impl Iterator<Item = PathBuf> + use<> {
        let entries = fs::read_dir(&self.directory).into_iter().flatten();
        entries.flatten().map(|entry| entry.path())
    }
}

/// What makes two plans the same plan, for a rehearsal.
pub(crate) fn shape(plan: &Plan) -> Digest {
    Digest::of(switchback_planner::shape(plan))
}

/// The lease under which rehearsals of a deployment take turns. It is not the deployment's own: while a
/// rehearsal goes on, production may be upgraded.
pub(crate) fn turn(key: &Key) -> Key {
    Key {
        deployment: format!("{} (rehearsal)", key.deployment),
        directory: key.directory.clone(),
    }
}

/// Written beside, synced, renamed: a reader sees all of it or nothing.
fn write(path: &Path, value: &impl Serialize) -> Result<(), Problem> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut text = serde_json::to_vec_pretty(value).unwrap_or_default();
    text.push(b'\n');
    let beside = path.with_extension("part");
    let written = || -> io::Result<()> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    written().map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &io::Error) -> Problem {
    Problem::new(
        Exit::Usage,
        "rehearsal-unwritable",
        format!("`{}` cannot be written", path.display()),
    )
    .cause(error)
    .state("deployment", "not touched")
    .hint("make it writable, free space there, or choose another place: --state DIR")
}
