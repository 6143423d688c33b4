//! What a database holds: rows and an order-independent checksum per table,
//! positions of sequences, large objects, extensions. Counted by the server, in
//! one repeatable-read snapshot.

use std::collections::BTreeMap;

use serde::Deserialize;
use switchback_model::contents::{Collection, Contents};

/// Prints one JSON object per collection.
///
/// A row's text is hashed; the hashes are summed, so order does not matter and doubles count. Settings
/// that change how values are printed are fixed first. Tables of extensions are left to their extension,
/// partitioned parents to their partitions, materialised views to their refresh.
pub(super) const SCRIPT: &str = r"
SET client_encoding = 'UTF8'; SET datestyle = 'ISO, YMD'; SET timezone = 'UTC'; SET intervalstyle = 'postgres';
SET extra_float_digits = 1; SET bytea_output = 'hex'; SET xmlbinary = 'base64'; SET row_security = off;
SET lc_monetary = 'C'; SET statement_timeout = 0; SET search_path = pg_catalog;
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT format(
  'SELECT json_build_object(''name'', %L, ''count'', count(*), ''checksum'', coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text) FROM ONLY %I.%I t',
  n.nspname || '.' || c.relname, n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\_toast%'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY n.nspname, c.relname
\gexec
SELECT format(
  'SELECT json_build_object(''name'', %L, ''count'', 1, ''checksum'', last_value::text || is_called::text) FROM %I.%I',
  'sequence ' || n.nspname || '.' || c.relname, n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY n.nspname, c.relname
\gexec
SELECT json_build_object('name', 'large objects', 'count', count(*),
  'checksum', coalesce(sum(hashtextextended(oid::text || encode(lo_get(oid), 'base64'), 0)::numeric), 0)::text)
FROM pg_largeobject_metadata HAVING count(*) > 0;
SELECT json_build_object('name', 'extension ' || extname, 'count', 1, 'checksum', NULL) FROM pg_extension ORDER BY extname;
COMMIT;
";

#[derive(Deserialize)]
struct Line {
    name: String,
    count: u64,
    checksum: Option<String>,
}

/// Reads what [`SCRIPT`] printed.
pub(super) fn parse(output: &str) -> Result<Contents, serde_json::Error> {
    let lines = output.lines().filter(|line| !line.trim().is_empty());
    let collections: BTreeMap<String, Collection> = lines
        .map(|line| {
            let Line {
                name,
                count,
                checksum,
            } = serde_json::from_str(line)?;
            Ok((name, Collection { count, checksum }))
        })
        .collect::<Result<_, serde_json::Error>>()?;
    Ok(Contents { collections })
}

/// Name of the collection in a line that was just printed, for progress.
pub(super) fn name_in(line: &str) -> Option<String> {
    serde_json::from_str::<Line>(line)
        .ok()
        .map(|line| line.name)
}
