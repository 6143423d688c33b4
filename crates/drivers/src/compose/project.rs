//! A project as `docker compose config` resolves it, as far as upgrades need it.

use std::collections::BTreeMap;

use serde_json::Value;
use switchback_engine::process::Secret;
use switchback_model::ServiceName;

use crate::locate::{Mount, Port, ServiceSpec, Source};

/// A resolved Compose project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Project {
    /// Its name.
    pub(crate) name: String,
    /// Its services, in the order of the answer.
    pub(crate) services: Vec<ServiceSpec>,
    /// Names that the engine knows volumes by, by their key in the file.
    volumes: BTreeMap<String, String>,
}

impl Project {
    /// Reads the answer of `docker compose config --format json`.
    pub(crate) fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        let mut answer: Value = serde_json::from_str(text)?;
        unescape(&mut answer);
        let volumes = entries(&answer["volumes"])
            .map(|(key, volume)| {
                (
                    key.clone(),
                    text_of(&volume["name"]).unwrap_or_else(|| key.clone()),
                )
            })
            .collect();
        let mut project = Self {
            name: text_of(&answer["name"]).unwrap_or_default(),
            services: Vec::new(),
            volumes,
        };
        project.services = entries(&answer["services"])
            .map(|(name, service)| project.service_from(name, service))
            .collect();
        Ok(project)
    }

    /// The service with this name.
    pub(crate) fn service(&self, name: &ServiceName) -> Option<&ServiceSpec> {
        self.services.iter().find(|service| service.name == *name)
    }

    fn service_from(&self, name: &str, service: &Value) -> ServiceSpec {
        let mut names = vec![name.to_owned()];
        names.extend(text_of(&service["container_name"]));
        names.extend(text_of(&service["hostname"]));
        for (_, network) in entries(&service["networks"]) {
            names.extend(words(&network["aliases"]));
        }
        let mut spoken = words(&service["entrypoint"]);
        spoken.extend(words(&service["command"]));
        let replicas = service["scale"]
            .as_u64()
            .or_else(|| service["deploy"]["replicas"].as_u64());
        ServiceSpec {
            name: ServiceName::new(name),
            image: text_of(&service["image"]).unwrap_or_default(),
            environment: entries(&service["environment"])
                .map(|(key, value)| {
                    let value = text_of(value).unwrap_or_default();
                    (key.clone(), Secret::new(value))
                })
                .collect(),
            ports: list(&service["ports"])
                .iter()
                .filter_map(port_from)
                .collect(),
            mounts: list(&service["volumes"])
                .iter()
                .filter_map(|volume| self.mount_from(volume))
                .collect(),
            words: spoken,
            replicas: replicas
                .and_then(|count| u32::try_from(count).ok())
                .unwrap_or(1),
            restart: text_of(&service["restart"]),
            names,
        }
    }

    fn mount_from(&self, volume: &Value) -> Option<Mount> {
        let source = text_of(&volume["source"]);
        let source = match volume["type"].as_str() {
            Some("bind") => Source::Path(source?),
            Some("volume") => {
                Source::Volume(source.map(|key| self.volumes.get(&key).cloned().unwrap_or(key)))
            }
            _ => Source::Other,
        };
        Some(Mount {
            target: text_of(&volume["target"])?,
            source,
        })
    }
}

fn port_from(port: &Value) -> Option<Port> {
    if port["protocol"]
        .as_str()
        .is_some_and(|protocol| protocol != "tcp")
    {
        return None;
    }
    let target = u16::try_from(port["target"].as_u64()?).ok()?;
    let published = text_of(&port["published"])
        .filter(|published| published.parse::<u16>().is_ok())
        .map(|published| {
            let host = text_of(&port["host_ip"]).unwrap_or_default();
            format!("{}:{published}", reachable(&host))
        });
    Some(Port { target, published })
}

/// The address under which a port bound to `host` can be reached from this host.
pub(crate) fn reachable(host: &str) -> String {
    match host {
        "" | "0.0.0.0" | "::" => "127.0.0.1".to_owned(),
        host if host.contains(':') => format!("[{host}]"),
        host => host.to_owned(),
    }
}

/// Compose writes every `$` of its answer twice.
fn unescape(value: &mut Value) {
    match value {
        Value::String(text) => *text = text.replace("$$", "$"),
        Value::Array(items) => items.iter_mut().for_each(unescape),
        Value::Object(entries) => entries.values_mut().for_each(unescape),
        _ => {}
    }
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn words(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().filter_map(text_of).collect(),
        other => text_of(other).into_iter().collect(),
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = r#"{"name":"lorawan","services":{
      "postgres":{"image":"postgres:14","environment":{"POSTGRES_PASSWORD":"p#ss$$word"},
        "volumes":[{"type":"volume","source":"pg","target":"/var/lib/postgresql/data"}],"restart":"unless-stopped",
        "networks":{"default":{"aliases":["db"]}}},
      "stack":{"image":"a/b:1","command":["start"],"entrypoint":null,"scale":2,
        "ports":[{"mode":"ingress","target":1885,"published":"80","protocol":"tcp"},
                 {"target":1700,"published":"1700","protocol":"udp"},
                 {"host_ip":"10.0.0.1","target":8885,"published":"443","protocol":"tcp"}],
        "volumes":[{"type":"bind","source":"/srv/blob","target":"/srv/public/blob"},
                   {"type":"bind","source":"/srv/public","target":"/srv/public"}]}},
      "volumes":{"pg":{"name":"lorawan_pg"}}}"#;

    #[test]
    fn reads_what_upgrades_need() {
        let project = Project::from_json(ANSWER).expect("parses");
        let postgres = project
            .service(&ServiceName::new("postgres"))
            .expect("by name");
        assert!(postgres.names.iter().any(|name| name == "db"), "by alias");
        assert_eq!(
            postgres.environment["POSTGRES_PASSWORD"].expose(),
            "p#ss$word"
        );
        assert_eq!(
            postgres.mounts[0].source,
            Source::Volume(Some("lorawan_pg".to_owned()))
        );
        let stack = project
            .service(&ServiceName::new("stack"))
            .expect("by name");
        assert_eq!(stack.replicas, 2);
        let published: Vec<_> = stack
            .ports
            .iter()
            .map(|port| port.published.as_deref())
            .collect();
        assert_eq!(published, [Some("127.0.0.1:80"), Some("10.0.0.1:443")]);
        let mount = stack
            .mount_of("/srv/public/blob/pictures")
            .expect("mounted");
        assert_eq!(mount.target, "/srv/public/blob");
    }

    #[test]
    fn debug_output_shows_no_environment() {
        let project = Project::from_json(ANSWER).expect("parses");
        assert!(!format!("{project:?}").contains("p#ss"));
    }
}
