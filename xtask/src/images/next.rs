//! `postgres` and `redis` of the next major version, so that a server can be upgraded to them.

use std::fs;

use anyhow::{Context, Result};

use super::build::{inputs, is_current, pack};
use super::datastores::{
    OFFICIAL_USER, POSTGRES_ENTRYPOINT, REDIS_ENTRYPOINT, context, finish, postgres_file,
    redis_file,
};
use super::rootfs::RootFs;
use crate::setup::{NEXT_POSTGRES, NEXT_REDIS, next_servers};

/// Changes when the way these images are put together does.
const RECIPE: &str = "2";
/// What both are made from: one tree holds both servers.
const BASE: &str = "switchback-next-servers";

/// Makes both images.
pub(super) fn build() -> Result<()> {
    let root = next_servers()?;
    let postgres = root.join(format!("usr/lib/postgresql/{NEXT_POSTGRES}/bin/postgres"));
    let redis = root.join("usr/bin/redis-check-rdb");
    let texts = [RECIPE, POSTGRES_ENTRYPOINT, REDIS_ENTRYPOINT];
    let stamp = inputs(&texts, &[&postgres, &redis])?;
    let names = [
        format!("postgres:{NEXT_POSTGRES}"),
        format!("redis:{NEXT_REDIS}"),
    ];
    if names.iter().all(|name| is_current(name, &stamp)) {
        return Ok(());
    }
    eprintln!("making the images {}", names.join(" and "));
    base(&root, &stamp)?;
    let bin = format!("/usr/lib/postgresql/{NEXT_POSTGRES}/bin");
    let from = |file: String, entrypoint: &str| {
        file.replace("FROM scratch\nADD root.tar /\n", &format!("FROM {BASE}\n"))
            .replace("docker-entrypoint.sh", entrypoint)
    };
    let version = format!("{NEXT_REDIS}");
    for (name, file) in names.iter().zip([
        from(postgres_file(NEXT_POSTGRES, &bin), "postgres-entrypoint.sh"),
        from(redis_file(&version), "redis-entrypoint.sh"),
    ]) {
        let context = context(&name.replace(':', "-"))?;
        fs::write(context.join("Dockerfile"), file)?;
        super::build::build(name, &stamp, &context)?;
    }
    Ok(())
}

fn base(servers: &std::path::Path, stamp: &str) -> Result<()> {
    let context = context(BASE)?;
    let mut root = RootFs::create(&context.join("root"))?;
    root.write(
        "etc/passwd",
        &format!(
            "root:x:0:0:root:/root:/bin/sh\n\
             postgres:x:{OFFICIAL_USER}:{OFFICIAL_USER}::/var/lib/postgresql:/bin/sh\n\
             redis:x:{OFFICIAL_USER}:{OFFICIAL_USER}::/data:/bin/sh\n"
        ),
    )?;
    root.write(
        "etc/group",
        &format!("root:x:0:\npostgres:x:{OFFICIAL_USER}:\nredis:x:{OFFICIAL_USER}:\n"),
    )?;
    root.lay_over(&servers.join("usr"), "usr")?;
    for name in ["lib", "lib64"] {
        root.link(&format!("usr/{name}"), name)?;
    }
    let bin = format!("usr/lib/postgresql/{NEXT_POSTGRES}/bin");
    let programs = fs::read_dir(servers.join(&bin)).context("no PostgreSQL was unpacked")?;
    for program in programs.flatten() {
        let program = program.file_name();
        let program = program.to_string_lossy();
        root.link(&format!("/{bin}/{program}"), &format!("usr/bin/{program}"))?;
    }
    root.append(
        &format!("usr/share/postgresql/{NEXT_POSTGRES}/postgresql.conf.sample"),
        "listen_addresses = '*'\n",
    )?;
    root.tree(std::path::Path::new("/usr/share/zoneinfo"))?;
    for (name, script) in [
        ("postgres", POSTGRES_ENTRYPOINT),
        ("redis", REDIS_ENTRYPOINT),
    ] {
        let path = format!("usr/bin/{name}-entrypoint.sh");
        root.write(&path, script)?;
        root.mode(&path, 0o755)?;
    }
    for dir in [
        "data",
        "docker-entrypoint-initdb.d",
        "var/lib/postgresql/data",
        "var/run/postgresql",
    ] {
        root.directory(dir)?;
    }
    pack(root.path(), &context.join("root.tar"))?;
    let file = "FROM scratch\nADD root.tar /\n";
    finish(&context, file, BASE, stamp)
}
