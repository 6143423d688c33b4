//! Reasons why content cannot be rolled over, in three parts.

use std::path::Path;

use switchback_engine::ports::Failure;
use switchback_model::exit::Exit;
use switchback_model::{Problem, Version};

use crate::api::ApiError;
use crate::compare::some;
use crate::release::FIRST_TARGET;

const UNTOUCHED: &str = "only read";

fn refused(code: &str, what: impl Into<String>) -> Problem {
    Problem::new(Exit::Refused, code, what)
        .state("old instance", UNTOUCHED)
        .state("new instance", UNTOUCHED)
}

pub(crate) fn not_told(error: &ApiError) -> Problem {
    let problem = match error {
        ApiError::Key { address, .. } => refused(error.code(), format!("{address} does not accept the API key"))
            .hint("give the key of an administrator: `--from-key` for the old instance, `--to-key` for the new one, as `env:VARIABLE` or `file:PATH`")
            .hint("make one there: `st2 apikey create -k`"),
        ApiError::Unreachable { address, .. } => refused(error.code(), format!("{address} does not answer"))
            .hint("start its services (`st2ctl start`), or correct the address: it is that of the API, e.g. http://host:9101 or https://host/api"),
        _ => refused(error.code(), "an instance does not tell everything it holds")
            .hint("what is missing from the list would be missing from the new instance: look at its st2api.log"),
    };
    problem.cause(error)
}

pub(crate) fn version_unknown(which: &str, address: &str, option: &str) -> Problem {
    refused(
        "version-unknown",
        format!("{address} does not say which version it is"),
    )
    .why("what its keys and packs look like depends on that")
    .hint(format!(
        "say it: `{option} VERSION`, as `st2 --version` prints it on the {which} host"
    ))
}

pub(crate) fn no_files(address: &str) -> Problem {
    refused(
        "files-missing",
        format!("the files of {address} are not here"),
    )
    .why("packs and audit logs are files, and the API does not give them away")
    .hint("run this on the old host with `--from-files /`, or mount its file system and say where")
}

pub(crate) fn files_unread(root: &Path, error: &std::io::Error) -> Problem {
    refused(
        "files-unread",
        format!("the files in `{}` cannot be read", root.display()),
    )
    .cause(error)
    .hint("run it as a user who may read /opt/stackstorm and /var/log/st2")
}

pub(crate) fn pack_without_files(pack: &str, directory: &Path) -> Problem {
    refused(
        "pack-without-files",
        format!(
            "pack `{pack}` is registered, and `{}` is not there",
            directory.display()
        ),
    )
    .hint("say where the old instance's files are: `--from-files DIR`")
    .hint(format!(
        "or unregister what is gone: `st2 pack remove {pack}`"
    ))
}

pub(crate) fn pack_unread(pack: &str, failure: Failure) -> Problem {
    let problem = refused(
        "pack-unread",
        format!("git cannot tell what pack `{pack}` is"),
    );
    let problem = failure
        .causes
        .iter()
        .fold(problem.cause(&failure.what), Problem::cause);
    match &failure.output {
        Some(output) => problem.cause(output.trim()),
        None => problem,
    }
    .hint("install git, or repair the repository: `git status` in the pack's directory")
}

pub(crate) fn older(from: &Version, to: &Version) -> Problem {
    refused(
        "instance-older",
        format!("the new instance runs {to}, the old one {from}"),
    )
    .why("packs and keys of a newer version may mean nothing to an older one")
    .hint(format!("install {from} or later on the new host"))
}

pub(crate) fn too_old(to: &Version) -> Problem {
    refused(
        "instance-too-old",
        format!("the new instance runs {to}: content can be brought to {FIRST_TARGET} and later"),
    )
    .why("before that, the API cannot install a pack from a repository of its own")
    .hint("install a current version on the new host")
}

pub(crate) fn occupied(address: &str, found: &[String]) -> Problem {
    refused(
        "instance-not-empty",
        format!("the new instance at {address} is not empty"),
    )
    .cause(some(found))
    .why("what is there and what is brought could not be told apart afterwards")
    .hint("give a newly installed instance, or remove there what is named")
}

pub(crate) fn uncommitted(pack: &str, directory: &Path, files: &[String]) -> Problem {
    refused(
        "pack-uncommitted",
        format!("pack `{pack}` has changes that are not committed"),
    )
    .cause(some(files))
    .why("the new instance installs what is committed: these changes would be lost")
    .hint(format!(
        "commit them: git -C {0} add --all, then git -C {0} commit",
        directory.display()
    ))
    .hint("or give them up with `git stash`, when they are not wanted")
}

pub(crate) fn undecipherable(keys: &[String]) -> Problem {
    let shown: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
    refused(
        "key-undecipherable",
        format!("the old instance cannot decrypt {}", some(&shown)),
    )
    .why("they were encrypted with a datastore key that it does not have (any more)")
    .hint("put that key back: [keyvalue] encryption_key_path in st2.conf, then `st2ctl restart`")
    .hint("or set them anew: `st2 key set --encrypt NAME VALUE`; or delete what nobody needs")
}

pub(crate) fn masked(what: &str) -> Problem {
    refused(
        "secrets-masked",
        format!("the old instance shows {what} only as asterisks"),
    )
    .why("brought over like that, they would be asterisks there")
    .hint("use the API key of an administrator: to others secrets are never shown")
    .hint("or take away there what is masked, and give it to the new instance by hand")
}

pub(crate) fn address_twice(address: &str) -> Problem {
    refused(
        "same-instance",
        format!("{address} is given as the old and as the new instance"),
    )
    .hint("--from is where content is, --to where it shall be")
}
