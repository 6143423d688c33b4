//! Files of settings in sections, as products keep them on their hosts: what they say of datastores.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use switchback_model::Problem;
use switchback_model::config::SecretRef;
use switchback_model::exit::Exit;
use switchback_model::observed::{Access, DatastoreLocation};
use switchback_model::product::{Datastore, DatastoreKind, SettingsFile};

use crate::formats::uri::Uri;

/// Where a server is that the product does not name: products look for it beside themselves.
const HOST: &str = "127.0.0.1";
/// What locations call the servers that are named behind the first.
pub(crate) const OTHERS: &str = "others";
/// Options of a MongoDB URI, and what locations call them.
const QUERY: [(&str, &str); 6] = [
    ("tls", "tls"),
    ("ssl", "tls"),
    ("tlsCAFile", "tls-ca-file"),
    ("tlsCertificateKeyFile", "tls-certificate-key-file"),
    ("authSource", "auth-source"),
    ("replicaSet", "replica-set"),
];

/// The value of a key; an empty one counts as none.
pub(crate) fn value<'t>(text: &'t str, section: &str, key: &str) -> Option<&'t str> {
    let mut inside = false;
    let mut found = None;
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
            inside = name.trim() == section;
        } else if inside
            && !line.starts_with(['#', ';'])
            && let Some((name, value)) = line.split_once(['=', ':'])
            && name.trim() == key
        {
            // The last one counts, as for the product.
            found = Some(unquoted(value.trim()));
        }
    }
    found.filter(|value| !value.is_empty())
}

fn unquoted(value: &str) -> &str {
    let inner = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(value)
}

/// The password that a key holds: its value, or what is inside where that is a URI.
pub(crate) fn password(text: &str, section: &str, key: &str) -> Option<String> {
    let value = value(text, section, key)?;
    match value.contains("://") {
        true => Uri::parse(value).password,
        false => Some(value.to_owned()),
    }
}

/// Where the product's own file says that `datastore` is; `None` where it has no such file. `read` gives a file of
/// the product's machine.
pub(crate) fn locate(
    datastore: &Datastore,
    read: &dyn Fn(&str) -> io::Result<Option<String>>,
) -> Result<Option<DatastoreLocation>, Problem> {
    let Some(settings) = &datastore.configured_in else {
        return Ok(None);
    };
    let text = read(&settings.file).map_err(|error| unreadable(datastore, settings, &error))?;
    Ok(text.and_then(|text| location(&text, datastore.kind, settings)))
}

/// A file of this machine, where it is there.
pub(crate) fn here(path: &str) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn location(text: &str, kind: DatastoreKind, settings: &SettingsFile) -> Option<DatastoreLocation> {
    let get = |key: &Option<String>| value(text, &settings.section, key.as_deref()?);
    let host = get(&settings.host);
    let whole = get(&settings.uri).map(|value| (&settings.uri, value));
    let whole = whole.or_else(|| {
        host.filter(|host| host.contains("://"))
            .map(|value| (&settings.host, value))
    });
    // A product that takes a URI is nowhere without one.
    if settings.uri.is_some() && whole.is_none() {
        return None;
    }
    let uri = whole.map_or_else(Uri::default, |(_, value)| Uri::parse(value));
    let secret = |key: &Option<String>| {
        Some(SecretRef::Setting {
            file: settings.file.clone(),
            section: settings.section.clone(),
            key: key.clone()?,
        })
    };
    let password = match (&uri.password, whole) {
        (Some(_), Some((key, _))) => secret(key),
        _ => get(&settings.password).and_then(|_| secret(&settings.password)),
    };
    let mut options = BTreeMap::new();
    for (option, keys) in &settings.options {
        let said = keys
            .iter()
            .find_map(|key| value(text, &settings.section, key));
        options.extend(said.map(|said| (option.clone(), plain(said))));
    }
    options.extend(whole.into_iter().flat_map(|(_, uri)| asked(uri)));
    options.extend(others(kind, &uri));
    let owned = |found: Option<&str>| found.map(str::to_owned);
    Some(DatastoreLocation {
        kind,
        access: Access::Local,
        host: uri
            .host
            .or_else(|| owned(host.filter(|_| whole.is_none())))
            .or_else(|| Some(HOST.to_owned())),
        port: uri.port.or_else(|| get(&settings.port)?.parse().ok()),
        database: uri
            .database
            .or_else(|| owned(get(&settings.database)))
            .or_else(|| settings.default_database.clone()),
        user: uri.user.or_else(|| owned(get(&settings.user))),
        password,
        directory: None,
        server_directory: None,
        options,
    })
}

/// Further members of a replica set: whichever answers leads to its primary.
pub(crate) fn others(kind: DatastoreKind, uri: &Uri) -> Option<(String, String)> {
    let several = kind == DatastoreKind::Mongodb && !uri.others.is_empty();
    several.then(|| (OTHERS.to_owned(), uri.others.join(",")))
}

/// What a URI asks for after its `?`.
fn asked(uri: &str) -> impl Iterator<Item = (String, String)> + '_ {
    let query = uri.split_once('?').map_or("", |(_, query)| query);
    query.split('&').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let known = QUERY.iter().find(|(asked, _)| *asked == name)?;
        Some((known.1.to_owned(), plain(value)))
    })
}

/// `True` is written in many ways; anything else stays as it is.
fn plain(value: &str) -> String {
    let lower = value.to_ascii_lowercase();
    match lower.as_str() {
        "true" | "yes" | "on" | "1" => "true".to_owned(),
        _ => value.to_owned(),
    }
}

fn unreadable(datastore: &Datastore, settings: &SettingsFile, error: &io::Error) -> Problem {
    Problem::new(
        Exit::Refused,
        "settings-unreadable",
        format!(
            "cannot read where `{}` is: `{}`",
            datastore.name, settings.file
        ),
    )
    .cause(error)
    .state("deployment", "unchanged")
    .hint("run switchback as a user who may read that file, e.g. root")
    .hint(format!(
        "or say it in switchback.toml: [datastores.{}] address, database, user, password",
        datastore.name
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn st2() -> SettingsFile {
        let key = |name: &str| Some(name.to_owned());
        SettingsFile {
            file: "/etc/st2/st2.conf".to_owned(),
            section: "database".to_owned(),
            host: key("host"),
            port: key("port"),
            database: key("db_name"),
            user: key("username"),
            password: key("password"),
            options: [("tls".to_owned(), vec!["tls".to_owned(), "ssl".to_owned()])].into(),
            default_database: key("st2"),
            ..SettingsFile::default()
        }
    }

    fn found(text: &str) -> DatastoreLocation {
        location(text, DatastoreKind::Mongodb, &st2()).expect("found")
    }

    #[test]
    fn keys_of_other_sections_and_comments_say_nothing() {
        let text = "[messaging]\nurl = amqp://x\nhost = no\n[database]\n# host = no\nhost = 10.0.0.5\nport=27018\n\
                    username = stackstorm\npassword = \"p=w:1\"\nssl = True\n";
        let location = found(text);
        assert_eq!(location.host.as_deref(), Some("10.0.0.5"));
        assert_eq!(location.port, Some(27018));
        assert_eq!(location.database.as_deref(), Some("st2"));
        assert_eq!(location.user.as_deref(), Some("stackstorm"));
        assert_eq!(location.options["tls"], "true");
        assert_eq!(
            location.password,
            Some(SecretRef::Setting {
                file: "/etc/st2/st2.conf".to_owned(),
                section: "database".to_owned(),
                key: "password".to_owned(),
            })
        );
        assert_eq!(value(text, "database", "password"), Some("p=w:1"));
    }

    #[test]
    fn what_the_product_takes_itself_holds_where_nothing_is_said() {
        let location = found("[api]\nport = 9101\n");
        assert_eq!(
            (location.host.as_deref(), location.port, location.password),
            (Some("127.0.0.1"), None, None)
        );
        assert_eq!(location.database.as_deref(), Some("st2"));
    }

    #[test]
    fn a_host_may_be_all_in_one() {
        let location = found(
            "[database]\nhost = mongodb://u:p%40w@a:27017,b:27018/st2db?replicaSet=rs0&authSource=admin\nusername = other\n",
        );
        assert_eq!(location.host.as_deref(), Some("a"));
        assert_eq!(location.user.as_deref(), Some("u"));
        assert_eq!(location.database.as_deref(), Some("st2db"));
        assert_eq!(location.options["replica-set"], "rs0");
        assert_eq!(location.options["others"], "b:27018");
        assert_eq!(location.options["auth-source"], "admin");
        assert!(matches!(location.password, Some(SecretRef::Setting { key, .. }) if key == "host"));
    }

    #[test]
    fn a_product_that_takes_a_uri_is_nowhere_without_one() {
        let settings = SettingsFile {
            uri: Some("connection".to_owned()),
            ..SettingsFile::default()
        };
        let read = |text: &str| location(text, DatastoreKind::Postgres, &settings);
        assert_eq!(read("[]\nother = 1\n"), None);
        let location = read("[]\nconnection = postgresql+psycopg2://mistral:pw@db/mistral\n");
        let location = location.expect("found");
        assert_eq!(location.host.as_deref(), Some("db"));
        assert_eq!(location.database.as_deref(), Some("mistral"));
    }

    #[test]
    fn a_password_is_read_where_it_is() {
        let text = "[database]\npassword = s3cret\nconnection = x://u:p%20w@h/d\n";
        let read = |key: &str| password(text, "database", key);
        assert_eq!(read("password").as_deref(), Some("s3cret"));
        assert_eq!(read("connection").as_deref(), Some("p w"));
        assert_eq!(read("other"), None);
        assert_eq!(here("/nowhere/st2.conf").expect("not there"), None);
        assert!(here("/proc").is_err());
    }
}
