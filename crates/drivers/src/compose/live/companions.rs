//! Companions beside a real container.

use std::path::PathBuf;

use switchback_engine::ports::{Companion, CompanionState, Reach};

use super::*;

/// Follows until it is asked to end, and says so.
const FOLLOWER: &str = "trap 'echo asked to end; exit 0' INT; echo \"following as $WHO\"; \
                        readlink /proc/self/ns/net; while :; do sleep 0.1; done";

fn shell(script: &str) -> Argv {
    Argv::new("sh", ["-c", script]).env("WHO", Secret::new("s3cr$et-token"))
}

/// A directory for a companion, owned by a user that only it has.
fn directory(lab: &Lab) -> PathBuf {
    let directory = lab.directory.path().join("shadow");
    fs::create_dir_all(&directory).expect("directory");
    fs::write(directory.join("seed"), "copied").expect("written");
    run(
        &["chown", "-R", "1234:1234", &directory.to_string_lossy()],
        lab.directory.path(),
    );
    directory
}

fn inside(cx: &Context<'_>, way: &dyn Fn(Argv) -> Result<Argv, Failure>, script: &str) -> String {
    let argv = way(Argv::new("sh", ["-c", script])).expect("inside");
    cx.commands.capture(&argv).expect("runs")
}

/// Its output, once `text` is part of it.
fn says(companion: &dyn Companion, cx: &Context<'_>, text: &str) -> String {
    for _ in 0..1200 {
        let output = companion.output(cx).expect("readable");
        if output.contains(text) {
            return output;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("never said `{text}`");
}

/// Looks anew, as the next process does.
fn found(reach: &dyn Reach, cx: &Context<'_>) -> Box<dyn Companion> {
    let found = reach.companion(cx, "standby").expect("can look");
    found.expect("is there")
}

fn ended(reach: &dyn Reach, cx: &Context<'_>) -> i64 {
    match found(reach, cx).state().expect("known") {
        CompanionState::Ended { code } => code,
        CompanionState::Running => panic!("still runs"),
    }
}

#[test]
fn a_companion_shares_the_network_works_as_the_owner_and_is_found_again() {
    let Some(lab) = lab() else { return };
    lab.up();
    let directory = directory(&lab);
    let stop = StopSignal::default();
    let deployment = lab.open();
    let reach = deployment.reach(&store());
    lab.with("r-beside", &stop, |cx| {
        assert!(reach.companion(cx, "standby").expect("can look").is_none());
        let companion = reach
            .accompany(cx, "standby", &directory, shell(FOLLOWER))
            .expect("starts");
        let network = inside(cx, &|argv| reach.inside(argv), "readlink /proc/self/ns/net");
        let output = says(companion.as_ref(), cx, network.trim());
        assert!(output.contains("following as •••"), "{output}");
        let script = format!(
            "cd {}; id -u; cat seed; echo mine > new",
            companion.directory()
        );
        let said = inside(cx, &|argv| companion.inside(argv), &script);
        assert_eq!(said, "1234\ncopied");
        assert!(directory.join("new").exists());
        let again = reach.accompany(cx, "standby", &directory, shell(FOLLOWER));
        assert_eq!(again.err().expect("one runs").code, "companion-runs");
    });
    // Another process, which knows the run only.
    let deployment = lab.open();
    let reach = deployment.reach(&store());
    lab.with("r-beside", &stop, |cx| {
        let companion = found(reach.as_ref(), cx);
        assert_eq!(companion.state(), Ok(CompanionState::Running));
        assert!(reach.companion(cx, "other").expect("can look").is_none());
        companion.end(cx, "SIGINT").expect("ends");
        assert!(reach.companion(cx, "standby").expect("can look").is_none());
        companion.end(cx, "SIGINT").expect("is gone already");
        // It never looks like a part of the deployment.
        assert_eq!(lab.observe().problems, []);
    });
    assert_eq!(left_of("r-beside"), "");
}

#[test]
fn a_companion_that_ended_says_how_and_is_replaced() {
    let Some(lab) = lab() else { return };
    lab.up();
    let directory = directory(&lab);
    let stop = StopSignal::default();
    let deployment = lab.open();
    let reach = deployment.reach(&store());
    lab.with("r-ended", &stop, |cx| {
        let first = shell("echo \"no right to $WHO\" >&2; exit 7");
        let first = reach
            .accompany(cx, "standby", &directory, first)
            .expect("starts");
        let output = says(first.as_ref(), cx, "no right");
        assert_eq!(output, "no right to •••");
        while first.state() == Ok(CompanionState::Running) {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert_eq!(ended(reach.as_ref(), cx), 7);
        // A program that leaves its signals to the kernel is ended as anywhere else.
        let second = Argv::new("sleep", ["1000"]);
        let second = reach
            .accompany(cx, "standby", &directory, second)
            .expect("replaces the first");
        second.end(cx, "SIGTERM").expect("ends");
        // The program is not there: said, and nothing left.
        let third = reach.accompany(cx, "standby", &directory, Argv::new("postgres", [""; 0]));
        let failure = third.err().expect("no such program");
        assert!(
            !failure.causes.is_empty() && !failure.state.is_empty() && !failure.hints.is_empty(),
            "{failure:?}"
        );
    });
    assert_eq!(left_of("r-ended"), "");
}

#[test]
fn a_companion_of_a_server_that_was_started_anew_has_ended() {
    let Some(lab) = lab() else { return };
    lab.up();
    let directory = directory(&lab);
    let stop = StopSignal::default();
    let deployment = lab.open();
    let reach = deployment.reach(&store());
    lab.with("r-anew", &stop, |cx| {
        let begin = || reach.accompany(cx, "standby", &directory, shell(FOLLOWER));
        says(begin().expect("starts").as_ref(), cx, "following");
        run(
            &["docker", "compose", "restart", "--timeout", "0", "store"],
            &lab.path(),
        );
        // It was asked, and ended in order.
        assert_eq!(ended(reach.as_ref(), cx), 0);
        let next = begin().expect("the next stands in the new network");
        let network = inside(cx, &|argv| reach.inside(argv), "readlink /proc/self/ns/net");
        says(next.as_ref(), cx, network.trim());
        // Made anew, not only started anew.
        run(
            &[
                "docker",
                "compose",
                "up",
                "-d",
                "--pull",
                "never",
                "--force-recreate",
                "--timeout",
                "0",
                "store",
            ],
            &lab.path(),
        );
        assert_eq!(ended(reach.as_ref(), cx), 0);
        // Without a server there is nothing to stand beside.
        reach.stop(cx).expect("stops");
        let failure = begin().err().expect("no network to share");
        assert_eq!(failure.code, "service-stopped");
        assert!(!failure.state.is_empty() && !failure.hints.is_empty());
        deployment.driver().clean(cx).expect("cleans");
    });
    assert_eq!(left_of("r-anew"), "");
}

#[test]
fn cleaning_ends_companions_in_order_and_one_removed_by_hand_is_told() {
    let Some(lab) = lab() else { return };
    lab.up();
    let directory = directory(&lab);
    let stop = StopSignal::default();
    let deployment = lab.open();
    let reach = deployment.reach(&store());
    lab.with("r-clean", &stop, |cx| {
        let script = "trap 'echo ended > /switchback/ended; exit 0' INT; echo up; \
                      while :; do sleep 0.1; done";
        let begin = || {
            let companion = reach.accompany(cx, "standby", &directory, shell(script));
            let companion = companion.expect("starts");
            says(companion.as_ref(), cx, "up");
            companion
        };
        begin();
        deployment.driver().clean(cx).expect("cleans");
        assert!(directory.join("ended").exists());
        assert_eq!(left_of("r-clean"), "");
        let companion = begin();
        run(
            &["docker", "rm", "--force", left_of("r-clean").trim()],
            &lab.path(),
        );
        let failure = companion.state().expect_err("gone");
        assert!(
            failure.state[0].seen.as_deref() == Some("removed by somebody else")
                && !failure.hints.is_empty(),
            "{failure:?}"
        );
        assert!(reach.companion(cx, "standby").expect("can look").is_none());
    });
}
