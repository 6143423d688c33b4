//! What a deployment holds, to the last row, key and byte.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::Site;

/// Count and digest of every table, digest of every key and file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Contents {
    /// Tables by name; a digest is taken over the named columns, so that an added column does not count as a change.
    pub(crate) tables: BTreeMap<String, Table>,
    pub(crate) keys: BTreeMap<String, String>,
    pub(crate) files: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) rows: u64,
    columns: String,
    digest: String,
}

/// Values, not encodings: the same set may be stored in two ways.
const KEYS: &str = "\
local found = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  local kind = redis.call('TYPE', key)['ok']
  local value
  if kind == 'string' then value = {redis.call('GET', key)}
  elseif kind == 'list' then value = redis.call('LRANGE', key, 0, -1)
  elseif kind == 'set' then value = redis.call('SMEMBERS', key) table.sort(value)
  elseif kind == 'zset' then value = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  elseif kind == 'hash' then
    local names = redis.call('HKEYS', key)
    table.sort(names)
    value = {}
    for _, name in ipairs(names) do value[#value + 1] = name value[#value + 1] = redis.call('HGET', key, name) end
  else
    value = {}
    for _, entry in ipairs(redis.call('XRANGE', key, '-', '+')) do
      value[#value + 1] = entry[1] .. table.concat(entry[2], ' ')
    end
  end
  found[#found + 1] = key .. ' ' .. kind .. ':' .. redis.sha1hex(table.concat(value, '\\n'))
end
return found";

impl Contents {
    /// Reads everything.
    pub(crate) fn read(site: &impl Site) -> Result<Self> {
        let columns = site.sql(
            "SELECT table_name || ' ' || string_agg(quote_ident(column_name), ',' ORDER BY ordinal_position) \
             FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name) \
             WHERE table_schema = 'public' AND table_type = 'BASE TABLE' GROUP BY table_name",
        )?;
        Self::read_columns(site, &columns)
    }

    /// Reads the tables again over the columns that they had before.
    pub(crate) fn read_like(site: &impl Site, before: &Self) -> Result<Self> {
        let now = site.sql("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'")?;
        let now: BTreeSet<&str> = now.lines().collect();
        let columns: Vec<String> = before
            .tables
            .iter()
            .filter(|(name, _)| now.contains(name.as_str()))
            .map(|(name, table)| format!("{name} {}", table.columns))
            .collect();
        Self::read_columns(site, &columns.join("\n"))
    }

    fn read_columns(site: &impl Site, columns: &str) -> Result<Self> {
        let columns: Vec<(&str, &str)> = columns
            .lines()
            .filter_map(|line| line.split_once(' '))
            .collect();
        let queries: Vec<String> = columns
            .iter()
            .map(|(table, columns)| {
                format!(
                    "SELECT '{table}', count(*), COALESCE(md5(string_agg(md5(ROW({columns})::text), '' ORDER BY md5(ROW({columns})::text))), '') FROM {table}"
                )
            })
            .collect();
        let answer = site.sql(&queries.join(" UNION ALL "))?;
        let mut tables = BTreeMap::new();
        for line in answer.lines() {
            let mut fields = line.split('|');
            let (Some(name), Some(rows), Some(digest)) =
                (fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            let of = columns
                .iter()
                .find(|(table, _)| *table == name)
                .map_or("", |(_, columns)| *columns);
            tables.insert(
                name.to_owned(),
                Table {
                    rows: rows.parse()?,
                    columns: of.to_owned(),
                    digest: digest.to_owned(),
                },
            );
        }
        Ok(Self {
            tables,
            ..Self::beside_tables(site)?
        })
    }

    /// Reads keys and files alone.
    pub(crate) fn beside_tables(site: &impl Site) -> Result<Self> {
        let keys = site.redis(&["EVAL", KEYS, "0"])?;
        let keys = keys
            .lines()
            .filter_map(|line| line.rsplit_once(' '))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let mut files = BTreeMap::new();
        hash_files(&site.dir().join("blob"), "", &mut files)?;
        Ok(Self {
            tables: BTreeMap::new(),
            keys,
            files,
        })
    }

    pub(crate) fn rows(&self) -> u64 {
        self.tables.values().map(|table| table.rows).sum()
    }

    /// Everything of `self` that is gone or different in `later`, and what is new there, by name: empty is equal.
    pub(crate) fn differences(&self, later: &Self) -> Vec<String> {
        let tables = compare("table", &self.tables, &later.tables, |table| {
            format!("{} rows", table.rows)
        });
        let keys = compare("key", &self.keys, &later.keys, Clone::clone);
        let files = compare("file", &self.files, &later.files, Clone::clone);
        [tables, keys, files].concat()
    }
}

impl fmt::Display for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} rows in {} tables, {} keys, {} files",
            self.rows(),
            self.tables.len(),
            self.keys.len(),
            self.files.len()
        )
    }
}

fn compare<T: PartialEq>(
    what: &str,
    before: &BTreeMap<String, T>,
    after: &BTreeMap<String, T>,
    shown: impl Fn(&T) -> String,
) -> Vec<String> {
    let mut found = Vec::new();
    for (name, old) in before {
        match after.get(name) {
            None => found.push(format!("{what} {name} is gone")),
            Some(new) if new != old => found.push(format!(
                "{what} {name}: {} became {}",
                shown(old),
                shown(new)
            )),
            Some(_) => {}
        }
    }
    found.extend(
        after
            .keys()
            .filter(|name| !before.contains_key(*name))
            .map(|name| format!("{what} {name} is new")),
    );
    found
}

fn hash_files(dir: &Path, prefix: &str, into: &mut BTreeMap<String, String>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            hash_files(&entry.path(), &format!("{name}/"), into)?;
        } else {
            let digest = Sha256::digest(fs::read(entry.path())?);
            into.insert(
                name,
                digest.iter().map(|byte| format!("{byte:02x}")).collect(),
            );
        }
    }
    Ok(())
}
