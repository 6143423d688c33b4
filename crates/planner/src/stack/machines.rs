//! Steps about machines: those that come back, are made anew, or go for good.

use switchback_model::plan::{Act, Check, Expectation, Step};
use switchback_model::stack::{MachineGroup, RenewBy};

use super::composer::Composer;
use crate::draft::Draft;

impl Composer<'_> {
    /// What an update needs behind it: a machine that comes back, machines that are made anew on request.
    pub(super) fn afterwards(&mut self, stack: &str) -> Vec<Step> {
        let input = self.input;
        let mut steps = Vec::new();
        let outage = self.stacks[stack].of.outage.clone();
        let machine = self.stacks[stack]
            .template
            .resources
            .iter()
            .find(|(_, resource)| resource.kind == "AWS::EC2::Instance")
            .map(|(logical, _)| logical.clone());
        if let (Some(meanwhile), Some(logical)) = (outage, machine) {
            let check = Check::Machine {
                stack: stack.to_owned(),
                logical,
                meanwhile: Some(meanwhile),
            };
            steps.push(self.step(Draft {
                because: Some("what fails until it is back is no failure".to_owned()),
                ..Draft::new(Act::Verify {
                    checks: vec![check],
                })
            }));
        }
        for group in input
            .cloud
            .groups
            .iter()
            .filter(|group| group.stack == stack)
        {
            if let Some(by) = self.renewed_by(stack) {
                steps.push(self.step(Draft {
                    after: vec![Expectation::Renewed {
                        stack: stack.to_owned(),
                        logical: group.logical.clone(),
                    }],
                    because: Some("running machines do not follow their template".to_owned()),
                    ..Draft::new(Act::Renew {
                        group: group.clone(),
                        by,
                    })
                }));
                continue;
            }
            let behind: Vec<&str> = group.behind().map(|machine| machine.id.as_str()).collect();
            let found = match behind.is_empty() {
                true => String::new(),
                false => format!("; behind already: {}", behind.join(", ")),
            };
            self.warn(format!(
                "machines of `{}` in stack `{stack}` stay as they are: an update does not reach running ones{found}; renew = [\"{stack}\"] under [aws] replaces them one by one, [aws.refresh.{stack}] by an instance refresh",
                group.logical
            ));
        }
        steps
    }

    /// How the operator wants the machines of a stack to be replaced, where at all.
    fn renewed_by(&self, stack: &str) -> Option<RenewBy> {
        let config = self.input.config;
        let refresh = config.refresh.get(stack).map(|refresh| RenewBy::Refresh {
            healthy: refresh.healthy,
            warm_up: refresh.warm_up,
        });
        let renew = config.renew.iter().any(|renew| renew == stack);
        refresh.or(renew.then_some(RenewBy::OneByOne))
    }

    /// Ends a refresh that a run began and did not see the end of: it would go on replacing machines meanwhile.
    pub(super) fn end_refresh(&mut self, group: &MachineGroup) -> Step {
        self.changes();
        self.step(Draft {
            after: vec![Expectation::NoRefresh {
                stack: group.stack.clone(),
                logical: group.logical.clone(),
                group: group.name.clone(),
            }],
            because: Some(
                "it would go on replacing machines while their stack goes back".to_owned(),
            ),
            ..Draft::new(Act::EndRefresh {
                group: group.clone(),
            })
        })
    }

    /// Ends the machines of a stack that an update makes anew.
    pub(super) fn terminate(&mut self, stack: &str, because: &str) -> Vec<Step> {
        let machines = self.input.cloud.machines.iter();
        let here: Vec<_> = machines
            .filter(|machine| machine.stack == stack && !self.terminated.contains(&machine.id))
            .cloned()
            .collect();
        let mut steps = Vec::new();
        for machine in here {
            self.terminated.insert(machine.id.clone());
            self.changes();
            steps.push(self.step(Draft {
                after: vec![Expectation::Terminated {
                    machine: machine.id.clone(),
                }],
                because: Some(because.to_owned()),
                ..Draft::new(Act::Terminate { machine })
            }));
        }
        steps
    }
}
