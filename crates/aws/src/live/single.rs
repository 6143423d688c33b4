//! The journey of a deployment on one machine.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Instant;

use switchback_engine::Ended;
use switchback_model::config::{AwsConfig, AwsKind};
use switchback_model::{Problem, RunId};
use switchback_testkit::aws::{Containers, Image};

use super::deployment::Deployment;
use super::machinery;
use super::standins::{Kind, StandIn};
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
/// next machine; back; and to 3.32.2. Killed on each way.
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
    let mut over_the_stop = |to: &str, run: &RunId| {
        let plan = deployment.plan(&deployment.account(), "3.21.2", to);
        let (ended, before) = deployment.killed(&plan, run);
        let problem = halted(ended);
        assert_eq!(problem.code, "image-differs", "{problem:?}");
        assert_eq!(old.running().len(), 1, "the machine is the one of before");
        old.put_program_of(stop);
        let (ended, after) = deployment.killed(&plan, run);
        killed += before + after;
        assert_eq!(old.running().len(), 0, "it was replaced");
        (plan, ended)
    };

    let run = RunId::new("r-0001");
    let (plan, ended) = over_the_stop("3.32.1", &run);
    let problem = halted(ended);
    assert_eq!(problem.code, "migration-failed", "{problem:?}");
    let said = problem.causes.join("; ");
    assert!(said.contains("column already exists"), "{said}");
    assert_eq!(broken.running().len(), 1);

    let back = deployment.way_back(&plan, &run).expect("a way back");
    let (ended, taken_back) = deployment.killed(&back, &RunId::new("r-0002"));
    assert!(matches!(ended, Ended::Finished { .. }), "{ended:?}");
    assert_eq!(deployment.stood(), before);
    assert_eq!((old.running().len(), broken.running().len()), (1, 0));
    let snapshot = deployment.parameter(STACK, "RDSSnapshotARN");
    assert!(snapshot.contains(":snapshot:switchback-"), "{snapshot}");

    let (_, ended) = over_the_stop("3.32.2", &RunId::new("r-0003"));
    assert!(matches!(ended, Ended::Finished { .. }), "{ended:?}");
    assert_eq!(new.running().len(), 1);
    let _ = writeln!(
        std::io::stderr(),
        "one machine, 3.21.2 to 3.32.2 with a way back: {} times killed, {:.1?}",
        killed + taken_back,
        begun.elapsed()
    );
}
