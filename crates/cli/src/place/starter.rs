//! The `switchback.toml` that `init` writes: what was recognised, and what may be added, as comments that
//! say what they are good for.

use switchback_model::Config;
use switchback_model::config::{AwsConfig, AwsKind};
use switchback_model::product::{DatastoreKind, Product};

/// The file's text. Every commented-out setting is valid once its `# ` is removed.
pub(crate) fn text(config: &Config, product: &Product) -> Result<String, toml::ser::Error> {
    let mut text = String::from(
        "# What switchback cannot observe. Versions, services, databases, ports and passwords are read from the\n\
         # deployment itself each time. Check this file, any time: switchback doctor\n\n",
    );
    if config.name.is_none() {
        text.push_str(
            "# The deployment's name, for --deployment; its directory's name where none is given.\n\
             # name = \"lorawan\"\n\n",
        );
    }
    let recognised = toml::to_string_pretty(config)?;
    if let Some(aws) = &config.aws {
        // Before the first table inside [aws], where they belong.
        let stacks = "\n[aws.stacks]\n";
        text.push_str(&recognised.replacen(stacks, &format!("{}{stacks}", of_stacks(aws)), 1));
        text.push_str(FROM_OUTSIDE);
        return Ok(text);
    }
    text.push_str(&recognised);
    if config.verify.api_key.is_none() {
        text.push_str(&verify(product));
    }
    if config.datastores.is_empty() {
        text.push_str(&datastores(product));
    }
    text.push_str(
        "\n# Backups that outlive this machine: a restic repository, its password never in this file.\n\
         # [backup]\n\
         # repository = \"/mnt/backups/switchback\"            # or s3:…, sftp:…, rest:…\n\
         # password = { file = \"/etc/switchback/restic\" }  # or { env = \"RESTIC_PASSWORD\" }\n",
    );
    Ok(text)
}

/// What tells from outside whether a product runs that is stacks.
const FROM_OUTSIDE: &str = "\n# How users reach the product: its health is asked for there after each upgrade.\n\
     # [verify]\n\
     # url = \"https://thethings.example.com\"\n";

/// What nobody can find in an account.
fn of_stacks(aws: &AwsConfig) -> String {
    let place = match aws.kind {
        AwsKind::Cloudformation => "templates/{version}/{template}.yml",
        AwsKind::Ami => "templates/{version}.yml",
    };
    let mut text = format!(
        "\n# Where the templates of releases are: a path, or https://…, or s3://bucket/…\n\
         # templates = \"{place}\"\n\
         # A bucket of this account, for templates that are too long for a request.\n\
         # bucket = \"templates.example.com\"\n\
         # Stacks that are left as they are.\n\
         # leave = [\"NAME\"]\n"
    );
    match aws.kind {
        AwsKind::Cloudformation => text.push_str(
            "# Stacks whose running machines are replaced where they are behind what the stack says.\n\
             # renew = [\"NAME\"]\n\
             # The same by their group itself, while so many per cent of them serve.\n\
             # refresh = { NAME = { healthy = 90 } }\n\
             # Stacks that are made where they are not there yet, each with its template.\n\
             # add = { NAME = \"2-4c-mtls-s3\" }\n",
        ),
        AwsKind::Ami => text.push_str(
            "# Domains whose certificate a replaced machine asks for anew: five in seven days, no more.\n\
             # domains = [\"thethings.example.com\"]\n\
             # The version in use, where the stack does not tell it.\n\
             # version = \"V\"\n",
        ),
    }
    text
}

/// Without these, an upgrade counts as verified when health and counts are right.
fn verify(product: &Product) -> String {
    let Some(write_path) = &product.write_path else {
        return String::new();
    };
    let mut text = String::from(
        "\n# With an API key, every upgrade is also proven by a write through the product's own API, read back and\n\
         # removed again. The address is the port that the deployment publishes, where no url is given.\n\
         # [verify]\n\
         # api-key = { file = \"/etc/switchback/api-key\" }   # or { env = \"SWITCHBACK_API_KEY\" }\n",
    );
    for name in &write_path.needs {
        text.push_str(&format!(
            "# {name} = \"…\"   # one that the key may write to\n"
        ));
    }
    text.push_str("# url = \"https://lorawan.example.com\"\n");
    text
}

fn datastores(product: &Product) -> String {
    let mut text = String::new();
    let server = |kind| kind != DatastoreKind::Files;
    let mut datastores = product.datastores.iter();
    if let Some(datastore) = datastores.find(|datastore| server(datastore.kind)) {
        let image = datastore.images.first();
        let image = image.map(|image| image.rsplit('/').next().unwrap_or(image));
        let place = match (image, &datastore.configured_in) {
            (None, Some(_)) => "address = \"db.example.com\"".to_owned(),
            (image, _) => format!("service = \"{}\"", image.unwrap_or("server")),
        };
        text.push_str(&format!(
            "\n# Where a server is not found by itself, or is not the one that was meant:\n\
             # [datastores.{}]\n\
             # {place}\n",
            datastore.name,
        ));
    }
    let mut datastores = product.datastores.iter();
    if let Some(datastore) = datastores.find(|datastore| !server(datastore.kind)) {
        text.push_str(&format!(
            "\n# Left out of backups, for it is kept elsewhere: a way back then leaves it as it is.\n\
             # [datastores.{}]\n\
             # backup = \"none\"\n",
            datastore.name
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::{config, definitions};

    fn product() -> Product {
        definitions::find(None, "the-things-stack")
            .and_then(|definition| definition.load())
            .expect("it is in the catalog")
    }

    fn recognised() -> Config {
        let text = "product = \"the-things-stack\"\nedition = \"open-source\"\n\
                    [compose]\nfiles = [\"docker-compose.yml\"]\n";
        config::parse("switchback.toml", text).expect("it is well-formed")
    }

    #[test]
    fn what_is_written_is_what_was_recognised() {
        let written = text(&recognised(), &product()).expect("it can be written");
        let read = config::parse("switchback.toml", &written).expect("it can be read");
        assert_eq!(read, recognised());
    }

    #[test]
    fn settings_of_stacks_are_commented_where_they_belong() {
        for kind in ["cloudformation", "ami"] {
            let said = format!(
                "product = \"the-things-stack\"\n[aws]\nkind = \"{kind}\"\nregion = \"eu-west-1\"\n\
                 [aws.stacks]\nprod = \"1-1-vpc\"\n"
            );
            let recognised = config::parse("switchback.toml", &said).expect("it is well-formed");
            let written = text(&recognised, &product()).expect("it can be written");
            let read = config::parse("switchback.toml", &written).expect("it can be read");
            assert_eq!(read, recognised);
            let uncommented: String = written
                .lines()
                .map(|line| match line.strip_prefix("# ") {
                    Some(setting) if setting.contains(" = ") || setting.starts_with('[') => setting,
                    _ => line,
                })
                .map(|line| format!("{line}\n"))
                .collect();
            let read = config::parse("switchback.toml", &uncommented).expect("it can be read");
            let aws = read.aws.expect("there are stacks");
            assert!(aws.templates.is_some() && aws.leave == ["NAME"]);
            assert_eq!(kind == "ami", aws.add.is_empty() && aws.refresh.is_empty());
            assert!(read.verify.url.is_some());
        }
    }

    #[test]
    fn every_comment_that_is_a_setting_is_valid() {
        let written = text(&recognised(), &product()).expect("it can be written");
        let setting = |line: &&str| {
            let words = line.trim_start_matches("# ");
            words.starts_with('[') || words.split(' ').nth(1) == Some("=")
        };
        let (commented, plain): (Vec<&str>, Vec<&str>) = written
            .lines()
            .partition(|line| line.starts_with("# ") && setting(line));
        assert!(commented.len() >= 10, "{commented:#?}");
        // A name belongs before the first section.
        let uncommented: Vec<&str> = commented
            .iter()
            .map(|line| line.trim_start_matches("# "))
            .collect();
        let whole = format!(
            "{}\n{}\n{}",
            uncommented[0],
            plain.join("\n"),
            uncommented[1..].join("\n")
        );
        let read = config::parse("switchback.toml", &whole).expect("it can be read");
        assert_eq!(read.name.as_deref(), Some("lorawan"));
        assert!(read.verify.api_key.is_some() && read.verify.names.contains_key("application"));
        assert!(read.backup.repository.is_some());
        assert_eq!(read.datastores.len(), 2);
    }
}
