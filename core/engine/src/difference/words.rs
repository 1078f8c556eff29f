//! Two values in words: where they differ and how, without what should not be read by others.

use std::collections::BTreeSet;

use occopus_descriptor::secret::SecretRef;
use serde_json::{Map, Value};

/// Most characters of a value that are shown.
const SHOWN: usize = 40;
/// How many characters before the first difference are shown, so that it can be found.
const BEFORE: usize = 12;
/// What is shown in place of a value that looks like a secret.
const HIDDEN: &str = "(not shown)";
/// Parts of names whose values are not shown.
const PRIVATE: [&str; 6] = ["password", "passwd", "passphrase", "secret", "token", "private_key"];
/// Names whose values are not shown, and endings of such names behind a `_`.
const PRIVATE_WORDS: [&str; 4] = ["pass", "pw", "pwd", "apikey"];

/// Adds to `found` where `old` and `new` differ, in words such as `variables.port: 80, now 8080`.
pub(super) fn compare(place: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    if old == new {
        return;
    }
    let is_secret = |value| SecretRef::of(value).is_some();
    match (old, new) {
        _ if is_secret(old) || is_secret(new) || is_private(place) => {
            found.push(format!("{place}: {}, now {}", masked(old), masked(new)));
        }
        (Value::Object(old), Value::Object(new)) => compare_entries(place, old, new, found),
        (Value::Null, Value::Object(new)) => compare_entries(place, &Map::new(), new, found),
        (Value::Object(old), Value::Null) => compare_entries(place, old, &Map::new(), found),
        (Value::Array(old), Value::Array(new)) => compare_items(place, old, new, found),
        (Value::Null, Value::Array(new)) => compare_items(place, &[], new, found),
        (Value::Array(old), Value::Null) => compare_items(place, old, &[], found),
        (old, new) => {
            let (old, new) = (text_of(old), text_of(new));
            let skipped = skipped(&old, &new);
            found.push(format!("{place}: {}, now {}", part(&old, skipped), part(&new, skipped)));
        }
    }
}

fn compare_entries(place: &str, old: &Map<String, Value>, new: &Map<String, Value>, found: &mut Vec<String>) {
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for key in keys {
        let of = |entries: &Map<String, Value>| entries.get(key).cloned().unwrap_or(Value::Null);
        let inner = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
        compare(&inner, &of(old), &of(new), found);
    }
}

/// Item by item between what begins and what ends both lists, so that one that is put in or left out does not
/// make all behind it differ.
fn compare_items(place: &str, old: &[Value], new: &[Value], found: &mut Vec<String>) {
    let same = |(old, new): &(&Value, &Value)| old == new;
    let before = old.iter().zip(new).take_while(same).count();
    let (old, new) = (&old[before..], &new[before..]);
    let behind = old.iter().rev().zip(new.iter().rev()).take_while(same).count();
    let (old, new) = (&old[..old.len() - behind], &new[..new.len() - behind]);
    for number in 0..old.len().max(new.len()) {
        let of = |items: &[Value]| items.get(number).cloned().unwrap_or(Value::Null);
        compare(&format!("{place}[{}]", before + number), &of(old), &of(new), found);
    }
}

/// Whether values at `place` are passwords or the like, judged by its name.
fn is_private(place: &str) -> bool {
    let name = place.rsplit('.').next().unwrap_or(place);
    is_private_name(name.split('[').next().unwrap_or(name))
}

fn is_private_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let last = name.rsplit('_').next().unwrap_or(&name);
    PRIVATE.iter().any(|part| name.contains(part)) || PRIVATE_WORDS.contains(&last)
}

/// A value that is not to be shown: the reference of a secret, else only whether there is one.
fn masked(value: &Value) -> String {
    match (SecretRef::of(value), value) {
        (Some(secret), _) => secret.mask(),
        (None, Value::Null) => "absent".to_owned(),
        (None, _) => HIDDEN.to_owned(),
    }
}

/// A value in one line.
fn text_of(value: &Value) -> String {
    match without_secrets(value) {
        Value::Null => "absent".to_owned(),
        Value::String(text) => text.replace(['\n', '\r', '\t'], " "),
        other => other.to_string(),
    }
}

fn without_secrets(value: &Value) -> Value {
    match value {
        _ if SecretRef::of(value).is_some() => masked(value).into(),
        Value::String(text) => without_password(text).into(),
        Value::Array(items) => items.iter().map(without_secrets).collect(),
        Value::Object(entries) => {
            let shown = |(key, value): (&String, &Value)| {
                let value = if is_private_name(key) { masked(value).into() } else { without_secrets(value) };
                (key.clone(), value)
            };
            entries.iter().map(shown).collect::<Map<String, Value>>().into()
        }
        other => other.clone(),
    }
}

/// Of `NAME=VALUE`, as environments have it, the value is left out if the name is that of a password; a template
/// of it shows nothing.
fn without_password(text: &str) -> String {
    match text.split_once('=') {
        Some((name, value)) if is_private_name(name) && !value.contains("{{") => format!("{name}={HIDDEN}"),
        _ => text.to_owned(),
    }
}

/// How many characters that both texts begin with are left out, so that what differs is shown.
fn skipped(old: &str, new: &str) -> usize {
    let same = old.chars().zip(new.chars()).take_while(|(old, new)| old == new).count();
    if same < SHOWN { 0 } else { same - BEFORE }
}

/// What is shown of a text whose first `skipped` characters are left out.
fn part(text: &str, skipped: usize) -> String {
    let mut shown: String = text.chars().skip(skipped).take(SHOWN).collect();
    if skipped > 0 {
        shown.insert(0, '…');
    }
    if text.chars().count() > skipped + SHOWN {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(old: &Value, new: &Value) -> Vec<String> {
        let mut found = Vec::new();
        compare("x", old, new, &mut found);
        found
    }

    #[test]
    fn long_texts_are_shortened_to_one_line() {
        assert_eq!(
            found(&json!("a\nb"), &json!("y".repeat(100))),
            [format!("x: a b, now {}…", "y".repeat(40))]
        );
    }

    #[test]
    fn texts_that_begin_alike_are_shown_where_they_differ() {
        let text = |end: &str| json!(format!("{}0123456789 {end}", "a".repeat(90)));
        assert_eq!(found(&text("red"), &text("blue")), ["x: …a0123456789 red, now …a0123456789 blue"]);
        let longer = json!(format!("{}b", "a".repeat(60)));
        assert_eq!(
            found(&json!("a".repeat(60)), &longer),
            [format!("x: …{}, now …{}b", "a".repeat(12), "a".repeat(12))]
        );
    }

    #[test]
    fn lists_differ_item_by_item() {
        let old = json!(["a", "b", "c", {"path": "/f", "mode": 1}]);
        let mut new = old.clone();
        new[3]["mode"] = json!(2);
        assert_eq!(found(&old, &new), ["x[3].mode: 1, now 2"]);
        assert_eq!(found(&json!(["a", "b"]), &json!(["z", "a", "b"])), ["x[0]: absent, now z"]);
        assert_eq!(
            found(&json!(["a", "b", "a"]), &json!(["a"])),
            ["x[1]: b, now absent", "x[2]: a, now absent"]
        );
        assert_eq!(found(&json!(null), &json!(["a"])), ["x[0]: absent, now a"]);
    }

    #[test]
    fn passwords_are_not_shown() {
        let secret = json!({"!secret": "env:KEY"});
        assert_eq!(found(&json!("hunter2"), &secret), ["x: (not shown), now <secret env:KEY>"]);
        assert_eq!(found(&json!(null), &secret), ["x: absent, now <secret env:KEY>"]);
        for name in ["password", "DB_PASSWD", "pass", "mysql_pw", "apiToken", "client_secret"] {
            let said = found(&json!({ name: "one" }), &json!({ name: "two" }));
            assert_eq!(said, [format!("x.{name}: (not shown), now (not shown)")]);
        }
        assert_eq!(found(&json!({"passage": 1}), &json!({"passage": 2})), ["x.passage: 1, now 2"]);
        let passwords = found(&json!({"passwords": ["a"]}), &json!({"passwords": {"b": "c"}}));
        assert_eq!(passwords, ["x.passwords: (not shown), now (not shown)"]);
        assert_eq!(
            found(&json!(["DB_PASSWORD=one"]), &json!(["DB_PASSWORD=two"])),
            ["x[0]: DB_PASSWORD=(not shown), now DB_PASSWORD=(not shown)"]
        );
        let logins = json!([{"name": "db", "pass": "one"}, "TOKEN=one", secret]);
        assert_eq!(found(&json!(1), &logins), [r#"x: 1, now [{"name":"db","pass":"(not shown)"},"TOK…"#]);
        assert_eq!(found(&json!("PW={{a}}"), &json!("PW={{b}}")), ["x: PW={{a}}, now PW={{b}}"]);
    }
}
