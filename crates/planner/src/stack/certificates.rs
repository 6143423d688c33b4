//! The budget of certificates that a replaced machine uses up.

use switchback_model::config::AwsConfig;
use switchback_model::exit::Exit;
use switchback_model::plan::Notice;
use switchback_model::product::NoticeKind;
use switchback_model::stack::Cloud;
use switchback_model::{Problem, Version};

/// How many certificates the authority gives for the same names within seven days.
const PER_WEEK: u64 = 5;

/// What replacing the machine once costs: a notice per domain, or the refusal of the sixth certificate.
pub(super) fn replaced(
    cloud: &Cloud,
    config: &AwsConfig,
    stack: &str,
    to: &Version,
) -> Result<Vec<Notice>, Problem> {
    let mut notices = Vec::new();
    if config.custom_certificates {
        return Ok(notices);
    }
    for domain in cloud.domains.iter().filter(|domain| !domain.custom) {
        let said = config.certificates_used.get(&domain.name).copied();
        let used = domain.issued.len() as u64 + u64::from(said.unwrap_or_default());
        if used >= PER_WEEK {
            let mut problem = Problem::new(
                Exit::Refused,
                "certificates-used-up",
                format!(
                    "`{}` had {used} certificates in the last seven days, and a replaced machine asks for another",
                    domain.name
                ),
            )
            .state(format!("stack {stack}"), "unchanged");
            for (at, known) in &domain.issued {
                problem = problem.state(at.as_str(), known.as_str());
            }
            return Err(problem
                .why(format!("Let's Encrypt gives {PER_WEEK} certificates a week for the same name: without one nobody reaches the product"))
                .hint("wait until the oldest of them is seven days old, then plan again")
                .hint("or bring a certificate of your own, and say custom-certificates = true under [aws] in switchback.toml"));
        }
        notices.push(Notice {
            id: format!("certificate-{}", domain.name),
            kind: NoticeKind::Behaviour,
            version: to.clone(),
            text: format!(
                "The machine is replaced and asks for a certificate for {}.",
                domain.name
            ),
            found: Some(format!(
                "number {} of {PER_WEEK} within seven days",
                used + 1
            )),
            source: "AMI updating guide".to_owned(),
            accept: None,
        });
    }
    Ok(notices)
}
