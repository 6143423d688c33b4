//! What a release is: one program, or everything in a directory; and the commands that it has.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use switchback_model::config::ExecConfig;
use switchback_model::product::{Exec, ExecService, Product, filled};
use switchback_model::{Digest, ServiceName, pattern};

use super::paths;
use crate::formats::reference::Reference;
use crate::host::process::Process;

/// Where releases are, and how they are told apart and run.
#[derive(Debug)]
pub(super) struct Releases {
    root: PathBuf,
    /// The same without links, as the kernel names what runs.
    real: PathBuf,
    /// What stands for the product where containers would have an image.
    label: String,
    pub(super) commands: Exec,
    /// What was read of a directory, by version, with the state of its files at that time.
    read: RefCell<BTreeMap<String, (Digest, Digest)>>,
}

impl Releases {
    /// What the configuration says, and where it says nothing the definition.
    pub(super) fn new(directory: &Path, config: &ExecConfig, product: Option<&Product>) -> Self {
        let defined = product.and_then(|product| product.exec.clone());
        let mut commands = defined.unwrap_or_default();
        commands.binary = config.binary.clone().or(commands.binary);
        if !config.services.is_empty() {
            let defined = std::mem::take(&mut commands.services);
            for (name, start) in &config.services {
                let stop = defined.get(name).map(|service| service.stop.clone());
                let service = ExecService {
                    start: start.clone(),
                    stop: stop.unwrap_or_default(),
                };
                commands.services.insert(name.clone(), service);
            }
        }
        let root = directory.join(&config.releases);
        let label = commands
            .binary
            .clone()
            .or_else(|| Some(product?.id.to_string()));
        Self {
            real: fs::canonicalize(&root).unwrap_or_else(|_| root.clone()),
            label: label.unwrap_or_default(),
            root,
            commands,
            read: RefCell::default(),
        }
    }

    /// What stands for the product where containers would have an image.
    pub(super) fn label(&self) -> &str {
        &self.label
    }

    /// How a version is named where containers would have an image.
    pub(super) fn reference(&self, version: &str) -> String {
        format!("{}:{version}", self.label)
    }

    /// The directory of a release.
    pub(super) fn directory(&self, version: &str) -> PathBuf {
        self.root.join(version)
    }

    /// What has to be there for a version to be here.
    pub(super) fn place(&self, version: &str) -> PathBuf {
        match &self.commands.binary {
            Some(binary) => self.directory(version).join(binary),
            None => self.directory(version),
        }
    }

    /// What stands for an image's id: a digest over what was installed. `None` where the version is not here.
    pub(super) fn id(&self, version: &str) -> io::Result<Option<String>> {
        if version.is_empty() || version.contains('/') || version.starts_with('.') {
            return Ok(None);
        }
        let place = self.place(version);
        let digest = match &self.commands.binary {
            Some(_) => fs::read(&place).map(Digest::of),
            None => self.of_directory(version, &place),
        };
        match digest {
            Ok(digest) => Ok(Some(id_of(&digest))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The id of what a process runs, where the process itself tells.
    pub(super) fn id_of_process(&self, process: Process) -> Option<String> {
        // An interpreter's bytes say nothing of the program that it runs.
        self.commands.binary.as_ref()?;
        process.image().ok().map(|bytes| id_of(&Digest::of(bytes)))
    }

    /// The bytes are read once, and again only where a file's state says that they may have changed.
    fn of_directory(&self, version: &str, directory: &Path) -> io::Result<Digest> {
        let mut entries = Vec::new();
        collect(directory, &self.commands.written, &mut entries)?;
        entries.sort_by(|one, other| one.0.cmp(&other.0));
        let states = Digest::of(lines(&entries, |_, found| {
            Ok(format!(
                "{} {} {} {} {}",
                found.ino(),
                found.size(),
                found.mode(),
                found.mtime(),
                found.mtime_nsec()
            )
            .into_bytes())
        })?);
        let known = self.read.borrow().get(version).cloned();
        if let Some((_, digest)) = known.filter(|(known, _)| *known == states) {
            return Ok(digest);
        }
        let digest = Digest::of(lines(&entries, |path, found| {
            let path = directory.join(path);
            if found.is_symlink() {
                let target = fs::read_link(path)?;
                return Ok([b"link ", target.as_os_str().as_bytes()].concat());
            }
            let kind = if found.mode() & 0o111 == 0 {
                "file"
            } else {
                "program"
            };
            Ok(format!("{kind} {}", Digest::of(fs::read(path)?)).into_bytes())
        })?);
        let read = (states, digest.clone());
        self.read.borrow_mut().insert(version.to_owned(), read);
        Ok(digest)
    }

    /// A command of a release, program first; `Err` with the name in braces that means nothing.
    pub(super) fn command(
        &self,
        version: &str,
        words: &[String],
        value: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Vec<String>, String> {
        let directory = self.directory(version);
        let value = |name: &str| match name {
            "release" => Some(directory.to_string_lossy().into_owned()),
            name => value(name),
        };
        let mut filled_in = Vec::new();
        for word in words {
            filled_in.push(filled(word, &value)?);
        }
        match &self.commands.binary {
            Some(binary) => filled_in.insert(0, binary.clone()),
            None if filled_in.is_empty() => return Ok(filled_in),
            None => {}
        }
        // A path that is absolute stays what it is.
        filled_in[0] = directory.join(&filled_in[0]).to_string_lossy().into_owned();
        Ok(filled_in)
    }

    /// The release whose `start` a process carries out, whoever started it: told by its program, or by the
    /// script that an interpreter was given.
    pub(super) fn version_started(
        &self,
        process: Process,
        start: &dyn Fn(&str) -> Option<Vec<String>>,
    ) -> Option<String> {
        let arguments = process.arguments();
        // `/releases/1/bin/python /releases/1/bin/app serve`: words from the program, or from the script, on.
        let named = (0..2).filter_map(|from| {
            let version = self.version_at(Path::new(arguments.get(from)?))?;
            Some((version, from))
        });
        // How it was called may say nothing of where it is: `./app serve`.
        let executable = process.executable();
        let executable = executable.and_then(|path| self.version_at(&path));
        named
            .chain(executable.map(|version| (version, 0)))
            .find(|(version, from)| {
                let start = start(version).unwrap_or_default();
                !start.is_empty() && self.is_start(&arguments[*from..], &start)
            })
            .map(|(version, _)| version)
    }

    /// The release that a path is in, by whichever links it leads there.
    fn version_at(&self, path: &Path) -> Option<String> {
        let is_root = |directory: &&Path| {
            *directory == self.root
                || fs::canonicalize(directory).is_ok_and(|found| found == self.real)
        };
        let mut above = path.ancestors().skip(1);
        let root = path.is_absolute().then(|| above.find(is_root))??;
        let version = path.strip_prefix(root).ok()?.components().next()?;
        Some(version.as_os_str().to_string_lossy().into_owned())
    }

    /// How the program's path is written does not count, nor by which links the others are.
    fn is_start(&self, arguments: &[String], start: &[String]) -> bool {
        let name = |words: &[String]| {
            let program = words.first().map(PathBuf::from)?;
            program.file_name().map(OsString::from)
        };
        (self.commands.binary.is_some() || name(arguments) == name(start))
            && arguments.len() == start.len()
            && std::iter::zip(arguments, start)
                .skip(1)
                .all(|(one, other)| paths::same_word(one, other))
    }

    /// The service's commands.
    pub(super) fn service(&self, name: &ServiceName) -> Option<&ExecService> {
        self.commands.services.get(name)
    }
}

/// The version that a reference names.
pub(super) fn version_of(reference: &str) -> &str {
    Reference::parse(reference).tag.map_or("", |(tag, _)| tag)
}

fn id_of(digest: &Digest) -> String {
    format!("sha256:{digest}")
}

/// Everything below `directory` that is no directory, by its path from there.
fn collect(
    directory: &Path,
    written: &[String],
    into: &mut Vec<(PathBuf, Metadata)>,
) -> io::Result<()> {
    let mut pending = vec![PathBuf::new()];
    while let Some(below) = pending.pop() {
        for entry in fs::read_dir(directory.join(&below))? {
            let entry = entry?;
            let name = entry.file_name();
            let shown = name.to_string_lossy();
            if written
                .iter()
                .any(|pattern| pattern::matches(pattern, &shown))
            {
                continue;
            }
            let found = entry.metadata()?;
            let path = below.join(&name);
            if found.is_dir() {
                pending.push(path);
            } else {
                into.push((path, found));
            }
        }
    }
    Ok(())
}

/// One line per entry; lengths keep one entry from reading as two.
fn lines(
    entries: &[(PathBuf, Metadata)],
    told: impl Fn(&Path, &Metadata) -> io::Result<Vec<u8>>,
) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    for (path, found) in entries {
        let (path_bytes, told) = (path.as_os_str().as_bytes(), told(path, found)?);
        all.extend(format!("{} {} ", path_bytes.len(), told.len()).into_bytes());
        all.extend(path_bytes);
        all.extend(told);
        all.push(b'\n');
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn releases(directory: &Path, commands: Exec) -> Releases {
        let config = ExecConfig {
            releases: "releases".to_owned(),
            current: "current".to_owned(),
            environment: None,
            directory: None,
            services: BTreeMap::new(),
            binary: None,
        };
        let mut releases = Releases::new(directory, &config, None);
        releases.commands = commands;
        releases
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn a_directory_is_what_was_installed_in_it() {
        let place = tempfile::tempdir().expect("temporary directory");
        let release = place.path().join("releases/1.0");
        fs::create_dir_all(release.join("lib/__pycache__")).expect("directories");
        fs::write(release.join("app"), "one").expect("written");
        fs::write(release.join("lib/part"), "two").expect("written");
        symlink("/usr/bin/env", release.join("python")).expect("linked");
        let commands = Exec {
            written: words(&["__pycache__", "*.pyc"]),
            ..Exec::default()
        };
        let releases = releases(place.path(), commands);
        let id = || releases.id("1.0").expect("readable").expect("here");
        let first = id();
        fs::write(release.join("lib/__pycache__/part.pyc"), "compiled").expect("written");
        assert_eq!(id(), first, "what its programs write is no part of it");
        let mut seen = vec![first.clone()];
        let mut differs = |what: &str| {
            let now = id();
            assert!(!seen.contains(&now), "{what}");
            seen.push(now);
        };
        fs::write(release.join("lib/part"), "TWO").expect("written");
        differs("other bytes");
        fs::rename(release.join("lib/part"), release.join("lib/piece")).expect("renamed");
        differs("another name");
        fs::set_permissions(release.join("app"), fs::Permissions::from_mode(0o755))
            .expect("permitted");
        differs("a program");
        fs::remove_file(release.join("python")).expect("removed");
        differs("no link");
        assert_eq!(releases.id("2.0").expect("looked"), None);
        for wrong in ["", "..", "1.0/lib"] {
            assert_eq!(releases.id(wrong).expect("looked"), None, "{wrong}");
        }
    }

    #[test]
    fn commands_are_of_their_release() {
        let place = tempfile::tempdir().expect("temporary directory");
        let value = |name: &str| (name == "PORT").then(|| "80".to_owned());
        let given = words(&["bin/app", "--port={PORT}", "{release}/share"]);
        let several = releases(place.path(), Exec::default());
        let root = place.path().join("releases/1.0");
        let root = root.to_string_lossy();
        assert_eq!(
            several.command("1.0", &given, &value),
            Ok(vec![
                format!("{root}/bin/app"),
                "--port=80".to_owned(),
                format!("{root}/share")
            ])
        );
        assert_eq!(
            several.command("1.0", &words(&["{HOST}"]), &value),
            Err("HOST".to_owned())
        );
        let one = Exec {
            binary: Some("app".to_owned()),
            ..Exec::default()
        };
        assert_eq!(
            releases(place.path(), one).command("1.0", &words(&["serve"]), &value),
            Ok(vec![format!("{root}/app"), "serve".to_owned()])
        );
    }
}
