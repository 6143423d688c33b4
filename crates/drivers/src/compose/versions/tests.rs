//! Odd files. `«3.23.2»` marks the text that an edit to 3.32.1 may change; every other byte must stay.

mod cases;

use std::path::PathBuf;

use switchback_model::observed::Deployment;

use self::cases::{CASES, Case, STACK};
use super::*;

fn exact(tag: &str) -> Option<usize> {
    let version = tag.split('-').next().unwrap_or(tag);
    let numbers = version.split('.').count() == 3
        && version.split('.').all(|part| part.parse::<u32>().is_ok());
    numbers.then_some(version.len())
}

/// Writes the files without their marks and finds the places.
fn find_in(directory: &Path, case: &Case) -> (Files, Places) {
    for (name, text) in case.files {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().expect("inside")).expect("directory");
        fs::write(path, text.replace(['«', '»'], "")).expect("written");
    }
    let order = if case.order.is_empty() {
        &["c.yml"]
    } else {
        case.order
    };
    let compose: Vec<PathBuf> = order.iter().map(|name| directory.join(name)).collect();
    let environment = case
        .environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let files = Files::read(&compose, &[directory.join(".env")], &environment).expect("readable");
    let names: Vec<ServiceName> = case
        .services
        .iter()
        .map(|(name, _)| ServiceName::new(*name))
        .collect();
    let named: Vec<Named<'_>> = names
        .iter()
        .zip(case.services)
        .map(|(service, (_, image))| Named {
            service,
            image,
            versioned: image.contains("lorawan-stack"),
            labelled: None,
        })
        .collect();
    let places = find(&files, &named, &exact).expect("found");
    (files, places)
}

fn observed(places: Vec<VersionPlace>) -> Observed {
    Observed {
        deployment: Deployment {
            name: "t".to_owned(),
            directory: "/".to_owned(),
            driver: "compose".to_owned(),
            project: "t".to_owned(),
        },
        version: Version::new("3.23.2"),
        services: Vec::new(),
        files: Vec::new(),
        version_places: places,
        datastores: Vec::new(),
        filesystems: Vec::new(),
        probes: BTreeMap::new(),
        problems: Vec::new(),
    }
}

fn language(path: &Path) -> Language {
    if path.extension().is_some_and(|extension| extension == "yml") {
        Language::Yaml
    } else {
        Language::Dotenv
    }
}

/// Applies a list of edits the way a run does: one after the other.
fn apply(edits: &[FileEdit]) {
    for edit in edits {
        let mut text = fs::read_to_string(&edit.path).expect("readable");
        assert_eq!(switchback_model::Digest::of(&text), edit.before);
        text.replace_range(edit.offset..edit.offset + edit.old.len(), &edit.new);
        assert_eq!(switchback_model::Digest::of(&text), edit.after);
        fs::write(&edit.path, text).expect("written");
    }
}

#[test]
fn edits_change_the_marked_text_and_no_other_byte() {
    for case in CASES {
        let directory = tempfile::tempdir().expect("temporary directory");
        let (_, places) = find_in(directory.path(), case);
        assert_eq!(places.problems, [], "{}", case.name);
        let versions = [Version::new("3.24.10"), Version::new("3.32.1")];
        let (none, lists) =
            edits(&observed(places.places), &[], &versions, &language).expect(case.name);
        assert_eq!(none, []);
        for (list, version) in lists.iter().zip(&versions) {
            apply(list);
            for (name, text) in case.files {
                let wanted = text.replace("«3.23.2»", version.as_str());
                let found = fs::read_to_string(directory.path().join(name)).expect("readable");
                assert_eq!(found, wanted, "{}, {name}", case.name);
            }
        }
        // What Compose would read from the files is the new version, for every service.
        let services: Vec<(&str, String)> = case
            .services
            .iter()
            .map(|(name, image)| (*name, image.replace("3.23.2", "3.32.1")))
            .collect();
        let order = if case.order.is_empty() {
            &["c.yml"]
        } else {
            case.order
        };
        let compose: Vec<PathBuf> = order
            .iter()
            .map(|name| directory.path().join(name))
            .collect();
        let files = Files::read(&compose, &[directory.path().join(".env")], &BTreeMap::new())
            .expect("readable");
        for (name, image) in services {
            let located = files
                .locate(&ServiceName::new(name))
                .expect("readable")
                .expect(case.name);
            assert_eq!(located.image, image, "{}", case.name);
        }
    }
}

#[test]
fn what_cannot_be_edited_is_refused_by_name() {
    let compose =
        |image: &'static str| -> Vec<(&'static str, &'static str)> { vec![("c.yml", image)] };
    type Files = Vec<(&'static str, &'static str)>;
    let cases: [(&str, Files, &'static str); 7] = [
        (
            "moving-tag",
            compose("services: {stack: {image: 'thethingsnetwork/lorawan-stack:latest'}}\n"),
            "thethingsnetwork/lorawan-stack:latest",
        ),
        (
            "moving-tag",
            compose("services: {stack: {image: 'thethingsnetwork/lorawan-stack:3.x'}}\n"),
            "thethingsnetwork/lorawan-stack:3.x",
        ),
        (
            "moving-tag",
            compose("services: {stack: {image: thethingsnetwork/lorawan-stack}}\n"),
            "thethingsnetwork/lorawan-stack",
        ),
        (
            "digest-pinned",
            compose(
                "services: {stack: {image: 'thethingsnetwork/lorawan-stack:3.23.2@sha256:ff'}}\n",
            ),
            "thethingsnetwork/lorawan-stack:3.23.2@sha256:ff",
        ),
        (
            "version-composed",
            vec![
                (
                    "c.yml",
                    "services: {stack: {image: 'thethingsnetwork/lorawan-stack:3.${MINOR}.2'}}\n",
                ),
                (".env", "MINOR=23\n"),
            ],
            STACK,
        ),
        (
            "version-escaped",
            compose("services: {stack: {image: \"thethingsnetwork\\x2florawan-stack:3.23.2\"}}\n"),
            STACK,
        ),
        (
            "version-not-found",
            compose("services: {stack: {image: 'thethingsnetwork/lorawan-stack:3.0.0'}}\n"),
            STACK,
        ),
    ];
    for (code, files, image) in cases {
        let directory = tempfile::tempdir().expect("temporary directory");
        let case = Case {
            name: code,
            files: files.leak(),
            services: vec![("stack", image)].leak(),
            order: &[],
            environment: &[],
        };
        let (_, places) = find_in(directory.path(), &case);
        let codes: Vec<&str> = places
            .problems
            .iter()
            .map(|problem| problem.code.as_str())
            .collect();
        assert_eq!(codes, [code], "{image}");
    }
}

#[test]
fn a_variable_of_the_environment_wins_and_cannot_be_edited() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let case = Case {
        environment: &[("TTS_VERSION", "3.23.2")],
        ..Case::of(
            "environment",
            &[
                (
                    "c.yml",
                    "services: {stack: {image: 'thethingsnetwork/lorawan-stack:${TTS_VERSION}'}}\n",
                ),
                (".env", "TTS_VERSION=3.0.0\n"),
            ],
        )
    };
    let (_, places) = find_in(directory.path(), &case);
    assert_eq!(places.problems[0].code, "version-from-environment");
    assert_eq!(places.places, []);
}

#[test]
fn a_place_that_decides_another_product_too_is_refused() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let case = Case {
        services: &[("stack", STACK), ("proxy", "nginx:3.23.2")],
        ..Case::of(
            "shared",
            &[
                (
                    "c.yml",
                    "services:\n  stack: {image: 'thethingsnetwork/lorawan-stack:${V}'}\n  proxy: {image: 'nginx:${V}'}\n",
                ),
                (".env", "V=3.23.2\n"),
            ],
        )
    };
    let (_, places) = find_in(directory.path(), &case);
    assert_eq!(places.problems[0].code, "version-shared");
    assert!(places.problems[0].what.contains("nginx:3.23.2"));
}

#[test]
fn extended_and_included_files_count_as_files_of_the_deployment() {
    for (name, wanted) in [
        ("extends another file", 2),
        ("included, with an environment of its own", 2),
    ] {
        let case = CASES.iter().find(|case| case.name == name).expect("case");
        let directory = tempfile::tempdir().expect("temporary directory");
        let (files, _) = find_in(directory.path(), case);
        assert_eq!(files.all().len(), wanted, "{name}");
    }
}
