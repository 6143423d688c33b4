//! What replaces a resource: facts of the provider, type by type, embedded.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use switchback_model::stack::Recreation;

/// Which changes of a resource of one type need another resource.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// Any change does.
    immutable: bool,
    /// Another value of these does.
    always: Vec<&'static str>,
    /// Another value of these may.
    perhaps: Vec<&'static str>,
}

/// Of a disk the sources contradict each other about everything but these: some say that another value is
/// refused, some that it makes another disk.
const HARMLESS_OF_A_VOLUME: [&str; 6] = [
    "AutoEnableIO",
    "Iops",
    "Size",
    "Tags",
    "Throughput",
    "VolumeType",
];

/// The facts about a type; `None` where nothing is known of it.
pub(super) fn facts(kind: &str) -> Option<&'static Facts> {
    static KNOWN: OnceLock<BTreeMap<&'static str, Facts>> = OnceLock::new();
    KNOWN.get_or_init(read).get(kind)
}

/// Whether another value of a property needs another resource. What nothing is known of may.
pub(super) fn recreation(kind: &str, property: &str) -> Recreation {
    if kind == "AWS::EC2::Volume" && !HARMLESS_OF_A_VOLUME.contains(&property) {
        return Recreation::Conditionally;
    }
    let Some(facts) = facts(kind) else {
        return Recreation::Conditionally;
    };
    let names = |paths: &[&str], whole: bool| {
        paths.iter().any(|path| match path.split_once('/') {
            None => *path == property,
            Some((first, _)) => !whole && first == property,
        })
    };
    if facts.immutable || names(&facts.always, true) {
        Recreation::Always
    } else if names(&facts.always, false) || names(&facts.perhaps, false) {
        // Of a nested property it depends on which part of it is another.
        Recreation::Conditionally
    } else {
        Recreation::Never
    }
}

fn read() -> BTreeMap<&'static str, Facts> {
    include_str!("facts/replacement.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut words = line.split(' ');
            let kind = words.next()?;
            let mut facts = Facts::default();
            for word in words {
                match word.split_at_checked(1) {
                    Some(("!", path)) => facts.always.push(path),
                    Some(("?", path)) => facts.perhaps.push(path),
                    Some(("*", _)) => facts.immutable = true,
                    _ => {}
                }
            }
            Some((kind, facts))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_replaces_a_resource_is_known_as_the_sources_say_it() {
        let cases = [
            ("AWS::EC2::Instance", "ImageId", Recreation::Always),
            (
                "AWS::EC2::Instance",
                "InstanceType",
                Recreation::Conditionally,
            ),
            ("AWS::EC2::Instance", "UserData", Recreation::Conditionally),
            ("AWS::EC2::Instance", "Tags", Recreation::Never),
            (
                "AWS::RDS::DBInstance",
                "DBSnapshotIdentifier",
                Recreation::Conditionally,
            ),
            (
                "AWS::RDS::DBCluster",
                "SnapshotIdentifier",
                Recreation::Always,
            ),
            ("AWS::RDS::DBCluster", "EngineVersion", Recreation::Never),
            (
                "AWS::ElastiCache::ReplicationGroup",
                "SnapshotName",
                Recreation::Always,
            ),
            (
                "AWS::ElastiCache::ReplicationGroup",
                "KmsKeyId",
                Recreation::Always,
            ),
            (
                "AWS::ECS::TaskDefinition",
                "ContainerDefinitions",
                Recreation::Always,
            ),
            (
                "AWS::AutoScaling::AutoScalingGroup",
                "LaunchTemplate",
                Recreation::Conditionally,
            ),
            (
                "AWS::AutoScaling::LaunchConfiguration",
                "Anything",
                Recreation::Always,
            ),
            ("AWS::S3::Bucket", "BucketName", Recreation::Always),
        ];
        for (kind, property, expected) in cases {
            assert_eq!(recreation(kind, property), expected, "{kind}.{property}");
        }
    }

    #[test]
    fn of_a_disk_and_of_an_unknown_type_nothing_is_taken_for_granted() {
        assert_eq!(
            recreation("AWS::EC2::Volume", "SnapshotId"),
            Recreation::Conditionally
        );
        assert_eq!(
            recreation("AWS::EC2::Volume", "Encrypted"),
            Recreation::Conditionally
        );
        assert_eq!(recreation("AWS::EC2::Volume", "Size"), Recreation::Never);
        assert_eq!(
            recreation("AWS::New::Thing", "Name"),
            Recreation::Conditionally
        );
    }
}
