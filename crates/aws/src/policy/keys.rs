//! What AWS demands of a caller's permissions on keys, where storage is encrypted with keys that the customer manages. No
//! call of ours names a key: a service asks KMS in the caller's name because of what it was asked for.

use std::fmt::Write as _;

use serde_json::json;

use super::first;
use crate::calls::Phase;

/// What a service asks of KMS, and the actions of ours that make it ask.
struct Demand {
    /// The service.
    via: &'static str,
    /// What is stored there under a key.
    what: &'static str,
    asks: &'static [&'static str],
    because: &'static [&'static str],
}

/// As the services' own pages on encryption say.
const DEMANDS: [Demand; 5] = [
    Demand {
        via: "s3",
        what: "templates in an encrypted bucket",
        asks: &["kms:Decrypt"],
        because: &["s3:GetObject"],
    },
    Demand {
        via: "s3",
        what: "templates that go through an encrypted bucket",
        asks: &["kms:GenerateDataKey"],
        because: &["s3:PutObject"],
    },
    Demand {
        via: "rds",
        what: "snapshots of encrypted databases, and databases that are made from such",
        asks: &["kms:CreateGrant", "kms:DescribeKey"],
        because: &[
            "rds:CreateDBClusterSnapshot",
            "rds:CreateDBSnapshot",
            "rds:RestoreDBClusterToPointInTime",
            "rds:RestoreDBInstanceToPointInTime",
            "rds:RestoreDBClusterFromSnapshot",
            "rds:RestoreDBInstanceFromDBSnapshot",
        ],
    },
    Demand {
        via: "elasticache",
        what: "snapshots of encrypted replication groups",
        asks: &["kms:CreateGrant", "kms:DescribeKey"],
        because: &["elasticache:CreateSnapshot"],
    },
    Demand {
        via: "ec2",
        what: "snapshots of encrypted volumes",
        asks: &[
            "kms:CreateGrant",
            "kms:Decrypt",
            "kms:DescribeKey",
            "kms:GenerateDataKeyWithoutPlaintext",
            "kms:ReEncryptFrom",
            "kms:ReEncryptTo",
        ],
        because: &["ec2:CreateSnapshot"],
    },
];

impl Demand {
    /// The first phase that makes the service ask.
    fn phase(&self) -> Option<Phase> {
        self.because.iter().filter_map(|action| first(action)).min()
    }

    /// A grant is for the service alone: without that condition the caller could give the key to anybody.
    fn statements(&self) -> Vec<serde_json::Value> {
        let service = json!({ "kms:ViaService": format!("{}.*.amazonaws.com", self.via) });
        let is_grant = |action: &&str| *action == "kms:CreateGrant";
        let (grants, others): (Vec<&str>, Vec<&str>) =
            self.asks.iter().copied().partition(is_grant);
        let mut statements = Vec::new();
        if !others.is_empty() {
            statements.push(json!({
                "Effect": "Allow",
                "Action": others,
                "Resource": KEYS,
                "Condition": { "StringLike": service },
            }));
        }
        if !grants.is_empty() {
            statements.push(json!({
                "Effect": "Allow",
                "Action": grants,
                "Resource": KEYS,
                "Condition": {
                    "StringLike": service,
                    "Bool": { "kms:GrantIsForAWSResource": "true" },
                },
            }));
        }
        statements
    }
}

/// What stands for the customer's keys.
const KEYS: &str = "arn:aws:kms:*:*:key/*";

/// The part of the page about keys.
pub(super) fn section() -> String {
    let mut section = format!(
        "\n## keys of your own\n\n\
         Only where storage is encrypted with keys of KMS that you manage yourself. Where nothing is encrypted, or with the keys that AWS\n\
         manages (`aws/rds`, `aws/ebs`, …), nothing of this is asked. No call of switchback names a key: the service that is asked for a\n\
         snapshot asks KMS in the caller's name, and refuses where that is not allowed. These policies are needed beside the ones above,\n\
         and hold for what these services ask alone. Put the ARNs of your keys in the place of\n`{KEYS}`. \
         A key whose own policy leaves out the account's IAM policies must name the caller there.\n\n\
         | action | through | for |\n|---|---|---|\n"
    );
    for demand in &DEMANDS {
        for action in demand.asks {
            let _ = writeln!(section, "| `{action}` | {} | {} |", demand.via, demand.what);
        }
    }
    for (phase, words) in [
        (Phase::Plan, "Planning:"),
        (
            Phase::Apply,
            "Applying, resuming, rolling back, and rehearsing, beside that:",
        ),
    ] {
        let of_phase = DEMANDS.iter().filter(|it| it.phase() == Some(phase));
        let statements: Vec<serde_json::Value> = of_phase.flat_map(Demand::statements).collect();
        let policy = json!({ "Version": "2012-10-17", "Statement": statements });
        let policy = serde_json::to_string_pretty(&policy).unwrap_or_default();
        let _ = write!(section, "\n{words}\n\n```json\n{policy}\n```\n");
    }
    section
}

#[cfg(test)]
mod tests {
    use super::super::{COPIES, page};
    use super::{DEMANDS, section};
    use crate::calls::Phase;

    #[test]
    fn nothing_is_demanded_that_no_action_of_ours_causes() {
        for demand in &DEMANDS {
            for action in demand.because {
                assert!(super::first(action).is_some(), "`{action}` is never called");
            }
            // Those of the page's two policies.
            let phase = demand.phase();
            assert!(
                matches!(phase, Some(Phase::Plan | Phase::Apply)),
                "{phase:?}"
            );
        }
    }

    #[test]
    fn every_snapshot_restore_and_object_is_thought_of() {
        let actions = super::super::ACTIONS.iter().map(|(action, _, _)| *action);
        let all = actions.chain(COPIES.iter().map(|(action, _)| *action));
        let stores = |action: &&str| {
            action.contains(":Create") && action.ends_with("Snapshot")
                || action.contains(":Restore")
                || action.ends_with("Object")
        };
        for action in all.filter(stores) {
            let mut demands = DEMANDS.iter();
            assert!(demands.any(|it| it.because.contains(&action)), "{action}");
        }
    }

    #[test]
    fn keys_are_used_through_services_alone_and_asked_for_in_no_other_policy() {
        let section = section();
        let page = page();
        assert_eq!(
            page.matches("\"kms:").count(),
            section.matches("\"kms:").count()
        );
        for demand in &DEMANDS {
            for statement in demand.statements() {
                let via = &statement["Condition"]["StringLike"]["kms:ViaService"];
                assert_eq!(*via, format!("{}.*.amazonaws.com", demand.via));
                let grants = statement["Action"].to_string().contains("CreateGrant");
                let bound = &statement["Condition"]["Bool"]["kms:GrantIsForAWSResource"];
                assert_eq!(*bound == "true", grants, "{statement}");
            }
        }
    }
}
