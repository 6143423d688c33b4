//! Instance refreshes, from documents in the form that AWS's own references give them: no stand-in has machines that one
//! replaces.

use std::cell::{Cell, RefCell};

use switchback_engine::ports::{Context, Driver, Failure, Finding, Progress};
use switchback_model::event::{Completed, Outcome};
use switchback_model::plan::{Act, Expectation};
use switchback_model::stack::{Launch, MachineGroup, RenewBy};
use switchback_testkit::aws::Replay;
use switchback_testkit::crash::{CrashPoints, survive};

use super::refusals::told;
use super::{Lab, standins};
use crate::Account;

const STACK: &str = "prod-5-1-ecs-cluster";
const BY: RenewBy = RenewBy::Refresh {
    healthy: 50,
    warm_up: Some(60),
};
const ID: &str = "08b91cf7-8fa6-48af-b6a6-d227f40f1b9b";
/// Behind the second in which AWS answered that none was under way.
const BEGAN: &str = "2026-03-01T10:00:05Z";

fn group() -> MachineGroup {
    MachineGroup {
        stack: STACK.to_owned(),
        logical: "AutoScalingGroup".to_owned(),
        name: "my-asg".to_owned(),
        launch: Launch::default(),
        machines: Vec::new(),
    }
}

/// The group's machines: id, launch configuration, state in the group. The next one is made from `lc-2`.
fn machines(of: &[(&str, &str, &str)]) -> String {
    let members = of.iter().map(|(id, launch, state)| {
        format!(
            "<member><InstanceId>{id}</InstanceId><LaunchConfigurationName>{launch}</LaunchConfigurationName>\
             <LifecycleState>{state}</LifecycleState><InstanceType>m5.large</InstanceType><AvailabilityZone>us-east-1a</AvailabilityZone>\
             <HealthStatus>Healthy</HealthStatus><ProtectedFromScaleIn>false</ProtectedFromScaleIn></member>"
        )
    });
    format!(
        "<AutoScalingGroups><member><AutoScalingGroupName>my-asg</AutoScalingGroupName><LaunchConfigurationName>lc-2</LaunchConfigurationName>\
         <MinSize>2</MinSize><MaxSize>4</MaxSize><DesiredCapacity>2</DesiredCapacity><DefaultCooldown>300</DefaultCooldown>\
         <AvailabilityZones><member>us-east-1a</member></AvailabilityZones><HealthCheckType>EC2</HealthCheckType>\
         <CreatedTime>2026-01-01T00:00:00Z</CreatedTime><Instances>{}</Instances></member></AutoScalingGroups>",
        members.collect::<String>()
    )
}

/// What is told of a refresh, as `aws autoscaling describe-instance-refreshes` shows it; none where there is no status.
fn refresh(status: &str, percent: u32, left: u32, reason: &str) -> String {
    if status.is_empty() {
        return "<InstanceRefreshes/>".to_owned();
    }
    format!(
        "<InstanceRefreshes><member><InstanceRefreshId>{ID}</InstanceRefreshId><AutoScalingGroupName>my-asg</AutoScalingGroupName>\
         <Status>{status}</Status><StatusReason>{reason}</StatusReason><StartTime>{BEGAN}</StartTime>\
         <PercentageComplete>{percent}</PercentageComplete><InstancesToUpdate>{left}</InstancesToUpdate></member></InstanceRefreshes>"
    )
}

/// A group of two machines, of which one is behind, and an AWS that tells of refreshes like this, one after the other.
fn scene(refreshes: &[String]) -> (Replay, Lab) {
    let replay = Replay::start();
    let id = format!("arn:aws:cloudformation:us-east-1:123456789012:stack/{STACK}/1");
    replay.answer(
        "DescribeStacks",
        &[&format!(
            "<Stacks><member><StackName>{STACK}</StackName><StackId>{id}</StackId><StackStatus>UPDATE_COMPLETE</StackStatus>\
             <CreationTime>2026-01-01T00:00:00Z</CreationTime></member></Stacks>"
        )],
    );
    replay.answer(
        "ListStackResources",
        &["<StackResourceSummaries><member><LogicalResourceId>AutoScalingGroup</LogicalResourceId><PhysicalResourceId>my-asg</PhysicalResourceId>\
           <ResourceType>AWS::AutoScaling::AutoScalingGroup</ResourceType><ResourceStatus>UPDATE_COMPLETE</ResourceStatus>\
           <LastUpdatedTimestamp>2026-01-01T00:00:00Z</LastUpdatedTimestamp></member></StackResourceSummaries>"],
    );
    replay.answer("DescribeLaunchConfigurations", &["<LaunchConfigurations/>"]);
    replay.answer(
        "DescribeAutoScalingGroups",
        &[&machines(&[
            ("i-1", "lc-1", "InService"),
            ("i-2", "lc-2", "InService"),
        ])],
    );
    tell(&replay, refreshes);
    replay.answer(
        "StartInstanceRefresh",
        &[&format!("<InstanceRefreshId>{ID}</InstanceRefreshId>")],
    );
    let directory = tempfile::tempdir().expect("temporary directory");
    let settings = standins::settings(directory.path()).at(&replay.url);
    let account = Account::open(&settings).expect("it says who asks");
    let lab = Lab::new(
        account,
        Act::Renew {
            group: group(),
            by: BY,
        },
    );
    (replay, lab)
}

fn tell(replay: &Replay, refreshes: &[String]) {
    let told: Vec<&str> = refreshes.iter().map(String::as_str).collect();
    replay.answer("DescribeInstanceRefreshes", &told);
}

fn none() -> String {
    refresh("", 0, 0, "")
}

#[derive(Default)]
struct Heard(RefCell<Vec<(String, Option<u64>)>>);

impl Progress for Heard {
    fn report(&self, doing: &str, done: Option<u64>, _: Option<u64>, _: Option<&str>) {
        self.0.borrow_mut().push((doing.to_owned(), done));
    }
}

fn renew(lab: &Lab, heard: &dyn Progress) -> Result<Outcome, Failure> {
    let cx = Context {
        progress: heard,
        ..lab.context()
    };
    lab.driver().renew(&cx, &group(), BY)
}

#[test]
fn a_refresh_is_begun_as_the_operator_says_and_followed_by_how_far_it_is() {
    let waiting = "Waiting for instances to warm up before continuing.";
    let (replay, lab) = scene(&[
        none(),
        none(),
        refresh("Pending", 0, 2, ""),
        refresh("InProgress", 0, 2, waiting),
        refresh("InProgress", 50, 1, waiting),
        refresh("Successful", 100, 0, ""),
    ]);
    let heard = Heard::default();
    let done = renew(&lab, &heard).expect("it is through");
    assert_eq!(done.completed, Completed::Done);
    assert_eq!(
        done.summary,
        format!("instance refresh {ID} of `my-asg` is through")
    );
    let form = replay.form("StartInstanceRefresh").expect("it was begun");
    for said in [
        "AutoScalingGroupName=my-asg",
        "Preferences.MinHealthyPercentage=50",
        "Preferences.InstanceWarmup=60",
        "Preferences.SkipMatching=true",
        "Preferences.AutoRollback=false",
        "Preferences.ScaleInProtectedInstances=Refresh",
    ] {
        assert!(
            form.split('&').any(|pair| pair == said),
            "no {said} in {form}"
        );
    }
    assert_eq!(
        heard.0.into_inner(),
        [
            (
                "refresh of `my-asg` Pending, 2 machines left".to_owned(),
                Some(0)
            ),
            (
                format!("refresh of `my-asg` InProgress, 2 machines left: {waiting}"),
                Some(0)
            ),
            (
                format!("refresh of `my-asg` InProgress, 1 machines left: {waiting}"),
                Some(50)
            ),
        ]
    );
    // Typed again, with machines that are behind again: the one that is through is not taken for another.
    tell(&replay, &[refresh("Successful", 100, 0, "")]);
    renew(&lab, &Heard::default()).expect("through");
    assert_eq!(replay.heard("StartInstanceRefresh"), 2);
}

/// Dies at the first thing that it hears.
struct Dies<'a>(&'a CrashPoints, Cell<bool>);

impl Progress for Dies<'_> {
    fn report(&self, _: &str, _: Option<u64>, _: Option<u64>, _: Option<&str>) {
        if !self.1.replace(true) {
            self.0.point("in the middle");
        }
    }
}

#[test]
fn one_that_a_killed_process_left_running_is_adopted_and_its_end_is_told() {
    let (replay, lab) = scene(&[none(), none(), refresh("InProgress", 0, 1, "")]);
    let crash = CrashPoints::default();
    crash.arm(1);
    let died = survive(|| renew(&lab, &Dies(&crash, Cell::new(false))));
    assert!(died.is_err(), "it dies while machines are replaced");
    tell(
        &replay,
        &[
            refresh("InProgress", 50, 1, ""),
            refresh("Successful", 100, 0, ""),
        ],
    );
    let done = renew(&lab, &Heard::default()).expect("it is through");
    assert_eq!(done.completed, Completed::Adopted);
    assert_eq!(replay.heard("StartInstanceRefresh"), 1);

    // It failed while nobody looked: that is told before another is begun.
    let (replay, lab) = scene(&[none(), none(), refresh("InProgress", 0, 1, "")]);
    let crash = CrashPoints::default();
    crash.arm(1);
    let died = survive(|| renew(&lab, &Dies(&crash, Cell::new(false))));
    assert!(died.is_err(), "it dies as well");
    tell(&replay, &[refresh("Failed", 0, 1, "no capacity")]);
    let failure = renew(&lab, &Heard::default()).expect_err("it failed meanwhile");
    assert_eq!(failure.code, "refresh-failed");
    assert_eq!(replay.heard("StartInstanceRefresh"), 1);
}

/// The SDK asks again where no answer came; AWS then says that one is under way.
#[test]
fn one_whose_answer_was_lost_is_known_by_when_it_began() {
    let (replay, lab) = scene(&[
        none(),
        none(),
        refresh("InProgress", 0, 1, ""),
        refresh("InProgress", 0, 1, ""),
        refresh("Successful", 100, 0, ""),
    ]);
    replay.refuse_once("StartInstanceRefresh", "InstanceRefreshInProgressFault");
    let done = renew(&lab, &Heard::default()).expect("it is ours");
    assert_eq!(
        done.summary,
        format!("instance refresh {ID} of `my-asg` is through")
    );
    assert_eq!(replay.heard("StartInstanceRefresh"), 1);
}

#[test]
fn a_refresh_that_does_not_come_to_its_end_says_how_the_machines_are() {
    let (replay, lab) = scene(&[
        none(),
        none(),
        refresh("Failed", 50, 1, "Instance i-3 failed its health check"),
    ]);
    let half = machines(&[
        ("i-1", "lc-1", "InService"),
        ("i-2", "lc-2", "InService"),
        ("i-3", "lc-2", "Pending"),
    ]);
    replay.answer("DescribeAutoScalingGroups", &[&half]);
    let failure = renew(&lab, &Heard::default()).expect_err("it failed");
    assert_eq!(
        told(&failure),
        format!(
            "the machines of `my-asg` were not all replaced: the instance refresh failed\n\
             caused by: {ID}: Failed: Instance i-3 failed its health check\n\
             state: my-asg: as the next one will be: i-2, i-3; behind: i-1\n\
             state: service: i-3 is Pending\n\
             hint: see why the new machine is not healthy: its system log, and the activities of its group; correct it\n\
             hint: resume: another refresh begins, and machines that were replaced stay\n"
        )
    );
    // That is what resuming does.
    tell(
        &replay,
        &[
            refresh("Failed", 50, 1, ""),
            refresh("Failed", 50, 1, ""),
            refresh("Cancelled", 50, 1, "Cancelled by user"),
        ],
    );
    replay.answer(
        "DescribeAutoScalingGroups",
        &[&machines(&[
            ("i-1", "lc-1", "InService"),
            ("i-2", "lc-2", "InService"),
        ])],
    );
    let failure = renew(&lab, &Heard::default()).expect_err("somebody cancelled it");
    assert_eq!(replay.heard("StartInstanceRefresh"), 2);
    assert_eq!(
        told(&failure),
        format!(
            "the machines of `my-asg` were not all replaced: the instance refresh was cancelled\n\
             caused by: {ID}: Cancelled: Cancelled by user\n\
             state: my-asg: as the next one will be: i-2; behind: i-1\n\
             state: service: every machine of it is in service\n\
             hint: see who ended it, and why: the activities of the group\n\
             hint: resume: another refresh begins, and machines that were replaced stay\n"
        )
    );
}

#[test]
fn what_somebody_else_has_begun_is_neither_adopted_nor_begun_anew() {
    let (replay, lab) = scene(&[refresh("InProgress", 10, 2, "")]);
    let failure = renew(&lab, &Heard::default()).expect_err("it is somebody else's");
    assert_eq!(
        told(&failure),
        format!(
            "somebody else has the machines of `my-asg` replaced\n\
             caused by: instance refresh {ID} is InProgress\n\
             state: my-asg: was not changed by this step\n\
             hint: wait until that is over, then resume\n\
             hint: or end it: aws autoscaling cancel-instance-refresh --auto-scaling-group-name my-asg, then resume\n"
        )
    );
    assert_eq!(replay.heard("StartInstanceRefresh"), 0);
    // Nothing is begun where no machine is behind.
    tell(&replay, &[none()]);
    let whole = machines(&[("i-2", "lc-2", "InService")]);
    replay.answer("DescribeAutoScalingGroups", &[&whole]);
    let done = renew(&lab, &Heard::default()).expect("nothing to do");
    assert_eq!(done.completed, Completed::AlreadyDone);
    assert_eq!(replay.heard("StartInstanceRefresh"), 0);
}

#[test]
fn on_the_way_back_it_is_ended_and_waited_for() {
    let (replay, lab) = scene(&[
        refresh("InProgress", 50, 1, ""),
        refresh("InProgress", 50, 1, ""),
        refresh("Cancelling", 50, 1, ""),
        refresh("Cancelled", 50, 1, ""),
    ]);
    replay.answer(
        "CancelInstanceRefresh",
        &[&format!("<InstanceRefreshId>{ID}</InstanceRefreshId>")],
    );
    let quiet = Expectation::NoRefresh {
        stack: STACK.to_owned(),
        logical: "AutoScalingGroup".to_owned(),
        group: "my-asg".to_owned(),
    };
    let cx = lab.context();
    let busy = lab.driver().look(&cx, &quiet);
    assert!(
        matches!(&busy, Finding::Differs { found } if *found == format!("refresh {ID} is InProgress")),
        "{busy:?}"
    );
    let done = lab.driver().end_refresh(&cx, &group()).expect("ended");
    assert_eq!(
        done.summary,
        "the refresh of `my-asg` is ended; machines stay as they are"
    );
    assert_eq!(replay.heard("CancelInstanceRefresh"), 1);
    assert_eq!(lab.driver().look(&cx, &quiet), Finding::Holds);
    let again = lab
        .driver()
        .end_refresh(&cx, &group())
        .expect("nothing to end");
    assert_eq!(again.completed, Completed::AlreadyDone);
    assert_eq!(replay.heard("CancelInstanceRefresh"), 1);
}
