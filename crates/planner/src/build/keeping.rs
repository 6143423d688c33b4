//! How each datastore is kept: whether it gets a backup of its own, shares one, or has none.

use std::collections::{BTreeMap, BTreeSet};

use switchback_model::exit::Exit;
use switchback_model::observed::{Datastore as Found, DatastoreLocation, Shadowing};
use switchback_model::pattern::matches;
use switchback_model::plan::{BackupMethod, DatastorePlan, Holding, Notice};
use switchback_model::product::{Datastore as Defined, DatastoreKind, NoticeKind};
use switchback_model::{Config, DatastoreName, Problem, Rate, Version};

use super::costs;
use super::input::{Input, Note, Place};

/// So many names are told, the rest is counted.
const NAMED: usize = 3;

/// How every datastore of a deployment is kept.
#[derive(Clone, Debug)]
pub(crate) struct Keeping {
    plans: BTreeMap<DatastoreName, DatastorePlan>,
    order: Vec<DatastoreName>,
    /// Seconds for which shadows stay once the repository has what they hold; `None` without a repository.
    shadows_stay: Option<u64>,
    /// Seconds in which the services stop and start again.
    restart: u64,
    pub(crate) notes: Vec<Note>,
    pub(crate) notices: Vec<Notice>,
}

impl Keeping {
    /// Decides for every datastore that was found, in the order of the definition.
    pub(crate) fn decide(input: &Input<'_>, to: &Version) -> Result<Self, Problem> {
        let mut keeping = Self {
            plans: BTreeMap::new(),
            order: Vec::new(),
            shadows_stay: shadows_stay(input.config)?,
            restart: input
                .experience
                .restart()
                .map_or(costs::STOP + costs::START, |milliseconds| {
                    milliseconds.div_ceil(1000)
                }),
            notes: Vec::new(),
            notices: Vec::new(),
        };
        for defined in &input.product.datastores {
            let found = input
                .observed
                .datastores
                .iter()
                .find(|found| found.name == defined.name);
            match found {
                Some(found) => keeping.add(input, to, defined, found)?,
                None => keeping.notes.push(Note::new(
                    Place::Datastore(defined.name.clone()),
                    format!("this deployment has no `{}`", defined.name),
                )),
            }
        }
        Ok(keeping)
    }

    /// The datastores' plans, by name.
    pub(crate) fn plans(&self) -> &BTreeMap<DatastoreName, DatastorePlan> {
        &self.plans
    }

    /// Versions of the servers that were asked, by datastore.
    pub(crate) fn versions(&self) -> BTreeMap<DatastoreName, String> {
        let asked = self.plans.iter();
        asked
            .filter_map(|(name, plan)| Some((name.clone(), plan.engine.clone()?)))
            .collect()
    }

    /// Every datastore, in the order of the definition.
    pub(crate) fn all(&self) -> &[DatastoreName] {
        &self.order
    }

    /// The datastores with a backup of their own, in the order of the definition.
    pub(crate) fn backed_up(&self) -> impl Iterator<Item = &DatastoreName> {
        self.order
            .iter()
            .filter(|name| self.plans[*name].method != BackupMethod::None)
    }

    /// Those of them that are kept by a shadow.
    pub(crate) fn shadowed(&self) -> impl Iterator<Item = &DatastoreName> {
        self.backed_up().filter(|name| self.is_shadowed(name))
    }

    /// Those of them that are kept by a dump.
    pub(crate) fn dumped(&self) -> impl Iterator<Item = &DatastoreName> {
        self.backed_up().filter(|name| !self.is_shadowed(name))
    }

    /// True where a shadow keeps it.
    pub(crate) fn is_shadowed(&self, name: &DatastoreName) -> bool {
        self.plans[name].method == BackupMethod::Shadow
    }

    /// The datastore whose backup holds the data of `name`; `None` where no backup does.
    pub(crate) fn keeper(&self, name: &DatastoreName) -> Option<&DatastoreName> {
        let (key, plan) = self.plans.get_key_value(name)?;
        let keeper = plan.kept_with.as_ref().unwrap_or(key);
        (self.plans[keeper].method != BackupMethod::None).then_some(keeper)
    }

    /// Seconds in which the services stop and start again.
    pub(crate) fn restart(&self) -> u64 {
        self.restart
    }

    /// How long the way back by the shadows of `names` holds, and what it takes after that.
    pub(crate) fn holding(&self, names: &[DatastoreName]) -> Option<Holding> {
        let fetches: u64 = names
            .iter()
            .map(|name| costs::fetch(self.measure(name).1))
            .sum();
        self.shadows_stay.map(|seconds| Holding {
            seconds,
            then: self.restart + fetches,
        })
    }

    /// What keeps `name`, and how large it is as far as known.
    pub(crate) fn measure(&self, name: &DatastoreName) -> (DatastoreKind, u64) {
        let plan = &self.plans[name];
        (plan.location.kind, plan.size.unwrap_or(0))
    }

    fn add(
        &mut self,
        input: &Input<'_>,
        to: &Version,
        defined: &Defined,
        found: &Found,
    ) -> Result<(), Problem> {
        let name = &found.name;
        let volatile = volatile(input, defined);
        let choice = choose(input, found, &volatile)?;
        let (method, kept_with, because) = match self.in_same_place(&found.location) {
            Some(keeper) => {
                let because =
                    format!("it lives in the same database as `{keeper}`, whose backup holds both");
                (BackupMethod::None, Some(keeper), because)
            }
            None => {
                let (method, because) = self.chosen(found, choice, to);
                (method, None, because)
            }
        };
        if method == BackupMethod::None {
            self.notes.push(Note::new(
                Place::Datastore(name.clone()),
                format!("no backup of `{name}`: {because}"),
            ));
        }
        if found.size.is_none() {
            self.notes.push(Note::new(
                Place::Datastore(name.clone()),
                format!("size of `{name}` is unknown: time and space are forecast without it"),
            ));
        }
        let max_rate = self.max_rate(input, found, method);
        let plan = DatastorePlan {
            location: found.location.clone(),
            method,
            kept_with,
            because,
            max_rate,
            size: found.size,
            engine: found.engine.clone(),
            volatile,
            deleted: deleted(input, name),
        };
        if let Some(keeper) = plan
            .kept_with
            .as_ref()
            .and_then(|name| self.plans.get_mut(name))
        {
            // Counts are compared for both together, under the keeper's name.
            keeper.volatile.extend(plan.volatile.iter().cloned());
            keeper.deleted.extend(plan.deleted.iter().cloned());
        }
        self.plans.insert(name.clone(), plan);
        self.order.push(name.clone());
        Ok(())
    }

    /// How a datastore of a place of its own is kept, and why; says what the choice leaves out.
    fn chosen(&mut self, found: &Found, choice: Choice, to: &Version) -> (BackupMethod, String) {
        let name = &found.name;
        match choice {
            Choice::Shadow { without } => {
                if !without.is_empty() {
                    self.notes.push(Note::warning(
                        Place::Datastore(name.clone()),
                        format!(
                            "unlogged tables of `{name}` are in no shadow, and empty after a way back: {}",
                            listed(&without)
                        ),
                    ));
                }
                let because = following(found.location.kind, &without);
                (BackupMethod::Shadow, because)
            }
            Choice::Dump(because) => (BackupMethod::Dump, because),
            Choice::Declined => (
                BackupMethod::None,
                "`backup = \"none\"` in switchback.toml".to_owned(),
            ),
            Choice::Impossible(why) => {
                self.notices.push(unkept(name, &why, to));
                (BackupMethod::None, why)
            }
        }
    }

    /// The limit of the first copy, where one was set and there is a copy that it holds for.
    fn max_rate(&mut self, input: &Input<'_>, found: &Found, method: BackupMethod) -> Option<Rate> {
        let rate = input.config.datastores.get(&found.name)?.max_rate?;
        let why = match (method, found.location.kind) {
            (BackupMethod::Shadow, DatastoreKind::Postgres | DatastoreKind::Files) => {
                return Some(rate);
            }
            (BackupMethod::Shadow, DatastoreKind::Redis) => {
                "a Redis server sends its copy as fast as it can"
            }
            _ => "only the first copy of a shadow is slowed down",
        };
        self.notes.push(Note::warning(
            Place::Datastore(found.name.clone()),
            format!("`max-rate` of `{}` changes nothing: {why}", found.name),
        ));
        None
    }

    /// The first datastore with the same data, where one was added before: one backup holds both.
    fn in_same_place(&self, location: &DatastoreLocation) -> Option<DatastoreName> {
        self.order
            .iter()
            .find(|name| {
                let known = &self.plans[*name];
                known.kept_with.is_none() && same_place(&known.location, location)
            })
            .cloned()
    }
}

/// A repository keeps what a shadow holds for longer than the shadow stays.
fn shadows_stay(config: &Config) -> Result<Option<u64>, Problem> {
    let seconds = config
        .backup
        .shadows_stay()
        .map_err(|problem| problem.state("deployment", "unchanged"))?;
    Ok(config.backup.repository.is_some().then_some(seconds))
}

enum Choice {
    /// Without these collections, which may be lost.
    Shadow {
        without: Vec<String>,
    },
    /// With the reason, which is also why it is no shadow.
    Dump(String),
    Declined,
    Impossible(String),
}

/// What may be lost, as the definition and the operator say.
fn volatile(input: &Input<'_>, defined: &Defined) -> Vec<String> {
    let configured = input.config.datastores.get(&defined.name);
    let more = configured.map_or(&[][..], |config| &config.volatile);
    defined.volatile.iter().chain(more).cloned().collect()
}

fn choose(input: &Input<'_>, found: &Found, volatile: &[String]) -> Result<Choice, Problem> {
    let kind = found.location.kind;
    let configured = input.config.datastores.get(&found.name);
    match configured.and_then(|config| config.backup.as_deref()) {
        Some("none") => return Ok(Choice::Declined),
        Some("shadow") => {
            return following_possible(found, volatile).map_err(|why| cannot_follow(found, &why));
        }
        Some("dump") => {
            let asked = format!(
                "{}; `backup = \"dump\"` in switchback.toml",
                documented(kind)
            );
            return Ok(dump(found, asked));
        }
        None => {}
        Some(other) => {
            return Err(Problem::new(
                Exit::Usage,
                "backup-method-unknown",
                format!("`{other}` is no way to back up `{}`", found.name),
            )
            .state("deployment", "unchanged")
            .hint(format!(
                "set `backup` to \"shadow\", \"dump\" or \"none\" under [datastores.{}] in switchback.toml, or leave the line out",
                found.name
            )));
        }
    }
    Ok(match (following_possible(found, volatile), &found.shadow) {
        (Ok(shadow), _) => shadow,
        (Err(_), Shadowing::Unknown) => dump(found, documented(kind)),
        (Err(because), _) => dump(found, format!("{}; no shadow: {because}", documented(kind))),
    })
}

/// A shadow where there can be one, else why there can be none.
fn following_possible(found: &Found, volatile: &[String]) -> Result<Choice, String> {
    match &found.shadow {
        Shadowing::Possible => Ok(Choice::Shadow {
            without: Vec::new(),
        }),
        Shadowing::Without { collections } => {
            let lasting: Vec<String> = collections
                .iter()
                .filter(|name| !volatile.iter().any(|volatile| matches(volatile, name)))
                .cloned()
                .collect();
            if lasting.is_empty() {
                return Ok(Choice::Shadow {
                    without: collections.clone(),
                });
            }
            Err(format!(
                "unlogged tables hold rows that no follower gets: {} (where they may be lost: `volatile` under \
                 [datastores.{}])",
                listed(&lasting),
                found.name
            ))
        }
        Shadowing::Impossible { because } => Err(because.clone()),
        Shadowing::Unknown => Err("nothing could look whether it can follow".to_owned()),
    }
}

fn listed(names: &[String]) -> String {
    let first: Vec<String> = names
        .iter()
        .take(NAMED)
        .map(|name| format!("`{name}`"))
        .collect();
    match names.len().saturating_sub(NAMED) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

fn dump(found: &Found, because: String) -> Choice {
    let by_files = matches!(
        found.location.kind,
        DatastoreKind::Redis | DatastoreKind::Files
    );
    if by_files && found.location.directory.is_none() {
        Choice::Impossible("its directory was not found on this host".to_owned())
    } else {
        Choice::Dump(because)
    }
}

/// The operator asks for a shadow, and there can be none.
fn cannot_follow(found: &Found, because: &str) -> Problem {
    Problem::new(
        Exit::Refused,
        "no-shadow",
        format!("`{}` cannot have a shadow: {because}", found.name),
    )
    .state("deployment", "unchanged")
    .hint(format!(
        "remove what is in the way, or set `backup = \"dump\"` under [datastores.{}] in switchback.toml: downtime grows with the data then",
        found.name
    ))
}

fn following(kind: DatastoreKind, without: &[String]) -> String {
    let following = match kind {
        DatastoreKind::Postgres => "a standby follows it until the seal",
        DatastoreKind::Redis => "a replica follows it until the seal",
        DatastoreKind::Files => "a copy, brought up to date at the seal",
        DatastoreKind::Mongodb => "a member of its replica set follows it until the seal",
    };
    match without.is_empty() {
        true => following.to_owned(),
        false => format!("{following}, without {}", listed(without)),
    }
}

fn documented(kind: DatastoreKind) -> String {
    match kind {
        DatastoreKind::Postgres => "in custom format, as documented",
        DatastoreKind::Redis => "its append-only files and snapshot, as documented",
        DatastoreKind::Files => "a copy with a manifest of hashes",
        DatastoreKind::Mongodb => "in the layout of `mongodump`",
    }
    .to_owned()
}

fn unkept(name: &DatastoreName, why: &str, to: &Version) -> Notice {
    Notice {
        id: format!("no-backup-{name}"),
        kind: NoticeKind::OneWay,
        version: to.clone(),
        text: format!(
            "`{name}` gets no backup: {why}. What {to} changes there cannot be taken back"
        ),
        found: None,
        source: "observation".to_owned(),
        accept: Some(format!("no-backup-{name}")),
    }
}

/// Two locations are one place where a restore of the one replaces the data of the other.
fn same_place(one: &DatastoreLocation, other: &DatastoreLocation) -> bool {
    if one.kind != other.kind {
        return false;
    }
    let server = |location: &DatastoreLocation| {
        (
            location.access.clone(),
            location.host.clone(),
            location.port,
        )
    };
    match one.kind {
        DatastoreKind::Postgres | DatastoreKind::Mongodb => {
            server(one) == server(other) && one.database == other.database
        }
        // The files of a Redis server hold all of its databases.
        DatastoreKind::Redis => server(one) == server(other),
        DatastoreKind::Files => one.directory.is_some() && one.directory == other.directory,
    }
}

fn deleted(input: &Input<'_>, name: &DatastoreName) -> Vec<String> {
    let collections: BTreeSet<String> = input
        .path
        .deletions
        .iter()
        .filter(|deletion| deletion.datastore == *name)
        .flat_map(|deletion| deletion.collections.iter().cloned())
        .collect();
    collections.into_iter().collect()
}
