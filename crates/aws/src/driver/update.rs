//! Bringing a stack to what a plan wants: a change set that is looked at before it is executed, once.

use switchback_engine::ports::{Context, Failure, Finding};
use switchback_engine::signal::StopSignal;
use switchback_model::Digest;
use switchback_model::config::SecretRef;
use switchback_model::event::{Completed, Outcome};
use switchback_model::plan::Expectation;
use switchback_model::stack::{
    ChangeSet, ChangeSetState, ParameterWish, Stack, StackUpdate, UpdateMode,
};

use super::{Conduct, look, outcome, snapshot, texts};
use crate::account::Account;
use crate::calls::Phase;
use crate::fault::Fault;
use crate::notes::step_name;
use crate::stacks::change_set::{self, Sent};
use crate::stacks::{execute, read};
use crate::template;
use crate::waiting::Pace;

pub(super) fn update(
    cx: &Context<'_>,
    account: &Account,
    conduct: &Conduct,
    update: &StackUpdate,
) -> Result<Outcome, Failure> {
    let stack = update.stack.as_str();
    let name = step_name(cx);
    let failed = |fault: Fault| fault.failure(format!("cannot update `{stack}`"));
    let now = read::one(account, stack).map_err(failed)?;
    let changing = now
        .as_ref()
        .filter(|now| now.status.in_progress() && !now.status.is_reserved());
    if let Some(now) = changing {
        let token = execute::under_way(account, now, &name)?;
        execute::follow(cx, account, stack, &now.id, &token)?;
        return Ok(outcome(Completed::Adopted, updated(update, None), &[]));
    }
    can_begin(update, now.as_ref())?;
    let replaces = update.mode == UpdateMode::Update && update.template.is_some();
    if let Some(now) = now.as_ref().filter(|_| replaces) {
        texts::keep(cx, account, now)?;
    }
    // One that an earlier try left and did not execute.
    change_set::delete(account, stack, &name).map_err(failed)?;
    cx.progress
        .report(&format!("change set of `{stack}`"), None, None, None);
    let snapshot = |stack: &str, logical: &str| snapshot::handle(cx, account, stack, logical);
    let set = compute(account, conduct, update, &name, &snapshot, cx.stop)?;
    if set.state == ChangeSetState::Empty {
        change_set::delete(account, stack, &name).map_err(failed)?;
        as_it_was(cx, account, stack)?;
        let summary = format!("`{stack}`: nothing to change");
        return Ok(outcome(Completed::AlreadyDone, summary, &[]));
    }
    let surprises = update.expected.surprises(&set);
    if !surprises.is_empty() {
        change_set::delete(account, stack, &name).map_err(failed)?;
        return Err(surprised(stack, &set, surprises));
    }
    // The token is the change set's own: one that is made anew after a rollback has another.
    let token = token(&name, &set.id);
    execute::execute(account, &set, &token)?;
    // A stack that is made may be another than the one that was reserved for an earlier try.
    let id = match now.filter(|_| update.mode == UpdateMode::Update) {
        Some(now) => now.id,
        None => read::one(account, stack)
            .map_err(failed)?
            .map_or_else(|| stack.to_owned(), |made| made.id),
    };
    execute::follow(cx, account, stack, &id, &token)?;
    let digest = set.digest();
    let facts = [
        ("change-set", set.id.as_str()),
        ("changes", digest.as_str()),
    ];
    Ok(outcome(
        Completed::Done,
        updated(update, Some(&set)),
        &facts,
    ))
}

/// Computes what an update would change, and leaves nothing behind: for planning and for rehearsals. What waits for a
/// snapshot that does not exist yet cannot be computed before.
pub fn preview(
    account: &Account,
    conduct: &Conduct,
    update: &StackUpdate,
    stop: &StopSignal,
) -> Result<ChangeSet, Failure> {
    account.calls().enter(Phase::Plan);
    let wanted = serde_json::to_string(update).unwrap_or_default();
    let name = format!("{}preview-{}", change_set::OURS, Digest::of(wanted).short());
    let stack = update.stack.as_str();
    let removed = || {
        change_set::delete(account, stack, &name)
            .map_err(|fault| fault.failure(format!("cannot remove a change set of `{stack}`")))
    };
    removed()?;
    let snapshot = |_: &str, logical: &str| {
        Err(Failure::new(
            "snapshot-missing",
            format!("`{stack}` waits for a snapshot of `{logical}` that is not taken yet"),
        ))
    };
    let set = compute(account, conduct, update, &name, &snapshot, stop)?;
    removed()?;
    Ok(set)
}

fn compute(
    account: &Account,
    conduct: &Conduct,
    update: &StackUpdate,
    name: &str,
    snapshot: &dyn Fn(&str, &str) -> Result<String, Failure>,
    stop: &StopSignal,
) -> Result<ChangeSet, Failure> {
    let stack = update.stack.as_str();
    let body = template::body(account, update.template.as_ref(), conduct.bucket.as_deref())?;
    let mut parameters = Vec::new();
    for (key, wish) in &update.parameters {
        let sent = match wish {
            ParameterWish::Previous => Sent::Previous,
            ParameterWish::Value { value } => Sent::Value(value.clone()),
            ParameterWish::Snapshot { stack, logical } => Sent::Value(snapshot(stack, logical)?),
            ParameterWish::Secret { from } => Sent::Value(secret(conduct, from, key)?),
        };
        parameters.push((key.clone(), sent));
    }
    match change_set::create(account, update, name, &body, &parameters) {
        Ok(_) => {}
        // The answer to an earlier try of the same request was lost: nobody else uses the name.
        Err(fault) if fault.is("AlreadyExistsException") => {}
        Err(fault) => return Err(refused(&fault, stack)),
    }
    change_set::computed(account, stack, name, &mut Pace::new(stop))
}

fn can_begin(update: &StackUpdate, now: Option<&Stack>) -> Result<(), Failure> {
    let stack = update.stack.as_str();
    match (update.mode, now) {
        (UpdateMode::Update, None) => Err(Failure::new(
            "stack-missing",
            format!("there is no stack `{stack}`"),
        )
        .state(stack, "is gone")
        .hint("plan again")),
        (UpdateMode::Create, Some(now)) if !now.status.is_reserved() => Err(Failure::new(
            "stack-exists",
            format!("there is a stack `{stack}` already"),
        )
        .state(stack, now.status.as_str())
        .hint(format!(
            "where it is an earlier try that failed: aws cloudformation delete-stack --stack-name {stack}, then resume"
        ))
        .hint("where somebody else made it: plan again")),
        (UpdateMode::Update, Some(now)) if !now.status.is_steady() => {
            Err(unsteady(stack, now.status.as_str(), now.reason.as_deref()))
        }
        _ => Ok(()),
    }
}

/// Fails where CloudFormation sees nothing to change and the stack is not what the step leads to: it keeps a template and
/// parameters that differ by nothing that a resource is made from.
fn as_it_was(cx: &Context<'_>, account: &Account, stack: &str) -> Result<(), Failure> {
    let after = cx.plan.step(cx.step).into_iter().flat_map(|it| &it.after);
    for expected in after {
        let Expectation::Stack { is } = expected else {
            continue;
        };
        let found = look::stack(account, is)
            .map_err(|fault| fault.failure(format!("cannot look at `{stack}`")))?;
        if let Finding::Differs { found } = found {
            return Err(Failure::new(
                "nothing-to-change",
                format!(
                    "CloudFormation finds nothing to change in `{stack}`, and leaves it as it was"
                ),
            )
            .cause(found)
            .state(stack, "was not changed; the change set was removed")
            .hint("plan again: an update that changes nothing is left out then"));
        }
    }
    Ok(())
}

fn unsteady(stack: &str, status: &str, reason: Option<&str>) -> Failure {
    let failure = Failure::new(
        "stack-unsteady",
        format!("`{stack}` is {status}, from where no update begins"),
    )
    .state(stack, status);
    let failure = match reason {
        Some(reason) => failure.cause(reason),
        None => failure,
    };
    match status {
        "UPDATE_ROLLBACK_FAILED" => failure
            .hint("plan how the earlier update is taken back: `switchback plan`; then resume"),
        "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "CREATE_FAILED" => failure.hint(format!(
            "it never came into being: aws cloudformation delete-stack --stack-name {stack}, then plan again"
        )),
        _ => failure.hint("bring it to a steady state in the console, then resume"),
    }
}

fn refused(fault: &Fault, stack: &str) -> Failure {
    let failure = fault
        .failure(format!("cannot make a change set of `{stack}`"))
        .state(stack, "was not changed");
    match fault.code.as_str() {
        "InsufficientCapabilitiesException" => failure.hint(
            "the template makes roles or users and the plan does not allow it: plan again, and accept its capabilities",
        ),
        "LimitExceededException" => {
            failure.hint("remove change sets of the stack that nobody needs, then resume")
        }
        "ValidationError" if fault.says("Parameter") => failure.hint(
            "the template wants other parameters than the plan says: plan again with the template that will be used",
        ),
        _ => failure,
    }
}

fn surprised(stack: &str, set: &ChangeSet, surprises: Vec<String>) -> Failure {
    let failure = Failure::new(
        "changes-differ",
        format!("updating `{stack}` would change something else than the plan expects"),
    )
    .state(stack, "was not changed; the change set was removed")
    .hint("plan again: the plan shows what would change now");
    let failure = surprises.into_iter().fold(failure, Failure::cause);
    match &set.state {
        ChangeSetState::Failed { reason }
            if reason.contains("is in use by") || reason.contains("cannot be deleted") =>
        {
            failure.hint("another stack imports what would change: its turn comes first")
        }
        _ => failure,
    }
}

/// What was done, and what the provider had left open.
fn updated(update: &StackUpdate, set: Option<&ChangeSet>) -> String {
    let done = match update.mode {
        UpdateMode::Update => "updated",
        UpdateMode::Create => "made",
    };
    let stack = &update.stack;
    let Some(set) = set else {
        return format!("`{stack}` {done}");
    };
    let changed = match set.changes.len() {
        1 => "1 resource".to_owned(),
        several => format!("{several} resources"),
    };
    let mut said = vec![format!("`{stack}` {done}: {changed}")];
    said.extend(update.expected.doubts(set));
    said.join("; ")
}

fn token(name: &str, change_set: &str) -> String {
    format!("{name}-{}", Digest::of(change_set).short())
}

/// Reads a secret at the last moment; it goes into the request and nowhere else.
fn secret(conduct: &Conduct, from: &SecretRef, parameter: &str) -> Result<String, Failure> {
    let missing = |why: String| {
        Failure::new(
            "secret-missing",
            format!("cannot read the secret for the parameter `{parameter}`"),
        )
        .cause(why)
        .state("AWS", "nothing was changed")
        .hint("set what the reference names, then resume")
    };
    match from {
        SecretRef::Env(variable) => {
            std::env::var(variable).map_err(|error| missing(format!("`{variable}`: {error}")))
        }
        SecretRef::File(path) => std::fs::read_to_string(conduct.directory.join(path))
            .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
            .map_err(|error| missing(format!("`{path}`: {error}"))),
        _ => Err(missing(
            "stacks have no services and no files of settings".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::refused;
    use crate::fault::Fault;

    /// The SDK repeats such a request like one that came too early: this is told after the last time.
    #[test]
    fn one_change_set_too_many_says_which_to_remove() {
        let fault = Fault::answered(
            "cloudformation:CreateChangeSet",
            "LimitExceededException".to_owned(),
            "ChangeSet limit exceeded".to_owned(),
            400,
        );
        let told = refused(&fault, "prod-vpc");
        assert_eq!(told.what, "cannot make a change set of `prod-vpc`");
        assert_eq!(
            told.causes,
            ["`cloudformation:CreateChangeSet`: LimitExceededException: ChangeSet limit exceeded"]
        );
        assert_eq!(told.state[0].seen.as_deref(), Some("was not changed"));
        assert_eq!(
            told.hints,
            ["remove change sets of the stack that nobody needs, then resume"]
        );
    }
}
