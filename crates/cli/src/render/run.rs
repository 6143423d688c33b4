//! A run, event by event: live and from the journal alike.

use std::collections::BTreeMap;

use switchback_model::StepNumber;
use switchback_model::event::{Completed, Event, Outcome, Stamped};
use switchback_model::plan::{Plan, StageKind};

use super::downtime::Spent;
use super::style::{BAD, BANG, BOLD, CHECK, CROSS, GOOD, WARN, paint};
use super::{measure, plan as plan_text, problem, step, wrap};

/// Narrowest and widest column for what a step does.
const WHAT: std::ops::RangeInclusive<usize> = 10..=28;
/// Columns of a duration, e.g. `2 min 5 s`.
const TOOK: usize = 9;
/// What follows a step's columns is wrapped beside them where it has this much room, else below.
const BESIDE: usize = 40;

/// Turns events into lines.
pub(crate) struct Narrator<'a> {
    plan: &'a Plan,
    width: usize,
    what_width: usize,
    stage: Option<usize>,
    /// When steps began, by the events' own clock.
    began: BTreeMap<StepNumber, u64>,
    spent: Spent,
}

/// Columns for what the steps of a plan do.
pub(crate) fn what_width(plan: &Plan) -> usize {
    let widest = plan
        .steps()
        .map(|(_, step)| step::brief(plan, &step.act).chars().count())
        .max()
        .unwrap_or(0);
    widest.clamp(*WHAT.start(), *WHAT.end())
}

impl<'a> Narrator<'a> {
    /// A narrator of runs of this plan, on lines of at most `width` columns.
    pub(crate) fn new(plan: &'a Plan, width: usize) -> Self {
        Self {
            plan,
            width,
            what_width: what_width(plan),
            stage: None,
            began: BTreeMap::new(),
            spent: Spent::default(),
        }
    }

    /// The lines that an event adds, each with its newline; often none.
    pub(crate) fn lines(&mut self, stamped: &Stamped) -> String {
        match &stamped.event {
            Event::RunStarted { by, accepted, .. } => self.started(stamped, by, accepted),
            Event::RunResumed { by, took_over, .. } => {
                self.resumed(stamped, by, took_over.as_deref())
            }
            Event::StepStarted { step, .. } => self.step_started(stamped.at, *step),
            Event::RecoveryStarted {
                step,
                datastore,
                because,
            } => self.mark(
                *step,
                paint(WARN, BANG).to_string(),
                &format!("brings {datastore} back first: {because}"),
            ),
            Event::RecoveryFinished { step, datastore } => self.mark(
                *step,
                paint(GOOD, CHECK).to_string(),
                &format!("{datastore} is as it was; does the step again"),
            ),
            Event::Progress { .. } => String::new(),
            Event::AttemptFailed { step, attempt, .. } => self.failed(stamped.at, *step, *attempt),
            Event::StepFinished {
                step,
                outcome,
                took,
            } => self.finished(*step, outcome, *took),
            Event::RunHalted { problem } => problem::text(problem, self.width),
            Event::RunFinished { downtime } => self.done(*downtime),
        }
    }

    /// What a step in progress looks like, in one line of at most `width` columns, plain text.
    pub(crate) fn progress(&self, number: StepNumber, took: u64, event: &Event) -> String {
        let Event::Progress {
            doing,
            done,
            of,
            unit,
            ..
        } = event
        else {
            return self.columns(number, took);
        };
        let amount = amount(*done, *of, unit.as_deref());
        let said = [doing.as_str(), amount.as_str()]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("  ");
        format!("{}  {said}", self.columns(number, took))
    }

    fn started(&self, stamped: &Stamped, by: &str, accepted: &[String]) -> String {
        let accepted = if accepted.is_empty() {
            String::new()
        } else {
            format!(", accepted {}", accepted.join(", "))
        };
        let line = format!(
            "plan {} {} {} on {}, started {} by {by}{accepted}",
            self.plan.id,
            self.plan.product,
            plan_text::route(self.plan),
            self.plan.deployment.name,
            measure::minute(stamped.at),
        );
        format!("{}\n", wrap::hanging("  ", &line, self.width))
    }

    fn resumed(&mut self, stamped: &Stamped, by: &str, took_over: Option<&str>) -> String {
        self.stage = None;
        let over = took_over.map_or_else(String::new, |holder| format!(", in place of {holder}"));
        let line = format!("resumed {} by {by}{over}", measure::minute(stamped.at));
        format!("{}\n", wrap::hanging("  ", &line, self.width))
    }

    fn step_started(&mut self, at: u64, number: StepNumber) -> String {
        self.began.insert(number, at);
        self.stage_heading(number)
    }

    /// The heading of the step's stage, where it is another than the last one's.
    fn stage_heading(&mut self, number: StepNumber) -> String {
        let place = self
            .plan
            .stages
            .iter()
            .position(|stage| stage.steps.iter().any(|step| step.number == number));
        let Some(place) = place.filter(|place| self.stage != Some(*place)) else {
            return String::new();
        };
        self.stage = Some(place);
        let legs = self.plan.stages[..=place]
            .iter()
            .filter(|stage| stage.kind != StageKind::Preparation)
            .count();
        let heading = step::heading(&self.plan.stages[place], legs);
        format!("  {}\n", paint(BOLD, heading))
    }

    fn finished(&mut self, number: StepNumber, outcome: &Outcome, took: u64) -> String {
        let heading = self.stage_heading(number);
        self.spent.add(self.plan, number, took);
        let how = match outcome.completed {
            Completed::Done => String::new(),
            Completed::AlreadyDone if outcome.summary.contains("already") => String::new(),
            Completed::AlreadyDone => "was done already".to_owned(),
            Completed::Adopted => "had been begun before and was seen to its end".to_owned(),
        };
        let said = [outcome.summary.as_str(), how.as_str()]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" · ");
        format!(
            "{heading}{}",
            self.line(&paint(GOOD, CHECK).to_string(), number, took, &said)
        )
    }

    fn failed(&self, at: u64, number: StepNumber, attempt: u32) -> String {
        let began = self.began.get(&number).copied().unwrap_or(at);
        // What went wrong is told in full when the run halts, right after.
        let said = if attempt > 1 {
            format!("failed, try {attempt}")
        } else {
            "failed".to_owned()
        };
        let mark = paint(BAD, CROSS).to_string();
        self.line(&mark, number, at.saturating_sub(began), &said)
    }

    fn done(&self, milliseconds: u64) -> String {
        let downtime = if milliseconds == 0 {
            "no downtime".to_owned()
        } else {
            format!("downtime {}", measure::duration(milliseconds))
        };
        format!(
            "{} {} runs {} · {downtime}\n{}",
            paint(GOOD, CHECK),
            self.plan.deployment.name,
            paint(BOLD, &self.plan.to),
            self.spent.line(milliseconds, self.width),
        )
    }

    /// A remark about a step.
    fn mark(&self, number: StepNumber, mark: String, said: &str) -> String {
        let (verb, what) = self.words(number);
        let line = format!("{verb} {what} {said}");
        format!(
            "{}\n",
            wrap::hanging(&format!("  {mark} {number:>2} "), &line, self.width)
        )
    }

    fn line(&self, mark: &str, number: StepNumber, took: u64, said: &str) -> String {
        let first = format!("  {mark} {}", self.columns(number, took));
        if said.is_empty() {
            return format!("{}\n", first.trim_end());
        }
        let first = format!("{first}  ");
        let room = self.width.saturating_sub(wrap::width(&first));
        if room < wrap::width(said) && room < BESIDE {
            let below = wrap::hanging("       ", said, self.width);
            format!("{}\n{below}\n", first.trim_end())
        } else {
            format!("{}\n", wrap::hanging(&first, said, self.width))
        }
    }

    /// `10 migrate  is-db (3.32.1)    21 s`
    fn columns(&self, number: StepNumber, took: u64) -> String {
        let (verb, what) = self.words(number);
        format!(
            "{number:>2} {verb:<8} {:<what_width$} {:>TOOK$}",
            wrap::cut(&what, self.what_width),
            measure::duration(took),
            what_width = self.what_width,
        )
    }

    fn words(&self, number: StepNumber) -> (&'static str, String) {
        self.plan.step(number).map_or_else(
            || ("step", String::new()),
            |step| (self.plan.verb(&step.act), step::brief(self.plan, &step.act)),
        )
    }
}

/// `1.2 GB of 3.4 GB (35 %)`, `14 of 19 migrations`, `3,200 rows`.
fn amount(done: Option<u64>, of: Option<u64>, unit: Option<&str>) -> String {
    let bytes = unit == Some("B");
    let number = |value: u64| {
        if bytes {
            measure::bytes(value)
        } else {
            measure::count(value)
        }
    };
    // Ports say what they count in the plural.
    let one = of.filter(|of| *of > 0).or(done) == Some(1);
    let singular = |unit: &str| match unit.strip_suffix('s') {
        Some(singular) if one && !singular.is_empty() => format!(" {singular}"),
        _ => format!(" {unit}"),
    };
    let unit = unit.filter(|_| !bytes).map_or_else(String::new, singular);
    match (done, of) {
        (Some(done), Some(of)) if of > 0 => {
            let percent = if bytes {
                format!(" ({} %)", done.saturating_mul(100) / of)
            } else {
                String::new()
            };
            format!("{} of {}{unit}{percent}", number(done), number(of))
        }
        (Some(done), _) => format!("{}{unit}", number(done)),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_units_people_use() {
        assert_eq!(
            amount(Some(1_200_000_000), Some(3_400_000_000), Some("B")),
            "1.2 GB of 3.4 GB (35 %)"
        );
        assert_eq!(
            amount(Some(14), Some(19), Some("migrations")),
            "14 of 19 migrations"
        );
        assert_eq!(amount(Some(3_200), None, Some("rows")), "3,200 rows");
        assert_eq!(amount(Some(0), Some(1), Some("files")), "0 of 1 file");
        assert_eq!(amount(Some(1), None, Some("lines")), "1 line");
        assert_eq!(amount(Some(4), Some(5), Some("s")), "4 of 5 s");
        assert_eq!(amount(None, None, None), "");
    }
}
