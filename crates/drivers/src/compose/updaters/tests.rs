use std::collections::BTreeMap;

use super::*;
use crate::compose::engine_api::Status;

fn container(name: &str, labels: &[(&str, &str)]) -> Container {
    Container {
        id: name.to_owned(),
        name: name.to_owned(),
        labels: owned(labels),
        status: Status::Running,
        ever_started: true,
        started_at: String::new(),
        pid: None,
        exit_code: 0,
        shared_memory: None,
        restarts: 0,
        image: String::new(),
        reference: String::new(),
        restart_policy: None,
        mounts: BTreeMap::new(),
        published: BTreeMap::new(),
        addresses: Vec::new(),
        network_mode: String::new(),
    }
}

fn owned<T: FromIterator<(String, String)>>(pairs: &[(&str, &str)]) -> T {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn neighbour(image: &str, arguments: &[&str], settings: &[(&str, &str)]) -> Neighbour {
    Neighbour {
        name: "other".to_owned(),
        image: image.to_owned(),
        labels: HashMap::new(),
        arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
        settings: owned(settings),
        sees: vec!["/var/run/docker.sock".to_owned()],
    }
}

/// The names it would touch, of three containers with different labels.
fn touched(neighbour: Neighbour) -> String {
    let ours = [
        container("tts-stack-1", &[]),
        container(
            "tts-postgres-1",
            &[
                ("com.centurylinklabs.watchtower.enable", "false"),
                ("com.ouroboros.enable", "false"),
                ("wud.watch", "false"),
                ("diun.enable", "false"),
            ],
        ),
        container(
            "tts-redis-1",
            &[
                ("com.centurylinklabs.watchtower.enable", "true"),
                ("com.centurylinklabs.watchtower.scope", "tts"),
                ("com.ouroboros.enable", "true"),
                ("wud.watch", "true"),
                ("autoheal", "true"),
            ],
        ),
    ];
    let found = problems_of(&[neighbour], ours.iter());
    let Some(problem) = found.first() else {
        return String::new();
    };
    let said = problem.state.first().and_then(|state| state.seen.clone());
    let said = said.unwrap_or_else(|| problem.what.clone());
    ["stack", "postgres", "redis"]
        .into_iter()
        .filter(|name| said.contains(&format!("tts-{name}-1")))
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn watchtower_touches_everything_but_what_it_is_kept_from() {
    let image = "containrrr/watchtower:1.7.1";
    for (arguments, settings, expected) in [
        (&[][..], &[][..], "stack redis"),
        (&["--cleanup", "--interval", "30"], &[], "stack redis"),
        (&["-i", "30", "tts-stack-1", "nginx"], &[], "stack"),
        (&["nginx"], &[], ""),
        (&["--label-enable"], &[], "redis"),
        (&[], &[("WATCHTOWER_LABEL_ENABLE", "1")], "redis"),
        (&["--scope", "tts"], &[], "redis"),
        (&["--scope=none"], &[], "stack"),
        (&[], &[("WATCHTOWER_SCOPE", "other")], ""),
        (&["--monitor-only"], &[], ""),
        (&[], &[("WATCHTOWER_MONITOR_ONLY", "true")], ""),
        (
            &[],
            &[("WATCHTOWER_DISABLE_CONTAINERS", "nginx,tts-stack-1")],
            "redis",
        ),
    ] {
        let found = touched(neighbour(image, arguments, settings));
        assert_eq!(found, expected, "{arguments:?} {settings:?}");
    }
}

#[test]
fn each_program_is_asked_by_its_own_settings() {
    for (image, settings, expected) in [
        ("pyouroboros/ouroboros", &[][..], "stack postgres redis"),
        (
            "pyouroboros/ouroboros",
            &[("LABEL_ENABLE", "true")],
            "stack redis",
        ),
        (
            "pyouroboros/ouroboros",
            &[("LABEL_ENABLE", "true"), ("LABELS_ONLY", "true")],
            "redis",
        ),
        (
            "pyouroboros/ouroboros",
            &[("MONITOR", "nginx tts-redis-1")],
            "redis",
        ),
        ("pyouroboros/ouroboros", &[("MONITOR_ONLY", "true")], ""),
        ("ghcr.io/getwud/wud:8", &[], ""),
        (
            "ghcr.io/getwud/wud:8",
            &[("WUD_TRIGGER_DOCKER_LOCAL_PRUNE", "true")],
            "stack redis",
        ),
        (
            "ghcr.io/getwud/wud:8",
            &[("WUD_TRIGGER_DOCKER_LOCAL_AUTO", "false")],
            "",
        ),
        (
            "getwud/wud",
            &[
                ("WUD_TRIGGER_DOCKERCOMPOSE_X_FILE", "/c.yml"),
                ("WUD_WATCHER_LOCAL_WATCHBYDEFAULT", "false"),
            ],
            "redis",
        ),
        ("crazymax/diun:4", &[], ""),
        (
            "crazymax/diun:4",
            &[("DIUN_NOTIF_SCRIPT_CMD", "/update.sh")],
            "stack redis",
        ),
        ("willfarrell/autoheal", &[], "redis"),
        (
            "willfarrell/autoheal",
            &[("AUTOHEAL_CONTAINER_LABEL", "all")],
            "stack postgres redis",
        ),
        ("portainer/portainer-ce", &[], ""),
        ("traefik:3", &[], ""),
    ] {
        let found = touched(neighbour(image, &[], settings));
        assert_eq!(found, expected, "{image} {settings:?}");
    }
}

#[test]
fn without_a_way_to_the_engine_it_can_do_nothing() {
    let mut harmless = neighbour("containrrr/watchtower", &[], &[]);
    harmless.sees = vec!["/etc/localtime".to_owned()];
    assert_eq!(touched(harmless), "");
    let mut proxied = neighbour(
        "containrrr/watchtower",
        &[],
        &[("DOCKER_HOST", "tcp://proxy:2375")],
    );
    proxied.sees.clear();
    assert_eq!(touched(proxied), "stack redis");
}

#[test]
fn an_image_by_another_name_is_known_by_its_mark() {
    let mut renamed = neighbour("registry.example/tools/updater:2", &[], &[]);
    assert!(!suspect(&renamed.image, &renamed.labels));
    let mark = "com.centurylinklabs.watchtower";
    renamed.labels.insert(mark.to_owned(), "true".to_owned());
    assert!(suspect(&renamed.image, &renamed.labels));
    assert_eq!(touched(renamed), "stack redis");
    // A listed id may hide anything.
    assert!(suspect("4f5e6a7b8c9d", &HashMap::new()));
}

#[test]
fn an_updater_is_a_refusal_and_a_restarter_advice() {
    let ours = [container("tts-redis-1", &[("autoheal", "true")])];
    let neighbours = [
        neighbour("containrrr/watchtower", &[], &[]),
        neighbour("willfarrell/autoheal", &[], &[]),
    ];
    let found = problems_of(&neighbours, ours.iter());
    let codes: Vec<(&str, i32)> = found
        .iter()
        .map(|problem| (problem.code.as_str(), i32::from(problem.exit.code())))
        .collect();
    assert_eq!(codes, [("foreign-updater", 3), ("foreign-restarter", 0)]);
    assert!(found.iter().all(|problem| !problem.hints.is_empty()));
}
