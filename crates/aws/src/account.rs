//! One AWS account as somebody may use it: whose it is, in which region, and one client per service.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use switchback_engine::ports::Failure;
use switchback_model::config::AwsConfig;
use switchback_model::stack::Account as Planned;
use tokio::runtime::{Builder, Runtime};

use crate::calls::{Calls, Counting};
use crate::fault::Fault;
use crate::fence::{self, Reachable};

/// Tries of one call, the first included. Throttling is told as such only after all of them.
const ATTEMPTS: u32 = 6;
/// A server that does not take a connection within this is not there.
const CONNECT: Duration = Duration::from_secs(10);
/// One try of a call; the largest answers (templates of a megabyte) take two seconds.
const ATTEMPT: Duration = Duration::from_secs(60);

/// How an account is reached. Everything left out is what the environment and `~/.aws` say.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Profile of the configuration files. One that is named here goes before keys of the environment.
    pub profile: Option<String>,
    /// Region.
    pub region: Option<String>,
    /// Role to assume, by ARN.
    pub role: Option<String>,
    /// Configuration file in place of `~/.aws/config`.
    pub file: Option<PathBuf>,
    /// URLs of services by the name that signatures use (`cloudformation`); they go before `AWS_ENDPOINT_URL`
    /// and `AWS_ENDPOINT_URL_<SERVICE>`.
    pub endpoints: BTreeMap<String, String>,
    /// Which addresses may be spoken to.
    pub reachable: Reachable,
}

/// Every service that is ever asked, as signatures name it.
const SERVICES: [&str; 10] = [
    "autoscaling",
    "cloudformation",
    "ec2",
    "ecs",
    "elasticache",
    "logs",
    "rds",
    "s3",
    "ssm",
    "sts",
];

impl Settings {
    /// As a deployment's configuration says.
    pub fn of(config: &AwsConfig) -> Self {
        let settings = Self {
            profile: config.profile.clone(),
            region: config.region.clone(),
            role: config.role.clone(),
            ..Self::default()
        };
        match &config.endpoint {
            // What answers in place of AWS on this machine is never mixed with AWS itself.
            Some(url) if Reachable::Loopback.refuses(url).is_none() => Self {
                reachable: Reachable::Loopback,
                ..settings.at(url)
            },
            Some(url) => settings.at(url),
            None => settings,
        }
    }

    /// With one URL that answers for every service.
    #[must_use]
    pub fn at(mut self, url: &str) -> Self {
        self.endpoints = SERVICES
            .iter()
            .map(|service| ((*service).to_owned(), url.to_owned()))
            .collect();
        self
    }
}

/// Who asks, as STS says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The account's twelve digits.
    pub account: String,
    /// The user or the assumed role.
    pub arn: String,
    /// The region.
    pub region: String,
}

/// An account with its clients. Everything in it is synchronous from outside; the runtime is its own.
pub struct Account {
    runtime: Runtime,
    identity: Identity,
    calls: Calls,
    pub(crate) config: SdkConfig,
    pub(crate) endpoints: BTreeMap<String, String>,
    pub(crate) reachable: Reachable,
    pub(crate) autoscaling: aws_sdk_autoscaling::Client,
    pub(crate) cloudformation: aws_sdk_cloudformation::Client,
    pub(crate) ecs: aws_sdk_ecs::Client,
    pub(crate) elasticache: aws_sdk_elasticache::Client,
    pub(crate) rds: aws_sdk_rds::Client,
}

/// A client of `$service` that counts its calls and goes where the settings say.
macro_rules! client {
    ($sdk:ident, $name:literal, $config:expr, $settings:expr, $calls:expr) => {{
        let mut builder =
            $sdk::config::Builder::from($config).interceptor(Counting::new($name, $calls));
        if let Some(url) = $settings.endpoints.get($name) {
            builder = builder.endpoint_url(url);
        }
        $sdk::Client::from_conf(builder.build())
    }};
}

impl Account {
    /// Finds credentials and region, and asks whose they are.
    pub fn open(settings: &Settings) -> Result<Self, Failure> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::new("internal", "cannot start a runtime").cause(error))?;
        let config = runtime.block_on(load(settings));
        let region = config.region().map(ToString::to_string).ok_or_else(|| {
            Failure::new("aws-region", "no AWS region is configured")
                .state("AWS", "nothing was asked, nothing was changed")
                .hint("set `region` of the deployment, or AWS_REGION, or `region` in the profile")
        })?;
        let calls = Calls::default();
        let sts = client!(aws_sdk_sts, "sts", &config, settings, &calls);
        let caller = runtime
            .block_on(sts.get_caller_identity().send())
            .map_err(|error| {
                Fault::of("sts:GetCallerIdentity", error)
                    .failure("cannot tell whose account this is")
            })?;
        let identity = Identity {
            account: caller.account().unwrap_or_default().to_owned(),
            arn: caller.arn().unwrap_or_default().to_owned(),
            region,
        };
        Ok(Self {
            identity,
            autoscaling: client!(
                aws_sdk_autoscaling,
                "autoscaling",
                &config,
                settings,
                &calls
            ),
            cloudformation: client!(
                aws_sdk_cloudformation,
                "cloudformation",
                &config,
                settings,
                &calls
            ),
            ecs: client!(aws_sdk_ecs, "ecs", &config, settings, &calls),
            elasticache: client!(
                aws_sdk_elasticache,
                "elasticache",
                &config,
                settings,
                &calls
            ),
            rds: client!(aws_sdk_rds, "rds", &config, settings, &calls),
            endpoints: settings.endpoints.clone(),
            reachable: settings.reachable,
            runtime,
            calls,
            config,
        })
    }

    /// Whose account this is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What was asked of AWS so far.
    pub fn calls(&self) -> &Calls {
        &self.calls
    }

    /// Fails where this is not the account, region and partition that a plan was made for. Another caller may be.
    pub fn must_be(&self, planned: &Planned) -> Result<(), Failure> {
        let found = whose(self);
        if (&found.id, &found.region, &found.partition)
            == (&planned.id, &planned.region, &planned.partition)
        {
            return Ok(());
        }
        if (&found.id, &found.partition) == (&planned.id, &planned.partition) {
            let (here, wanted) = (&found.region, &planned.region);
            return Err(Failure::new(
                "aws-region-differs",
                format!("the region is {here}, and this is for {wanted} of the same account"),
            )
            .state("AWS", "nothing was changed")
            .hint(format!(
                "set region = \"{wanted}\" under [aws] in switchback.toml, or AWS_REGION"
            )));
        }
        Err(Failure::new(
            "aws-account",
            format!(
                "the credentials are for account {} in {}, and this is for {} in {}",
                found.id, found.region, planned.id, planned.region
            ),
        )
        .state("AWS", "nothing was changed")
        .state("caller", found.caller)
        .hint("choose the profile or role of that account, and its region"))
    }

    /// Waits for what a client answers.
    pub(crate) fn wait<T>(&self, answer: impl Future<Output = T>) -> T {
        let answer = || self.runtime.block_on(answer);
        #[cfg(test)]
        let answer = || self.calls.waiting(answer);
        answer()
    }

    /// The credentials of the next call; refreshed where they expire.
    pub(crate) fn credentials(&self) -> Result<aws_credential_types::Credentials, String> {
        let provider = self
            .config
            .credentials_provider()
            .ok_or("no credentials are configured")?;
        self.wait(provider.provide_credentials())
            .map_err(|error| crate::fault::chain(&error))
    }
}

/// Whose account this is, as plans say it.
pub fn whose(account: &Account) -> Planned {
    let identity = account.identity();
    let partition = identity.arn.split(':').nth(1).unwrap_or("aws");
    Planned {
        id: identity.account.clone(),
        region: identity.region.clone(),
        partition: partition.to_owned(),
        caller: without_session(&identity.arn),
    }
}

/// `arn:aws:sts::1:assumed-role/ROLE/SESSION` without the session, whose name is another each time.
fn without_session(arn: &str) -> String {
    match arn.rsplit_once('/') {
        Some((role, _)) if arn.contains(":assumed-role/") => role.to_owned(),
        _ => arn.to_owned(),
    }
}

async fn load(settings: &Settings) -> SdkConfig {
    let client = fence::client(settings.reachable);
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(client.clone())
        .retry_config(RetryConfig::adaptive().with_max_attempts(ATTEMPTS))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT)
                .operation_attempt_timeout(ATTEMPT)
                .build(),
        );
    let files = settings.file.as_ref().map(|path| {
        EnvConfigFiles::builder()
            .with_file(EnvConfigFileKind::Config, path)
            .build()
    });
    if let Some(files) = &files {
        loader = loader.profile_files(files.clone());
    }
    if let Some(region) = &settings.region {
        loader = loader.region(RegionProviderChain::first_try(Region::new(region.clone())));
    }
    if let Some(profile) = &settings.profile {
        // A profile that somebody names means that profile, whatever keys the environment has.
        let mut own = ProfileFileCredentialsProvider::builder()
            .profile_name(profile)
            .configure(
                &ProviderConfig::default()
                    .with_http_client(client)
                    .with_region(settings.region.clone().map(Region::new)),
            );
        if let Some(files) = files {
            own = own.profile_files(files);
        }
        loader = loader
            .profile_name(profile)
            .credentials_provider(own.build());
    }
    let config = loader.load().await;
    let Some(role) = &settings.role else {
        return config;
    };
    let Some(own) = config.credentials_provider() else {
        return config;
    };
    let mut asked = config.clone().into_builder();
    if let Some(url) = settings.endpoints.get("sts") {
        asked = asked.endpoint_url(url);
    }
    let assumed = AssumeRoleProvider::builder(role)
        .session_name("switchback")
        .configure(&asked.build())
        .build_from_provider(own)
        .await;
    config
        .into_builder()
        .credentials_provider(SharedCredentialsProvider::new(assumed))
        .build()
}

#[cfg(test)]
mod tests {
    use super::without_session;

    #[test]
    fn the_same_role_is_the_same_caller() {
        let arn = "arn:aws:sts::1:assumed-role/upgrades/anna-17";
        assert_eq!(without_session(arn), "arn:aws:sts::1:assumed-role/upgrades");
        let user = "arn:aws:iam::1:user/team/anna";
        assert_eq!(without_session(user), user);
    }
}
