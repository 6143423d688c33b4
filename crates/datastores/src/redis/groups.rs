//! The consumer groups of streams: where each has come to, and what it has handed out and not heard back of.

use std::collections::BTreeMap;

use switchback_engine::ports::Failure;

use super::client::Client;
use super::reply::{Reply, Value, quoted};
use crate::tally;

/// What `XINFO GROUPS` tells that survives a restart in every version.
const LASTING: [&[u8]; 3] = [b"name", b"pending", b"last-delivered-id"];

/// A digest of the groups of each stream among these keys; zero where it has none. A stream that is missing
/// here was removed meanwhile.
pub(super) fn read(
    client: &Client<'_>,
    database: u32,
    keys: &[(Vec<u8>, String)],
) -> Result<BTreeMap<Vec<u8>, u128>, Failure> {
    let streams: Vec<&[u8]> = keys
        .iter()
        .filter(|(_, kind)| kind == "stream")
        .map(|(key, _)| key.as_slice())
        .collect();
    let mut found = BTreeMap::new();
    let mut groups = Vec::new();
    let commands = streams
        .iter()
        .map(|key| format!("XINFO GROUPS {}", quoted(key)));
    ask(
        client,
        database,
        commands.collect(),
        |place, reply| match reply {
            Reply::Error(error) if error.contains("no such key") => Ok(()),
            Reply::Error(error) => Err(client.refused("XINFO GROUPS", &error)),
            Reply::Values(values) => {
                let key = streams[place];
                let mut sum = 0_u128;
                for pair in values.chunks(2) {
                    let [Value::Bytes(field), value] = pair else {
                        continue;
                    };
                    if field == b"name" {
                        groups.push((key, bytes(value)));
                    }
                    if LASTING.contains(&field.as_slice()) {
                        let group = groups.last().map_or(&[][..], |(_, group)| group);
                        sum = sum.wrapping_add(tally::digest([key, group, field, &bytes(value)]));
                    }
                }
                found.insert(key.to_vec(), sum);
                Ok(())
            }
        },
    )?;
    let commands = groups
        .iter()
        .map(|(key, group)| format!("XPENDING {} {}", quoted(key), quoted(group)));
    ask(client, database, commands.collect(), |place, reply| {
        let (key, group) = &groups[place];
        match reply {
            Reply::Error(error) => Err(client.refused("XPENDING", &error)),
            Reply::Values(values) => {
                let values: Vec<Vec<u8>> = values.iter().map(bytes).collect();
                let parts = [*key, group, b"pending"].into_iter();
                let digest = tally::digest(parts.chain(values.iter().map(Vec::as_slice)));
                let sum = found.entry(key.to_vec()).or_default();
                *sum = sum.wrapping_add(digest);
                Ok(())
            }
        }
    })?;
    Ok(found)
}

/// Asks these in one database; nothing where there is nothing to ask.
fn ask(
    client: &Client<'_>,
    database: u32,
    commands: Vec<String>,
    mut hear: impl FnMut(usize, Reply) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if commands.is_empty() {
        return Ok(());
    }
    let batch = format!("SELECT {database}\n{}\n", commands.join("\n"));
    client.each(&batch, commands.len() + 1, |place, reply| {
        match place.checked_sub(1).filter(|place| *place < commands.len()) {
            Some(place) => hear(place, reply),
            None => Ok(()),
        }
    })
}

fn bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::Bytes(bytes) => bytes.clone(),
        Value::Number(number) => number.to_string().into_bytes(),
        Value::Nil => Vec::new(),
    }
}
