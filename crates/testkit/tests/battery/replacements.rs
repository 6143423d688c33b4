//! What a change set lists and what it replaces, where a second opinion can be had.

use switchback_testkit::aws::StandIn;

use crate::ask::{
    Asked, FIRST, all, borrowed, but, change_set, executed, formation, given, made, mechanism,
    want, within,
};
use crate::change_sets::{change, done};

/// One setting for each way in which a value reaches a property, and one that only a condition makes.
const WAYS: &str = r#"Parameters:
  Level: { Type: String, Default: info }
  More: { Type: String, Default: "no" }
Mappings:
  Releases:
    this: { Image: first }
Conditions:
  Wanted: !Equals [!Ref More, "yes"]
Resources:
  ByRef:
    Type: AWS::SSM::Parameter
    Properties: { Type: String, Value: !Ref Level }
  BySub:
    Type: AWS::SSM::Parameter
    Properties: { Type: String, Value: !Sub "level ${Level}" }
  ByMapping:
    Type: AWS::SSM::Parameter
    Properties: { Type: String, Value: !FindInMap [Releases, this, Image] }
  ByCondition:
    Type: AWS::SSM::Parameter
    Condition: Wanted
    Properties: { Type: String, Value: more }
  Apart:
    Type: AWS::SSM::Parameter
    Properties: { Type: String, Value: always }
"#;

/// The resources that a change set lists, by name.
fn listed(told: &str) -> Vec<String> {
    let changes = all(told, "ResourceChange");
    let mut names: Vec<String> = changes
        .into_iter()
        .filter_map(|it| within(it, "LogicalResourceId"))
        .map(str::to_owned)
        .collect();
    names.sort_unstable();
    names
}

fn lists(told: &str, wanted: &[&str]) -> Asked {
    let found = listed(told);
    want(found == wanted, format!("{found:?}, not {wanted:?}"))
}

pub(crate) fn what_is_touched_is_listed_and_nothing_else(it: &StandIn) -> Asked {
    made(it, "g1", WAYS, &[])?;
    let louder = [("Level", Some("debug")), ("More", None)];
    let told = change_set(it, "g1", "parameter", WAYS, &louder)?;
    lists(&told, &["ByRef", "BySub"])?;
    let same = [("Level", None), ("More", None)];
    let next = WAYS.replace("Image: first", "Image: second");
    let told = change_set(it, "g1", "mapping", &next, &same)?;
    lists(&told, &["ByMapping"])
}

pub(crate) fn a_condition_that_flips_adds(it: &StandIn) -> Asked {
    made(it, "g6", WAYS, &[])?;
    let flipped = [("Level", None), ("More", Some("yes"))];
    let told = change_set(it, "g6", "more", WAYS, &flipped)?;
    lists(&told, &["ByCondition"])?;
    want(
        within(change(&told, "ByCondition")?, "Action") == Some("Add"),
        told.clone(),
    )?;
    done(&executed(it, "g6", "more")?)
}

pub(crate) fn values_before_and_after_are_told(it: &StandIn) -> Asked {
    made(it, "b22", WAYS, &[])?;
    let louder = [("Level", Some("debug")), ("More", None)];
    change_set(it, "b22", "louder", WAYS, &louder)?;
    let form = [
        ("StackName", "b22"),
        ("ChangeSetName", "louder"),
        ("IncludePropertyValues", "true"),
    ];
    let told = formation(it, "DescribeChangeSet", &form)?;
    let change = change(&told, "BySub")?;
    let values = |which| within(change, which).unwrap_or_default();
    want(
        values("BeforeContext").contains("level info")
            && values("AfterContext").contains("level debug"),
        change,
    )
}

pub(crate) fn a_name_by_parameter_is_a_certain_replacement(it: &StandIn) -> Asked {
    mechanism(it, "g3")?;
    let told = change_set(it, "g3", "renamed", FIRST, &but("Name", "g3-other"))?;
    let topic = change(&told, "Topic")?;
    want(within(topic, "Replacement") == Some("True"), topic)
}

pub(crate) fn a_bucket_of_another_name_is_another(it: &StandIn) -> Asked {
    let text = |name| {
        format!(
            "Resources:
  Bucket:
    Type: AWS::S3::Bucket
    Properties: {{ BucketName: {name} }}
"
        )
    };
    made(it, "b26", &text("battery-b26"), &[])?;
    let told = change_set(it, "b26", "renamed", &text("battery-b26-other"), &[])?;
    let bucket = change(&told, "Bucket")?;
    want(within(bucket, "Replacement") == Some("True"), bucket)
}

fn machine(image: &str) -> String {
    format!(
        "Resources:
  Machine:
    Type: AWS::EC2::Instance
    Properties: {{ ImageId: {image}, InstanceType: t3.small }}
  Note:
    Type: AWS::SSM::Parameter
    Properties: {{ Type: String, Value: !Ref Machine }}
"
    )
}

pub(crate) fn another_image_makes_another_machine(it: &StandIn) -> Asked {
    made(it, "b5", &machine("ami-03cf127a"), &[])?;
    let told = change_set(it, "b5", "next", &machine("ami-12c6146b"), &[])?;
    let listed = change(&told, "Machine")?;
    want(within(listed, "Replacement") == Some("True"), listed)?;
    let before = within(listed, "PhysicalResourceId").unwrap_or_default();
    done(&executed(it, "b5", "next")?)?;
    let of = [("StackName", "b5"), ("LogicalResourceId", "Machine")];
    let told = formation(it, "DescribeStackResource", &of)?;
    let after = within(&told, "PhysicalResourceId").unwrap_or_default();
    want(!after.is_empty() && before != after, told.clone())?;
    let ids = [
        ("InstanceId.1".to_owned(), before.to_owned()),
        ("InstanceId.2".to_owned(), after.to_owned()),
    ];
    let told = given(it, "ec2", "DescribeInstances", &borrowed(&ids))?;
    let states: Vec<Option<&str>> = all(&told, "instanceState")
        .into_iter()
        .map(|state| within(state, "name"))
        .collect();
    want(
        states.contains(&Some("terminated")) && states.contains(&Some("running")),
        format!("{states:?}"),
    )?;
    // The old one goes only once the new one is there.
    let told = formation(it, "DescribeStackEvents", &of[..1])?;
    let events = all(&told, "member");
    let of_machine = |status| {
        events.iter().position(|event| {
            within(event, "LogicalResourceId") == Some("Machine")
                && within(event, "ResourceStatus") == Some(status)
        })
    };
    let (made, gone) = (of_machine("UPDATE_COMPLETE"), of_machine("DELETE_COMPLETE"));
    // Newest first.
    want(made.is_some() && gone < made, told.clone())?;
    want(gone.is_some(), told.clone())
}
