//! Which release this image plays.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Result, bail};

/// A final release or a candidate for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Release {
    major: u32,
    minor: u32,
    patch: u32,
    /// A candidate's number; finals sort after every candidate.
    candidate: u32,
}

/// Open source or Enterprise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edition {
    OpenSource,
    Enterprise,
}

impl Release {
    pub(crate) const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self {
            major,
            minor,
            patch,
            candidate: u32::MAX,
        }
    }

    /// Whether this is a patch release of a minor.
    pub(crate) fn is_minor(self, major: u32, minor: u32) -> bool {
        (self.major, self.minor) == (major, minor)
    }
}

impl Edition {
    pub(crate) fn binary(self) -> &'static str {
        match self {
            Self::OpenSource => "ttn-lw-stack",
            Self::Enterprise => "tti-lw-stack",
        }
    }
}

impl FromStr for Release {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (numbers, candidate) = match text.split_once("-rc") {
            Some((numbers, candidate)) => (numbers, candidate.parse()?),
            None => (text, u32::MAX),
        };
        let numbers: Vec<u32> = numbers
            .split('.')
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        let [major, minor, patch] = numbers[..] else {
            bail!("`{text}` is not a release");
        };
        Ok(Self {
            major,
            minor,
            patch,
            candidate,
        })
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        match self.candidate {
            u32::MAX => Ok(()),
            candidate => write!(f, "-rc{candidate}"),
        }
    }
}

/// The image sets both variables. Where there is no image, the directory that the program lies in names the release, and the
/// program's own name the edition.
pub(crate) fn of_this_image() -> Result<(Release, Edition)> {
    let version = match std::env::var("STANDIN_VERSION") {
        Ok(version) => version,
        Err(_) => {
            directory_name().context("neither STANDIN_VERSION nor a directory names the release")?
        }
    };
    let edition = match std::env::var("STANDIN_EDITION").as_deref() {
        Ok("Enterprise") => Edition::Enterprise,
        Ok(_) => Edition::OpenSource,
        Err(_) if program_name().starts_with("tti-") => Edition::Enterprise,
        Err(_) => Edition::OpenSource,
    };
    Ok((version.parse()?, edition))
}

fn directory_name() -> Option<String> {
    let program = std::env::current_exe().ok()?;
    Some(program.parent()?.file_name()?.to_str()?.to_owned())
}

fn program_name() -> String {
    let program = std::env::args().next().unwrap_or_default();
    program.rsplit('/').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::Release;

    #[test]
    fn candidates_come_before_their_final() {
        let parse = |text: &str| text.parse::<Release>().expect("a release");
        assert!(parse("3.9.1") < parse("3.10.0"));
        assert!(parse("3.10.0-rc2") < parse("3.10.0"));
        assert!(parse("3.10.0-rc1") < parse("3.10.0-rc2"));
        assert_eq!(parse("3.10.0-rc1").to_string(), "3.10.0-rc1");
        assert!("3.10".parse::<Release>().is_err());
    }
}
