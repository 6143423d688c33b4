//! What can be wrong on the way to another machine, told so that an operator can act.

use std::io;

use switchback_engine::ports::Failure;

/// The code of a connection that was there and is not any more.
pub(super) const LOST: &str = "connection-lost";
/// The code of a machine that no connection could be made to.
pub(super) const UNREACHABLE: &str = "host-unreachable";

/// Whether it was the connection, and not what was asked.
pub(super) fn is_of_the_line(failure: &Failure) -> bool {
    [LOST, UNREACHABLE].contains(&failure.code.as_str())
}

/// What `ssh` says where it ends with 255, which it does of itself only.
pub(super) fn of_ssh(target: &str, said: &str) -> Failure {
    let line = |marks: &[&str]| {
        let mut lines = said.lines().map(str::trim);
        lines.find(|line| marks.iter().any(|mark| line.contains(mark)))
    };
    if line(&["HOST IDENTIFICATION HAS CHANGED"]).is_some() {
        return key_changed(target, line(&["Offending"]));
    }
    if line(&["host key is known for", "Host key verification failed"]).is_some() {
        return untouched(
            Failure::new(
                "host-key-unknown",
                format!("the host key of `{target}` is not known here"),
            ),
            target,
        )
        .hint(format!(
            "connect once by hand and compare the fingerprint before saying yes: ssh {target}"
        ));
    }
    if let Some(refused) = line(&["Permission denied", "Too many authentication failures"]) {
        return untouched(
            Failure::new(
                "ssh-refused",
                format!("`{target}` takes none of the keys that ssh has here"),
            ),
            target,
        )
        .cause(refused)
        .hint("which keys those are: ssh-add -l, and IdentityFile in your ssh_config")
        .hint(format!(
            "the public half belongs into authorized_keys over there; try it: ssh -o BatchMode=yes {target} true"
        ));
    }
    if let Some(silent) = line(&["ssh: connect to host", "Could not resolve hostname"]) {
        return untouched(
            Failure::new(UNREACHABLE, format!("`{target}` cannot be reached")),
            target,
        )
        .cause(silent)
        .hint(format!(
            "see that it answers: ssh {target} true; then the same command again"
        ));
    }
    let failure = Failure::new(LOST, format!("the connection to `{target}` was lost"))
        .state(target, "unknown; what was begun there goes on without us")
        .hint(format!(
            "see that it answers: ssh {target} true; then switchback resume looks how far it came, and does nothing twice"
        ));
    match said.lines().rfind(|line| !line.trim().is_empty()) {
        Some(last) => failure.cause(last.trim()),
        None => failure,
    }
}

fn key_changed(target: &str, offending: Option<&str>) -> Failure {
    let failure = untouched(
        Failure::new(
            "host-key-changed",
            format!("`{target}` shows another host key than it did before"),
        ),
        target,
    );
    let failure = match offending {
        Some(offending) => failure.cause(offending),
        None => failure,
    };
    failure
        .cause("it was set up anew, the name leads to another machine, or somebody is in between")
        .hint("ask whoever keeps it for the fingerprint: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub")
        .hint(format!(
            "only where it is the right one: ssh-keygen -R {host}, then connect by hand: ssh {target}",
            host = target.rsplit('@').next().unwrap_or(target)
        ))
}

/// What `sudo` says where it does not let us; `None` where the words are another program's.
pub(super) fn of_sudo(target: &str, said: &str) -> Option<Failure> {
    let told = said.lines().map(str::trim).find(|line| {
        line.starts_with("sudo: ")
            || line.contains("is not in the sudoers file")
            || line.ends_with("sudo: not found")
    })?;
    let what = if told.contains("password is required") {
        format!("sudo asks for a password on `{target}`")
    } else {
        format!("sudo does not let us be root on `{target}`")
    };
    let user = target.split_once('@').map_or("the user", |(user, _)| user);
    Some(
        untouched(Failure::new("sudo-refused", what), target)
            .cause(told)
            .hint(format!(
                "packages are changed as root: let `sudo -n true` work over there, with `{user} ALL=(root) NOPASSWD: ALL` in /etc/sudoers.d/switchback"
            ))
            .hint("or connect as root: ssh = \"root@…\" under [host] in switchback.toml"),
    )
}

/// `ssh` itself cannot be run.
pub(super) fn no_ssh(said: &str) -> Failure {
    Failure::new("ssh-missing", "the program `ssh` cannot be run")
        .cause(said)
        .hint("install it: apt-get install openssh-client")
}

fn untouched(failure: Failure, target: &str) -> Failure {
    failure.state(target, "not touched")
}

/// The failure that an error of a far file carries, where it is one of the way there.
pub(crate) fn failure_of(error: &io::Error) -> Option<Failure> {
    let inner = error.get_ref()?;
    inner.downcast_ref::<Failure>().cloned()
}

/// What a program says of a file, as the error that a call on this machine would have been.
pub(super) fn of_file(said: &str) -> io::Error {
    let last = said.lines().rfind(|line| !line.trim().is_empty());
    let last = last.unwrap_or("it said nothing").trim().to_owned();
    let kind = [
        ("No such file or directory", io::ErrorKind::NotFound),
        ("Permission denied", io::ErrorKind::PermissionDenied),
        ("No space left on device", io::ErrorKind::StorageFull),
        ("Disk quota exceeded", io::ErrorKind::QuotaExceeded),
        ("Read-only file system", io::ErrorKind::ReadOnlyFilesystem),
        ("Not a directory", io::ErrorKind::NotADirectory),
        ("File exists", io::ErrorKind::AlreadyExists),
    ]
    .into_iter()
    .find(|(mark, _)| said.contains(mark))
    .map_or(io::ErrorKind::Other, |(_, kind)| kind);
    io::Error::new(kind, last)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: &str = "st2@st2.example.org";

    fn code(said: &str) -> String {
        of_ssh(TARGET, said).code
    }

    #[test]
    fn what_ssh_says_is_told_apart() {
        let unknown = "No ED25519 host key is known for [127.0.0.1]:2222 and you have requested strict checking.\r\n\
                       Host key verification failed.\r\n";
        assert_eq!(code(unknown), "host-key-unknown");
        assert_eq!(
            code("st2@h: Permission denied (publickey).\r\n"),
            "ssh-refused"
        );
        assert_eq!(
            code("ssh: connect to host h port 22: Connection refused\r\n"),
            UNREACHABLE
        );
        assert_eq!(
            code("ssh: Could not resolve hostname h: Name or service not known"),
            UNREACHABLE
        );
        assert_eq!(code("client_loop: send disconnect: Broken pipe\r\n"), LOST);
        assert_eq!(code(""), LOST);
    }

    #[test]
    fn a_changed_key_names_the_known_one_and_what_it_may_mean() {
        let said = "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\n\
                    Offending ED25519 key in /home/op/.ssh/known_hosts:3\r\n\
                    Host key verification failed.\r\n";
        let failure = of_ssh(TARGET, said);
        assert_eq!(failure.code, "host-key-changed");
        assert_eq!(
            failure.causes[0],
            "Offending ED25519 key in /home/op/.ssh/known_hosts:3"
        );
        assert_eq!(failure.state[0].seen.as_deref(), Some("not touched"));
        assert!(
            failure.hints[1].contains("ssh-keygen -R st2.example.org"),
            "{:?}",
            failure.hints
        );
    }

    #[test]
    fn only_sudo_itself_is_taken_for_sudo() {
        let failure = of_sudo(TARGET, "sudo: a password is required\n").expect("sudo's");
        assert_eq!(
            failure.what,
            "sudo asks for a password on `st2@st2.example.org`"
        );
        assert!(failure.hints[0].contains("st2 ALL=(root) NOPASSWD: ALL"));
        assert!(of_sudo(TARGET, "sh: 1: exec: sudo: not found").is_some());
        assert!(of_sudo(TARGET, "dpkg: error: requires superuser privilege").is_none());
    }

    #[test]
    fn a_full_disk_over_there_is_one_as_here() {
        let error = of_file("cat: write error: No space left on device\n");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(of_file("").kind(), io::ErrorKind::Other);
        let lost = io::Error::other(of_ssh(TARGET, ""));
        assert_eq!(failure_of(&lost).expect("carried").code, LOST);
        assert_eq!(failure_of(&error), None);
    }
}
