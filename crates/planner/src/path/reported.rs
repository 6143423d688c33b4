//! Either answer as the stable document.

use switchback_model::product::ProcedureKind;

use super::act::Act;
use super::answer::Path;
use super::because::Because;
use super::crossed::{PathNotice, PathProcedure};
use super::legs::{Leg, OptionalMigration};
use super::refusal::{Reason, Refusal};
use super::report::{
    FORMAT, Fact, Notice, Optional, Outcome, Procedure, Report, RollOver, Stage, StageMigration,
};

impl From<&Path> for Report {
    fn from(path: &Path) -> Self {
        Self {
            format: FORMAT,
            product: path.product.clone(),
            edition: path.edition.clone(),
            driver: path.driver.clone(),
            from: path.from.clone(),
            to: path.to.clone(),
            outcome: if path.is_nothing() {
                Outcome::NothingToDo
            } else {
                Outcome::Path
            },
            because: path.because.iter().map(Fact::from).collect(),
            stages: path.legs.iter().map(Stage::from).collect(),
            optional_migrations: path
                .optional_migrations
                .iter()
                .map(Optional::from)
                .chain(offered(path))
                .collect(),
            notices: path.notices.iter().map(Notice::from).collect(),
            procedures: path
                .procedures
                .iter()
                .map(Procedure::from)
                .chain(hand_work(path, ProcedureKind::Mandatory))
                .collect(),
            templates: path
                .templates
                .iter()
                .filter(|template| template.role.is_template())
                .map(|template| template.id.clone())
                .collect(),
            template_changes: path.templates.clone(),
            orders: path.orders.iter().map(Fact::from).collect(),
            deprecations: path.deprecations.iter().map(Notice::from).collect(),
            optional_procedures: path
                .optional_procedures
                .iter()
                .map(Procedure::from)
                .chain(hand_work(path, ProcedureKind::Optional))
                .collect(),
            possibilities: path.possibilities.iter().map(Procedure::from).collect(),
            changes: path.changes.clone(),
            remarks: [path.remarks.as_slice(), &path.done_by_plan].concat(),
            questions: path.questions.clone(),
            rollover: None,
            hints: Vec::new(),
            considered: Vec::new(),
        }
    }
}

impl From<&Because> for Fact {
    fn from(because: &Because) -> Self {
        Self {
            id: because.id.clone(),
            text: because.text.clone(),
            source: because.source.clone(),
            assumed: because.assumed,
        }
    }
}

impl From<&Refusal> for Report {
    fn from(refusal: &Refusal) -> Self {
        let facts = refusal.because().into_iter().map(|fact| Fact {
            id: fact.id,
            text: fact.text,
            source: fact.source,
            assumed: false,
        });
        Self {
            format: FORMAT,
            product: refusal.product.clone(),
            edition: refusal.edition.clone(),
            driver: refusal.driver.clone(),
            from: refusal.from.clone(),
            to: refusal.to.clone(),
            outcome: Outcome::Refused,
            because: facts.collect(),
            stages: Vec::new(),
            optional_migrations: Vec::new(),
            notices: Vec::new(),
            procedures: Vec::new(),
            templates: Vec::new(),
            template_changes: Vec::new(),
            orders: Vec::new(),
            deprecations: Vec::new(),
            optional_procedures: Vec::new(),
            possibilities: Vec::new(),
            changes: Vec::new(),
            remarks: Vec::new(),
            questions: Vec::new(),
            rollover: roll_over(&refusal.reason),
            hints: refusal.hints.iter().map(super::Hint::text).collect(),
            considered: Vec::new(),
        }
    }
}

impl From<&Leg> for Stage {
    fn from(leg: &Leg) -> Self {
        Self {
            to: leg.to.clone(),
            kind: leg.kind,
            required_by: leg.required_by.clone(),
            packages: leg.packages.iter().map(|it| it.name.clone()).collect(),
            migrations: leg
                .migrations
                .iter()
                .map(|run| StageMigration {
                    id: run.migration.clone(),
                    run: run.run.clone(),
                    demanded_by: run.demanded_by.clone(),
                    because: run.because.clone(),
                    moment: None,
                    role: None,
                    manual: false,
                    rungs: Vec::new(),
                    assumed: run.assumed,
                })
                .chain(leg.actions.iter().map(StageMigration::from))
                .collect(),
            assumed: leg.assumed,
        }
    }
}

impl From<&Act> for StageMigration {
    fn from(act: &Act) -> Self {
        Self {
            id: act.id.clone(),
            run: act.run.clone(),
            demanded_by: act.demanded_by.clone(),
            because: vec![format!("{} [{}]", act.because, act.source)],
            moment: Some(act.moment),
            role: act.role,
            manual: act.is_hand_work(),
            rungs: act.rungs.clone(),
            assumed: act.assumed,
        }
    }
}

/// Commands that stages offer.
fn offered(path: &Path) -> impl Iterator<Item = Optional> {
    let all = path
        .legs
        .iter()
        .flat_map(|leg| leg.offered.iter().map(move |act| (leg, act)));
    all.filter(|(_, act)| !act.is_hand_work())
        .map(|(leg, act)| Optional {
            id: act.id.clone(),
            run: act.run.clone(),
            version: act.demanded_by.last().unwrap_or(&leg.to).clone(),
            text: act.because.clone(),
            source: act.source.clone(),
            stage: Some(leg.to.clone()),
            assumed: act.assumed,
        })
}

/// Hand-work of stages that has to be done, or that is offered.
fn hand_work(path: &Path, kind: ProcedureKind) -> impl Iterator<Item = Procedure> {
    let of = move |leg: &'_ Leg| {
        let acts = if kind == ProcedureKind::Optional {
            &leg.offered
        } else {
            &leg.actions
        };
        let hand_work = acts.iter().filter(|act| act.is_hand_work());
        let entries = hand_work.map(|act| Procedure {
            id: act.id.to_string(),
            version: act.demanded_by.last().unwrap_or(&leg.to).clone(),
            kind,
            title: act.because.clone(),
            steps: act.steps.clone(),
            source: act.source.clone(),
            assumed: act.assumed,
        });
        entries.collect::<Vec<_>>()
    };
    path.legs.iter().flat_map(of)
}

fn roll_over(reason: &Reason) -> Option<RollOver> {
    match reason {
        Reason::RollOver {
            in_place_to,
            distributions,
            ..
        } => Some(RollOver {
            max_in_place: in_place_to.clone(),
            distributions: distributions.clone(),
        }),
        _ => None,
    }
}

impl From<&OptionalMigration> for Optional {
    fn from(optional: &OptionalMigration) -> Self {
        Self {
            id: optional.migration.clone(),
            run: optional.run.clone(),
            version: optional.version.clone(),
            text: optional.because.clone(),
            source: optional.source.clone(),
            stage: None,
            assumed: optional.assumed,
        }
    }
}

impl From<&PathNotice> for Notice {
    fn from(notice: &PathNotice) -> Self {
        Self {
            id: notice.id.clone(),
            version: notice.version.clone(),
            text: notice.text.clone(),
            kind: notice.kind,
            source: notice.source.clone(),
            accept: notice.accept.clone(),
            removed_in: notice.removed_in.clone(),
            assumed: notice.assumed,
        }
    }
}

impl From<&PathProcedure> for Procedure {
    fn from(procedure: &PathProcedure) -> Self {
        Self {
            id: procedure.id.clone(),
            version: procedure.version.clone(),
            kind: procedure.kind,
            title: procedure.title.clone(),
            steps: procedure.steps.clone(),
            source: procedure.source.clone(),
            assumed: procedure.assumed,
        }
    }
}
