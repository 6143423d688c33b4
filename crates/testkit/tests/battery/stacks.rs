//! Stacks, their texts, and buckets.

use std::thread;
use std::time::Duration;

use switchback_testkit::aws::StandIn;

use crate::ask::{
    Asked, FIRST, all, formation, made, mechanism, member, refused, settled, want, within,
};

/// Puts a text into a new bucket, and says where it is.
pub(crate) fn in_bucket(it: &StandIn, bucket: &str, text: &str) -> String {
    it.put(bucket, "");
    let place = format!("{bucket}/template.yml");
    it.put(&place, text);
    format!("{}/{place}", it.url)
}

/// What CloudFormation answers where a secret was given.
pub(crate) fn masked(told: &str) -> Asked {
    let token = member(told, "ParameterKey", "Token").unwrap_or_default();
    let value = within(token, "ParameterValue").unwrap_or_default();
    want(
        !value.is_empty() && value.chars().all(|it| it == '*'),
        token,
    )
}

pub(crate) fn a_long_template_is_refused(it: &StandIn) -> Asked {
    let text = format!("{FIRST}# {}\n", "x".repeat(51_200));
    let form = [("StackName", "a7"), ("TemplateBody", text.as_str())];
    refused(it, "cloudformation", "CreateStack", &form, "emplate")
}

pub(crate) fn a_template_is_taken_from_a_bucket(it: &StandIn) -> Asked {
    let text = "Resources:\n  Topic: { Type: AWS::SNS::Topic, Properties: { TopicName: a8 } }\n";
    let place = in_bucket(it, "battery-a8", text);
    // One knows its own address, the other that of AWS.
    let of_aws = "https://battery-a8.s3.amazonaws.com/template.yml";
    let mut made = [place.as_str(), of_aws].into_iter().map(|place| {
        formation(
            it,
            "CreateStack",
            &[("StackName", "a8"), ("TemplateURL", place)],
        )
    });
    made.find(Result::is_ok).ok_or("neither place is known")??;
    let status = settled(it, "a8")?;
    want(status == "CREATE_COMPLETE", status.clone())
}

pub(crate) fn a_text_comes_back_as_it_was_given(it: &StandIn) -> Asked {
    mechanism(it, "a9")?;
    let told = formation(it, "GetTemplate", &[("StackName", "a9")])?;
    let text = within(&told, "TemplateBody").unwrap_or_default();
    let plain = [
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&amp;", "&"),
    ];
    let text = plain
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    want(text.trim() == FIRST.trim(), text.clone())
}

pub(crate) fn secrets_are_masked(it: &StandIn) -> Asked {
    mechanism(it, "a10")?;
    masked(&formation(it, "DescribeStacks", &[("StackName", "a10")])?)
}

pub(crate) fn outputs_are_imported_and_listed(it: &StandIn) -> Asked {
    let giver = "Resources:
  Topic: { Type: AWS::SNS::Topic, Properties: { TopicName: a11 } }
Outputs:
  Topic: { Value: !Ref Topic, Export: { Name: a11-topic } }
";
    let taker = "Resources:
  Setting:
    Type: AWS::SSM::Parameter
    Properties: { Type: String, Value: { \"Fn::ImportValue\": a11-topic } }
Outputs:
  Topic: { Value: { \"Fn::ImportValue\": a11-topic } }
";
    made(it, "a11-giver", giver, &[])?;
    made(it, "a11-taker", taker, &[])?;
    let told = formation(it, "DescribeStacks", &[("StackName", "a11-taker")])?;
    let value = within(&told, "OutputValue").unwrap_or_default();
    want(value.ends_with(":a11"), told.clone())?;
    let told = formation(it, "ListExports", &[])?;
    want(member(&told, "Name", "a11-topic").is_some(), told.clone())?;
    let told = formation(it, "ListImports", &[("ExportName", "a11-topic")])?;
    want(told.contains("a11-taker"), told.clone())
}

pub(crate) fn protection_keeps_a_stack(it: &StandIn) -> Asked {
    mechanism(it, "a16")?;
    let form = [
        ("StackName", "a16"),
        ("EnableTerminationProtection", "true"),
    ];
    formation(it, "UpdateTerminationProtection", &form)?;
    let of = [("StackName", "a16")];
    refused(it, "cloudformation", "DeleteStack", &of, "")?;
    let told = formation(it, "DescribeStacks", &of)?;
    want(
        within(&told, "StackStatus") == Some("CREATE_COMPLETE"),
        told.clone(),
    )
}

pub(crate) fn drift_is_detected(it: &StandIn) -> Asked {
    mechanism(it, "c16")?;
    let of = [("StackName", "c16"), ("LogicalResourceId", "Setting")];
    let told = formation(it, "DescribeStackResource", &of)?;
    let name = within(&told, "PhysicalResourceId").unwrap_or_default();
    it.parameter_store(&format!(
        r#"{{"Name":"{name}","Value":"otherwise","Type":"String","Overwrite":true}}"#
    ));
    let told = formation(it, "DetectStackDrift", &of[..1])?;
    let id = within(&told, "StackDriftDetectionId").unwrap_or_default();
    for _ in 0..100 {
        let of = [("StackDriftDetectionId", id)];
        let told = formation(it, "DescribeStackDriftDetectionStatus", &of)?;
        if within(&told, "DetectionStatus") != Some("DETECTION_IN_PROGRESS") {
            return want(
                within(&told, "StackDriftStatus") == Some("DRIFTED"),
                told.clone(),
            );
        }
        thread::sleep(Duration::from_millis(50));
    }
    Err("it never ends".to_owned())
}

pub(crate) fn buckets_keep_versions(it: &StandIn) -> Asked {
    let text = "Resources:
  Pictures:
    Type: AWS::S3::Bucket
    Properties: { BucketName: battery-s1, VersioningConfiguration: { Status: Enabled } }
";
    made(it, "s1", text, &[])?;
    let told = it.get("battery-s1?versioning");
    want(told.contains("Enabled"), told.clone())
}

pub(crate) fn versions_are_listed_and_brought_back(it: &StandIn) -> Asked {
    let do_it = |method: &str, place: &str, body: &str| it.s3(method, place, &[], body).1;
    do_it("PUT", "battery-s2", "");
    let on = "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>Enabled</Status></VersioningConfiguration>";
    do_it("PUT", "battery-s2?versioning=", on);
    for (key, text) in [("a", "one"), ("a", "two"), ("b", "one")] {
        do_it("PUT", &format!("battery-s2/{key}"), text);
    }
    do_it("DELETE", "battery-s2/b", "");
    let told = do_it("GET", "battery-s2?versions=", "");
    let counted = ["VersionId", "LastModified", "IsLatest", "DeleteMarker"];
    let counted = counted.map(|element| all(&told, element).len());
    want(counted == [4, 4, 4, 1], told.clone())?;
    let first = all(&told, "Version").into_iter().find(|version| {
        within(version, "Key") == Some("a") && within(version, "IsLatest") == Some("false")
    });
    let id = first.and_then(|version| within(version, "VersionId"));
    let page = do_it("GET", "battery-s2?versions=&max-keys=1", "");
    let more = within(&page, "IsTruncated") == Some("true");
    want(
        more && within(&page, "NextKeyMarker").is_some(),
        page.clone(),
    )?;
    let from = format!("/battery-s2/a?versionId={}", id.unwrap_or_default());
    let (status, said) = it.s3("PUT", "battery-s2/a", &[("x-amz-copy-source", &from)], "");
    want(status == 200, said)?;
    let now = do_it("GET", "battery-s2/a", "");
    want(now == "one", now.clone())
}
