//! Images, their tags, and the file where a tag is written.

use switchback_model::event::Completed;

use super::*;

/// The id that a reference stands for on this host.
fn id(reference: &str) -> String {
    let output = Command::new("docker")
        .args(["image", "inspect", "--format", "{{.Id}}", reference])
        .output()
        .expect("inspects");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn a_pinned_image_that_lost_its_tag_is_named_again_and_not_pulled() {
    let Some(lab) = lab() else { return };
    let pin = lab.pin("2.0.0");
    let (tag, kept) = (
        format!("{}:2.0.0", lab.image),
        format!("{}:kept", lab.image),
    );
    run(&["docker", "tag", &tag, &kept], &lab.path());
    let driver = lab.open().driver();
    let stop = StopSignal::default();
    let fetch = || {
        let (fetched, _) = lab.with("r-named", &stop, |cx| driver.fetch(cx, &pin));
        assert_eq!(Some(id(&tag)), pin.id);
        fetched.expect("is here").completed
    };
    let elsewhere = format!("{}:1.0.0", lab.image);
    run(&["docker", "tag", &elsewhere, &tag], &lab.path());
    assert_eq!(fetch(), Completed::Done);
    run(&["docker", "rmi", &tag], &lab.path());
    assert_eq!(fetch(), Completed::Done);
    assert_eq!(fetch(), Completed::AlreadyDone);
    run(&["docker", "rmi", &kept], &lab.path());
}

#[test]
fn a_tag_in_the_env_file_is_edited_there_and_compose_follows_it() {
    let Some(lab) = lab() else { return };
    let env = lab.path().join(".env");
    fs::write(&env, "# ours\nAPP_VERSION=\"1.0.0\" # pinned\nOTHER=1\n").expect("written");
    lab.up();
    let observed = lab.observe();
    assert_eq!(observed.problems, []);
    assert!(observed.version_places[0].path.ends_with("/.env"));
    let compose = fs::read(lab.path().join("docker-compose.yml")).expect("readable");
    let deployment = lab.open();
    let edits = deployment
        .edits(&observed, &[Version::new("2.0.0")])
        .expect("editable")
        .remove(0);
    let driver = deployment.driver();
    let services = [ServiceName::new("app")];
    let images = [(services[0].clone(), lab.pin("2.0.0"))].into();
    let stop = StopSignal::default();
    lab.with("r-env", &stop, |cx| {
        driver.stop(cx, &services).expect("stops");
        driver.set(cx, &edits).expect("sets");
        driver.start(cx, &services, &images).expect("starts");
    });
    assert_eq!(
        fs::read_to_string(&env).expect("readable"),
        "# ours\nAPP_VERSION=\"2.0.0\" # pinned\nOTHER=1\n"
    );
    let untouched = fs::read(lab.path().join("docker-compose.yml")).expect("readable");
    assert_eq!(untouched, compose);
    let observed = lab.observe();
    assert_eq!(
        (observed.version.as_str(), observed.problems),
        ("2.0.0", vec![])
    );
    // And back, by the same edits reversed.
    let back = lab
        .open()
        .edits(&lab.observe(), &[Version::new("1.0.0")])
        .expect("editable")
        .remove(0);
    lab.with("r-env", &stop, |cx| driver.set(cx, &back).expect("sets"));
    let text = fs::read_to_string(&env).expect("readable");
    assert!(text.contains("APP_VERSION=\"1.0.0\" # pinned"), "{text}");
}
