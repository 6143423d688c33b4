//! How each database is kept: by a snapshot, or by a mark in its automated backups where the operator wants that and
//! nothing in the plan needs a snapshot; and what the plan says of that and of buckets.

use std::collections::BTreeSet;

use switchback_model::plan::{Act, Notice, Stage};
use switchback_model::product::NoticeKind;
use switchback_model::stack::{DangerKind, History, KeepBy, Store, StoreKind};

use super::composer::Composer;
use super::cost;
use super::review::Reviews;

/// Turns snapshots into marks where that is wanted and possible, and says of every store whose history is known how it
/// is kept, and why.
pub(super) fn choose(composer: &Composer<'_>, stages: &mut [Stage]) -> Vec<Notice> {
    let anew = made_anew(stages, &composer.reviews);
    let stores = composer.input.cloud.stores.iter();
    let stores = stores.filter(|store| composer.stacks.contains_key(&store.stack));
    // What was found makes a notice one that everybody sees.
    let notice = |id: String, text: String, found: Option<String>| Notice {
        id,
        kind: NoticeKind::Behaviour,
        version: composer.input.query.to.clone(),
        text,
        found,
        source: "description of the account".to_owned(),
        accept: None,
    };
    let mut notices = Vec::new();
    let (mut versions, mut nothing) = (Vec::new(), Vec::new());
    for store in stores {
        let said = composer.input.config.keep.get(&store.stack);
        let wanted = said.and_then(|said| said.get(&store.logical)).copied();
        let goes = anew.contains(&(store.stack.clone(), store.logical.clone()));
        match (store.kind, store.history) {
            (_, None) => {}
            (StoreKind::Bucket, Some(History::Versions)) => versions.push(store),
            (StoreKind::Bucket, Some(_)) => nothing.push(store),
            (_, Some(history)) => {
                let by = match (wanted, history) {
                    (Some(KeepBy::Mark), History::Moments { .. }) if !goes => KeepBy::Mark,
                    _ => KeepBy::Snapshot,
                };
                if keep(stages, store, by) {
                    let id = format!("kept-{}-{}", store.stack, store.logical);
                    let rounds = kept_in(stages, store);
                    let kept = cost::kept(store, composer.input.config.prices.as_ref(), rounds);
                    let text = database(store, history, (by, kept), wanted, goes);
                    let found =
                        wanted.map(|_| format!("automated backups: {} days", days(history)));
                    notices.push(notice(id, text, found));
                }
            }
        }
    }
    notices.extend(buckets(&versions).map(|which| {
        let text = format!("No step writes to {which}, and the way back leaves them as they are. They keep versions: what the product changes or deletes there meanwhile comes back object by object. `aws s3api list-object-versions --bucket NAME` shows them; a version from before the run is copied over the present one (`aws s3api copy-object`), and a deleted object is there again once its delete marker is deleted. `objects-back = [\"NAME\"]` under [aws] has `rollback` do that for every object of a bucket.");
        notice("buckets-with-versions".to_owned(), text, None)
    }));
    notices.extend(buckets(&nothing).map(|which| {
        let text = format!("No step writes to {which}, and the way back leaves them as they are. They keep no versions: what the product changes or deletes there has no way back. `aws s3api put-bucket-versioning --bucket NAME --versioning-configuration Status=Enabled` keeps them from then on.");
        let found = Some("versions: off".to_owned());
        notice("buckets-without-versions".to_owned(), text, found)
    }));
    notices
}

/// Marks that the operator wants of what cannot have one, a sentence each.
pub(super) fn unheard(composer: &Composer<'_>) -> Vec<String> {
    let stores = &composer.input.cloud.stores;
    let mut told = Vec::new();
    for (stack, said) in &composer.input.config.keep {
        for (logical, _) in said.iter().filter(|(_, by)| **by == KeepBy::Mark) {
            let mut stores = stores.iter();
            let why = match stores.find(|it| it.stack == *stack && it.logical == *logical) {
                None => "nothing of this name holds data".to_owned(),
                Some(store) if !store.kind.can_be_marked() => {
                    format!("a {} has no automated backups", store.kind.word())
                }
                Some(store) if store.history.is_none() => {
                    "AWS tells nothing of its automated backups".to_owned()
                }
                Some(_) => continue,
            };
            told.push(format!(
                "`{logical} = \"mark\"` under [aws.keep.{stack}] is not followed: {why}"
            ));
        }
    }
    told
}

/// Their names; nothing where there are none.
fn buckets(stores: &[&Store]) -> Option<String> {
    let names = stores.iter();
    let names: Vec<String> = names.map(|it| format!("`{}`", it.physical)).collect();
    (!names.is_empty()).then(|| format!("the buckets {}", names.join(", ")))
}

/// Stores that an update of the plan makes anew, or may: their automated backups go with them.
fn made_anew(stages: &[Stage], reviews: &Reviews) -> BTreeSet<(String, String)> {
    let steps = stages.iter().flat_map(|stage| &stage.steps);
    steps
        .filter_map(|step| reviews.get(&step.number))
        .flat_map(|review| {
            let data = review.dangers.iter();
            data.filter(|danger| matches!(danger.what, DangerKind::Data(_)))
                .map(|danger| (review.stack.clone(), danger.logical.clone()))
        })
        .collect()
}

/// Says how every round keeps a store; false where none does.
fn keep(stages: &mut [Stage], store: &Store, by: KeepBy) -> bool {
    let mut keeps = false;
    for step in stages.iter_mut().flat_map(|stage| &mut stage.steps) {
        if let Act::Snapshot { store: of, by: how } = &mut step.act
            && of == store
        {
            *how = by;
            keeps = true;
        }
    }
    keeps
}

/// How many snapshots of a store the plan leaves.
fn kept_in(stages: &[Stage], store: &Store) -> u64 {
    let steps = stages.iter().flat_map(|stage| &stage.steps);
    let taken = steps.filter(|step| {
        let by = KeepBy::Snapshot;
        matches!(&step.act, Act::Snapshot { store: of, by: how } if of == store && *how == by)
    });
    taken.count() as u64
}

/// Over how many days automated backups reach.
fn days(history: History) -> u32 {
    match history {
        History::Moments { days } => days,
        History::Nothing | History::Versions => 0,
    }
}

/// Method, reason, downtime, how long it holds, and what it costs.
fn database(
    store: &Store,
    history: History,
    (by, kept): (KeepBy, Option<String>),
    wanted: Option<KeepBy>,
    goes: bool,
) -> String {
    let (what, stack, logical) = (store.kind.word(), &store.stack, &store.logical);
    let days = days(history);
    if by == KeepBy::Mark {
        return format!(
            "{store} is kept by a mark in its automated backups, as switchback.toml says: it serves meanwhile, and each round waits until AWS can restore to that moment, some minutes. It holds for {days} days, as long as the {what} itself is not deleted, and nothing is billed for it. The way back makes another {what} beside it as it was then, and a snapshot of that: it takes two restores, which are billed while they last."
        );
    }
    let pauses = match store.kind {
        StoreKind::DatabaseInstance => {
            "it serves meanwhile, and where it runs in one zone alone its writes may stand still for seconds"
        }
        _ => "it serves meanwhile",
    };
    let why = match (wanted, days) {
        (Some(KeepBy::Mark), 0) => {
            " and not by a mark, because its automated backups are off".to_owned()
        }
        (Some(KeepBy::Mark), _) if goes => {
            format!(
                " and not by a mark, because the plan makes the {what} anew: its automated backups go with it"
            )
        }
        _ => String::new(),
    };
    let instead = match (wanted, days, goes) {
        (None, 1.., false) => format!(
            " A mark in its automated backups would take no storage and hold for {days} days: `{logical} = \"mark\"` under [aws.keep.{stack}]."
        ),
        _ => String::new(),
    };
    let kept = kept.map_or_else(String::new, |kept| format!(": {kept}"));
    format!(
        "{store} is kept by a snapshot in each round{why}: {pauses}. It holds, and is billed, until you delete it{kept}.{instead}"
    )
}
