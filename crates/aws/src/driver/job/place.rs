//! Where the migration of a step runs: in the place that a stack tells of, or on its one machine.

use switchback_engine::ports::{Context, Failure};
use switchback_model::plan::Act;
use switchback_model::stack::{Stack, TaskPlace};

use super::super::{AwsDriver, Operations};
use super::{Job, Runs};
use crate::account::Account;
use crate::fault::Fault;
use crate::stacks::read;

impl<'a> Job<'a> {
    /// As the step's act says.
    pub(in crate::driver) fn of_step(
        cx: &Context<'_>,
        account: &'a Account,
        driver: &'a AwsDriver,
    ) -> Result<Self, Failure> {
        let stack = match cx.plan.step(cx.step).map(|step| &step.act) {
            Some(Act::Migrate { service, .. }) => service.as_str(),
            _ => {
                return Err(Failure::new("internal", "this step runs no migration")
                    .state("AWS", "nothing was changed"));
            }
        };
        let failed = |fault: Fault| {
            fault.failure(format!("cannot tell from `{stack}` where migrations run"))
        };
        let now = read::one(account, stack).map_err(failed)?.ok_or_else(|| {
            Failure::new("stack-missing", format!("there is no stack `{stack}`"))
                .state(stack, "is gone")
                .hint("plan again")
        })?;
        let runs = match &driver.conduct.operations {
            Operations::Task {
                output,
                container,
                program,
            } => Runs::Task {
                place: place(&now, output)?,
                container,
                program,
                log: None,
            },
            Operations::Command {
                program,
                version,
                environment,
            } => Runs::Command {
                machine: machine(account, now)?,
                program,
                version,
                environment,
                output: String::new(),
            },
        };
        Ok(Self { account, runs })
    }
}

fn place(stack: &Stack, output: &str) -> Result<TaskPlace, Failure> {
    let said = stack
        .outputs
        .get(output)
        .map(|output| output.value.as_str());
    said.and_then(TaskPlace::read).ok_or_else(|| {
        Failure::new(
            "no-operations",
            format!("`{}` does not tell where migrations run", stack.name),
        )
        .cause(match said {
            Some(said) => {
                format!("output `{output}` is `{said}`, not DEFINITION CLUSTER SUBNET… GROUP")
            }
            None => format!("it has no output `{output}`"),
        })
        .state("database", "was not migrated")
        .hint("see that the stack is the one with the operations task, then plan again")
    })
}

fn machine(account: &Account, stack: Stack) -> Result<String, Failure> {
    let name = stack.name.clone();
    let stacks = read::resources(account, vec![stack])
        .map_err(|fault| fault.failure(format!("cannot look at the resources of `{name}`")))?;
    let machines: Vec<String> = stacks
        .iter()
        .flat_map(|stack| &stack.resources)
        .filter(|resource| resource.kind == "AWS::EC2::Instance")
        .filter_map(|resource| resource.physical.clone())
        .collect();
    match machines.as_slice() {
        [one] => Ok(one.clone()),
        several => Err(Failure::new(
            "no-operations",
            format!(
                "`{name}` has {} machines, and migrations run on one",
                several.len()
            ),
        )
        .state("database", "was not migrated")
        .hint("plan again")),
    }
}
