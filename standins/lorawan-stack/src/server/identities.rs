//! Applications, gateways and end devices of the Identity Server: rows in PostgreSQL.
//!
//! Reads and writes name every column that the release knows, as the real program's models do. On a schema that is too old
//! they fail, while the health check goes on to answer.

use serde_json::{Value, json};

use super::answer::Answer;
use super::{Asked, Worker};
use crate::identity::columns;

/// The account that owns what is created, where the path names none.
const LIMIT: &str = "ORDER BY 1 LIMIT 1000";

impl Worker<'_> {
    /// `applications`, `gateways`, and creation below `users/{id}`.
    pub(super) fn identities(
        &mut self,
        path: &[&str],
        asked: &Asked<'_>,
    ) -> Result<Answer, Answer> {
        match (asked.method, path) {
            ("GET", [kind @ ("applications" | "gateways")]) => self.list(kind),
            ("GET", [kind @ ("applications" | "gateways"), id]) => self.get(kind, id),
            ("DELETE", [kind @ ("applications" | "gateways"), id]) => self.delete(kind, id, false),
            ("DELETE", [kind @ ("applications" | "gateways"), id, "purge"]) => {
                self.delete(kind, id, true)
            }
            ("POST", ["users" | "organizations", owner, "applications"]) => {
                self.create_application(owner, &asked.body)
            }
            _ => Err(Answer::not_found("route")),
        }
    }

    fn list(&mut self, kind: &str) -> Result<Answer, Answer> {
        let id = id_column(kind);
        let names = self.named(kind);
        let query =
            format!("SELECT {id}::text, {names} FROM {kind} WHERE deleted_at IS NULL {LIMIT}");
        let rows = self.sql(|client| client.query(&query, &[]))?;
        let found: Vec<Value> = rows
            .iter()
            .map(|row| json!({ "ids": { id: row.get::<_, String>(0) } }))
            .collect();
        Ok(Answer::ok(json!({ kind: found })))
    }

    fn get(&mut self, kind: &str, wanted: &str) -> Result<Answer, Answer> {
        let id = id_column(kind);
        let names = self.named(kind);
        let query =
            format!("SELECT name, {names} FROM {kind} WHERE {id} = $1 AND deleted_at IS NULL");
        let row = self.sql(|client| client.query_opt(&query, &[&wanted]))?;
        let row = row.ok_or_else(|| Answer::not_found(kind.trim_end_matches('s')))?;
        Ok(Answer::ok(
            json!({ "ids": { id: wanted }, "name": row.get::<_, Option<String>>(0) }),
        ))
    }

    /// Deletion leaves the row; purging does not.
    fn delete(&mut self, kind: &str, wanted: &str, purge: bool) -> Result<Answer, Answer> {
        let id = id_column(kind);
        let statement = if purge {
            format!("DELETE FROM {kind} WHERE {id} = $1")
        } else {
            format!("UPDATE {kind} SET deleted_at = now() WHERE {id} = $1 AND deleted_at IS NULL")
        };
        match self.sql(|client| client.execute(&statement, &[&wanted]))? {
            0 => Err(Answer::not_found(kind.trim_end_matches('s'))),
            _ => Ok(Answer::ok(json!({}))),
        }
    }

    fn create_application(&mut self, owner: &str, body: &Value) -> Result<Answer, Answer> {
        let id = body["application"]["ids"]["application_id"]
            .as_str()
            .ok_or_else(|| Answer::bad("application_id"))?;
        let name = body["application"]["name"].as_str();
        let names = self.named("applications");
        let create = format!(
            "INSERT INTO applications (application_id, name) VALUES ($1, $2) RETURNING {names}"
        );
        self.insert("application", &create, &[&id, &name])?;
        self.sql(|client| {
            client.execute(
                "INSERT INTO memberships (account_id, rights, entity_id, entity_type) \
                 SELECT a.id, '{1}', app.id, 'application' FROM accounts a, applications app \
                 WHERE a.uid = $1 AND app.application_id = $2",
                &[&owner, &id],
            )
        })?;
        Ok(Answer::ok(
            json!({ "ids": { "application_id": id }, "name": name }),
        ))
    }

    /// `applications/{id}/devices…`.
    pub(super) fn devices(
        &mut self,
        application: &str,
        rest: &[&str],
        asked: &Asked<'_>,
    ) -> Result<Answer, Answer> {
        match (asked.method, rest) {
            ("GET", []) => self.list_devices(application),
            ("POST", []) => self.create_device(application, &asked.body),
            ("GET", [device]) => self.get_device(application, device),
            ("PUT", [device]) => self.update_device(application, device, &asked.body),
            ("DELETE", [device]) => {
                let gone = self.sql(|client| {
                    client.execute(
                        "DELETE FROM end_devices WHERE application_id = $1 AND device_id = $2",
                        &[&application, device],
                    )
                })?;
                if gone == 0 {
                    Err(Answer::not_found("end_device"))
                } else {
                    Ok(Answer::ok(json!({})))
                }
            }
            _ => Err(Answer::not_found("route")),
        }
    }

    fn list_devices(&mut self, application: &str) -> Result<Answer, Answer> {
        let names = self.named("end_devices");
        let query = format!(
            "SELECT device_id::text, {names} FROM end_devices WHERE application_id = $1 {LIMIT}"
        );
        let rows = self.sql(|client| client.query(&query, &[&application]))?;
        let found: Vec<Value> = rows
            .iter()
            .map(|row| device_json(application, &row.get::<_, String>(0), None))
            .collect();
        Ok(Answer::ok(json!({ "end_devices": found })))
    }

    fn get_device(&mut self, application: &str, device: &str) -> Result<Answer, Answer> {
        let names = self.named("end_devices");
        let query = format!(
            "SELECT name, {names} FROM end_devices WHERE application_id = $1 AND device_id = $2"
        );
        let row = self.sql(|client| client.query_opt(&query, &[&application, &device]))?;
        let row = row.ok_or_else(|| Answer::not_found("end_device"))?;
        Ok(Answer::ok(device_json(application, device, row.get(0))))
    }

    fn create_device(&mut self, application: &str, body: &Value) -> Result<Answer, Answer> {
        let ids = &body["end_device"]["ids"];
        let device = ids["device_id"]
            .as_str()
            .ok_or_else(|| Answer::bad("device_id"))?;
        let exists = self.sql(|client| {
            client.query_opt(
                "SELECT 1 FROM applications WHERE application_id = $1 AND deleted_at IS NULL",
                &[&application],
            )
        })?;
        if exists.is_none() {
            return Err(Answer::not_found("application"));
        }
        let name = body["end_device"]["name"].as_str();
        let names = self.named("end_devices");
        let create = format!(
            "INSERT INTO end_devices (application_id, device_id, name, join_eui, dev_eui) VALUES ($1, $2, $3, $4, $5) RETURNING {names}"
        );
        self.insert(
            "end_device",
            &create,
            &[
                &application,
                &device,
                &name,
                &ids["join_eui"].as_str(),
                &ids["dev_eui"].as_str(),
            ],
        )?;
        Ok(Answer::ok(device_json(application, device, name)))
    }

    fn update_device(
        &mut self,
        application: &str,
        device: &str,
        body: &Value,
    ) -> Result<Answer, Answer> {
        let name = body["end_device"]["name"].as_str();
        let names = self.named("end_devices");
        let update = format!(
            "UPDATE end_devices SET name = $3, updated_at = now() WHERE application_id = $1 AND device_id = $2 RETURNING {names}"
        );
        let row = self.sql(|client| client.query_opt(&update, &[&application, &device, &name]))?;
        row.map(|_| Answer::ok(device_json(application, device, name)))
            .ok_or_else(|| Answer::not_found("end_device"))
    }

    /// Inserts one row; the database's own constraint decides whether the name is taken.
    fn insert(
        &mut self,
        what: &str,
        statement: &str,
        values: &[&(dyn postgres::types::ToSql + Sync)],
    ) -> Result<(), Answer> {
        let outcome = self.sql(|client| match client.query_one(statement, values) {
            Ok(_) => Ok(true),
            Err(problem)
                if problem.code() == Some(&postgres::error::SqlState::UNIQUE_VIOLATION) =>
            {
                Ok(false)
            }
            Err(problem) => Err(problem),
        })?;
        if outcome {
            Ok(())
        } else {
            Err(Answer::taken(what))
        }
    }

    /// Every column of the release, quoted.
    fn named(&self, table: &str) -> String {
        let quoted: Vec<String> = columns(table, self.context.release)
            .into_iter()
            .map(|column| format!("\"{column}\""))
            .collect();
        quoted.join(", ")
    }
}

fn id_column(kind: &str) -> &'static str {
    if kind == "gateways" {
        "gateway_id"
    } else {
        "application_id"
    }
}

fn device_json(application: &str, device: &str, name: Option<&str>) -> Value {
    json!({
        "ids": { "device_id": device, "application_ids": { "application_id": application } },
        "name": name,
    })
}
