//! Names: each defined once, each use of one defined.

use super::{spoiled, tells};

#[test]
fn an_unknown_migration() {
    tells(
        r#"migration = "main-db""#,
        r#"migration = "maindb""#,
        r#"
error[unknown-migration]: there is no migration `maindb`
 --> releases.toml:7:26
  |
7 | demands = [{ migration = "maindb", because = "adds a column", source = "notes" }]
  |                          ^^^^^^^^
  = hint: did you mean `main-db`?"#,
    );
}

#[test]
fn an_unknown_migration_of_a_stop() {
    let told = spoiled(r#"run = ["old-db"]"#, r#"run = ["zzz"]"#);
    assert!(
        told[0].starts_with("error[unknown-migration]: there is no migration `zzz`"),
        "{}",
        told[0]
    );
    assert!(
        told[0].ends_with("hint: there are: main-db, old-db"),
        "{}",
        told[0]
    );
}

#[test]
fn an_unknown_datastore() {
    tells(
        "id = \"old-db\"\ndatastore = \"main\"",
        "id = \"old-db\"\ndatastore = \"mian\"",
        r#"
error[unknown-datastore]: there is no datastore `mian`
  --> product.toml:24:13
   |
24 | datastore = "mian"
   |             ^^^^^^
   = hint: there are: main"#,
    );
}

#[test]
fn an_unknown_probe() {
    tells(
        r#"because = "1.4.0 has no old-db""#,
        "unless = { probe = { name = \"scheme\", at-least = 1 } }\nbecause = \"1.4.0 has no old-db\"",
        r#"
error[unknown-probe]: there is no probe `scheme`
 --> rules.toml:8:29
  |
8 | unless = { probe = { name = "scheme", at-least = 1 } }
  |                             ^^^^^^^^
  = hint: did you mean `schema`?"#,
    );
}

#[test]
fn an_answer_that_its_probe_does_not_have() {
    tells(
        "[probe.schema]",
        "[[dead-end]]\nid = \"blue\"\nfrom = \"<1.4.0\"\nbecause = \"blue ends\"\nsource = \"notes\"\n\
         when = { probe = { name = \"kind\", equals = \"blu\" } }\n\n\
         [probe.kind]\nquestion = \"which kind\"\nanswers = [\"red\", \"blue\"]\n\n[probe.schema]",
        r#"
error[unknown-answer]: there is no answer `blu`
  --> product.toml:33:44
   |
33 | when = { probe = { name = "kind", equals = "blu" } }
   |                                            ^^^^^
   = hint: did you mean `blue`?"#,
    );
}

/// A lock, written before the health of the sound definition.
fn with_lock(lock: &str) -> Vec<String> {
    let health = "[[health]]\nversions = \"*\"";
    spoiled(health, &format!("{lock}\n{health}"))
}

const LOCK: &str = r#"[[lock]]
id = "migrating"
what = "a migration that was begun and not ended"
probe = "schema"
because = "two would run at once"
stale = "see whether one runs"
clear = "delete from locks"
source = "code"
"#;

#[test]
fn a_sound_lock_has_no_findings() {
    assert_eq!(with_lock(LOCK), [""; 0]);
}

#[test]
fn a_lock_that_nobody_can_look_at() {
    let told = with_lock(&LOCK.replace("\"schema\"", "\"schemas\""));
    assert!(
        told[0].contains("error[unknown-probe]: there is no probe `schemas`")
            && told[0].contains("did you mean `schema`?"),
        "{told:?}"
    );
    let silent = "[probe.asked]\nquestion = \"who holds it\"\n";
    let told = with_lock(&format!(
        "{}{silent}",
        LOCK.replace("\"schema\"", "\"asked\"")
    ));
    assert!(
        told[0].contains("error[silent-probe]: the probe `asked` of a lock asks nothing"),
        "{told:?}"
    );
}

#[test]
fn a_lock_without_advice_or_twice() {
    let told = with_lock(&LOCK.replace("see whether one runs", " "));
    assert!(
        told[0].contains("error[empty]: `stale` is empty"),
        "{told:?}"
    );
    let told = with_lock(&format!("{LOCK}\n{LOCK}"));
    assert!(
        told[0].contains("error[duplicate]: the lock `migrating` is there twice"),
        "{told:?}"
    );
}

#[test]
fn an_unknown_edition() {
    let told = spoiled(
        r#"because = "1.4.0 has no old-db""#,
        "editions = [\"paid\"]\nbecause = \"1.4.0 has no old-db\"",
    );
    assert!(
        told[0].starts_with(
            "error[unknown-edition]: there is no edition `paid`\n --> rules.toml:8:13"
        ),
        "{}",
        told[0]
    );
}

#[test]
fn a_duplicate_release() {
    tells(
        "version = \"1.0.0\"",
        "version = \"1.1.0\"",
        r#"
error[duplicate]: the release `1.1.0` is there twice
 --> releases.toml:6:11
  |
6 | version = "1.1.0"
  |           ^^^^^^^
  = hint: the other one is at releases.toml:2"#,
    );
}

#[test]
fn what_a_remark_rests_on_has_to_be_there() {
    let told = spoiled(r#"runs-not = ["old-db"]"#, r#"runs = ["odl-db"]"#);
    assert!(
        told[0].starts_with("error[unknown-migration]: there is no migration `odl-db`"),
        "{told:?}"
    );
    let told = spoiled(r#"to = "=1.3.0""#, r#"from = ">1.4.0""#);
    assert!(
        told[0].starts_with("error[never-matches]: no release is in `>1.4.0`"),
        "{told:?}"
    );
    let told = spoiled("1.3.0 is slow.", "");
    assert_eq!(told.len(), 1, "{told:?}");
}

#[test]
fn an_edition_comes_for_drivers_that_there_are() {
    let told = spoiled(
        r#"images = ["demo/demo"]"#,
        "images = [\"demo/demo\"]\ndrivers = [\"compost\"]",
    );
    assert!(
        told[0].starts_with("error[unknown-driver]: there is no driver `compost`"),
        "{told:?}"
    );
}
