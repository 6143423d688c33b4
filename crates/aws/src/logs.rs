//! What a task wrote, from CloudWatch Logs.

use serde_json::{Value, json};

use crate::account::Account;
use crate::fault::Fault;
use crate::signed;

/// A stream of log events, and how far it was read.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    group: String,
    name: String,
    next: Option<String>,
}

impl Stream {
    /// Where `container` of a task writes to; nothing where it does not write to CloudWatch Logs.
    pub(crate) fn of(
        account: &Account,
        definition: &str,
        container: &str,
        task: &str,
    ) -> Result<Option<Self>, Fault> {
        let request = account
            .ecs
            .describe_task_definition()
            .task_definition(definition);
        let answer = account
            .wait(request.send())
            .map_err(|error| Fault::of("ecs:DescribeTaskDefinition", error))?;
        let options = answer
            .task_definition()
            .and_then(|definition| {
                let mut all = definition.container_definitions().iter();
                all.find(|found| found.name() == Some(container))
            })
            .and_then(|found| found.log_configuration())
            .and_then(|log| log.options());
        let word = |key: &str| options.and_then(|options| options.get(key)).cloned();
        let id = task.rsplit('/').next().unwrap_or_default();
        Ok(word("awslogs-group")
            .zip(word("awslogs-stream-prefix"))
            .map(|(group, prefix)| Self {
                group,
                name: format!("{prefix}/{container}/{id}"),
                next: None,
            }))
    }

    /// The lines since the last call. A stream that does not exist yet has none.
    pub(crate) fn lines(&mut self, account: &Account) -> Result<Vec<String>, Fault> {
        let mut lines = Vec::new();
        loop {
            let mut body = json!({
                "logGroupName": self.group,
                "logStreamName": self.name,
                "startFromHead": true,
            });
            if let Some(next) = &self.next {
                body["nextToken"] = Value::String(next.clone());
            }
            let answer = match signed::logs(account, "GetLogEvents", &body) {
                Ok(answer) => answer,
                Err(fault) if fault.is("ResourceNotFoundException") => return Ok(lines),
                Err(fault) => return Err(fault),
            };
            let events = answer["events"].as_array().map_or(&[][..], Vec::as_slice);
            lines.extend(
                events
                    .iter()
                    .filter_map(|event| event["message"].as_str())
                    .map(|line| line.trim_end().to_owned()),
            );
            // The end is where the token no longer moves.
            let next = answer["nextForwardToken"].as_str().map(str::to_owned);
            let moved = next.is_some() && next != self.next;
            self.next = next.or(self.next.take());
            if !moved || events.is_empty() {
                return Ok(lines);
            }
        }
    }
}
