use super::*;

const HEAD: &str = "[product]\nid = \"demo\"\nname = \"Demo\"\nscheme = \"semver\"\n";

fn told(files: &[(&str, &str)]) -> Vec<String> {
    parse(files)
        .expect_err("the definition is malformed")
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn sections_of_several_files_are_one_definition() {
    let releases = "[[release]]\nversion = \"1.0.0\"\ndate = 2024-02-03\nsource = \"notes\"\n";
    let more = "[[release]]\nversion = \"1.1.0\"\nsource = \"notes\"\n";
    let files = [
        ("product.toml", HEAD),
        ("releases.toml", releases),
        ("more.toml", more),
    ];
    let parsed = parse(&files).expect("the definition is well-formed");
    let versions: Vec<&str> = parsed
        .product
        .releases
        .iter()
        .map(|release| release.version.as_str())
        .collect();
    assert_eq!(versions, ["1.0.0", "1.1.0"]);
    assert_eq!(
        parsed.product.releases[0].date.as_deref(),
        Some("2024-02-03")
    );
    let place = parsed.places.of("release[1].version");
    assert_eq!(place.file, 2);
    assert_eq!(&more[place.start..place.end], "\"1.1.0\"");
}

#[test]
fn the_digest_covers_every_file() {
    let digest = |text: &str| {
        parse(&[("product.toml", HEAD), ("advice.toml", text)])
            .expect("the definition is well-formed")
            .product
            .digest
    };
    assert_eq!(digest(""), digest(""));
    assert_ne!(digest(""), digest("# a comment\n"));
}

#[test]
fn a_type_error_shows_the_line_and_the_text() {
    let rules = "[[stop]]\nid = \"x\"\nkind = \"jump\"\n";
    assert_eq!(
        told(&[("product.toml", HEAD), ("rules.toml", rules)]),
        [
            "error[malformed]: unknown variant `jump`, expected `migrate` or `run`
 --> rules.toml:3:8
  |
3 | kind = \"jump\"
  |        ^^^^^^"
        ]
    );
}

#[test]
fn a_missing_product_section_is_told() {
    assert_eq!(
        told(&[("rules.toml", "# nothing here\n")]),
        ["error[no-product]: no file has a section `[product]`
 --> rules.toml:1:1
  |
1 | # nothing here
  | ^
  = hint: begin product.toml with [product], id, name and scheme"]
    );
}

#[test]
fn a_section_that_can_be_given_once_is_told_when_given_twice() {
    let told = told(&[("product.toml", HEAD), ("again.toml", HEAD)]);
    assert_eq!(
        told,
        ["error[duplicate]: the section `[product]` is in two files
 --> again.toml:1:2
  |
1 | [product]
  |  ^^^^^^^
  = hint: keep one of them"]
    );
}

#[test]
fn every_malformed_file_is_told_at_once() {
    let told = told(&[
        ("product.toml", HEAD),
        ("a.toml", "[[stop]]\nwhy = 1\n"),
        ("b.toml", "[[release]\n"),
    ]);
    assert_eq!(told.len(), 2);
    assert!(told[0].contains("a.toml:2:1"), "{}", told[0]);
    assert!(told[1].contains("b.toml:1:"), "{}", told[1]);
}
