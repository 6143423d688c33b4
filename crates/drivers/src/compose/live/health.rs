//! Health of services that publish nothing.

use super::*;

/// Looks at the health of `app` in a project with this compose file.
fn health(lab: &Lab, compose: &str) -> Result<String, Failure> {
    run(
        &["docker", "compose", "down", "--timeout", "0"],
        &lab.path(),
    );
    let text = compose.replace("IMAGE", &lab.image);
    fs::write(lab.path().join("docker-compose.yml"), text).expect("written");
    lab.up();
    let driver = lab.open().driver();
    let check = Check::Health {
        service: ServiceName::new("app"),
        port: 8080,
        url: None,
        path: "/healthz".to_owned(),
    };
    let stop = StopSignal::default();
    let (outcome, _) = lab.with("r-health", &stop, |cx| driver.check(cx, &check));
    outcome.map(|outcome| outcome.summary)
}

#[test]
fn a_service_without_published_ports_is_asked_at_its_own_address() {
    let Some(lab) = lab() else { return };
    let app = "services:\n  app: {image: \"IMAGE:1.0.0\", command: start, stop_grace_period: 0s";
    let internal = health(
        &lab,
        &format!("{app}}}\nnetworks: {{default: {{internal: true}}}}\n"),
    );
    assert!(
        internal
            .as_deref()
            .is_ok_and(|said| said.contains("answers 200")),
        "{internal:?}"
    );
    let several = health(
        &lab,
        &format!("{app}, networks: [a, b]}}\nnetworks: {{a: {{internal: true}}, b: {{}}}}\n"),
    );
    assert!(
        several
            .as_deref()
            .is_ok_and(|said| said.contains("answers 200")),
        "{several:?}"
    );
    // In the network of another service.
    let shared = health(
        &lab,
        &format!(
            "{app}, network_mode: \"service:door\"}}\n  door: {{image: \"IMAGE-store:7\", command: serve, stop_grace_period: 0s}}\n"
        ),
    );
    assert!(
        shared
            .as_deref()
            .is_ok_and(|said| said.contains("answers 200")),
        "{shared:?}"
    );
    // Nowhere to ask: said at once, with a way on.
    let failure = health(&lab, &format!("{app}, network_mode: none}}\n")).expect_err("no network");
    assert_eq!(failure.code, "service-unreachable");
    assert!(!failure.state.is_empty() && !failure.hints.is_empty());
}
