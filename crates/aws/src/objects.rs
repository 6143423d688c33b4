//! Versions of the objects of a bucket.

use std::collections::BTreeMap;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use roxmltree::Node;

use crate::account::Account;
use crate::fault::Fault;
use crate::{signed, xml};

/// One version of an object, or that it was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Version {
    id: String,
    /// Seconds and nanoseconds since the epoch.
    at: (i64, u32),
    /// What tells its content; of what is encrypted by a key of the customer's each copy has its own.
    tag: String,
    size: String,
    newest: bool,
    deleted: bool,
}

/// An object that is not what it was, and the version that it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Changed {
    pub(crate) key: String,
    pub(crate) version: String,
}

/// A moment as [`Version::at`] has it.
pub(crate) fn moment(text: &str) -> Option<(i64, u32)> {
    let at = DateTime::from_str(text, Format::DateTime).ok()?;
    Some((at.secs(), at.subsec_nanos()))
}

/// Objects that were there at a moment and are another now, or gone. `copied` says which version of which was brought
/// back already.
pub(crate) fn changed(
    account: &Account,
    bucket: &str,
    at: (i64, u32),
    copied: &BTreeMap<String, String>,
) -> Result<Vec<Changed>, Fault> {
    let mut changed = Vec::new();
    let mut known: BTreeMap<String, Vec<Version>> = BTreeMap::new();
    let mut after = None;
    loop {
        let page = page(account, bucket, after.as_ref())?;
        for (key, version) in page.versions {
            known.entry(key).or_default().push(version);
        }
        // The last key of a page may have more versions on the next one.
        let open = page
            .next
            .as_ref()
            .and_then(|(key, _)| known.remove_entry(key));
        for (key, versions) in std::mem::take(&mut known) {
            let was = then(versions, at).filter(|was| copied.get(&key) != Some(was));
            changed.extend(was.map(|version| Changed { key, version }));
        }
        known.extend(open);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(changed),
        }
    }
}

/// The version that the object had at a moment, where it is another now; nothing where it was not there then.
fn then(mut versions: Vec<Version>, at: (i64, u32)) -> Option<String> {
    versions.sort_by_key(|version| (!version.newest, std::cmp::Reverse(version.at)));
    let now = versions.first()?;
    let was = versions.iter().find(|version| version.at <= at)?;
    let same = now.id == was.id || (!now.deleted && (&now.tag, &now.size) == (&was.tag, &was.size));
    (!was.deleted && !same).then(|| was.id.clone())
}

/// What one question tells, and behind which key and version the next one goes on.
struct Page {
    versions: Vec<(String, Version)>,
    next: Option<(String, String)>,
}

fn page(account: &Account, bucket: &str, after: Option<&(String, String)>) -> Result<Page, Fault> {
    let answer = signed::s3_versions(account, bucket, after)?;
    let document = xml::parse("s3:ListBucketVersions", &answer)?;
    let root = document.root_element();
    let text = |name: &str| xml::text(root, &[name]).map(str::to_owned);
    let versions = root.children().filter_map(version).collect();
    let next = match text("IsTruncated").as_deref() {
        Some("true") => {
            let version = text("NextVersionIdMarker").unwrap_or_default();
            text("NextKeyMarker").map(|key| (key, version))
        }
        _ => None,
    };
    Ok(Page { versions, next })
}

fn version(node: Node<'_, '_>) -> Option<(String, Version)> {
    let deleted = match node.tag_name().name() {
        "Version" => false,
        "DeleteMarker" => true,
        _ => return None,
    };
    let text = |name: &str| xml::text(node, &[name]).unwrap_or_default().to_owned();
    let version = Version {
        id: text("VersionId"),
        at: moment(&text("LastModified"))?,
        tag: text("ETag"),
        size: text("Size"),
        newest: text("IsLatest") == "true",
        deleted,
    };
    Some((text("Key"), version))
}

#[cfg(test)]
mod tests {
    use super::{Version, moment, then};

    fn version(id: &str, second: i64, tag: &str, newest: bool) -> Version {
        Version {
            id: id.to_owned(),
            at: (second, 0),
            tag: tag.to_owned(),
            size: "1".to_owned(),
            newest,
            deleted: tag.is_empty(),
        }
    }

    #[test]
    fn what_an_object_was_is_its_newest_version_of_before() {
        let was = |versions: &[Version]| then(versions.to_vec(), (10, 0));
        let old = version("1", 5, "a", false);
        let same = version("1", 5, "a", true);
        let at_that_moment = version("2", 10, "b", false);
        let later = version("3", 11, "c", true);
        let copy = version("4", 12, "a", true);
        let gone = version("5", 11, "", true);
        let gone_before = version("6", 7, "", false);
        assert_eq!(was(&[later.clone(), old.clone()]).as_deref(), Some("1"));
        assert_eq!(was(&[old.clone(), later.clone()]).as_deref(), Some("1"));
        assert_eq!(
            was(&[later.clone(), at_that_moment, old.clone()]).as_deref(),
            Some("2")
        );
        assert_eq!(was(&[gone, old.clone()]).as_deref(), Some("1"));
        assert_eq!(was(&[same]), None, "nothing happened to it");
        assert_eq!(was(&[copy, later.clone(), old]), None, "it is that again");
        assert_eq!(was(std::slice::from_ref(&later)), None, "it came later");
        assert_eq!(was(&[later, gone_before]), None, "it was not there then");
    }

    #[test]
    fn moments_are_compared_as_such_and_not_as_words() {
        let whole = moment("2026-11-22T09:59:48Z");
        assert!(whole < moment("2026-11-22T09:59:48.873Z"));
        assert!(whole.is_some() && moment("yesterday").is_none());
    }
}
