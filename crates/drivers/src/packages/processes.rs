//! Processes of the product that no unit accounts for: left over by one, or started by hand.

use std::collections::BTreeSet;
use std::path::Path;

use switchback_engine::ports::Failure;

use super::place::Place;
use crate::host::{Seen, unwritable};

/// Programs that run another file: that file says what the process is.
const INTERPRETERS: [&str; 8] = [
    "python", "sh", "bash", "dash", "node", "ruby", "perl", "gunicorn",
];

/// What tells a process of the product.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// Files of its packages.
    files: BTreeSet<String>,
    /// What the definition says that command lines have.
    words: Vec<String>,
    /// Its units.
    units: Vec<String>,
}

impl Marks {
    /// Asks for the files of the product's packages.
    pub(super) fn read(place: &Place, units: Vec<String>) -> Result<Self, Failure> {
        let record = place.record()?;
        let files = if record.set.0.is_empty() {
            Vec::new()
        } else {
            place.packaging().files(&place.host, &record.set)?
        };
        let services = place.product.services.iter();
        Ok(Self {
            files: files.into_iter().collect(),
            words: services
                .flat_map(|service| service.processes.iter().cloned())
                .collect(),
            units,
        })
    }

    /// Every process of the product, whoever started it.
    pub(super) fn all(&self, place: &Place) -> Result<Vec<Seen>, Failure> {
        let mut all = place
            .host
            .processes()
            .map_err(|error| unwritable(Path::new("/proc"), &error))?;
        all.retain(|seen| self.is_in_unit(&seen.groups) || self.is_ours(&seen.words));
        Ok(all)
    }

    /// Whether it lives where one of the units keeps its processes.
    fn is_in_unit(&self, groups: &str) -> bool {
        groups
            .lines()
            // A group that was removed under its process is still named.
            .map(|line| line.trim_end_matches(" (deleted)"))
            .flat_map(|line| line.split('/'))
            .any(|part| self.units.iter().any(|unit| unit == part))
    }

    /// Whether a command line runs a file of the product. One that only reads such a file, as an editor
    /// does, is somebody else's.
    fn is_ours(&self, words: &[String]) -> bool {
        let Some(program) = words.first() else {
            return false;
        };
        let mut run = vec![program];
        let name = Path::new(program).file_name().unwrap_or_default();
        let name = name.to_string_lossy();
        let interpreted = INTERPRETERS
            .iter()
            .any(|known| name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.') == *known);
        if interpreted {
            let mut rest = words.iter().skip(1);
            run.extend(rest.find(|word| !word.starts_with('-')));
        }
        run.iter().any(|word| {
            self.files.contains(*word) || self.words.iter().any(|mark| word.contains(mark.as_str()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_a_file_of_the_product_and_what_only_reads_it() {
        let api = "/opt/stackstorm/st2/bin/st2api";
        let marks = Marks {
            files: [api.to_owned()].into(),
            words: vec!["mistral-server".to_owned()],
            units: Vec::new(),
        };
        let ours = |line: &str| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            marks.is_ours(&words)
        };
        assert!(ours(&format!("{api} --config-file /etc/st2/st2.conf")));
        assert!(ours(&format!("/usr/bin/python3.11 -u {api}")));
        assert!(ours(
            "/opt/mistral/bin/python /opt/mistral/bin/mistral-server --server engine"
        ));
        assert!(!ours(&format!("less {api}")));
        assert!(!ours("tail -f /var/log/mistral-server.log"));
        assert!(!ours(&format!("python3 report.py {api}")));
        assert!(!marks.is_ours(&[]));
    }

    #[test]
    fn the_unit_is_in_groups_of_either_version() {
        let marks = Marks {
            units: ["flow-web.service", "flow-runner@1.service"]
                .map(str::to_owned)
                .into(),
            ..Marks::default()
        };
        // Read in a container under version 1, with the hierarchy of version 2 beside it.
        let both = "9:name=systemd:/docker/e0a63e/system.slice/flow-web.service\n7:blkio:/docker/e0a63e\n\
                    0::/docker/e0a63e/system.slice/flow-web.service\n";
        // As cgroups(7) has it for version 2, where a group that is gone is still named.
        let second = "0::/system.slice/flow-web.service\n";
        let below = "0::/system.slice/system-flow\\x2drunner.slice/flow-runner@1.service/worker\n";
        let gone = "0::/system.slice/flow-web.service (deleted)\n";
        for groups in [both, second, below, gone] {
            assert!(marks.is_in_unit(groups), "{groups}");
        }
        for groups in [
            "0::/user.slice/user-0.slice/session-1.scope\n",
            "0::/\n",
            "0::/system.slice/flow-web.service.d\n",
            "7:blkio:/docker/e0a63e\n",
        ] {
            assert!(!marks.is_in_unit(groups), "{groups}");
        }
    }
}
