//! What a server says of itself when it is greeted, and servers that are not the one that is meant.

use bson::{Bson, Document};
use switchback_engine::ports::Failure;
use switchback_model::DatastoreName;

use super::answers;

/// What a server says of itself at first.
#[derive(Clone, Debug, Default)]
pub(super) struct Hello {
    /// Version of the protocol: 5 is 3.4, 7 is 4.0, 9 is 4.4, 21 is 7.0.
    pub(super) wire: i32,
    /// The replica set that it is a member of.
    pub(super) set: Option<String>,
    /// That set's primary.
    pub(super) primary: Option<String>,
    /// True where it takes writes.
    pub(super) writable: bool,
    /// What it is in its set where it takes none, for people.
    pub(super) role: &'static str,
    /// Which election made it the primary.
    pub(super) election: Option<Bson>,
    /// True for a router of a sharded cluster.
    pub(super) router: bool,
    pub(super) mechanisms: Vec<String>,
}

impl Hello {
    /// Reads the answer to `isMaster`.
    pub(super) fn read(answer: &Document) -> Self {
        let text = |key: &str| answer.get_str(key).ok().map(str::to_owned);
        let is = |key: &str| answer.get_bool(key).unwrap_or(false);
        let mechanisms = answer.get_array("saslSupportedMechs").into_iter().flatten();
        Self {
            wire: answer.get_i32("maxWireVersion").unwrap_or(0),
            set: text("setName"),
            primary: text("primary"),
            writable: is("ismaster"),
            role: match (is("arbiterOnly"), is("secondary")) {
                (true, _) => "an arbiter",
                (_, true) => "a secondary",
                _ => "a member",
            },
            election: answer.get("electionId").cloned(),
            router: answer.get_str("msg").is_ok_and(|msg| msg == "isdbgrid"),
            mechanisms: mechanisms
                .filter_map(Bson::as_str)
                .map(str::to_owned)
                .collect(),
        }
    }
}

/// Refuses a server of another set than the product names: it would be somebody else's data.
pub(super) fn require_named(
    name: &DatastoreName,
    address: &str,
    wanted: Option<&String>,
    server: &Hello,
) -> Result<(), Failure> {
    let Some(wanted) = wanted.filter(|wanted| server.set.as_ref() != Some(wanted)) else {
        return Ok(());
    };
    let is = match &server.set {
        Some(set) => format!("of the replica set `{set}`"),
        None => "no member of a replica set".to_owned(),
    };
    Err(Failure::new(
        "datastore-other-set",
        format!("the server of `{name}` at {address} is {is}, and `{wanted}` is asked for"),
    )
    .state(name.to_string(), "not changed")
    .hint(format!(
        "name a member of `{wanted}`: `address` under [datastores.{name}] in switchback.toml"
    )))
}

/// A server that takes no writes, and knows none that does.
pub(super) fn no_primary(name: &DatastoreName, address: &str, server: &Hello) -> Failure {
    let failure = match &server.set {
        Some(set) => Failure::new(
            answers::NOT_PRIMARY,
            format!(
                "the server of `{name}` at {address} is {} of the replica set `{set}`, which has no primary",
                server.role
            ),
        )
        .hint("see why, in a shell there: rs.status(); once a member is primary, try again"),
        None => Failure::new(
            answers::NOT_PRIMARY,
            format!("the server of `{name}` at {address} takes no writes"),
        )
        .hint(format!(
            "name the one that does: `address` under [datastores.{name}] in switchback.toml"
        )),
    };
    failure.state(name.to_string(), "not changed, takes no writes")
}
