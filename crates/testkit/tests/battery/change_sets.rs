//! Change sets: what they say, and what executing them does.

use switchback_testkit::aws::StandIn;

use crate::ask::{
    Asked, FIRST, all, borrowed, but, change_set, executed, formation, given, less, made,
    mechanism, member, parameters, refused, second, settled, want, within,
};
use crate::stacks;

/// What a change set says of one resource.
pub(crate) fn change<'t>(told: &'t str, logical: &str) -> Result<&'t str, String> {
    let marked = format!("<LogicalResourceId>{logical}</LogicalResourceId>");
    let mut changes = all(told, "ResourceChange").into_iter();
    let found = changes.rfind(|it| it.contains(&marked));
    found.ok_or_else(|| format!("`{logical}` is not listed: {told}"))
}

pub(crate) fn done(status: &str) -> Asked {
    want(
        status == "UPDATE_COMPLETE",
        format!("the stack is {status}"),
    )
}

pub(crate) fn nothing_to_change_fails_with_a_reason(it: &StandIn) -> Asked {
    mechanism(it, "b1")?;
    let told = change_set(it, "b1", "same", FIRST, &but("", ""))?;
    let reason = within(&told, "StatusReason").unwrap_or_default();
    let known = ["contain changes", "No updates are to be performed"];
    want(
        within(&told, "Status") == Some("FAILED")
            && known.iter().any(|words| reason.contains(words)),
        told.clone(),
    )
}

pub(crate) fn the_template_of_before_may_be_meant(it: &StandIn) -> Asked {
    mechanism(it, "b0")?;
    let said = parameters(&but("Level", "debug"));
    let mut form = borrowed(&said);
    form.extend([
        ("StackName", "b0"),
        ("ChangeSetName", "same"),
        ("ChangeSetType", "UPDATE"),
        ("UsePreviousTemplate", "true"),
    ]);
    formation(it, "CreateChangeSet", &form).map(drop)
}

pub(crate) fn what_comes_and_goes_is_listed(it: &StandIn) -> Asked {
    mechanism(it, "b17")?;
    let told = change_set(it, "b17", "more", &second(), &but("", ""))?;
    want(
        within(change(&told, "Second")?, "Action") == Some("Add"),
        told.clone(),
    )?;
    let told = change_set(it, "b17", "less", &less(), &but("", ""))?;
    want(
        within(change(&told, "Follower")?, "Action") == Some("Remove"),
        told.clone(),
    )
}

pub(crate) fn a_new_parameter_needs_a_value(it: &StandIn) -> Asked {
    mechanism(it, "b19")?;
    let text = FIRST.replace("Parameters:\n", "Parameters:\n  Tier: { Type: String }\n");
    let said = parameters(&but("", ""));
    let mut form = borrowed(&said);
    form.extend([
        ("StackName", "b19"),
        ("ChangeSetName", "new"),
        ("TemplateBody", text.as_str()),
    ]);
    refused(it, "cloudformation", "CreateChangeSet", &form, "Tier")
}

pub(crate) fn an_output_follows_its_definition(it: &StandIn) -> Asked {
    let text = "Parameters:
  Image: { Type: String }
Resources:
  TaskDefinition:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Family: c7
      ContainerDefinitions: [{ Name: c7, Image: !Ref Image, Memory: 64 }]
Outputs:
  Task: { Value: !Ref TaskDefinition }
";
    made(it, "c7", text, &[("Image", "one")])?;
    let told = || formation(it, "DescribeStacks", &[("StackName", "c7")]);
    let before = told()?;
    change_set(it, "c7", "next", text, &[("Image", Some("two"))])?;
    done(&executed(it, "c7", "next")?)?;
    let after = told()?;
    let (before, after) = (
        within(&before, "OutputValue"),
        within(&after, "OutputValue"),
    );
    want(
        before != after && after.is_some_and(|arn| arn.ends_with("c7:2")),
        format!("{before:?}, then {after:?}"),
    )
}

pub(crate) fn executing_adds_and_removes(it: &StandIn) -> Asked {
    mechanism(it, "c9")?;
    // The resource, the parameter and the output that the second template has.
    let there = || {
        let resources = formation(it, "ListStackResources", &[("StackName", "c9")])?;
        let stack = formation(it, "DescribeStacks", &[("StackName", "c9")])?;
        let resource = resources.contains("<LogicalResourceId>Second<");
        let parameter = stack.contains("<ParameterKey>Extra<");
        let output = stack.contains("<OutputKey>Second<");
        Ok::<_, String>([resource, parameter, output])
    };
    change_set(it, "c9", "more", &second(), &but("Level", "debug"))?;
    done(&executed(it, "c9", "more")?)?;
    let added = there()?;
    want(added == [true; 3], format!("added: {added:?}"))?;
    let told = formation(it, "DescribeStacks", &[("StackName", "c9")])?;
    let level = member(&told, "ParameterKey", "Level").unwrap_or_default();
    want(level.contains("debug"), told.clone())?;
    change_set(it, "c9", "less", FIRST, &but("", ""))?;
    done(&executed(it, "c9", "less")?)?;
    let left = there()?;
    want(left == [false; 3], format!("left: {left:?}"))
}

pub(crate) fn a_failed_update_is_taken_back(it: &StandIn) -> Asked {
    mechanism(it, "c13")?;
    change_set(it, "c13", "wrong", FIRST, &but("Kind", "Impossible"))?;
    let status = executed(it, "c13", "wrong")?;
    want(
        status == "UPDATE_ROLLBACK_COMPLETE",
        format!("the stack is {status}"),
    )?;
    let told = formation(it, "DescribeStackEvents", &[("StackName", "c13")])?;
    let failed = all(&told, "member").into_iter().find(|event| {
        event.contains("<ResourceStatus>UPDATE_FAILED<")
            && event.contains("<LogicalResourceId>Setting<")
    });
    let reason = failed.and_then(|event| within(event, "ResourceStatusReason"));
    want(reason.is_some_and(|why| !why.is_empty()), told.clone())
}

pub(crate) fn events_carry_the_token(it: &StandIn) -> Asked {
    mechanism(it, "c20")?;
    change_set(it, "c20", "louder", FIRST, &but("Level", "debug"))?;
    done(&executed(it, "c20", "louder")?)?;
    let told = formation(it, "DescribeStackEvents", &[("StackName", "c20")])?;
    want(told.contains("token-of-the-battery"), told.clone())
}

pub(crate) fn replacements_are_told_with_what_follows(it: &StandIn) -> Asked {
    mechanism(it, "g2")?;
    let told = change_set(it, "g2", "named", FIRST, &but("Name", "g2-next"))?;
    let topic = change(&told, "Topic")?;
    want(within(topic, "Replacement") == Some("True"), topic)?;
    want(topic.contains("<Name>TopicName</Name>"), topic)?;
    change(&told, "Follower").map(drop)
}

pub(crate) fn executing_a_replacement_keeps_what_is_masked(it: &StandIn) -> Asked {
    mechanism(it, "g7")?;
    change_set(it, "g7", "named", FIRST, &but("Name", "g7-next"))?;
    done(&executed(it, "g7", "named")?)?;
    let told = formation(it, "DescribeStacks", &[("StackName", "g7")])?;
    want(told.contains(":g7-next<"), told.clone())?;
    stacks::masked(&told)?;
    let told = formation(it, "DescribeStackEvents", &[("StackName", "g7")])?;
    want(told.contains("<LogicalResourceId>Topic<"), told.clone())
}

pub(crate) fn a_change_set_takes_a_place(it: &StandIn) -> Asked {
    mechanism(it, "g11")?;
    let place = stacks::in_bucket(it, "battery-g11", &second());
    let told = change_set(it, "g11", "placed", &place, &but("", ""))?;
    want(
        within(change(&told, "Second")?, "Action") == Some("Add"),
        told.clone(),
    )
}

pub(crate) fn wrong_values_and_taken_names_are_refused(it: &StandIn) -> Asked {
    mechanism(it, "g13")?;
    let said = parameters(&but("Level", "loud"));
    let mut form = borrowed(&said);
    form.extend([
        ("StackName", "g13"),
        ("ChangeSetName", "loud"),
        ("TemplateBody", FIRST),
    ]);
    refused(it, "cloudformation", "CreateChangeSet", &form, "Level")?;
    let said = parameters(&but("Level", "debug"));
    let mut form = borrowed(&said);
    form.extend([
        ("StackName", "g13"),
        ("ChangeSetName", "once"),
        ("TemplateBody", FIRST),
    ]);
    given(it, "cloudformation", "CreateChangeSet", &form)?;
    refused(
        it,
        "cloudformation",
        "CreateChangeSet",
        &form,
        "AlreadyExists",
    )
}

pub(crate) fn a_change_set_is_executed_once(it: &StandIn) -> Asked {
    mechanism(it, "g15")?;
    change_set(it, "g15", "once", FIRST, &but("Level", "debug"))?;
    done(&executed(it, "g15", "once")?)?;
    let form = [("StackName", "g15"), ("ChangeSetName", "once")];
    refused(it, "cloudformation", "ExecuteChangeSet", &form, "")?;
    done(&settled(it, "g15")?)
}

/// A function whose code of before is gone cannot be taken back; what is left out by name ends that, and nothing else.
pub(crate) fn a_way_back_that_stopped_goes_on(it: &StandIn) -> Asked {
    let zip = "PK\u{5}\u{6}\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    it.put("battery-c21", "");
    it.put("battery-c21/old", zip);
    it.put("battery-c21/new", zip);
    let text = |code: &str, kind: &str| {
        format!(
            "Resources:
  Function:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: c21
      Runtime: python3.12
      Handler: index.handler
      Role: arn:aws:iam::123456789012:role/none
      Code: {{ S3Bucket: battery-c21, S3Key: {code} }}
  Setting:
    Type: AWS::SSM::Parameter
    DependsOn: Function
    Properties: {{ Type: {kind}, Value: one }}
"
        )
    };
    made(it, "c21", &text("old", "String"), &[])?;
    it.take("battery-c21/old");
    let of = [("StackName", "c21")];
    let new = text("new", "Impossible");
    formation(it, "UpdateStack", &[of[0], ("TemplateBody", &new)])?;
    let status = settled(it, "c21")?;
    want(status == "UPDATE_ROLLBACK_FAILED", status.clone())?;
    let skip = |name| {
        [
            of[0],
            ("ResourcesToSkip.member.1", name),
            ("ClientRequestToken", "c21-token"),
        ]
    };
    let action = "ContinueUpdateRollback";
    refused(
        it,
        "cloudformation",
        action,
        &skip("Setting"),
        "cannot be skipped",
    )?;
    formation(it, action, &skip("Function"))?;
    // It begins behind its answer.
    std::thread::sleep(std::time::Duration::from_millis(300));
    let status = settled(it, "c21")?;
    want(status == "UPDATE_ROLLBACK_COMPLETE", status.clone())?;
    let told = formation(it, "DescribeStackEvents", &of)?;
    want(told.contains("c21-token"), told.clone())
}
