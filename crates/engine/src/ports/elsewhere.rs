//! This program itself, on another machine.

use std::path::Path;

use super::Failure;

/// Another machine, where what lies beside the data is made and read by this program itself, over there. Drivers
/// provide it, datastores use it.
pub trait Elsewhere {
    /// How the machine is called.
    fn machine(&self) -> &str;

    /// The directory over there where things of ours outlive a call.
    fn root(&self) -> &Path;

    /// Runs this program over there with `words`, as root, gives it `input` and hands over each line that it says.
    /// The program is brought there first, unless it is there. A connection that is lost meanwhile is made anew for a
    /// while and everything is asked again, so it must be something that may be asked twice.
    fn run(&self, words: &[&str], input: &[u8], said: &mut dyn FnMut(&str)) -> Result<(), Failure>;
}
