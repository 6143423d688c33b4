use super::*;
use proptest::prelude::*;

fn key(scheme: Scheme, text: &str) -> Key {
    scheme
        .parse(&Version::from(text))
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Each list is strictly ascending.
fn ascending(scheme: Scheme, versions: &[&str]) {
    for pair in versions.windows(2) {
        assert!(
            key(scheme, pair[0]) < key(scheme, pair[1]),
            "{} is not below {}",
            pair[0],
            pair[1]
        );
    }
}

#[test]
fn semver_orders_pre_releases_below_their_release_and_ten_above_nine() {
    ascending(
        Scheme::Semver,
        &[
            "3.0.0-pre",
            "3.0.0-rc1",
            "3.0.0-rc2",
            "3.0.0",
            "3.9.1",
            "3.10.0-rc1",
            "3.10.0",
        ],
    );
    ascending(
        Scheme::Semver,
        &[
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0",
        ],
    );
    assert_eq!(
        key(Scheme::Semver, "1.0.0+build"),
        key(Scheme::Semver, "1.0.0")
    );
}

#[test]
fn latest_is_above_every_patch_of_its_line_and_below_the_next_line() {
    ascending(
        Scheme::Numeric,
        &[
            "12.9.latest",
            "12.10-rc2",
            "12.10-rc10",
            "12.10",
            "12.10.14",
            "12.10.latest",
            "13.0",
            "13.0.0.1",
        ],
    );
    let line = key(Scheme::Numeric, "12.10.latest");
    assert!(key(Scheme::Numeric, "12.10").is_of_line(&line));
    assert!(key(Scheme::Numeric, "12.10.3").is_of_line(&line));
    assert!(key(Scheme::Numeric, "12.10").names_line(&line));
    assert!(!key(Scheme::Numeric, "12.10.3").names_line(&line));
    assert!(!key(Scheme::Numeric, "12.1.3").is_of_line(&line));
    assert!(!key(Scheme::Numeric, "12.11").is_of_line(&line));
}

#[test]
fn calendar_versions_compare_by_number() {
    ascending(
        Scheme::Calver,
        &["9.1.2", "21.5.0", "21.12.0", "24.8.0", "24.08.1", "25.5.1"],
    );
    assert_eq!(key(Scheme::Calver, "24.08.0"), key(Scheme::Calver, "24.8"));
}

#[test]
fn debian_versions_compare_as_dpkg_does() {
    // Each order was confirmed with `dpkg --compare-versions A lt B`.
    ascending(
        Scheme::Debian,
        &[
            "0.9~~",
            "0.9~",
            "0.9",
            "0.9-1",
            "1.0~rc1-1",
            "1.0~rc2-1",
            "1.0-1~bpo1",
            "1.0-1",
            "1.0-1ubuntu1",
            "1.0-1+b1",
            "1.0-2",
            "1.0a-1",
            "1.0+dfsg-1",
            "1.0.1-1",
            "1.2-1",
            "1.10-1",
            "2:0.1-1",
        ],
    );
    assert_eq!(
        key(Scheme::Debian, "0:1.0-1"),
        key(Scheme::Debian, "1.00-1")
    );
    assert_eq!(key(Scheme::Debian, "1.0"), key(Scheme::Debian, "1.0-0"));
}

#[test]
fn text_that_is_no_version_is_told_with_what_was_expected() {
    let refused = |scheme: Scheme, text: &str| {
        scheme
            .parse(&Version::from(text))
            .expect_err("not a version")
            .to_string()
    };
    assert_eq!(
        refused(Scheme::Semver, "3.24"),
        "`3.24` is not a version: three numbers such as `1.2.3`, optionally `-rc1`, expected"
    );
    for text in ["", "3", "v3.24.0", "3.24.x", "03.1.0", "3.1.0-", "latest"] {
        refused(Scheme::Semver, text);
    }
    for text in [
        "12",
        "latest",
        "12.latest.1",
        "1.2.3.4.5",
        "12.10.latest-rc1",
    ] {
        refused(Scheme::Numeric, text);
    }
    for text in ["", "a1", "1.0_1", "1.0-", "x:1.0"] {
        refused(Scheme::Debian, text);
    }
}

#[test]
fn operators_may_type_a_leading_v() {
    assert_eq!(Version::typed(" v3.24.2 ").as_str(), "3.24.2");
    assert_eq!(Version::typed("V3.24.2").as_str(), "3.24.2");
    assert_eq!(Version::typed("various").as_str(), "various");
}

#[test]
fn ranges_hold_what_all_comparisons_of_an_alternative_hold() {
    let holds = |range: &str, version: &str| {
        Scheme::Semver
            .contains(&Range::new(range), &Version::from(version))
            .expect("range and version are well-formed")
    };
    assert!(holds(">=3.20.0, <3.32.2", "3.20.0"));
    assert!(holds(">=3.20.0, <3.32.2", "3.32.1"));
    assert!(!holds(">=3.20.0, <3.32.2", "3.32.2"));
    assert!(!holds(">=3.20.0, <3.32.2", "3.20.0-rc1"));
    assert!(holds("=3.1.0 || >3.5.0", "3.1.0"));
    assert!(holds("=3.1.0 || >3.5.0", "3.6.0"));
    assert!(!holds("=3.1.0 || >3.5.0", "3.5.0"));
    assert!(holds("*", "3.5.0"));
}

#[test]
fn a_malformed_range_names_the_part() {
    let error = Range::new(">=3.20.0, 3.32.2")
        .bounds(Scheme::Semver)
        .expect_err("the second part has no sign");
    assert_eq!(
        error.to_string(),
        "`>=3.20.0, 3.32.2` is not a range: `3.32.2` is not a comparison such as `>=1.2.0`"
    );
}

fn versions(scheme: Scheme) -> BoxedStrategy<String> {
    let pattern = match scheme {
        Scheme::Semver => "(0|[1-9][0-9]?)\\.(0|[1-9])\\.(0|[1-9])(-(rc|a|b)\\.?[0-9])?",
        Scheme::Numeric => "[0-9]{1,2}\\.[0-9]{1,2}(\\.[0-9]|\\.latest|-rc[0-9])?",
        Scheme::Calver => "[0-9]{1,2}\\.[0-9]{1,2}(\\.[0-9]){0,2}",
        Scheme::Debian => "([0-2]:)?[0-9][0-9a-c.+~]{0,4}(-[0-9a-c+~]{1,3})?",
    };
    pattern.prop_map(|text: String| text).boxed()
}

fn any_scheme() -> impl Strategy<Value = Scheme> {
    prop_oneof![
        Just(Scheme::Semver),
        Just(Scheme::Numeric),
        Just(Scheme::Calver),
        Just(Scheme::Debian),
    ]
}

fn three_of_a_scheme() -> impl Strategy<Value = (Scheme, [String; 3])> {
    any_scheme().prop_flat_map(|scheme| {
        let three = [versions(scheme), versions(scheme), versions(scheme)];
        (Just(scheme), three)
    })
}

proptest! {
    #[test]
    fn every_scheme_orders_its_versions_totally((scheme, texts) in three_of_a_scheme()) {
        let [a, b, c] = texts.map(|text| key(scheme, &text));
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        prop_assert_eq!(a == b, a.cmp(&b).is_eq());
        if a <= b && b <= c {
            prop_assert!(a <= c);
        }
        if a == b {
            prop_assert_eq!(a.cmp(&c), b.cmp(&c));
        }
    }

    #[test]
    fn half_open_ranges_split_the_versions((scheme, texts) in three_of_a_scheme()) {
        let [bound, version, _] = texts;
        let holds = |sign: &str| {
            let range = Range::new(format!("{sign}{bound}"));
            scheme.contains(&range, &Version::from(version.as_str())).expect("well-formed")
        };
        prop_assert!(holds("<") != holds(">="));
        prop_assert!(holds(">") != holds("<="));
        prop_assert_eq!(holds("="), holds("<=") && holds(">="));
    }
}
