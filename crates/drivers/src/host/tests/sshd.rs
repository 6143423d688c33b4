//! An `sshd` of a test's own.

use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

const PROGRAM: &str = "/usr/sbin/sshd";
/// A daemon that starts listens within it, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(30);

/// Listens on the loopback interface until it is dropped.
pub(super) struct Sshd {
    directory: TempDir,
    daemon: Child,
}

impl Sshd {
    /// Starts one; `None` where there is no `sshd` on this machine, which is said.
    pub(super) fn start() -> Option<Self> {
        if !Path::new(PROGRAM).exists() {
            // Past the test harness, which would swallow it.
            let _ = writeln!(
                std::io::stderr(),
                "SKIPPED: no sshd here; see `cargo xtask setup`"
            );
            return None;
        }
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path();
        if rustix::process::geteuid().is_root() {
            fs::create_dir_all("/run/sshd").expect("the directory that sshd insists on");
        }
        for key in ["host_key", "key", "another_key"] {
            let words = ["-q", "-t", "ed25519", "-N", "", "-f"];
            let made = Command::new("ssh-keygen")
                .args(words)
                .arg(path.join(key))
                .status();
            assert!(made.expect("ssh-keygen").success());
        }
        let port = TcpListener::bind(("127.0.0.1", 0))
            .expect("a port")
            .local_addr()
            .expect("bound")
            .port();
        let shown = path.display();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {shown}/host_key\nPidFile none\nUsePAM no\n\
             StrictModes no\nAuthorizedKeysFile {shown}/authorized_keys\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n"
        );
        fs::write(path.join("sshd_config"), config).expect("written");
        let user = Command::new("id")
            .arg("-un")
            .output()
            .expect("a user")
            .stdout;
        let user = String::from_utf8(user).expect("a name");
        let client = format!(
            "Host machine\nHostName 127.0.0.1\nPort {port}\nUser {}\nIdentityFile {shown}/key\nIdentitiesOnly yes\n\
             IdentityAgent none\nUserKnownHostsFile {shown}/known_hosts\nGlobalKnownHostsFile none\n",
            user.trim()
        );
        fs::write(path.join("ssh_config"), client).expect("written");
        fs::copy(path.join("key.pub"), path.join("authorized_keys")).expect("copied");
        // Where its directory is, others may look into it.
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a mode");
        let daemon = Command::new(PROGRAM)
            .args(["-D", "-e", "-f"])
            .arg(path.join("sshd_config"))
            .stderr(Stdio::from(
                fs::File::create(path.join("log")).expect("a log"),
            ))
            .spawn()
            .expect("sshd starts");
        let sshd = Self { directory, daemon };
        sshd.trust();
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < PATIENCE, "{}", sshd.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(sshd)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.file("log")).unwrap_or_default()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// How it is reached as `machine`.
    pub(super) fn client_config(&self) -> PathBuf {
        self.file("ssh_config")
    }

    /// Ends every connection there is, as a cable that is pulled out does.
    pub(super) fn cut_connections(&self) {
        let own = self.daemon.id().to_string();
        let children =
            fs::read_to_string(format!("/proc/{own}/task/{own}/children")).expect("children");
        for child in children.split_whitespace() {
            let pid = rustix::process::Pid::from_raw(child.parse().expect("a pid")).expect("a pid");
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }

    /// Its key is the known one.
    pub(super) fn trust(&self) {
        self.known(Some("host_key.pub"));
    }

    /// No key is known.
    pub(super) fn trust_no_key(&self) {
        self.known(None);
    }

    /// Another key is the known one.
    pub(super) fn trust_another_key(&self) {
        self.known(Some("another_key.pub"));
    }

    fn known(&self, key: Option<&str>) {
        let config = fs::read_to_string(self.client_config()).expect("written before");
        let port = config
            .lines()
            .find_map(|line| line.strip_prefix("Port "))
            .expect("a port");
        let key = key.map(|key| fs::read_to_string(self.file(key)).expect("a key"));
        let line = key.map_or_else(String::new, |key| format!("[127.0.0.1]:{port} {key}"));
        fs::write(self.file("known_hosts"), line).expect("written");
    }

    /// Takes nobody's key any more.
    pub(super) fn let_nobody_in(&self) {
        fs::write(self.file("authorized_keys"), "").expect("written");
    }

    /// Listens no more.
    pub(super) fn stop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop();
    }
}
