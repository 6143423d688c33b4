//! restic, which keeps the backup repository: the machine's own, else Debian's next release's.

use anyhow::{Result, bail};

use super::donor;
use crate::tool::tool;

/// The oldest release with the exit codes that switchback reads.
const OLDEST: (u32, u32) = (0, 17);

/// Where the program goes: on every search path, and before the machine's own.
const PLACE: &str = "/usr/local/bin/restic";

/// Makes sure that `restic` is new enough.
pub(super) fn install() -> Result<()> {
    if works() {
        return Ok(());
    }
    eprintln!("installing restic");
    let program = donor::unpack("restic")?.join("usr/bin/restic");
    tool("install")
        .args(["-m", "755"])
        .arg(&program)
        .arg(PLACE)
        .quiet()?;
    if !works() {
        bail!(
            "restic was placed in {PLACE}, but `restic version` does not say {}.{} or newer",
            OLDEST.0,
            OLDEST.1
        );
    }
    Ok(())
}

fn works() -> bool {
    tool("restic")
        .arg("version")
        .read()
        .is_ok_and(|said| version(&said).is_some_and(|found| found >= OLDEST))
}

/// The first two numbers of `restic 0.18.0 compiled with …`.
fn version(said: &str) -> Option<(u32, u32)> {
    let mut numbers = said.split_whitespace().nth(1)?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn the_version_is_read_where_restic_says_it() {
        let said = "restic 0.18.0 compiled with go1.24.4 on linux/amd64";
        assert_eq!(version(said), Some((0, 18)));
        assert_eq!(version("restic: command not found"), None);
    }
}
