//! Every parameter of the next template, each decided: nothing is left to a default that nobody sees.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use switchback_model::Version;
use switchback_model::config::AwsParameter;
use switchback_model::product::{TemplateChange, TemplateChangeKind};
use switchback_model::stack::{Parameter, ParameterNow, ParameterWish, Template};

/// What the parameters of a stack are decided from.
#[derive(Clone, Copy, Debug)]
pub struct Carrying<'a> {
    /// What they are.
    pub now: &'a BTreeMap<String, ParameterNow>,
    /// The next template.
    pub template: &'a Template,
    /// What the operator says.
    pub said: Option<&'a BTreeMap<String, AwsParameter>>,
    /// What the releases on the way change, oldest first.
    pub changes: &'a [TemplateChange],
    /// The version that images have, and the one that they get.
    pub versions: Option<(&'a Version, &'a Version)>,
}

/// The parameters of an update.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Every parameter of the template that could be decided.
    pub wishes: BTreeMap<String, ParameterWish>,
    /// Those that could not.
    pub unanswered: Vec<Unanswered>,
    /// Parameters that get the template's default, because they are new.
    pub defaults: Vec<String>,
    /// Images that change, before and after, by parameter.
    pub images: BTreeMap<String, (String, String)>,
}

/// A parameter that somebody has to decide.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Unanswered {
    /// Its name.
    pub parameter: String,
    /// Why, as half a sentence.
    pub because: String,
    /// What it may be; empty where anything may be said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<String>,
}

/// Decides every parameter of the next template.
pub fn carry(from: &Carrying<'_>) -> Carried {
    let mut carried = Carried::default();
    for (name, parameter) in &from.template.parameters {
        match decide(from, name, parameter, &mut carried) {
            Ok(wish) => {
                carried.wishes.insert(name.clone(), wish);
            }
            Err(because) => carried.unanswered.push(Unanswered {
                parameter: name.clone(),
                because,
                allowed: parameter.allowed.clone(),
            }),
        }
    }
    carried
}

fn decide(
    from: &Carrying<'_>,
    name: &str,
    parameter: &Parameter,
    carried: &mut Carried,
) -> Result<ParameterWish, String> {
    match from.said.and_then(|said| said.get(name)) {
        Some(AwsParameter::Secret(secret)) => {
            return Ok(ParameterWish::Secret {
                from: secret.clone(),
            });
        }
        Some(AwsParameter::Value(value)) => {
            fits(parameter, value).map_err(|why| format!("`{value}`, as configured, {why}"))?;
            let now = from.now.get(name).and_then(|now| now.value.as_deref());
            return Ok(wish(now == Some(value), value));
        }
        None => {}
    }
    let source = source(from, name);
    let Some((source, now)) = source else {
        return anew(from, name, parameter, carried);
    };
    let Some(value) = &now.value else {
        return match source == name {
            true => Ok(ParameterWish::Previous),
            false => Err(format!(
                "it was `{source}`, whose value is masked, so that it cannot be carried over"
            )),
        };
    };
    let mut next = translated(from, name, parameter, value)?;
    if let Some(image) = from
        .versions
        .filter(|_| name.contains("Image"))
        .and_then(|(old, new)| retagged(&next, old, new))
    {
        carried
            .images
            .insert(name.to_owned(), (value.clone(), image.clone()));
        next = image;
    }
    fits(parameter, &next).map_err(|why| format!("`{next}` {why}"))?;
    Ok(wish(source == name && next == *value, &next))
}

fn wish(same: bool, value: &str) -> ParameterWish {
    match same {
        true => ParameterWish::Previous,
        false => ParameterWish::Value {
            value: value.to_owned(),
        },
    }
}

/// The parameter whose value this one takes over: itself, or what it was called before.
fn source<'a>(from: &Carrying<'a>, name: &'a str) -> Option<(&'a str, &'a ParameterNow)> {
    let mut name = name;
    // A name that leads back to itself would go round: no parameter was renamed more often than releases changed it.
    for _ in 0..=from.changes.len() {
        if let Some(now) = from.now.get(name) {
            return Some((name, now));
        }
        name = from
            .changes
            .iter()
            .rev()
            .find(|change| change.parameter.as_deref() == Some(name) && change.was.is_some())?
            .was
            .as_deref()?;
    }
    None
}

/// A value after everything that releases on the way made of it, one after the other.
fn translated(
    from: &Carrying<'_>,
    name: &str,
    parameter: &Parameter,
    value: &str,
) -> Result<String, String> {
    let mut names = vec![name];
    for change in from.changes.iter().rev() {
        if change.parameter.as_deref() == names.last().copied()
            && let Some(was) = change.was.as_deref()
        {
            names.push(was);
        }
    }
    let about = |change: &&TemplateChange| {
        !change.values.is_empty()
            && change
                .parameter
                .as_deref()
                .is_some_and(|of| names.contains(&of))
    };
    let steps: Vec<&TemplateChange> = from.changes.iter().filter(about).collect();
    let mut value = value.to_owned();
    for (place, change) in steps.iter().enumerate() {
        let Some(next) = change.values.get(&value).or_else(|| change.values.get("*")) else {
            continue;
        };
        // The source spells some of them in more than one way: the template decides, where it is the last word.
        let last = place + 1 == steps.len();
        let chosen = next
            .iter()
            .find(|next| last && fits(parameter, next).is_ok())
            .or(next.first());
        value = chosen
            .cloned()
            .ok_or_else(|| format!("{} does not say what `{value}` becomes", change.version))?;
    }
    Ok(value)
}

/// A parameter that the stack does not have yet.
fn anew(
    from: &Carrying<'_>,
    name: &str,
    parameter: &Parameter,
    carried: &mut Carried,
) -> Result<ParameterWish, String> {
    let added = from.changes.iter().find(|change| {
        change.kind == TemplateChangeKind::ParameterAdded
            && change.parameter.as_deref() == Some(name)
    });
    if let Some(added) = added.filter(|added| added.ask) {
        return Err(format!(
            "{} brings it, and its default need not be true here: {}",
            added.version, added.text
        ));
    }
    let Some(default) = &parameter.default else {
        return Err("it is new, and has no default".to_owned());
    };
    fits(parameter, default).map_err(|why| format!("its default `{default}` {why}"))?;
    let mut value = default.clone();
    // The template of a release names that release's image, or none; a moving tag is none.
    if let Some((_, new)) = from.versions.filter(|_| name.contains("Image"))
        && let Some(image) = retagged(default, new, new)
    {
        value = image;
    }
    carried.defaults.push(name.to_owned());
    Ok(ParameterWish::Value { value })
}

/// Whether a parameter can have a value; why not, as the end of a sentence that begins with it.
fn fits(parameter: &Parameter, value: &str) -> Result<(), String> {
    if !parameter.allowed.is_empty() && !parameter.allowed.iter().any(|allowed| allowed == value) {
        return Err("is not allowed any more".to_owned());
    }
    if parameter.kind == "Number" {
        let number: f64 = value.parse().map_err(|_| "is no number".to_owned())?;
        let (least, most) = parameter.range;
        if least.is_some_and(|least| number < least) || most.is_some_and(|most| number > most) {
            return Err("is out of range".to_owned());
        }
    }
    let length = value.chars().count() as u64;
    let (least, most) = parameter.length;
    if least.is_some_and(|least| length < least) || most.is_some_and(|most| length > most) {
        return Err("is too short or too long".to_owned());
    }
    Ok(())
}

/// The image reference with the new version where its tag names the old one, exactly or as a tag that moves (`3.24`).
/// What stands behind the version in the tag stays (`3.34.0-aws`). `None` for an image of another version line.
pub(super) fn retagged(reference: &str, old: &Version, new: &Version) -> Option<String> {
    let (repository, tag) = reference.rsplit_once(':')?;
    if tag.contains('/') {
        return None;
    }
    let (prefix, bare) = match tag.strip_prefix('v') {
        Some(bare) => ("v", bare),
        None => ("", tag),
    };
    let old = old.as_str();
    let minor = old.rsplit_once('.').map_or(old, |(minor, _)| minor);
    let rest = [old, minor].into_iter().find_map(|known| {
        let rest = bare.strip_prefix(known)?;
        (rest.is_empty() || rest.starts_with('-')).then_some(rest)
    })?;
    Some(format!("{repository}:{prefix}{new}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_gets_the_exact_version_and_keeps_what_is_behind_it() {
        let of = |reference: &str| retagged(reference, &"3.24.2".into(), &"3.26.0".into());
        let hub = "docker.io/thethingsindustries/lorawan-stack";
        assert_eq!(of(&format!("{hub}:3.24.2")), Some(format!("{hub}:3.26.0")));
        assert_eq!(
            of(&format!("{hub}:3.24.2-aws")),
            Some(format!("{hub}:3.26.0-aws"))
        );
        assert_eq!(
            of(&format!("{hub}:v3.24.2")),
            Some(format!("{hub}:v3.26.0"))
        );
        assert_eq!(
            of(&format!("{hub}:3.24")),
            Some(format!("{hub}:3.26.0")),
            "it moves"
        );
        assert_eq!(of(&format!("{hub}:3.24.20")), None);
        assert_eq!(of("certbot:1.2"), None);
        assert_eq!(of("localhost:5000/stack"), None);
        assert_eq!(of("stack"), None);
    }

    const TEMPLATE: &str = r#"
Parameters:
  Interop: {Type: String, AllowedValues: ["true", "false"]}
  Kept: {Type: String}
  Secret: {Type: String, NoEcho: true}
  NewSecret: {Type: String, NoEcho: true}
  Size: {Type: Number, MaxValue: 10}
  Fresh: {Type: String, Default: fine}
  Pinned: {Type: String, Default: "12"}
  Needed: {Type: String}
  Said: {Type: String, AllowedValues: [a, b]}
  StackImage: {Type: String, Default: "stack:3.26"}
Resources: {A: {Type: T}}
"#;

    fn change(version: &str, parameter: &str) -> TemplateChange {
        TemplateChange {
            version: version.into(),
            kind: TemplateChangeKind::ParameterChanged,
            parameter: Some(parameter.to_owned()),
            text: String::new(),
            was: None,
            values: BTreeMap::new(),
            ask: false,
            inferred: false,
        }
    }

    fn changes() -> Vec<TemplateChange> {
        let map = |pairs: &[(&str, &[&str])]| {
            pairs
                .iter()
                .map(|(from, to)| {
                    (
                        (*from).to_owned(),
                        to.iter().map(|to| (*to).to_owned()).collect(),
                    )
                })
                .collect()
        };
        let mut renamed = change("3.17.0", "InteropIS");
        renamed.was = Some("InteropEnabled".to_owned());
        renamed.values = map(&[
            ("identity-server", &["mutual-authentication"]),
            ("*", &["disable", "disabled"]),
        ]);
        let mut boolean = change("3.24.0", "Interop");
        boolean.was = Some("InteropIS".to_owned());
        boolean.values = map(&[
            ("disable", &["false"]),
            ("disabled", &["false"]),
            ("*", &["true"]),
        ]);
        let mut pinned = change("3.22.2", "Pinned");
        pinned.kind = TemplateChangeKind::ParameterAdded;
        pinned.ask = true;
        let mut secret = change("3.20.0", "NewSecret");
        secret.was = Some("OldSecret".to_owned());
        vec![renamed, secret, pinned, boolean]
    }

    fn carried(interop: &str) -> Carried {
        let plain = |name: &str, value: &str| (name.to_owned(), ParameterNow::plain(value));
        let now = [
            plain("InteropEnabled", interop),
            plain("Kept", "as it is"),
            ("Secret".to_owned(), ParameterNow::masked()),
            ("OldSecret".to_owned(), ParameterNow::masked()),
            plain("Size", "20"),
            plain("Gone", "x"),
            plain("Said", "a"),
            plain("StackImage", "stack:3.16.1"),
        ]
        .into();
        let said = [("Said".to_owned(), AwsParameter::Value("b".to_owned()))].into();
        let template = Template::parse("t", TEMPLATE).expect("it is a template");
        carry(&Carrying {
            now: &now,
            template: &template,
            said: Some(&said),
            changes: &changes(),
            versions: Some((&"3.16.1".into(), &"3.26.0".into())),
        })
    }

    #[test]
    fn values_go_through_every_release_on_the_way_under_each_of_their_names() {
        let value = |interop: &str| carried(interop).wishes["Interop"].clone();
        let is = |value: &str| ParameterWish::Value {
            value: value.to_owned(),
        };
        assert_eq!(value("identity-server"), is("true"));
        assert_eq!(value("false"), is("false"));
        assert_eq!(value("anything"), is("false"));
    }

    #[test]
    fn everything_else_is_carried_over_said_or_asked_for() {
        let carried = carried("false");
        let previous = |name: &str| carried.wishes.get(name) == Some(&ParameterWish::Previous);
        assert!(previous("Kept") && previous("Secret"));
        assert!(!carried.wishes.contains_key("Gone"));
        let value = |name: &str| match &carried.wishes[name] {
            ParameterWish::Value { value } => value.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(value("Fresh"), "fine");
        assert_eq!(value("Said"), "b");
        assert_eq!(value("StackImage"), "stack:3.26.0");
        assert_eq!(carried.defaults, ["Fresh"]);
        let unanswered: Vec<&str> = carried
            .unanswered
            .iter()
            .map(|it| it.parameter.as_str())
            .collect();
        assert_eq!(unanswered, ["Needed", "NewSecret", "Pinned", "Size"]);
    }
}
