//! The shape of a database: tables with their columns, indexes and constraints.

use std::collections::BTreeMap;

use switchback_engine::ports::Failure;
use switchback_engine::process::Commands;
use switchback_model::Structure;

use super::server::Server;

/// One line per table, index or constraint of the database's own schemas, those of extensions left out.
const STRUCTURE: &str = "
with relations as (
  select c.oid, n.nspname || '.' || c.relname as name, c.relkind
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
   where n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg_toast%'
     and n.nspname not like 'pg_temp%'
     and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'))
select json_build_object('table', r.name, 'columns', (
         select coalesce(json_object_agg(a.attname,
                  format_type(a.atttypid, a.atttypmod) || case when a.attnotnull then ' not null' else '' end), '{}')
           from pg_attribute a where a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped))
  from relations r where r.relkind in ('r', 'p', 'v', 'm', 'f');
with relations as (
  select c.oid, n.nspname || '.' || c.relname as name
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
   where n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg_toast%' and n.nspname not like 'pg_temp%')
select json_build_object('of', r.name || '/' || i.relname, 'definition', pg_get_indexdef(i.oid))
  from pg_index x join relations r on r.oid = x.indrelid join pg_class i on i.oid = x.indexrelid
union all
select json_build_object('of', r.name || '/' || k.conname, 'definition', pg_get_constraintdef(k.oid))
  from pg_constraint k join relations r on r.oid = k.conrelid where k.contype in ('c', 'f');
";

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Line {
    Table {
        table: String,
        columns: BTreeMap<String, String>,
    },
    Index {
        of: String,
        definition: String,
    },
}

impl Server {
    /// Reads the shape of the database.
    pub(super) fn structure(&self, commands: &Commands) -> Result<Structure, Failure> {
        let lines: Vec<Line> = self.ask(commands, None, self.database(), STRUCTURE)?;
        let mut structure = Structure::default();
        for line in lines {
            match line {
                Line::Table { table, columns } => {
                    structure.tables.insert(table, columns);
                }
                Line::Index { of, definition } => {
                    structure.indexes.insert(of, definition);
                }
            }
        }
        Ok(structure)
    }
}
