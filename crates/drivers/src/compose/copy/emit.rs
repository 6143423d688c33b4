//! JSON values as a compose file: block style, every text quoted, so that no value is read as
//! something else, and so that the place of each is plain.

use std::fmt::Write as _;

use serde_json::Value;

/// The document as YAML.
pub(super) fn yaml(document: &Value) -> String {
    let mut text = String::new();
    block(&mut text, document, 0);
    text
}

fn block(text: &mut String, value: &Value, indent: usize) {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                let _ = write!(text, "{pad}{}:", quoted(key));
                below(text, value, indent);
            }
        }
        Value::Array(items) => {
            for item in items {
                let _ = write!(text, "{pad}-");
                below(text, item, indent);
            }
        }
        scalar => {
            let _ = writeln!(text, "{pad}{scalar}");
        }
    }
}

fn below(text: &mut String, value: &Value, indent: usize) {
    let empty = match value {
        Value::Object(entries) => entries.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => true,
    };
    if empty {
        let _ = writeln!(text, " {value}");
    } else {
        text.push('\n');
        block(text, value, indent + 2);
    }
}

/// Names that are nothing but letters, digits and dashes need no quotes, and are easier to read.
fn quoted(key: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let starts = key.starts_with(|c: char| c.is_ascii_alphabetic());
    let word = !matches!(
        key.to_ascii_lowercase().as_str(),
        "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "y" | "n"
    );
    if starts && word && key.chars().all(plain) {
        key.to_owned()
    } else {
        Value::from(key).to_string()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_value_is_read_back_as_it_was() {
        let document = json!({
            "name": "copy",
            "services": {
                "my stack": {"command": ["start", "--x=y: z", "# no comment"], "image": "a/b:${V}"},
                "on": {"environment": {"A": "yes", "B": "", "N": null, "Q": "\"\\ \n"}, "networks": {}},
            },
            "list": [[1, 2], {"a": true}, []],
        });
        let text = yaml(&document);
        assert!(text.contains("  \"my stack\":\n"), "{text}");
        assert!(text.contains("    image: \"a/b:${V}\"\n"), "{text}");
        let read: Value = serde_saphyr::from_str(&text).expect("it is YAML");
        assert_eq!(read, document);
    }
}
