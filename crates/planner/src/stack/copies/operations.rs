//! Where the migrations of a plan run as tasks.

use switchback_model::plan::Act;
use switchback_model::stack::TaskPlace;

use super::input::CopyInput;
use crate::stack::recognise;

/// Where a plan's migrations run as tasks.
pub struct Operations<'a> {
    /// The stack that tells.
    pub stack: &'a str,
    /// What it tells.
    pub place: TaskPlace,
    /// The output in which it does.
    pub output: &'a str,
    /// The container whose command is replaced.
    pub container: &'a str,
}

/// Where the first migration of a plan runs; nothing where it is no task.
pub fn operations<'a>(input: &CopyInput<'a>) -> Option<Operations<'a>> {
    let service = input.plan.steps().find_map(|(_, step)| match &step.act {
        Act::Migrate { service, .. } => Some(service),
        _ => None,
    })?;
    let stack = input.cloud.stacks.get(service.as_str())?;
    let template = recognise(input.product, input.config, stack)?;
    let output = template.migrations.as_deref()?;
    Some(Operations {
        stack: &stack.name,
        place: TaskPlace::read(&stack.outputs.get(output)?.value)?,
        output,
        container: template.runner.as_ref()?.container.as_deref()?,
    })
}
