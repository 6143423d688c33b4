//! Stops that can be passed: no cycles, no way back, none that must not be run.

use super::{spoiled, tells};

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
