//! Plans, outputs and ids as they lie on disk.

use std::fs;

use switchback_journal::{Key, StateDirectory, read_plan};
use switchback_model::exit::Exit;
use switchback_model::observed::Deployment;
use switchback_model::plan::{FORMAT, Forecast, Origin, Plan, Purpose};
use switchback_model::{Digest, PlanId};

fn plan(to: &str) -> Plan {
    Plan {
        format: FORMAT,
        id: PlanId::new(""),
        purpose: Purpose::Upgrade,
        parent: None,
        account: None,
        deployment: Deployment {
            name: "lab".to_owned(),
            directory: "/srv/lab".to_owned(),
            driver: "exec".to_owned(),
            project: "lab".to_owned(),
        },
        product: "example".into(),
        product_name: "Example".to_owned(),
        edition: None,
        definition: Digest::of("definition"),
        from: "1.0.0".into(),
        to: to.into(),
        because: Vec::new(),
        notices: Vec::new(),
        procedures: Vec::new(),
        origin: Origin::default(),
        datastores: Default::default(),
        stages: Vec::new(),
        forecast: Forecast::default(),
        advice: Vec::new(),
        secrets: Vec::new(),
    }
    .seal()
}

fn directory() -> (tempfile::TempDir, StateDirectory) {
    let root = tempfile::tempdir().expect("a temporary directory");
    let state = StateDirectory::open(root.path().join("state")).expect("it can be made");
    (root, state)
}

#[test]
fn a_saved_plan_is_read_again_and_found_by_any_unique_prefix() {
    let (_root, state) = directory();
    let (one, two) = (plan("1.1.0"), plan("1.2.0"));
    for plan in [&one, &two] {
        state.save_plan(plan).expect("saved");
    }
    assert_eq!(state.plan(&one.id).expect("whole"), one);
    let bare = &one.id.as_str()[2..7];
    assert_eq!(state.find_plan(bare).expect("unique"), one.id);
    assert_eq!(state.find_plan(two.id.as_str()).expect("whole id"), two.id);
    let ambiguous = state.find_plan("p-").expect_err("both begin so").problem();
    assert_eq!(
        (ambiguous.code.as_str(), ambiguous.exit),
        ("ambiguous-id", Exit::Usage)
    );
    assert!(ambiguous.what.contains(" or "), "{}", ambiguous.what);
    let missing = state
        .find_plan("ffffffffffffff")
        .expect_err("none")
        .problem();
    assert_eq!(missing.what, "no plan is called `ffffffffffffff`");
    assert_eq!(missing.hints, ["make one: switchback plan"]);
}

#[test]
fn a_plan_that_differs_in_any_byte_is_refused() {
    let (_root, state) = directory();
    let sealed = plan("1.1.0");
    let path = state.save_plan(&sealed).expect("saved");
    let whole = fs::read(&path).expect("readable");
    let mut refused = 0;
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&path, &bytes).expect("writable");
        let problem = state.plan(&sealed.id).expect_err("altered").problem();
        assert!(
            ["plan-altered", "plan-unreadable", "journal-newer"].contains(&problem.code.as_str()),
            "byte {at}: {problem:?}"
        );
        refused += usize::from(problem.code == "plan-altered");
    }
    assert!(refused > 50, "many of them are still JSON: {refused}");
    let mut longer = whole.clone();
    longer.push(b'\n');
    fs::write(&path, longer).expect("writable");
    let problem = state.plan(&sealed.id).expect_err("altered").problem();
    assert_eq!(problem.code, "plan-altered");
    assert_eq!(problem.exit, Exit::Refused);
    assert!(
        problem.what.starts_with(&format!(
            "plan `{}` was altered after it was made: its content is `p-",
            sealed.id
        )),
        "{}",
        problem.what
    );
    assert_eq!(problem.hints, ["plan again: switchback plan"]);
}

#[test]
fn a_newer_plan_is_called_newer_and_not_malformed() {
    let (root, _) = directory();
    let path = root.path().join("plan.json");
    fs::write(&path, r#"{"format": 2, "from the future": true}"#).expect("writable");
    let problem = read_plan(&path).expect_err("newer").problem();
    assert_eq!(problem.code, "journal-newer");
    assert!(
        problem
            .what
            .ends_with("has format 2, this switchback knows up to 1")
    );
    fs::write(&path, "{}").expect("writable");
    let problem = read_plan(&path).expect_err("no plan").problem();
    assert_eq!(
        (problem.code.as_str(), problem.exit),
        ("plan-unreadable", Exit::Usage)
    );
    assert!(problem.what.ends_with("is not a plan: it names no format"));
}

#[test]
fn outputs_are_kept_once_and_cannot_change_unnoticed() {
    let (_root, state) = directory();
    let outputs = state.outputs(&"r-1".into());
    let digest = outputs.keep("error: no such column\n").expect("kept");
    assert_eq!(
        outputs.keep("error: no such column\n").expect("kept"),
        digest
    );
    assert_eq!(fs::read_dir(outputs.directory()).expect("there").count(), 1);
    let text = outputs.read(&digest).expect("whole");
    assert_eq!(text.as_deref(), Some("error: no such column\n"));
    fs::write(outputs.directory().join(digest.as_str()), "all is well\n").expect("writable");
    assert_eq!(
        outputs.read(&digest).expect_err("changed").problem().code,
        "journal-damaged"
    );
    assert_eq!(outputs.read(&Digest::of("never kept")).expect("fine"), None);
}

#[test]
fn deployments_of_one_name_in_two_directories_never_share_backups() {
    let (_root, state) = directory();
    let key = |directory: &str| Key {
        deployment: "my lab/1".to_owned(),
        directory: directory.to_owned(),
    };
    let (a, b) = (state.backups(&key("/srv/a")), state.backups(&key("/srv/b")));
    assert_ne!(a, b);
    let name = a
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    assert!(name.starts_with("my-lab-1-"), "{name}");
    assert_eq!(state.backups_of_round(&key("/srv/a"), 1), a);
    assert_eq!(state.backups_of_round(&key("/srv/a"), 2), a.join("round-2"));
}

#[test]
fn run_ids_are_new_and_the_directory_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_root, state) = directory();
    let journal = state.journal().expect("it opens");
    let run = state.new_run(&journal).expect("there are ids left");
    assert_eq!(run.as_str().len(), "r-00000000".len());
    assert_ne!(state.new_run(&journal).expect("another"), run);
    let mode = fs::metadata(state.root())
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_state_directory_that_cannot_be_made_is_told() {
    let (root, _) = directory();
    let file = root.path().join("file");
    fs::write(&file, "").expect("writable");
    let problem = StateDirectory::open(file.join("state"))
        .expect_err("a file is no directory")
        .problem();
    assert_eq!(problem.code, "state-directory-unusable");
    assert!(problem.what.starts_with("cannot use `"), "{}", problem.what);
}
