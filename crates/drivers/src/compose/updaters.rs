//! Containers that replace or restart other containers by themselves: each is
//! recognised by its image and by its way to the engine, and asked by its own
//! settings whom it would touch.

use std::collections::HashMap;

use switchback_model::Problem;

use super::engine_api::Container;
use super::neighbour::Neighbour;
use super::problems;
use crate::formats::reference::Reference;

/// What such a program does to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    /// Makes a container anew from a newer image.
    Update,
    /// Starts a container anew that looks unhealthy.
    Restart,
}

/// A kind of program.
struct Updater {
    /// The last part of its image's name.
    images: &'static [&'static str],
    deed: Deed,
    /// Whether it touches this container.
    touches: fn(&Neighbour, &Container) -> bool,
    /// How it is told to leave a container alone.
    except: &'static str,
}

const KNOWN: [Updater; 5] = [
    Updater {
        images: &["watchtower", "docker-watchtower"],
        deed: Deed::Update,
        touches: watchtower,
        except: "com.centurylinklabs.watchtower.enable: \"false\"",
    },
    Updater {
        images: &["ouroboros"],
        deed: Deed::Update,
        touches: ouroboros,
        except: "com.ouroboros.enable: \"false\"",
    },
    Updater {
        images: &["wud", "whats-up-docker"],
        deed: Deed::Update,
        touches: whats_up_docker,
        except: "wud.watch: \"false\"",
    },
    Updater {
        images: &["diun"],
        deed: Deed::Update,
        touches: diun,
        except: "diun.enable: \"false\"",
    },
    Updater {
        images: &["autoheal", "docker-autoheal"],
        deed: Deed::Restart,
        touches: autoheal,
        except: "autoheal: \"false\"",
    },
];

/// True where a container with this image and these labels is worth a closer look.
pub(super) fn suspect(image: &str, labels: &HashMap<String, String>) -> bool {
    // An image whose tag was moved on is listed by its id.
    let nameless = image.starts_with("sha256:") || image.chars().all(|c| c.is_ascii_hexdigit());
    nameless || known(image, labels).is_some()
}

/// What is to be said of those neighbours that reach the containers of this project.
pub(super) fn problems_of<'c>(
    neighbours: &[Neighbour],
    ours: impl Iterator<Item = &'c Container> + Clone,
) -> Vec<Problem> {
    let mut found = Vec::new();
    for neighbour in neighbours {
        let Some(updater) = known(&neighbour.image, &neighbour.labels) else {
            continue;
        };
        if !reaches_engine(neighbour) {
            continue;
        }
        let touched: Vec<&str> = ours
            .clone()
            .filter(|container| container.name != neighbour.name)
            .filter(|container| (updater.touches)(neighbour, container))
            .map(|container| container.name.as_str())
            .collect();
        if touched.is_empty() {
            continue;
        }
        found.push(match updater.deed {
            Deed::Update => problems::updater(
                &neighbour.name,
                &neighbour.image,
                &touched.join(", "),
                updater.except,
            ),
            Deed::Restart => {
                problems::restarter(&neighbour.name, &neighbour.image, &touched.join(", "))
            }
        });
    }
    found
}

fn known(image: &str, labels: &HashMap<String, String>) -> Option<&'static Updater> {
    // It marks itself so that it knows itself again, whatever its image is called.
    if labels.contains_key("com.centurylinklabs.watchtower") {
        return KNOWN.first();
    }
    let repository = Reference::parse(image).repository;
    let last = repository.rsplit('/').next().unwrap_or(repository);
    KNOWN.iter().find(|updater| updater.images.contains(&last))
}

/// Without the engine's socket, or an address of one, nothing can be done to others.
fn reaches_engine(neighbour: &Neighbour) -> bool {
    let socket = |path: &String| {
        path.ends_with("docker.sock") || ["/run", "/var/run", "/"].contains(&path.as_str())
    };
    neighbour.sees.iter().any(socket)
        || neighbour.settings.contains_key("DOCKER_HOST")
        || neighbour.settings.contains_key("DOCKER_SOCKETS")
        || (neighbour.settings.keys()).any(|name| name.starts_with("WUD_WATCHER_"))
        || option(&neighbour.arguments, &["--host", "-H"]).is_some()
}

fn watchtower(neighbour: &Neighbour, container: &Container) -> bool {
    const LABEL: &str = "com.centurylinklabs.watchtower.";
    let label = |name: &str| container.labels.get(&format!("{LABEL}{name}"));
    let set = |variable: &str, flag: &str| {
        is_true(neighbour.settings.get(variable))
            || neighbour
                .arguments
                .iter()
                .any(|argument| argument == flag || argument == &format!("{flag}=true"))
    };
    let enabled = label("enable").map(String::as_str);
    let chosen = if set("WATCHTOWER_LABEL_ENABLE", "--label-enable") {
        enabled == Some("true")
    } else {
        enabled != Some("false")
    };
    let only_looks =
        set("WATCHTOWER_MONITOR_ONLY", "--monitor-only") || is_true(label("monitor-only"));
    let named = positional(&neighbour.arguments);
    let excluded = neighbour
        .settings
        .get("WATCHTOWER_DISABLE_CONTAINERS")
        .cloned()
        .or_else(|| option(&neighbour.arguments, &["--disable-containers", "-x"]))
        .is_some_and(|names| words(&names).any(|name| name == container.name));
    let scope = neighbour
        .settings
        .get("WATCHTOWER_SCOPE")
        .cloned()
        .or_else(|| option(&neighbour.arguments, &["--scope"]));
    let in_scope = scope.is_none_or(|scope| {
        let theirs = label("scope").map_or("", String::as_str);
        let none = |scope: &str| scope.is_empty() || scope == "none";
        theirs == scope || none(theirs) && none(&scope)
    });
    chosen
        && !only_looks
        && !excluded
        && in_scope
        && (named.is_empty() || named.contains(&container.name.as_str()))
}

fn ouroboros(neighbour: &Neighbour, container: &Container) -> bool {
    let setting = |name: &str| neighbour.settings.get(name);
    let lists = |name: &str| {
        setting(name).is_some_and(|names| words(names).any(|name| name == container.name))
    };
    let label = container
        .labels
        .get("com.ouroboros.enable")
        .map(|value| value.to_lowercase());
    let by_label = is_true(setting("LABEL_ENABLE"));
    let excluded = by_label && label.as_deref() == Some("false") || lists("IGNORE");
    let unlabelled = by_label && is_true(setting("LABELS_ONLY")) && label.is_none();
    let unnamed = setting("MONITOR").is_some_and(|names| !names.is_empty()) && !lists("MONITOR");
    !is_true(setting("MONITOR_ONLY")) && !excluded && !unlabelled && !unnamed
}

/// Tells, unless it was given a trigger that acts.
fn whats_up_docker(neighbour: &Neighbour, container: &Container) -> bool {
    let triggers = |(name, _): &(&String, &String)| {
        name.starts_with("WUD_TRIGGER_DOCKER_") || name.starts_with("WUD_TRIGGER_DOCKERCOMPOSE_")
    };
    // Triggers that only show what they would do, or wait for a person, are none.
    let idle = |name: &String, value: &String| {
        name.ends_with("_DRYRUN") && value == "true" || name.ends_with("_AUTO") && value == "false"
    };
    let acts = neighbour.settings.iter().any(|setting| triggers(&setting))
        && !(neighbour.settings.iter())
            .any(|setting| triggers(&setting) && idle(setting.0, setting.1));
    let by_default = !neighbour
        .settings
        .iter()
        .any(|(name, value)| name.ends_with("_WATCHBYDEFAULT") && value == "false");
    let watched = match container.labels.get("wud.watch").map(String::as_str) {
        Some(said) => said == "true",
        None => by_default,
    };
    acts && watched
}

/// Tells only, unless it was given a script, which may do anything.
fn diun(neighbour: &Neighbour, container: &Container) -> bool {
    neighbour.settings.contains_key("DIUN_NOTIF_SCRIPT_CMD")
        && container.labels.get("diun.enable").map(String::as_str) != Some("false")
}

fn autoheal(neighbour: &Neighbour, container: &Container) -> bool {
    let label = neighbour
        .settings
        .get("AUTOHEAL_CONTAINER_LABEL")
        .map_or("autoheal", String::as_str);
    label == "all" || is_true(container.labels.get(label))
}

fn is_true(value: Option<&String>) -> bool {
    value.is_some_and(|value| ["true", "1", "yes", "t"].contains(&value.to_lowercase().as_str()))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ' ', '"']).filter(|word| !word.is_empty())
}

/// The value of an option, `--name value` or `--name=value`.
fn option(arguments: &[String], names: &[&str]) -> Option<String> {
    arguments.iter().enumerate().find_map(|(at, argument)| {
        let (name, value) = match argument.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (argument.as_str(), None),
        };
        if !names.contains(&name) {
            return None;
        }
        value.or_else(|| arguments.get(at + 1).cloned())
    })
}

/// Arguments of watchtower that are names of containers: neither options nor their values.
fn positional(arguments: &[String]) -> Vec<&str> {
    const WITHOUT_VALUE: [&str; 12] = [
        "--cleanup",
        "--debug",
        "--trace",
        "--include-stopped",
        "--include-restarting",
        "--revive-stopped",
        "--label-enable",
        "--monitor-only",
        "--no-pull",
        "--no-restart",
        "--rolling-restart",
        "--remove-volumes",
    ];
    let mut names = Vec::new();
    let mut value_follows = false;
    for argument in arguments {
        if argument.starts_with("--") {
            value_follows = !argument.contains('=')
                && !WITHOUT_VALUE.contains(&argument.as_str())
                && !argument.starts_with("--no-")
                && !argument.starts_with("--notification-skip")
                && argument != "--http-api-update"
                && argument != "--http-api-metrics";
        } else if argument.starts_with('-') {
            // Short options: those that take a value are these.
            value_follows = ["-i", "-s", "-H", "-t", "-x"].contains(&argument.as_str());
        } else if !std::mem::take(&mut value_follows) {
            names.push(argument.as_str());
        }
    }
    names
}

#[cfg(test)]
mod tests;
