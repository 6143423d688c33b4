//! Device registries of Network, Application and Join Server: keys in Redis.

use serde_json::{Value, json};

use super::answer::Answer;
use super::{Asked, Worker};
use crate::redis::Redis;
use crate::release::Release;

impl Worker<'_> {
    /// `{ns,as,js}/applications/{id}/devices/{id}`.
    pub(super) fn registry(
        &mut self,
        registry: &str,
        application: &str,
        rest: &[&str],
        asked: &Asked<'_>,
    ) -> Result<Answer, Answer> {
        let device = match (asked.method, rest) {
            ("POST", []) => asked.body["end_device"]["ids"]["device_id"]
                .as_str()
                .ok_or_else(|| Answer::bad("device_id"))?,
            ("GET" | "PUT" | "DELETE", [device]) => device,
            _ => return Err(Answer::not_found("route")),
        };
        let uid = format!("{application}.{device}");
        let legacy = self.context.release < Release::new(3, 11, 0);
        let method = asked.method;
        let body = &asked.body["end_device"];
        let found = self.redis(|redis| {
            let key = redis.key(&[registry, "devices", "uid", &uid]);
            match method {
                "GET" => redis.get(&key),
                "DELETE" => delete(redis, registry, &key, &uid),
                _ => {
                    let text = body.to_string();
                    redis.call(&["SET", &key, &text])?;
                    if let (Some(address), "ns") = (body["session"]["dev_addr"].as_str(), registry)
                    {
                        remember_address(redis, address, &uid, legacy)?;
                    }
                    Ok(Some(text))
                }
            }
        })?;
        let found = found.ok_or_else(|| Answer::not_found("end_device"))?;
        Ok(Answer::ok(
            serde_json::from_str::<Value>(&found).unwrap_or(json!({})),
        ))
    }
}

fn delete(
    redis: &mut Redis,
    registry: &str,
    key: &str,
    uid: &str,
) -> anyhow::Result<Option<String>> {
    let Some(text) = redis.get(key)? else {
        return Ok(None);
    };
    let device: Value = serde_json::from_str(&text).unwrap_or_default();
    if let (Some(address), "ns") = (device["session"]["dev_addr"].as_str(), registry) {
        let map = redis.key(&["ns", "devices", "addr", address]);
        redis.call(&["ZREM", &format!("{map}:current"), uid])?;
    }
    redis.call(&["DEL", key])?;
    Ok(Some("{}".to_owned()))
}

/// Uplinks find their device by its address; the map's layout changed in 3.11.
fn remember_address(
    redis: &mut Redis,
    address: &str,
    uid: &str,
    legacy: bool,
) -> anyhow::Result<()> {
    let key = redis.key(&["ns", "devices", "addr", address]);
    if legacy {
        redis.call(&["SADD", &key, uid]).map(drop)
    } else {
        redis
            .call(&["ZADD", &format!("{key}:current"), "0", uid])
            .map(drop)
    }
}
