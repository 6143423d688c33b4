//! What a server's answer means, and what it means that there is none.

use bson::raw::{RawBsonRef, RawDocument};
use switchback_engine::ports::Failure;
use switchback_model::DatastoreName;
use switchback_model::product::{DatastoreKind, ServerChange};

use super::wire::Broken;

const UNAUTHORIZED: i64 = 13;
const AUTHENTICATION_FAILED: i64 = 18;
const NO_NAMESPACE: i64 = 26;
const OUT_OF_DISK: i64 = 14031;
/// What a member says that is the primary no more, or never was.
const NOT_A_PRIMARY: [i64; 5] = [10107, 13435, 13436, 189, 11602];
/// The same of servers that give no code.
const NOT_MASTER: &str = "not master";
/// Most members have not said in time that they have it.
const NOT_CONFIRMED: i64 = 64;
/// A server says so in words, too, where its storage engine fails.
const FULL: [&str; 2] = ["No space left on device", "out of disk space"];

/// The code of failures that are about something which does not exist.
pub(super) const MISSING: &str = "mongodb-namespace-missing";
/// The code of failures that are about a missing right.
pub(super) const DENIED: &str = "datastore-permission";
/// The code of failures that are about a server which takes no writes.
pub(super) const NOT_PRIMARY: &str = "datastore-not-primary";
/// The code of failures that are about members which lack what was written.
pub(super) const UNCONFIRMED: &str = "datastore-unconfirmed";

/// Nothing where the server did what it was asked.
pub(super) fn understood(
    name: &DatastoreName,
    database: &str,
    command: &str,
    answer: &RawDocument,
) -> Result<(), Failure> {
    let ok = answer.get("ok").ok().flatten().and_then(number);
    if ok.is_none_or(|ok| ok == 0) {
        return Err(no(name, database, command, answer));
    }
    let nested = [first_of(answer, "writeErrors"), concern(answer)];
    match nested.into_iter().flatten().next() {
        None => Ok(()),
        Some(error) => Err(no(name, database, command, error)),
    }
}

fn first_of<'a>(answer: &'a RawDocument, field: &str) -> Option<&'a RawDocument> {
    let errors = answer.get_array(field).ok()?;
    errors.into_iter().next()?.ok()?.as_document()
}

fn concern(answer: &RawDocument) -> Option<&RawDocument> {
    answer.get_document("writeConcernError").ok()
}

/// Any of the numbers that servers say `ok` and codes with.
fn number(value: RawBsonRef<'_>) -> Option<i64> {
    match value {
        RawBsonRef::Double(number) => Some(i64::from(number != 0.0)),
        RawBsonRef::Int32(number) => Some(number.into()),
        RawBsonRef::Int64(number) => Some(number),
        RawBsonRef::Boolean(yes) => Some(yes.into()),
        _ => None,
    }
}

fn no(name: &DatastoreName, database: &str, command: &str, answer: &RawDocument) -> Failure {
    let code = answer.get("code").ok().flatten().and_then(number);
    let words = answer
        .get_str("errmsg")
        .unwrap_or("it does not say why")
        .to_owned();
    let full = FULL.iter().any(|said| words.contains(said));
    match code {
        Some(AUTHENTICATION_FAILED) => password(name).cause(words),
        Some(UNAUTHORIZED) => Failure::new(
            DENIED,
            format!("the user of `{name}` may not run `{command}` on database `{database}`"),
        )
        .cause(words)
        .state(name.to_string(), "not changed by this")
        .hint(format!(
            "give it the role `readWrite` on `{database}`, in a shell: db.grantRolesToUser(USER, [{{role: \"readWrite\", db: \"{database}\"}}])"
        ))
        .hint(format!(
            "or name another user under [datastores.{name}] in switchback.toml"
        )),
        Some(OUT_OF_DISK) => full_disk(name, words),
        _ if full => full_disk(name, words),
        Some(code) if NOT_A_PRIMARY.contains(&code) => stepped_down(name, words),
        None if words.starts_with(NOT_MASTER) => stepped_down(name, words),
        Some(NOT_CONFIRMED) => unconfirmed(name, words),
        Some(NO_NAMESPACE) => {
            Failure::new(MISSING, format!("`{name}` has not what `{command}` is about"))
                .cause(words)
        }
        _ => Failure::new(
            "datastore-answer",
            format!("the server of `{name}` does not do what it was asked: `{command}`"),
        )
        .cause(words)
        .hint("look at the server's log, then resume"),
    }
}

fn stepped_down(name: &DatastoreName, words: String) -> Failure {
    Failure::new(
        NOT_PRIMARY,
        format!("the server of `{name}` is the primary of its replica set no longer"),
    )
    .cause(words)
    .state(name.to_string(), "takes no writes there")
    .hint("see that the set has a primary, in a shell: rs.status(); then resume: what was begun is looked at there")
}

fn unconfirmed(name: &DatastoreName, words: String) -> Failure {
    Failure::new(
        UNCONFIRMED,
        format!("most members of the replica set of `{name}` do not confirm a write"),
    )
    .cause(words)
    .state(name.to_string(), "written on its primary alone")
    .hint("see which members are down or behind, in a shell: rs.status(); then resume")
}

fn full_disk(name: &DatastoreName, words: String) -> Failure {
    Failure::new("disk-full", format!("no space left for `{name}`"))
        .cause(words)
        .hint("free space on the filesystem of the server's data, then resume")
}

/// There is no answer.
pub(super) fn broken(name: &DatastoreName, address: &str, broken: Broken) -> Failure {
    match broken {
        Broken::Stopped => Failure::stopped("stopped by the operator while waiting"),
        Broken::Odd(what) => odd(name, &what),
        Broken::Lost(error) => Failure::new(
            "datastore-silent",
            format!("the server of `{name}` does not answer at {address}"),
        )
        .cause(error)
        .state(name.to_string(), "unknown")
        .hint("start it, look at its log, then try again")
        .hint(format!(
            "where it is elsewhere: `address` under [datastores.{name}] in switchback.toml"
        )),
    }
}

/// The connection ended in the middle. `way` says whose it was, where that is not the server's alone.
pub(super) fn broke_off(
    name: &DatastoreName,
    address: &str,
    way: Option<&str>,
    failure: Broken,
) -> Failure {
    let Broken::Lost(error) = failure else {
        return broken(name, address, failure);
    };
    let what = format!("the connection to the server of `{name}` at {address} was lost");
    let mut told = Failure::new("datastore-lost", what).cause(error);
    if let Some(way) = way {
        told = told.cause(way);
    }
    told.state(name.to_string(), "unknown")
        .hint("see that it runs; then switchback resume asks it anew, and does nothing twice")
}

/// An answer that cannot be understood.
pub(super) fn odd(name: &DatastoreName, what: &dyn std::fmt::Display) -> Failure {
    Failure::new(
        "datastore-answer",
        format!("what answers for `{name}` cannot be understood"),
    )
    .cause(what)
    .hint("see that it is a MongoDB server, and whether it wants TLS")
}

fn password(name: &DatastoreName) -> Failure {
    Failure::new(
        "datastore-password-wrong",
        format!("the server of `{name}` refuses the password or the user"),
    )
    .hint(format!(
        "say where the right one is: [datastores.{name}] password and user in switchback.toml"
    ))
}

/// Who answers does not accept us, or is not to be trusted.
pub(super) fn refused(name: &DatastoreName, user: &str, why: &str) -> Failure {
    password(name).cause(format!("user `{user}`: {why}"))
}

/// A user without a password.
pub(super) fn no_password(name: &DatastoreName, user: &str) -> Failure {
    refused(name, user, "no password was found")
}

/// Who is connected is not for our user to see, and then nobody can say that none writes.
pub(super) fn unseen(name: &DatastoreName, failure: Failure) -> Failure {
    if failure.code != DENIED {
        return failure;
    }
    let what = format!("the user of `{name}` may not see who is connected");
    let hint = "give it the role `clusterMonitor` on `admin`, in a shell: \
                db.grantRolesToUser(USER, [{role: \"clusterMonitor\", db: \"admin\"}])";
    Failure {
        what,
        hints: vec![hint.to_owned()],
        ..failure
    }
}

/// A server whose protocol is too old.
pub(super) fn too_old(name: &DatastoreName) -> Failure {
    let kept_from = match DatastoreKind::Mongodb.server_change() {
        ServerChange::Climbs { kept_from, .. } => kept_from,
        _ => "",
    };
    Failure::new(
        "datastore-unsupported",
        format!("the server of `{name}` is older than MongoDB {kept_from}, and is not kept"),
    )
    .cause(format!(
        "indexes and documents are read by commands that came with {kept_from}"
    ))
    .state(name.to_string(), "not changed")
    .hint(format!(
        "bring it to {kept_from}, one line after the other, as its own documentation says, then plan again"
    ))
    .hint(format!(
        "or back it up by its own means, and say so: backup = \"none\" under [datastores.{name}] in switchback.toml"
    ))
}

#[cfg(test)]
mod tests {
    use bson::doc;
    use bson::raw::RawDocumentBuf;

    use super::*;

    fn told(answer: bson::Document) -> Result<(), Failure> {
        let answer = RawDocumentBuf::try_from(&answer).expect("a document");
        understood(&"mongodb".into(), "st2", "find", &answer)
    }

    #[test]
    fn what_servers_say_no_with_is_told_apart() {
        let code = |answer| told(answer).expect_err("no").code;
        assert_eq!(told(doc! { "ok": 1.0 }), Ok(()));
        assert_eq!(told(doc! { "ok": true }), Ok(()));
        let no = |code: i32, words: &str| doc! { "ok": 0.0, "code": code, "errmsg": words };
        assert_eq!(
            code(no(18, "Authentication failed.")),
            "datastore-password-wrong"
        );
        assert_eq!(code(no(26, "ns not found")), MISSING);
        assert_eq!(code(no(14031, "x")), "disk-full");
        assert_eq!(code(no(8, "28: No space left on device")), "disk-full");
        assert_eq!(code(doc! { "ok": 0, "errmsg": "x" }), "datastore-answer");
        let nested = doc! { "ok": 1, "writeErrors": [{ "code": 11000, "errmsg": "E11000 twice" }] };
        assert_eq!(told(nested).expect_err("no").causes, ["E11000 twice"]);
        let nested = doc! { "ok": 1, "writeConcernError": { "code": 64, "errmsg": "too slow" } };
        assert_eq!(code(nested), UNCONFIRMED);
        assert_eq!(code(no(189, "stepped down")), NOT_PRIMARY);
        let old = doc! { "ok": 0.0, "errmsg": "not master and slaveOk=false" };
        assert_eq!(code(old), NOT_PRIMARY);
    }

    #[test]
    fn a_missing_right_is_named_with_the_command_that_gives_it() {
        let failure = told(doc! { "ok": 0.0, "code": 13, "errmsg": "not authorized on st2" })
            .expect_err("denied");
        assert_eq!(failure.code, DENIED);
        assert_eq!(
            failure.what,
            "the user of `mongodb` may not run `find` on database `st2`"
        );
        assert_eq!(failure.causes, ["not authorized on st2"]);
        assert_eq!(
            failure.hints[0],
            "give it the role `readWrite` on `st2`, in a shell: db.grantRolesToUser(USER, [{role: \"readWrite\", db: \"st2\"}])"
        );
    }
}
