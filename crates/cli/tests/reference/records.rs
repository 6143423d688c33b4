//! The page of what a run records, and of what programs are told.

use std::fmt::Write as _;

use crate::definition::{Headings, kind};
use crate::page::{self, cell};
use crate::source::{self, Item, Part, dashed};

const HEAD: &str = "# Records, problems, exit codes

For programs. Generated from the code that writes them. `switchback log --format json` prints a run's events, one JSON object a line, and
`apply`, `resume` and `rollback` print the same while they run. Each line has `format`, and what is below *stamped*. All but `progress` is
in the journal. Keys may be added; those that are there keep their meaning as long as `format` is the same. *Or nothing* is `null`, or the
key is not there.

";

#[test]
fn the_page_of_records_shows_every_event() {
    let of = |file: &str| source::items(&source::of("model", file));
    let events = of("event.rs");
    let problems = of("problem.rs");
    let exit = of("exit.rs");
    let all: Vec<&Item> = events.iter().chain(&problems).chain(&exit).collect();
    let headings = all
        .iter()
        .map(|item| (item.name.clone(), dashed(&item.name)));
    let headed: Headings = headings.collect();
    let mut page = HEAD.to_owned();
    for item in all {
        let _ = writeln!(page, "## {}\n\n{}\n", dashed(&item.name), item.says);
        match item.name.as_str() {
            "Event" => {
                for event in &item.parts {
                    let _ = writeln!(page, "### `{}`\n\n{}\n", dashed(&event.name), event.says);
                    let _ = writeln!(page, "{}", fields(&event.parts, &headed));
                }
            }
            "Exit" => {
                page.push_str("| code | name | means |\n|---|---|---|\n");
                for (code, part) in item.parts.iter().enumerate() {
                    let _ = writeln!(
                        page,
                        "| {code} | `{}` | {} |",
                        dashed(&part.name),
                        cell(&part.says)
                    );
                }
                page.push('\n');
            }
            _ if item.is_enum => {
                page.push_str("| value | means |\n|---|---|\n");
                for part in &item.parts {
                    let _ = writeln!(page, "| `{}` | {} |", dashed(&part.name), cell(&part.says));
                }
                page.push('\n');
            }
            _ => {
                let _ = writeln!(page, "{}", fields(&item.parts, &headed));
            }
        }
    }
    page::is("records.md", &format!("{}\n", page.trim_end()));
}

fn fields(parts: &[Part], headed: &Headings) -> String {
    let mut text = "| key | value | says |\n|---|---|---|\n".to_owned();
    for part in parts {
        assert!(!part.says.is_empty(), "{} is not documented", part.name);
        let kind = kind(part.kind.as_deref().unwrap_or_default(), headed);
        let or_none = if part.optional { ", or nothing" } else { "" };
        let says = cell(&part.says.replace("`None`", "nothing"));
        let _ = writeln!(text, "| `{}` | {kind}{or_none} | {says} |", part.key);
    }
    text
}

/// The numbers of the page are those that the program ends with.
#[test]
fn exit_codes_are_counted_from_zero() {
    use switchback_model::exit::Exit;
    let known = [
        Exit::Ok,
        Exit::Bug,
        Exit::Usage,
        Exit::Refused,
        Exit::Halted,
        Exit::Drifted,
    ];
    let written = source::items(&source::of("model", "exit.rs"));
    let names: Vec<&str> = written[0].parts.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names.len(), known.len());
    for (code, (exit, name)) in known.iter().zip(names).enumerate() {
        assert_eq!(
            (usize::from(exit.code()), format!("{exit:?}").as_str()),
            (code, name)
        );
    }
}
