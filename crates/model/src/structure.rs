//! How a datastore's content is shaped: tables, columns, indexes; and what changed between two shapes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The shape of one datastore.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Structure {
    /// Columns with their types, by table (`public.users`).
    pub tables: BTreeMap<String, BTreeMap<String, String>>,
    /// Definitions of indexes and constraints, by table and name (`public.users/users_pkey`).
    pub indexes: BTreeMap<String, String>,
}

/// What is different between two shapes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StructureChanges {
    /// Tables that are new, with the number of their columns.
    pub tables_added: BTreeMap<String, usize>,
    /// Tables that are gone.
    pub tables_removed: Vec<String>,
    /// Columns that are new in a table that was there, `table.column type`.
    pub columns_added: Vec<String>,
    /// Columns that are gone from a table that is still there.
    pub columns_removed: Vec<String>,
    /// Columns with another type, `table.column old → new`.
    pub columns_changed: Vec<String>,
    /// Indexes that are new on a table that was there.
    pub indexes_added: Vec<String>,
    /// Indexes that are gone from a table that is still there.
    pub indexes_removed: Vec<String>,
    /// Indexes that are defined anew.
    pub indexes_changed: Vec<String>,
}

impl Structure {
    /// What is different in `after`.
    pub fn changes(&self, after: &Self) -> StructureChanges {
        let mut changes = StructureChanges::default();
        for (table, columns) in &after.tables {
            match self.tables.get(table) {
                None => {
                    changes.tables_added.insert(table.clone(), columns.len());
                }
                Some(before) => changes.columns(table, before, columns),
            }
        }
        let gone = |table: &&String| !after.tables.contains_key(*table);
        changes.tables_removed = self.tables.keys().filter(gone).cloned().collect();
        // What comes or goes with its table needs no line of its own.
        let stays = |name: &str| {
            let table = name.split('/').next().unwrap_or(name);
            self.tables.contains_key(table) && after.tables.contains_key(table)
        };
        for (name, definition) in after.indexes.iter().filter(|(name, _)| stays(name)) {
            match self.indexes.get(name) {
                None => changes.indexes_added.push(name.clone()),
                Some(before) if before != definition => changes.indexes_changed.push(name.clone()),
                Some(_) => {}
            }
        }
        changes.indexes_removed = self
            .indexes
            .keys()
            .filter(|name| stays(name) && !after.indexes.contains_key(*name))
            .cloned()
            .collect();
        changes
    }
}

impl StructureChanges {
    /// True where nothing is different.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn columns(
        &mut self,
        table: &str,
        before: &BTreeMap<String, String>,
        after: &BTreeMap<String, String>,
    ) {
        for (column, kind) in after {
            match before.get(column) {
                None => self.columns_added.push(format!("{table}.{column} {kind}")),
                Some(old) if old != kind => self
                    .columns_changed
                    .push(format!("{table}.{column} {old} → {kind}")),
                Some(_) => {}
            }
        }
        let gone = |column: &&String| !after.contains_key(*column);
        self.columns_removed.extend(
            before
                .keys()
                .filter(gone)
                .map(|column| format!("{table}.{column}")),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn structure(columns: &[(&str, &str, &str)], indexes: &[(&str, &str)]) -> Structure {
        let mut structure = Structure::default();
        for (table, column, kind) in columns {
            structure
                .tables
                .entry((*table).to_owned())
                .or_default()
                .insert((*column).to_owned(), (*kind).to_owned());
        }
        for (name, definition) in indexes {
            structure
                .indexes
                .insert((*name).to_owned(), (*definition).to_owned());
        }
        structure
    }

    #[test]
    fn tables_columns_and_indexes_are_told_apart() {
        let before = structure(
            &[
                ("users", "id", "uuid"),
                ("users", "name", "text"),
                ("users", "old", "text"),
                ("gone", "id", "uuid"),
            ],
            &[
                ("users/by_name", "btree (name)"),
                ("users/by_old", "x"),
                ("gone/pkey", "x"),
            ],
        );
        let after = structure(
            &[
                ("users", "id", "uuid"),
                ("users", "name", "varchar"),
                ("users", "new", "text"),
                ("fresh", "a", "int"),
                ("fresh", "b", "int"),
            ],
            &[
                ("users/by_name", "btree (lower(name))"),
                ("users/by_new", "y"),
                ("fresh/pkey", "y"),
            ],
        );
        let changes = before.changes(&after);
        assert_eq!(changes.tables_added, [("fresh".to_owned(), 2)].into());
        assert_eq!(changes.tables_removed, ["gone"]);
        assert_eq!(changes.columns_added, ["users.new text"]);
        assert_eq!(changes.columns_removed, ["users.old"]);
        assert_eq!(changes.columns_changed, ["users.name text → varchar"]);
        assert_eq!(changes.indexes_added, ["users/by_new"]);
        assert_eq!(changes.indexes_removed, ["users/by_old"]);
        assert_eq!(changes.indexes_changed, ["users/by_name"]);
    }

    #[test]
    fn equal_shapes_have_no_changes() {
        let one = structure(&[("users", "id", "uuid")], &[("users/pkey", "x")]);
        assert!(one.changes(&one.clone()).is_empty());
    }
}
