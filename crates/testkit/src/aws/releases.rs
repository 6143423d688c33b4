//! Templates as releases have them: one marked text for many.

use switchback_model::version::{Range, Scheme};

/// What of a marked template a release has. A line that begins with `#[RANGE] ` is in the template of releases in that range
/// only, one with `#[NAME RANGE] ` in the template of that name alone; `{version}` and `{name}` stand for both.
pub fn as_released(marked: &str, scheme: Scheme, name: &str, version: &str) -> String {
    let mut text = String::new();
    for line in marked.lines() {
        let mark = line.strip_prefix("#[").and_then(|it| it.split_once("] "));
        let kept = match mark {
            None => Some(line),
            Some((mark, rest)) => is_in(scheme, mark, name, version).then_some(rest),
        };
        if let Some(kept) = kept {
            text.push_str(&kept.replace("{version}", version).replace("{name}", name));
            text.push('\n');
        }
    }
    text
}

fn is_in(scheme: Scheme, mark: &str, name: &str, version: &str) -> bool {
    let (of, range) = match mark.split_once(' ') {
        Some((of, range)) if of.starts_with(|letter: char| letter.is_ascii_digit()) => (of, range),
        _ => (name, mark),
    };
    let within = scheme.contains(&Range::new(range), &version.into());
    of == name && within.expect("a range")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_has_the_lines_of_its_range_and_of_its_template() {
        let marked = "Always: {name} {version}\n#[>=3.15.0, <3.17.0] Range: 1\n#[5-2-ecs-ops <3.16.0] Own: 1\n";
        let of = |name, version| as_released(marked, Scheme::Semver, name, version);
        assert_eq!(of("1-1-vpc", "3.14.0"), "Always: 1-1-vpc 3.14.0\n");
        assert_eq!(
            of("5-2-ecs-ops", "3.15.2"),
            "Always: 5-2-ecs-ops 3.15.2\nRange: 1\nOwn: 1\n"
        );
        assert_eq!(
            of("1-1-vpc", "3.16.0"),
            "Always: 1-1-vpc 3.16.0\nRange: 1\n"
        );
    }
}
