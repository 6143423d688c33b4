//! Having a group replace its machines itself, watched to its end.

use aws_smithy_types::DateTime;
use switchback_engine::ports::{Context, Failure, Finding};
use switchback_model::event::{Completed, Outcome};
use switchback_model::stack::{Machine, MachineGroup};

use super::machines::{gone, group_now};
use crate::account::Account;
use crate::fault::{Fault, Kind};
use crate::notes::Note;
use crate::refresh::{self, Refresh};
use crate::waiting::Pace;

/// How many machines stay in service meanwhile, and how long a new one is given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pref {
    pub(super) healthy: u8,
    pub(super) warm_up: Option<u32>,
}

/// Begins a refresh, or adopts the one that this step began, and follows it to its end.
pub(super) fn renew(
    cx: &Context<'_>,
    account: &Account,
    group: &MachineGroup,
    pref: Pref,
) -> Result<Outcome, Failure> {
    let step = Step { cx, account, group };
    let mut note = Note::read(cx)?;
    let (id, completed) = match step.ours(&note)? {
        Some(ours) if ours.is_active() || note.exited.is_none() => {
            note.started = Some(ours.id.clone());
            note.keep(cx)?;
            (ours.id, Completed::Adopted)
        }
        // The one before ended badly, and that was told.
        _ => match step.begin(&mut note, pref)? {
            Some(id) => (id, Completed::Done),
            None => return Ok(Outcome::told(Completed::AlreadyDone, "0 machines replaced")),
        },
    };
    let ended = step.watch(&id)?;
    note.exited = Some(i64::from(ended.status != "Successful"));
    note.keep(cx)?;
    if ended.status != "Successful" {
        return Err(step.failed(&ended));
    }
    let summary = format!("instance refresh {id} of `{}` is through", group.name);
    Ok(Outcome::told(completed, summary))
}

/// Ends a refresh that is under way, whoever began it, and waits until no machine is replaced any more.
pub(super) fn end(
    cx: &Context<'_>,
    account: &Account,
    group: &MachineGroup,
) -> Result<Outcome, Failure> {
    let step = Step { cx, account, group };
    if step.active()?.is_none() {
        return Ok(Outcome::told(Completed::AlreadyDone, "none is under way"));
    }
    let failed =
        |fault: Fault| fault.failure(format!("cannot end the refresh of `{}`", group.name));
    refresh::cancel(account, &group.name).map_err(failed)?;
    let mut pace = Pace::new(cx.stop);
    while let Some(active) = step.active()? {
        step.report(&active);
        pace.pause(&format!("the end of the refresh of `{}`", group.name))?;
    }
    let summary = format!(
        "the refresh of `{}` is ended; machines stay as they are",
        group.name
    );
    Ok(Outcome::told(Completed::Done, summary))
}

/// Whether nothing replaces the machines of a group.
pub(super) fn ended(account: &Account, group: &str) -> Result<Finding, Fault> {
    let refreshes = match refresh::newest(account, group) {
        // A group that is gone replaces nothing.
        Err(fault) if fault.is("ValidationError") => Vec::new(),
        refreshes => refreshes?,
    };
    Ok(match refreshes.iter().find(|it| it.is_active()) {
        None => Finding::Holds,
        Some(active) => Finding::Differs {
            found: format!("refresh {} is {}", active.id, active.status),
        },
    })
}

struct Step<'a> {
    cx: &'a Context<'a>,
    account: &'a Account,
    group: &'a MachineGroup,
}

impl Step<'_> {
    fn newest(&self) -> Result<Vec<Refresh>, Failure> {
        let what = || format!("cannot look at the refreshes of `{}`", self.group.name);
        refresh::newest(self.account, &self.group.name).map_err(|fault| fault.failure(what()))
    }

    fn active(&self) -> Result<Option<Refresh>, Failure> {
        Ok(self.newest()?.into_iter().find(Refresh::is_active))
    }

    /// The one that this step began: by its id, or where no answer told that, the first one since it was asked for.
    fn ours(&self, note: &Note) -> Result<Option<Refresh>, Failure> {
        let refreshes = self.newest()?;
        let ours = |it: &&Refresh| match (&note.started, note.asked) {
            (Some(id), _) => it.id == *id,
            (None, Some(asked)) => it.began.is_some_and(|began| since(began) >= asked),
            (None, None) => false,
        };
        Ok(refreshes.iter().rev().find(ours).cloned())
    }

    /// Begins one; nothing where no machine is behind.
    fn begin(&self, note: &mut Note, pref: Pref) -> Result<Option<String>, Failure> {
        let (account, group) = (self.account, self.group);
        let failed = |fault: Fault| {
            fault.failure(format!("cannot refresh the machines of `{}`", group.name))
        };
        let now = group_now(account, &group.stack, &group.logical)
            .map_err(failed)?
            .ok_or_else(|| gone(group))?;
        if now.behind().next().is_none() {
            return Ok(None);
        }
        if let Some(active) = self.active()? {
            return Err(self.busy(&active));
        }
        // By the clock of AWS, and on disk before it is asked for: a refresh has no name that could be given to it.
        note.asked = account.calls().answered().map(since);
        note.started = None;
        note.exited = None;
        note.keep(self.cx)?;
        let id = match refresh::begin(account, &group.name, pref.healthy, pref.warm_up) {
            Ok(id) => id,
            Err(fault) if matches!(fault.kind, Kind::NoAnswer | Kind::Service) => {
                match self.ours(note)? {
                    Some(ours) => ours.id,
                    None => return Err(failed(fault)),
                }
            }
            Err(fault) if fault.code.starts_with("InstanceRefreshInProgress") => {
                // The SDK asks again where an answer was lost.
                match (self.ours(note)?, self.active()?) {
                    (Some(ours), _) => ours.id,
                    (None, Some(active)) => return Err(self.busy(&active)),
                    (None, None) => return Err(failed(fault)),
                }
            }
            Err(fault) => return Err(failed(fault)),
        };
        note.started = Some(id.clone());
        note.keep(self.cx)?;
        Ok(Some(id))
    }

    /// Follows it: AWS itself gives up where a machine does not become healthy.
    fn watch(&self, id: &str) -> Result<Refresh, Failure> {
        let mut pace = Pace::new(self.cx.stop);
        let mut last = None;
        loop {
            let found = self.newest()?.into_iter().find(|it| it.id == id);
            let Some(now) = found else {
                return Err(self.lost(id));
            };
            if !now.is_active() {
                return Ok(now);
            }
            self.report(&now);
            if last.as_ref() != Some(&now) {
                last = Some(now);
                pace.quicken();
            }
            pace.pause(&format!("the machines of `{}`", self.group.name))?;
        }
    }

    fn report(&self, now: &Refresh) {
        let left = now
            .left
            .map_or_else(String::new, |left| format!(", {left} machines left"));
        let reason = now
            .reason
            .as_ref()
            .map_or_else(String::new, |reason| format!(": {reason}"));
        let doing = format!(
            "refresh of `{}` {}{left}{reason}",
            self.group.name, now.status
        );
        self.cx.progress.report(
            &doing,
            Some(now.done.unwrap_or_default()),
            Some(100),
            Some("%"),
        );
    }

    /// It ended otherwise than well: what the machines are by then.
    fn failed(&self, ended: &Refresh) -> Failure {
        let name = &self.group.name;
        let (code, became) = match ended.status.as_str() {
            "Cancelled" => ("refresh-cancelled", "was cancelled"),
            "RollbackSuccessful" | "RollbackFailed" => {
                ("refresh-taken-back", "was taken back by somebody")
            }
            _ => ("refresh-failed", "failed"),
        };
        let failure = Failure::new(
            code,
            format!(
                "the machines of `{name}` were not all replaced: the instance refresh {became}"
            ),
        );
        let failure = match &ended.reason {
            Some(reason) => failure.cause(format!("{}: {}: {reason}", ended.id, ended.status)),
            None => failure.cause(format!("{}: {}", ended.id, ended.status)),
        };
        let failure = self.machines(failure);
        match code {
            "refresh-failed" => failure.hint("see why the new machine is not healthy: its system log, and the activities of its group; correct it"),
            _ => failure.hint("see who ended it, and why: the activities of the group"),
        }
        .hint("resume: another refresh begins, and machines that were replaced stay")
    }

    /// Adds how each machine is.
    fn machines(&self, failure: Failure) -> Failure {
        let name = self.group.name.as_str();
        let now = group_now(self.account, &self.group.stack, &self.group.logical);
        let Ok(Some(now)) = now else {
            return failure.state(name, "unknown: its machines could not be looked at");
        };
        let behind: Vec<&str> = now.behind().map(|machine| machine.id.as_str()).collect();
        let ids = |of: Vec<&str>| match of.is_empty() {
            true => "none".to_owned(),
            false => of.join(", "),
        };
        let replaced = |machine: &&Machine| !behind.contains(&machine.id.as_str());
        let replaced: Vec<&str> = now
            .machines
            .iter()
            .filter(replaced)
            .map(|it| it.id.as_str())
            .collect();
        let unready = now.machines.iter().filter(|it| it.state != "InService");
        let unready: Vec<String> = unready
            .map(|it| format!("{} is {}", it.id, it.state))
            .collect();
        let failure = failure.state(
            name,
            format!(
                "as the next one will be: {}; behind: {}",
                ids(replaced),
                ids(behind.clone())
            ),
        );
        match unready.is_empty() {
            true => failure.state("service", "every machine of it is in service"),
            false => failure.state("service", unready.join(", ")),
        }
    }

    fn busy(&self, active: &Refresh) -> Failure {
        let name = self.group.name.as_str();
        Failure::new(
            "refresh-of-another",
            format!("somebody else has the machines of `{name}` replaced"),
        )
        .cause(format!("instance refresh {} is {}", active.id, active.status))
        .state(name, "was not changed by this step")
        .hint("wait until that is over, then resume")
        .hint(format!(
            "or end it: aws autoscaling cancel-instance-refresh --auto-scaling-group-name {name}, then resume"
        ))
    }

    fn lost(&self, id: &str) -> Failure {
        let name = self.group.name.as_str();
        Failure::new(
            "refresh-lost",
            format!("AWS does not tell of the instance refresh {id} of `{name}` any more"),
        )
        .state(name, "unknown")
        .hint("see how its machines are: switchback doctor; then resume")
    }
}

/// Seconds since the epoch; none before it.
fn since(moment: DateTime) -> u64 {
    u64::try_from(moment.secs()).unwrap_or_default()
}
