//! Each finding has a test on its text: a sound definition, and one edit that spoils it.

mod exec;
mod names;
mod stops;
mod versions;

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
