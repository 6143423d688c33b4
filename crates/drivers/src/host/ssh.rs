//! What `ssh` is called with. Pure: values in, values out.

use std::path::{Path, PathBuf};

use switchback_engine::process::Argv;

/// What holds whatever the operator's own settings say: nothing is asked, no key is trusted that is not known,
/// nothing of this machine is lent to the other, and a line that went dead is noticed within 15 seconds. A
/// connection that nobody uses for a minute ends by itself, should we be killed.
const ALWAYS: [&str; 14] = [
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "ConnectTimeout=10",
    "ServerAliveInterval=5",
    "ServerAliveCountMax=3",
    "ForwardAgent=no",
    "ForwardX11=no",
    "Tunnel=no",
    "PermitLocalCommand=no",
    "RemoteCommand=none",
    "RequestTTY=no",
    "LogLevel=ERROR",
    "ControlMaster=auto",
    "ControlPersist=60",
];

/// One machine, and the connection to it that all commands share.
#[derive(Clone, Debug)]
pub(super) struct Ssh {
    /// `user@host`, or a name of the operator's own settings.
    pub(super) target: String,
    /// Settings to read in place of the operator's own.
    pub(super) config: Option<PathBuf>,
    /// Where the shared connection is found.
    pub(super) socket: PathBuf,
}

impl Ssh {
    fn bare(&self) -> Argv {
        let mut argv = Argv::new("ssh", [""; 0]);
        if let Some(config) = &self.config {
            argv = argv.arg("-F").arg(config.to_string_lossy());
        }
        for option in ALWAYS {
            argv = argv.args(["-o", option]);
        }
        argv.arg("-o")
            .arg(format!("ControlPath={}", escaped(&self.socket)))
    }

    /// Runs `launcher` in the user's shell over there.
    pub(super) fn run(&self, launcher: String) -> Argv {
        self.bare()
            .args(["-T", "-o", "ClearAllForwardings=yes", "--"])
            .arg(self.target.as_str())
            .arg(launcher)
    }

    /// Lets the shared connection carry a port of this machine to one that the other machine reaches. Twice is once.
    pub(super) fn forward(&self, here: u16, host: &str, port: u16) -> Argv {
        let host = match host.contains(':') {
            true => format!("[{host}]"),
            false => host.to_owned(),
        };
        self.bare()
            .args(["-O", "forward", "-L"])
            .arg(format!("127.0.0.1:{here}:{host}:{port}"))
            .arg("--")
            .arg(self.target.as_str())
    }

    /// Ends the shared connection.
    pub(super) fn close(&self) -> Argv {
        self.bare()
            .args(["-O", "exit", "--"])
            .arg(self.target.as_str())
    }
}

/// `ssh` would take a percent sign for a token.
fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace('%', "%%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_always_holds_comes_before_the_name_of_the_machine() {
        let ssh = Ssh {
            target: "-oProxyCommand=evil".to_owned(),
            config: Some(PathBuf::from("/srv/flow/ssh_config")),
            socket: PathBuf::from("/tmp/50%/1"),
        };
        let argv = ssh.run("exec sh".to_owned());
        assert_eq!(argv.args[..2], ["-F", "/srv/flow/ssh_config"]);
        assert_eq!(
            argv.args[argv.args.len() - 3..],
            ["--", "-oProxyCommand=evil", "exec sh"]
        );
        for always in [
            "BatchMode=yes",
            "StrictHostKeyChecking=yes",
            "ForwardAgent=no",
        ] {
            assert!(argv.args.iter().any(|arg| arg == always), "{always}");
        }
        assert!(argv.args.contains(&"ControlPath=/tmp/50%%/1".to_owned()));
    }
}
