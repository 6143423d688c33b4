//! Patterns in which `*` stands for any run of characters.

/// True where the whole of `text` is what `pattern` says.
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(found) => rest = &rest[found + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_match_any_run() {
        for (pattern, text, wanted) in [
            ("*PASSWORD*", "POSTGRES_PASSWORD", true),
            ("*PASSWORD*", "PASSWORD_FILE", true),
            ("TTN_LW_*_KEY", "TTN_LW_COOKIE_HASH_KEY", true),
            ("TTN_LW_*_KEY", "TTN_LW_KEY", false),
            ("*", "", true),
            ("A", "A", true),
            ("A", "AB", false),
            ("A*A", "A", false),
        ] {
            assert_eq!(matches(pattern, text), wanted, "{pattern} {text}");
        }
    }
}
