//! What the operator does not want changed: locked versions, and names that are left out of what repositories have.

use switchback_model::pattern;

/// Where versions are locked: dnf's list, then yum's.
pub(super) const LOCKED: [&str; 2] = [
    "/etc/dnf/plugins/versionlock.list",
    "/etc/yum/pluginconf.d/versionlock.list",
];

/// Whether a line of the lists of locked versions is about the package.
pub(super) fn is_locked(lists: &str, name: &str) -> bool {
    lists.lines().any(|line| {
        let line = line.split('#').next().unwrap_or_default().trim();
        // An exclamation mark forbids the version in place of all others.
        let pattern = line.trim_start_matches('!');
        !pattern.is_empty() && pattern::matches(name_in(pattern), name)
    })
}

/// The name in `name-epoch:version-release.architecture`, `epoch:name-version-release.architecture` or `name`.
fn name_in(pattern: &str) -> &str {
    let pattern = match pattern.split_once(':') {
        Some((epoch, rest)) if epoch.chars().all(|c| c.is_ascii_digit()) => rest,
        _ => pattern,
    };
    let mut parts = pattern.rsplitn(3, '-');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(_), Some(version), Some(name))
            if version.starts_with(|c: char| c.is_ascii_digit() || c == '*') =>
        {
            name
        }
        _ => pattern,
    }
}

/// Whether one of the patterns of an `exclude` setting is about the package.
pub(super) fn is_excluded(setting: &str, name: &str) -> bool {
    setting
        .split([',', ' ', '\t', '\n'])
        .filter(|pattern| !pattern.is_empty())
        .any(|pattern| pattern::matches(name_in(pattern), name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_both_lists() {
        let lists = "# Added lock on Tue Nov 10 10:00:00 2026\nst2-0:2.1.0-1.*\n0:st2web-2.1.0-1.*\n\
                     !st2chatops-0:2.2.0-1.*\nredis\n";
        for name in ["st2", "st2web", "st2chatops", "redis"] {
            assert!(is_locked(lists, name), "{name}");
        }
        assert!(!is_locked(lists, "st2mistral"));
    }

    #[test]
    fn names_that_are_left_out() {
        assert!(is_excluded("kernel*, st2*", "st2web"));
        assert!(is_excluded("kernel* st2-2.1.0-1.x86_64", "st2"));
        assert!(!is_excluded("kernel*,st2-2.1.0-1", "st2web"));
        assert!(!is_excluded("", "st2"));
    }
}
