//! The settings of dnf and of its repositories: which file lists a repository, and what it says of keys.

use std::collections::BTreeMap;

use switchback_engine::process::Argv;

/// Where they are. A file may be missing, and a directory.
const PLACES: [&str; 3] = ["/etc/dnf/dnf.conf", "/etc/yum.conf", "/etc/yum.repos.d"];

/// A section of a file of settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) file: String,
    values: BTreeMap<String, String>,
}

impl Section {
    /// A setting, where it is given.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }
}

/// Settings by section: `main`, and one for each repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Settings(BTreeMap<String, Section>);

impl Settings {
    /// The section of a repository, or `main`.
    pub(super) fn section(&self, name: &str) -> Option<&Section> {
        self.0.get(name)
    }

    /// Whether packages of a repository have to be signed.
    pub(super) fn checks_packages(&self, repository: &str) -> bool {
        let of = |section: &str| self.section(section)?.get("gpgcheck");
        let said = of(repository).or_else(|| of("main")).unwrap_or("0");
        matches!(
            said.to_ascii_lowercase().as_str(),
            "1" | "yes" | "true" | "on"
        )
    }

    /// Every setting that leaves packages out.
    pub(super) fn excluded(&self) -> impl Iterator<Item = &str> {
        self.0.values().flat_map(|section| {
            let names = ["exclude", "excludepkgs"];
            names.into_iter().filter_map(|name| section.get(name))
        })
    }
}

/// Asks for every line of settings, with its file before it.
pub(super) fn ask() -> Argv {
    Argv::new(
        "grep",
        ["--recursive", "--with-filename", "--no-messages", "", "--"],
    )
    .args(PLACES)
}

/// Reads the answer to [`ask`].
pub(super) fn settings(answer: &str) -> Settings {
    let mut found = Settings::default();
    let (mut file, mut section, mut last) = (String::new(), String::new(), String::new());
    for line in answer.lines() {
        let Some((at, text)) = line.split_once(':') else {
            continue;
        };
        if at != file {
            at.clone_into(&mut file);
            section.clear();
        }
        let text = text.trim_end();
        if text.trim_start().starts_with(['#', ';']) || text.is_empty() {
            continue;
        }
        if let Some(name) = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            name.clone_into(&mut section);
            found
                .0
                .entry(section.clone())
                .or_default()
                .file
                .clone_from(&file);
            continue;
        }
        let Some(values) = found.0.get_mut(&section).map(|section| &mut section.values) else {
            continue;
        };
        // A line that begins with a space goes on with the value before it.
        if text.starts_with([' ', '\t']) {
            if let Some(value) = values.get_mut(&last) {
                value.push(' ');
                value.push_str(text.trim());
            }
        } else if let Some((name, value)) = text.split_once('=') {
            name.trim().clone_into(&mut last);
            values.insert(last.clone(), value.trim().to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_of_several_files() {
        let answer = "/etc/dnf/dnf.conf:[main]\n/etc/dnf/dnf.conf:gpgcheck=1\n\
                      /etc/dnf/dnf.conf:exclude=kernel*\n/etc/dnf/dnf.conf:  st2web\n\
                      /etc/yum.repos.d/st2.repo:# packagecloud\n/etc/yum.repos.d/st2.repo:[StackStorm_stable]\n\
                      /etc/yum.repos.d/st2.repo:gpgcheck = 0\n/etc/yum.repos.d/st2.repo:baseurl=https://example.org/el/7\n\
                      /etc/yum.repos.d/st2.repo:\n/etc/yum.repos.d/st2.repo:[source]\n/etc/yum.repos.d/st2.repo:enabled=0\n";
        let found = settings(answer);
        let section = found.section("StackStorm_stable").expect("listed");
        assert_eq!(section.file, "/etc/yum.repos.d/st2.repo");
        assert_eq!(section.get("baseurl"), Some("https://example.org/el/7"));
        assert!(!found.checks_packages("StackStorm_stable"));
        assert!(found.checks_packages("source"));
        assert_eq!(found.excluded().collect::<Vec<_>>(), ["kernel* st2web"]);
    }
}
