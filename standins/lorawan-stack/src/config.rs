//! Configuration: files given with `-c` or `TTN_LW_CONFIG`, overridden by the environment.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use serde_json::Value;

/// Every setting by its dotted name.
pub(crate) struct Config {
    settings: BTreeMap<String, String>,
}

impl Config {
    /// Reads the named files, then the environment. A named file that is missing is an error.
    pub(crate) fn load(named: &[String]) -> Result<Self> {
        let mut files = named.to_vec();
        if files.is_empty()
            && let Ok(file) = std::env::var("TTN_LW_CONFIG")
        {
            files.push(file);
        }
        let mut settings = BTreeMap::new();
        for file in files {
            let text = fs::read_to_string(&file).with_context(|| format!("open {file}"))?;
            let value: Value =
                serde_saphyr::from_str(&text).with_context(|| format!("parse {file}"))?;
            flatten("", &value, &mut settings);
        }
        Ok(Self { settings })
    }

    /// A setting: `is.database-uri` is `TTN_LW_IS_DATABASE_URI` in the environment.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let variable = format!("TTN_LW_{}", name.to_uppercase().replace(['.', '-'], "_"));
        std::env::var(variable)
            .ok()
            .or_else(|| self.settings.get(name).cloned())
    }

    pub(crate) fn get_or(&self, name: &str, default: &str) -> String {
        self.get(name).unwrap_or_else(|| default.to_owned())
    }

    /// The Identity Server's database. Without one the real program tries the local host, too.
    pub(crate) fn database_uri(&self) -> String {
        self.get_or(
            "is.database-uri",
            "postgresql://root:root@localhost:5432/ttn_lorawan_dev?sslmode=disable",
        )
    }
}

fn flatten(prefix: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let name = if prefix.is_empty() {
                    key.clone()
                } else {
                    format!("{prefix}.{key}")
                };
                flatten(&name, value, into);
            }
        }
        Value::Null => {}
        Value::String(text) => drop(into.insert(prefix.to_owned(), text.clone())),
        other => drop(into.insert(prefix.to_owned(), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::flatten;

    #[test]
    fn nested_settings_get_dotted_names() {
        let value = serde_json::json!({"is": {"database-uri": "x", "email": {"dir": null}}, "http": {"n": 3}});
        let mut found = BTreeMap::new();
        flatten("", &value, &mut found);
        let found: Vec<_> = found
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        assert_eq!(found, [("http.n", "3"), ("is.database-uri", "x")]);
    }
}
