//! Advice in the words of the kind of deployment that it is for.

use switchback_model::observed::Observed;

/// Advice with the command to type, where the deployment is of the kind that has it.
pub(super) fn with_command(observed: &Observed, advice: &str, compose: &str) -> String {
    if observed.deployment.driver == "compose" {
        format!("{advice}: `{compose}`")
    } else {
        advice.to_owned()
    }
}
