//! Image references: `registry:port/path:tag@sha256:…`, as far as a plan needs to take them apart.

use switchback_model::Version;

/// Registry and path of `reference`, without tag and digest.
pub(crate) fn repository(reference: &str) -> &str {
    let named = reference.split('@').next().unwrap_or(reference);
    match tag_start(named) {
        Some(start) => &named[..start - 1],
        None => named,
    }
}

/// The tag of `reference`, where it has one.
pub(crate) fn tag(reference: &str) -> Option<&str> {
    let named = reference.split('@').next().unwrap_or(reference);
    tag_start(named).map(|start| &named[start..])
}

/// True where `reference` names the image `repository`, whatever registry or mirror serves it.
pub(crate) fn is_of(reference: &str, wanted: &str) -> bool {
    path(repository(reference)) == path(wanted)
}

/// `reference` with the version `from` in its tag replaced by `to`; anything around it in the tag stays.
pub(crate) fn at_version(reference: &str, from: &Version, to: &Version) -> Option<String> {
    let tag = tag(reference)?;
    tag.contains(from.as_str()).then(|| {
        let tag = tag.replacen(from.as_str(), to.as_str(), 1);
        format!("{}:{tag}", repository(reference))
    })
}

/// A colon before the last slash belongs to the registry's port.
fn tag_start(named: &str) -> Option<usize> {
    let path = named.rfind('/').map_or(0, |slash| slash + 1);
    named[path..].find(':').map(|colon| path + colon + 1)
}

fn path(repository: &str) -> &str {
    let path = match repository.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => rest,
        _ => repository,
    };
    path.strip_prefix("library/").unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_port_is_not_a_tag() {
        assert_eq!(repository("host:5000/a/b:1.2"), "host:5000/a/b");
        assert_eq!(repository("host:5000/a/b"), "host:5000/a/b");
        assert_eq!(tag("host:5000/a/b"), None);
        assert_eq!(tag("a/b:1@sha256:ff"), Some("1"));
    }

    #[test]
    fn a_mirror_serves_the_same_image() {
        assert!(is_of("mirror.example:5000/a/stack:1", "a/stack"));
        assert!(is_of("docker.io/library/redis:7", "redis"));
        assert!(!is_of("b/stack:1", "a/stack"));
    }

    #[test]
    fn a_new_version_keeps_what_surrounds_the_old_one() {
        let moved = |reference| at_version(reference, &"3.9.1".into(), &"3.10.0".into());
        assert_eq!(moved("a/stack:3.9.1").as_deref(), Some("a/stack:3.10.0"));
        assert_eq!(
            moved("a/stack:3.9.1-amd64@sha256:ff").as_deref(),
            Some("a/stack:3.10.0-amd64")
        );
        assert_eq!(moved("a/stack:latest"), None);
    }
}
