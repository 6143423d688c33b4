//! Packs onto the new instance, which fetches them from our repositories.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use switchback_engine::ports::{Failure, Finding};
use switchback_engine::signal::Urgency;
use switchback_model::rollover::Parcel;

use super::sides::{Sides, of_new};
use crate::git;
use crate::inventory::pack;

/// How often an execution is asked about: it makes a virtual environment, which takes a minute.
const BETWEEN: Duration = Duration::from_millis(300);
/// States in which an execution is not over.
const LIVE: [&str; 9] = [
    "requested",
    "scheduled",
    "delayed",
    "running",
    "pausing",
    "paused",
    "resuming",
    "pending",
    "canceling",
];

pub(super) fn room(sides: &Sides<'_>, parcel: &Parcel) -> Result<Finding, Failure> {
    let there = sides
        .new
        .pack(parcel.name())
        .map_err(|error| of_new(&error))?;
    Ok(match there {
        Some(there) if there.version != parcel.fact("version") => Finding::Differs {
            found: format!("version {}", there.version),
        },
        _ => Finding::Holds,
    })
}

pub(super) fn arrived(sides: &Sides<'_>, parcel: &Parcel) -> Result<Finding, Failure> {
    let there = sides
        .new
        .pack(parcel.name())
        .map_err(|error| of_new(&error))?;
    Ok(match there {
        None => Finding::Differs {
            found: "no such pack".to_owned(),
        },
        Some(there) if there.version != parcel.fact("version") => Finding::Differs {
            found: format!("version {}", there.version),
        },
        Some(_) => installed_commit(sides, parcel)?,
    })
}

/// Where the new instance's files can be seen, the commit is compared as well.
fn installed_commit(sides: &Sides<'_>, parcel: &Parcel) -> Result<Finding, Failure> {
    let Some(root) = &sides.content.into.files else {
        return Ok(Finding::Holds);
    };
    let directory = pack(Path::new(root), parcel.name());
    Ok(match git::checked_out(sides.cx.commands, &directory)? {
        Some(commit) if commit != parcel.fact("commit") => Finding::Differs {
            found: format!("commit {commit}"),
        },
        Some(_) => Finding::Holds,
        None => Finding::Differs {
            found: format!("no repository in `{}`", directory.display()),
        },
    })
}

pub(super) fn bring(sides: &Sides<'_>, parcel: &Parcel) -> Result<String, Failure> {
    let name = parcel.name();
    // One that a process of ours began and did not see the end of: two at once would meet in one directory.
    while let Some(execution) = live_installation(sides, name)? {
        wait(sides, name, &execution)?;
    }
    if arrived(sides, parcel)? == Finding::Holds {
        return Ok(format!("version {}", parcel.fact("version")));
    }
    let address = match &sides.content.repositories {
        Some(base) => format!("{}/{name}.git", base.trim_end_matches('/')),
        None => format!("file://{}", sides.repository(name).display()),
    };
    let wanted = json!({ "packs": [format!("{address}={}", parcel.fact("commit"))] });
    let asked = sides
        .new
        .post("/v1/packs/install", &wanted)
        .map_err(|error| of_new(&error))?;
    let execution = asked["execution_id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    wait(sides, name, &execution)?;
    Ok(format!(
        "version {}, from {address}",
        parcel.fact("version")
    ))
}

/// An installation of this pack that goes on.
fn live_installation(sides: &Sides<'_>, pack: &str) -> Result<Option<String>, Failure> {
    let question = [("action", "packs.install")];
    let found = sides.new.list("/v1/executions", "executions", &question);
    let found = found.map_err(|error| of_new(&error))?;
    Ok(found
        .iter()
        .filter(|execution| LIVE.iter().any(|status| execution["status"] == **status))
        .filter(|execution| {
            execution["parameters"]
                .to_string()
                .contains(&format!("/{pack}.git="))
        })
        .find_map(|execution| execution["id"].as_str().map(str::to_owned)))
}

fn wait(sides: &Sides<'_>, pack: &str, execution: &str) -> Result<(), Failure> {
    let begun = Instant::now();
    loop {
        let path = format!("/v1/executions/{execution}");
        let told = sides
            .new
            .get(&path, &[])
            .map_err(|error| of_new(&error))?
            .body;
        let status = told["status"].as_str().unwrap_or("unknown").to_owned();
        if status == "succeeded" {
            return Ok(());
        }
        if !LIVE.contains(&status.as_str()) {
            let said = told["result"].to_string();
            return Err(Failure::new(
                "pack-not-installed",
                format!("the new instance could not install pack `{pack}`: its execution {execution} is {status}"),
            )
            .output(sides.cx.commands.redactor().mask(&said))
            .hint(format!("look there: st2 execution get {execution}"))
            .hint("the new instance fetches packs itself: it must reach the repositories, see `--repositories`"));
        }
        if sides.cx.stop.urgency() == Urgency::Now {
            return Err(Failure::stopped(format!(
                "stopped while pack `{pack}` is installed"
            )));
        }
        let doing = format!("install {pack}: execution {execution} is {status}");
        sides
            .cx
            .progress
            .report(&doing, Some(begun.elapsed().as_secs()), None, Some("s"));
        std::thread::sleep(BETWEEN);
    }
}
