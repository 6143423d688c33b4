//! `ns-db`, `as-db`, `js-db`, `dcs-db migrate`: work on Redis keys, and where each release records that it was done.

use anyhow::{Result, bail};
use serde_json::Value;

use crate::log::{info, warning};
use crate::redis::{Redis, Reply};
use crate::release::Release;
use crate::{Context, faults};

/// The version that every one of these commands writes.
const CURRENT: &str = "1";

/// Network Server: the matching map of device addresses changed in 3.11; its migration was removed in 3.25.
pub(crate) fn network(context: &Context) -> Result<()> {
    info!("Connecting to Network Server database...");
    let mut redis = Redis::connect(&context.config)?;
    if context.release >= Release::new(3, 25, 0) {
        return network_after_breakpoint(context, &mut redis);
    }
    let record = if context.release < Release::new(3, 14, 0) {
        None
    } else if context.release < Release::new(3, 15, 0) {
        // Without namespace, as these releases wrote it.
        Some("schema-version".to_owned())
    } else {
        Some(redis.key(&["ns", "devices", "schema-version"]))
    };
    if let Some(record) = &record
        && !context.force
    {
        info!("Checking database schema version...");
        if is_current(&mut redis, record)? {
            info!("Database schema version is already in latest version");
            return Ok(());
        }
    }
    let pattern = redis.key(&["ns", "devices", "addr", "*"]);
    let legacy: Vec<String> = redis
        .scan(&pattern)?
        .into_iter()
        .filter(|key| !key.ends_with(":current") && !key.ends_with(":pending"))
        .collect();
    in_two_halves("ns-db", &legacy, |key| convert_address(&mut redis, key))?;
    record.map_or(Ok(()), |record| write(&mut redis, &record))
}

/// A set of device ids becomes a sorted set, which is how 3.11 and later look devices up.
fn convert_address(redis: &mut Redis, key: &str) -> Result<()> {
    if let Reply::List(members) = redis.call(&["SMEMBERS", key])? {
        for member in members.into_iter().filter_map(Reply::text) {
            redis.call(&["ZADD", &format!("{key}:current"), "0", &member])?;
        }
    }
    redis.call(&["DEL", key]).map(drop)
}

fn network_after_breakpoint(context: &Context, redis: &mut Redis) -> Result<()> {
    let devices = redis.key(&["ns", "devices", "schema-version"]);
    let uplinks = redis.key(&["ns", "application-uplinks", "schema-version"]);
    if !context.force {
        info!("Checking devices namespace schema version...");
        if !is_current(redis, &devices)? {
            bail!(
                "You are currently running devices namespace schema version 0 of the Network Server database. This devices \
                 namespace schema cannot be auto-migrated to latest. Use v3.24.0 of The Things Stack to upgrade the devices \
                 namespace version before upgrading to latest. If you are not upgrading from a version preceding v3.11 of The \
                 Things Stack please use the --force flag."
            );
        }
        info!("Devices namespace schema version is already in latest version");
        info!("Checking uplink namespace schema version...");
        if is_current(redis, &uplinks)? {
            info!("Uplink namespace schema version is already in latest version");
            return Ok(());
        }
    }
    let pattern = redis.key(&["ns", "application-uplinks", "uid", "*", "last-invalidation"]);
    let stale = redis.scan(&pattern)?;
    in_two_halves("ns-db", &stale, |key| redis.call(&["DEL", key]).map(drop))?;
    write(redis, &uplinks)?;
    write(redis, &devices)
}

/// Application Server: forgets when downlink queues were started. A device that cannot be read is logged and left.
pub(crate) fn application(context: &Context) -> Result<()> {
    info!("Connecting to Application Server database...");
    let mut redis = Redis::connect(&context.config)?;
    let record = redis.key(&["as", "schema-version"]);
    if !context.force && is_current(&mut redis, &record)? {
        info!("Database schema version is already in latest version");
        return Ok(());
    }
    let pattern = redis.key(&["as", "devices", "uid", "*"]);
    let devices = redis.scan(&pattern)?;
    in_two_halves("as-db", &devices, |key| {
        let Some(text) = redis.get(key)? else {
            return Ok(());
        };
        match serde_json::from_str::<Value>(&text) {
            Ok(Value::Object(mut device)) if device.contains_key("started_at") => {
                device.remove("started_at");
                redis
                    .call(&["SET", key, &Value::Object(device).to_string()])
                    .map(drop)
            }
            Ok(_) => Ok(()),
            Err(problem) => {
                warning!("Failed to decode end device  key={key} error={problem}");
                Ok(())
            }
        }
    })?;
    write(&mut redis, &record)
}

/// Join Server: drops session keys of devices that are gone, and all but the newest per device.
pub(crate) fn join(context: &Context) -> Result<()> {
    info!("Connecting to Join Server database...");
    let mut redis = Redis::connect(&context.config)?;
    let record = redis.key(&["js", "keys", "schema-version"]);
    if !context.force && is_current(&mut redis, &record)? {
        info!("Database schema version is already in latest version");
        return Ok(());
    }
    let limit: usize = context.config.get_or("js.session-key-limit", "0").parse()?;
    if limit > 0 {
        let pattern = redis.key(&["js", "keys", "ids", "*"]);
        let ids = redis.scan(&pattern)?;
        in_two_halves("js-db", &ids, |list| drop_old_keys(&mut redis, list, limit))?;
    }
    write(&mut redis, &record)
}

fn drop_old_keys(redis: &mut Redis, list: &str, limit: usize) -> Result<()> {
    let device = list.replacen(":keys:ids:", ":devices:uid:", 1);
    let keep = match redis.call(&["EXISTS", &device])? {
        Reply::Number(1) => limit,
        _ => 0,
    };
    if let Reply::List(old) = redis.call(&["LRANGE", list, &keep.to_string(), "-1"])? {
        for id in old.into_iter().filter_map(Reply::text) {
            let key = redis.key(&["js", "keys", "id", &id]);
            redis.call(&["DEL", &key])?;
        }
    }
    if keep == 0 {
        redis.call(&["DEL", list]).map(drop)
    } else {
        redis
            .call(&["LTRIM", list, "0", &(keep - 1).to_string()])
            .map(drop)
    }
}

/// Device Claiming Server, Enterprise to 3.25: its work cannot be seen; the record stands for it.
pub(crate) fn claiming(context: &Context) -> Result<()> {
    info!("Connecting to Device Claiming Server database...");
    let mut redis = Redis::connect(&context.config)?;
    let record = redis.key(&["dcs", "schema-version"]);
    faults::in_the_middle_of("dcs-db")?;
    write(&mut redis, &record)
}

fn in_two_halves(
    command: &str,
    keys: &[String],
    mut each: impl FnMut(&str) -> Result<()>,
) -> Result<()> {
    let half = keys.len().div_ceil(2);
    keys[..half].iter().try_for_each(|key| each(key))?;
    faults::in_the_middle_of(command)?;
    keys[half..].iter().try_for_each(|key| each(key))
}

/// A missing record counts as version 0.
fn is_current(redis: &mut Redis, record: &str) -> Result<bool> {
    Ok(redis
        .get(record)?
        .is_some_and(|version| version.as_str() >= CURRENT))
}

fn write(redis: &mut Redis, record: &str) -> Result<()> {
    info!("Recording schema version...");
    redis.call(&["SET", record, CURRENT]).map(drop)
}
