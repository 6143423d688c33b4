//! One flipped byte, found before anything stops.

use std::fs;

use switchback_engine::ports::{Context, Finding};
use switchback_model::plan::BackupState;

use super::site::{NAME, Site, Then};
use crate::bench::UPGRADE;
use crate::cluster::Cluster;

/// Changes one byte of a row of the shadow, in a table or an index, under its server.
fn flip(site: &Site, relation: &str, row: &str) {
    let file = site
        .shadow()
        .join("data")
        .join(site.sql(&format!("SELECT pg_relation_filepath('{relation}')")));
    let mut bytes = fs::read(&file).expect("readable");
    let at = bytes
        .windows(row.len())
        .position(|window| window == row.as_bytes())
        .expect("the row is there");
    bytes[at] ^= 1;
    fs::write(&file, bytes).expect("written");
}

fn one_flipped_byte_is_found(initdb: &str, relation: &str, code: &str) {
    let site = Site::on(Cluster::start_with(initdb, ""));
    site.sql("CREATE INDEX by_name ON users (name); CREATE EXTENSION amcheck");
    site.sql("CHECKPOINT");
    site.prepared();
    flip(&site, relation, "user 4777");
    let refuted = site.within(UPGRADE, |store, cx| store.prove(cx).expect_err("damaged"));
    assert_eq!(refuted.code, code, "{refuted:?}");
    assert!(refuted.hints[0].contains("begun anew"), "{refuted:?}");
    assert!(matches!(
        site.look(BackupState::Prepared),
        Finding::Differs { .. }
    ));
    site.within(UPGRADE, |store, cx| {
        let refused = store.seal(cx).expect_err("not compared");
        assert_eq!(refused.code, "backup-unproven");
        store.follow(cx).expect("begins anew");
        store.prove(cx).expect("proves");
    });
    assert_eq!(site.look(BackupState::Compared), Finding::Holds);
}

#[test]
fn one_flipped_byte_of_a_row_is_found_and_the_shadow_begun_anew() {
    one_flipped_byte_is_found("", "users", "backup-differs");
}

#[test]
fn one_flipped_byte_of_an_index_is_found_where_amcheck_is_installed() {
    one_flipped_byte_is_found("", "by_name", "backup-damaged");
}

#[test]
fn one_flipped_byte_of_a_page_with_a_checksum_is_found() {
    one_flipped_byte_is_found("--data-checksums", "users", "backup-damaged");
}

#[test]
fn one_flipped_byte_of_the_copy_is_found_before_anything_follows() {
    let site = Site::new();
    site.sql("CHECKPOINT");
    let checking = "checking the copy's files";
    let prepared = |progress: &Then<'_>| {
        site.within(UPGRADE, |store, cx| {
            let cx = Context { progress, ..*cx };
            store.prepare(&cx)
        })
    };
    // Every copy is damaged, in a table that nobody will have read.
    let mut flipped = 0;
    let refused = {
        let mut last = String::new();
        let progress = Then::always(checking, || {
            let copy = fs::read(site.shadow().join("data/backup_manifest")).unwrap_or_default();
            let copy = String::from_utf8_lossy(&copy[..copy.len().min(4000)]).into_owned();
            if !copy.is_empty() && copy != last {
                flip(&site, "users", "user 4777");
                last = copy;
                flipped += 1;
            }
        });
        prepared(&progress).expect_err("damaged twice")
    };
    assert_eq!(refused.code, "shadow-copy-damaged", "{refused:?}");
    assert!(
        refused.causes[0].contains("checksum mismatch"),
        "{refused:?}"
    );
    assert!(refused.hints[0].contains("made anew"), "{refused:?}");
    assert_eq!(flipped, 2, "it was made anew once by itself");
    assert!(!site.shadow().join("data").exists());
    assert_ne!(site.look(BackupState::Prepared), Finding::Holds);
    // One damaged copy costs time alone.
    let once = Then::once(checking, || flip(&site, "users", "user 4777"));
    let outcome = prepared(&once).expect("made anew");
    assert_eq!(
        outcome.summary,
        "copied, every file as it was sent, and follows"
    );
    site.proven();
}

#[test]
fn a_shadow_of_another_version_is_no_damaged_one() {
    let site = Site::new();
    site.sealed();
    let path = site.cluster.bench.backup(NAME).join("manifest.json");
    let mut manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(&path).expect("there")).expect("a manifest");
    let engine = manifest["engine"].as_str().expect("a version").to_owned();
    // What was read from the original, before a server of another version took over, is further in nothing but
    // sequences.
    let facts = manifest["facts"]["shadow"].as_str().expect("facts");
    let noted = facts.replace(r#""noted":false"#, r#""noted":true"#);
    assert_ne!(facts, noted);
    manifest["facts"]["shadow"] = noted.into();
    manifest["contents"]["collections"]["(sequences)"]["checksum"] = "1".into();
    fs::write(&path, manifest.to_string()).expect("written");
    site.within(UPGRADE, |store, cx| {
        store.prove(cx).expect("equal in all that counts")
    });
    let users = manifest["contents"]["collections"]["public.users"].clone();
    manifest["contents"]["collections"]["public.users"]["count"] = 4999.into();
    fs::write(&path, manifest.to_string()).expect("written");
    site.within(UPGRADE, |store, cx| {
        let refuted = store.prove(cx).expect_err("a row more");
        assert_eq!(refuted.code, "backup-differs", "{refuted:?}");
    });
    manifest["contents"]["collections"]["public.users"] = users;
    manifest["engine"] = "11.22".into();
    fs::write(&path, manifest.to_string()).expect("written");
    let refused = site.within(UPGRADE, |store, cx| {
        store.prove(cx).expect_err("another one")
    });
    assert_eq!(refused.code, "shadow-other-version", "{refused:?}");
    let runs = engine.split('.').next().expect("a major version");
    assert_eq!(
        refused.hints,
        [format!(
            "install the programs of PostgreSQL 11 beside those of {runs}, then prove it again"
        )]
    );
    assert_eq!(
        site.look(BackupState::Proven),
        Finding::Holds,
        "it is what it was"
    );
}
