//! The machine that figures come from.

use std::fs;

use anyhow::Result;

use crate::paths;
use crate::tool::tool;

/// One line: processor, cores, memory, disk, system.
pub(super) fn described() -> Result<String> {
    let processors = fs::read_to_string("/proc/cpuinfo")?;
    let model = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, name)| name.trim());
    let cores = std::thread::available_parallelism()?;
    let memory = fs::read_to_string("/proc/meminfo")?;
    let kilobytes: f64 = memory
        .lines()
        .find_map(|line| {
            line.strip_prefix("MemTotal:")?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        })
        .unwrap_or(0.0);
    let disk = tool("stat")
        .args(["--file-system", "--format", "%T"])
        .arg(paths::target())
        .read()?;
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let system = release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .unwrap_or("Linux")
        .trim_matches('"');
    let kernel = tool("uname").arg("--kernel-release").read()?;
    Ok(format!(
        "{model}, {cores} cores, {:.0} GiB, {} on a virtual disk, {system}, Linux {}",
        kilobytes / 1024.0 / 1024.0,
        disk.trim(),
        kernel.trim()
    ))
}
