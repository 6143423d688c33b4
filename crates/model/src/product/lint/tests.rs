//! Each finding has a test on its text: a sound definition, and one edit that spoils it.

use super::*;

const PRODUCT: &str = r#"[product]
id = "demo"
name = "Demo"
scheme = "semver"
drivers = ["compose"]

[[edition]]
id = "free"
images = ["demo/demo"]

[[datastore]]
name = "main"
kind = "postgres"
images = ["postgres"]

[[migration]]
id = "main-db"
datastore = "main"
run = ["migrate"]
schema-version = "schema"

[[migration]]
id = "old-db"
datastore = "main"
run = ["old", "migrate"]
exists = "<1.4.0"

[probe.schema]
question = "which schema"
datastore = "main"
sql = "select 1"

[[health]]
versions = "*"
path = "/healthz"
source = "guide"
"#;

const RELEASES: &str = r#"[[release]]
version = "1.0.0"
source = "notes"

[[release]]
version = "1.1.0"
demands = [{ migration = "main-db", because = "adds a column", source = "notes" }]
source = "notes"

[[release]]
version = "1.2.0"
demands = [{ migration = "old-db", because = "adds a key", source = "notes" }]
source = "notes"

[[release]]
version = "1.3.0"
source = "notes"

[[release]]
version = "1.4.0"
source = "notes"
"#;

const RULES: &str = r#"[[stop]]
id = "through-1.3"
kind = "migrate"
from = "<1.3.0"
to = ">=1.4.0"
at = ["1.3.0"]
run = ["old-db"]
because = "1.4.0 has no old-db"
source = "notes"

[[poisoned]]
version = "1.1.0"
substitute = "1.2.0"
because = "it loses data"
source = "issue 1"

[[notice]]
id = "goes"
kind = "one-way"
version = "1.2.0"
text = "Something goes."
source = "notes"

[[remark]]
id = "slow"
to = "=1.3.0"
runs-not = ["old-db"]
text = "1.3.0 is slow."
source = "issue 2"
"#;

fn lint(product: &str, releases: &str, rules: &str) -> Vec<String> {
    let files = [
        ("product.toml", product),
        ("releases.toml", releases),
        ("rules.toml", rules),
    ];
    check(&files).iter().map(ToString::to_string).collect()
}

/// What is told once `old` is written `new`, in whichever file it stands.
fn spoiled(old: &str, new: &str) -> Vec<String> {
    let found = [PRODUCT, RELEASES, RULES].map(|text| text.matches(old).count());
    assert_eq!(
        found.iter().sum::<usize>(),
        1,
        "`{old}` is there {found:?} times"
    );
    let edit = |text: &str| text.replace(old, new);
    lint(&edit(PRODUCT), &edit(RELEASES), &edit(RULES))
}

#[track_caller]
fn tells(old: &str, new: &str, expected: &str) {
    assert_eq!(spoiled(old, new), [expected.trim_start_matches('\n')]);
}

#[test]
fn a_sound_definition_has_no_findings() {
    assert_eq!(lint(PRODUCT, RELEASES, RULES), [""; 0]);
}

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
fn an_unknown_version() {
    tells(
        "kind = \"one-way\"\nversion = \"1.2.0\"",
        "kind = \"one-way\"\nversion = \"1.2.1\"",
        r#"
error[unknown-version]: there is no release 1.2.1
  --> rules.toml:20:11
   |
20 | version = "1.2.1"
   |           ^^^^^^^
   = hint: the nearest are 1.2.0 and 1.3.0"#,
    );
}

#[test]
fn a_moving_tag() {
    let told = spoiled(r#"at = ["1.3.0"]"#, r#"at = ["1.3"]"#);
    assert_eq!(
        told[0],
        r#"error[moving-tag]: `1.3` is a moving tag: it names another release tomorrow
 --> rules.toml:6:7
  |
6 | at = ["1.3"]
  |       ^^^^^
  = hint: name one release, with all its numbers"#
    );
}

#[test]
fn a_version_with_a_leading_v() {
    tells(
        "kind = \"one-way\"\nversion = \"1.2.0\"",
        "kind = \"one-way\"\nversion = \"v1.2.0\"",
        r#"
error[malformed-version]: `v1.2.0` begins with `v`, which image tags do not
  --> rules.toml:20:11
   |
20 | version = "v1.2.0"
   |           ^^^^^^^^
   = hint: write 1.2.0"#,
    );
}

#[test]
fn releases_out_of_order() {
    tells(
        "version = \"1.4.0\"\nsource",
        "version = \"1.4.0\"\nsource = \"notes\"\n\n[[release]]\nversion = \"1.3.1\"\nsource",
        r#"
error[out-of-order]: 1.3.1 is listed after 1.4.0
  --> releases.toml:24:11
   |
24 | version = "1.3.1"
   |           ^^^^^^^
   = hint: list releases from the oldest to the newest"#,
    );
}

#[test]
fn a_range_that_never_matches() {
    tells(
        r#"exists = "<1.4.0""#,
        "exists = \"<1.4.0\"\nnot-repeatable = [{ versions = \">=2.0.0\", because = \"x\", source = \"y\" }]",
        r#"
error[never-matches]: no release is in `>=2.0.0`
  --> product.toml:27:32
   |
27 | not-repeatable = [{ versions = ">=2.0.0", because = "x", source = "y" }]
   |                                ^^^^^^^^^"#,
    );
}

#[test]
fn a_malformed_range() {
    let told = spoiled(r#"from = "<1.3.0""#, r#"from = "1.3.0""#);
    assert_eq!(
        told[0],
        r#"error[malformed-range]: `1.3.0` is not a range: `1.3.0` is not a comparison such as `>=1.2.0`
 --> rules.toml:4:8
  |
4 | from = "1.3.0"
  |        ^^^^^^^"#
    );
}

#[test]
fn an_empty_reason() {
    tells(
        r#"because = "1.4.0 has no old-db""#,
        r#"because = " ""#,
        r#"
error[empty]: `because` is empty
 --> rules.toml:8:11
  |
8 | because = " "
  |           ^^^
  = hint: say it in one sentence: it is shown to operators"#,
    );
}

#[test]
fn a_stop_that_is_a_cycle() {
    tells(
        r#"to = ">=1.4.0""#,
        r#"to = ">=1.2.0""#,
        r#"
error[cycle]: stop `through-1.3` is a cycle: it applies to paths to 1.2.0, and 1.3.0 lies behind that
 --> rules.toml:5:6
  |
5 | to = ">=1.2.0"
  |      ^^^^^^^^^
  = hint: `to` should begin at 1.3.0 or above"#,
    );
}

#[test]
fn a_stop_that_leads_backwards() {
    tells(
        r#"from = "<1.3.0""#,
        r#"from = "<1.4.0""#,
        r#"
error[backwards]: stop `through-1.3` also applies to paths from 1.3.0, which is not below 1.3.0
 --> rules.toml:4:8
  |
4 | from = "<1.4.0"
  |        ^^^^^^^^
  = hint: `from` should end below 1.3.0"#,
    );
}

#[test]
fn a_poisoned_stop_without_substitute() {
    tells(
        "[[poisoned]]\nversion = \"1.1.0\"\nsubstitute = \"1.2.0\"",
        "[[poisoned]]\nversion = \"1.3.0\"",
        r#"
error[poisoned-stop]: every release that stop `through-1.3` names is poisoned and has no substitute
 --> rules.toml:6:6
  |
6 | at = ["1.3.0"]
  |      ^^^^^^^^^
  = hint: name another release, or give the poisoned one a `substitute`"#,
    );
}

#[test]
fn a_chain_of_poisoned_releases() {
    tells(
        "because = \"it loses data\"\nsource = \"issue 1\"",
        "because = \"it loses data\"\nsource = \"issue 1\"\n\n[[poisoned]]\nversion = \"1.2.0\"\nsubstitute = \"1.3.0\"\nbecause = \"so does it\"\nsource = \"issue 2\"",
        r#"
warning[poisoned-chain]: 1.1.0 is replaced by 1.2.0, which is poisoned itself
  --> rules.toml:13:14
   |
13 | substitute = "1.2.0"
   |              ^^^^^^^
   = hint: write substitute = "1.3.0""#,
    );
}

#[test]
fn poisoned_releases_that_replace_each_other() {
    let told = spoiled(
        "because = \"it loses data\"\nsource = \"issue 1\"",
        "because = \"it loses data\"\nsource = \"issue 1\"\n\n[[poisoned]]\nversion = \"1.2.0\"\nsubstitute = \"1.1.0\"\nbecause = \"so does it\"\nsource = \"issue 2\"",
    );
    assert_eq!(
        told[0],
        r#"error[cycle]: 1.1.0 and 1.2.0 replace each other: a cycle
  --> rules.toml:13:14
   |
13 | substitute = "1.2.0"
   |              ^^^^^^^"#
    );
}

#[test]
fn a_gap_in_health() {
    tells(
        r#"versions = "*""#,
        r#"versions = ">=1.2.0""#,
        r#"
error[gap]: a gap: nothing says how 1.0.0 to 1.1.0 answer for their health
  --> product.toml:34:12
   |
34 | versions = ">=1.2.0"
   |            ^^^^^^^^^
   = hint: add a [[health]] whose versions hold them"#,
    );
}

#[test]
fn two_health_paths_for_one_release() {
    let told = spoiled(
        "path = \"/healthz\"\nsource = \"guide\"",
        "path = \"/healthz\"\nsource = \"guide\"\n\n[[health]]\nversions = \">=1.4.0\"\npath = \"/up\"\nsource = \"guide\"",
    );
    assert!(
        told[0].starts_with("error[overlap]: 1.4.0 has two health paths\n  --> product.toml:39:12"),
        "{}",
        told[0]
    );
}

#[test]
fn a_demand_that_no_image_can_meet() {
    tells(
        "run = [\"old-db\"]\n",
        "",
        r#"
error[gap]: a gap: 1.2.0 demands `old-db`, 1.4.0 no longer has it, and no stop runs it before
  --> releases.toml:12:26
   |
12 | demands = [{ migration = "old-db", because = "adds a key", source = "notes" }]
   |                          ^^^^^^^^
   = hint: add a [[stop]] with run = ["old-db"] and to = ">=1.4.0""#,
    );
}

#[test]
fn a_demand_of_a_release_that_does_not_have_the_command() {
    let told = spoiled(r#"exists = "<1.4.0""#, r#"exists = "<1.2.0""#);
    assert_eq!(
        told[0],
        r#"error[gap]: 1.2.0 demands `old-db`, which that release does not have
  --> releases.toml:12:26
   |
12 | demands = [{ migration = "old-db", because = "adds a key", source = "notes" }]
   |                          ^^^^^^^^
   = hint: releases <1.2.0 have it"#
    );
}

proptest::proptest! {
    /// Whatever an author mistypes is told, never a crash, and the place that is told exists.
    #[test]
    fn a_spoiled_definition_is_told_within_its_text(
        at in 0..RULES.len(),
        length in 0..12_usize,
        typed in "[a-z0-9\\[\\]{}=\",.<>| \näé]{0,6}",
    ) {
        let end = (at + length).min(RULES.len());
        let rules = format!("{}{typed}{}", &RULES[..at], &RULES[end..]);
        let files = [
            ("product.toml", PRODUCT),
            ("releases.toml", RELEASES),
            ("rules.toml", &rules),
        ];
        for diagnostic in check(&files) {
            let file = files.iter().find(|(name, _)| *name == diagnostic.file);
            let (_, text) = file.expect("the file is one of the definition's");
            let line = text.split('\n').nth(diagnostic.line - 1);
            proptest::prop_assert_eq!(line.map(str::trim_end), Some(diagnostic.snippet.as_str()));
            proptest::prop_assert!(diagnostic.column <= diagnostic.snippet.chars().count() + 1);
        }
    }
}

/// Processes, written before the health of the sound definition.
fn with_exec(exec: &str) -> Vec<String> {
    let health = "[[health]]\nversions = \"*\"";
    spoiled(health, &format!("{exec}\n{health}"))
}

#[test]
fn processes_that_no_driver_runs_or_nothing_starts() {
    let told = with_exec("[exec.services.web]\nstart = [\"bin/demo\", \"--port={DEMO_PORT}\"]\n");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("warning[driver-unnamed]: `[exec]` says how processes are run")
            && told[0].contains("product.toml:33:2"),
        "{told:?}"
    );
    let told = with_exec("[exec.services.web]\nstart = []\n");
    assert!(
        told[0].starts_with("error[no-command]: nothing starts the service `web`")
            && told[0].contains("product.toml:34:9"),
        "{told:?}"
    );
}

#[test]
fn a_secret_in_a_command() {
    let drivers = "drivers = [\"compose\"]";
    let told = spoiled(
        drivers,
        "drivers = [\"exec\"]\nsecrets = [\"*_TOKEN\"]\n\
         [exec.services.web]\nstart = [\"bin/demo\", \"--token={DEMO_TOKEN}\", \"{DEMO_PORT}\"]",
    );
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with(
            "error[secret-in-command]: `{DEMO_TOKEN}` would show a secret to whoever lists processes"
        ) && told[0].contains("product.toml:8:22"),
        "{told:?}"
    );
    let told = spoiled(
        "run = [\"migrate\"]",
        "run = [\"migrate\", \"{DEMO_TOKEN}\"]",
    );
    assert_eq!(told, [""; 0], "nothing says that it is secret");
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
