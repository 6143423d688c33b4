//! The journey of a deployment on one machine.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Instant;

use switchback_engine::Ended;
use switchback_model::config::{AwsConfig, AwsKind};
use switchback_model::event::Event;
use switchback_model::plan::Plan;
use switchback_model::{Problem, RunId};
use switchback_testkit::aws::{Containers, Image};

use super::deployment::Deployment;
use super::machinery;
use super::standins::{Kind, StandIn};
use super::swept::Swept;
use crate::Operations;

const STACK: &str = "tts";
const RELEASES: [&str; 4] = ["3.21.2", "3.24.2", "3.32.1", "3.32.2"];

/// The product on its machine: it says its version, which its last line names, and migrates. One release cannot migrate the
/// Identity Server's database.
const PROGRAM: &str = "#!/bin/sh
last=$(/bin/busybox tail -n 1 \"$0\")
case \"${last##*:} $*\" in
*' version') echo \"Version: ${last##*:}\"; exit;;
'3.32.1 is-db migrate'*) echo 'pq: column already exists' >&2; exit 3;;
esac
echo \"migrated with ${TTN_LW_CONFIG:-nothing}\"
";

fn halted(ended: Ended) -> Problem {
    match ended {
        Ended::Halted(problem) => problem,
        Ended::Finished { .. } => panic!("it halts"),
    }
}

/// Relies on A9, A10, C9, C16, D1, F2, F3, G5, G7 (ministack with docker, ok): texts as they were given, masked parameters, drift,
/// snapshots, commands with exit codes on a machine that is a container, changes of mappings, replacements. Machines of
/// stacks are as [`machinery`] says.
///
/// From 3.21.2 over the stop at 3.24, halted until the stop's program is on the machine, to 3.32.1, whose migration fails on the
/// next machine; back; and to 3.32.2. Processes are killed on each way, at everything they write and at everything they do.
#[test]
fn one_machine_goes_over_a_stop_with_the_program_of_the_stop_and_is_replaced_once() {
    let Some(images) = Image::releases("thethingsindustries/lorawan-stack", &RELEASES, PROGRAM)
    else {
        return;
    };
    let Some(standin) = StandIn::start(Kind::MinistackOnDocker) else {
        return;
    };
    let _containers: Vec<Containers<'_>> = images.iter().map(Containers).collect();
    let begun = Instant::now();
    let [old, stop, broken, new] = images.as_slice() else {
        unreachable!("one for each release");
    };
    let named = RELEASES.iter().zip(&images);
    let named: Vec<(String, String)> = named
        .map(|(version, image)| (format!("ami-{version}"), image.name.clone()))
        .collect();
    let deployment = Deployment::new(
        machinery::with_machines(&standin, &named),
        Operations::Command {
            program: "/bin/tti-lw-stack".to_owned(),
            version: vec!["version".to_owned()],
            environment: BTreeMap::from([(
                "TTN_LW_CONFIG".to_owned(),
                "/tti/lorawan-stack/config.yml".to_owned(),
            )]),
        },
        AwsConfig {
            kind: AwsKind::Ami,
            stacks: [(STACK.to_owned(), "ami-byol".to_owned())].into(),
            domains: ["thethings.example.com".to_owned()].into(),
            ..AwsConfig::default()
        },
        &["noc-wanted=0", "storage-in-use=0", "dcs-in-use=0"],
    );
    deployment.make(
        STACK,
        "ami-byol",
        "3.21.2",
        &[("DatabasePassword", "changeme1234")],
    );
    let before = deployment.stood();
    let mut killed = 0;
    let mut over_the_stop = |plan: &Plan, run: &str| {
        let mut swept = Swept::new(&deployment, plan, run);
        let problem = halted(swept.until_it_ends());
        assert_eq!(problem.code, "image-differs", "{problem:?}");
        assert_eq!(old.running().len(), 1, "the machine is the one of before");
        old.put_program_of(stop);
        let ended = swept.until_it_ends();
        swept.assert_once();
        killed += swept.killed;
        assert_eq!(old.running().len(), 0, "it was replaced");
        ended
    };

    let plan = deployment.plan(&deployment.account(), "3.21.2", "3.32.1");
    let problem = halted(over_the_stop(&plan, "r-0001"));
    assert_eq!(problem.code, "needs-a-person", "{problem:?}");
    assert_eq!(broken.running().len(), 1);
    // What the migration wrote is told, though a process died between its end and the line of the journal about that.
    let run = RunId::new("r-0001");
    let events = deployment.events(&run);
    let told = events.iter().any(|event| match event {
        Event::AttemptFailed { problem, .. } => {
            let said = problem.causes.join("; ");
            problem.code == "migration-failed" && said.contains("column already exists")
        }
        _ => false,
    });
    assert!(told, "{events:?}");
    let back = deployment.way_back(&plan, &run).expect("a way back");
    let mut taken_back = Swept::new(&deployment, &back, "r-0002");
    let ended = taken_back.until_it_ends();
    assert!(matches!(ended, Ended::Finished { .. }), "{ended:?}");
    taken_back.assert_once();
    assert_eq!(deployment.stood(), before);
    assert_eq!((old.running().len(), broken.running().len()), (1, 0));
    let snapshot = deployment.parameter(STACK, "RDSSnapshotARN");
    assert!(snapshot.contains(":snapshot:switchback-"), "{snapshot}");

    let plan = deployment.plan(&deployment.account(), "3.21.2", "3.32.2");
    let ended = over_the_stop(&plan, "r-0003");
    assert!(matches!(ended, Ended::Finished { .. }), "{ended:?}");
    assert_eq!(new.running().len(), 1);
    let _ = writeln!(
        std::io::stderr(),
        "one machine, 3.21.2 to 3.32.2 with a way back: {} times killed, {:.1?}",
        killed + taken_back.killed,
        begun.elapsed()
    );
}
