//! Other containers of the same engine.

use super::*;

#[test]
fn an_updater_that_reaches_the_project_is_refused_and_one_that_does_not_is_not() {
    let Some(lab) = lab() else { return };
    lab.up();
    let updater = format!("{}/watchtower:1", lab.image);
    let name = format!("{}-neighbour", lab.image);
    let original = format!("{}:1.0.0", lab.image);
    run(&["docker", "tag", &original, &updater], &lab.path());
    let start = |watched: &str| {
        run(
            &[
                "docker",
                "run",
                "--detach",
                "--name",
                &name,
                "--network",
                "none",
                "--volume",
                "/var/run/docker.sock:/var/run/docker.sock:ro",
                &updater,
                "serve",
                watched,
            ],
            &lab.path(),
        );
        let problems = lab.observe().problems;
        run(&["docker", "rm", "--force", &name], &lab.path());
        problems
    };
    let elsewhere = start("another-container");
    // By name, so that it reaches nobody else's containers, not even in what is said of it.
    let ours = format!("{}-app-1", lab.image);
    let here = start(&ours);
    run(&["docker", "rmi", &updater], &lab.path());
    assert_eq!(elsewhere, []);
    let told: Vec<(&str, u8)> = here
        .iter()
        .map(|problem| (problem.code.as_str(), problem.exit.code()))
        .collect();
    assert_eq!(told, [("foreign-updater", 3)]);
    let seen = here[0].state[0].seen.clone().unwrap_or_default();
    assert!(seen.contains(&ours), "{seen}");
    // Stopped, it is no concern.
    assert_eq!(lab.observe().problems, []);
}
