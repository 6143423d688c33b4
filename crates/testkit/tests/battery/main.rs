//! What the stand-ins for AWS do, measured anew: every row of `crates/aws/tests/STANDINS.md` that needs no container is asked
//! of each stand-in, and must be answered as its cell says, also where that says no. Tests rely on these rows by name.
//! What needs containers is measured by the tests themselves, whose tasks and commands really run.

mod ask;
mod change_sets;
mod progress;
mod replacements;
mod servers;
mod stacks;

use std::net::IpAddr;

use switchback_testkit::aws::{Kind, StandIn};

use ask::Asked;

const TABLE: &str = include_str!("../../../aws/tests/STANDINS.md");

/// Rows that ministack answers with containers of a Docker Engine, and the others not at all.
const OF_CONTAINERS: [&str; 3] = ["E1-E3, E6", "E5", "F2, F3"];

/// A question: what AWS does, or how this stand-in does otherwise.
type Question = fn(&StandIn) -> Asked;

const BATTERY: [(&str, Question); 41] = [
    ("A7", stacks::a_long_template_is_refused),
    ("A8", stacks::a_template_is_taken_from_a_bucket),
    ("A9", stacks::a_text_comes_back_as_it_was_given),
    ("A10", stacks::secrets_are_masked),
    ("A11, A12", stacks::outputs_are_imported_and_listed),
    ("A14, A18", progress::what_became_of_each_resource_is_told),
    ("A15", progress::a_stack_is_seen_while_it_is_made),
    ("A16", stacks::protection_keeps_a_stack),
    ("A20", progress::a_replaced_resource_stays_listed),
    ("B0", change_sets::the_template_of_before_may_be_meant),
    ("B1, B2", change_sets::nothing_to_change_fails_with_a_reason),
    ("B17", change_sets::what_comes_and_goes_is_listed),
    ("B19", change_sets::a_new_parameter_needs_a_value),
    ("B22", replacements::values_before_and_after_are_told),
    ("B5, C2", replacements::another_image_makes_another_machine),
    ("B26", replacements::a_bucket_of_another_name_is_another),
    ("C7", change_sets::an_output_follows_its_definition),
    ("C9", change_sets::executing_adds_and_removes),
    ("C13", change_sets::a_failed_update_is_taken_back),
    ("C16", stacks::drift_is_detected),
    ("C19", progress::an_update_is_seen_while_it_goes_on),
    ("C20", change_sets::events_carry_the_token),
    ("C21", change_sets::a_way_back_that_stopped_goes_on),
    ("D1, D3", servers::databases_are_snapshotted),
    ("D5", servers::replication_groups_are_snapshotted),
    ("D7", servers::volumes_are_snapshotted),
    ("D8", servers::machines_end_unless_protected),
    ("D11", servers::moments_move_on_and_are_restored),
    ("F4", servers::a_group_replaces_what_is_ended),
    ("F1", servers::a_group_refreshes_its_machines),
    ("F5", servers::who_asks_is_told),
    (
        "G1, G5",
        replacements::what_is_touched_is_listed_and_nothing_else,
    ),
    (
        "G3",
        replacements::a_name_by_parameter_is_a_certain_replacement,
    ),
    (
        "G2-G4",
        change_sets::replacements_are_told_with_what_follows,
    ),
    ("G6", replacements::a_condition_that_flips_adds),
    (
        "G7, G9",
        change_sets::executing_a_replacement_keeps_what_is_masked,
    ),
    ("G11", change_sets::a_change_set_takes_a_place),
    (
        "G13, G14",
        change_sets::wrong_values_and_taken_names_are_refused,
    ),
    ("G15", change_sets::a_change_set_is_executed_once),
    ("S1", stacks::buckets_keep_versions),
    ("S2", stacks::versions_are_listed_and_brought_back),
];

/// Name, and the cells of the stand-ins, of every row of the table.
fn rows() -> Vec<(&'static str, [&'static str; 3])> {
    let rows = TABLE.lines().filter(|line| line.starts_with("| "));
    let cells = rows.map(|line| line.trim_matches('|').split('|').map(str::trim));
    let named = cells.filter_map(|mut cells| {
        let (name, _) = (cells.next()?, cells.next()?);
        let cells = [cells.next()?, cells.next()?, cells.next()?];
        (name != "row").then_some((name, cells))
    });
    named.collect()
}

#[test]
fn every_row_is_asked() {
    for (name, _) in rows() {
        let asked = BATTERY.iter().any(|(known, _)| *known == name);
        let asked = asked || OF_CONTAINERS.contains(&name);
        assert!(asked, "nothing measures row `{name}`");
    }
    for (name, _) in BATTERY {
        assert!(rows().iter().any(|(row, _)| *row == name), "{name}");
    }
}

fn measure(kind: Kind, column: usize) -> Option<StandIn> {
    let stand_in = StandIn::start(kind)?;
    let mut otherwise = Vec::new();
    for (name, cells) in rows() {
        let mut battery = BATTERY.iter();
        let Some((_, question)) = battery.find(|(known, _)| *known == name) else {
            continue;
        };
        let said = cells[column];
        let found = question(&stand_in);
        let holds = match said.split([',', ':', ' ']).next() {
            Some("yes") => found.is_ok(),
            Some("no") => found.is_err(),
            // Something in between: it is asked, and may be anything.
            _ => true,
        };
        if !holds {
            otherwise.push(format!("{name} is `{said}` there, and is {found:?}"));
        }
    }
    assert!(otherwise.is_empty(), "{}", otherwise.join("\n"));
    Some(stand_in)
}

#[test]
fn ministack_is_the_one_that_was_measured() {
    measure(Kind::Ministack, 0);
}

#[test]
fn localstack_is_the_one_that_was_measured_and_answers_this_machine_alone() {
    if let Some(stand_in) = measure(Kind::LocalStack, 2) {
        let listens = stand_in.listens();
        assert!(
            !listens.is_empty() && listens.iter().all(IpAddr::is_loopback),
            "{listens:?}"
        );
    }
}

#[test]
fn moto_is_the_one_that_was_measured() {
    measure(Kind::Moto, 1);
}
