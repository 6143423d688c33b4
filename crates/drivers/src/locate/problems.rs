//! What goes wrong with finding a datastore, in the three-part form.

use switchback_model::Problem;
use switchback_model::exit::Exit;

/// Nothing but our own looking happened so far.
const UNTOUCHED: &str = "not touched";

/// The product's settings point at no service that keeps the datastore.
pub(crate) fn datastore_missing(datastore: &str, looked: &str) -> Problem {
    Problem::new(
        Exit::Refused,
        "datastore-missing",
        format!("cannot find what keeps `{datastore}`"),
    )
    .state("looked at", looked)
    .state("deployment", UNTOUCHED)
    .hint(format!(
        "name it in switchback.toml: [datastores.{datastore}] service = \"…\" (or address, or directory)"
    ))
}

/// Uploaded files would vanish with the container.
pub(crate) fn files_inside_container(datastore: &str, directory: &str) -> Problem {
    Problem::new(
        Exit::Refused,
        "files-inside-container",
        format!("`{datastore}` is in `{directory}` of the container, which no volume holds"),
    )
    .state("deployment", UNTOUCHED)
    .why("an upgrade replaces the container, and these files with it")
    .hint(format!(
        "mount a directory at {directory} after copying the files out of the container"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_refuse_and_say_what_to_change() {
        let missing = datastore_missing("identity", "services with image postgres");
        assert_eq!(missing.what, "cannot find what keeps `identity`");
        assert!(missing.hints[0].contains("[datastores.identity]"));
        let inside = files_inside_container("blobs", "/srv/blob");
        assert_eq!(
            inside.what,
            "`blobs` is in `/srv/blob` of the container, which no volume holds"
        );
        assert!(inside.why.is_some() && inside.hints[0].contains("/srv/blob"));
        for problem in [missing, inside] {
            assert_eq!(problem.exit, Exit::Refused, "{problem:?}");
        }
    }
}
