//! What a database is beside its contents: owner, encoding, locale, rights, settings.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::sql::{identifier, literal};

/// Settings that are lists: the server keeps them quoted already.
const LISTS: &[&str] = &[
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// As [`super::sql::properties`] asks for them, kept in the manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Properties {
    /// The row of `pg_database`; its columns depend on the server's version.
    catalog: Value,
    encoding: String,
    owner: String,
    tablespace: Option<String>,
    comment: Option<String>,
    has_acl: bool,
    acl: Option<Vec<Grant>>,
    settings: Option<Vec<Setting>>,
    /// Version of the TimescaleDB extension, where it is installed.
    #[serde(default)]
    pub(super) timescale: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Grant {
    grantee: Option<String>,
    privilege: String,
    grantable: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Setting {
    role: Option<String>,
    config: Vec<String>,
}

impl Properties {
    /// Creates an empty database that is like the original.
    pub(super) fn create(&self, name: &str) -> String {
        let mut sql = format!(
            "create database {} template template0 owner {} encoding {}",
            identifier(name),
            identifier(&self.owner),
            literal(&self.encoding)
        );
        for (column, option) in [("datcollate", "lc_collate"), ("datctype", "lc_ctype")] {
            if let Some(value) = self.text(column) {
                let _ = write!(sql, " {option} {}", literal(value));
            }
        }
        // `daticulocale` in 15 and 16, `datlocale` since.
        let locale = self.text("datlocale").or_else(|| self.text("daticulocale"));
        match (self.text("datlocprovider"), locale) {
            (Some("i"), Some(locale)) => {
                let _ = write!(sql, " locale_provider icu icu_locale {}", literal(locale));
                if let Some(rules) = self.text("daticurules") {
                    let _ = write!(sql, " icu_rules {}", literal(rules));
                }
            }
            (Some("b"), Some(locale)) => {
                let _ = write!(
                    sql,
                    " locale_provider builtin builtin_locale {}",
                    literal(locale)
                );
            }
            _ => {}
        }
        // The default one needs no right as long as nobody names it.
        let elsewhere = self
            .tablespace
            .as_ref()
            .filter(|name| *name != "pg_default");
        if let Some(tablespace) = elsewhere {
            let _ = write!(sql, " tablespace {}", identifier(tablespace));
        }
        if let Some(limit) = self.catalog.get("datconnlimit").and_then(Value::as_i64) {
            let _ = write!(sql, " connection limit {limit}");
        }
        sql.push_str(";\n");
        sql
    }

    /// Gives a database the rights, settings and comment of the original.
    pub(super) fn apply(&self, name: &str) -> String {
        let database = identifier(name);
        let mut sql = String::new();
        if self.has_acl {
            let owner = identifier(&self.owner);
            let _ = writeln!(
                sql,
                "revoke all on database {database} from public, {owner};"
            );
            for grant in self.acl.iter().flatten() {
                let grantee = grant
                    .grantee
                    .as_deref()
                    .map_or("public".to_owned(), identifier);
                let option = if grant.grantable {
                    " with grant option"
                } else {
                    ""
                };
                let _ = writeln!(
                    sql,
                    "grant {} on database {database} to {grantee}{option};",
                    grant.privilege
                );
            }
        }
        for setting in self.settings.iter().flatten() {
            for assignment in &setting.config {
                let Some((parameter, value)) = assignment.split_once('=') else {
                    continue;
                };
                // Set by TimescaleDB while it is restored; a restore ends with taking it back.
                if parameter == "timescaledb.restoring" {
                    continue;
                }
                let whose = match &setting.role {
                    Some(role) => format!("role {} in database {database}", identifier(role)),
                    None => format!("database {database}"),
                };
                let parameters: Vec<String> = parameter.split('.').map(identifier).collect();
                let value = if LISTS.contains(&parameter) && !value.is_empty() {
                    value.to_owned()
                } else {
                    literal(value)
                };
                let _ = writeln!(
                    sql,
                    "alter {whose} set {} to {value};",
                    parameters.join(".")
                );
            }
        }
        if let Some(comment) = &self.comment {
            let _ = writeln!(
                sql,
                "comment on database {database} is {};",
                literal(comment)
            );
        }
        sql
    }

    fn text(&self, column: &str) -> Option<&str> {
        self.catalog.get(column).and_then(Value::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_database_is_like_the_original() {
        let properties: Properties = serde_json::from_str(
            r#"{"catalog": {"datcollate": "C", "datctype": "C", "datlocprovider": "i", "daticulocale": "en-US", "datconnlimit": 7},
                "encoding": "UTF8", "owner": "Root", "tablespace": "fast", "comment": "it's", "has_acl": true,
                "acl": [{"grantee": null, "privilege": "CONNECT", "grantable": false},
                        {"grantee": "app", "privilege": "CREATE", "grantable": true}],
                "settings": [{"role": null, "config": ["search_path=\"$user\", app", "app.mode=a'b"]},
                             {"role": "app", "config": ["work_mem=8MB", "timescaledb.restoring=on"]}]}"#,
        )
        .expect("as the server tells it");
        assert_eq!(
            properties.create("new"),
            "create database \"new\" template template0 owner \"Root\" encoding 'UTF8' lc_collate 'C' lc_ctype 'C' \
             locale_provider icu icu_locale 'en-US' tablespace \"fast\" connection limit 7;\n"
        );
        assert_eq!(
            properties.apply("new"),
            "revoke all on database \"new\" from public, \"Root\";\n\
             grant CONNECT on database \"new\" to public;\n\
             grant CREATE on database \"new\" to \"app\" with grant option;\n\
             alter database \"new\" set \"search_path\" to \"$user\", app;\n\
             alter database \"new\" set \"app\".\"mode\" to 'a''b';\n\
             alter role \"app\" in database \"new\" set \"work_mem\" to '8MB';\n\
             comment on database \"new\" is 'it''s';\n"
        );
    }
}
