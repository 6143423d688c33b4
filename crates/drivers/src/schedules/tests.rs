use std::os::unix::fs::symlink;

use super::*;

const ABOUT: fn() -> About<'static> = || About {
    directories: vec!["/srv/lorawan", "/var/lib/postgresql/15/main"],
    names: vec!["lorawan", "lorawan-postgres-1"],
    in_containers: true,
};

fn host(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("temporary directory");
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().expect("inside")).expect("directory");
        fs::write(path, text).expect("written");
    }
    root
}

fn told(files: &[(&str, &str)]) -> Vec<String> {
    look(host(files).path(), &ABOUT())
        .into_iter()
        .map(|found| format!("{} {} {}", found.place, found.does, found.when))
        .collect()
}

#[test]
fn commands_that_work_on_the_deployment_are_told_by_place_and_time() {
    for (command, expected) in [
        (
            "docker exec lorawan-postgres-1 pg_dump -U root ttn | gzip > /backup/ttn.gz",
            Some("works on `lorawan-postgres-1` with `pg_dump`"),
        ),
        (
            "cd /srv/lorawan && docker compose restart stack",
            Some("works on `/srv/lorawan` with `docker`"),
        ),
        (
            "rsync -a /srv/lorawan/ /backup/",
            Some("works on `/srv/lorawan` with `rsync`"),
        ),
        (
            "docker-compose -p lorawan pull",
            Some("works on `lorawan` with `docker-compose`"),
        ),
        (
            "docker system prune -af",
            Some(
                "removes what Docker does not use at that moment, images of the way back included,",
            ),
        ),
        (
            "tar -C /var/lib/postgresql/15/main -cf /b.tar .",
            Some("works on `/var/lib/postgresql/15/main` with `tar`"),
        ),
        // Another deployment, another container, an ordinary word, nothing at all.
        ("cd /srv/lorawan-test && docker compose pull", None),
        ("docker exec old-lorawan-postgres-1 true", None),
        ("echo lorawan", None),
        ("docker container prune -f", None),
        ("apt-get update", None),
    ] {
        let text =
            format!("MAILTO=root\n# 0 1 * * * root {command}\n30 2 * * 1-5 root {command}\n");
        let expected: Vec<String> = expected
            .into_iter()
            .map(|does| format!("`/etc/cron.d/job:3` {does} (at `30 2 * * 1-5`)"))
            .collect();
        assert_eq!(told(&[("etc/cron.d/job", &text)]), expected, "{command}");
    }
}

#[test]
fn every_kind_of_table_is_read_and_scripts_are_looked_into() {
    let script =
        "#!/bin/sh\n# not docker\nPGPASSWORD=hunter2 docker exec lorawan-postgres-1 pg_dump\n";
    let found = told(&[
        ("root/backup.sh", script),
        (
            "etc/crontab",
            "SHELL=/bin/sh\n@daily root /root/backup.sh --all\n",
        ),
        (
            "var/spool/cron/crontabs/root",
            "0 4 * * * sh /root/backup.sh >/dev/null 2>&1\n",
        ),
        ("etc/cron.weekly/lorawan", script),
        (
            "etc/cron.daily/logrotate",
            "#!/bin/sh\nlogrotate /etc/logrotate.conf\n",
        ),
    ]);
    let does = "works on `lorawan-postgres-1` with `pg_dump`";
    assert_eq!(
        found,
        [
            format!("`/etc/cron.weekly/lorawan` {does} every week"),
            format!("`/etc/crontab:2` {does} (at `@daily`)"),
            format!("`/var/spool/cron/crontabs/root:1` {does} (at `0 4 * * *`)"),
        ]
    );
    assert!(!format!("{found:?}").contains("hunter2"));
}

#[test]
fn timers_count_only_where_they_are_switched_on() {
    let timer = "[Timer]\nOnCalendar=*-*-* 03:00:00\n";
    let service = "[Service]\nWorkingDirectory=/srv/lorawan\nExecStart=docker compose pull\n";
    let units = [
        ("etc/systemd/system/pull.timer", timer),
        ("etc/systemd/system/pull.service", service),
        (
            "lib/systemd/system/other.timer",
            "[Timer]\nUnit=pull.service\nOnBootSec=1h\n",
        ),
    ];
    assert_eq!(told(&units), Vec::<String>::new());
    let root = host(&units);
    let wants = root.path().join("etc/systemd/system/timers.target.wants");
    fs::create_dir_all(&wants).expect("directory");
    for name in ["pull.timer", "other.timer"] {
        symlink("/anywhere", wants.join(name)).expect("link");
    }
    let found = look(root.path(), &ABOUT());
    let lines: Vec<String> = found
        .iter()
        .map(|found| format!("{} {} {}", found.place, found.does, found.when))
        .collect();
    let does = "works on `/srv/lorawan` with `docker`";
    assert_eq!(
        lines,
        [
            format!("timer `other.timer` {does} (at `1h`)"),
            format!("timer `pull.timer` {does} (at `*-*-* 03:00:00`)"),
        ]
    );
}

#[test]
fn a_host_without_any_is_silent() {
    assert_eq!(told(&[]), Vec::<String>::new());
    // Neither text nor small enough to be a script.
    let root = host(&[("etc/cron.d/job", "0 1 * * * root /usr/bin/tool\n")]);
    let tool = root.path().join("usr/bin/tool");
    fs::create_dir_all(tool.parent().expect("inside")).expect("directory");
    fs::write(&tool, [0xff, 0xfe, 0x00]).expect("written");
    assert_eq!(look(root.path(), &ABOUT()), []);
}
