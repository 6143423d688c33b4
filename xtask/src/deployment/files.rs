//! The files of a deployment, as the product's documentation has people write them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Result;
use sha2::{Digest, Sha256};

use super::{CHECK_APPLICATION, DATABASE, Deployment};
use crate::images::{Edition, postgres_image};

/// The key that the loaded data contain. Nothing outside a test machine ever sees these databases.
pub(super) const API_KEY: &str = "NNSXS.FIXTURE.3X6ZL2OHBZ2JXWGZB4UEGQ5C6LE4PHZ7";

/// Id and stored digest of the key.
pub(super) fn stored_key() -> (String, String) {
    let mut parts = API_KEY.splitn(3, '.').skip(1);
    let (id, secret) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let hex: String = Sha256::digest(secret)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    (id.to_owned(), format!("sha256${hex}"))
}

/// Writes compose file, configuration, key file and a few pictures; keeps data that is there.
pub(super) fn write(deployment: &Deployment, version: &str) -> Result<()> {
    let dir = &deployment.dir;
    for folder in [
        "config/stack",
        "blob/profile_pictures",
        "blob/end_device_pictures",
    ] {
        fs::create_dir_all(dir.join(folder))?;
    }
    fs::set_permissions(dir.join("blob"), fs::Permissions::from_mode(0o777))?;
    fs::write(
        deployment.compose_file(),
        compose_file(deployment, version, &postgres_image()?),
    )?;
    fs::write(
        dir.join("config/stack/ttn-lw-stack-docker.yml"),
        CONFIGURATION,
    )?;
    key(dir)?;
    pictures(&dir.join("blob/profile_pictures"))
}

/// The file with the key, next to the configuration.
pub(super) fn key(dir: &Path) -> Result<()> {
    fs::write(dir.join("api-key"), format!("{API_KEY}\n"))?;
    Ok(())
}

/// A few pictures as users upload them.
pub(super) fn pictures(dir: &Path) -> Result<()> {
    for number in 0..8_u8 {
        let picture: Vec<u8> = (0..20_000_u32)
            .map(|at| (at as u8).wrapping_mul(number + 3))
            .collect();
        fs::write(dir.join(format!("picture-{number}.jpg")), picture)?;
    }
    Ok(())
}

/// What an operator adds to the file that `switchback init` wrote, so that the write path is verified, too.
pub(crate) fn verify_section() -> String {
    format!(
        "\n[verify]\napi-key = {{ file = \"api-key\" }}\napplication = \"{CHECK_APPLICATION}\"\n"
    )
}

const CONFIGURATION: &str = "\
# Identity Server configuration
is:
  email:
    sender-name: 'The Things Stack'
    sender-address: 'noreply@example.com'
  profile-picture:
    bucket-url: 'profile_pictures'
  end-device-picture:
    bucket-url: 'end_device_pictures'

# HTTP server configuration
http:
  cookie:
    block-key: ''
    hash-key: ''
";

fn compose_file(deployment: &Deployment, version: &str, postgres: &str) -> String {
    let Deployment {
        project,
        port,
        edition,
        ..
    } = deployment;
    let image = edition.image(version);
    let binary = edition.binary();
    let grafana = match edition {
        Edition::OpenSource => String::new(),
        Edition::Enterprise => format!(
            "\n  grafana:\n    image: 'ghcr.io/thethingsindustries/lorawan-stack-noc-grafana:{version}'\n    restart: unless-stopped\n"
        ),
    };
    format!(
        "# The Things Stack in Docker Compose
name: {project}

services:
  # PostgreSQL holds users, applications, gateways and devices.
  postgres:
    image: {postgres}
    restart: unless-stopped
    environment:
      - POSTGRES_PASSWORD=root
      - POSTGRES_USER=root
      - POSTGRES_DB={DATABASE}
    volumes:
      - ${{DEV_DATA_DIR:-.env/data}}/postgres:/var/lib/postgresql/data

  redis:
    image: redis:7
    command: redis-server --appendonly yes
    restart: unless-stopped
    volumes:
      - ${{DEV_DATA_DIR:-.env/data}}/redis:/data

  stack:
    image: '{image}'   # keep this comment
    entrypoint: {binary} -c /config/ttn-lw-stack-docker.yml
    command: start
    restart: unless-stopped
    depends_on:
      - redis
      - postgres
    volumes:
      - ./blob:/srv/ttn-lorawan/public/blob
      - ./config/stack:/config:ro
    environment:
      TTN_LW_BLOB_LOCAL_DIRECTORY: /srv/ttn-lorawan/public/blob
      TTN_LW_REDIS_ADDRESS: redis:6379
      TTN_LW_IS_DATABASE_URI: postgres://root:root@postgres:5432/{DATABASE}?sslmode=disable
    ports:
      - \"127.0.0.1:{port}:1885\"
{grafana}"
    )
}
