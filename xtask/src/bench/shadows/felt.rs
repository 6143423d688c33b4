//! What users feel while a shadow is made: transactions per second of pgbench before, and meanwhile.

use std::cell::RefCell;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::subject::Subject;
use super::upgrade::Upgrade;
use crate::bench::Row;
use crate::deployment::DATABASE;
use crate::setup::find;
use crate::tool::{docker, tool};

/// How long the load runs before anything begins.
const BEFORE: Duration = Duration::from_secs(20);
/// Until caches and checkpoints are at work.
const WARM: Duration = Duration::from_secs(5);

/// Transactions per second, by what was done meanwhile.
pub(super) struct Felt {
    before: f64,
    preparing: Option<f64>,
    proving: Option<f64>,
}

impl Felt {
    pub(super) fn rows(&self) -> Vec<Row> {
        let row = |what: &str, tps: Option<f64>| {
            let tps = tps?;
            Some(Row::new(
                format!("pgbench while {what}"),
                format!("{tps:.0} tps"),
                format!("{:.2} ×, goal ≥ 0.9 ×", tps / self.before),
            ))
        };
        let mut rows = vec![Row::new(
            "pgbench on the same server, 2 clients, before",
            format!("{:.0} tps", self.before),
            "1 ×",
        )];
        rows.extend(row("a shadow is prepared", self.preparing));
        rows.extend(row("shadows follow and are proven", self.proving));
        rows
    }
}

pub(super) fn measure(subject: &Subject) -> Result<Felt> {
    eprintln!("measuring what users feel");
    subject.choose("shadow")?;
    let address = address(subject)?;
    pgbench(&address)?
        .args(["-i", "-q", "-s", "10", DATABASE])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .context("cannot run pgbench")?;
    let load = Load::start(&address)?;
    thread::sleep(WARM);
    let begun = Instant::now();
    thread::sleep(BEFORE);
    let before = load.between(begun, Instant::now()).unwrap_or(0.0);
    let (load, marks) = (RefCell::new(Some(load)), RefCell::new(Vec::new()));
    let heard = RefCell::new(None);
    Upgrade::apply_heard(subject, super::TO, |verb| {
        marks.borrow_mut().push((verb.to_owned(), Instant::now()));
        // From the stop on nobody may write.
        if verb == "stop" {
            *heard.borrow_mut() = load.borrow_mut().take().map(Load::end);
        }
    })?;
    let told = heard.into_inner().unwrap_or_default();
    let marks = marks.into_inner();
    let of = |verb: &str| {
        let from = marks.iter().find(|(found, _)| found == verb)?.1;
        let after = marks.iter().rposition(|(found, _)| found == verb)? + 1;
        between(&told, from, marks.get(after)?.1)
    };
    Ok(Felt {
        before,
        preparing: of("prepare"),
        proving: of("prove"),
    })
}

/// When, and how many transactions per second.
type Told = Vec<(Instant, f64)>;

struct Load {
    child: Child,
    told: Arc<Mutex<Told>>,
}

impl Load {
    fn start(address: &str) -> Result<Self> {
        let mut child = pgbench(address)?
            .args([
                "-c", "2", "-j", "1", "-T", "36000", "-P", "1", "-n", DATABASE,
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start pgbench")?;
        let told = Arc::new(Mutex::new(Told::new()));
        let (lines, kept) = (child.stderr.take().context("no output")?, told.clone());
        thread::spawn(move || {
            for line in BufReader::new(lines).lines().map_while(Result::ok) {
                if let (Some(tps), Ok(mut kept)) = (transactions(&line), kept.lock()) {
                    kept.push((Instant::now(), tps));
                }
            }
        });
        Ok(Self { child, told })
    }

    fn between(&self, from: Instant, to: Instant) -> Option<f64> {
        let told = self.told.lock().ok()?;
        between(&told, from, to)
    }

    fn end(mut self) -> Told {
        // It may have ended by itself with its server.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.told
            .lock()
            .map(|told| told.clone())
            .unwrap_or_default()
    }
}

/// The mean between two moments.
fn between(told: &[(Instant, f64)], from: Instant, to: Instant) -> Option<f64> {
    let within: Vec<f64> = told
        .iter()
        .filter(|(at, _)| *at > from && *at <= to)
        .map(|(_, tps)| *tps)
        .collect();
    (!within.is_empty()).then(|| within.iter().sum::<f64>() / within.len() as f64)
}

/// `progress: 1.0 s, 1234.5 tps, lat …`
fn transactions(line: &str) -> Option<f64> {
    line.strip_prefix("progress: ")?
        .split(", ")
        .find_map(|part| part.strip_suffix(" tps"))?
        .parse()
        .ok()
}

fn pgbench(address: &str) -> Result<Command> {
    let mut command = tool(find("pgbench").context("pgbench is not installed")?).into_command();
    command
        .env("PGPASSWORD", "root")
        .args(["-h", address, "-U", "root"]);
    Ok(command)
}

/// Where this host reaches the server's container.
fn address(subject: &Subject) -> Result<String> {
    let id = subject
        .deployment
        .compose(["ps", "-q", "postgres"])
        .read()?;
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    let address = docker().args(["inspect", "-f", format, id.trim()]).read()?;
    Ok(address.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::transactions;

    #[test]
    fn a_line_of_progress_is_read() {
        let line = "progress: 3.0 s, 512.3 tps, lat 3.9 ms stddev 1.2, 0 failed";
        assert_eq!(transactions(line), Some(512.3));
        assert_eq!(transactions("pgbench (15.1)"), None);
    }
}
