//! Templates: what they and what speaks of them name, and the output by which they tell their release.

use super::Lint;
use super::meant::unknown;
use crate::product::Template;

pub(super) fn check(lint: &mut Lint<'_>) {
    let product = lint.product;
    let known: Vec<&str> = product.templates.iter().map(|it| it.id.as_str()).collect();
    for (index, procedure) in product.procedures.iter().enumerate() {
        if let Some(name) = &procedure.template {
            let path = format!("procedure[{index}].template");
            unknown(lint, &path, "template", name, &known);
        }
    }
    templates(lint);
    orders(lint, &known);
    version_output(lint);
}

/// A template is of a kind of deployment, and is counted and migrated by what there is.
fn templates(lint: &mut Lint<'_>) {
    let product = lint.product;
    let drivers: Vec<&str> = product.drivers.iter().map(String::as_str).collect();
    let probes: Vec<&str> = product.probes.keys().map(String::as_str).collect();
    let migrations: Vec<&str> = product.migrations.iter().map(|it| it.id.as_str()).collect();
    for (index, template) in product.templates.iter().enumerate() {
        let path = |field: &str| format!("template[{index}].{field}");
        unknown(lint, &path("driver"), "driver", &template.driver, &drivers);
        if let Some(probe) = &template.probe {
            unknown(lint, &path("probe"), "probe", probe, &probes);
        }
        runner(lint, &path, template);
        for (store, names) in &template.migrated_by {
            let path = path(&format!("migrated-by.{store}"));
            for name in names {
                unknown(lint, &path, "migration", name.as_str(), &migrations);
            }
        }
    }
}

/// Whoever says where migrations run says what runs them; on a machine that is the program that happens to be there.
fn runner(lint: &mut Lint<'_>, path: &dyn Fn(&str) -> String, template: &Template) {
    match &template.runner {
        None if template.migrations.is_some() => {
            let message = format!("nothing says what runs the migrations of `{}`", template.id);
            lint.error(&path("migrations"), "no-runner", message).hint =
                Some("add runner = { program = \"…\" }".to_owned());
        }
        Some(runner) if runner.container.is_none() && runner.version.is_empty() => {
            let message = format!(
                "nothing asks the program `{}` for its version: another release's would migrate",
                runner.program
            );
            lint.error(&path("runner"), "no-version", message).hint =
                Some("add version = [\"version\"], or what it is asked with".to_owned());
        }
        _ => {}
    }
}

/// An order speaks of templates, of a kind of deployment and of a procedure that there are.
fn orders(lint: &mut Lint<'_>, templates: &[&str]) {
    let product = lint.product;
    let drivers: Vec<&str> = product.drivers.iter().map(String::as_str).collect();
    let procedures: Vec<&str> = product.procedures.iter().map(|it| it.id.as_str()).collect();
    for (index, order) in product.orders.iter().enumerate() {
        let path = |field: &str| format!("order[{index}].{field}");
        unknown(lint, &path("driver"), "driver", &order.driver, &drivers);
        let named = [
            ("needs", &order.needs),
            ("around", &order.around),
            ("taken-over-by", &order.taken_over_by),
        ];
        for (field, name) in named {
            if let Some(name) = name {
                unknown(lint, &path(field), "template", name, templates);
            }
        }
        if let Some(name) = &order.instead_of {
            unknown(lint, &path("instead-of"), "procedure", name, &procedures);
        }
        for (place, name) in order.skip.iter().enumerate() {
            let path = path(&format!("skip[{place}]"));
            unknown(lint, &path, "template", name, templates);
        }
        for (field, moves) in [("before", &order.before), ("after", &order.after)] {
            for (place, step) in moves.iter().enumerate() {
                let path = path(&format!("{field}[{place}].template"));
                unknown(lint, &path, "template", &step.template, templates);
            }
        }
    }
}

/// It is the name of an output, and there is something that can have it.
fn version_output(lint: &mut Lint<'_>) {
    let product = lint.product;
    let Some(output) = &product.version_output else {
        return;
    };
    let path = "product.version-output";
    if output.is_empty() || !output.chars().all(|letter| letter.is_ascii_alphanumeric()) {
        let message = format!("`{output}` is no name of an output");
        lint.error(path, "no-output", message).hint =
            Some("an output is called by letters and digits alone".to_owned());
    }
    let mut templates = product.templates.iter();
    if !templates.any(|template| template.role.is_template()) {
        let message = format!("no template has the output `{output}`: there are no templates");
        lint.error(path, "no-output", message).hint =
            Some("add a [[template]], or remove `version-output`".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::super::check;

    const TEMPLATES: &str =
        "[[template]]\nid = \"network\"\ndriver = \"stacks\"\nuse = \"mandatory\"\n";

    /// What is told of a definition with this line in its head, and these templates.
    fn told(line: &str, templates: &str) -> Vec<String> {
        let head = format!(
            "[product]\nid = \"demo\"\nname = \"Demo\"\nscheme = \"semver\"\ndrivers = [\"stacks\"]\n{line}\n\n\
             [[release]]\nversion = \"1.0.0\"\nsource = \"notes\"\n\n\
             [[health]]\nversions = \"*\"\npath = \"/\"\nsource = \"guide\"\n"
        );
        let files = [
            ("product.toml", head.as_str()),
            ("templates.toml", templates),
        ];
        check(&files).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_output_that_tells_a_release_is_a_name_that_a_template_can_have() {
        assert_eq!(told("version-output = \"Release\"", TEMPLATES), [""; 0]);
        assert_eq!(
            told("version-output = \"release-tag\"", TEMPLATES),
            ["error[no-output]: `release-tag` is no name of an output
 --> product.toml:6:18
  |
6 | version-output = \"release-tag\"
  |                  ^^^^^^^^^^^^^
  = hint: an output is called by letters and digits alone"]
        );
        let told = told("version-output = \"Release\"", "");
        assert!(
            told[0].starts_with(
                "error[no-output]: no template has the output `Release`: there are no templates"
            ) && told[0].ends_with("hint: add a [[template]], or remove `version-output`"),
            "{told:?}"
        );
    }

    #[test]
    fn whoever_migrates_is_known_and_asked_for_its_version() {
        let tells = |more: &str| told("", &format!("{TEMPLATES}{more}\n"));
        let migrates = "migrations = \"Place\"";
        let told = tells(migrates);
        assert!(
            told[0].starts_with("error[no-runner]: nothing says what runs the migrations of `network`\n --> templates.toml:5:14"),
            "{told:?}"
        );
        let of = |runner: &str| {
            tells(&format!(
                "{migrates}\nrunner = {{ program = \"demo\", {runner} }}"
            ))
        };
        assert_eq!(of("container = \"main\""), [""; 0]);
        assert_eq!(of("version = [\"version\"]"), [""; 0]);
        let told = of("environment = { A = \"b\" }");
        assert!(
            told[0].starts_with("error[no-version]: nothing asks the program `demo` for its version: another release's would migrate\n --> templates.toml:6"),
            "{told:?}"
        );
    }

    #[test]
    fn what_a_template_names_is_there() {
        let told = told(
            "",
            &format!(
                "{TEMPLATES}probe = \"networks\"\nmigrated-by = {{ Database = [\"main-db\"] }}\n"
            ),
        );
        assert!(
            told[0].starts_with(
                "error[unknown-probe]: there is no probe `networks`\n --> templates.toml:5:9"
            ),
            "{told:?}"
        );
        assert!(
            told[1].starts_with(
                "error[unknown-migration]: there is no migration `main-db`\n --> templates.toml:6"
            ),
            "{told:?}"
        );
    }
}
