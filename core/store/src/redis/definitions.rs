//! Node definitions as Occopus 1.10 keeps them: the YAML text of the list of implementations.

use std::path::Path;

use occopus_descriptor::yaml::{Dialect, load_text};
use serde_json::{Value, json};

/// The text for the definition `value`, an object with a list `implementations`; `None` for anything else.
///
/// It is JSON, which is YAML as well: it comes back exactly, and 1.10 reads it.
pub(super) fn to_text(value: &Value) -> Option<String> {
    let implementations = value.get("implementations").filter(|list| list.is_array())?;
    Some(escape(&serde_json::to_string_pretty(implementations).ok()?))
}

/// Escapes what YAML does not take as it is inside quotes: some control characters are forbidden, others
/// are line breaks. Outside of quotes, JSON is plain ASCII.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match u32::from(character) {
            code @ 0x7f..=0xffff => escaped.push_str(&format!("\\u{code:04x}")),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// The definition `name` in `text`. A text that is no list of implementations comes as the reason in words,
/// so that only what uses it has to fail.
pub(super) fn from_text(name: &str, text: &str) -> Value {
    let implementations = serde_json::from_str(text).or_else(|_| from_yaml(name, text));
    match implementations {
        Ok(list @ Value::Array(_)) => json!({"name": name, "implementations": list}),
        Ok(_) => Value::String("it is not a list of implementations".to_owned()),
        Err(reason) => Value::String(reason),
    }
}

fn from_yaml(name: &str, text: &str) -> Result<Value, String> {
    // The text comes from whoever can write to the Redis: it must not bring in files of ours.
    let dialect = Dialect { isolated: true, ..Dialect::default() };
    let source = format!("<definition {name}>");
    load_text(&source, text, Path::new(""), dialect).map(|root| root.to_json()).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(implementations: Value) {
        let value = json!({"name": "n", "implementations": implementations});
        let text = to_text(&value).unwrap();
        assert_eq!(from_text("n", &text), value, "as JSON");
        assert_eq!(from_yaml("n", &text).unwrap(), value["implementations"], "as YAML: {text}");
    }

    #[test]
    fn a_definition_comes_back_as_it_was_from_both_readers() {
        round_trip(json!([]));
        round_trip(json!([{
            "resource": {"type": "ec2", "port": 80, "x": null, "yes": "yes", "no": true, "f": 0.5, "empty": ""},
            "contextualisation": {
                "type": "cloudinit",
                "context_template": "#cloud-config\nwrite_files:\n - content: \"{{ x }}\" # 'q' \\ \t\n",
            },
            "health_check": {"ports": [22, 80], "urls": ["http://{{ip}}/"], "list": [[], {}]},
        }]));
    }

    #[test]
    fn odd_characters_come_back() {
        round_trip(json!([
            "árvíztűrő 🐙 \u{0} \u{7f} \u{85} \u{2028} \u{feff} \u{ffff} - : # * & ! 'x' \r\n"
        ]));
    }

    #[test]
    fn what_the_original_wrote_is_read() {
        let text = "- contextualisation: {context_template: \"#cloud-config\\n\\u0151\", type: cloudinit}\n  \
                    health_check: &id001 {ports: [8080], type: basic}\n  \
                    resource: {type: docker, tag: yes, mode: 0o10}\n- health_check: *id001\n";
        let expected = json!([
            {
                "contextualisation": {"context_template": "#cloud-config\nő", "type": "cloudinit"},
                "health_check": {"ports": [8080], "type": "basic"},
                "resource": {"type": "docker", "tag": "yes", "mode": 8},
            },
            {"health_check": {"ports": [8080], "type": "basic"}},
        ]);
        assert_eq!(from_text("n", text), json!({"name": "n", "implementations": expected}));
    }

    #[test]
    fn what_cannot_be_read_is_a_reason_and_brings_in_no_file() {
        for text in ["- resource: !text_import {url: file:///etc/hostname}", "a: [", "5", "x: y", ""] {
            assert!(from_text("n", text).is_string(), "{text}");
        }
    }

    #[test]
    fn only_definitions_have_a_text() {
        for value in [json!(null), json!("text"), json!({"implementations": 5}), json!([])] {
            assert_eq!(to_text(&value), None, "{value}");
        }
    }
}
