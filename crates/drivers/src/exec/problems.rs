//! What goes wrong with a deployment of plain processes, in the three-part form.

use std::path::Path;

use switchback_model::exit::Exit;
use switchback_model::product::Product;
use switchback_model::{Problem, ServiceName};

/// Nothing but our own looking happened so far.
const UNTOUCHED: &str = "not touched";

/// `switchback.toml` says nothing of processes.
pub(super) fn not_configured() -> Problem {
    Problem::new(
        Exit::Usage,
        "exec-not-configured",
        "switchback.toml has no [exec]",
    )
    .hint("name releases and current under [exec], and binary and services where the definition does not")
}

/// Neither the operator nor the definition says what the product's processes are.
pub(super) fn services_unknown(product: &Product) -> Problem {
    Problem::new(
        Exit::Usage,
        "exec-services-unknown",
        format!("nothing says which processes `{}` consists of", product.id),
    )
    .state("deployment", UNTOUCHED)
    .hint("name them in switchback.toml: [exec.services], NAME = [\"bin/program\", \"argument\"]")
    .hint("or in the product's definition: [exec.services.NAME], start = [\"bin/program\", \"argument\"]")
}

/// A file that `[exec]` names cannot be read.
pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    Problem::new(
        Exit::Usage,
        "exec-file-unreadable",
        format!("cannot read `{}`", path.display()),
    )
    .state("deployment", UNTOUCHED)
    .cause(error)
    .hint("correct [exec] in switchback.toml, or put the file back")
}

/// The file that names the release in use is not as it was when it was looked at.
pub(super) fn changed(path: &str) -> Problem {
    Problem::new(
        Exit::Refused,
        "edit-refused",
        format!("cannot change the version in `{path}`: it was changed since it was looked at"),
    )
    .state("deployment", UNTOUCHED)
    .hint("plan again")
}

/// The file that names the release in use names none.
pub(super) fn inexact(path: &Path, said: &str) -> Problem {
    Problem::new(
        Exit::Refused,
        "moving-tag",
        format!("`{}` names no exact version: `{said}`", path.display()),
    )
    .state("deployment", UNTOUCHED)
    .why("what it names may be another version at the next start, and there is no way back to it")
    .hint("write the exact version that is in use, e.g. 3.23.2, and plan again")
}

/// A process was started from another release than the file names.
pub(super) fn running_differs(
    service: &ServiceName,
    file: &Path,
    declared: &str,
    running: &str,
) -> Problem {
    Problem::new(
        Exit::Refused,
        "running-differs",
        format!(
            "`{service}` runs another release than `{}` names",
            file.display()
        ),
    )
    .state("file", format!("`{declared}`"))
    .state("process", format!("`{running}`"))
    .why("a plan from one of them would not describe the other")
    .hint("start it from the release that the file names, or write into the file what runs")
}

/// The files of a release are not here, or cannot be read. `fitting` says how it is put right.
pub(super) fn not_here(
    reference: &str,
    fitting: String,
    error: Option<&std::io::Error>,
) -> Problem {
    let what = match error {
        Some(_) => format!("release `{reference}` cannot be read"),
        None => format!("release `{reference}` is not on this host"),
    };
    let problem = Problem::new(Exit::Refused, "image-unavailable", what)
        .state("deployment", UNTOUCHED)
        .hint(fitting);
    match error {
        Some(error) => problem.cause(error),
        None => problem,
    }
}
