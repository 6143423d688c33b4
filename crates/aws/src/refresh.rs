//! Instance refreshes: a group replaces its machines itself. AWS takes no token for one, so whose it is is told by when it
//! began.

use aws_sdk_autoscaling::types::{
    InstanceRefresh, InstanceRefreshStatus, RefreshPreferences, ScaleInProtectedInstances,
};
use aws_smithy_types::DateTime;

use crate::account::Account;
use crate::fault::Fault;

/// One as AWS tells of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refresh {
    pub(crate) id: String,
    pub(crate) status: String,
    pub(crate) reason: Option<String>,
    pub(crate) began: Option<DateTime>,
    /// Per cent of the machines that are done.
    pub(crate) done: Option<u64>,
    /// Machines that are left.
    pub(crate) left: Option<u64>,
}

impl Refresh {
    /// Whether machines are still being replaced because of it.
    pub(crate) fn is_active(&self) -> bool {
        !matches!(
            self.status.as_str(),
            "Successful" | "Failed" | "Cancelled" | "RollbackFailed" | "RollbackSuccessful"
        )
    }
}

/// The newest refreshes of a group, newest first.
pub(crate) fn newest(account: &Account, group: &str) -> Result<Vec<Refresh>, Fault> {
    const ACTION: &str = "autoscaling:DescribeInstanceRefreshes";
    let request = account
        .autoscaling
        .describe_instance_refreshes()
        .auto_scaling_group_name(group);
    let answer = account
        .wait(request.send())
        .map_err(|error| Fault::of(ACTION, error))?;
    Ok(answer.instance_refreshes().iter().map(told).collect())
}

/// Begins one: machines that are made of what the next one will be made of stay, and AWS takes nothing back by itself, for
/// that would hide what failed. Returns its id.
pub(crate) fn begin(
    account: &Account,
    group: &str,
    healthy: u8,
    warm_up: Option<u32>,
) -> Result<String, Fault> {
    let preferences = RefreshPreferences::builder()
        .min_healthy_percentage(i32::from(healthy))
        .set_instance_warmup(warm_up.and_then(|seconds| i32::try_from(seconds).ok()))
        .skip_matching(true)
        .auto_rollback(false)
        // One by one they are replaced as well: protection is against shrinking.
        .scale_in_protected_instances(ScaleInProtectedInstances::Refresh)
        .build();
    let request = account
        .autoscaling
        .start_instance_refresh()
        .auto_scaling_group_name(group)
        .preferences(preferences);
    let answer = account
        .wait(request.send())
        .map_err(|error| Fault::of("autoscaling:StartInstanceRefresh", error))?;
    Ok(answer.instance_refresh_id.unwrap_or_default())
}

/// Asks for the end of the one that is under way. Where none is, that is fine.
pub(crate) fn cancel(account: &Account, group: &str) -> Result<(), Fault> {
    let request = account
        .autoscaling
        .cancel_instance_refresh()
        .auto_scaling_group_name(group);
    match account.wait(request.send()) {
        Ok(_) => Ok(()),
        Err(error) => {
            let fault = Fault::of("autoscaling:CancelInstanceRefresh", error);
            if fault.code.starts_with("ActiveInstanceRefreshNotFound") {
                Ok(())
            } else {
                Err(fault)
            }
        }
    }
}

fn told(refresh: &InstanceRefresh) -> Refresh {
    let number = |of: Option<i32>| of.and_then(|of| u64::try_from(of).ok());
    Refresh {
        id: refresh.instance_refresh_id().unwrap_or_default().to_owned(),
        status: refresh
            .status()
            .map_or("", InstanceRefreshStatus::as_str)
            .to_owned(),
        reason: refresh
            .status_reason()
            .filter(|reason| !reason.is_empty())
            .map(str::to_owned),
        began: refresh.start_time().copied(),
        done: number(refresh.percentage_complete()),
        left: number(refresh.instances_to_update()),
    }
}
