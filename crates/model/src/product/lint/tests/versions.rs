//! Versions and ranges: well-formed, in order, of releases that there are.

use super::{spoiled, tells};

#[test]
fn an_unknown_version() {
    tells(
        "kind = \"one-way\"\nversion = \"1.2.0\"",
        "kind = \"one-way\"\nversion = \"1.2.1\"",
        r#"
error[unknown-version]: there is no release 1.2.1
  --> rules.toml:20:11
   |
20 | version = "1.2.1"
   |           ^^^^^^^
   = hint: the nearest are 1.2.0 and 1.3.0"#,
    );
}

#[test]
fn a_moving_tag() {
    let told = spoiled(r#"at = ["1.3.0"]"#, r#"at = ["1.3"]"#);
    assert_eq!(
        told[0],
        r#"error[moving-tag]: `1.3` is a moving tag: it names another release tomorrow
 --> rules.toml:6:7
  |
6 | at = ["1.3"]
  |       ^^^^^
  = hint: name one release, with all its numbers"#
    );
}

#[test]
fn a_version_with_a_leading_v() {
    tells(
        "kind = \"one-way\"\nversion = \"1.2.0\"",
        "kind = \"one-way\"\nversion = \"v1.2.0\"",
        r#"
error[malformed-version]: `v1.2.0` begins with `v`, which image tags do not
  --> rules.toml:20:11
   |
20 | version = "v1.2.0"
   |           ^^^^^^^^
   = hint: write 1.2.0"#,
    );
}

#[test]
fn releases_out_of_order() {
    tells(
        "version = \"1.4.0\"\nsource",
        "version = \"1.4.0\"\nsource = \"notes\"\n\n[[release]]\nversion = \"1.3.1\"\nsource",
        r#"
error[out-of-order]: 1.3.1 is listed after 1.4.0
  --> releases.toml:24:11
   |
24 | version = "1.3.1"
   |           ^^^^^^^
   = hint: list releases from the oldest to the newest"#,
    );
}

#[test]
fn a_range_that_never_matches() {
    tells(
        r#"exists = "<1.4.0""#,
        "exists = \"<1.4.0\"\nnot-repeatable = [{ versions = \">=2.0.0\", because = \"x\", source = \"y\" }]",
        r#"
error[never-matches]: no release is in `>=2.0.0`
  --> product.toml:27:32
   |
27 | not-repeatable = [{ versions = ">=2.0.0", because = "x", source = "y" }]
   |                                ^^^^^^^^^"#,
    );
}

#[test]
fn a_malformed_range() {
    let told = spoiled(r#"from = "<1.3.0""#, r#"from = "1.3.0""#);
    assert_eq!(
        told[0],
        r#"error[malformed-range]: `1.3.0` is not a range: `1.3.0` is not a comparison such as `>=1.2.0`
 --> rules.toml:4:8
  |
4 | from = "1.3.0"
  |        ^^^^^^^"#
    );
}
