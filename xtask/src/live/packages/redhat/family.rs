//! The family of packages as rpm packages, in a signed repository, on a machine that has dnf.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};

use super::super::family::{DEFINITION, INPUTS, Package, Relation, packages};
use crate::images;

/// The image with version 2.1.0 installed.
const IMAGE: &str = "switchback-xtask/flow-rpm:1";

const SPEC: &str = include_str!("flow.spec");

/// What the machine's own packages, which rpm does not know, have for those of the family.
const BASE: &str = "\
Name: base
Version: 1.0
Release: 1
Summary: what every machine has
License: none
BuildArch: noarch
Provides: /bin/sh /usr/bin/perl

%description
What every machine has.

%files
";

const DOCKERFILE: &str = "\
FROM switchback-xtask/host-rpm:1
COPY build /srv/build
COPY catalog /srv/catalog
RUN sh -e /srv/build/make.sh && rm -rf /srv/build
ENV SWITCHBACK_STATE=/srv/state NO_COLOR=1
";

/// Builds every package, signs them with the present key, and the index with that and with one that nobody has.
const MAKE: &str = include_str!("make.sh");

/// One image for all cases, which begin at the same time.
static IMAGE_MADE: Mutex<bool> = Mutex::new(false);

/// Makes the image, unless it is there; its name.
pub(super) fn image() -> Result<&'static str> {
    let mut made = IMAGE_MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if *made {
        return Ok(IMAGE);
    }
    let mut inputs = INPUTS.to_vec();
    inputs.extend([DOCKERFILE, MAKE, SPEC, BASE, include_str!("family.rs")]);
    images::on_rpm_host(IMAGE, &inputs, |context| {
        let build = context.join("build");
        fs::create_dir_all(&build)?;
        fs::write(build.join("make.sh"), MAKE)?;
        fs::create_dir_all(build.join("base/tree"))?;
        fs::write(build.join("base/package.spec"), BASE)?;
        for package in packages() {
            lay_out(&package, &build)?;
        }
        let definition = context.join("catalog/flow");
        fs::create_dir_all(&definition)?;
        fs::write(definition.join("product.toml"), DEFINITION)?;
        fs::write(context.join("Dockerfile"), DOCKERFILE)?;
        Ok(())
    })?;
    *made = true;
    Ok(IMAGE)
}

/// Writes a package's files and its specification.
fn lay_out(package: &Package, build: &Path) -> Result<()> {
    let directory = build.join(format!("{}-{}", package.name, package.version));
    let tree = directory.join("tree");
    fs::create_dir_all(&tree)?;
    let mut listed = String::new();
    for (path, text, mode) in package.files() {
        let at = tree.join(&path);
        fs::create_dir_all(at.parent().context("a path in a directory")?)?;
        fs::write(&at, text)?;
        let how = match path.as_str() {
            "etc/flow/flow.conf" => "%config(noreplace) ",
            "etc/flow/limits.conf" => "%config ",
            _ => "",
        };
        listed.push_str(&format!("%attr({mode:o}, root, root) {how}/{path}\n"));
    }
    let relation = match package.relation() {
        Some(Relation::Needs(name, version)) => format!("Requires: {name} >= {version}"),
        Some(Relation::Forbids(name)) => format!("Obsoletes: {name}"),
        None => String::new(),
    };
    let script = package.script().unwrap_or_else(|| "exit 0".to_owned());
    let spec = SPEC
        .replace("@NAME@", package.name)
        .replace("@VERSION@", package.version)
        .replace("@RELATION@", &relation)
        .replace("@POSTINST@", script.trim_start_matches("#!/bin/sh\n"))
        .replace("@FILES@", &listed);
    fs::write(directory.join("package.spec"), spec)?;
    Ok(())
}
