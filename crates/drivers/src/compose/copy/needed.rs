//! Which services a copy has to run: those of the plan, the servers of its
//! datastores, and what these need in turn. A reverse proxy, a backup job or an
//! updater has no place in a rehearsal.

use std::collections::BTreeSet;

use serde_json::Value;

/// `first`, and every service that one of them depends on or names as a host.
pub(super) fn needed(config: &Value, first: BTreeSet<String>) -> BTreeSet<String> {
    let services = config["services"].as_object();
    let Some(services) = services else {
        return first;
    };
    let mut needed: BTreeSet<String> = BTreeSet::new();
    let mut open: Vec<String> = first.into_iter().collect();
    while let Some(name) = open.pop() {
        let Some(service) = services.get(&name) else {
            continue;
        };
        if !needed.insert(name) {
            continue;
        }
        open.extend(depends_on(service));
        let named = services
            .iter()
            .filter(|(other, described)| {
                !needed.contains(*other) && is_named(service, &names(other, described))
            })
            .map(|(other, _)| other.clone());
        open.extend(named);
    }
    needed
}

fn depends_on(service: &Value) -> Vec<String> {
    let shared = ["network_mode", "pid", "ipc"]
        .iter()
        .filter_map(|key| service[*key].as_str()?.strip_prefix("service:"))
        .map(str::to_owned);
    let links = service["links"].as_array().into_iter().flatten();
    let links = links
        .filter_map(Value::as_str)
        .filter_map(|link| link.split(':').next())
        .map(str::to_owned);
    let depends = service["depends_on"].as_object().into_iter().flatten();
    depends
        .map(|(name, _)| name.clone())
        .chain(shared)
        .chain(links)
        .collect()
}

/// Every name under which a service is reached.
pub(super) fn names(name: &str, service: &Value) -> Vec<String> {
    let mut names = vec![name.to_owned()];
    for key in ["container_name", "hostname"] {
        names.extend(service[key].as_str().map(str::to_owned));
    }
    let networks = service["networks"].as_object().into_iter().flatten();
    for (_, network) in networks {
        let aliases = network["aliases"].as_array().into_iter().flatten();
        names.extend(aliases.filter_map(Value::as_str).map(str::to_owned));
    }
    names
}

/// Whether one of `hosts` stands in the service's settings where a host with a port or a URI stands.
fn is_named(service: &Value, hosts: &[String]) -> bool {
    let environment = service["environment"].as_object().into_iter().flatten();
    let words = ["command", "entrypoint"].iter().flat_map(|key| {
        let words = service[*key].as_array().into_iter().flatten();
        words.filter_map(Value::as_str)
    });
    let values = environment.filter_map(|(_, value)| value.as_str());
    values
        .chain(words)
        .any(|text| hosts.iter().any(|host| names_host(text, host)))
}

fn names_host(text: &str, host: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    text.match_indices(host).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + host.len()..]);
        let begins = !before.ends_with(part);
        let has_port = after
            .strip_prefix(':')
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        let in_uri = (before.ends_with("//") || before.ends_with('@')) && !after.starts_with(part);
        begins && (has_port || in_uri)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(first: &str, config: &Value) -> Vec<String> {
        needed(config, BTreeSet::from([first.to_owned()]))
            .into_iter()
            .collect()
    }

    #[test]
    fn what_is_depended_on_or_named_as_a_host_comes_along_and_nothing_else() {
        let config = json!({"services": {
            "stack": {
                "depends_on": {"postgres": {}},
                "environment": {"REDIS": "cache:6379", "MQTT": "mqtts://broker/x", "HINT": "the proxy is fast"},
            },
            "postgres": {"depends_on": {"init": {}}},
            "init": {},
            "redis": {"networks": {"back": {"aliases": ["cache"]}}},
            "mosquitto": {"hostname": "broker"},
            "proxy": {"depends_on": {"stack": {}}},
            "watchtower": {},
        }});
        assert_eq!(
            of("stack", &config),
            ["init", "mosquitto", "postgres", "redis", "stack"]
        );
    }

    #[test]
    fn a_name_inside_another_one_is_not_a_host() {
        assert!(names_host("postgres://u:p@db/x", "db"));
        assert!(names_host("db:5432", "db"));
        assert!(names_host("a:1,db:5432", "db"));
        assert!(!names_host("mydb:5432", "db"));
        assert!(!names_host("http://db.example.com/", "db"));
        assert!(!names_host("the db: a thing", "db"));
    }
}
