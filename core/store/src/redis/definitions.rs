//! Node definitions as Occopus 1.10 keeps them: the YAML text of the list of implementations.

use std::path::Path;

use occopus_descriptor::Rules;
use occopus_descriptor::definition;
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

/// The definition `name` in `text`. What cannot be read, or is refused by the checker, comes as the
/// reason in words, so that only what uses it has to fail.
pub(super) fn from_text(name: &str, text: &str) -> Value {
    match serde_json::from_str(text) {
        // Ours: checked when it was imported.
        Ok(implementations @ Value::Array(_)) => json!({"name": name, "implementations": implementations}),
        _ => from_original(name, text).unwrap_or_else(Value::String),
    }
}

/// The definition that the original stored: it may have checked less than we do.
fn from_original(name: &str, text: &str) -> Result<Value, String> {
    // The text comes from whoever can write to the Redis: it must not bring in files of ours.
    let dialect = Dialect { isolated: true, ..Dialect::default() };
    let file = as_file(name, text);
    let root =
        load_text("<Redis>", &file, Path::new(""), dialect).map_err(|problems| problems.to_string())?;
    let (definitions, problems) = definition::check(&root, &Rules::builtin());
    let definition = definitions.and_then(|all| all.into_iter().next());
    let definition = definition.ok_or_else(|| problems.to_string())?;
    serde_json::to_value(definition).map_err(|error| error.to_string())
}

/// The text as a file of node definitions has it: one step further in, below its name.
fn as_file(name: &str, text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!(" {line}")).collect();
    format!("{}:\n{}\n", json!(format!("node_def:{name}")), lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(implementations: Value) {
        let value = json!({"name": "n", "implementations": implementations});
        let text = to_text(&value).unwrap();
        assert_eq!(from_text("n", &text), value, "as JSON");
        let as_yaml = load_text("t", &text, Path::new(""), Dialect::default()).unwrap().to_json();
        assert_eq!(as_yaml, value["implementations"], "as YAML: {text}");
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
    fn what_the_original_wrote_is_read_and_checked() {
        let text = "- contextualisation: {context_template: \"#cloud-config\\n\\u0151\", type: cloudinit}\n  \
                    health_check: &id001 {ports: [8080], type: basic}\n  \
                    resource: {command: a\n      b, type: process, version: 0o10}\n\
                    - health_check: *id001\n  resource: {type: process}\n";
        let health = json!({"ports": [8080], "type": "basic"});
        let expected = json!([
            {
                "contextualisation": {"context_template": "#cloud-config\nő", "type": "cloudinit"},
                "health_check": health,
                "resource": {"type": "process", "command": "a b", "version": 8},
            },
            {"health_check": health, "resource": {"type": "process"}},
        ]);
        let problems = from_text("n", text);
        let problems = problems.as_str().expect("process takes no command in its resource section");
        assert!(problems.contains("command") && problems.contains("version"), "{problems}");
        let root = load_text("t", text, Path::new(""), Dialect::default()).unwrap();
        assert_eq!(root.to_json(), expected, "the text itself is fine");
        let text = text.replace("command: a\n      b, ", "").replace(", version: 0o10", "");
        assert_eq!(from_text("n", &text)["implementations"][1], expected[1]);
    }

    #[test]
    fn what_cannot_be_read_is_a_reason_and_brings_in_no_file() {
        for text in [
            "- resource: {type: process, x: !text_import {url: file:///etc/hostname}}",
            "- resource: {type: unheard_of}",
            "a: [",
            "5",
            "x: y",
            "{}",
            "",
        ] {
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
