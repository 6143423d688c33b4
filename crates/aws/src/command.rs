//! Commands on an EC2 machine, through Systems Manager: no port is opened for them, and they outlive us.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::account::Account;
use crate::fault::Fault;
use crate::signed;

/// Seconds that a command may run: a migration of large tables takes hours, and ending it would be worse than waiting.
const LONGEST: u32 = 172_800;
/// How often a command is looked for whose request had no answer. Systems Manager lists one within seconds.
const LOOKS: u32 = 10;
/// The pause between two such looks.
const BETWEEN: Duration = Duration::from_secs(1);
/// Machines that one question about them takes.
const MACHINES_AT_ONCE: usize = 50;

/// One command on one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invocation {
    pub(crate) id: String,
    pub(crate) state: CommandState,
}

/// How a command is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CommandState {
    /// In the words of Systems Manager.
    Underway(String),
    /// It ended by itself.
    Exited { code: i64, output: String },
    /// It never ran, or was ended: why.
    Lost(String),
}

/// Runs `argv` with `environment` on a machine; `comment` finds it again. Returns the command's id. Systems Manager takes no
/// token, so a request without an answer is looked for and not repeated: the program would run twice.
pub(crate) fn send(
    account: &Account,
    machine: &str,
    comment: &str,
    environment: &BTreeMap<String, String>,
    argv: &[String],
) -> Result<String, Fault> {
    let body = json!({
        "DocumentName": "AWS-RunShellScript",
        "InstanceIds": [machine],
        "Comment": comment,
        "Parameters": {
            "commands": [script(environment, argv)],
            "executionTimeout": [LONGEST.to_string()],
        },
    });
    let fault = match signed::ssm_once(account, "SendCommand", &body) {
        Ok(answer) => return Ok(text(&answer["Command"]["CommandId"])),
        Err(fault) if fault.perhaps_done() => fault,
        Err(fault) => return Err(fault),
    };
    for _ in 0..LOOKS {
        // A question that fails as well tells nothing more than the first one did.
        if let Ok(Some(found)) = find(account, machine, comment) {
            return Ok(found.id);
        }
        thread::sleep(BETWEEN);
    }
    Err(fault)
}

/// The newest command with this comment on a machine.
pub(crate) fn find(
    account: &Account,
    machine: &str,
    comment: &str,
) -> Result<Option<Invocation>, Fault> {
    let mut next = Value::Null;
    loop {
        let mut body = json!({ "InstanceId": machine, "MaxResults": 50 });
        if !next.is_null() {
            body["NextToken"] = next;
        }
        let answer = signed::ssm(account, "ListCommands", &body)?;
        let commands = answer["Commands"].as_array().map_or(&[][..], Vec::as_slice);
        let ours = commands
            .iter()
            .find(|command| command["Comment"].as_str() == Some(comment));
        if let Some(command) = ours {
            let id = text(&command["CommandId"]);
            return look(account, machine, &id);
        }
        match &answer["NextToken"] {
            Value::String(token) if !token.is_empty() => next = json!(token),
            _ => return Ok(None),
        }
    }
}

/// How a command is; nothing where Systems Manager does not know it (yet).
pub(crate) fn look(
    account: &Account,
    machine: &str,
    id: &str,
) -> Result<Option<Invocation>, Fault> {
    let body = json!({ "CommandId": id, "InstanceId": machine });
    let answer = match signed::ssm(account, "GetCommandInvocation", &body) {
        Ok(answer) => answer,
        Err(fault) if fault.is("InvocationDoesNotExist") => return Ok(None),
        Err(fault) => return Err(fault),
    };
    let status = text(&answer["Status"]);
    let output = [
        &answer["StandardOutputContent"],
        &answer["StandardErrorContent"],
    ]
    .map(text)
    .into_iter()
    .filter(|part| !part.is_empty())
    .collect::<Vec<_>>()
    .join("\n");
    let code = answer["ResponseCode"].as_i64();
    let state = match (status.as_str(), code) {
        ("Success" | "Failed", Some(code)) if code >= 0 => CommandState::Exited { code, output },
        ("Pending" | "InProgress" | "Delayed" | "Cancelling", _) => CommandState::Underway(status),
        _ => CommandState::Lost(format!("{status}: {}", text(&answer["StatusDetails"]))),
    };
    Ok(Some(Invocation {
        id: id.to_owned(),
        state,
    }))
}

/// Ends a command.
pub(crate) fn cancel(account: &Account, machine: &str, id: &str) -> Result<(), Fault> {
    let body = json!({ "CommandId": id, "InstanceIds": [machine] });
    signed::ssm(account, "CancelCommand", &body).map(drop)
}

/// Which of these machines Systems Manager reaches: they must be managed and online.
pub(crate) fn reached(account: &Account, machines: &[String]) -> Result<BTreeSet<String>, Fault> {
    let mut online = BTreeSet::new();
    for some in machines.chunks(MACHINES_AT_ONCE) {
        let body = json!({ "Filters": [{ "Key": "InstanceIds", "Values": some }] });
        let answer = signed::ssm(account, "DescribeInstanceInformation", &body)?;
        let list = answer["InstanceInformationList"].as_array();
        online.extend(
            list.into_iter()
                .flatten()
                .filter(|info| info["PingStatus"].as_str() == Some("Online"))
                .map(|info| text(&info["InstanceId"]))
                .filter(|id| some.contains(id)),
        );
    }
    Ok(online)
}

/// The machine takes nothing but a shell's script, so every word is quoted.
fn script(environment: &BTreeMap<String, String>, argv: &[String]) -> String {
    let mut words = vec!["exec".to_owned(), "env".to_owned()];
    words.extend(
        environment
            .iter()
            .map(|(name, value)| quoted(&format!("{name}={value}"))),
    );
    words.extend(argv.iter().map(|word| quoted(word)));
    words.join(" ")
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::script;

    #[test]
    fn no_word_of_a_command_is_read_by_the_shell() {
        let environment = BTreeMap::from([("TTN_LW_CONFIG".to_owned(), "/etc/a b.yml".to_owned())]);
        let argv = ["tti-lw-stack", "is-db", "$(reboot)'; true"].map(str::to_owned);
        assert_eq!(
            script(&environment, &argv),
            r"exec env 'TTN_LW_CONFIG=/etc/a b.yml' 'tti-lw-stack' 'is-db' '$(reboot)'\''; true'"
        );
    }
}
