use super::*;

fn parse(text: &str) -> Template {
    match Template::parse("t.yml", text) {
        Ok(template) => template,
        Err(faults) => panic!("{}", faults[0]),
    }
}

fn first_fault(text: &str) -> String {
    match Template::parse("t.yml", text) {
        Ok(template) => panic!("{template:?}"),
        Err(faults) => faults[0].to_string(),
    }
}

const YAML: &str = r#"
AWSTemplateFormatVersion: "2010-09-09"
Description: one of everything
Parameters:
  Purpose: {Type: String, Default: general, AllowedValues: [general, cache]}
  Password: {Type: String, NoEcho: true, MinLength: 8}
  Count: {Type: Number, Default: 2, MinValue: 1}
  Empty: {Type: String, Default: ""}
Mappings:
  Images: {us-east-1: {AMI: ami-1}}
Conditions:
  Cache: !Equals [!Ref Purpose, cache]
  NotCache: {"Fn::Not": [{Condition: Cache}]}
Resources:
  Volume:
    Type: AWS::EC2::Volume
    DeletionPolicy: Snapshot
    UpdateReplacePolicy: Retain
    Condition: NotCache
    Properties:
      Size: 20
      AvailabilityZone: !Select [0, !GetAZs ""]
  Instance:
    Type: AWS::EC2::Instance
    DependsOn: Volume
    Properties:
      ImageId: !FindInMap [Images, !Ref "AWS::Region", AMI]
      UserData: {"Fn::Base64": !Sub "disk ${Volume} ${!Literal} ${Volume.Arn}"}
      Tags: [{Key: Name, Value: !If [Cache, a, !Ref "AWS::NoValue"]}]
Outputs:
  Id: {Value: !GetAtt Instance.PrivateIp, Export: {Name: !Sub "${Purpose}-ip"}}
"#;

#[test]
fn short_and_long_forms_and_json_are_one() {
    let json = r#"{
      "Parameters": {"Purpose": {"Type": "String", "Default": "general", "AllowedValues": ["general", "cache"]}},
      "Mappings": {"Images": {"us-east-1": {"AMI": "ami-1"}}},
      "Conditions": {"Cache": {"Fn::Equals": [{"Ref": "Purpose"}, "cache"]}},
      "Resources": {
        "Instance": {"Type": "AWS::EC2::Instance", "Properties": {
          "ImageId": {"Fn::FindInMap": ["Images", {"Ref": "AWS::Region"}, "AMI"]},
          "Tags": [{"Key": "Name", "Value": {"Fn::If": ["Cache", "a", {"Ref": "AWS::NoValue"}]}}],
          "Monitoring": true, "Size": 20}}},
      "Outputs": {"Id": {"Value": {"Fn::GetAtt": ["Instance", "PrivateIp"]}, "Export": {"Name": {"Fn::Sub": "${Purpose}-ip"}}}}
    }"#;
    let (yaml, json) = (parse(YAML), parse(json));
    let of =
        |template: &Template, name: &str| template.resources["Instance"].properties[name].clone();
    for name in ["ImageId", "Tags"] {
        assert_eq!(of(&yaml, name), of(&json, name), "{name}");
    }
    assert_eq!(of(&json, "Monitoring"), "true".into());
    assert_eq!(of(&json, "Size"), "20".into());
    assert_eq!(yaml.conditions["Cache"], json.conditions["Cache"]);
    assert_eq!(yaml.mappings, json.mappings);
    assert_eq!(
        yaml.parameters["Purpose"].allowed,
        json.parameters["Purpose"].allowed
    );
    assert_eq!(yaml.outputs["Id"].value, json.outputs["Id"].value);
    assert_eq!(yaml.outputs["Id"].export, json.outputs["Id"].export);
}

#[test]
fn everything_that_is_said_of_a_parameter_and_a_resource_is_kept() {
    let template = parse(YAML);
    let password = &template.parameters["Password"];
    assert!(password.no_echo && password.default.is_none());
    assert_eq!(password.length, (Some(8), None));
    assert_eq!(template.parameters["Count"].default.as_deref(), Some("2"));
    assert_eq!(template.parameters["Count"].range, (Some(1.0), None));
    assert_eq!(template.parameters["Empty"].default.as_deref(), Some(""));
    assert_eq!(template.parameters["Purpose"].line, 5);
    let volume = &template.resources["Volume"];
    assert_eq!(volume.deletion_policy.as_deref(), Some("Snapshot"));
    assert_eq!(volume.replace_policy.as_deref(), Some("Retain"));
    assert_eq!(volume.condition.as_deref(), Some("NotCache"));
    assert_eq!(template.resources["Instance"].depends_on, ["Volume"]);
    assert_eq!(
        template.conditions["NotCache"],
        Expression::call(
            "Fn::Not",
            Expression::List(vec![Expression::call("Condition", "Cache".into())])
        )
    );
}

#[test]
fn a_condition_of_a_policy_is_no_function() {
    let template = parse(
        "Resources:\n  Role:\n    Type: AWS::IAM::Role\n    Properties:\n      Policy: {Condition: {Bool: {x: true}}}\n",
    );
    let policy = &template.resources["Role"].properties["Policy"];
    assert!(
        policy
            .map()
            .is_some_and(|map| map.contains_key("Condition"))
    );
}

#[test]
fn a_digest_does_not_depend_on_how_lines_end() {
    assert_eq!(body_digest("a\r\nb\r\n"), body_digest("a\nb"));
    assert_ne!(body_digest("a\n b"), body_digest("a\nb"));
}

#[test]
fn faults_are_told_with_line_and_column() {
    let faults = [
        "",
        "Resources: [\n",
        "- a\n",
        "Parameters: {A: {Type: String}}\n",
        "Resources:\n  A: {Type: T}\n  A: {Type: T}\n",
        "Resources:\n  A: {Properties: {}}\n",
        "Resources:\n  A:\n    Type: T\n    Properties:\n      B: !Reff C\n",
        "Resources:\n  A:\n    Type: T\n    Properties:\n      B: !Ref C\n",
        "Resources:\n  A:\n    Type: T\n    Properties:\n      B: !Sub \"x ${C.Arn}\"\n",
        "Resources:\n  A:\n    Type: T\n    Condition: C\n",
        "Resources:\n  A:\n    Type: T\n    Properties:\n      B: !FindInMap [M, a, b]\n",
        "Resources:\n  A:\n    Type: T\n    Properties:\n      B: !GetAtt A\n",
        "Resources:\n  A:\n    Type: T\n    Properties:\n      B:\n",
        "Resources:\n  A: &a {Type: T}\n  B: *a\n",
        "Parameters:\n  P: {Default: a}\nResources:\n  A: {Type: T}\n",
        "Resources:\n  A: {Type: T}\nOutputs:\n  O: {Description: none}\n",
    ];
    let told: Vec<String> = faults.iter().map(|text| first_fault(text)).collect();
    let expected = include_str!("faults.txt");
    assert_eq!(
        told.join("\n\n"),
        expected.trim_end(),
        "{}",
        told.join("\n\n")
    );
}

#[test]
fn a_template_that_is_nested_without_end_is_refused() {
    let text = format!("Resources: {}", "{a: ".repeat(500));
    let fault = first_fault(&text);
    assert!(fault.contains("template-"), "{fault}");
}

#[test]
fn what_a_macro_may_bring_is_not_missed() {
    let text = "Transform: AWS::Serverless-2016-10-31\nResources:\n  A: {Type: T, Properties: {B: !Ref C}}\n";
    assert_eq!(parse(text).transforms, ["AWS::Serverless-2016-10-31"]);
}
