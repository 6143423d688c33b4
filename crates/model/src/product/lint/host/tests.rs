//! A sound definition of a packaged product, and edits that spoil it.

use super::super::check as lint;

const SOUND: &str = r#"[product]
id = "demo"
name = "Demo"
scheme = "numeric"
path-only = true
drivers = ["packages"]

[[edition]]
id = "free"
default = true

[[release]]
version = "1.0"
source = "notes"

[[release]]
version = "1.1"
source = "notes"

[[release]]
version = "1.2"
source = "notes"

[[release]]
version = "1.3"
source = "notes"

[[distribution]]
id = "ubuntu20"
name = "Ubuntu 20.04"
family = "debian"
releases = "*"
source = "notes"

[[package]]
name = "demo"
source = "notes"

[[service]]
name = "demod"
package = "demo"
source = "notes"

[[feature]]
id = "chat"
what = "chat"
package = "demo"
distributions = ["ubuntu20"]

[[engine]]
id = "store"
name = "MongoDB"
probe = "store"
lines = ["3.4", "3.6", "4.0"]
source = "notes"

[[engine.works]]
lines = ["3.4"]
releases = "<1.2"
source = "notes"

[[engine.works]]
lines = ["3.6", "4.0"]
releases = ">=1.2"
source = "notes"

[[engine.usual]]
line = "3.4"
releases = "<1.2"

[probe.store]
question = "which"

[[action]]
id = "up"
moment = "replaced"
version = "1.2"
climbs = { engine = "store", through = ["3.4", "3.6", "4.0"] }
steps = ["climb"]
because = "1.2 wants it"
source = "notes"

[[action]]
id = "script"
moment = "replaced"
version = "1.1"
exists = "<1.3"
when = { feature = "chat", family = "debian" }
datastore = "store"
run = ["script"]
expect = "nothing is left"
because = "1.1 moves keys"
source = "notes"

[[stop]]
id = "script"
kind = "run"
from = "<1.1"
to = ">=1.3"
at = ["1.2"]
because = "1.3 has no script"
source = "notes"

[[dead-end]]
id = "too-old"
from = "<1.1"
to = ">=1.3"
because = "it is too old"
source = "notes"
"#;

/// What is told once `old` is written `new`: at which line, in which words, with which hint.
#[track_caller]
fn tells(old: &str, new: &str, line: &str, (code, message, hint): (&str, &str, &str)) {
    assert_eq!(SOUND.matches(old).count(), 1, "`{old}`");
    let text = SOUND.replace(old, new);
    let told = lint(&[("product.toml", &text)]);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!(told[0].snippet, line);
    assert_eq!(told[0].code, code);
    assert_eq!(told[0].message, message);
    assert_eq!(told[0].hint.as_deref().unwrap_or_default(), hint);
}

#[test]
fn a_sound_definition_has_no_findings() {
    assert!(lint(&[("product.toml", SOUND)]).is_empty());
}

#[test]
fn a_distribution_a_family_a_feature_and_a_package_that_are_not_there() {
    tells(
        "distributions = [\"ubuntu20\"]",
        "distributions = [\"ubuntu2\"]",
        "distributions = [\"ubuntu2\"]",
        (
            "unknown-distribution",
            "there is no distribution `ubuntu2`",
            "did you mean `ubuntu20`?",
        ),
    );
    tells(
        "family = \"debian\" }",
        "family = \"rpm\" }",
        "when = { feature = \"chat\", family = \"rpm\" }",
        (
            "unknown-family",
            "there is no family `rpm`",
            "there are: debian",
        ),
    );
    tells(
        "feature = \"chat\"",
        "feature = \"chats\"",
        "when = { feature = \"chats\", family = \"debian\" }",
        (
            "unknown-feature",
            "there is no feature `chats`",
            "did you mean `chat`?",
        ),
    );
    tells(
        "name = \"demod\"\npackage = \"demo\"",
        "name = \"demod\"\npackage = \"demos\"",
        "package = \"demos\"",
        (
            "unknown-package",
            "there is no package `demos`",
            "did you mean `demo`?",
        ),
    );
}

#[test]
fn an_action_that_does_nothing_or_only_expects() {
    tells(
        "steps = [\"climb\"]\n",
        "",
        "id = \"up\"",
        (
            "empty",
            "the action `up` does nothing",
            "give it `run`, or `steps` for people, or a `role` of the driver",
        ),
    );
    tells(
        "run = [\"script\"]\n",
        "steps = [\"look\"]\n",
        "expect = \"nothing is left\"",
        (
            "silent-probe",
            "the action `script` expects an answer and asks nothing",
            "give it `run`, or say among its `steps` what to look for",
        ),
    );
}

#[test]
fn an_action_that_says_itself_what_a_server_has_to_be() {
    let done = r#"done = { server = { datastore = "store", lines = ["3.6"], format = true } }"#;
    tells(
        "steps = [\"climb\"]\n",
        &format!("steps = [\"climb\"]\n{done}\n"),
        done,
        (
            "own-look",
            "the action `up` says itself what a server has to be",
            "say `climbs`: each rung is looked at then",
        ),
    );
}

#[test]
fn an_action_that_a_later_release_lacks_without_a_stop_before() {
    let text = SOUND.replace(
        "at = [\"1.2\"]\nbecause",
        "at = [\"1.2\"]\nwhen = { feature = \"chat\" }\nbecause",
    );
    let told = lint(&[("product.toml", &text)]);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!(
        told[0].message,
        "a gap: paths to 1.3 have to do `script`, that release lacks it, and no stop comes before"
    );
    assert_eq!(
        told[0].hint.as_deref(),
        Some("add a [[stop]] with to = \">=1.3\"")
    );
}

#[test]
fn a_climb_goes_up_line_by_line_to_one_that_its_release_runs_with() {
    tells(
        "through = [\"3.4\", \"3.6\", \"4.0\"]",
        "through = [\"3.4\", \"4.0\"]",
        "climbs = { engine = \"store\", through = [\"3.4\", \"4.0\"] }",
        (
            "gap",
            "`up` goes from MongoDB 3.4 to 4.0, which is not the next line",
            "the lines are 3.4, 3.6, 4.0",
        ),
    );
    tells(
        "version = \"1.2\"\nclimbs",
        "version = \"1.1\"\nclimbs",
        "climbs = { engine = \"store\", through = [\"3.4\", \"3.6\", \"4.0\"] }",
        (
            "backwards",
            "`up` ends at MongoDB 4.0, which 1.1 does not run with",
            "see the engine's `works`",
        ),
    );
    tells(
        "version = \"1.2\"\nclimbs",
        "climbs",
        "climbs = { engine = \"store\", through = [\"3.4\", \"3.6\", \"4.0\"] }",
        (
            "empty",
            "`up` climbs, and no release brings it",
            "give it a `version`: the first release that runs with the last line",
        ),
    );
    tells(
        "line = \"3.4\"",
        "line = \"3.5\"",
        "line = \"3.5\"",
        (
            "unknown-line",
            "there is no line `3.5`",
            "did you mean `3.4`?",
        ),
    );
    tells(
        "engine = \"store\"",
        "engine = \"stores\"",
        "climbs = { engine = \"stores\", through = [\"3.4\", \"3.6\", \"4.0\"] }",
        (
            "unknown-engine",
            "there is no engine `stores`",
            "did you mean `store`?",
        ),
    );
}
