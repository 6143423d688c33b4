//! Where two plans part that ought to be one.

use switchback_model::Problem;

/// Adds where two plans part.
pub(super) fn parted(problem: Problem, wanted: &str, found: &str) -> Problem {
    let differs = wanted
        .lines()
        .zip(found.lines().chain(std::iter::repeat("nothing")))
        .find(|(one, other)| one != other);
    let (one, other) = match differs {
        Some((one, other)) => (one.trim(), other.trim()),
        None => (
            "nothing more",
            found
                .lines()
                .nth(wanted.lines().count())
                .unwrap_or("")
                .trim(),
        ),
    };
    problem
        .cause(format!("the plan has: {one}"))
        .cause(format!("now it would be: {other}"))
}

#[cfg(test)]
mod tests {
    use switchback_model::exit::Exit;

    use super::*;

    #[test]
    fn two_plans_part_where_the_first_line_differs() {
        let problem = |one: &str, other: &str| {
            parted(Problem::new(Exit::Halted, "x", "no"), one, other).causes
        };
        assert_eq!(
            problem("a\n  b\n", "a\n  c\n"),
            ["the plan has: b", "now it would be: c"]
        );
        assert_eq!(
            problem("a\n", "a\nb\n"),
            ["the plan has: nothing more", "now it would be: b"]
        );
        assert_eq!(
            problem("a\nb\n", "a\n"),
            ["the plan has: b", "now it would be: nothing"]
        );
    }
}
