//! An update that can neither be finished nor taken back in the middle of an upgrade: told, planned, stuck again, repaired,
//! taken back; and then the upgrade goes back, or on.

use switchback_testkit::aws::{Kind, StandIn};

use crate::lab::{Lab, REPOSITORY, Said};

const STACKS: [&str; 5] = [
    "1-1-vpc",
    "2-1-db-aurora-master",
    "5-1-ecs-cluster",
    "5-2-ecs-ops",
    "5-4-ecs-services",
];
/// A zip file without anything in it, which is all text.
const ZIP: &str = "PK\u{5}\u{6}\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// An operations stack whose function has other code with the next image, and a setting that it cannot have then.
fn with_function(name: &str, text: String) -> String {
    let more = format!(
        "Conditions:
  Next: !Equals [!Ref OpsImage, \"{REPOSITORY}:3.32.1\"]
Resources:
  Function:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: tts
      Runtime: python3.12
      Handler: index.handler
      Role: arn:aws:iam::123456789012:role/none
      Code: {{ S3Bucket: code, S3Key: !If [Next, new, old] }}
  Level:
    Type: AWS::SSM::Parameter
    DependsOn: Function
    Properties: {{ Type: !If [Next, Impossible, String], Value: one }}
"
    );
    match name {
        "5-2-ecs-ops" => text.replacen("Resources:\n", &more, 1),
        _ => text,
    }
}

fn says(said: &Said, code: i32, words: &[&str]) {
    assert_eq!(said.code, code, "{}", said.all);
    let line = said.all.split_whitespace().collect::<Vec<_>>().join(" ");
    for word in words {
        assert!(line.contains(word), "no `{word}` in: {}", said.all);
    }
}

/// The first word of what was said that begins so.
fn named(said: &Said, prefix: &str) -> String {
    let words = said
        .all
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
    let mut words = words.filter(|word| word.starts_with(prefix) && word.len() > prefix.len());
    words.next().expect("it is named").to_owned()
}

/// Relies on A9-A12, C13, C20, C21, D3 (ministack, ok).
#[test]
fn an_upgrade_that_is_stuck_half_way_is_brought_to_rest_by_a_plan_and_goes_back() {
    let Some(ministack) = StandIn::start(Kind::Ministack) else {
        return;
    };
    ministack.put("code", "");
    for code in ["code/old", "code/new"] {
        ministack.put(code, ZIP);
    }
    Lab::deploy_changed(
        &ministack,
        &STACKS,
        &format!("{REPOSITORY}:3.30.0"),
        with_function,
    );
    let lab = Lab::new(&ministack);
    lab.configure("");
    lab.offer("3.32.1", with_function);
    says(
        &lab.switchback(&["plan", "--to", "3.32.1"]),
        0,
        &["tts-5-2-ecs-ops"],
    );
    let nothing = lab.switchback(&["plan", "--skip", "tts-5-2-ecs-ops/Function"]);
    says(
        &nothing,
        3,
        &["names nothing of a stack that is half way back"],
    );
    ministack.take("code/old");
    let stuck = lab.switchback(&["apply", "--yes", "--accept", "noc-statistics"]);
    says(
        &stuck,
        4,
        &[
            "`tts-5-2-ecs-ops` could not be updated, and the update could not be taken back",
            "UPDATE_ROLLBACK_FAILED: between two states; stuck: Function",
            "plan how the update is taken back: `switchback plan`",
        ],
    );
    let upgrade = named(&stuck, "r-");
    no_way_but_a_recovery(&lab, &upgrade);
    a_recovery_gives_up_only_what_was_tried_and_accepted(&lab);

    // What it was made from is there again, and the run that was stuck goes on.
    ministack.put("code/old", ZIP);
    let rest = lab.switchback(&["resume"]);
    says(
        &rest,
        0,
        &[
            "the stacks of",
            "are at rest",
            &format!("switchback resume {upgrade}"),
        ],
    );
    says(&lab.switchback(&["history"]), 0, &["recovery", "upgrade"]);
    says(
        &lab.switchback(&["status"]),
        0,
        &["halted, upgrade", &format!("switchback rollback {upgrade}")],
    );
    // CloudFormation took all of it back by itself: a look ends the run.
    says(
        &lab.switchback(&["rollback", &upgrade, "--yes"]),
        0,
        &["nothing is left to take back", "Done"],
    );
}

/// Neither way can be gone before the stack is at rest.
fn no_way_but_a_recovery(lab: &Lab, upgrade: &str) {
    says(
        &lab.switchback(&["resume"]),
        4,
        &["from where no update begins", "`switchback plan`"],
    );
    says(
        &lab.switchback(&["rollback", upgrade]),
        3,
        &["UPDATE_ROLLBACK_FAILED", "`switchback plan`"],
    );
    says(
        &lab.switchback(&["doctor"]),
        3,
        &[
            "stuck: `Function` (AWS::Lambda::Function)",
            "`switchback plan`: it plans how the update is taken back",
        ],
    );
}

/// The plan of a recovery is stuck once more, and leaves out what is named for it then.
fn a_recovery_gives_up_only_what_was_tried_and_accepted(lab: &Lab) {
    let plan = lab.switchback(&["plan"]);
    says(
        &plan,
        0,
        &[
            "takes back an update that is half way",
            "the update of stack `tts-5-2-ecs-ops` failed at `Level` (AWS::SSM::Parameter)",
            "it could not be taken back at `Function` (AWS::Lambda::Function)",
            "take back tts-5-2-ecs-ops none: it is the way back of an update",
            "switchback apply p-",
        ],
    );
    says(
        &lab.switchback(&["plan", "--skip", "tts-5-2-ecs-ops/Function"]),
        3,
        &["nobody has tried yet"],
    );
    says(
        &lab.switchback(&["rehearse"]),
        3,
        &["half way back from an update"],
    );
    let again = lab.switchback(&["apply", "--yes"]);
    says(
        &again,
        4,
        &[
            "could not be taken back",
            "switchback plan --skip tts-5-2-ecs-ops/Function",
        ],
    );
    let left_out = lab.switchback(&["plan", "--skip", "tts-5-2-ecs-ops/Function"]);
    says(
        &left_out,
        0,
        &[
            "leaving out Function",
            "--accept skip-tts-5-2-ecs-ops-Function",
        ],
    );
    says(
        &lab.switchback(&["apply", &named(&left_out, "p-"), "--yes"]),
        3,
        &["asks for acceptance: skip-tts-5-2-ecs-ops-Function"],
    );
}

/// Relies on A9-A12, C13, C20, C21, D3 (ministack, ok).
#[test]
fn behind_a_recovery_the_same_upgrade_goes_on() {
    let Some(ministack) = StandIn::start(Kind::Ministack) else {
        return;
    };
    ministack.put("code", "");
    for code in ["code/old", "code/new"] {
        ministack.put(code, ZIP);
    }
    Lab::deploy_changed(
        &ministack,
        &STACKS,
        &format!("{REPOSITORY}:3.30.0"),
        with_function,
    );
    let lab = Lab::new(&ministack);
    lab.configure("");
    lab.offer("3.32.1", with_function);
    says(&lab.switchback(&["plan", "--to", "3.32.1"]), 0, &[]);
    ministack.take("code/old");
    let stuck = lab.switchback(&["apply", "--yes", "--accept", "noc-statistics"]);
    says(&stuck, 4, &[]);
    let upgrade = named(&stuck, "r-");
    ministack.put("code/old", ZIP);
    says(&lab.switchback(&["plan"]), 0, &["half way"]);
    says(&lab.switchback(&["apply", "--yes"]), 0, &["are at rest"]);
    // A plan of another version is still no plan over this run.
    says(
        &lab.switchback(&["plan"]),
        3,
        &[&format!("run `{upgrade}` is halted and not done")],
    );
    // Its template is as impossible as before: the same step is tried once more, and is taken back.
    ministack.take("code/new");
    let resumed = lab.switchback(&["resume", &upgrade]);
    says(&resumed, 4, &["CloudFormation took the update back"]);
}
