//! Updates that could neither be finished nor taken back: planned from what the account tells, taken back, killed anywhere.

use std::collections::BTreeMap;

use switchback_engine::ports::{Driver, Failure, Finding, Site};
use switchback_engine::redact::Redactor;
use switchback_engine::signal::StopSignal;
use switchback_engine::{Ended, Engine, Order};
use switchback_journal::StateDirectory;
use switchback_model::config::AwsConfig;
use switchback_model::plan::{Act, Check, Plan};
use switchback_model::stack::{ParameterWish, StackEvent, StackUpdate};
use switchback_model::{Problem, RunId, Version};
use switchback_planner::check;
use switchback_planner::stack::{RecoveryInput, recovery};
use switchback_testkit::crash::{CrashPoints, Crashed, survive};

use super::dying::{Dying, Witness, process};
use super::refusals::told;
use super::standins::{Kind, StandIn};
use super::{Lab, deploy, template, value, wish, within_policy};
use crate::stacks::{events, read};
use crate::{Wanted, observe};

/// A zip file without anything in it, which is all text.
const ZIP: &str = "PK\u{5}\u{6}\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// A stack whose update to other settings fails, and whose way back does as well: the code of before is gone.
struct Half {
    lab: Lab,
    stack: String,
}

impl Half {
    fn new(ministack: &StandIn, number: u64) -> Self {
        let stack = format!("half-{number}");
        ministack.put(&stack, "");
        for code in ["old", "new"] {
            ministack.put(&format!("{stack}/{code}"), ZIP);
        }
        let account = ministack.account();
        let path = template("v1", "half-way");
        deploy(&account, &stack, &path, &[("Name", &stack)]);
        ministack.take(&format!("{stack}/old"));
        let update = StackUpdate {
            template: None,
            ..wish(
                &stack,
                &path,
                &[
                    ("Name", ParameterWish::Previous),
                    ("Code", value("new")),
                    ("Seconds", value("9")),
                    ("Kind", value("Impossible")),
                ],
            )
        };
        let lab = Lab::new(
            account,
            Act::Update {
                update: update.clone(),
            },
        );
        Self { lab, stack }
    }

    fn update(&self) -> Failure {
        let Act::Update { update } = &self.lab.plan.stages[0].steps[0].act else {
            panic!("it updates");
        };
        let done = self.lab.driver().update(&self.lab.context(), update);
        done.expect_err("neither forth nor back")
    }

    /// What is planned from what the account tells now.
    fn plan(&self, skip: &[&str]) -> Result<Option<Plan>, Problem> {
        let product = switchback_catalog::load("the-things-stack")
            .expect("it is built in")
            .expect("it is well-formed");
        let config = AwsConfig {
            stacks: [(self.stack.clone(), "5-2-ecs-ops".to_owned())].into(),
            ..AwsConfig::default()
        };
        let account = &self.lab.account;
        let seen = observe(account, &Wanted::of(&config), &|_| ()).expect("observed");
        let skip: Vec<String> = skip
            .iter()
            .map(|it| format!("{}/{it}", self.stack))
            .collect();
        let plan = recovery(&RecoveryInput {
            product: &product,
            config: &config,
            deployment: &self.lab.plan.deployment,
            cloud: &seen.cloud,
            version: &Version::new("3.30.0"),
            skip: &skip,
            run: None,
            parent: None,
        })?;
        if let Some(plan) = &plan {
            assert_eq!(check(plan), Vec::new());
        }
        Ok(plan)
    }

    fn planned(&self, skip: &[&str]) -> Plan {
        self.plan(skip).expect("planned").expect("it is half way")
    }

    fn status(&self) -> String {
        let now = read::one(&self.lab.account, &self.stack);
        now.expect("read")
            .expect("there")
            .status
            .as_str()
            .to_owned()
    }

    /// How often somebody went on with the way back.
    fn tries(&self) -> usize {
        let events = events::newest(&self.lab.account, &self.stack).expect("events");
        let begun = |event: &&StackEvent| {
            events::is_of_stack(event, &self.stack)
                && event.status == "UPDATE_ROLLBACK_IN_PROGRESS"
                && event.reason.as_deref() == Some("User Initiated")
        };
        events.iter().filter(begun).count()
    }
}

/// A run of a plan, by processes of which some die.
struct Runs<'a> {
    half: &'a Half,
    plan: Plan,
    state: StateDirectory,
    crash: CrashPoints,
}

impl<'a> Runs<'a> {
    fn of(half: &'a Half, plan: Plan) -> Self {
        let place = half.lab.directory.path().join(format!("state-{}", plan.id));
        Self {
            state: StateDirectory::open(place).expect("a state"),
            half,
            plan,
            crash: CrashPoints::default(),
        }
    }

    fn work(&self) -> Result<Ended, Crashed> {
        let engine = Engine::new(
            self.state.clone(),
            Redactor::default(),
            StopSignal::default(),
        )
        .with_process(process());
        let account = &self.half.lab.account;
        let site = Site {
            driver: Box::new(Dying::new(account, self.half.lab.conduct(), &self.crash)),
            datastores: BTreeMap::new(),
        };
        let accepted: Vec<String> = self
            .plan
            .notices
            .iter()
            .filter_map(|it| it.accept.clone())
            .collect();
        let order = Order {
            plan: &self.plan,
            run: &RunId::new("r-7c1d"),
            deployment: &self.plan.deployment,
            accepted: &accepted,
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

    fn finishes(&self, why: &str) {
        let ended = self.work().expect("nobody dies");
        assert!(matches!(ended, Ended::Finished { .. }), "{why}: {ended:?}");
    }

    fn halts(&self) -> Problem {
        match self.work().expect("nobody dies") {
            Ended::Halted(problem) => problem,
            other => panic!("{other:?}"),
        }
    }
}

fn verbs(plan: &Plan) -> Vec<String> {
    let acts = plan.steps().map(|(_, step)| &step.act);
    acts.map(|act| match act.infrastructure() {
        Some(about) => format!("{} {about}", act.verb()),
        None => act.verb().to_owned(),
    })
    .collect()
}

fn in_words(problem: &Problem) -> String {
    let state = problem.state.iter().map(|it| {
        let seen = it.seen.as_deref().unwrap_or("unknown");
        format!("state: {}: {seen}\n", it.subject)
    });
    let causes = problem.causes.iter().map(|it| format!("caused by: {it}\n"));
    let hints = problem.hints.iter().map(|it| format!("hint: {it}\n"));
    format!("{}\n", problem.what) + &causes.chain(state).chain(hints).collect::<String>()
}

/// Relies on C13, C20, C21 (ministack, ok): a rollback stops where it cannot go on, and goes on under its token.
#[test]
fn an_update_that_is_half_way_is_taken_back_wherever_a_process_dies() {
    let Some(ministack) = StandIn::start(Kind::Ministack) else {
        return;
    };
    let whole = Half::new(&ministack, 0);
    assert!(whole.plan(&[]).expect("planned").is_none(), "it is at rest");
    assert_eq!(
        told(&whole.update()),
        "`half-0` could not be updated, and the update could not be taken back\n\
         caused by: `Setting` (AWS::SSM::Parameter): AWS::SSM::Parameter Type 'Impossible' is not supported by CloudFormation (allowed values: String, StringList)\n\
         state: half-0: UPDATE_ROLLBACK_FAILED: between two states; stuck: Function\n\
         hint: correct what the cause names, then plan how the update is taken back: `switchback plan`\n\
         hint: this run waits meanwhile, and goes on once that plan was applied\n"
    );
    let again = whole.update();
    assert_eq!(again.code, "stack-unsteady");
    assert_eq!(
        again.hints,
        ["plan how the earlier update is taken back: `switchback plan`; then resume"]
    );
    let plan = whole.planned(&[]);
    assert_eq!(verbs(&plan), ["take back half-0"]);
    ministack.put("half-0/old", ZIP);
    let runs = Runs::of(&whole, plan);
    runs.finishes("in one go");
    assert_eq!(
        (whole.status().as_str(), whole.tries()),
        ("UPDATE_ROLLBACK_COMPLETE", 1)
    );
    let points = runs.crash.passed();
    assert!(points > 5, "{points}");
    for fatal in 1..=points {
        let half = Half::new(&ministack, fatal);
        half.update();
        let plan = half.planned(&[]);
        ministack.put(&format!("half-{fatal}/old"), ZIP);
        let runs = Runs::of(&half, plan);
        runs.crash.arm(fatal);
        let crashed = runs.work().expect_err("it dies");
        runs.crash.arm(0);
        let why = format!("died at point {fatal}, {}", crashed.at);
        runs.finishes(&why);
        assert_eq!(
            (half.status().as_str(), half.tries()),
            ("UPDATE_ROLLBACK_COMPLETE", 1),
            "{why}"
        );
    }
    within_policy(&whole.lab.account);
}

/// Relies on C16, C20, C21 (ministack, ok), also for drift of a function.
#[test]
fn what_is_stuck_again_is_left_out_by_name_alone_and_looked_at_in_the_end() {
    let Some(ministack) = StandIn::start(Kind::Ministack) else {
        return;
    };
    let half = Half::new(&ministack, 0);
    half.update();
    let untried = half.plan(&["Function"]).expect_err("nobody has tried");
    assert_eq!(
        in_words(&untried),
        "nobody has tried yet to take the update of `half-0` back with `Function`\n\
         state: stacks: unchanged\n\
         state: stack half-0: UPDATE_ROLLBACK_FAILED\n\
         hint: repair what its reason names, then without --skip: `switchback plan`, `switchback apply`\n\
         hint: where that is stuck again: `switchback plan --skip half-0/Function`\n"
    );
    let other = half.plan(&["Setting"]).expect_err("it is not stuck");
    assert_eq!(other.code, "skip-not-stuck");
    assert!(
        other.causes[0].starts_with("`Function` (AWS::Lambda::Function)"),
        "{other:?}"
    );

    // Nothing was repaired: it is stuck again, and says how it can be given up. Asked once more it tries once more.
    let first = Runs::of(&half, half.planned(&[]));
    let problem = first.halts();
    assert_eq!(problem.code, "rollback-failed", "{problem:?}");
    assert!(
        problem.causes[0].contains("Failed to fetch code from s3://half-0/old"),
        "{problem:?}"
    );
    let hints = problem.hints.join("\n");
    assert!(
        hints.contains("`switchback plan --skip half-0/Function`"),
        "{hints}"
    );
    assert!(
        !hints.contains("switchback rollback"),
        "it is no upgrade: {hints}"
    );
    assert_eq!(half.tries(), 1);
    assert_eq!(first.halts().code, "rollback-failed");
    assert_eq!(half.tries(), 2);

    let plan = half.planned(&["Function"]);
    let words: Vec<&str> = plan
        .notices
        .iter()
        .filter_map(|it| it.accept.as_deref())
        .collect();
    assert_eq!(words, ["skip-half-0-Function"]);
    assert_eq!(
        verbs(&plan),
        ["take back half-0, leaving out Function", "verify"]
    );
    let mut silent = plan.clone();
    silent.notices.clear();
    assert_eq!(check(&silent.seal())[0].rule, "skip");
    let mut unseen = plan.clone();
    unseen.stages[0]
        .steps
        .retain(|step| !matches!(step.act, Act::Verify { .. }));
    assert_eq!(check(&unseen.seal())[0].rule, "not-verified");

    let runs = Runs::of(&half, plan);
    let problem = runs.halts();
    assert_eq!(half.status(), "UPDATE_ROLLBACK_COMPLETE");
    assert_eq!(problem.code, "not-as-template", "{problem:?}");
    let seen: Vec<&str> = problem
        .state
        .iter()
        .filter_map(|it| it.seen.as_deref())
        .collect();
    assert!(seen.contains(&"/Timeout is `9`, not `3`"), "{problem:?}");
    assert!(
        problem.hints[0].starts_with("bring it by hand to what the template says, then"),
        "{problem:?}"
    );
    ministack.configure_function("half-0", r#"{"Timeout": 3}"#);
    runs.finishes("somebody brought it there");
    assert_eq!(half.tries(), 3, "what is done is not done again");
}

/// Relies on C21 (ministack, ok).
#[test]
fn a_stack_that_went_on_since_is_drift_and_nobody_elses_try_is_adopted() {
    let Some(ministack) = StandIn::start(Kind::Ministack) else {
        return;
    };
    let half = Half::new(&ministack, 0);
    half.update();
    let plan = half.planned(&[]);
    let step = &plan.stages[0].steps[0];
    let cx = half.lab.context();
    assert_eq!(half.lab.driver().look(&cx, &step.before[0]), Finding::Holds);
    assert!(matches!(
        half.lab.driver().look(&cx, &step.after[0]),
        Finding::Differs { .. }
    ));
    // Somebody gives the function up in the console.
    ministack.cloudformation(
        [
            ("Action", "ContinueUpdateRollback"),
            ("StackName", "half-0"),
            ("ResourcesToSkip.member.1", "Function"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .to_vec(),
    );
    while half.status() != "UPDATE_ROLLBACK_COMPLETE" {
        std::thread::sleep(std::time::Duration::from_millis(30));
    }
    let gone_on = half.lab.driver().look(&cx, &step.before[0]);
    assert!(
        matches!(&gone_on, Finding::Differs { found } if found == "`half-0` is UPDATE_ROLLBACK_COMPLETE"),
        "{gone_on:?}"
    );
    assert_eq!(half.lab.driver().look(&cx, &step.after[0]), Finding::Holds);
    let Act::TakeBack { update } = &step.act else {
        panic!("it takes back");
    };
    let done = half
        .lab
        .driver()
        .take_back(&cx, update)
        .expect("nothing to do");
    assert_eq!(done.summary, "the update of `half-0` is taken back");
    let function = Check::AsTemplate {
        stack: "half-0".to_owned(),
        logical: vec!["Function".to_owned()],
    };
    let failure = half
        .lab
        .driver()
        .check(&cx, &function)
        .expect_err("it is another");
    assert_eq!(failure.code, "not-as-template");
}
