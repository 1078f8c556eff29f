//! The health check section.

use super::rules::{Section, SectionCheck, SectionRules};
use crate::codes::BAD_HEALTH_CHECK as BAD;
use crate::fields::{self, Kind, MYSQL};
use crate::yaml::{Node, Value};

pub(super) fn rules() -> SectionRules {
    SectionRules::new(Section::HealthCheck, "basic").fields(fields::HEALTH_BASIC).check_values(|check| {
        databases(check);
        kinds(check, "mysqldbs");
        list(check, "urls");
        kinds(check, "urls");
        for port in list(check, "ports") {
            self::port(check, &port);
        }
        ping(check);
        timeout(check);
    })
}

/// The items of a list; none if it is absent or no list.
fn list(check: &mut SectionCheck<'_>, key: &str) -> Vec<Node> {
    let Some(node) = check.get(key).cloned() else { return Vec::new() };
    if node.as_seq().is_none() {
        check.error(BAD, &node, &format!("Invalid format of '{key}' section! Must be a list."));
    }
    node.as_seq().map(<[Node]>::to_vec).unwrap_or_default()
}

/// Compares what is inside a list with the table.
fn kinds(check: &mut SectionCheck<'_>, key: &str) {
    let Some(field) = fields::find(fields::HEALTH_BASIC, key) else { return };
    let Some(node) = check.get(key).filter(|node| node.as_seq().is_some()).cloned() else { return };
    for mismatch in field.kind.mismatches(&node, true) {
        // What is no mapping at all has been reported.
        if !matches!(mismatch.wanted, Kind::Closed(_)) {
            check.warning(mismatch.at, &mismatch.text(&mismatch.place(key)));
        }
    }
}

/// Occopus 1.10 looked at the last entry only, so that problems in others are warnings.
fn databases(check: &mut SectionCheck<'_>) {
    let entries = list(check, "mysqldbs");
    for (index, entry) in entries.iter().enumerate() {
        let last = index + 1 == entries.len();
        let mut report = |at: &Node, text: &str| {
            if last { check.error(BAD, at, text) } else { check.warning(at, text) }
        };
        let Some(fields) = entry.as_map() else {
            report(entry, "An entry of 'mysqldbs' must be a mapping with name, user and pass");
            continue;
        };
        let missing: Vec<&str> = fields::required(MYSQL).filter(|key| entry.get(key).is_none()).collect();
        if !missing.is_empty() {
            report(entry, &format!("Missing key(s) in mysqldbs: {}", missing.join(", ")));
        }
        let is_known = |key: &Node| key.as_str().is_some_and(|key| fields::find(MYSQL, key).is_some());
        let unknown: Vec<&Node> = fields.iter().map(|(key, _)| key).filter(|key| !is_known(key)).collect();
        if let Some(first) = unknown.first() {
            let names: Vec<String> = unknown.iter().map(|key| key.to_text()).collect();
            report(first, &format!("Unknown key(s) in mysqldbs: {}", names.join(", ")));
        }
    }
}

fn port(check: &mut SectionCheck<'_>, port: &Node) {
    match port.value {
        Value::Int(1..=65535) => {}
        Value::Bool(flag) => {
            check.warning(port, &format!("a boolean as port is taken as {}", u8::from(flag)))
        }
        Value::Int(_) | Value::BigInt(_) => {
            check.warning(port, "there is no such port, so it is not checked; ports go from 1 to 65535")
        }
        _ => check.error(BAD, port, &format!("Invalid port '{}' - must be integer", port.to_text())),
    }
}

fn ping(check: &mut SectionCheck<'_>) {
    let Some(node) = check.get("ping").cloned() else { return };
    if !matches!(node.value, Value::Bool(_)) {
        let help = Some("write true or false; yes and no are strings in this YAML".to_owned());
        check.error_with_help(BAD, &node, "Invalid value of 'ping' section! Must be True/False.", help);
    }
}

fn timeout(check: &mut SectionCheck<'_>) {
    let Some(node) = check.get("timeout").cloned() else { return };
    match node.value {
        Value::Int(seconds) if seconds < 0 => {
            check.warning(&node, "with a negative timeout an instance fails at its first failed check")
        }
        Value::Int(seconds) if i64::try_from(seconds).is_ok() => {}
        Value::Bool(flag) => {
            check.warning(&node, &format!("a boolean as timeout is taken as {}", u8::from(flag)))
        }
        _ => check.error(BAD, &node, "Invalid value of 'timeout' section! Must be integer."),
    }
}
