//! Space and rights.

use switchback_model::observed::Filesystem;

use super::{refused, site, told};
use crate::site::GB;

#[test]
fn a_directory_that_is_read_only() {
    let mut site = site();
    site.observed.filesystems[0].writable = false;
    insta::assert_snapshot!(told(&refused(&site)), @r#"
    3 directory-read-only: `/var/lib/switchback` cannot be written to
    state: deployment: unchanged
    why: it is needed for: backup, journal
    hint: give this user the right to write there (or run as root), or mount it writable
    "#);
}

#[test]
fn only_what_is_written_by_us_must_be_writable() {
    let mut site = site();
    // As a member of the group `docker` sees it, who is not root.
    site.observed.filesystems[1].writable = false;
    assert!(site.plan("3.32.1").is_ok(), "the Engine writes there");
    site.observed.filesystems[1].uses.push("redis".to_owned());
    assert_eq!(refused(&site).code, "directory-read-only");
    let site = site.backup("redis", "none");
    assert!(site.plan("3.32.1").is_ok(), "nothing is copied from there");
}

#[test]
fn too_little_space() {
    let mut site = site();
    site.observed.filesystems[0].free = GB;
    insta::assert_snapshot!(told(&refused(&site)), @r#"
    3 no-space: `/var/lib/switchback` has 1.0 GB free, and 2.4 GB are needed
    state: /var/lib/switchback: 1.4 GB short, for backup of identity, backup of redis, backup of blobs, copy to prove a backup, journal
    why: a migration or a restore that runs out of space leaves damage behind
    hint: free space there, or put switchback's state on a larger filesystem with XDG_STATE_HOME
    hint: leave one datastore out with `backup = "none"`, if its loss can be borne
    "#);
}

#[test]
fn filesystems_on_one_device_share_its_space() {
    let mut site = site();
    let enough_apart = 3 * GB;
    for filesystem in &mut site.observed.filesystems {
        filesystem.free = enough_apart;
    }
    assert!(site.plan("3.32.1").is_ok(), "on two devices it suffices");
    for filesystem in &mut site.observed.filesystems {
        filesystem.device = "the same".to_owned();
    }
    assert_eq!(refused(&site).code, "no-space");
}

#[test]
fn what_is_kept_on_another_machine_needs_room_and_rights_there() {
    let there = |free: u64, writable: bool| {
        let mut site = site();
        site.observed.filesystems.push(Filesystem {
            path: "machine:/var/lib/switchback".to_owned(),
            uses: vec![Filesystem::backup_of(&"blobs".into())],
            device: "machine:fe01".to_owned(),
            free,
            total: 400 * GB,
            writable,
        });
        site
    };
    let plan = there(300 * GB, true).plan("3.32.1").expect("a plan").plan;
    let uses = |path: &str| {
        let mut all = plan.forecast.space.iter();
        let found = all.find(|space| space.path == path);
        found.map(|space| space.uses.join(", ")).unwrap_or_default()
    };
    assert_eq!(
        uses("machine:/var/lib/switchback"),
        "backup of blobs, copy to prove a backup"
    );
    assert_eq!(
        uses("/var/lib/switchback"),
        "backup of identity, backup of redis, copy to prove a backup, journal"
    );
    assert_eq!(refused(&there(1, true)).code, "no-space");
    let refusal = refused(&there(300 * GB, false));
    assert_eq!(
        refusal.what,
        "`machine:/var/lib/switchback` cannot be written to"
    );
}
