//! What a program without AWS says of stacks.

use switchback_model::Problem;
use switchback_model::exit::Exit;

/// Refuses stacks, with where there is a program that serves them.
pub(super) fn unserved() -> Problem {
    Problem::new(
        Exit::Refused,
        "aws-not-built-in",
        "this switchback was built without AWS, and this deployment is stacks at AWS",
    )
    .state("deployment", "not touched")
    .hint("take a program that was built with it: cargo install --locked --path crates/cli --features aws")
    .hint("what an upgrade passes through is told without: `switchback path PRODUCT --driver cloudformation --from V --to V`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_without_aws_says_how_to_get_one_that_has_it() {
        let problem = unserved();
        assert_eq!(problem.exit, Exit::Refused);
        assert!(problem.hints[0].contains("--features aws"), "{problem:?}");
    }
}
