//! Databases as whole things: creating one like another, switching two names,
//! dropping what is ours. Names of ours carry the run and a digest of the
//! original's name, and stay below the server's limit of 63 bytes.

use switchback_model::{Digest, RunId};

use super::commands::{identifier, literal};

/// Names of the databases that a run makes beside the original.
#[derive(Clone, Debug)]
pub(super) struct Names {
    run: String,
    original: String,
}

impl Names {
    pub(super) fn new(run: &RunId, original: &str) -> Self {
        Self {
            run: run.to_string(),
            original: Digest::of(original).as_str()[..8].to_owned(),
        }
    }

    /// A backup is restored here to be read, and dropped.
    pub(super) fn scratch(&self) -> String {
        format!("switchback_prove_{}_{}", self.run, self.original)
    }

    /// A backup is restored here to take the original's place.
    pub(super) fn new_one(&self) -> String {
        format!("switchback_new_{}_{}", self.run, self.original)
    }

    /// What an original that was replaced is called, without the number that keeps several apart.
    pub(super) fn old_prefix(&self) -> String {
        format!("switchback_old_{}_{}_", self.run, self.original)
    }
}

/// Yields, as two rows, the `CREATE DATABASE` options of the current database, and the statements that
/// bring its settings and rights to another one, both with `%1$s` in place of the name.
///
/// Columns of `pg_database` differ between versions, so the row is read as JSON.
pub(super) const LIKENESS: &str = r"
WITH d AS (SELECT oid, datdba, datacl, to_jsonb(pg_database) AS j FROM pg_database WHERE datname = current_database()),
settings AS (
  SELECT string_agg(format('ALTER DATABASE %%1$s SET %s TO %s;', split_part(s, '=', 1),
    CASE WHEN split_part(s, '=', 1) IN ('search_path', 'temp_tablespaces', 'session_preload_libraries', 'local_preload_libraries')
      THEN replace(substr(s, strpos(s, '=') + 1), '%', '%%') ELSE replace(quote_literal(substr(s, strpos(s, '=') + 1)), '%', '%%') END), ' ') AS sql
  FROM d JOIN pg_db_role_setting r ON r.setdatabase = d.oid AND r.setrole = 0, unnest(r.setconfig) s),
rights AS (
  SELECT string_agg(format('GRANT %s ON DATABASE %%1$s TO %s%s;', a.privilege_type,
    CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE replace(quote_ident(pg_get_userbyid(a.grantee)), '%', '%%') END,
    CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), ' ') AS sql
  FROM d, aclexplode(d.datacl) a)
SELECT json_build_object(
  'options', format('OWNER %I TEMPLATE template0 ENCODING %L', pg_get_userbyid(d.datdba), pg_encoding_to_char((d.j->>'encoding')::int))
    || CASE WHEN d.j ? 'datlocprovider' AND d.j->>'datlocprovider' <> 'c'
         THEN CASE d.j->>'datlocprovider' WHEN 'i' THEN ' LOCALE_PROVIDER icu ICU_LOCALE ' ELSE ' LOCALE_PROVIDER builtin BUILTIN_LOCALE ' END
           || quote_literal(coalesce(d.j->>'datlocale', d.j->>'daticulocale')) ELSE '' END
    || format(' LC_COLLATE %L LC_CTYPE %L CONNECTION LIMIT %s', d.j->>'datcollate', d.j->>'datctype', d.j->>'datconnlimit'),
  'statements', coalesce((SELECT sql FROM settings), '') ||
    CASE WHEN d.datacl IS NULL THEN '' ELSE ' REVOKE ALL ON DATABASE %1$s FROM PUBLIC; ' || coalesce((SELECT sql FROM rights), '') END)
FROM d;
";

/// Creates a database with the likeness of another.
pub(super) fn create(name: &str, options: &str) -> String {
    format!("CREATE DATABASE {} {options};\n", identifier(name))
}

/// Settings and rights of the original for the database `name`.
pub(super) fn likeness(name: &str, statements: &str) -> String {
    statements
        .replace("%1$s", &identifier(name))
        .replace("%%", "%")
}

/// Ends every session of a database but our own.
pub(super) fn end_sessions(database: &str) -> String {
    format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = {} AND pid <> pg_backend_pid();\n",
        literal(database)
    )
}

/// Ends what a dead process of this run left connected, wherever.
pub(super) fn end_application(application: &str) -> String {
    format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = {} AND pid <> pg_backend_pid();\n",
        literal(application)
    )
}

/// Drops a database of ours, with whoever is connected.
pub(super) fn drop(name: &str) -> String {
    format!(
        "{}DROP DATABASE IF EXISTS {};\n",
        end_sessions(name),
        identifier(name)
    )
}

/// Puts `new` in the place of `current`, which becomes `old`: all or nothing.
pub(super) fn switch(current: Option<&str>, old: &str, new: &str, name: &str) -> String {
    let mut script = String::new();
    if let Some(current) = current {
        script.push_str(&end_sessions(current));
    }
    script.push_str(&end_sessions(new));
    script.push_str("BEGIN;\n");
    if let Some(current) = current {
        script.push_str(&format!(
            "ALTER DATABASE {} RENAME TO {};\n",
            identifier(current),
            identifier(old)
        ));
    }
    script.push_str(&format!(
        "ALTER DATABASE {} RENAME TO {};\nCOMMIT;\n",
        identifier(new),
        identifier(name)
    ));
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_below_the_limit_and_differ_by_original() {
        let run = RunId::new("r-0123456789abcdef");
        let long = "x".repeat(63);
        let names = Names::new(&run, &long);
        assert!(format!("{}12345", names.old_prefix()).len() <= 63);
        assert_ne!(names.scratch(), Names::new(&run, "y").scratch());
    }

    #[test]
    fn the_switch_is_one_transaction() {
        let script = switch(Some("app"), "old", "new", "app");
        let begin = script.find("BEGIN").expect("begins");
        let renames: Vec<usize> = script
            .match_indices("RENAME TO")
            .map(|(at, _)| at)
            .collect();
        assert_eq!(renames.len(), 2);
        assert!(renames.iter().all(|at| *at > begin) && script.trim_end().ends_with("COMMIT;"));
    }

    #[test]
    fn likeness_keeps_percent_signs_and_names() {
        assert_eq!(
            likeness("a\"b", "ALTER DATABASE %1$s SET x TO '50%%';"),
            "ALTER DATABASE \"a\"\"b\" SET x TO '50%';"
        );
    }
}
