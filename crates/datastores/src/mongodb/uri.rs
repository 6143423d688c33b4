//! Where a server is, as a location says it.

use switchback_model::observed::DatastoreLocation;

/// The database in which the user is known, where it is another than the one that is kept.
pub(super) const SOURCE: &str = "auth-source";
/// The replica set that the product names.
pub(super) const REPLICA_SET: &str = "replica-set";
/// Further servers that the product names, with commas between them: any of them may be the one that answers.
const OTHERS: &str = "others";
/// Where a server listens that was not told otherwise.
const PORT: u16 = 27017;
/// The database of a connection that names none.
const DATABASE: &str = "test";

/// Host and port of the first server, and of the others that are named with it.
pub(super) fn addresses(
    location: &DatastoreLocation,
) -> ((String, u16), impl Iterator<Item = (String, u16)>) {
    let host = location.host.as_deref().unwrap_or("127.0.0.1");
    let others = location.options.get(OTHERS).map_or("", String::as_str);
    let others = others.split(',').filter(|other| !other.is_empty());
    (
        (host.to_owned(), location.port.unwrap_or(PORT)),
        others.map(split),
    )
}

/// True for addresses by which a machine or a container means itself.
pub(super) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host == "::1" || host.starts_with("127.")
}

/// Host and port of a member, as its set names it.
pub(super) fn split(member: &str) -> (String, u16) {
    match member.rsplit_once(':') {
        Some((host, port)) => {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            (host.to_owned(), port.parse().unwrap_or(PORT))
        }
        None => (member.to_owned(), PORT),
    }
}

/// The database that is kept.
pub(super) fn database(location: &DatastoreLocation) -> String {
    location
        .database
        .clone()
        .unwrap_or_else(|| DATABASE.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_at_home_on_loopback() {
        assert!(is_loopback("127.0.0.1") && is_loopback("localhost") && !is_loopback("10.0.0.1"));
    }

    #[test]
    fn members_are_hosts_with_ports() {
        assert_eq!(
            split("db1.example:27018"),
            ("db1.example".to_owned(), 27018)
        );
        assert_eq!(split("[::1]:27017"), ("::1".to_owned(), 27017));
        assert_eq!(split("db1"), ("db1".to_owned(), 27017));
    }
}
