//! `cargo xtask demo --picture`: the terminal of the front page, drawn from what the program prints today.

use std::fs;
use std::io::Read as _;

use anyhow::{Context, Result, ensure};

use super::{Stage, TO, build, picture};
use crate::paths;
use crate::setup::{self, Engine};

/// Where the picture of the front page lies, and how many columns it has.
const PICTURE: &str = "docs/images/demo.svg";
const COLUMNS: &str = "112";

/// Draws what `plan`, `apply` and `rollback` print today, for the front page.
pub(crate) fn draw() -> Result<()> {
    ensure!(
        setup::all()? == Engine::Ready,
        "the picture is of containers, and here is no Engine"
    );
    build()?;
    let stage = Stage::open(true)?;
    let seen = stage.film();
    stage.close()?;
    let file = paths::root().join(PICTURE);
    let label = "switchback plan, apply and rollback in a terminal";
    fs::write(&file, picture::of(&seen?, label))?;
    println!("{}", file.display());
    Ok(())
}

impl Stage {
    /// The straight way there and back, as a terminal shows it.
    fn film(&self) -> Result<String> {
        self.switchback(&["init"]).quiet()?;
        self.scene.add_key()?;
        let mut seen = self.frame(&["plan", "--to", TO])?;
        seen += &self.frame(&["apply", "--yes", "--accept", "contact-infos"])?;
        let back = self.frame(&["rollback", "--yes", "--accept", "data-loss"])?;
        // The plan of the way back is shown as well; its run is what the picture has room for.
        let (typed, rest) = back.split_once('\n').context("nothing was shown")?;
        let run = rest.find("Run ").context("nothing was run")?;
        seen += &format!("{typed}\n{}", &rest[run..]);
        // Where it would be for most, and not where it is on the machine of the picture.
        let state = self.state.to_string_lossy();
        Ok(seen.replace(&*state, "/var/lib/switchback"))
    }

    /// What is typed and what is printed, in colour, both streams in their order.
    fn frame(&self, words: &[&str]) -> Result<String> {
        let (mut reader, writer) = std::io::pipe()?;
        let mut command = self.switchback(words).into_command();
        command
            .env("CLICOLOR_FORCE", "1")
            .env("COLUMNS", COLUMNS)
            .stdout(writer.try_clone()?)
            .stderr(writer);
        let mut child = command.spawn().context("cannot start switchback")?;
        drop(command);
        let mut text = String::new();
        reader.read_to_string(&mut text)?;
        ensure!(
            child.wait()?.success(),
            "`{}` failed\n{text}",
            words.join(" ")
        );
        // What a terminal overwrites while a step takes its time.
        let passing =
            |line: &&str| !line.contains("\u{1b}[2m  · ") && !line.contains("\u{1b}[2m· ");
        let lines: Vec<&str> = text.lines().filter(passing).collect();
        let typed = format!(
            "\u{1b}[32m$\u{1b}[0m \u{1b}[1mswitchback {}\u{1b}[0m",
            words.join(" ")
        );
        Ok(format!("{typed}\n{}\n\n", lines.join("\n")))
    }
}
