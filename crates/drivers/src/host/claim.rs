//! Whose run changes a product, noted on the machine itself: a lease is seen only where the journal is.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use switchback_engine::ports::{Context, Failure};
use switchback_model::{Digest, RunId};

/// One switchback's word that it changes a product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claim {
    /// Who, for people: `alice@ws1`.
    by: String,
    /// Which machine that is: names are given twice.
    machine: String,
    /// Where its journal is.
    state: String,
    /// Its run.
    run: RunId,
}

impl Claim {
    /// The claim of a run of ours.
    pub(super) fn of(cx: &Context<'_>) -> Self {
        Self::by(cx.backups, cx.run)
    }

    /// The claim of whoever keeps backups in `backups` on this machine.
    pub(super) fn by(backups: &Path, run: &RunId) -> Self {
        let line = |path: &str| {
            let text = fs::read_to_string(path).unwrap_or_default();
            text.trim().to_owned()
        };
        let name = line("/proc/sys/kernel/hostname");
        let user = std::env::var("SUDO_USER")
            .or_else(|_| std::env::var("USER"))
            .unwrap_or_else(|_| rustix::process::geteuid().as_raw().to_string());
        Self {
            by: format!("{user}@{name}"),
            machine: Digest::of(line("/etc/machine-id") + &name)
                .short()
                .to_owned(),
            state: state_of(backups).to_string_lossy().into_owned(),
            run: run.clone(),
        }
    }

    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What cannot be read is somebody's all the same.
    pub(super) fn parse(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_else(|_| Self {
            by: "somebody".to_owned(),
            machine: String::new(),
            state: String::new(),
            run: RunId::new("unknown"),
        })
    }

    /// Whether both are of one journal, whose leases keep its own runs apart.
    pub(super) fn is_of_the_same(&self, other: &Self) -> bool {
        (&self.machine, &self.state) == (&other.machine, &other.state)
    }

    /// Why nothing may be changed now.
    pub(super) fn refusal(&self, host: Option<&str>, path: &Path) -> Failure {
        let on = host.map_or_else(String::new, |host| format!(" on `{host}`"));
        Failure::new(
            "changed-by-another",
            format!("another switchback changes this product{on}: run {} of {}", self.run, self.by),
        )
        .state("its journal", format!("{} of {}", self.state, self.by))
        .hint("let it come to its end there: switchback status, switchback resume or switchback rollback")
        .hint(format!("only where that machine is gone for good: remove `{}`{on}", path.display()))
    }
}

/// The state directory that backups are in: rounds of one run have directories of their own there.
fn state_of(backups: &Path) -> &Path {
    let mut above = backups.ancestors();
    let shadows = above.find(|path| path.file_name().is_some_and(|name| name == "shadows"));
    shadows.and_then(Path::parent).unwrap_or(backups)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_journal_is_one_holder_and_an_unreadable_claim_is_nobody_of_ours() {
        let ours = Claim::by(
            Path::new("/var/lib/switchback/shadows/flow"),
            &RunId::new("r-1"),
        );
        let round = Path::new("/var/lib/switchback/shadows/flow/round-2");
        let next = Claim::by(round, &RunId::new("r-2"));
        assert!(Claim::parse(&ours.text()).is_of_the_same(&next));
        let other = Claim::by(Path::new("/home/op/state/shadows/flow"), &RunId::new("r-1"));
        assert!(!other.is_of_the_same(&ours));
        assert!(!Claim::parse("{\"by\": ").is_of_the_same(&ours));
    }

    #[test]
    fn a_refusal_says_whose_it_is_and_what_to_do() {
        let mut claim = Claim::by(Path::new("/srv/state"), &RunId::new("r-7"));
        claim.by = "alice@ws1".to_owned();
        let failure = claim.refusal(
            Some("root@st2"),
            Path::new("/var/lib/switchback/claims/flow"),
        );
        assert_eq!(
            failure.what,
            "another switchback changes this product on `root@st2`: run r-7 of alice@ws1"
        );
        assert_eq!(
            failure.state[0].seen.as_deref(),
            Some("/srv/state of alice@ws1")
        );
        assert_eq!(failure.hints.len(), 2);
    }
}
