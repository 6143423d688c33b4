//! Runs as `log`, `history` and `status` tell them afterwards.

use switchback_testkit::Scenario;

use crate::bench::Bench;

#[test]
fn a_finished_run_is_replayed_step_by_step() {
    let bench = Bench::new();
    let scenario = Scenario::two_legs();
    let (_, ended) = bench.simulate(&scenario, "r-7c1d0000");
    ended.expect("the simulated deployment is sound");
    insta::assert_snapshot!(bench.switchback(&["log", "7c1d"]).all());
}

#[test]
fn a_halted_run_says_what_to_type() {
    let bench = Bench::new();
    let scenario = Scenario::two_legs();
    scenario.world.touch(|now| {
        now.faults
            .migrations
            .insert(("is-db".into(), "3.32.1".into()), (2, 1));
    });
    let (_, ended) = bench.simulate(&scenario, "r-7c1d0000");
    ended.expect("it halts, which is no error of the call");
    insta::assert_snapshot!("halted_log", bench.switchback(&["log", "r-7c1d"]).all());
    bench.file("switchback.toml", "product = \"the-things-stack\"\n");
    insta::assert_snapshot!("halted_history", bench.switchback(&["history"]).all());
    insta::assert_snapshot!("halted_status", bench.switchback(&["status"]).all());
}

#[test]
fn a_saved_plan_is_shown_at_both_widths() {
    let bench = Bench::new();
    let scenario = Scenario::two_legs();
    let (plan, ended) = bench.simulate(&scenario, "r-7c1d0000");
    ended.expect("the simulated deployment is sound");
    let id = plan.id.as_str();
    insta::assert_snapshot!(
        "plan_80",
        bench.switchback_at(80, &["plan", "--show", id]).all()
    );
    insta::assert_snapshot!(
        "plan_120",
        bench.switchback_at(120, &["plan", "--show", id]).all()
    );
}
