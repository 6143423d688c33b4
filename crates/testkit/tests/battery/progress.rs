//! What is told of a stack while it changes, and of its resources.

use std::thread;
use std::time::{Duration, Instant};

use switchback_testkit::aws::StandIn;

use crate::ask::{
    Asked, FIRST, all, borrowed, but, change_set, executed, formation, made, mechanism, member,
    parameters, refused, settled, want, within,
};
use crate::change_sets::done;

/// A network is looked at until it is there, which takes a moment even where everything else is there at once.
pub(crate) fn network(range: &str) -> String {
    format!(
        "Resources:
  Network:
    Type: AWS::EC2::VPC
    Properties: {{ CidrBlock: {range} }}
Outputs:
  Network: {{ Value: !Ref Network }}
"
    )
}

/// Every status that a stack is seen in until it is steady.
fn seen(it: &StandIn, stack: &str) -> Result<Vec<String>, String> {
    let since = Instant::now();
    let mut seen: Vec<String> = Vec::new();
    while since.elapsed() < Duration::from_secs(30) {
        let told = formation(it, "DescribeStacks", &[("StackName", stack)])?;
        let status = within(&told, "StackStatus").unwrap_or_default().to_owned();
        let over = !status.ends_with("_IN_PROGRESS");
        if seen.last() != Some(&status) {
            seen.push(status);
        }
        if over {
            break;
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(seen)
}

pub(crate) fn what_became_of_each_resource_is_told(it: &StandIn) -> Asked {
    mechanism(it, "a14")?;
    let of = [("StackName", "a14")];
    let told = formation(it, "ListStackResources", &of)?;
    for logical in ["Topic", "Setting", "Follower"] {
        let resource = member(&told, "LogicalResourceId", logical).unwrap_or_default();
        let changed = within(resource, "LastUpdatedTimestamp").unwrap_or_default();
        want(
            within(resource, "ResourceStatus") == Some("CREATE_COMPLETE") && changed > "2026",
            told.clone(),
        )?;
    }
    let said = parameters(&[
        ("Name", Some("a14-not")),
        ("Token", Some("hidden")),
        ("Kind", Some("Impossible")),
    ]);
    let mut form = borrowed(&said);
    form.extend([("StackName", "a14-not"), ("TemplateBody", FIRST)]);
    formation(it, "CreateStack", &form)?;
    settled(it, "a14-not")?;
    let told = formation(it, "DescribeStackEvents", &[("StackName", "a14-not")])?;
    let failed = all(&told, "member")
        .into_iter()
        .find(|event| {
            within(event, "LogicalResourceId") == Some("Setting")
                && within(event, "ResourceStatus") == Some("CREATE_FAILED")
        })
        .ok_or_else(|| told.clone())?;
    let reason = within(failed, "ResourceStatusReason").unwrap_or_default();
    want(!reason.is_empty(), failed)
}

pub(crate) fn a_replaced_resource_stays_listed(it: &StandIn) -> Asked {
    mechanism(it, "a20")?;
    change_set(it, "a20", "renamed", FIRST, &but("Name", "a20-other"))?;
    done(&executed(it, "a20", "renamed")?)?;
    let told = formation(it, "ListStackResources", &[("StackName", "a20")])?;
    want(
        member(&told, "LogicalResourceId", "Topic").is_some(),
        told.clone(),
    )
}

pub(crate) fn a_stack_is_seen_while_it_is_made(it: &StandIn) -> Asked {
    let text = network("10.1.0.0/16");
    let form = [("StackName", "a15"), ("TemplateBody", text.as_str())];
    formation(it, "CreateStack", &form)?;
    let seen = seen(it, "a15")?;
    want(
        seen == ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"],
        format!("{seen:?}"),
    )
}

pub(crate) fn an_update_is_seen_while_it_goes_on(it: &StandIn) -> Asked {
    made(it, "c19", &network("10.2.0.0/16"), &[])?;
    change_set(it, "c19", "next", &network("10.3.0.0/16"), &[])?;
    let form = [("StackName", "c19"), ("ChangeSetName", "next")];
    formation(it, "ExecuteChangeSet", &form)?;
    refused(
        it,
        "cloudformation",
        "ExecuteChangeSet",
        &form,
        "cannot be executed",
    )?;
    let seen = seen(it, "c19")?;
    want(
        seen.first().map(String::as_str) == Some("UPDATE_IN_PROGRESS")
            && seen.last().map(String::as_str) == Some("UPDATE_COMPLETE"),
        format!("{seen:?}"),
    )?;
    // And it goes on from there as ever.
    change_set(it, "c19", "back", &network("10.2.0.0/16"), &[])?;
    done(&executed(it, "c19", "back")?)
}
