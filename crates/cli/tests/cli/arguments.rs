//! The command line itself: help, usage errors, completions, manual pages.

use crate::bench::Bench;

#[test]
fn help_fits_a_terminal_and_names_every_command() {
    insta::assert_snapshot!(Bench::new().switchback(&["--help"]).all());
}

#[test]
fn a_wrong_option_is_a_usage_error() {
    let said = Bench::new().switchback(&["plan", "--too", "3.32.1"]);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.stderr.contains("'--to'"), "{said:?}");
}

#[test]
fn markdown_is_for_plans_only() {
    let said = Bench::new().switchback(&["status", "--format", "markdown"]);
    insta::assert_snapshot!(said.all(), @r"
    --- stderr
    error: only `plan` can be written as Markdown
      hint: use --format text or --format json
    --- exit 2
    ");
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let said = Bench::new().switchback(&["completions", shell]);
        assert_eq!(said.code, 0);
        assert!(said.stdout.contains("rollback"), "{shell}");
    }
}

#[test]
fn there_is_a_manual_page_for_each_command() {
    let bench = Bench::new();
    let said = bench.switchback(&["man", "pages"]);
    assert_eq!(said.code, 0, "{said:?}");
    for page in [
        "switchback.1",
        "switchback-plan.1",
        "switchback-backup-prove.1",
    ] {
        let text = std::fs::read_to_string(bench.lab().join("pages").join(page))
            .expect("the page was written");
        assert!(text.contains(".TH"), "{page}");
    }
    assert!(bench.switchback(&["man"]).stdout.contains("switchback"));
}
