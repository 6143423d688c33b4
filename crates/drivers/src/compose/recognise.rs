//! What `init` finds out about a directory with a compose file.

use std::path::Path;

use switchback_engine::process::Commands;
use switchback_model::Problem;
use switchback_model::config::{ComposeConfig, Config};
use switchback_model::product::{Edition, Product};

use super::commands::Compose;
use super::deployment::read_project;
use super::layout;
use super::problems;
use crate::Recognised;
use crate::formats::reference::Reference;

/// Recognises the one product of `products` that the compose project in `directory` runs: of `files`, or
/// of what Compose itself would take where there are none.
pub fn recognise(
    directory: &Path,
    files: &[String],
    products: &[Product],
    commands: &Commands,
) -> Result<Recognised, Problem> {
    let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    let said = ComposeConfig {
        files: files.to_vec(),
        project: None,
    };
    let layout = layout::find(&directory, &said, &layout::environment())?;
    let compose = Compose {
        directory: directory.clone(),
        files: said.files,
        project: None,
    };
    let project = read_project(&compose, &layout, commands)?;
    let images: Vec<String> = project
        .services
        .iter()
        .map(|service| service.image.clone())
        .collect();
    let (product, edition, image) = one_of(products, &images)?;
    let files = layout
        .compose
        .iter()
        .map(|path| {
            path.strip_prefix(&directory)
                .unwrap_or(path)
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    let edition = (product.editions.len() > 1).then(|| edition.id.clone());
    Ok(Recognised {
        product: product.id.clone(),
        edition: edition.clone(),
        image: image.clone(),
        config: Config {
            edition,
            compose: Some(ComposeConfig {
                files,
                project: None,
            }),
            ..Config::of(product.id.clone())
        },
    })
}

/// The only product whose image is there.
fn one_of<'p, 'i>(
    products: &'p [Product],
    images: &'i [String],
) -> Result<(&'p Product, &'p Edition, &'i String), Problem> {
    let found = known(products, images);
    if found.len() > 1 {
        let named: Vec<(&str, &str)> = found
            .iter()
            .map(|(product, _, image)| (product.id.as_str(), image.as_str()))
            .collect();
        return Err(problems::several_products(&named));
    }
    found.into_iter().next().ok_or_else(|| {
        let names: Vec<&str> = products
            .iter()
            .filter(|product| !product.path_only)
            .map(|product| product.name.as_str())
            .collect();
        let known = match names.as_slice() {
            [] => "a known product".to_owned(),
            names => names.join(" or "),
        };
        problems::product_not_found(&known, images)
    })
}

/// The products whose images are there, each with its first edition that is.
fn known<'p, 'i>(
    products: &'p [Product],
    images: &'i [String],
) -> Vec<(&'p Product, &'p Edition, &'i String)> {
    let of = |product: &'p Product| {
        product.editions.iter().find_map(|edition| {
            let image = images.iter().find(|image| {
                let reference = Reference::parse(image);
                edition.images.iter().any(|known| reference.is_of(known))
            })?;
            Some((product, edition, image))
        })
    };
    products
        .iter()
        .filter(|product| !product.path_only)
        .filter_map(of)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_tells_product_and_edition() {
        let products = [crate::fixtures::product()];
        let images = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        let found = images(&[
            "redis:7",
            "mirror.example/thethingsindustries/lorawan-stack:3.30.0",
        ]);
        let [(_, edition, image)] = known(&products, &found)[..] else {
            panic!("one product is known")
        };
        assert_eq!(edition.id, "enterprise");
        assert!(image.ends_with(":3.30.0"));
        assert!(known(&products, &images(&["redis:7", "nginx"])).is_empty());
    }

    #[test]
    fn every_product_that_is_there_is_known() {
        let product = crate::fixtures::product();
        let mut other = product.clone();
        other.editions.truncate(1);
        other.editions[0].images = vec!["redis".to_owned()];
        let mut paths_only = other.clone();
        paths_only.path_only = true;
        let products = [product, other, paths_only];
        let images = ["redis:7", "thethingsindustries/lorawan-stack:3.30.0"].map(str::to_owned);
        assert_eq!(known(&products, &images).len(), 2);
    }
}
