//! The compose file of a copy, service by service.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value, json};
use switchback_model::observed::Access;

use super::mounts::Places;
use super::original::{Original, Request, copied_project, entries};
use super::service;

/// Variables that decide the version of several services at once are called so, with a number.
const VERSION_VARIABLE: &str = "SWITCHBACK_VERSION_";

/// The copy while it is drawn.
pub(super) struct Drawing<'a> {
    original: &'a Original<'a>,
    request: &'a Request<'a>,
    places: &'a Places,
    /// Volumes that the original names and has not made yet.
    fresh: BTreeSet<String>,
    /// Values by variable.
    variables: BTreeMap<String, String>,
}

impl<'a> Drawing<'a> {
    pub(super) fn new(
        original: &'a Original<'a>,
        request: &'a Request<'a>,
        places: &'a Places,
    ) -> Self {
        Self {
            original,
            request,
            places,
            fresh: BTreeSet::new(),
            variables: BTreeMap::new(),
        }
    }

    pub(super) fn document(&mut self, project: &str, wanted: &BTreeSet<String>) -> Value {
        let mut drawn = Map::new();
        for (name, service) in entries(&self.original.config["services"]) {
            let mut copy = if wanted.contains(name) {
                let mut copy = service::copied(name, service, self.request.rehearsal, |mount| {
                    self.mount(mount)
                });
                self.data_mounts(name, service, &mut copy);
                copy
            } else {
                service::left_out(service, self.request.rehearsal)
            };
            if let Some(image) = self.image(name, project, service) {
                copy["image"] = image.into();
            }
            drawn.insert(name.clone(), copy);
        }
        let label = json!({service::REHEARSAL: self.request.rehearsal});
        let networks: Map<String, Value> = entries(&self.original.config["networks"])
            .map(|(key, _)| {
                let network = json!({"internal": !self.request.outbound, "labels": label});
                (key.clone(), network)
            })
            .collect();
        let volumes: Map<String, Value> = self
            .fresh
            .iter()
            .map(|key| (key.clone(), json!({"labels": label})))
            .collect();
        let mut document = json!({
            "name": copied_project(project, self.request.rehearsal),
            "services": drawn,
            "networks": networks,
        });
        if !volumes.is_empty() {
            document["volumes"] = Value::Object(volumes);
        }
        for kind in ["configs", "secrets"] {
            let copied: Map<String, Value> = entries(&self.original.config[kind])
                .map(|(key, value)| (key.clone(), self.file(kind, key, value)))
                .collect();
            if !copied.is_empty() {
                document[kind] = Value::Object(copied);
            }
        }
        document
    }

    /// The place of a mount in the copy, in the form of a compose file.
    fn mount(&mut self, mount: &Value) -> Option<Value> {
        let read_only = mount["read_only"] == json!(true);
        let target = &mount["target"];
        let Some(source) = self.original.source(mount) else {
            if let Some(key) = mount["source"].as_str() {
                self.fresh.insert(key.to_owned());
            }
            return Some(mount.clone());
        };
        // The host's own devices and clocks can be looked at and not be copied.
        let place = match self.places.of(&source) {
            Some(place) => place,
            None if read_only => source,
            None => return None,
        };
        let place = place.to_string_lossy().replace('$', "$$");
        Some(json!({"type": "bind", "source": place, "target": target, "read_only": read_only}))
    }

    /// Data that the original keeps in a volume without a name have a place in the copy all the same.
    fn data_mounts(&self, name: &str, service: &Value, copy: &mut Value) {
        for datastore in self.request.plan.datastores.values() {
            let location = &datastore.location;
            let Access::Container { service: server } = &location.access else {
                continue;
            };
            let (Some(directory), Some(inside)) = (&location.directory, &location.server_directory)
            else {
                continue;
            };
            let volumes = service["volumes"].as_array();
            let covered = volumes.into_iter().flatten().any(|mount| {
                let target = mount["target"].as_str().unwrap_or_default();
                mount["source"].is_string() && Path::new(inside).starts_with(target)
            });
            let Some(place) = self.places.of(Path::new(directory)) else {
                continue;
            };
            if server.as_str() != name || covered {
                continue;
            }
            let mut mounts = copy["volumes"].as_array().cloned().unwrap_or_default();
            mounts.retain(|mount| mount["target"] != json!(inside));
            let place = place.to_string_lossy().replace('$', "$$");
            mounts.push(
                json!({"type": "bind", "source": place, "target": inside, "read_only": false}),
            );
            copy["volumes"] = mounts.into();
        }
    }

    /// The image: as it is, or with the variable that decides the version of several services at once, so
    /// that the copy has as many places to change as the original.
    fn image(&mut self, name: &str, project: &str, service: &Value) -> Option<String> {
        let image = match service["image"].as_str() {
            Some(image) => image.to_owned(),
            None => format!("{project}-{name}"),
        };
        let places = &self.request.observed.version_places;
        let (number, place) = places
            .iter()
            .enumerate()
            .find(|(_, place)| place.services.iter().any(|known| known.as_str() == name))?;
        let shared = place.services.len() > 1 && !self.original.env_file_elsewhere;
        let at = image.rfind(&format!(":{}", place.text)).filter(|_| shared);
        let Some(at) = at else {
            return Some(image);
        };
        let variable = format!("{VERSION_VARIABLE}{}", number + 1);
        self.variables.insert(variable.clone(), place.text.clone());
        Some(format!(
            "{}:${{{variable}}}{}",
            &image[..at],
            &image[at + 1 + place.text.len()..]
        ))
    }

    /// A secret or a configuration.
    fn file(&self, kind: &str, key: &str, value: &Value) -> Value {
        if value["file"].is_string() {
            let path = self.request.directory.join(kind).join(key);
            return json!({"file": path.to_string_lossy().replace('$', "$$")});
        }
        let mut value = value.clone();
        if let Some(fields) = value.as_object_mut() {
            fields.remove("name");
        }
        value
    }

    pub(super) fn environment(&self) -> String {
        let lines = self.variables.iter();
        lines
            .map(|(name, value)| format!("{name}={value}\n"))
            .collect()
    }
}
