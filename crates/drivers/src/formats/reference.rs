//! Image references: `registry:port/path:tag@sha256:…`.

use std::ops::Range;

/// An image reference, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference<'t> {
    /// Registry and path, without tag and digest.
    pub(crate) repository: &'t str,
    /// The tag and where it stands.
    pub(crate) tag: Option<(&'t str, Range<usize>)>,
    /// The digest, `sha256:…`.
    pub(crate) digest: Option<&'t str>,
}

impl<'t> Reference<'t> {
    /// Takes `text` apart; any text yields something.
    pub(crate) fn parse(text: &'t str) -> Self {
        let (named, digest) = match text.split_once('@') {
            Some((named, digest)) => (named, Some(digest)),
            None => (text, None),
        };
        // A colon before the last slash belongs to the registry's port.
        let path_start = named.rfind('/').map_or(0, |slash| slash + 1);
        let tag = named[path_start..].find(':').map(|colon| {
            let start = path_start + colon + 1;
            (&named[start..], start..named.len())
        });
        let repository = match &tag {
            Some((_, range)) => &named[..range.start - 1],
            None => named,
        };
        Self {
            repository,
            tag,
            digest,
        }
    }

    /// The registry that serves it; Docker Hub where none is named.
    pub(crate) fn registry(&self) -> &'t str {
        split_registry(self.repository).0.unwrap_or("docker.io")
    }

    /// True where both name the same image, whatever registry or mirror serves it.
    pub(crate) fn is_of(&self, repository: &str) -> bool {
        path_of(self.repository) == path_of(repository)
    }
}

/// The path without registry and without Docker Hub's `library/`.
fn path_of(repository: &str) -> &str {
    let path = split_registry(repository).1;
    path.strip_prefix("library/").unwrap_or(path)
}

fn split_registry(repository: &str) -> (Option<&str>, &str) {
    match repository.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => {
            (Some(first), rest)
        }
        _ => (None, repository),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_references_apart() {
        let cases = [
            ("redis", "redis", None, None),
            ("redis:7", "redis", Some("7"), None),
            ("host:5000/a/b", "host:5000/a/b", None, None),
            ("host:5000/a/b:1.2", "host:5000/a/b", Some("1.2"), None),
            ("a/b:1@sha256:ff", "a/b", Some("1"), Some("sha256:ff")),
            ("a/b@sha256:ff", "a/b", None, Some("sha256:ff")),
        ];
        for (text, repository, tag, digest) in cases {
            let reference = Reference::parse(text);
            assert_eq!(reference.repository, repository, "{text}");
            assert_eq!(reference.tag.as_ref().map(|tag| tag.0), tag, "{text}");
            assert_eq!(reference.digest, digest, "{text}");
            if let Some((tag, range)) = reference.tag {
                assert_eq!(&text[range], tag);
            }
        }
    }

    #[test]
    fn a_mirror_serves_the_same_image() {
        let same = |text, repository| Reference::parse(text).is_of(repository);
        assert!(same(
            "mirror.local:5000/thethingsnetwork/lorawan-stack:3.1.0",
            "thethingsnetwork/lorawan-stack"
        ));
        assert!(same("docker.io/library/redis:7", "redis"));
        assert!(!same(
            "thethingsindustries/lorawan-stack",
            "thethingsnetwork/lorawan-stack"
        ));
        assert_eq!(Reference::parse("ghcr.io/a/b").registry(), "ghcr.io");
        assert_eq!(Reference::parse("a/b").registry(), "docker.io");
    }
}
