//! A reason and a source wherever they belong.

use super::Lint;

pub(super) fn check(lint: &mut Lint<'_>) {
    let product = lint.product;
    let mut said: Vec<(String, &str, &str)> = Vec::new();
    for (index, it) in product.releases.iter().enumerate() {
        said.push((format!("release[{index}]"), "source", &it.source));
        for (place, it) in it.demands.iter().enumerate() {
            let path = format!("release[{index}].demands[{place}]");
            said.push((path.clone(), "because", &it.because));
            said.push((path, "source", &it.source));
        }
    }
    for (index, it) in product.migrations.iter().enumerate() {
        for (place, it) in it.not_repeatable.iter().enumerate() {
            let path = format!("migration[{index}].not-repeatable[{place}]");
            said.push((path.clone(), "because", &it.because));
            said.push((path, "source", &it.source));
        }
    }
    for (index, it) in product.stops.iter().enumerate() {
        said.push((format!("stop[{index}]"), "because", &it.because));
        said.push((format!("stop[{index}]"), "source", &it.source));
    }
    for (index, it) in product.poisoned.iter().enumerate() {
        said.push((format!("poisoned[{index}]"), "because", &it.because));
        said.push((format!("poisoned[{index}]"), "source", &it.source));
    }
    for (index, it) in product.notices.iter().enumerate() {
        said.push((format!("notice[{index}]"), "text", &it.text));
        said.push((format!("notice[{index}]"), "source", &it.source));
    }
    for (index, it) in product.remarks.iter().enumerate() {
        said.push((format!("remark[{index}]"), "text", &it.text));
        said.push((format!("remark[{index}]"), "source", &it.source));
    }
    for (index, it) in product.procedures.iter().enumerate() {
        said.push((format!("procedure[{index}]"), "title", &it.title));
        said.push((format!("procedure[{index}]"), "source", &it.source));
    }
    for (index, it) in product.health.iter().enumerate() {
        said.push((format!("health[{index}]"), "source", &it.source));
    }
    for (index, it) in product.locks.iter().enumerate() {
        let path = format!("lock[{index}]");
        said.push((path.clone(), "what", &it.what));
        said.push((path.clone(), "because", &it.because));
        said.push((path.clone(), "stale", &it.stale));
        said.push((path.clone(), "clear", &it.clear));
        said.push((path, "source", &it.source));
    }
    for (index, it) in product.deletions.iter().enumerate() {
        said.push((format!("deletion[{index}]"), "because", &it.because));
        said.push((format!("deletion[{index}]"), "source", &it.source));
    }
    for (index, it) in product.advice.iter().enumerate() {
        said.push((format!("advice[{index}]"), "explanation", &it.explanation));
        said.push((format!("advice[{index}]"), "next", &it.next));
        said.push((format!("advice[{index}]"), "source", &it.source));
    }
    said.extend(super::host::reasons(product));
    for (path, field, text) in said {
        if text.trim().is_empty() {
            let message = format!("`{field}` is empty");
            let hint = match field {
                "source" => "say where it was read: a release note, a file, an issue",
                _ => "say it in one sentence: it is shown to operators",
            };
            lint.error(&format!("{path}.{field}"), "empty", message)
                .hint = Some(hint.to_owned());
        }
    }
}
