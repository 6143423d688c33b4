//! From what was found to a plan, or to a refusal.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;
use switchback_model::observed::Deployment;
use switchback_model::plan::{
    Act, Check, Expectation, FORMAT, Forecast, Interrupted, Notice, Origin, Plan, Procedure,
    Purpose, Stage, StageKind, Step, WayBack,
};
use switchback_model::product::NoticeKind;
use switchback_model::rollover::{Parcel, RollOver};
use switchback_model::{Digest, PlanId, Problem, ProductId, RunId, StepNumber, Version};

use crate::git::PackState;
use crate::inventory::{
    FoundPack, Inventory, count, pack, source_id, trace_of_api_keys, trace_of_configs,
    trace_of_keys, trace_of_rules,
};
use crate::refusals;
use crate::release::{FIRST_TARGET, is_before};

/// Where the order of a roll-over is described by those who make the product.
const SOURCE: &str = "docs.stackstorm.com: Upgrades, Content Roll-Over";
/// What of a plan's making is fixed here and in no definition.
const RULES: &str = "stackstorm content roll-over 1";

/// Plans the roll-over of what was found; `parent` is the last run in the same directory.
pub fn plan(inventory: &Inventory, parent: Option<RunId>) -> Result<Plan, Problem> {
    refuse(inventory)?;
    let content = &inventory.content;
    let mut steps: Vec<Step> = parcels(inventory).into_iter().map(bring).collect();
    steps.push(compare());
    for (number, step) in (1..).zip(&mut steps) {
        step.number = StepNumber(number);
    }
    Ok(Plan {
        format: FORMAT,
        id: PlanId::new(""),
        purpose: Purpose::RollOver(content.clone()),
        parent,
        deployment: deployment(content),
        account: None,
        product: ProductId::new("stackstorm"),
        product_name: "StackStorm".to_owned(),
        edition: None,
        definition: Digest::of(RULES),
        from: inventory.from.clone(),
        to: inventory.to.clone(),
        because: Vec::new(),
        notices: notices(inventory),
        procedures: procedures(inventory),
        origin: Origin::default(),
        datastores: BTreeMap::new(),
        stages: vec![Stage {
            kind: StageKind::RollOver {
                to: inventory.to.clone(),
            },
            required_by: Vec::new(),
            round: 1,
            steps,
        }],
        forecast: Forecast {
            downtime_seconds: Some(0),
            downtime_because: "the old instance goes on all the while".to_owned(),
            ..Forecast::default()
        },
        advice: Vec::new(),
        secrets: Vec::new(),
    }
    .seal())
}

/// The pair of instances is what a lease is taken on; it lives where its repositories and logs are kept.
fn deployment(content: &RollOver) -> Deployment {
    let keep = Path::new(&content.keep);
    let name = keep.file_name().map_or_else(
        || "rollover".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    );
    Deployment {
        name,
        directory: content.keep.clone(),
        driver: "rollover".to_owned(),
        project: format!("{} to {}", content.from.api, content.into.api),
    }
}

fn refuse(inventory: &Inventory) -> Result<(), Problem> {
    let (from, to) = (&inventory.from, &inventory.to);
    let content = &inventory.content;
    if content.from.api == content.into.api {
        return Err(refusals::address_twice(&content.from.api));
    }
    if is_before(to, from.as_str()) {
        return Err(refusals::older(from, to));
    }
    if is_before(to, FIRST_TARGET) {
        return Err(refusals::too_old(to));
    }
    if !inventory.occupied.is_empty() {
        return Err(refusals::occupied(&content.into.api, &inventory.occupied));
    }
    let root = Path::new(content.from.files.as_deref().unwrap_or("/"));
    for found in &inventory.packs {
        if let PackState::Versioned { changed, .. } = &found.state
            && !changed.is_empty()
        {
            return Err(refusals::uncommitted(
                &found.name,
                &pack(root, &found.name),
                changed,
            ));
        }
    }
    if !inventory.undecipherable.is_empty() {
        return Err(refusals::undecipherable(&inventory.undecipherable));
    }
    if let Some(first) = inventory.masked_configs.first() {
        return Err(refusals::masked(&format!(
            "secrets in the configuration of pack `{first}`"
        )));
    }
    if inventory.masked_api_keys > 0 {
        return Err(refusals::masked(&count(
            inventory.masked_api_keys,
            "API key",
        )));
    }
    Ok(())
}

/// In the order in which they are brought: what others need comes first. Keys come before packs, whose sensors
/// read them from the moment they are installed.
fn parcels(inventory: &Inventory) -> Vec<Parcel> {
    let mut parcels: Vec<Parcel> = inventory.packs.iter().map(source_of).collect();
    if !inventory.logs.is_empty() {
        parcels.push(logs(inventory));
    }
    let secret = inventory.keys.iter().filter(|key| key.secret).count();
    if !inventory.keys.is_empty() {
        let what = format!(
            "{}, {secret} of them secret",
            count(inventory.keys.len(), "key")
        );
        parcels.push(parcel("keys/all", what, trace_of_keys(&inventory.keys)));
    }
    parcels.extend(inventory.packs.iter().map(pack_of));
    if !inventory.configs.is_empty() {
        let what = format!(
            "configurations of {}",
            count(inventory.configs.len(), "pack")
        );
        parcels.push(parcel(
            "configs/all",
            what,
            trace_of_configs(&inventory.configs),
        ));
    }
    if !inventory.api_keys.is_empty() {
        let what = count(inventory.api_keys.len(), "API key");
        parcels.push(parcel(
            "api-keys/all",
            what,
            trace_of_api_keys(&inventory.api_keys),
        ));
    }
    if !inventory.rules.is_empty() {
        let what = format!(
            "{} made through the API",
            count(inventory.rules.len(), "rule")
        );
        parcels.push(parcel("rules/all", what, trace_of_rules(&inventory.rules)));
    }
    parcels
}

/// Where a pack comes from.
fn source_of(found: &FoundPack) -> Parcel {
    let how = match &found.state {
        PackState::Versioned { unpushed: 0, .. } => "its repository".to_owned(),
        PackState::Versioned { unpushed, .. } => {
            format!(
                "its repository, with {} that no remote has",
                count(*unpushed as usize, "commit")
            )
        }
        PackState::Unversioned => "made from its files: it has no repository".to_owned(),
    };
    Parcel {
        id: source_id(&found.name),
        what: format!("{how} at {}", short(&found.commit)),
        original: Digest::of(&found.commit),
        facts: [("commit".to_owned(), found.commit.clone())].into(),
    }
}

fn pack_of(found: &FoundPack) -> Parcel {
    Parcel {
        id: format!("pack/{}", found.name),
        what: format!("{} at {}", found.version, short(&found.commit)),
        original: Digest::of(&found.commit),
        facts: [
            ("commit".to_owned(), found.commit.clone()),
            ("version".to_owned(), found.version.clone()),
        ]
        .into(),
    }
}

fn logs(inventory: &Inventory) -> Parcel {
    let bytes: u64 = inventory.logs.iter().map(|log| log.size).sum();
    let facts: BTreeMap<String, String> = inventory
        .logs
        .iter()
        .map(|log| (log.name.clone(), json!([log.size, log.digest]).to_string()))
        .collect();
    Parcel {
        id: "audit-logs/all".to_owned(),
        what: format!(
            "{}, {bytes} bytes, with checksums",
            count(inventory.logs.len(), "audit log")
        ),
        original: Digest::of(format!("{facts:?}")),
        facts,
    }
}

fn parcel(id: &str, what: String, original: Digest) -> Parcel {
    Parcel {
        id: id.to_owned(),
        what,
        original,
        facts: BTreeMap::new(),
    }
}

fn short(commit: &str) -> &str {
    &commit[..commit.len().min(12)]
}

fn bring(parcel: Parcel) -> Step {
    let id = || parcel.id.clone();
    Step {
        number: StepNumber(0),
        before: vec![
            Expectation::Original { parcel: id() },
            Expectation::Room { parcel: id() },
        ],
        after: vec![Expectation::Arrived { parcel: id() }],
        act: Act::Bring { parcel },
        interrupted: Interrupted::Repeat,
        way_back: WayBack::NotNeeded,
        downtime: false,
        because: None,
    }
}

fn compare() -> Step {
    Step {
        number: StepNumber(0),
        act: Act::Verify {
            checks: vec![Check::Content],
        },
        before: Vec::new(),
        after: Vec::new(),
        interrupted: Interrupted::Repeat,
        way_back: WayBack::NotNeeded,
        downtime: false,
        because: None,
    }
}

fn notices(inventory: &Inventory) -> Vec<Notice> {
    let notice = |id: &str, kind, text: &str, found: Option<String>| Notice {
        id: id.to_owned(),
        kind,
        version: Version::new(inventory.to.as_str()),
        text: text.to_owned(),
        found,
        source: SOURCE.to_owned(),
        accept: None,
    };
    let mut notices = vec![Notice {
        accept: Some("no-history".to_owned()),
        ..notice(
            "execution-history",
            NoticeKind::OneWay,
            "The history of executions stays behind: the new instance begins without one. The audit logs are kept.",
            None,
        )
    }];
    notices.push(notice(
        "both-act",
        NoticeKind::Behaviour,
        "From the moment its packs are installed the new instance acts as well: timers and sensors run on both until the old one is stopped.",
        Some(format!("{} come with packs, {} more", count(inventory.pack_rules, "rule"), inventory.rules.len())),
    ));
    notices.push(notice(
        "keys-of-users",
        NoticeKind::Behaviour,
        "Keys of a user are listed only for users whose name is known. Name others with --user.",
        Some(match inventory.content.users.as_slice() {
            [] => "no user is known".to_owned(),
            users => format!("known here: {}", users.join(", ")),
        }),
    ));
    notices
}

fn procedures(inventory: &Inventory) -> Vec<Procedure> {
    let mut procedures = Vec::new();
    let mut add = |id: &str, title: &str, steps: Vec<String>| {
        if !steps.is_empty() {
            procedures.push(Procedure {
                id: id.to_owned(),
                title: title.to_owned(),
                steps,
                optional: false,
                source: SOURCE.to_owned(),
            });
        }
    };
    let by_hand = inventory.by_hand.iter();
    add(
        "files-by-hand",
        "bring over what belongs to one host or holds its secrets",
        by_hand
            .map(|(path, what)| format!("{path}: {what}"))
            .collect(),
    );
    add(
        "point-to-the-new",
        "point what speaks to the old instance to the new one",
        inventory.pointing_here.clone(),
    );
    let keep = &inventory.content.keep;
    if !inventory.packs.is_empty() {
        add(
            "push-packs",
            "give the packs a home: nothing was pushed anywhere",
            vec![format!(
                "git --git-dir={keep}/packs/PACK.git push --mirror URL, for each"
            )],
        );
    }
    add(
        "release-the-old",
        "stop the old instance once the new one does its work",
        vec![
            "on the old host: st2ctl stop; nothing there was changed, so st2ctl start goes back"
                .to_owned(),
        ],
    );
    procedures
}
