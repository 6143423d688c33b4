//! Letting processes of a server give way to the others.

use std::fs;

use rustix::process::{Pid, setpriority_process};

/// What a process that gives way gets is about a tenth of what another one gets, while both want a processor. It
/// is no less than that, so that a lock it holds for a moment is given back in another moment.
const NICENESS: i32 = 10;

/// Lets a process of this host give way, where we may; whoever started it never notices more than that.
pub(crate) fn give_way(pid: i32) {
    let _ = setpriority_process(Pid::from_raw(pid), NICENESS);
}

/// The same, of what `container` knows by the number `inner`. Where the engine is on another machine, or in a
/// namespace other than ours, no process is found.
pub(crate) fn give_way_inside(container: &str, inner: i32) {
    let Ok(all) = fs::read_dir("/proc") else {
        return;
    };
    let numbers = all
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    for pid in numbers {
        let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).ok();
        let known = read("status").is_some_and(|status| innermost(&status) == Some(inner));
        if known && read("cgroup").is_some_and(|groups| groups.contains(container)) {
            give_way(pid);
        }
    }
}

/// The number of a process in the namespace that it lives in.
fn innermost(status: &str) -> Option<i32> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))?;
    line.split_whitespace().next_back()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rustix::process::getpriority_process;

    use super::*;

    #[test]
    fn a_process_is_known_by_the_number_of_its_own_namespace() {
        assert_eq!(innermost("Name:\tpostgres\nNSpid:\t4711\t66\n"), Some(66));
        assert_eq!(innermost("Name:\tpostgres\nNSpid:\t4711\n"), Some(4711));
        assert_eq!(innermost("Name:\tpostgres\n"), None);
    }

    #[test]
    fn a_process_gives_way_and_one_that_is_not_there_is_no_error() {
        let mut child = Command::new("sleep")
            .arg("60")
            .spawn()
            .expect("sleep starts");
        let pid = i32::try_from(child.id()).expect("a pid");
        give_way(pid);
        let nice = getpriority_process(Pid::from_raw(pid));
        child.kill().expect("it runs");
        child.wait().expect("it ended");
        assert_eq!(nice, Ok(NICENESS));
        give_way(pid);
        give_way_inside("no-such-container", 1);
    }
}
