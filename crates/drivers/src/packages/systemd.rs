//! systemd's answers about units.

use std::collections::BTreeMap;

use switchback_engine::process::Argv;
use switchback_model::observed::ServiceState;

/// Is there where systemd is the machine's first process.
pub(super) const RUNS: &str = "/run/systemd/system";

const PROPERTIES: &str = "Id,LoadState,ActiveState,SubState,MainPID,UnitFileState,ControlGroup,\
                          TriggeredBy,NRestarts,Result";

/// A unit as systemd sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Unit {
    /// Its name with suffix.
    pub(super) id: String,
    /// `loaded`, `masked`, `not-found`, …
    pub(super) load: String,
    /// `active`, `activating`, `deactivating`, `inactive`, `failed`, …
    pub(super) active: String,
    /// `running`, `exited`, `auto-restart`, …
    pub(super) sub: String,
    /// 0 where none runs.
    pub(super) main: i32,
    /// `enabled`, `disabled`, `static`, …
    pub(super) file: String,
    /// Where its processes are, below the hierarchy's root.
    pub(super) group: String,
    /// Sockets, timers and paths that start it.
    pub(super) triggers: Vec<String>,
    /// How often systemd restarted it.
    pub(super) restarts: u64,
    /// How it last ended.
    pub(super) result: String,
}

impl Unit {
    /// Whether there is such a unit, masked or not.
    pub(super) fn exists(&self) -> bool {
        matches!(self.load.as_str(), "loaded" | "masked")
    }

    /// Whether it does what it is for.
    pub(super) fn is_up(&self) -> bool {
        self.active == "active"
    }

    /// Whether nothing of it is under way.
    pub(super) fn is_down(&self) -> bool {
        matches!(self.active.as_str(), "inactive" | "failed")
    }

    /// As every driver tells it.
    pub(super) fn state(&self) -> ServiceState {
        match (self.active.as_str(), self.sub.as_str()) {
            ("activating", "auto-restart") => ServiceState::Restarting,
            ("active" | "activating" | "reloading" | "deactivating", _) => ServiceState::Running,
            _ if self.exists() => ServiceState::Stopped,
            _ => ServiceState::Absent,
        }
    }
}

/// The unit of a service.
pub(super) fn unit_of(service: &str) -> String {
    if service.contains('.') {
        service.to_owned()
    } else {
        format!("{service}.service")
    }
}

/// Asks for units.
pub(super) fn ask_units<'a>(units: impl IntoIterator<Item = &'a String>) -> Argv {
    systemctl(["show", "--property", PROPERTIES, "--"]).args(units.into_iter().cloned())
}

/// A command to systemd.
pub(super) fn systemctl<const N: usize>(words: [&str; N]) -> Argv {
    Argv::new("systemctl", words)
}

/// Reads the answer to [`ask_units`], in the order in which they were asked for.
pub(super) fn units(answer: &str) -> Vec<Unit> {
    answer
        .split("\n\n")
        .filter(|block| !block.trim().is_empty())
        .map(|block| {
            let fields: BTreeMap<&str, &str> = block
                .lines()
                .filter_map(|line| line.split_once('='))
                .collect();
            let text = |name: &str| fields.get(name).copied().unwrap_or_default().to_owned();
            Unit {
                id: text("Id"),
                load: text("LoadState"),
                active: text("ActiveState"),
                sub: text("SubState"),
                main: text("MainPID").parse().unwrap_or(0),
                file: text("UnitFileState"),
                group: text("ControlGroup"),
                triggers: text("TriggeredBy")
                    .split_whitespace()
                    .map(str::to_owned)
                    .collect(),
                restarts: text("NRestarts").parse().unwrap_or(0),
                result: text("Result"),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_in_the_order_of_the_question() {
        let answer = "MainPID=143\nResult=success\nNRestarts=2\nControlGroup=/system.slice/st2api.service\n\
                      Id=st2api.service\nTriggeredBy=st2api.socket st2api.timer\nLoadState=loaded\n\
                      ActiveState=active\nSubState=running\nUnitFileState=enabled\n\nMainPID=0\n\
                      Result=success\nNRestarts=0\nControlGroup=\nId=nix.service\nTriggeredBy=\n\
                      LoadState=not-found\nActiveState=inactive\nSubState=dead\nUnitFileState=\n\n\
                      Id=off.service\nLoadState=masked\nActiveState=inactive\nSubState=dead\n";
        let found = units(answer);
        assert_eq!(found.len(), 3);
        assert!(found[0].is_up() && found[0].exists());
        assert_eq!((found[0].main, found[0].restarts), (143, 2));
        assert_eq!(found[0].triggers, ["st2api.socket", "st2api.timer"]);
        let states: Vec<ServiceState> = found.iter().map(Unit::state).collect();
        assert_eq!(
            states,
            [
                ServiceState::Running,
                ServiceState::Absent,
                ServiceState::Stopped
            ]
        );
    }

    #[test]
    fn one_that_is_started_again_and_again_is_neither_up_nor_down() {
        let unit = Unit {
            active: "activating".to_owned(),
            sub: "auto-restart".to_owned(),
            ..Unit::default()
        };
        assert_eq!(unit.state(), ServiceState::Restarting);
        assert!(!unit.is_up() && !unit.is_down());
    }
}
