//! What an account must allow, by phase. The tests refuse every call that is not listed here, and every entry is named
//! somewhere in the code: the list is what is needed, no more.

mod keys;

use std::fmt::Write as _;

use serde_json::json;

use crate::calls::Phase;

/// An action, the first phase that needs it, and what for.
const ACTIONS: [(&str, Phase, &str); 60] = [
    (
        "sts:GetCallerIdentity",
        Phase::Observe,
        "whose account it is",
    ),
    (
        "cloudformation:DescribeStacks",
        Phase::Observe,
        "stacks, parameters, outputs",
    ),
    (
        "cloudformation:GetTemplate",
        Phase::Observe,
        "what a stack was made from",
    ),
    (
        "cloudformation:ListStackResources",
        Phase::Observe,
        "what a stack made",
    ),
    (
        "cloudformation:DescribeStackEvents",
        Phase::Observe,
        "what happened to a stack",
    ),
    (
        "cloudformation:ListImports",
        Phase::Observe,
        "who uses an export",
    ),
    (
        "cloudformation:DetectStackDrift",
        Phase::Observe,
        "changes by other means",
    ),
    (
        "cloudformation:DescribeStackDriftDetectionStatus",
        Phase::Observe,
        "changes by other means",
    ),
    (
        "cloudformation:DescribeStackResourceDrifts",
        Phase::Observe,
        "changes by other means",
    ),
    ("ecs:DescribeServices", Phase::Observe, "services"),
    (
        "ecs:DescribeTaskDefinition",
        Phase::Observe,
        "the images that services run",
    ),
    (
        "autoscaling:DescribeAutoScalingGroups",
        Phase::Observe,
        "machines of groups",
    ),
    (
        "autoscaling:DescribeLaunchConfigurations",
        Phase::Observe,
        "what machines are made from",
    ),
    (
        "ec2:DescribeLaunchTemplateVersions",
        Phase::Observe,
        "what machines are made from",
    ),
    ("ec2:DescribeInstances", Phase::Observe, "machines"),
    ("ec2:DescribeVolumes", Phase::Observe, "volumes"),
    (
        "ssm:DescribeInstanceInformation",
        Phase::Observe,
        "whether commands reach a machine",
    ),
    (
        "rds:DescribeDBClusters",
        Phase::Observe,
        "database clusters",
    ),
    ("rds:DescribeDBInstances", Phase::Observe, "databases"),
    (
        "elasticache:DescribeReplicationGroups",
        Phase::Observe,
        "replication groups",
    ),
    (
        "s3:GetBucketVersioning",
        Phase::Observe,
        "whether a bucket keeps what is changed",
    ),
    ("s3:GetObject", Phase::Plan, "templates in a bucket"),
    (
        "s3:PutObject",
        Phase::Plan,
        "templates that are too long for a request",
    ),
    (
        "cloudformation:CreateChangeSet",
        Phase::Plan,
        "what would change",
    ),
    (
        "cloudformation:DescribeChangeSet",
        Phase::Plan,
        "what would change",
    ),
    (
        "cloudformation:DeleteChangeSet",
        Phase::Plan,
        "leaving no change set behind",
    ),
    (
        "cloudformation:ListChangeSets",
        Phase::Plan,
        "leaving no change set behind",
    ),
    (
        "cloudformation:ExecuteChangeSet",
        Phase::Apply,
        "updating a stack",
    ),
    (
        "cloudformation:ContinueUpdateRollback",
        Phase::Apply,
        "taking an update back that is half way",
    ),
    (
        "cloudformation:DeleteStack",
        Phase::Apply,
        "removing a stack that the product no longer has, or that a run made which is taken back",
    ),
    ("ecs:RunTask", Phase::Apply, "migrations"),
    ("ecs:ListTasks", Phase::Apply, "finding a migration again"),
    (
        "ecs:DescribeTasks",
        Phase::Apply,
        "exit codes of migrations",
    ),
    (
        "ecs:StopTask",
        Phase::Apply,
        "ending a migration that is discarded",
    ),
    ("logs:GetLogEvents", Phase::Apply, "what a migration writes"),
    ("ssm:SendCommand", Phase::Apply, "migrations on a machine"),
    (
        "ssm:ListCommands",
        Phase::Apply,
        "finding a migration again",
    ),
    (
        "ssm:GetCommandInvocation",
        Phase::Apply,
        "exit codes of migrations",
    ),
    (
        "ssm:CancelCommand",
        Phase::Apply,
        "ending a migration that is discarded",
    ),
    ("rds:CreateDBClusterSnapshot", Phase::Apply, "snapshots"),
    (
        "rds:DescribeDBClusterSnapshots",
        Phase::Plan,
        "snapshots for a way back",
    ),
    ("rds:CreateDBSnapshot", Phase::Apply, "snapshots"),
    (
        "rds:DescribeDBSnapshots",
        Phase::Plan,
        "snapshots for a way back",
    ),
    ("elasticache:CreateSnapshot", Phase::Apply, "snapshots"),
    (
        "elasticache:DescribeSnapshots",
        Phase::Plan,
        "snapshots for a way back",
    ),
    ("ec2:CreateSnapshot", Phase::Apply, "snapshots"),
    (
        "ec2:DescribeSnapshots",
        Phase::Plan,
        "snapshots for a way back",
    ),
    (
        "ec2:DescribeInstanceStatus",
        Phase::Apply,
        "whether a new machine runs well",
    ),
    ("ec2:TerminateInstances", Phase::Apply, "ending a machine"),
    (
        "autoscaling:TerminateInstanceInAutoScalingGroup",
        Phase::Apply,
        "renewing the machines of a group",
    ),
    (
        "autoscaling:StartInstanceRefresh",
        Phase::Apply,
        "having a group replace its machines",
    ),
    (
        "autoscaling:DescribeInstanceRefreshes",
        Phase::Apply,
        "how far it is",
    ),
    (
        "autoscaling:CancelInstanceRefresh",
        Phase::Apply,
        "ending that on the way back",
    ),
    (
        "s3:ListBucketVersions",
        Phase::Apply,
        "objects as they were, on the way back (`objects-back`)",
    ),
    (
        "rds:RestoreDBClusterToPointInTime",
        Phase::Apply,
        "what a mark kept, on the way back",
    ),
    (
        "rds:RestoreDBInstanceToPointInTime",
        Phase::Apply,
        "what a mark kept, on the way back",
    ),
    (
        "rds:DeleteDBCluster",
        Phase::Apply,
        "removing what was restored beside; nothing but `switchback-…`",
    ),
    (
        "rds:DeleteDBInstance",
        Phase::Apply,
        "removing what was restored beside; nothing but `switchback-…`",
    ),
    (
        "rds:DeleteDBClusterSnapshot",
        Phase::Rehearse,
        "removing the snapshot that copies were made from",
    ),
    (
        "rds:DeleteDBSnapshot",
        Phase::Rehearse,
        "removing the snapshot that copies were made from",
    ),
];

/// What the stack of copies makes and removes, with the permissions of whoever rehearses.
const COPIES: [(&str, &str); 13] = [
    ("rds:RestoreDBClusterFromSnapshot", "the copied cluster"),
    ("rds:RestoreDBInstanceFromDBSnapshot", "the copied database"),
    ("rds:CreateDBInstance", "the server of a copied cluster"),
    ("rds:ModifyDBCluster", "the copied cluster's groups"),
    ("rds:ModifyDBInstance", "the copied database's groups"),
    (
        "ecs:RegisterTaskDefinition",
        "the task that knows the copy alone",
    ),
    ("ecs:DeregisterTaskDefinition", "removing it"),
    (
        "ec2:CreateSecurityGroup",
        "a task that reaches the copy alone",
    ),
    (
        "ec2:DescribeSecurityGroups",
        "a task that reaches the copy alone",
    ),
    (
        "ec2:AuthorizeSecurityGroupIngress",
        "a task that reaches the copy alone",
    ),
    (
        "ec2:AuthorizeSecurityGroupEgress",
        "a task that reaches the copy alone",
    ),
    (
        "ec2:RevokeSecurityGroupEgress",
        "a task that reaches the copy alone",
    ),
    ("ec2:DeleteSecurityGroup", "removing its groups"),
];

/// Actions that are allowed on databases of these names alone: copies of a rehearsal and of a way back, which are removed.
const OF_OURS: ([&str; 2], [&str; 2]) = (
    ["rds:DeleteDBCluster", "rds:DeleteDBInstance"],
    [
        "arn:aws:rds:*:*:cluster:switchback-*",
        "arn:aws:rds:*:*:db:switchback-*",
    ],
);

/// What AWS asks for besides, because of what one of the actions is given.
const BESIDES: [(&str, &str); 5] = [
    (
        "iam:PassRole",
        "`ecs:RunTask`, for the roles of the operations task",
    ),
    ("rds:AddTagsToResource", "snapshots, which are tagged"),
    (
        "elasticache:AddTagsToResource",
        "snapshots, which are tagged",
    ),
    ("ec2:CreateTags", "snapshots, which are tagged"),
    (
        "s3:GetObjectVersion",
        "`s3:PutObject` of what an object was (`objects-back`)",
    ),
];

/// The page that says what to allow, with a policy for each phase.
pub fn page() -> String {
    let mut page = phases();
    page.push_str(&keys::section());
    page
}

fn phases() -> String {
    let mut page = String::from(
        "# What AWS must allow\n\n\
         Made from the calls that switchback makes. Each phase needs what the ones before it need. CloudFormation acts \
         with the caller's own permissions\nunless the stack has a role, so whoever applies a plan also needs what the \
         templates themselves make: these policies are what\nswitchback asks for beside that. In another partition than `aws` its name goes into the ARNs.\n",
    );
    for (phase, name, what) in [
        (
            Phase::Observe,
            "observe",
            "Looking at a deployment. Nothing is created.",
        ),
        (
            Phase::Plan,
            "plan",
            "Planning: change sets are created, read and deleted.",
        ),
        (Phase::Apply, "apply", "Applying, resuming, rolling back."),
        (
            Phase::Rehearse,
            "rehearse",
            "Rehearsing migrations on copies of databases, which needs what applying needs, and what the copies are made \
             with. The roles\nthat `iam:PassRole` is for are those of the operations task.",
        ),
    ] {
        let _ = write!(
            page,
            "\n## {name}\n\n{what}\n\n| action | for |\n|---|---|\n"
        );
        for (action, _, why) in ACTIONS.iter().filter(|(_, first, _)| *first == phase) {
            let _ = writeln!(page, "| `{action}` | {why} |");
        }
        if phase == Phase::Apply {
            for (action, why) in BESIDES {
                let _ = writeln!(page, "| `{action}` | {why} |");
            }
        }
        if phase == Phase::Rehearse {
            for (action, why) in COPIES {
                let _ = writeln!(page, "| `{action}` | {why} |");
            }
        }
        let policy = serde_json::to_string_pretty(&policy(phase)).unwrap_or_default();
        let _ = write!(page, "\n```json\n{policy}\n```\n");
    }
    page
}

fn policy(phase: Phase) -> serde_json::Value {
    let mut actions: Vec<&str> = ACTIONS
        .iter()
        .filter(|(_, first, _)| *first <= phase)
        .map(|(action, _, _)| *action)
        .collect();
    if phase >= Phase::Apply {
        actions.extend(BESIDES.map(|(action, _)| action));
    }
    if phase == Phase::Rehearse {
        actions.extend(COPIES.map(|(action, _)| action));
    }
    actions.sort_unstable();
    let (ours, names) = OF_OURS;
    let restricted: Vec<&str> = actions
        .extract_if(.., |action| ours.contains(action))
        .collect();
    let mut statements = vec![json!({ "Effect": "Allow", "Action": actions, "Resource": "*" })];
    if !restricted.is_empty() {
        statements.push(json!({ "Effect": "Allow", "Action": restricted, "Resource": names }));
    }
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// The first phase that needs an action of ours.
fn first(action: &str) -> Option<Phase> {
    let known = ACTIONS.iter().find(|(known, _, _)| *known == action);
    let of_copies = || COPIES.iter().any(|(known, _)| *known == action);
    match known {
        Some((_, first, _)) => Some(*first),
        None => of_copies().then_some(Phase::Rehearse),
    }
}

/// Whether the policy of a phase allows an action.
#[cfg(test)]
pub(crate) fn allows(phase: Phase, action: &str) -> bool {
    ACTIONS
        .iter()
        .any(|(known, first, _)| *known == action && *first <= phase)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::{ACTIONS, page};

    fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).expect("a directory").flatten() {
            let path = entry.path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                found.push(path);
            }
        }
    }

    #[test]
    fn nothing_is_asked_for_that_no_code_calls() {
        let mut files = Vec::new();
        sources(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
            &mut files,
        );
        let code: String = files
            .iter()
            .filter(|path| !path.to_string_lossy().contains("/src/policy"))
            .map(|path| fs::read_to_string(path).expect("a source"))
            .collect();
        for (action, _, _) in ACTIONS {
            // Calls through our own client name the action alone.
            let alone = action.split(':').next_back().unwrap_or_default();
            let named =
                code.contains(&format!("\"{action}\"")) || code.contains(&format!("\"{alone}\""));
            assert!(named, "`{action}` is called nowhere");
        }
    }

    #[test]
    fn the_page_says_what_is_called() {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/aws-permissions.md");
        if std::env::var_os("UPDATE_REFERENCE").is_some() {
            fs::write(&path, page()).expect("written");
        }
        let there = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(there, page(), "UPDATE_REFERENCE=1 writes it anew");
    }
}
