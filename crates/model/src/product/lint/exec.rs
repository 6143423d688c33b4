//! Plain processes: commands that say something, and no secret where every user of the host can read it.

use super::Lint;
use crate::product::names_in;

pub(super) fn check(lint: &mut Lint<'_>) {
    let product = lint.product;
    let Some(exec) = &product.exec else {
        return;
    };
    if !product.drivers.iter().any(|driver| driver == "exec") {
        let message = "`[exec]` says how processes are run, and `drivers` does not name `exec`";
        lint.warning("exec", "driver-unnamed", message).hint =
            Some("add \"exec\" to drivers in [product]".to_owned());
    }
    let mut commands = vec![("exec.version".to_owned(), &exec.version)];
    for (name, service) in &exec.services {
        if service.start.is_empty() {
            let message = format!("nothing starts the service `{name}`");
            lint.error(
                &format!("exec.services.{name}.start"),
                "no-command",
                message,
            )
            .hint = Some("write the program and its arguments, word by word".to_owned());
        }
        commands.push((format!("exec.services.{name}.start"), &service.start));
        commands.push((format!("exec.services.{name}.stop"), &service.stop));
    }
    for (index, migration) in product.migrations.iter().enumerate() {
        commands.push((format!("migration[{index}].run"), &migration.run));
    }
    for (path, words) in commands {
        for (place, word) in words.iter().enumerate() {
            for name in names_in(word) {
                if product.is_secret(name) {
                    let message =
                        format!("`{{{name}}}` would show a secret to whoever lists processes");
                    lint.error(&format!("{path}[{place}]"), "secret-in-command", message)
                        .hint = Some("let the program read it from its environment".to_owned());
                }
            }
        }
    }
}
