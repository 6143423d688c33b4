//! The machine: the product's packages, and PostgreSQL with data of the product in it.

use std::fs;

use anyhow::Result;

use super::super::host::{self, Host};
use crate::images;
use crate::live::lab::Lab;

/// The image with version 2.1.0 and an empty database server.
const IMAGE: &str = "switchback-xtask/flow-ledger:1";

/// What the product says to its database, and no list of processes may show.
pub(super) const PASSWORD: &str = "ledger-Zx81-secret";

/// The definition of the product.
pub(super) const DEFINITION: &str = include_str!("product.toml");
const FILL: &str = include_str!("fill.sql");
const MIGRATE: &str = include_str!("migrate.sh");
const SLOW: &str = include_str!("slow.sh");
const SERVICE: &str = include_str!("server.service");
const PACKS: &str = include_str!("packs.sh");
const LAST_WORDS: &str = include_str!("last-words.sh");
const CUT: &str = include_str!("cut.sh");

const DOCKERFILE: &str = "\
FROM switchback-xtask/flow:1
COPY postgres.tar fill.sql migrate password server-password pg_dump pg_restore server.service ledger.conf \
     packs last-words cut /srv/ledger/
RUN tar --directory / --extract --skip-old-files --keep-directory-symlink --file /srv/ledger/postgres.tar \
 && rm /srv/ledger/postgres.tar && ldconfig \
 && useradd --system --create-home --home-dir /var/lib/postgresql postgres \
 && mv /srv/ledger/pg_dump /srv/ledger/pg_restore /usr/local/bin/ \
 && mv /srv/ledger/server.service /etc/systemd/system/ledger-server.service \
 && mkdir /usr/lib/systemd/system/flow-runner.service.d \
 && printf '[Service]\\nExecStopPost=/srv/ledger/last-words\\n' > /usr/lib/systemd/system/flow-runner.service.d/last-words.conf \
 && mv /srv/ledger/ledger.conf /etc/flow/ && chmod 600 /srv/ledger/password /etc/flow/ledger.conf \
 && chown postgres /srv/ledger/fill.sql /srv/ledger/server-password \
 && setpriv --reuid postgres --regid postgres --clear-groups initdb --no-sync --locale C.UTF-8 --auth-local peer \
    --auth-host scram-sha-256 --pwfile /srv/ledger/server-password --pgdata /var/lib/postgresql/data \
 && systemctl enable ledger-server
";

/// Rows, shape and sequence in three lines; a dump's own comments and marks are of the moment.
const SUM: &str = "cd / && ask() { setpriv --reuid postgres --regid postgres --clear-groups \"$@\"; } \
    && ask psql -XAtc \"select count(*), md5(string_agg(e::text, ',' order by id)) from entries e\" ledger \
    && ask psql -XAtc 'select last_value, is_called from entries_id_seq' ledger \
    && ask /usr/bin/pg_dump --schema-only ledger | grep -v '^--\\|restrict' | md5sum";

/// Every file with everything that it is; the times of the directory itself are those of the names in it.
const FILES: &str = "cd /srv/data/packs && { find . -mindepth 1 -path './.switchback-*' -prune -o -mindepth 1 \
    -printf '%p %M %U:%G %n %s %l %T@\\n' | sort; find . -path './.switchback-*' -prune -o -type f -print0 | sort -z \
    | xargs -0 sha256sum; } | sha256sum";

/// The first copy of an icon, which is as the original.
const ICONS: &str = "cmp --silent /srv/data/packs/core/icon.png /srv/data/.switchback-shadow-*-packs/copy/core/icon.png";

/// One byte of that copy becomes another one, as a broken disk does it.
const FLIP: &str = "cd /srv/data/.switchback-shadow-*-packs/copy/core && touch -r icon.png /run/times \
    && printf '\\377' | dd of=icon.png bs=1 seek=2000 conv=notrunc status=none && touch -r /run/times icon.png";

/// Boots it, with data in it.
pub(super) fn boot(lab: &Lab) -> Result<Host> {
    image()?;
    // A filesystem whose files cannot share their bytes: so a first copy can be slowed down.
    let data = ["--tmpfs", "/srv/data:size=256m,mode=0755"];
    let host = Host::boot_to_be_reached(lab, "ssh-data", IMAGE, &data)?;
    host.ok("/srv/ledger/packs")?;
    host.until("its database answers", |host| {
        Ok(host.shell("pg_isready --quiet")?.status.success())
    })?;
    host.ok("cd / && setpriv --reuid postgres --regid postgres --clear-groups psql -Xqf /srv/ledger/fill.sql postgres")?;
    Ok(host)
}

/// Everything that the database holds.
pub(super) fn sum(host: &Host) -> Result<String> {
    host.ok(SUM)
}

/// Everything that the files are.
pub(super) fn files(host: &Host) -> Result<String> {
    host.ok(FILES)
}

/// Waits until a file is in the shadow, while others are not yet.
pub(super) fn until_copied(host: &Host) -> Result<()> {
    host.until("a first file is in the shadow", |host| {
        Ok(host.shell(ICONS)?.status.success())
    })
}

/// Damages that file in the shadow; what was in the way of the rest is gone.
pub(super) fn flip(host: &Host) -> Result<()> {
    host.ok(FLIP)?;
    host.ok("rm /srv/data/packs/zz/ballast").map(drop)
}

/// Has every connection end in the middle of the seal.
pub(super) fn cut_in_the_seal(host: &Host) -> Result<()> {
    host.ok("setsid --fork /srv/ledger/cut > /dev/null 2>&1 < /dev/null")
        .map(drop)
}

/// What is kept of the files, beside them and apart.
pub(super) fn kept(host: &Host) -> Result<String> {
    host.ok("ls -d /srv/data/.switchback-* /var/lib/switchback/shadows/* 2> /dev/null || true")
}

/// Names of all databases, one a line.
pub(super) fn databases(host: &Host) -> Result<String> {
    host.ok("cd / && setpriv --reuid postgres --regid postgres --clear-groups psql -XAtc 'select datname from pg_database order by 1' postgres")
}

fn image() -> Result<()> {
    host::image()?;
    let mut inputs = super::super::family::INPUTS.to_vec();
    let own = [
        DOCKERFILE,
        FILL,
        MIGRATE,
        SLOW,
        SERVICE,
        PACKS,
        LAST_WORDS,
        CUT,
        include_str!("machine.rs"),
    ];
    inputs.extend(own);
    images::on_host(IMAGE, &inputs, |context| {
        images::postgres_archive(&context.join("postgres.tar"))?;
        let write = |name: &str, text: &str| fs::write(context.join(name), text);
        write("fill.sql", &FILL.replace("@PASSWORD@", PASSWORD))?;
        write("password", PASSWORD)?;
        write("server-password", "of the superuser")?;
        write("server.service", SERVICE)?;
        let uri = format!("postgresql://flow:{PASSWORD}@127.0.0.1:5432/ledger");
        write("ledger.conf", &format!("[ledger]\nconnection = {uri}\n"))?;
        write("Dockerfile", DOCKERFILE)?;
        for (name, text) in [
            ("migrate", MIGRATE.to_owned()),
            ("packs", PACKS.to_owned()),
            ("last-words", LAST_WORDS.to_owned()),
            ("cut", CUT.to_owned()),
            ("pg_dump", SLOW.replace("@NAME@", "pg_dump")),
            ("pg_restore", SLOW.replace("@NAME@", "pg_restore")),
        ] {
            write(name, &text)?;
            crate::tool::tool("chmod")
                .arg("755")
                .arg(context.join(name))
                .quiet()?;
        }
        Ok(())
    })
}
