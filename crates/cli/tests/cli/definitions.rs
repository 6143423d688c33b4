//! What whoever writes a definition types.

use crate::bench::Bench;

const PRODUCT: &str = r#"[product]
id = "demo"
name = "Demo"
scheme = "semver"
drivers = ["compose"]

[[edition]]
id = "free"
images = ["demo/demo"]

[[component]]
id = "web"
http-port = 8080

[[datastore]]
name = "main"
kind = "postgres"
images = ["postgres"]

[[migration]]
id = "main-db"
datastore = "main"
run = ["migrate"]

[probe.locked]
question = "who migrates"
datastore = "main"
sql = "select '0'"

[[lock]]
id = "migrating"
what = "a migration that was begun and not ended"
probe = "locked"
because = "two would run at once"
stale = "see whether one runs"
clear = "delete from locks"
source = "code"

[[health]]
versions = "*"
path = "/healthz"
source = "guide"

[[release]]
version = "1.0.0"
source = "notes"

[[release]]
version = "1.1.0"
demands = [{ migration = "main-db", because = "adds a column", source = "notes" }]
source = "notes"
"#;

fn bench(scenario: &str) -> Bench {
    let bench = Bench::new();
    std::fs::create_dir_all(bench.lab().join("demo/scenarios")).expect("the directory is ours");
    bench.file("demo/product.toml", PRODUCT);
    bench.file("demo/scenarios/01-first.txt", scenario);
    bench
}

#[test]
fn scenarios_are_played_written_down_and_compared() {
    let bench = bench("# The first.\n> observe demo free 1.0.0\n> plan 1.1.0\n");
    let said = bench.switchback(&["catalog", "test", "demo"]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(
        said.stdout.contains("✗ demo/scenarios/01-first.txt"),
        "{said:?}"
    );
    assert!(said.stderr.contains("--update, and review"), "{said:?}");
    let said = bench.switchback(&["catalog", "test", "demo", "--update"]);
    assert_eq!(said.code, 0, "{said:?}");
    let written = std::fs::read_to_string(bench.lab().join("demo/scenarios/01-first.txt"))
        .expect("it is there");
    assert!(written.contains("migrate  main-db"), "{written}");
    assert!(written.starts_with("# The first.\n> observe demo free 1.0.0\n> plan 1.1.0\n"));
    let said = bench.switchback(&["catalog", "test", "demo"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(
        said.stdout.contains("✓ demo/scenarios/01-first.txt"),
        "{said:?}"
    );
}

#[test]
fn a_lock_that_is_held_refuses_the_plan_of_any_product() {
    let bench = bench("> observe demo free 1.0.0 locked=somebody\n> plan 1.1.0\n");
    let said = bench.switchback(&["catalog", "test", "demo", "--update"]);
    assert_eq!(said.code, 0, "{said:?}");
    let written = std::fs::read_to_string(bench.lab().join("demo/scenarios/01-first.txt"))
        .expect("it is there");
    assert!(
        written.contains("refused lock-held: there is a migration"),
        "{written}"
    );
    assert!(
        written.contains("`docker compose exec postgres psql -d main -c \"delete from locks\"`"),
        "{written}"
    );
}

#[test]
fn a_scenario_that_cannot_be_played_is_pointed_at() {
    for (script, told) in [
        ("> plan 1.1.0\n", "line 1: nothing was observed"),
        (
            "\n> observe other free 1.0.0\n",
            "line 2: this definition is of `demo`",
        ),
        (
            "> observe demo paid 1.0.0\n",
            "line 1: Demo has no edition `paid`",
        ),
        (
            "> observe demo free 1.0.0 colour=1\n",
            "line 1: there is no probe `colour`",
        ),
        (
            "> observe demo free 1.0.0\n> crash 3\n",
            "line 2: there is no plan",
        ),
    ] {
        let said = bench(script).switchback(&["catalog", "test", "demo"]);
        assert_eq!(said.code, 2, "{said:?}");
        assert!(said.stdout.contains(told), "`{told}` is missing: {said:?}");
    }
}

#[test]
fn a_definition_without_scenarios_says_how_to_write_one() {
    let bench = bench("");
    std::fs::remove_file(bench.lab().join("demo/scenarios/01-first.txt")).expect("it is there");
    let said = bench.switchback(&["catalog", "test", "demo"]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(
        said.stderr
            .contains("there is no scenario in `demo/scenarios`"),
        "{said:?}"
    );
}

/// What people begin from has to be sound: the examples, and the definition that the documentation lets them type.
#[test]
fn definitions_in_the_documentation_are_sound_and_do_as_they_say() {
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    for product in ["ara", "synapse"] {
        let folder = docs.join("examples").join(product);
        let lines = std::fs::read_to_string(folder.join("product.toml")).expect("an example");
        assert!(lines.lines().count() < 100, "{product} is no short example");
        let folder = folder.to_string_lossy();
        let bench = Bench::new();
        let said = bench.switchback(&["catalog", "lint", &folder]);
        assert_eq!(
            (said.code, said.stderr.as_str()),
            (0, ""),
            "{}",
            said.stdout
        );
        let said = bench.switchback(&["catalog", "test", &folder]);
        assert_eq!(said.code, 0, "{}", said.stdout);
    }
    let page = std::fs::read_to_string(docs.join("write-a-definition.md")).expect("the page");
    let between = |begin: &str, end: &str| {
        let (_, rest) = page.split_once(begin).expect("it begins");
        rest.split_once(end).expect("it ends").0.to_owned()
    };
    let bench = Bench::new();
    std::fs::create_dir_all(bench.lab().join("jotter/scenarios")).expect("the directory is ours");
    let definition = between("<<'DEFINITION'\n", "\nDEFINITION\n") + "\n";
    bench.file("jotter/product.toml", &definition);
    let scenario = between("printf '> ", "' > catalog/jotter/scenarios").replace("\\n", "\n");
    bench.file(
        "jotter/scenarios/01-half-migrated.txt",
        &format!("> {scenario}"),
    );
    let said = bench.switchback(&["catalog", "lint", "jotter"]);
    assert_eq!(
        (said.code, said.stderr.as_str()),
        (0, ""),
        "{}",
        said.stdout
    );
    let said = bench.switchback(&["catalog", "test", "jotter", "--update"]);
    assert_eq!(said.code, 0, "{}", said.stdout);
    let written =
        std::fs::read_to_string(bench.lab().join("jotter/scenarios/01-half-migrated.txt"))
            .expect("written down");
    assert!(
        written.contains("migrate  schema (2.0.0)")
            && written.contains("jotter 2.0.0 -> 1.0.0 (way back"),
        "{written}"
    );
}
