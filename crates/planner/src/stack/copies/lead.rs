//! Which migrations can be led to a copy of what they change, and why the others cannot.

use switchback_model::MigrationId;
use switchback_model::config::AwsKind;
use switchback_model::plan::{Act, Stage, Step};
use switchback_model::stack::{ContainerDefinition, Served, Store, StoreKind};

use super::environment::led;
use super::input::{CopyInput, LeftOut};
use super::operations::Operations;
use crate::stack::keep::may_change;

/// What is led where.
#[derive(Default)]
pub(super) struct Lead<'a> {
    /// Databases that a copy is made of.
    pub(super) databases: Vec<&'a Served>,
    /// Migrations that run on the copies.
    pub(super) steps: Vec<(&'a Stage, &'a Step)>,
    pub(super) left: Vec<LeftOut>,
}

impl<'a> Lead<'a> {
    pub(super) fn of(input: &CopyInput<'a>, operations: Option<&Operations<'_>>) -> Self {
        let mut lead = Self::default();
        let task = task(input, operations);
        for (stage, step) in input.plan.steps() {
            let Act::Migrate {
                migration, service, ..
            } = &step.act
            else {
                continue;
            };
            let stores = match (&task, operations) {
                (Ok(_), Some(operations)) if operations.stack != service.as_str() => Err(format!(
                    "it runs from `{service}`, and one task of operations is copied"
                )),
                (Ok(container), _) => databases(input, container, migration),
                (Err(why), _) => Err(why.clone()),
            };
            match stores {
                Ok(stores) => {
                    for store in stores {
                        if !lead.databases.contains(&store) {
                            lead.databases.push(store);
                        }
                    }
                    lead.steps.push((stage, step));
                }
                Err(why) => lead.left.extend(LeftOut::of(step, &why)),
            }
        }
        lead
    }
}

/// The container that migrates, where a task can be made that is like it and holds nothing else.
pub(super) fn task<'a>(
    input: &CopyInput<'a>,
    operations: Option<&Operations<'_>>,
) -> Result<&'a ContainerDefinition, String> {
    if input.config.kind == AwsKind::Ami {
        return Err("it runs on the machine that serves, which knows production alone".to_owned());
    }
    let (Some(operations), Some(definition)) = (operations, input.definition) else {
        return Err("no stack tells as which task it runs".to_owned());
    };
    let [container] = definition.containers.as_slice() else {
        return Err(format!(
            "its task has {} containers, and what the others tell it cannot be seen",
            definition.containers.len()
        ));
    };
    if container.name != operations.container {
        return Err(format!(
            "its task has no container `{}`",
            operations.container
        ));
    }
    if let Some(volume) = definition.volumes.first() {
        return Err(format!(
            "its task has the volume `{volume}`, and what that tells it cannot be seen"
        ));
    }
    if let Some(file) = container.environment_files.first() {
        return Err(format!(
            "its environment comes from `{file}`, and where that leads cannot be seen"
        ));
    }
    Ok(container)
}

/// The databases that a migration may change, where every one can be copied and told of.
fn databases<'a>(
    input: &CopyInput<'a>,
    container: &ContainerDefinition,
    migration: &MigrationId,
) -> Result<Vec<&'a Served>, String> {
    let mut found = Vec::new();
    for store in &input.cloud.stores {
        let changes = input
            .template_of(store)
            .is_some_and(|template| may_change(template, &store.logical, migration));
        if changes && store.kind.can_be_snapshotted() {
            found.push(copied(input, container, store)?);
        }
    }
    match found.is_empty() {
        true => Err("no stack here holds what it changes".to_owned()),
        false => Ok(found),
    }
}

fn copied<'a>(
    input: &CopyInput<'a>,
    container: &ContainerDefinition,
    store: &Store,
) -> Result<&'a Served, String> {
    let what = format!("the {} `{}`", store.kind.word(), store.physical);
    if !matches!(
        store.kind,
        StoreKind::DatabaseCluster | StoreKind::DatabaseInstance
    ) {
        return Err(format!(
            "it changes {what}, and only databases are copied beside production"
        ));
    }
    let served = input.served.iter().find(|served| served.store == *store);
    let Some(served) = served.filter(|it| it.database.is_some() && !it.addresses.is_empty()) else {
        return Err(format!(
            "what a database beside {what} is made of cannot be told"
        ));
    };
    let variables = input.told_by(served);
    if variables.is_empty() {
        return Err(format!(
            "the definition does not say how a program is told of {what}"
        ));
    }
    if let Some(secret) = variables
        .iter()
        .find(|name| container.secrets.contains_key(*name))
    {
        return Err(format!(
            "`{secret}`, which tells it of {what}, is a secret: where it leads cannot be seen"
        ));
    }
    let told: Vec<(&String, &String)> = variables
        .iter()
        .filter_map(|name| container.environment.get_key_value(name))
        .collect();
    if told.is_empty() {
        return Err(format!(
            "its task has no {} to lead it away from {what} by",
            variables.join(" or ")
        ));
    }
    match told
        .into_iter()
        .find(|(_, value)| led(value, served, 0).is_none())
    {
        Some((name, _)) => Err(format!(
            "`{name}` of its task does not surely lead to {what} alone"
        )),
        None => Ok(served),
    }
}
