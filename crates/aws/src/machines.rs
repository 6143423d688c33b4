//! Machines: single ones, and those of Auto Scaling groups, against what the next one will be made from.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_autoscaling::types::{AutoScalingGroup, LaunchTemplateSpecification};
use switchback_model::Digest;
use switchback_model::stack::{Launch, Machine, MachineGroup, Stack};

use crate::account::Account;
use crate::fault::Fault;
use crate::{command, signed, xml};

/// Groups that one question takes.
const GROUPS_AT_ONCE: usize = 50;

/// A machine as EC2 tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) state: String,
    pub(crate) image: Option<String>,
    pub(crate) kind: Option<String>,
    /// Ids of the volumes that are attached to it.
    pub(crate) volumes: Vec<String>,
}

/// Everything of these stacks that is a machine.
pub(crate) fn of_stacks(
    account: &Account,
    stacks: &[Stack],
) -> Result<(Vec<MachineGroup>, Vec<Machine>), Fault> {
    let mut groups = groups(account, stacks)?;
    let mut machines: Vec<Machine> = of_kind(stacks, "AWS::EC2::Instance")
        .map(|(stack, logical, id)| Machine {
            stack: stack.to_owned(),
            logical: logical.to_owned(),
            id: id.to_owned(),
            state: String::new(),
            launch: Launch::default(),
            managed: None,
        })
        .collect();
    let ids: Vec<String> = groups
        .iter()
        .flat_map(|group| &group.machines)
        .chain(&machines)
        .map(|machine| machine.id.clone())
        .collect();
    if ids.is_empty() {
        return Ok((groups, machines));
    }
    let seen = look(account, &ids)?;
    // Whether commands reach them is told where Systems Manager may be asked; it is needed for migrations alone.
    let managed = command::reached(account, &ids).ok();
    for machine in groups
        .iter_mut()
        .flat_map(|group| &mut group.machines)
        .chain(&mut machines)
    {
        let now = seen.get(&machine.id).cloned().unwrap_or_default();
        machine.state = now.state;
        machine.launch.image = now.image.or(machine.launch.image.take());
        machine.launch.kind = now.kind.or(machine.launch.kind.take());
        machine.managed = managed.as_ref().map(|ids| ids.contains(&machine.id));
    }
    Ok((groups, machines))
}

/// Machines by id. Ones that are gone for a while are not told any more.
pub(crate) fn look(account: &Account, ids: &[String]) -> Result<BTreeMap<String, Seen>, Fault> {
    const ACTION: &str = "ec2:DescribeInstances";
    let answer = signed::ec2_by_ids(account, "DescribeInstances", "instance-id", ids)?;
    let document = xml::parse(ACTION, &answer)?;
    let mut seen = BTreeMap::new();
    for item in xml::items(document.root_element(), "instancesSet") {
        let text = |path: &[&str]| xml::text(item, path).map(str::to_owned);
        let volumes = xml::items(item, "blockDeviceMapping")
            .filter_map(|device| xml::text(device, &["ebs", "volumeId"]))
            .map(str::to_owned)
            .collect();
        let machine = Seen {
            state: text(&["instanceState", "name"]).unwrap_or_default(),
            image: text(&["imageId"]),
            kind: text(&["instanceType"]),
            volumes,
        };
        seen.insert(text(&["instanceId"]).unwrap_or_default(), machine);
    }
    Ok(seen)
}

/// What EC2's own look at a machine says: both words, e.g. `ok`, `initializing`; nothing where it does not run.
pub(crate) fn checks(account: &Account, id: &str) -> Result<Option<(String, String)>, Fault> {
    const ACTION: &str = "ec2:DescribeInstanceStatus";
    let answer = signed::ec2(account, "DescribeInstanceStatus", &[("InstanceId.1", id)])?;
    let document = xml::parse(ACTION, &answer)?;
    let found = xml::items(document.root_element(), "instanceStatusSet").next();
    Ok(found.map(|item| {
        let word = |name: &str| {
            xml::text(item, &[name, "status"])
                .unwrap_or("unknown")
                .to_owned()
        };
        (word("systemStatus"), word("instanceStatus"))
    }))
}

/// Asks for the end of a machine. One that is gone is fine.
pub(crate) fn terminate(account: &Account, id: &str) -> Result<(), Fault> {
    match signed::ec2(account, "TerminateInstances", &[("InstanceId.1", id)]) {
        Err(fault) if fault.is("InvalidInstanceID.NotFound") => Ok(()),
        asked => asked.map(drop),
    }
}

/// Volumes of these that are attached to something.
pub(crate) fn attached(account: &Account, volumes: &[String]) -> Result<Vec<String>, Fault> {
    const ACTION: &str = "ec2:DescribeVolumes";
    if volumes.is_empty() {
        return Ok(Vec::new());
    }
    let answer = signed::ec2_by_ids(account, "DescribeVolumes", "volume-id", volumes)?;
    let document = xml::parse(ACTION, &answer)?;
    Ok(xml::items(document.root_element(), "volumeSet")
        .filter(|item| xml::text(*item, &["status"]) == Some("in-use"))
        .filter_map(|item| xml::text(item, &["volumeId"]))
        .map(str::to_owned)
        .collect())
}

/// The groups of these stacks, without what EC2 tells of their machines.
pub(crate) fn groups(account: &Account, stacks: &[Stack]) -> Result<Vec<MachineGroup>, Fault> {
    let wanted: Vec<(&str, &str, &str)> =
        of_kind(stacks, "AWS::AutoScaling::AutoScalingGroup").collect();
    let mut groups = Vec::new();
    for some in wanted.chunks(GROUPS_AT_ONCE) {
        let names = some.iter().map(|(_, _, name)| (*name).to_owned()).collect();
        let request = account
            .autoscaling
            .describe_auto_scaling_groups()
            .set_auto_scaling_group_names(Some(names));
        let answer = account
            .wait(request.send())
            .map_err(|error| Fault::of("autoscaling:DescribeAutoScalingGroups", error))?;
        for told in answer.auto_scaling_groups() {
            let name = told.auto_scaling_group_name().unwrap_or_default();
            if let Some((stack, logical, _)) = some.iter().find(|(_, _, asked)| *asked == name) {
                groups.push(group(told, stack, logical));
            }
        }
    }
    describe_launches(account, &mut groups)?;
    Ok(groups)
}

fn group(told: &AutoScalingGroup, stack: &str, logical: &str) -> MachineGroup {
    let machines = told.instances().iter().map(|instance| Machine {
        stack: stack.to_owned(),
        logical: logical.to_owned(),
        id: instance.instance_id().unwrap_or_default().to_owned(),
        state: instance
            .lifecycle_state()
            .map(|state| state.as_str().to_owned())
            .unwrap_or_default(),
        launch: Launch {
            source: source(
                instance.launch_configuration_name(),
                instance.launch_template(),
            ),
            kind: instance.instance_type().map(str::to_owned),
            ..Launch::default()
        },
        managed: None,
    });
    let mixed = told
        .mixed_instances_policy()
        .and_then(|policy| policy.launch_template())
        .and_then(|template| template.launch_template_specification());
    MachineGroup {
        stack: stack.to_owned(),
        logical: logical.to_owned(),
        name: told
            .auto_scaling_group_name()
            .unwrap_or_default()
            .to_owned(),
        launch: Launch {
            source: source(
                told.launch_configuration_name(),
                told.launch_template().or(mixed),
            ),
            ..Launch::default()
        },
        machines: machines.collect(),
    }
}

fn source(
    configuration: Option<&str>,
    template: Option<&LaunchTemplateSpecification>,
) -> Option<String> {
    let template = template.and_then(|template| {
        let id = template.launch_template_id()?;
        Some(format!("{id}:{}", template.version().unwrap_or("$Default")))
    });
    configuration
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .or(template)
}

/// Says for every launch in use what it makes: one question per launch template, and one for all configurations.
fn describe_launches(account: &Account, groups: &mut [MachineGroup]) -> Result<(), Fault> {
    let sources: BTreeSet<String> = groups
        .iter()
        .flat_map(|group| {
            let own = group.launch.source.iter();
            own.chain(
                group
                    .machines
                    .iter()
                    .flat_map(|machine| &machine.launch.source),
            )
        })
        .cloned()
        .collect();
    let mut known = BTreeMap::new();
    let configurations: Vec<String> = sources
        .iter()
        .filter(|source| !source.starts_with("lt-"))
        .cloned()
        .collect();
    if !configurations.is_empty() {
        let request = account
            .autoscaling
            .describe_launch_configurations()
            .set_launch_configuration_names(Some(configurations));
        let answer = account
            .wait(request.send())
            .map_err(|error| Fault::of("autoscaling:DescribeLaunchConfigurations", error))?;
        for told in answer.launch_configurations() {
            let name = told.launch_configuration_name().unwrap_or_default();
            let launch = Launch {
                source: Some(name.to_owned()),
                image: told.image_id().map(str::to_owned),
                user_data: told.user_data().map(Digest::of),
                kind: told.instance_type().map(str::to_owned),
            };
            known.insert(name.to_owned(), launch);
        }
    }
    for source in sources.iter().filter(|source| source.starts_with("lt-")) {
        if let Some(launch) = launch_template(account, source)? {
            known.insert(source.clone(), launch);
        }
    }
    for group in groups {
        let machines = group.machines.iter_mut().map(|machine| &mut machine.launch);
        for launch in machines.chain([&mut group.launch]) {
            if let Some(full) = launch.source.as_ref().and_then(|source| known.get(source)) {
                *launch = full.clone();
            }
        }
    }
    Ok(())
}

/// What `lt-…:version` makes; `$Latest` and `$Default` become the version that they stand for.
fn launch_template(account: &Account, source: &str) -> Result<Option<Launch>, Fault> {
    const ACTION: &str = "ec2:DescribeLaunchTemplateVersions";
    let Some((id, version)) = source.split_once(':') else {
        return Ok(None);
    };
    let answer = signed::ec2(
        account,
        "DescribeLaunchTemplateVersions",
        &[
            ("LaunchTemplateId", id),
            ("LaunchTemplateVersion.1", version),
        ],
    )?;
    let document = xml::parse(ACTION, &answer)?;
    let found = xml::items(document.root_element(), "launchTemplateVersionSet").next();
    Ok(found.map(|item| {
        let text = |path: &[&str]| xml::text(item, path).map(str::to_owned);
        let number = text(&["versionNumber"]).unwrap_or_else(|| version.to_owned());
        Launch {
            source: Some(format!("{id}:{number}")),
            image: text(&["launchTemplateData", "imageId"]),
            user_data: text(&["launchTemplateData", "userData"]).map(Digest::of),
            kind: text(&["launchTemplateData", "instanceType"]),
        }
    }))
}

fn of_kind<'a>(
    stacks: &'a [Stack],
    kind: &'a str,
) -> impl Iterator<Item = (&'a str, &'a str, &'a str)> {
    stacks.iter().flat_map(move |stack| {
        stack
            .resources
            .iter()
            .filter(move |resource| resource.kind == kind)
            .filter_map(|resource| {
                let physical = resource.physical.as_deref()?;
                Some((stack.name.as_str(), resource.logical.as_str(), physical))
            })
    })
}
