//! The text and the exit code of every problem: scripts and people rely on them.

use std::fmt::Write as _;

use super::*;

/// As the printer shows it, without colour.
fn shown(problem: &Problem) -> String {
    let mut text = format!(
        "{} {}: {}\n",
        problem.exit.code(),
        problem.code,
        problem.what
    );
    for cause in &problem.causes {
        let _ = writeln!(text, "  caused by: {cause}");
    }
    for state in &problem.state {
        let seen = state.seen.as_deref().unwrap_or("unknown");
        let _ = writeln!(text, "  state: {}: {seen}", state.subject);
    }
    if let Some(why) = &problem.why {
        let _ = writeln!(text, "  why: {why}");
    }
    for hint in &problem.hints {
        let _ = writeln!(text, "  hint: {hint}");
    }
    text
}

fn of_configuration() -> Vec<Problem> {
    let stack = ServiceName::new("stack");
    let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
    let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
    vec![
        file_missing(Path::new("/srv/lorawan")),
        several_products(&[("lorawan", "lorawan:1.0.0"), ("grafana", "grafana:9.0.0")]),
        nothing_kept(&denied),
        file_unreadable(Path::new("/srv/docker-compose.yml"), &denied),
        file_unreadable(Path::new("/srv/prod.yml"), &missing),
        file_malformed(
            Path::new("/srv/docker-compose.yml"),
            &"line 3, column 1: found a tab",
        ),
        config_refused(
            "service \"stack\" refers to undefined network x: invalid compose project\n",
        ),
        docker_missing(),
        compose_missing(false),
        compose_missing(true),
        engine_unreachable(
            "unix:///var/run/docker.sock",
            "Permission denied (os error 13)",
        ),
        engine_unreachable(
            "unix:///var/run/docker.sock",
            "No such file or directory (os error 2)",
        ),
        product_not_found(
            "The Things Stack",
            &["nginx:1".to_owned(), "redis:7".to_owned()],
        ),
        product_not_found("The Things Stack", &[]),
        moving_tag(
            "docker-compose.yml:4",
            "thethingsnetwork/lorawan-stack:latest",
            None,
        ),
        moving_tag(
            ".env:1",
            "thethingsnetwork/lorawan-stack:3.x",
            Some("3.23.2"),
        ),
        digest_pinned("docker-compose.yml:4", "a/b:3.23.2@sha256:ff"),
        version_from_environment(&stack, "VERSION"),
        version_composed(&stack, "a/b:3.23.2"),
        version_escaped(&stack, "a/b:3.23.2"),
        version_shared(".env:2", &["`grafana` (grafana/grafana:3.23.2)".to_owned()]),
    ]
}

fn of_what_runs() -> Vec<Problem> {
    let stack = ServiceName::new("stack");
    vec![
        image_not_located(&stack, "a/b:3.23.2", Some("a/b:3.0.0")),
        image_not_located(&stack, "a/b:3.23.2", None),
        datastore_stopped("identity", &ServiceName::new("postgres")),
        datastore_moving(&ServiceName::new("redis"), "redis:latest"),
        image_unavailable("a/b:3.32.1", "manifest unknown"),
        image_unavailable("a/b:3.32.1", "unauthorized: incorrect username or password"),
        image_unavailable(
            "a/b:3.32.1",
            "dial tcp: lookup registry.example.org: no such host",
        ),
        edit_refused(
            "/srv/docker-compose.yml",
            &"2 values would change in place of one",
        ),
        datastore_unsupported(
            "identity",
            &ServiceName::new("db"),
            &UnsupportedServer {
                image: "cockroachdb/cockroach".to_owned(),
                because: "no way from it to PostgreSQL is documented".to_owned(),
                source: "CHANGELOG.md 3.16.0".to_owned(),
            },
        ),
        running_differs(&stack, "a/b:3.24.0", "a/b:3.23.2"),
        service_restarting(&stack),
        updater(
            "watchtower",
            "containrrr/watchtower",
            "lorawan-stack-1, lorawan-redis-1",
            "com.centurylinklabs.watchtower.enable: \"false\"",
        ),
        restarter("autoheal", "willfarrell/autoheal", "lorawan-stack-1"),
    ]
}

#[test]
fn every_problem_says_what_state_and_next() {
    let problems = [of_configuration(), of_what_runs()].concat();
    for problem in &problems {
        assert!(
            !problem.hints.is_empty(),
            "{} says nothing to do",
            problem.code
        );
        assert!(!problem.what.ends_with('.'), "{}", problem.what);
    }
    let text: String = problems.iter().map(shown).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(text);
}
