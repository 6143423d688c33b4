//! Stacks that an update left half way: what failed, what is kept first, what can be given up and by whom.

use switchback_model::observed::Deployment;
use switchback_model::plan::{Act, Plan, Purpose, Step};
use switchback_model::stack::{StackEvent, StackStatus};
use switchback_model::{Problem, RunId, Version};
use switchback_planner::stack::{RecoveryInput, recovery};
use switchback_planner::{check, outline};

use super::account::{Site, product, told};

const DISK: &str = "prod-2-5-db-timescale-master";
const OPS: &str = "prod-5-2-ecs-ops";

/// Events of one failed update with this many tries to take it back, as they are told: newest first.
fn events(stack: &str, tries: usize, resources: &[(&str, &str, &str, &str)]) -> Vec<StackEvent> {
    let event = |logical: &str, kind: &str, status: &str, reason: &str| StackEvent {
        at: "2026-03-01T10:00:00Z".to_owned(),
        logical: logical.to_owned(),
        kind: kind.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        token: None,
    };
    let of_stack = |status: &str| event(stack, "AWS::CloudFormation::Stack", status, "");
    let mut told = vec![of_stack("UPDATE_IN_PROGRESS")];
    told.extend(
        resources
            .iter()
            .map(|(logical, kind, before, _)| match before.split_once(": ") {
                Some((status, reason)) => event(logical, kind, status, reason),
                None => event(logical, kind, before, ""),
            }),
    );
    for _ in 0..tries {
        told.push(of_stack("UPDATE_ROLLBACK_IN_PROGRESS"));
        let stuck = resources.iter().filter(|(.., reason)| !reason.is_empty());
        told.extend(
            stuck.map(|(logical, kind, _, reason)| event(logical, kind, "UPDATE_FAILED", reason)),
        );
        told.push(of_stack("UPDATE_ROLLBACK_FAILED"));
    }
    told.reverse();
    told
}

/// The disk's stack is half way; what its machine runs on is stuck, and so is the disk.
fn half_way(tries: usize) -> Site {
    let mut site = Site::numbered("3.24.2", "3.26.0");
    let stack = site.stack(DISK);
    stack.status = StackStatus::new("UPDATE_ROLLBACK_FAILED");
    stack.events = events(
        DISK,
        tries,
        &[
            (
                "Instance",
                "AWS::EC2::Instance",
                "CREATE_FAILED: You have reached your quota of instances",
                "",
            ),
            (
                "Group",
                "AWS::EC2::SecurityGroup",
                "UPDATE_FAILED: Resource update cancelled",
                "sg-1 does not exist",
            ),
            (
                "Volume",
                "AWS::EC2::Volume",
                "UPDATE_IN_PROGRESS: Requested update requires the creation of a new physical resource; hence creating one.",
                "Volume vol-1 is in use",
            ),
        ],
    );
    site
}

fn plan(site: &Site, skip: &[&str], run: Option<&str>) -> Result<Option<Plan>, Problem> {
    let skip: Vec<String> = skip.iter().map(|it| (*it).to_owned()).collect();
    let run = run.map(RunId::new);
    let plan = recovery(&RecoveryInput {
        product: product(),
        config: &site.config,
        deployment: &Deployment {
            name: "prod".to_owned(),
            directory: "/srv/prod".to_owned(),
            driver: "cloudformation".to_owned(),
            project: "123456789012/eu-west-1".to_owned(),
        },
        cloud: &site.cloud,
        version: &Version::new("3.24.2"),
        skip: &skip,
        run: run.as_ref(),
        parent: run.as_ref(),
    })?;
    if let Some(plan) = &plan {
        assert_eq!(check(plan), Vec::new());
    }
    Ok(plan)
}

fn planned(site: &Site, skip: &[&str]) -> Plan {
    let plan = plan(site, skip, Some("r-7c1d"));
    plan.expect("planned").expect("a stack is half way")
}

fn shown(plan: &Plan) -> String {
    let because = plan
        .because
        .iter()
        .map(|it| format!("because {} [{}]\n", it.text, it.source));
    let notices = plan.notices.iter().map(|it| {
        let found = it
            .found
            .as_ref()
            .map_or_else(String::new, |found| format!(" ({found})"));
        let accept = it
            .accept
            .as_ref()
            .map_or_else(String::new, |word| format!(" --accept {word}"));
        format!("notice {}: {}{found}{accept}\n", it.id, it.text)
    });
    let text: String = because.chain(notices).collect();
    outline(plan).replace(plan.id.as_str(), "p-0") + &text
}

#[test]
fn a_stack_that_is_half_way_is_taken_back_with_a_snapshot_first_and_nothing_left_out() {
    let site = half_way(1);
    assert!(told(&site.plan().expect_err("no upgrade from there")).starts_with("stack-not-steady"));
    let plan = planned(&site, &[]);
    insta::assert_snapshot!("nothing_left_out", shown(&plan));
    let run = RunId::new("r-7c1d");
    assert_eq!(
        plan.purpose,
        Purpose::Recovery {
            run: Some(run.clone())
        }
    );
    assert_eq!(plan.parent, Some(run));
    assert_eq!(plan.id, plan.id_of_content());
    // Stacks that the deployment does not touch are nobody's business, nor are those at rest.
    let mut left = half_way(1);
    left.config.leave.push(DISK.to_owned());
    assert!(self::plan(&left, &[], None).expect("planned").is_none());
    assert!(
        self::plan(&Site::numbered("3.24.2", "3.26.0"), &[], None)
            .expect("planned")
            .is_none()
    );
}

#[test]
fn what_is_left_out_is_named_tried_before_and_accepted_one_by_one() {
    let disk = format!("{DISK}/Volume");
    let group = format!("{DISK}/Group");
    let tell = |name: &str, site: &Site, skip: &[&str]| {
        let problem = plan(site, skip, None).expect_err("refused");
        format!("## {name}\n{}", told(&problem))
    };
    insta::assert_snapshot!(
        "not_left_out",
        [
            tell("untried", &half_way(1), &[&disk]),
            tell("not stuck", &half_way(2), &[&format!("{DISK}/Instance")]),
            tell("another stack", &half_way(2), &[&format!("{OPS}/Volume")]),
            tell("no resource", &half_way(2), &["Volume"]),
            tell("at rest", &Site::numbered("3.24.2", "3.26.0"), &[&disk]),
        ]
        .join("\n")
    );
    let both = planned(&half_way(2), &[&disk, &group, &disk]);
    insta::assert_snapshot!("left_out", shown(&both));
    let words: Vec<&str> = both
        .notices
        .iter()
        .filter_map(|it| it.accept.as_deref())
        .collect();
    assert_eq!(
        words,
        [
            format!("skip-{DISK}-Group"),
            format!("skip-data-{DISK}-Volume")
        ]
    );
}

/// Each broken rule is objected to.
#[test]
fn the_checker_holds_a_recovery_to_what_is_safe() {
    let disk = format!("{DISK}/Volume");
    let rules = |break_it: &dyn Fn(&mut Plan)| {
        let mut plan = planned(&half_way(2), &[&disk]);
        break_it(&mut plan);
        let found = check(&plan.seal()).into_iter();
        found.map(|it| it.rule).collect::<Vec<_>>()
    };
    let back = |plan: &mut Plan, change: &dyn Fn(&mut Step)| {
        let mut steps = plan.stages[0].steps.iter_mut();
        let step = steps
            .find(|step| matches!(step.act, Act::TakeBack { .. }))
            .expect("it takes back");
        change(step);
    };
    assert_eq!(rules(&|_| ()), Vec::<String>::new());
    assert_eq!(
        rules(&|plan| plan.notices.retain(|it| it.accept.is_none())),
        ["skip"]
    );
    assert_eq!(
        rules(&|plan| for notice in &mut plan.notices {
            notice.accept = notice
                .accept
                .as_ref()
                .map(|word| word.replace("skip-data-", "skip-"));
        }),
        ["skip"],
        "data wants its own word"
    );
    assert_eq!(
        rules(&|plan| back(
            plan,
            &|step| if let Act::TakeBack { update } = &mut step.act {
                update.skip.push("Instance".to_owned());
            }
        )),
        ["skip", "not-verified"]
    );
    assert_eq!(
        rules(&|plan| back(plan, &|step| step.before.clear())),
        ["guard"]
    );
    assert_eq!(
        rules(&|plan| back(plan, &|step| step.after.clear())),
        ["no-verification"]
    );
    assert_eq!(
        rules(&|plan| {
            plan.stages[0].steps.pop();
        }),
        ["not-verified"]
    );
    assert_eq!(
        rules(&|plan| plan.purpose = Purpose::Upgrade)[0],
        "stage-kind",
        "nothing else takes an update back"
    );
}
