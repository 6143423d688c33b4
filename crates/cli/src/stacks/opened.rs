//! A deployment of stacks, opened: its account, and how its migrations are run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

use switchback_aws::{
    Account, AwsDriver, Conduct, Observation, Operations, Reachable, Settings, Wanted, observe,
    whose,
};
use switchback_engine::ports::{Driver, Progress};
use switchback_model::config::{AwsConfig, AwsKind, Prices};
use switchback_model::exit::Exit;
use switchback_model::observed::Deployment as Identity;
use switchback_model::plan::Plan;
use switchback_model::product::{Product, Runner};
use switchback_model::stack::Account as Whose;
use switchback_model::{Config, Digest, Problem, Version};

use crate::failure::told;
use crate::place::deployment::Found;

/// A deployment of stacks.
pub(crate) struct Stacks {
    pub(super) account: Rc<Account>,
    pub(super) conduct: Conduct,
    pub(super) config: Config,
    /// `[aws]` of it.
    pub(super) aws: AwsConfig,
    /// Where relative places begin.
    pub(super) directory: PathBuf,
    /// Releases of templates that runs of this deployment brought.
    pub(super) brought: BTreeMap<Digest, Version>,
    identity: Identity,
}

impl Stacks {
    /// Finds credentials, and asks whose they are.
    pub(crate) fn open(
        found: &Found,
        product: &Product,
        brought: BTreeMap<Digest, Version>,
    ) -> Result<Self, Problem> {
        let aws = found.config.aws.clone().unwrap_or_default();
        let conduct = Conduct {
            operations: operations(product, aws.kind)?,
            bucket: aws.bucket.clone(),
            directory: found.directory.clone(),
        };
        let account = open(&aws)?;
        let whose = whose(&account);
        Ok(Self {
            identity: Identity {
                name: found.name.clone(),
                directory: found.directory.display().to_string(),
                driver: aws.kind.driver().to_owned(),
                project: format!("{}/{}", whose.id, whose.region),
            },
            account: Rc::new(account),
            conduct,
            config: found.config.clone(),
            aws,
            directory: found.directory.clone(),
            brought,
        })
    }

    /// Which deployment this is.
    pub(crate) fn identity(&self) -> Identity {
        self.identity.clone()
    }

    /// What the operator pays AWS, where that is said.
    pub(crate) fn prices(&self) -> Option<&Prices> {
        self.aws.prices.as_ref()
    }

    /// Whose account it is.
    pub(crate) fn account(&self) -> Whose {
        whose(&self.account)
    }

    /// Fails where the plan is for another account.
    pub(crate) fn must_be_of(&self, plan: &Plan) -> Result<(), Problem> {
        let Some(planned) = &plan.account else {
            return Ok(());
        };
        self.account.must_be(planned).map_err(|failure| Problem {
            exit: Exit::Drifted,
            ..told(&failure)
        })
    }

    /// What changes the stacks.
    pub(crate) fn driver(&self) -> Box<dyn Driver> {
        Box::new(AwsDriver::new(
            Rc::clone(&self.account),
            self.conduct.clone(),
        ))
    }

    /// Looks at what is wanted.
    pub(super) fn observe(
        &self,
        wanted: &Wanted,
        progress: &dyn Progress,
    ) -> Result<Observation, Problem> {
        observe(&self.account, wanted, &|what| {
            progress.report(what, None, None, None);
        })
        .map_err(|failure| told(&failure))
    }
}

/// The account that the configuration and the environment name.
pub(super) fn open(aws: &AwsConfig) -> Result<Account, Problem> {
    let mut settings = Settings::of(aws);
    // Tests must not reach AWS because of an endpoint that one of them forgot.
    if std::env::var_os("SWITCHBACK_TEST_LOOPBACK").is_some() {
        settings.reachable = Reachable::Loopback;
    }
    Account::open(&settings).map_err(|failure| told(&failure))
}

/// How the definition says that migrations are run.
fn operations(product: &Product, kind: AwsKind) -> Result<Operations, Problem> {
    let templates = product.templates.iter();
    let mut runners = templates
        .filter(|template| template.driver == kind.driver())
        .filter_map(|template| Some((template.migrations.as_ref()?, template.runner.as_ref()?)));
    let Some((output, runner)) = runners.next() else {
        return Err(Problem::new(
            Exit::Refused,
            "no-runner",
            format!(
                "the definition of {} does not say how migrations are run where it is deployed as `{}`",
                product.name,
                kind.driver()
            ),
        )
        .state("deployment", "not touched")
        .hint("say it in the definition: `migrations` and `runner` of a template"));
    };
    Ok(match runner.clone() {
        Runner {
            program,
            container: Some(container),
            ..
        } => Operations::Task {
            output: output.clone(),
            container,
            program,
        },
        Runner {
            program,
            version,
            environment,
            ..
        } => Operations::Command {
            program,
            version,
            environment,
        },
    })
}
