//! What a datastore is asked with outside a run, and where it finds what was fetched.

use std::collections::BTreeMap;
use std::path::Path;

use switchback_backup::Fetched;
use switchback_datastores::backup::{self, Manifest};
use switchback_engine::ports::Failure;
use switchback_model::observed::{Datastore, Deployment};
use switchback_model::plan::{
    BackupMethod, DatastorePlan, FORMAT, Forecast, Origin, Plan, Purpose,
};
use switchback_model::product::Product;
use switchback_model::{DatastoreName, Digest, PlanId, Version};

/// Where a shadow lies in the directory of a backup that was fetched.
pub(super) const SHADOW: &str = "shadow";

/// A plan without steps: what a datastore is asked with outside a run.
pub(super) fn plan(
    deployment: &Deployment,
    product: &Product,
    version: &Version,
    datastores: BTreeMap<DatastoreName, DatastorePlan>,
) -> Plan {
    Plan {
        format: FORMAT,
        id: PlanId::new(""),
        purpose: Purpose::Upgrade,
        parent: None,
        deployment: deployment.clone(),
        account: None,
        product: product.id.clone(),
        product_name: product.name.clone(),
        edition: None,
        definition: Digest::of(""),
        from: version.clone(),
        to: version.clone(),
        because: Vec::new(),
        notices: Vec::new(),
        procedures: Vec::new(),
        origin: Origin::default(),
        datastores,
        stages: Vec::new(),
        forecast: Forecast::default(),
        advice: Vec::new(),
        secrets: Vec::new(),
    }
}

/// Brings the shadow of a backup that was fetched into its `directory`, and has its manifest say so.
pub(super) fn place_shadow(fetched: &Fetched, directory: &Path) -> Result<Manifest, Failure> {
    let missing = || {
        Failure::new(
            "backup-manifest",
            format!("`{}` has no manifest", fetched.backup().id),
        )
        .hint("bring it back as files and look at them: --to DIR")
    };
    let manifest = backup::manifest_in(directory)?.ok_or_else(missing)?;
    let Some(place) = &manifest.place else {
        return Ok(manifest);
    };
    let here = directory.join(SHADOW);
    if !here.exists() {
        std::fs::rename(fetched.beside(place), &here).map_err(|error| {
            Failure::new(
                "backup-damaged",
                format!("`{}` came back without its data", fetched.backup().id),
            )
            .cause(error)
        })?;
    }
    backup::moved_to(directory, &here)?;
    backup::manifest_in(directory)?.ok_or_else(missing)
}

/// How a datastore that was seen is kept in such a plan.
pub(super) fn kept(seen: &Datastore, method: BackupMethod) -> DatastorePlan {
    DatastorePlan {
        location: seen.location.clone(),
        method,
        kept_with: None,
        because: "asked for outside a run".to_owned(),
        max_rate: None,
        size: seen.size,
        engine: seen.engine.clone(),
        volatile: Vec::new(),
        deleted: Vec::new(),
    }
}
