//! Questions to a stand-in and what it says, as text. Nothing of the product's own code is in between.

use std::thread;
use std::time::{Duration, Instant};

use switchback_testkit::aws::StandIn;

/// How AWS does it, or what was different.
pub(crate) type Asked = Result<(), String>;

/// A stand-in takes a moment at most.
const PATIENCE: Duration = Duration::from_secs(20);

/// Says what was different, where something was.
pub(crate) fn want(holds: bool, otherwise: impl Into<String>) -> Asked {
    match holds {
        true => Ok(()),
        false => Err(otherwise.into()),
    }
}

/// What is in the first element of this name.
pub(crate) fn within<'t>(text: &'t str, element: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(&format!("<{element}>"))?;
    rest.split_once(&format!("</{element}>")).map(|(it, _)| it)
}

/// What is in every element of this name.
pub(crate) fn all<'t>(text: &'t str, element: &str) -> Vec<&'t str> {
    let parts = text
        .split(&format!("<{element}>"))
        .skip(1)
        .collect::<Vec<_>>();
    let end = format!("</{element}>");
    let inner = parts.into_iter().filter_map(|part| part.split(&end).next());
    inner.collect()
}

/// The part of an answer that speaks of one thing: the member in which an element has this value.
pub(crate) fn member<'t>(text: &'t str, element: &str, value: &str) -> Option<&'t str> {
    let marked = format!("<{element}>{value}</{element}>");
    all(text, "member")
        .into_iter()
        .find(|it| it.contains(&marked))
}

/// An answer that AWS gives, or the refusal of the stand-in.
pub(crate) fn given(
    stand_in: &StandIn,
    service: &str,
    action: &str,
    form: &[(&str, &str)],
) -> Result<String, String> {
    let (status, text) = stand_in.ask(service, action, form);
    match status {
        200 => Ok(text),
        _ => Err(format!("{action}: {status} {text}")),
    }
}

/// That the stand-in refuses it, with this in its words.
pub(crate) fn refused(
    stand_in: &StandIn,
    service: &str,
    action: &str,
    form: &[(&str, &str)],
    words: &str,
) -> Asked {
    let (status, text) = stand_in.ask(service, action, form);
    want(
        (400..500).contains(&status) && text.contains(words),
        format!("{action} is answered with {status}: {text}"),
    )
}

pub(crate) fn formation(
    stand_in: &StandIn,
    action: &str,
    form: &[(&str, &str)],
) -> Result<String, String> {
    given(stand_in, "cloudformation", action, form)
}

/// Parameters as CloudFormation takes them; nothing means the value of before.
pub(crate) fn parameters(of: &[(&str, Option<&str>)]) -> Vec<(String, String)> {
    let numbered = of.iter().zip(1..);
    let pairs = numbered.flat_map(|((key, value), number)| {
        let member = |field: &str| format!("Parameters.member.{number}.{field}");
        let said = match value {
            Some(value) => (member("ParameterValue"), (*value).to_owned()),
            None => (member("UsePreviousValue"), "true".to_owned()),
        };
        [(member("ParameterKey"), (*key).to_owned()), said]
    });
    pairs.collect()
}

pub(crate) fn borrowed(form: &[(String, String)]) -> Vec<(&str, &str)> {
    form.iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect()
}

/// The status of a stack once nothing changes any more.
pub(crate) fn settled(stand_in: &StandIn, stack: &str) -> Result<String, String> {
    let since = Instant::now();
    loop {
        let text = formation(stand_in, "DescribeStacks", &[("StackName", stack)])?;
        let status = within(&text, "StackStatus").unwrap_or_default().to_owned();
        if !status.ends_with("_IN_PROGRESS") || since.elapsed() > PATIENCE {
            return Ok(status);
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Makes a stack of this text.
pub(crate) fn made(stand_in: &StandIn, stack: &str, text: &str, of: &[(&str, &str)]) -> Asked {
    let of: Vec<(&str, Option<&str>)> =
        of.iter().map(|(key, value)| (*key, Some(*value))).collect();
    let said = parameters(&of);
    let mut form = borrowed(&said);
    form.extend([
        ("StackName", stack),
        ("TemplateBody", text),
        ("Capabilities.member.1", "CAPABILITY_NAMED_IAM"),
    ]);
    formation(stand_in, "CreateStack", &form)?;
    let status = settled(stand_in, stack)?;
    want(
        status == "CREATE_COMPLETE",
        format!("`{stack}` is {status}"),
    )
}

/// Types alone that every stand-in makes.
pub(crate) const FIRST: &str = r#"Parameters:
  Name: { Type: String }
  Level: { Type: String, Default: info, AllowedValues: [info, debug] }
  Token: { Type: String, NoEcho: true }
  Kind: { Type: String, Default: String }
Resources:
  Topic:
    Type: AWS::SNS::Topic
    Properties: { TopicName: !Ref Name }
  Setting:
    Type: AWS::SSM::Parameter
    Properties: { Name: !Sub "/${AWS::StackName}/setting", Type: !Ref Kind, Value: !Ref Level }
  Follower:
    Type: AWS::SSM::Parameter
    Properties: { Name: !Sub "/${AWS::StackName}/follower", Type: String, Value: !Ref Topic }
Outputs:
  Topic: { Value: !Ref Topic }
"#;

/// The same with a resource, a parameter and an output more.
pub(crate) fn second() -> String {
    [
        ("Parameters:", "  Extra: { Type: String, Default: more }"),
        ("Resources:", "  Second:\n    Type: AWS::SNS::Topic\n    Properties: { TopicName: !Sub \"${AWS::StackName}-second\" }"),
        ("Outputs:", "  Second: { Value: !Ref Second }"),
    ]
    .iter()
    .fold(FIRST.to_owned(), |text, (section, more)| {
        text.replace(&format!("{section}\n"), &format!("{section}\n{more}\n"))
    })
}

/// The same with one resource less.
pub(crate) fn less() -> String {
    let (before, rest) = FIRST.split_once("  Follower:\n").unwrap_or((FIRST, ""));
    let (_, after) = rest.split_once("Outputs:\n").unwrap_or_default();
    format!("{before}Outputs:\n{after}")
}

pub(crate) fn mechanism(stand_in: &StandIn, stack: &str) -> Asked {
    made(
        stand_in,
        stack,
        FIRST,
        &[("Name", stack), ("Token", "hidden")],
    )
}

/// What the mechanism's parameters are given: its values of before but for one.
pub(crate) fn but<'v>(key: &'v str, value: &'v str) -> Vec<(&'v str, Option<&'v str>)> {
    let keys = ["Name", "Level", "Token", "Kind"].into_iter();
    keys.map(|known| (known, (known == key).then_some(value)))
        .collect()
}

/// A change set as it is described once it is computed.
pub(crate) fn change_set(
    stand_in: &StandIn,
    stack: &str,
    name: &str,
    text: &str,
    of: &[(&str, Option<&str>)],
) -> Result<String, String> {
    let said = parameters(of);
    let mut form = borrowed(&said);
    form.extend([
        ("StackName", stack),
        ("ChangeSetName", name),
        ("ChangeSetType", "UPDATE"),
        ("Capabilities.member.1", "CAPABILITY_NAMED_IAM"),
        match text.starts_with("http") {
            true => ("TemplateURL", text),
            false => ("TemplateBody", text),
        },
    ]);
    formation(stand_in, "CreateChangeSet", &form)?;
    let since = Instant::now();
    loop {
        let of = [("StackName", stack), ("ChangeSetName", name)];
        let told = formation(stand_in, "DescribeChangeSet", &of)?;
        let status = within(&told, "Status").unwrap_or_default();
        if !status.starts_with("CREATE_PENDING") && !status.ends_with("IN_PROGRESS")
            || since.elapsed() > PATIENCE
        {
            return Ok(told);
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Executes a change set under a token, and says what came of the stack.
pub(crate) fn executed(stand_in: &StandIn, stack: &str, name: &str) -> Result<String, String> {
    let form = [
        ("StackName", stack),
        ("ChangeSetName", name),
        ("ClientRequestToken", "token-of-the-battery"),
    ];
    formation(stand_in, "ExecuteChangeSet", &form)?;
    settled(stand_in, stack)
}
