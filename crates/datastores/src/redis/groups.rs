//! The consumer groups of streams: where each has come to, and what it has handed out and not heard back of.

use std::collections::BTreeMap;

use switchback_engine::ports::Failure;

use super::digest::Lanes;
use super::key::{About, Key};
use super::reply::{Reply, Value, quoted};
use super::session::Session;

/// A group, with what `XINFO GROUPS` tells that survives a restart in every version.
#[derive(Default)]
struct Group {
    stream: Vec<u8>,
    name: Vec<u8>,
    pending: Vec<u8>,
    delivered: Vec<u8>,
}

/// What stands for the groups of each stream among these keys. A stream that is missing here was removed meanwhile.
pub(super) fn read(
    session: &mut Session<'_>,
    keys: &[Key],
) -> Result<BTreeMap<Vec<u8>, String>, Failure> {
    let streams: Vec<&[u8]> = keys
        .iter()
        .filter(|key| matches!(&key.about, About::Here { kind, .. } if kind == "stream"))
        .map(|key| key.name.as_slice())
        .collect();
    let commands: Vec<String> = streams
        .iter()
        .map(|key| format!("XINFO GROUPS {}", quoted(key)))
        .collect();
    let client = session.client;
    let mut found: BTreeMap<Vec<u8>, Lanes> = BTreeMap::new();
    let mut groups: Vec<Group> = Vec::new();
    session.each(&commands, |place, reply| match reply {
        Reply::Error(error) if error.contains("no such key") => Ok(()),
        Reply::Error(error) => Err(client.refused("XINFO GROUPS", &error)),
        Reply::Values(values) => {
            found.insert(streams[place].to_vec(), Lanes::default());
            groups.extend(of_stream(streams[place], values));
            Ok(())
        }
    })?;
    let commands: Vec<String> = groups
        .iter()
        .map(|group| format!("XPENDING {} {}", quoted(&group.stream), quoted(&group.name)))
        .collect();
    session.each(&commands, |place, reply| match reply {
        Reply::Error(error) => Err(client.refused("XPENDING", &error)),
        Reply::Values(values) => {
            let group = &groups[place];
            let values: Vec<Vec<u8>> = values.into_iter().map(Value::into_bytes).collect();
            let told = [&group.name, &group.pending, &group.delivered];
            let parts = told.into_iter().chain(&values).map(Vec::as_slice);
            found.entry(group.stream.clone()).or_default().add(parts);
            Ok(())
        }
    })?;
    Ok(found
        .into_iter()
        .map(|(key, lanes)| (key, lanes.text()))
        .collect())
}

/// The answer has a name and a value in turn, and each group begins with its name.
fn of_stream(stream: &[u8], values: Vec<Value>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut values = values.into_iter().map(Value::into_bytes);
    while let (Some(field), Some(value)) = (values.next(), values.next()) {
        if field == b"name" {
            groups.push(Group {
                stream: stream.to_vec(),
                name: value,
                ..Group::default()
            });
        } else if let Some(group) = groups.last_mut() {
            match &field[..] {
                b"pending" => group.pending = value,
                b"last-delivered-id" => group.delivered = value,
                _ => {}
            }
        }
    }
    groups
}
