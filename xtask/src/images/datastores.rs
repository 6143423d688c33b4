//! `postgres` and `redis` from this machine's Debian packages.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::build::{build as build_image, inputs, is_current, pack};
use super::rootfs::RootFs;
use crate::paths;
use crate::setup::{find, major_of, postgres_directory};
use crate::tool::tool;

pub(super) const POSTGRES_ENTRYPOINT: &str = include_str!("files/postgres-entrypoint.sh");
pub(super) const REDIS_ENTRYPOINT: &str = include_str!("files/redis-entrypoint.sh");

/// Changes when the way an image is put together does; the files that go in count by themselves.
const RECIPE: &str = "3";

/// Ids of the official images, so that data directories look like theirs.
pub(super) const OFFICIAL_USER: u32 = 999;

/// Makes both images, with the tags that compose files use.
pub(super) fn build() -> Result<()> {
    postgres()?;
    redis()
}

/// The name of the image made of the newest PostgreSQL installed.
pub(crate) fn postgres_image() -> Result<String> {
    Ok(format!("postgres:{}", major_of(&postgres_directory()?)))
}

fn postgres() -> Result<()> {
    let directory = postgres_directory()?;
    let major = major_of(&directory);
    let name = format!("postgres:{major}");
    let server = directory.join("bin/postgres");
    let stamp = inputs(&[RECIPE, POSTGRES_ENTRYPOINT], &[&server])?;
    if is_current(&name, &stamp) {
        return Ok(());
    }
    eprintln!("making the image {name}");
    let context = context("postgres")?;
    let mut root = RootFs::create(&context.join("root"))?;
    root.users("postgres", OFFICIAL_USER, "/var/lib/postgresql")?;
    postgres_programs(&mut root, &directory)?;
    // Like the official image: clusters made in it listen to the container's network.
    root.append(
        &format!("usr/share/postgresql/{major}/postgresql.conf.sample"),
        "listen_addresses = '*'\n",
    )?;
    root.tree(Path::new("/usr/share/zoneinfo"))?;
    root.tree(Path::new("/usr/lib/locale/C.utf8"))?;
    root.program(&find("setpriv").context("no `setpriv` is installed")?)?;
    for dir in [
        "var/lib/postgresql/data",
        "docker-entrypoint-initdb.d",
        "var/run/postgresql",
    ] {
        root.directory(dir)?;
    }
    // Debian's servers look for their socket in /var/run/postgresql; so do the official images'.
    entrypoint(&mut root, POSTGRES_ENTRYPOINT)?;
    pack(root.path(), &context.join("root.tar"))?;
    let bin = format!("/usr/lib/postgresql/{major}/bin");
    finish(&context, &postgres_file(major, &bin), &name, &stamp)
}

/// Every program of it with what it loads, reached by `/usr/bin`.
fn postgres_programs(root: &mut RootFs, directory: &Path) -> Result<()> {
    root.directory("usr/bin")?;
    for entry in fs::read_dir(directory.join("bin"))?.flatten() {
        root.program(&entry.path())?;
        let program = entry.file_name();
        let program = program.to_string_lossy();
        root.link(
            &entry.path().to_string_lossy(),
            &format!("usr/bin/{program}"),
        )?;
    }
    for entry in fs::read_dir(directory.join("lib"))?.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        // The just-in-time compiler brings a hundred megabytes of libraries and no test needs it.
        let wanted = path.extension().is_some_and(|ext| ext == "so")
            && !name.to_string_lossy().starts_with("llvmjit");
        if wanted {
            root.program(&path)?;
        }
    }
    let major = major_of(directory);
    root.tree(Path::new(&format!("/usr/share/postgresql/{major}")))
}

/// Packs the programs of the newest PostgreSQL installed into `archive`, to be unpacked over a root file system of the
/// same Debian: a library that is there already serves as well.
pub(crate) fn postgres_archive(archive: &Path) -> Result<()> {
    let place = archive.with_extension("root");
    let mut root = RootFs::empty(&place);
    postgres_programs(&mut root, &postgres_directory()?)?;
    pack(root.path(), archive)?;
    Ok(fs::remove_dir_all(&place)?)
}

/// What the image says of itself, like the official one.
pub(super) fn postgres_file(major: u32, bin: &str) -> String {
    format!(
        "FROM scratch\nADD root.tar /\n\
         ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:{bin} LANG=C.UTF-8 \\\n\
         PG_MAJOR={major} PGDATA=/var/lib/postgresql/data\n\
         VOLUME /var/lib/postgresql/data\nENTRYPOINT [\"docker-entrypoint.sh\"]\nSTOPSIGNAL SIGINT\nEXPOSE 5432\nCMD [\"postgres\"]\n"
    )
}

fn redis() -> Result<()> {
    let server = find("redis-server").context("no `redis-server` is installed")?;
    let answer = tool(&server).arg("--version").read()?;
    let version = answer
        .split_whitespace()
        .find_map(|word| word.strip_prefix("v="))
        .context("`redis-server --version` names no version")?
        .to_owned();
    let major = version.split('.').next().unwrap_or("7").to_owned();
    let name = format!("redis:{major}");
    let stamp = inputs(&[RECIPE, REDIS_ENTRYPOINT], &[&server])?;
    if is_current(&name, &stamp) {
        return Ok(());
    }
    eprintln!("making the image {name}");
    let context = context("redis")?;
    let mut root = RootFs::create(&context.join("root"))?;
    root.users("redis", OFFICIAL_USER, "/data")?;
    root.program(&server)?;
    // Debian links them to one program that acts by its name; each gets a copy of its own here.
    for program in ["redis-cli", "redis-check-aof", "redis-check-rdb", "setpriv"] {
        root.program(&find(program).with_context(|| format!("no `{program}` is installed"))?)?;
    }
    root.directory("data")?;
    entrypoint(&mut root, REDIS_ENTRYPOINT)?;
    pack(root.path(), &context.join("root.tar"))?;
    finish(&context, &redis_file(&version), &name, &stamp)
}

/// What the image says of itself, like the official one.
pub(super) fn redis_file(version: &str) -> String {
    format!(
        "FROM scratch\nADD root.tar /\n\
         ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin REDIS_VERSION={version}\n\
         VOLUME /data\nWORKDIR /data\nENTRYPOINT [\"docker-entrypoint.sh\"]\nEXPOSE 6379\nCMD [\"redis-server\"]\n"
    )
}

pub(super) fn context(name: &str) -> Result<PathBuf> {
    let dir = paths::work()?.join("images").join(name);
    fs::create_dir_all(&dir)?;
    Ok(dir)
}

fn entrypoint(root: &mut RootFs, script: &str) -> Result<()> {
    root.write("usr/bin/docker-entrypoint.sh", script)?;
    root.mode("usr/bin/docker-entrypoint.sh", 0o755)
}

/// Builds from the archive alone: the unpacked tree would be sent to the Engine a second time.
pub(super) fn finish(context: &Path, file: &str, name: &str, stamp: &str) -> Result<()> {
    fs::write(context.join("Dockerfile"), file)?;
    fs::write(context.join(".dockerignore"), "root\n")?;
    build_image(name, stamp, context)?;
    fs::remove_dir_all(context.join("root"))?;
    fs::remove_file(context.join("root.tar"))?;
    Ok(())
}
