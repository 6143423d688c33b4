//! Signals by name, and what a process would do with them.

use std::fs;

use rustix::process::Signal;

/// The signals that ask a server to end.
pub(crate) fn named(name: &str) -> Option<Signal> {
    Some(match name {
        "SIGINT" => Signal::INT,
        "SIGTERM" => Signal::TERM,
        "SIGQUIT" => Signal::QUIT,
        "SIGHUP" => Signal::HUP,
        "SIGKILL" => Signal::KILL,
        _ => return None,
    })
}

/// True where the first process of `container` leaves `signal` to the kernel, which ends every process
/// for it but the first of a container. Unknown, as where the engine is on another machine, is false.
pub(crate) fn spared(pid: i32, container: &str, signal: &str) -> bool {
    let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).ok();
    // In a namespace of our own the number may belong to somebody else.
    let theirs = read("cgroup").is_some_and(|groups| groups.contains(container));
    theirs && read("status").is_some_and(|status| unhandled(&status, signal))
}

fn unhandled(status: &str, signal: &str) -> bool {
    let Some(number) = named(signal).map(Signal::as_raw) else {
        return false;
    };
    let mask = |field: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(field))?;
        u64::from_str_radix(line.trim(), 16).ok()
    };
    let (Some(caught), Some(ignored)) = (mask("SigCgt:"), mask("SigIgn:")) else {
        return false;
    };
    (caught | ignored) & (1 << (number - 1)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_neither_handles_nor_ignores_is_told_by_its_masks() {
        // SIGINT handled, SIGHUP ignored.
        let status = "Name:\tsleep\nSigIgn:\t0000000000000001\nSigCgt:\t0000000000000002\n";
        assert!(!unhandled(status, "SIGINT"));
        assert!(!unhandled(status, "SIGHUP"));
        assert!(unhandled(status, "SIGTERM"));
        assert!(!unhandled("Name:\tsleep\n", "SIGTERM"));
        assert!(!unhandled(status, "SIGNONSENSE"));
    }

    #[test]
    fn a_process_of_no_container_is_left_alone() {
        let own = i32::try_from(std::process::id()).expect("a pid");
        assert!(!spared(own, "no-such-container", "SIGTERM"));
    }
}
