//! The command line: what may be typed. Nothing here acts.

use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, Parser, Subcommand, ValueEnum};
use switchback_model::SecretRef;

/// Upgrades self-hosted, stateful software from any version to any other, and can always switch back.
#[derive(Debug, Parser)]
#[command(
    name = "switchback",
    version,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 ok · 1 bug · 2 usage or configuration · 3 refused · 4 halted, resumable · 5 drifted, nothing changed\n\
                  First steps: `switchback init` where the compose file is, then `switchback plan`."
)]
pub(crate) struct Cli {
    /// What every command understands.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// What was typed; where it cannot be read, says so and ends.
    pub(crate) fn read() -> Self {
        Self::try_parse().unwrap_or_else(|error| with_tip(error).exit())
    }
}

/// A version that stands alone is where somebody wants to go.
fn with_tip(mut error: clap::Error) -> clap::Error {
    let Some(ContextValue::String(said)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    let begins_as_version = said
        .trim_start_matches('v')
        .starts_with(|c: char| c.is_ascii_digit());
    if error.kind() == ErrorKind::UnknownArgument && begins_as_version {
        let tip = format!("to go to a version, name it with `--to`: --to {said}");
        let tips = ContextValue::StyledStrs(vec![tip.into()]);
        error.insert(ContextKind::Suggested, tips);
    }
    error
}

/// Options that every command understands.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    /// How the answer is written: text, json, or for `plan` markdown
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t = Format::Text,
        value_name = "FORMAT",
        hide_possible_values = true
    )]
    pub format: Format,
    /// Which deployment: its name, or the directory of its switchback.toml
    #[arg(
        long,
        global = true,
        value_name = "NAME|DIR",
        env = "SWITCHBACK_DEPLOYMENT",
        hide_env_values = true
    )]
    pub deployment: Option<String>,
    /// Answer yes to the question whether to go ahead (never accepts what needs --accept)
    #[arg(short, long, global = true)]
    pub yes: bool,
    /// Show what child processes print, secrets masked
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Directory of further product definitions; they go before the built-in ones
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "SWITCHBACK_CATALOG",
        hide_env_values = true
    )]
    pub catalog: Option<PathBuf>,
    /// Where journal, plans and backups are kept
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "SWITCHBACK_STATE",
        hide_env_values = true
    )]
    pub state: Option<PathBuf>,
}

/// How the answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    // For people.
    Text,
    // For programs: one document, or one event per line for runs.
    Json,
    // For change requests: plans only.
    Markdown,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Look at what is here, recognise the product, write switchback.toml; change nothing else
    Init(Init),
    /// What runs, what was done last, what is open, which ways back exist and until when
    Status,
    /// Show the upgrade path between two versions, offline
    Path(Path),
    /// Make and save a plan, or refuse with reasons
    Plan(Plan),
    /// Walk a plan on a copy of the deployment, while production runs, and report what it took
    Rehearse(Rehearse),
    /// Carry out a plan; the same command goes on after an interruption
    Apply(Apply),
    /// Go on with a run that halted or was killed
    Resume(Resume),
    /// Go back to where a run began, as a plan of its own
    Rollback(Rollback),
    /// Plan to bring the content of a StackStorm instance to a new one; the old one is only read
    Rollover(Rollover),
    /// Which runs there were, and how they ended
    History,
    /// Replay what happened in a run
    Log(Log),
    /// Every check that is made before anything stops, any time
    Doctor,
    /// Backups: on this machine, and in the repository
    #[command(subcommand)]
    Backup(Backup),
    /// Product definitions
    #[command(subcommand)]
    Catalog(Catalog),
    /// Print completions for a shell
    Completions(Completions),
    /// Print the manual page, or write one per command into a directory
    Man(Man),
    /// Serve a switchback of another machine: it starts this one by SSH, nobody types it
    #[command(name = switchback_datastores::ELSEWHERE, hide = true)]
    Elsewhere,
}

/// `init`.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The product, where it is not recognised
    #[arg(long, value_name = "PRODUCT")]
    pub product: Option<String>,
    /// A compose file other than the one Compose would take; may be repeated
    #[arg(long = "file", value_name = "FILE")]
    pub files: Vec<String>,
    /// The machine that the packages are on, reached with your own ssh, e.g. st2@st2.example.org
    #[arg(long, value_name = "USER@HOST", conflicts_with = "files")]
    pub ssh: Option<String>,
    /// An ssh_config to go by in place of your own, relative to switchback.toml
    #[arg(long, value_name = "FILE", requires = "ssh")]
    pub ssh_config: Option<String>,
    /// Stacks at AWS, with the credentials and the region that every AWS tool finds
    #[arg(long, conflicts_with_all = ["files", "ssh"])]
    pub aws: bool,
    /// Profile of the shared AWS configuration
    #[arg(long, value_name = "PROFILE", requires = "aws")]
    pub profile: Option<String>,
    /// Region at AWS
    #[arg(long, value_name = "REGION", requires = "aws")]
    pub region: Option<String>,
    /// Role to assume at AWS
    #[arg(long, value_name = "ARN", requires = "aws")]
    pub role: Option<String>,
    /// A stack and the template it was made from, where its name does not tell; may be repeated
    #[arg(long = "stack", value_name = "NAME=TEMPLATE", requires = "aws")]
    pub stacks: Vec<String>,
    /// Name of the deployment; the directory's name where it is not given
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Overwrite a switchback.toml that is there
    #[arg(long)]
    pub force: bool,
}

/// `path`.
#[derive(Debug, Args)]
pub(crate) struct Path {
    /// Product of the catalog, e.g. the-things-stack
    pub product: String,
    /// Edition of the product
    #[arg(long, value_name = "EDITION")]
    pub edition: Option<String>,
    /// How it is deployed
    #[arg(long, value_name = "DRIVER")]
    pub driver: Option<String>,
    /// The version that runs
    #[arg(long, value_name = "VERSION")]
    pub from: String,
    /// The version wanted
    #[arg(long, value_name = "VERSION")]
    pub to: String,
    /// Something the deployment has (NAME) or has not (NAME=no) and nothing could probe; may be repeated
    #[arg(long = "feature", value_name = "FEATURE")]
    pub features: Vec<String>,
    /// The answer to a probe; without it a condition counts as true and is marked assumed
    #[arg(long = "fact", value_name = "PROBE=ANSWER", value_parser = fact)]
    pub facts: Vec<(String, String)>,
    /// Allow versions that are not released for production
    #[arg(long)]
    pub pre_releases: bool,
    /// Show the whole derivation
    #[arg(long)]
    pub explain: bool,
}

/// `plan`.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// The version wanted; the newest release of the edition where it is not given
    #[arg(long, value_name = "VERSION")]
    pub to: Option<String>,
    /// The major version that the server of a datastore shall have, e.g. `identity=17`; without `--to` that alone is planned
    #[arg(long, value_name = "DATASTORE=VERSION")]
    pub engine: Vec<String>,
    /// Leave a resource out of taking an update back that is half way: one that is stuck again; may be repeated
    #[arg(long, value_name = "STACK/RESOURCE")]
    pub skip: Vec<String>,
    /// Show the whole derivation: every fact with its source
    #[arg(long)]
    pub explain: bool,
    /// Show a saved plan instead of making one
    #[arg(long, value_name = "PLAN", conflicts_with_all = ["to", "engine", "skip"])]
    pub show: Option<String>,
}

/// `rehearse`.
#[derive(Debug, Args)]
pub(crate) struct Rehearse {
    /// The plan: an id, a unique prefix of one, or a file; the newest that still holds, else a new one
    pub plan: Option<String>,
    /// Keep the copy afterwards, to look into it; the next rehearsal removes it
    #[arg(long)]
    pub keep: bool,
    /// Let the copy talk to the outside: without this its networks have no way out
    #[arg(long)]
    pub allow_outbound: bool,
    /// Show the report of a rehearsal (its id, or that of its plan) instead of rehearsing
    #[arg(long, conflicts_with_all = ["keep", "allow_outbound", "clean"])]
    pub show: bool,
    /// Remove copies that were kept or left behind, and do nothing else
    #[arg(long, conflicts_with_all = ["plan", "keep", "allow_outbound"])]
    pub clean: bool,
}

/// `apply`.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// The plan: an id, a unique prefix of one, or a file; the newest of this deployment where it is not given
    pub plan: Option<String>,
    /// Accept a notice by the word that the plan names; may be repeated
    #[arg(long, value_name = "WORD", value_delimiter = ',')]
    pub accept: Vec<String>,
}

/// `resume`.
#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// The run; the open one of this deployment where it is not given
    pub run: Option<String>,
    /// Say that work which the run waits for is done, by its name; may be repeated. What can be seen is looked at
    /// instead
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub done: Vec<String>,
    /// Declare that the process which holds the run, on a machine that cannot be seen from here, will
    /// never run again. It is named as the refusal names it, and refused while it certainly lives
    #[arg(long, value_name = "PID@HOST")]
    pub take_over: Option<String>,
}

/// `rollback`.
#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The run to take back; the last one of this deployment where it is not given
    pub run: Option<String>,
    /// Show the way back and save it as a plan, without going
    #[arg(long)]
    pub plan: bool,
    /// Accept a notice by the word that the plan names; may be repeated
    #[arg(long, value_name = "WORD", value_delimiter = ',')]
    pub accept: Vec<String>,
}

/// `rollover`.
#[derive(Debug, Args)]
pub(crate) struct Rollover {
    /// API of the instance that has the content, e.g. http://127.0.0.1:9101 or https://host/api
    #[arg(long, value_name = "URL")]
    pub from: String,
    /// API of the new, empty instance
    #[arg(long, value_name = "URL")]
    pub to: String,
    /// Where an administrator's API key of the old instance is: env:VARIABLE or file:PATH
    #[arg(long, value_name = "REF", default_value = "env:ST2_OLD_API_KEY", value_parser = secret)]
    pub from_key: SecretRef,
    /// Where an administrator's API key of the new instance is: env:VARIABLE or file:PATH
    #[arg(long, value_name = "REF", default_value = "env:ST2_NEW_API_KEY", value_parser = secret)]
    pub to_key: SecretRef,
    /// Where the file system of the old host is seen from here; `/` on that host itself
    #[arg(long, value_name = "DIR")]
    pub from_files: Option<PathBuf>,
    /// Where the file system of the new host is seen from here: commits of packs are compared there as well
    #[arg(long, value_name = "DIR")]
    pub to_files: Option<PathBuf>,
    /// Where the packs' repositories and the audit logs are kept
    #[arg(long, value_name = "DIR", default_value = "rollover")]
    pub keep: PathBuf,
    /// Address at which the new host finds `packs` of that directory, where it does not see the directory itself
    #[arg(long, value_name = "URL")]
    pub repositories: Option<String>,
    /// A user whose keys come along and whose name is in no file; may be repeated
    #[arg(long = "user", value_name = "USER")]
    pub users: Vec<String>,
    /// Version of the old instance, where its API does not say
    #[arg(long, value_name = "VERSION")]
    pub from_version: Option<String>,
    /// Version of the new instance, where its API does not say
    #[arg(long, value_name = "VERSION")]
    pub to_version: Option<String>,
}

/// `log`.
#[derive(Debug, Args)]
pub(crate) struct Log {
    /// The run; the last one of this deployment where it is not given
    pub run: Option<String>,
    /// Show what the child processes of this step printed, secrets masked
    #[arg(long, value_name = "STEP")]
    pub output: Option<u32>,
}

/// `backup`.
#[derive(Debug, Subcommand)]
pub(crate) enum Backup {
    /// Backups of this deployment, here and in the repository, with what is proven about them
    List,
    /// Make a backup of the running deployment, without a pause, and store it in the repository
    Create(BackupCreate),
    /// Restore a backup into a scratch place again and compare it with its manifest
    Prove(BackupOf),
    /// Bring a backup back: of a run, as a plan of its own; from the repository, to this machine
    Restore(BackupRestore),
    /// Remove backups that nothing can go back to any more, and what the retention lets go
    Prune(BackupPrune),
}

/// `backup create`.
#[derive(Debug, Args)]
pub(crate) struct BackupCreate {
    /// Begin a new repository where there is none yet
    #[arg(long)]
    pub init: bool,
    /// Store the backups that this run made, instead of making new ones
    #[arg(long, value_name = "RUN")]
    pub run: Option<String>,
}

/// Which backup.
#[derive(Debug, Args)]
pub(crate) struct BackupOf {
    /// The run that made it, or its id in the repository
    #[arg(value_name = "RUN|BACKUP")]
    pub run: Option<String>,
    /// Only this datastore
    #[arg(long, value_name = "DATASTORE")]
    pub datastore: Option<String>,
}

/// `backup restore`.
#[derive(Debug, Args)]
pub(crate) struct BackupRestore {
    /// The run that made it, or its id in the repository
    #[arg(value_name = "RUN|BACKUP")]
    pub run: String,
    /// A new directory to bring a backup of the repository into; where its run had it, if not given
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
    /// Accept a notice by the word that the plan names; may be repeated
    #[arg(long, value_name = "WORD", value_delimiter = ',')]
    pub accept: Vec<String>,
}

/// `backup prune`.
#[derive(Debug, Args)]
pub(crate) struct BackupPrune {
    /// Keep the backups of this many newest runs on this machine
    #[arg(long, value_name = "RUNS", default_value_t = 1)]
    pub keep: usize,
}

/// `catalog`.
#[derive(Debug, Subcommand)]
pub(crate) enum Catalog {
    /// Products, their newest release and where the definition comes from
    List,
    /// One product: editions, datastores, migrations, stops
    Show {
        /// The product
        product: String,
    },
    /// Check definitions: cycles, gaps, duplicates, unknown names
    Lint {
        /// Directory of one definition; all known ones where it is not given
        directory: Option<PathBuf>,
    },
    /// Play the scenarios of a definition and compare what they print with what is written down
    Test {
        /// Directory of the definition; its scenarios are the text files in `scenarios`
        directory: PathBuf,
        /// Write down what they print now
        #[arg(long)]
        update: bool,
    },
}

/// `completions`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// `man`.
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Directory to write one page per command into
    pub directory: Option<PathBuf>,
}

fn secret(text: &str) -> Result<SecretRef, String> {
    match text.split_once(':') {
        Some(("env", name)) if !name.is_empty() => Ok(SecretRef::Env(name.to_owned())),
        Some(("file", path)) if !path.is_empty() => Ok(SecretRef::File(path.to_owned())),
        _ => Err("a secret is named, never typed: env:VARIABLE or file:PATH".to_owned()),
    }
}

fn fact(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((probe, answer)) if !probe.is_empty() => Ok((probe.to_owned(), answer.to_owned())),
        _ => Err("a fact is written PROBE=ANSWER".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_version_that_stands_alone_is_told_how_to_be_named() {
        let told = |words: &[&str]| {
            let words = std::iter::once("switchback").chain(words.iter().copied());
            let error = Cli::try_parse_from(words)
                .map(|_| ())
                .expect_err("not understood");
            with_tip(error).to_string()
        };
        let tip = "tip: to go to a version, name it with `--to`: --to 3.32.1";
        assert!(told(&["plan", "3.32.1"]).contains(tip));
        assert!(!told(&["plan", "soon"]).contains("--to"));
    }

    #[test]
    fn a_fact_needs_a_name_and_an_answer() {
        assert_eq!(fact("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert!(fact("a").is_err());
        assert!(fact("=b").is_err());
    }
}
