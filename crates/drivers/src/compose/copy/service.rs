//! One service of the copy, from the same service of the original.

use serde_json::{Map, Value, json};

/// Share of the processor where there is not enough for all; 1024 is what every container has
/// that nobody said anything about, so production goes before by four to one.
pub(super) const PROCESSOR_SHARES: u64 = 256;
/// The same for the disk, where the kernel can weigh; 500 is what everybody has.
pub(super) const DISK_WEIGHT: u64 = 100;
/// Label of everything that belongs to a copy, with the rehearsal's id.
pub(super) const REHEARSAL: &str = "switchback.rehearsal";

/// What would reach out of the copy, belongs to the original alone, or has no meaning in it.
const DROPPED: &[&str] = &[
    "annotations",
    "build",
    "cgroup_parent",
    "container_name",
    "develop",
    "devices",
    "env_file",
    "extends",
    "external_links",
    "label_file",
    "labels",
    "links",
    "logging",
    "mac_address",
    "ports",
    "profiles",
    "pull_policy",
    "restart",
    "volumes_from",
];
/// What a service that is never started in the copy keeps: enough to be recognised.
const KEPT_OF_OTHERS: &[&str] = &["command", "entrypoint", "environment", "image", "scale"];
/// What of `deploy` has a meaning on one host and in one copy.
const KEPT_OF_DEPLOY: &[&str] = &["replicas", "resources"];

/// Why a service cannot be had in a copy, as half a sentence.
pub(super) fn not_isolated(service: &Value) -> Option<String> {
    let text = |key: &str| service[key].as_str().unwrap_or_default();
    let network = text("network_mode");
    if network == "host" || network.starts_with("container:") {
        return Some(format!(
            "it lives in a network that is not the project's (`network_mode: {network}`)"
        ));
    }
    for key in ["pid", "ipc", "uts", "userns_mode"] {
        if text(key) == "host" || text(key).starts_with("container:") {
            return Some(format!(
                "it shares what the host has (`{key}: {}`)",
                text(key)
            ));
        }
    }
    if service["privileged"] == json!(true) {
        return Some("it may do everything on the host (`privileged: true`)".to_owned());
    }
    let volumes = service["volumes"].as_array().into_iter().flatten();
    let mut sources = volumes.filter_map(|volume| volume["source"].as_str());
    sources
        .find(|source| *source == "/" || source.ends_with("docker.sock"))
        .map(|source| format!("it is given `{source}` of the host"))
}

/// The service as a part of the copy; `mount` says what stands in the place of each of its mounts.
pub(super) fn copied(
    name: &str,
    service: &Value,
    rehearsal: &str,
    mut mount: impl FnMut(&Value) -> Option<Value>,
) -> Value {
    let mut copy = service.as_object().cloned().unwrap_or_default();
    for key in DROPPED {
        copy.remove(*key);
    }
    networks(name, service, &mut copy);
    deploy(&mut copy);
    if let Some(volumes) = service["volumes"].as_array() {
        let volumes: Vec<Value> = volumes.iter().filter_map(&mut mount).collect();
        copy.insert("volumes".to_owned(), volumes.into());
    }
    let shares = service["cpu_shares"]
        .as_u64()
        .map_or(PROCESSOR_SHARES, |said| said.min(PROCESSOR_SHARES));
    copy.insert("cpu_shares".to_owned(), shares.into());
    copy.insert("blkio_config".to_owned(), json!({"weight": DISK_WEIGHT}));
    copy.insert("restart".to_owned(), "no".into());
    // A rehearsal's log is read by switchback, and goes nowhere else.
    let options = json!({"max-size": "50m"});
    copy.insert(
        "logging".to_owned(),
        json!({"driver": "json-file", "options": options}),
    );
    copy.insert("labels".to_owned(), json!({REHEARSAL: rehearsal}));
    Value::Object(copy)
}

/// A service that is not started: it is there to be looked at only.
pub(super) fn left_out(service: &Value, rehearsal: &str) -> Value {
    let mut copy = Map::new();
    for key in KEPT_OF_OTHERS {
        if let Some(value) = service.get(*key).filter(|value| !value.is_null()) {
            copy.insert((*key).to_owned(), value.clone());
        }
    }
    copy.insert("network_mode".to_owned(), "none".into());
    copy.insert("labels".to_owned(), json!({REHEARSAL: rehearsal}));
    Value::Object(copy)
}

/// In the copy's networks under the same names; without addresses of its own, which the original has.
fn networks(name: &str, service: &Value, copy: &mut Map<String, Value>) {
    let Some(networks) = service["networks"].as_object() else {
        return;
    };
    let container = service["container_name"].as_str();
    let mut joined = Map::new();
    for (network, described) in networks {
        let mut aliases: Vec<String> = described["aliases"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        aliases.extend(container.map(str::to_owned));
        aliases.retain(|alias| alias != name);
        let value = if aliases.is_empty() {
            Value::Null
        } else {
            json!({"aliases": aliases})
        };
        joined.insert(network.clone(), value);
    }
    copy.insert("networks".to_owned(), Value::Object(joined));
}

fn deploy(copy: &mut Map<String, Value>) {
    if let Some(deploy) = copy.get_mut("deploy").and_then(Value::as_object_mut) {
        deploy.retain(|key, _| KEPT_OF_DEPLOY.contains(&key.as_str()));
        let resources = deploy.get_mut("resources").and_then(Value::as_object_mut);
        if let Some(resources) = resources {
            resources.retain(|key, _| key == "limits");
        }
    }
}

/// What is different about a service in the copy, where somebody would look for it.
pub(super) fn remarks(name: &str, service: &Value) -> Vec<String> {
    let mut remarks = Vec::new();
    if service["devices"]
        .as_array()
        .is_some_and(|list| !list.is_empty())
    {
        remarks.push(format!("`{name}` has no devices of the host"));
    }
    let networks = service["networks"].as_object().into_iter().flatten();
    let addresses: Vec<&str> = networks
        .filter_map(|(_, network)| network["ipv4_address"].as_str())
        .collect();
    if !addresses.is_empty() {
        remarks.push(format!(
            "`{name}` has another address than {}: what names it by number does not find it",
            addresses.join(", ")
        ));
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy_of(service: &Value) -> Value {
        copied("stack", service, "e-1", |mount| Some(mount.clone()))
    }

    #[test]
    fn nothing_of_the_host_or_the_original_is_taken() {
        let copy = copy_of(&json!({
            "image": "a/b:1",
            "container_name": "the-stack",
            "ports": [{"target": 1885, "published": "80"}],
            "restart": "always",
            "labels": {"traefik.enable": "true"},
            "logging": {"driver": "gelf", "options": {"gelf-address": "udp://10.0.0.1"}},
            "build": {"context": "."},
            "profiles": ["x"],
            "env_file": ["a.env"],
            "pull_policy": "always",
            "environment": {"PASSWORD": "a$$b"},
            "healthcheck": {"test": ["CMD", "true"]},
            "depends_on": {"db": {"condition": "service_healthy"}},
            "extra_hosts": ["a=10.0.0.1"],
            "networks": {"back": {"aliases": ["tts"], "ipv4_address": "172.30.0.5"}, "default": null},
            "deploy": {"replicas": 2, "placement": {}, "restart_policy": {"condition": "any"},
                       "resources": {"limits": {"memory": "1"}, "reservations": {"memory": "1"}}},
        }));
        assert_eq!(
            copy,
            json!({
                "image": "a/b:1",
                "restart": "no",
                "labels": {"switchback.rehearsal": "e-1"},
                "logging": {"driver": "json-file", "options": {"max-size": "50m"}},
                "environment": {"PASSWORD": "a$$b"},
                "healthcheck": {"test": ["CMD", "true"]},
                "depends_on": {"db": {"condition": "service_healthy"}},
                "extra_hosts": ["a=10.0.0.1"],
                "networks": {"back": {"aliases": ["tts", "the-stack"]}, "default": {"aliases": ["the-stack"]}},
                "deploy": {"replicas": 2, "resources": {"limits": {"memory": "1"}}},
                "cpu_shares": 256,
                "blkio_config": {"weight": 100},
            })
        );
    }

    #[test]
    fn a_lower_share_of_the_processor_is_kept() {
        assert_eq!(copy_of(&json!({"cpu_shares": 64}))["cpu_shares"], 64);
        assert_eq!(copy_of(&json!({"cpu_shares": 2048}))["cpu_shares"], 256);
    }

    #[test]
    fn what_cannot_be_shut_in_is_named() {
        let because = |service: Value| not_isolated(&service).unwrap_or_default();
        assert!(because(json!({"network_mode": "host"})).contains("network_mode: host"));
        assert!(because(json!({"pid": "host"})).contains("pid: host"));
        assert!(because(json!({"privileged": true})).contains("privileged"));
        let socket = json!({"volumes": [{"type": "bind", "source": "/var/run/docker.sock", "target": "/s"}]});
        assert!(because(socket).contains("/var/run/docker.sock"));
        assert_eq!(
            not_isolated(&json!({"network_mode": "service:db", "privileged": false})),
            None
        );
    }

    #[test]
    fn who_is_not_needed_has_no_network_and_no_data() {
        let service = json!({"image": "traefik", "volumes": [1], "ports": [1], "networks": {"default": null},
                             "privileged": true, "command": null, "environment": {"A": "b"}});
        assert_eq!(
            left_out(&service, "e-1"),
            json!({"image": "traefik", "environment": {"A": "b"}, "network_mode": "none",
                   "labels": {"switchback.rehearsal": "e-1"}})
        );
    }
}
