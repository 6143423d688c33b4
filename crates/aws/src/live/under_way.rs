//! Stacks while they change, which LocalStack alone shows: an update that is followed through its states, one that a dead
//! process began, one that somebody else began, the making and the end of a stack.
//!
//! A machine takes a second there to come up. The events' tokens are remembered for it (`tokens.rs`); states, order and
//! reasons are its own.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use switchback_engine::ports::{Context, Driver, Finding, Progress, Site};
use switchback_engine::redact::Redactor;
use switchback_engine::signal::StopSignal;
use switchback_engine::{Ended, Engine, Order};
use switchback_journal::StateDirectory;
use switchback_model::RunId;
use switchback_model::event::Completed;
use switchback_model::plan::{Act, Check, Expectation, Origin, WayBack};
use switchback_model::stack::{
    ChangeAction, Replacement, StackIs, StackUpdate, UpdateMode, body_digest,
};
use switchback_testkit::crash::{CrashPoints, Crashed, survive};

use super::dying::{Dying, Witness, process};
use super::refusals::told;
use super::replayed::Heard;
use super::standins::{Kind, StandIn};
use super::{Lab, foreseen, updates, wish};
use crate::stacks::{events, read};
use crate::{Account, Wanted, observe, preview};

/// Two images that are known there.
const IMAGES: [&str; 2] = ["ami-03cf127a", "ami-12c6146b"];

/// A machine of this image, and a note of which one it is.
fn machine(image: &str) -> String {
    format!(
        "Resources:
  Machine:
    Type: AWS::EC2::Instance
    Properties: {{ ImageId: {image}, InstanceType: t3.small }}
  Note:
    Type: AWS::SSM::Parameter
    Properties: {{ Type: String, Value: !Ref Machine }}
Outputs:
  Machine: {{ Value: !Ref Machine }}
"
    )
}

/// One stack with a machine.
struct Scene {
    stack: String,
    directory: tempfile::TempDir,
    id: String,
}

impl Scene {
    /// A stack that runs the first image.
    fn deployed(account: &Account, stack: &str) -> Self {
        let mut scene = Self::empty(stack);
        scene.id = super::deploy(account, stack, &scene.template(0), &[]);
        scene
    }

    fn empty(stack: &str) -> Self {
        let directory = tempfile::tempdir().expect("temporary directory");
        for image in IMAGES {
            let path = directory.path().join(format!("{image}.yml"));
            fs::write(path, machine(image)).expect("written");
        }
        Self {
            stack: stack.to_owned(),
            directory,
            id: String::new(),
        }
    }

    fn template(&self, image: usize) -> String {
        let path = self.directory.path().join(format!("{}.yml", IMAGES[image]));
        path.to_string_lossy().into_owned()
    }

    /// Another image: another machine, certainly. Who refers to it is listed by AWS, and not by this stand-in.
    fn update(&self, image: usize) -> StackUpdate {
        StackUpdate {
            expected: foreseen(&[updates::change(
                "Machine",
                "AWS::EC2::Instance",
                ChangeAction::Modify,
                Replacement::Always,
            )]),
            ..wish(&self.stack, &self.template(image), &[])
        }
    }

    fn making(&self) -> StackUpdate {
        let added =
            |logical, kind| updates::change(logical, kind, ChangeAction::Add, Replacement::Never);
        StackUpdate {
            mode: UpdateMode::Create,
            expected: foreseen(&[
                added("Machine", "AWS::EC2::Instance"),
                added("Note", "AWS::SSM::Parameter"),
            ]),
            ..wish(&self.stack, &self.template(0), &[])
        }
    }

    fn is(&self, image: usize) -> Expectation {
        Expectation::Stack {
            is: StackIs {
                stack: self.stack.clone(),
                id: Some(self.id.clone()).filter(|id| !id.is_empty()),
                body: body_digest(&machine(IMAGES[image])),
                parameters: BTreeMap::new(),
            },
        }
    }

    fn status(&self, account: &Account) -> String {
        let now = read::one(account, &self.stack).expect("read");
        now.map(|now| now.status.as_str().to_owned())
            .unwrap_or_default()
    }

    /// How often this began.
    fn began(&self, account: &Account, status: &str) -> usize {
        let all = events::newest(account, &self.stack).expect("events");
        let begun = all
            .iter()
            .filter(|event| events::is_of_stack(event, &self.stack) && event.status == status);
        begun.count()
    }

    /// Somebody else gives it an image, without a word to us.
    fn changed_by_somebody_else(&self, stand_in: &StandIn, image: usize) {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let named = [
            pair("StackName", &self.stack),
            pair("ChangeSetName", "theirs"),
        ];
        let mut form = named.to_vec();
        form.extend([
            pair("Action", "CreateChangeSet"),
            pair("ChangeSetType", "UPDATE"),
            pair("TemplateBody", &machine(IMAGES[image])),
        ]);
        stand_in.cloudformation(form);
        let mut form = named.to_vec();
        form.push(pair("Action", "ExecuteChangeSet"));
        stand_in.cloudformation(form);
    }

    fn wait_until(&self, account: &Account, status: &str) {
        let since = Instant::now();
        while self.status(account) != status {
            assert!(
                since.elapsed() < Duration::from_secs(60),
                "{}",
                self.status(account)
            );
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn lab(account: Account, update: &StackUpdate) -> Lab {
    let act = Act::Update {
        update: update.clone(),
    };
    Lab::new(account, act)
}

/// Dies once this is told.
struct DiesAt<'a>(&'a str, CrashPoints);

impl DiesAt<'_> {
    fn new(word: &str) -> DiesAt<'_> {
        let crash = CrashPoints::default();
        crash.arm(1);
        DiesAt(word, crash)
    }
}

impl Progress for DiesAt<'_> {
    fn report(&self, doing: &str, _: Option<u64>, _: Option<u64>, _: Option<&str>) {
        if doing.contains(self.0) {
            self.1.point(doing);
        }
    }
}

/// Relies on B5, C2, C19, A14 (LocalStack, ok): a machine is replaced for its image, the new one first; states in
/// progress; events of resources.
#[test]
fn an_update_is_followed_through_its_states() {
    let Some(stand_in) = StandIn::start(Kind::LocalStack) else {
        return;
    };
    let account = stand_in.account();
    let scene = Scene::deployed(&account, "followed");
    let update = scene.update(1);
    let lab = lab(account, &update);
    let set = preview(&lab.account, &lab.conduct(), &update, &lab.stop).expect("computed");
    let machine = set.change("Machine").expect("it is listed");
    assert_eq!(machine.replacement, Replacement::Always);
    let before = machine.physical.clone().expect("it is there");
    assert_eq!(
        lab.driver().look(&lab.context(), &scene.is(0)),
        Finding::Holds
    );

    let heard = Heard::default();
    let cx = Context {
        progress: &heard,
        ..lab.context()
    };
    let done = lab.driver().update(&cx, &update).expect("updated");
    assert_eq!(done.completed, Completed::Done);
    let heard: Vec<String> = RefCell::into_inner(heard.0)
        .into_iter()
        .map(|(doing, _)| doing)
        .collect();
    assert!(
        heard
            .iter()
            .any(|doing| doing == "Machine UPDATE_IN_PROGRESS"),
        "{heard:?}"
    );
    assert_eq!(
        lab.driver().look(&lab.context(), &scene.is(1)),
        Finding::Holds
    );
    let now = read::one(&lab.account, "followed")
        .expect("read")
        .expect("there");
    assert_ne!(now.outputs["Machine"].value, before);
    assert_eq!(scene.began(&lab.account, "UPDATE_IN_PROGRESS"), 1);
}

/// Relies on C19, A15 (LocalStack, ok): states in progress.
#[test]
fn what_a_dead_process_began_is_adopted_while_it_goes_on() {
    let Some(stand_in) = StandIn::start(Kind::LocalStack) else {
        return;
    };
    let mut scene = Scene::empty("adopted");
    let making = scene.making();
    let lab = self::lab(stand_in.account(), &making);
    let driver = lab.driver();
    let dies = DiesAt::new("CREATE_IN_PROGRESS");
    let cx = Context {
        progress: &dies,
        ..lab.context()
    };
    survive(|| driver.update(&cx, &making)).expect_err("it dies");
    assert_eq!(scene.status(&lab.account), "CREATE_IN_PROGRESS");
    let finding = lab.driver().look(&lab.context(), &scene.is(0));
    let why = "`adopted` is CREATE_IN_PROGRESS: it is being changed at this moment";
    assert_eq!(
        finding,
        Finding::Unknown {
            why: why.to_owned()
        }
    );
    let done = lab.driver().update(&lab.context(), &making).expect("made");
    assert_eq!(done.completed, Completed::Adopted);
    assert_eq!(done.summary, "`adopted` made");
    assert_eq!(
        lab.driver().look(&lab.context(), &scene.is(0)),
        Finding::Holds
    );
    assert_eq!(scene.began(&lab.account, "CREATE_IN_PROGRESS"), 1);
    let made = read::one(&lab.account, "adopted").expect("read");
    scene.id = made.expect("there").id;

    let update = scene.update(1);
    let lab = self::lab(stand_in.account(), &update);
    let driver = lab.driver();
    let dies = DiesAt::new("Machine UPDATE_IN_PROGRESS");
    let cx = Context {
        progress: &dies,
        ..lab.context()
    };
    survive(|| driver.update(&cx, &update)).expect_err("it dies");
    assert_eq!(scene.status(&lab.account), "UPDATE_IN_PROGRESS");
    let done = lab
        .driver()
        .update(&lab.context(), &update)
        .expect("updated");
    assert_eq!(done.completed, Completed::Adopted);
    assert_eq!(
        lab.driver().look(&lab.context(), &scene.is(1)),
        Finding::Holds
    );
    assert_eq!(scene.began(&lab.account, "UPDATE_IN_PROGRESS"), 1);
}

/// So many settings that their end takes a moment.
fn settings() -> String {
    let setting = |number: u32| {
        format!(
            "  Setting{number}: {{ Type: AWS::SSM::Parameter, Properties: {{ Type: String, Value: one }} }}\n"
        )
    };
    format!("Resources:\n{}", (0..150).map(setting).collect::<String>())
}

/// A stack that goes is waited for by whoever comes next, and asked to go once.
#[test]
fn a_stack_that_goes_is_waited_for() {
    let Some(stand_in) = StandIn::start(Kind::LocalStack) else {
        return;
    };
    let scene = Scene::empty("going");
    let path = scene.directory.path().join("settings.yml");
    fs::write(&path, settings()).expect("written");
    let update = wish("going", &path.to_string_lossy(), &[]);
    let lab = lab(stand_in.account(), &update);
    let id = super::deploy(&lab.account, "going", &path.to_string_lossy(), &[]);
    let driver = lab.driver();
    let dies = DiesAt::new("removing `going`");
    let cx = Context {
        progress: &dies,
        ..lab.context()
    };
    survive(|| driver.remove(&cx, "going", &id)).expect_err("it dies");
    let gone = Expectation::NoStack {
        stack: "going".to_owned(),
    };
    let why = "`going` is DELETE_IN_PROGRESS: it is being changed at this moment".to_owned();
    let seen = lab.driver().look(&lab.context(), &gone);
    assert_eq!(seen, Finding::Unknown { why });
    let other = self::lab(stand_in.account(), &update);
    let done = other.driver().remove(&other.context(), "going", &id);
    assert_eq!(done.expect("removed").completed, Completed::Done);
    assert_eq!(other.driver().look(&other.context(), &gone), Finding::Holds);
    let asked = other.account.calls().counts().into_keys();
    let mut asked = asked.map(|(_, action)| action);
    assert!(asked.all(|action| action != "cloudformation:DeleteStack"));
}

/// Relies on C19 (LocalStack, ok): states in progress.
#[test]
fn what_somebody_else_changes_is_left_alone_until_it_is_over() {
    let Some(stand_in) = StandIn::start(Kind::LocalStack) else {
        return;
    };
    let account = stand_in.account();
    let scene = Scene::deployed(&account, "theirs");
    let update = scene.update(1);
    let lab = lab(account, &update);
    scene.changed_by_somebody_else(&stand_in, 1);
    let failure = lab.driver().update(&lab.context(), &update);
    assert_eq!(
        told(&failure.expect_err("it is theirs")),
        "`theirs` is being changed by somebody else\n\
         state: theirs: UPDATE_IN_PROGRESS\n\
         hint: wait until that is over, see what it changed, then resume\n"
    );
    let wanted = Wanted {
        stacks: [("theirs".to_owned(), None)].into(),
        ..Wanted::default()
    };
    let seen = observe(&lab.account, &wanted, &|_| ()).expect("it can be looked at meanwhile");
    assert!(seen.cloud.stacks["theirs"].status.in_progress());
    scene.wait_until(&lab.account, "UPDATE_COMPLETE");
    // What it leads to is there already: nothing is begun.
    let done = lab
        .driver()
        .update(&lab.context(), &update)
        .expect("nothing to do");
    assert_eq!(done.completed, Completed::AlreadyDone);
    assert_eq!(scene.began(&lab.account, "UPDATE_IN_PROGRESS"), 1);
}

/// One update of one stack by the engine, with a journal.
struct Run {
    lab: Lab,
    scene: Scene,
    state: StateDirectory,
    crash: CrashPoints,
}

impl Run {
    fn new(account: Account, number: u64) -> Self {
        let scene = Scene::deployed(&account, &format!("machine-{number}"));
        let update = scene.update(1);
        // No service is of this stack: none is waited for.
        let stays = Check::Stable {
            images: BTreeMap::new(),
        };
        let acts = vec![
            Act::Update { update },
            Act::Verify {
                checks: vec![stays],
            },
        ];
        let mut lab = Lab::of_acts(Rc::new(account), acts);
        let plan = &mut lab.plan;
        plan.datastores.clear();
        plan.origin = Origin::default();
        plan.to = super::version("3.32.1");
        for step in &mut plan.stages[0].steps {
            step.way_back = WayBack::None {
                because: "it is nobody's".to_owned(),
            };
        }
        let step = &mut plan.stages[0].steps[0];
        step.before = vec![scene.is(0)];
        step.after = vec![scene.is(1)];
        lab.plan = lab.plan.clone().seal();
        Self {
            state: StateDirectory::open(lab.directory.path().join("state")).expect("a state"),
            crash: CrashPoints::default(),
            lab,
            scene,
        }
    }

    /// A new process works on it until it ends or dies.
    fn work(&self, account: Account) -> Result<Ended, Crashed> {
        let stop = StopSignal::default();
        let engine = Engine::new(self.state.clone(), Redactor::default(), stop);
        let engine = engine.with_process(process());
        let account = Rc::new(account);
        let site = Site {
            driver: Box::new(Dying::new(&account, self.lab.conduct(), &self.crash)),
            datastores: BTreeMap::new(),
        };
        let run = RunId::new("r-7c1d");
        let order = Order {
            plan: &self.lab.plan,
            run: &run,
            deployment: &self.lab.plan.deployment,
            accepted: &[],
            done: &[],
            by: "tester@lab",
            program: "0.0.0",
        };
        let witness = Witness {
            crash: &self.crash,
            before: "",
        };
        survive(|| {
            engine
                .run(&order, &site, &witness)
                .expect("the order is taken")
        })
    }

    fn assert_done(&self, why: &str) {
        let account = &self.lab.account;
        let finding = self
            .lab
            .driver()
            .look(&self.lab.context(), &self.scene.is(1));
        assert_eq!(finding, Finding::Holds, "{why}");
        assert_eq!(self.scene.began(account, "UPDATE_IN_PROGRESS"), 1, "{why}");
    }
}

/// Relies on C19 (LocalStack, ok): states in progress.
#[test]
fn a_process_that_is_killed_anywhere_is_followed_by_one_that_goes_on() {
    let Some(stand_in) = StandIn::start(Kind::LocalStack) else {
        return;
    };
    let whole = Run::new(stand_in.account(), 0);
    let ended = whole.work(stand_in.account()).expect("nobody dies");
    assert!(matches!(ended, Ended::Finished { .. }), "{ended:?}");
    whole.assert_done("in one go");
    let points = whole.crash.passed();
    let mut places = Vec::new();
    for fatal in 1..=points {
        let run = Run::new(stand_in.account(), fatal);
        run.crash.arm(fatal);
        let crashed = run.work(stand_in.account()).expect_err("it dies");
        run.crash.arm(0);
        let why = format!("died at point {fatal}, {}", crashed.at);
        let ended = run.work(stand_in.account()).expect("nobody dies");
        assert!(matches!(ended, Ended::Finished { .. }), "{why}: {ended:?}");
        run.assert_done(&why);
        places.push(crashed.at);
    }
    assert!(
        places.contains(&"while it changes".to_owned()),
        "{places:?}"
    );

    // Somebody else's change at the moment in which a run begins.
    let run = Run::new(stand_in.account(), points + 1);
    run.scene.changed_by_somebody_else(&stand_in, 1);
    let ended = run.work(stand_in.account()).expect("nobody dies");
    let Ended::Halted(problem) = ended else {
        panic!("{ended:?}");
    };
    assert_eq!(problem.code, "cannot-tell");
    assert!(
        problem.what.ends_with(
            "cannot tell: `machine-0` is UPDATE_IN_PROGRESS: it is being changed at this moment"
                .replace("machine-0", &run.scene.stack)
                .as_str()
        ),
        "{problem:?}"
    );
    run.scene.wait_until(&run.lab.account, "UPDATE_COMPLETE");
    let ended = run.work(stand_in.account()).expect("nobody dies");
    assert!(matches!(ended, Ended::Finished { .. }), "{ended:?}");
}
