//! The template of the one stack that a rehearsal makes: copies of databases, and a task that reaches nothing else.
//!
//! ```text
//! Tasks ── port ──► Databases (+ Marked)        no other group lets Tasks in, and Tasks lets nothing out
//!   └───── 443 ───► images, logs, secrets       but to Marked and to 443
//! ```

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use switchback_model::stack::{
    ContainerDefinition, Database, Served, StoreKind, TaskDefinition, TaskPlace,
};

use super::environment::{Environment, Part};

/// The parameter that names the image of the task.
pub(super) const IMAGE: &str = "Image";
/// The task definition.
pub(super) const TASK: &str = "TaskDefinition";

/// What the template is made from.
pub(super) struct Drawing<'a> {
    pub(super) stack: &'a str,
    pub(super) place: &'a TaskPlace,
    /// The output that says where tasks run.
    pub(super) output: &'a str,
    pub(super) definition: &'a TaskDefinition,
    pub(super) container: &'a ContainerDefinition,
    pub(super) databases: &'a [&'a Served],
    pub(super) environment: &'a Environment,
    /// True for variables whose values nobody may read.
    pub(super) is_secret: &'a dyn Fn(&str) -> bool,
}

/// The template's text, with what its parameters are for.
pub(super) struct Drawn {
    pub(super) text: String,
    /// Values that are handed over masked, by parameter.
    pub(super) secrets: BTreeMap<String, String>,
    /// Every resource with its type.
    pub(super) resources: Vec<(String, String)>,
}

/// The parameter that names the snapshot of the database at a place.
pub(super) fn snapshot(place: usize) -> String {
    format!("Snapshot{}", place + 1)
}

/// The copy of the database at a place.
fn copy(place: usize) -> String {
    format!("Database{}", place + 1)
}

pub(super) fn draw(drawing: &Drawing<'_>) -> Drawn {
    let mut parameters = Map::new();
    parameters.insert(IMAGE.to_owned(), json!({ "Type": "String" }));
    let mut resources = groups(drawing);
    let mut last = Vec::new();
    for (place, served) in drawing.databases.iter().enumerate() {
        parameters.insert(snapshot(place), json!({ "Type": "String" }));
        if let Some(database) = &served.database {
            last.push(databases(&mut resources, place, served, database));
        }
    }
    let mut secrets = BTreeMap::new();
    let task = task(drawing, &mut secrets, &last);
    resources.insert(TASK.to_owned(), task);
    for name in secrets.keys() {
        parameters.insert(name.clone(), json!({ "Type": "String", "NoEcho": true }));
    }
    let kinds = resources.iter().map(|(name, resource)| {
        let kind = resource["Type"].as_str().unwrap_or_default();
        (name.clone(), kind.to_owned())
    });
    let kinds = kinds.collect();
    let mut words = vec![json!({ "Ref": TASK }), json!(drawing.place.cluster)];
    words.extend(drawing.place.subnets.iter().map(|subnet| json!(subnet)));
    words.push(group("Tasks"));
    let document = json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Copies that a rehearsal of switchback migrates. Removed with it; else: switchback rehearse --clean",
        "Parameters": parameters,
        "Resources": resources,
        "Outputs": { drawing.output: { "Value": { "Fn::Join": [" ", words] } } },
    });
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    Drawn {
        text,
        secrets,
        resources: kinds,
    }
}

fn group(name: &str) -> Value {
    json!({ "Fn::GetAtt": [name, "GroupId"] })
}

/// Security groups. `Marked` lets nobody in: it is what `Tasks` may speak to, which `Databases` could not be named as
/// without each naming the other.
fn groups(drawing: &Drawing<'_>) -> Map<String, Value> {
    let of = || {
        drawing
            .databases
            .iter()
            .filter_map(|it| it.database.as_ref())
    };
    let network = of().next().map_or("", |it| it.network.as_str());
    let port = |database: &Database, key: &str, other: &str| {
        json!({
            "IpProtocol": "tcp",
            "FromPort": database.port,
            "ToPort": database.port,
            key: group(other),
        })
    };
    let inwards: Vec<Value> = of()
        .map(|it| port(it, "SourceSecurityGroupId", "Tasks"))
        .collect();
    let mut outwards: Vec<Value> = of()
        .map(|it| port(it, "DestinationSecurityGroupId", "Marked"))
        .collect();
    outwards.push(json!({
        "IpProtocol": "tcp",
        "FromPort": 443,
        "ToPort": 443,
        "CidrIp": "0.0.0.0/0",
    }));
    // A group without rules of its own would let everything out.
    let nothing = json!([{
        "IpProtocol": "tcp",
        "FromPort": 443,
        "ToPort": 443,
        "CidrIp": "127.0.0.1/32",
    }]);
    let made = |what: &str, inwards: &Value, outwards: &Value| {
        json!({
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {
                "GroupDescription": format!("{}: {what}", drawing.stack),
                "VpcId": network,
                "SecurityGroupIngress": inwards,
                "SecurityGroupEgress": outwards,
            },
        })
    };
    let mut groups = Map::new();
    groups.insert("Marked".to_owned(), made("copies", &json!([]), &nothing));
    groups.insert(
        "Tasks".to_owned(),
        made("migrations", &json!([]), &json!(outwards)),
    );
    groups.insert(
        "Databases".to_owned(),
        made("databases", &json!(inwards), &nothing),
    );
    groups
}

/// Adds the copy of one database; the resource after which it serves.
fn databases(
    resources: &mut Map<String, Value>,
    place: usize,
    served: &Served,
    database: &Database,
) -> String {
    let name = copy(place);
    let mut properties = json!({
        "Engine": database.engine,
        "Port": database.port,
        "DBSubnetGroupName": database.subnets,
        "DeletionProtection": false,
    });
    let groups = json!([group("Databases"), group("Marked")]);
    let from = json!({ "Ref": snapshot(place) });
    let mut add = |key: &str, value: Value| properties[key] = value;
    let is_cluster = served.store.kind == StoreKind::DatabaseCluster;
    if is_cluster {
        add("EngineVersion", json!(database.version));
        add("SnapshotIdentifier", from);
        add("VpcSecurityGroupIds", groups);
        add("BackupRetentionPeriod", json!(1));
        if let Some(settings) = &database.settings {
            add("DBClusterParameterGroupName", json!(settings));
        }
    } else {
        add("DBSnapshotIdentifier", from);
        add("DBInstanceClass", json!(database.class));
        add("VPCSecurityGroups", groups);
        add("PubliclyAccessible", json!(false));
        add("MultiAZ", json!(false));
        add("BackupRetentionPeriod", json!(0));
        if let Some(settings) = &database.settings {
            add("DBParameterGroupName", json!(settings));
        }
    }
    let kind = match is_cluster {
        true => "AWS::RDS::DBCluster",
        false => "AWS::RDS::DBInstance",
    };
    // Without these, what is removed leaves a snapshot behind.
    let gone = "Delete";
    let made = |kind: &str, properties: &Value| {
        json!({
            "Type": kind,
            "DeletionPolicy": gone,
            "UpdateReplacePolicy": gone,
            "Properties": properties,
        })
    };
    resources.insert(name.clone(), made(kind, &properties));
    if !is_cluster {
        return name;
    }
    let server = format!("Server{}", place + 1);
    let properties = json!({
        "Engine": database.engine,
        "DBClusterIdentifier": { "Ref": name },
        "DBInstanceClass": database.class,
        "DBSubnetGroupName": database.subnets,
        "PubliclyAccessible": false,
    });
    resources.insert(server.clone(), made("AWS::RDS::DBInstance", &properties));
    server
}

fn task(drawing: &Drawing<'_>, secrets: &mut BTreeMap<String, String>, after: &[String]) -> Value {
    let (definition, container) = (drawing.definition, drawing.container);
    let environment: Vec<Value> = drawing
        .environment
        .variables
        .iter()
        .map(|(name, parts)| json!({ "Name": name, "Value": value(drawing, secrets, name, parts) }))
        .collect();
    let mut own = json!({
        "Name": container.name,
        "Image": { "Ref": IMAGE },
        "Essential": true,
        "Environment": environment,
    });
    if !drawing.environment.secrets.is_empty() {
        let secrets = drawing.environment.secrets.iter();
        own["Secrets"] = secrets
            .map(|(name, from)| json!({ "Name": name, "ValueFrom": from }))
            .collect();
    }
    if !container.entry_point.is_empty() {
        own["EntryPoint"] = json!(container.entry_point);
    }
    if let Some(user) = &container.user {
        own["User"] = json!(user);
    }
    if let Some(from) = &container.registry {
        own["RepositoryCredentials"] = json!({ "CredentialsParameter": from });
    }
    if let Some((driver, options)) = &container.log {
        own["LogConfiguration"] = json!({ "LogDriver": driver, "Options": options });
    }
    let mut properties = json!({
        "Family": drawing.stack,
        "NetworkMode": "awsvpc",
        "RequiresCompatibilities": ["FARGATE"],
        "ContainerDefinitions": [own],
    });
    let said = [
        ("Cpu", &definition.cpu),
        ("Memory", &definition.memory),
        ("ExecutionRoleArn", &definition.execution_role),
    ];
    for (key, value) in said {
        if let Some(value) = value {
            properties[key] = json!(value);
        }
    }
    if let Some(architecture) = &definition.architecture {
        properties["RuntimePlatform"] =
            json!({ "CpuArchitecture": architecture, "OperatingSystemFamily": "LINUX" });
    }
    json!({
        "Type": "AWS::ECS::TaskDefinition",
        "DependsOn": after,
        "Properties": properties,
    })
}

/// A variable's value. What nobody may read is handed over masked, and stands in no text.
fn value(
    drawing: &Drawing<'_>,
    secrets: &mut BTreeMap<String, String>,
    name: &str,
    parts: &[Part],
) -> Value {
    let masked = (drawing.is_secret)(name) || parts.len() > 1;
    let mut words = Vec::new();
    for part in parts {
        words.push(match part {
            Part::Address(place) => json!({ "Fn::GetAtt": [copy(*place), "Endpoint.Address"] }),
            Part::Text(text) if masked && !text.is_empty() => {
                let parameter = format!("Masked{}", secrets.len() + 1);
                secrets.insert(parameter.clone(), text.clone());
                json!({ "Ref": parameter })
            }
            Part::Text(text) => json!(text),
        });
    }
    match words.len() {
        1 => words.remove(0),
        _ => json!({ "Fn::Join": ["", words] }),
    }
}
