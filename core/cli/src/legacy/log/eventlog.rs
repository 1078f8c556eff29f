//! The event log of Occopus 1.10: `<infra id> ;; <event> ;; <unix seconds> ;; <YAML mapping>`.

use occopus::engine::event::{Event, EventKind};

/// The record of an event, ending with the line break of its YAML; `None` for events that the original
/// did not know.
pub(super) fn record(event: &Event) -> Option<String> {
    let name = name(event.event)?;
    let mut fields = vec![("infra_id", event.infra_id.to_string())];
    if let (Some(slot), Some(node_id)) = (&event.slot, &event.node_id) {
        if event.event != EventKind::NodeCreating {
            fields.extend(event.endpoint.clone().map(|endpoint| ("endpoint", endpoint)));
        }
        fields.push(("node_id", node_id.to_string()));
        fields.push(("node_name", slot.node.to_string()));
    }
    fields.sort();
    let pairs: Vec<String> = fields.iter().map(|(key, value)| format!("{key}: {}", scalar(value))).collect();
    let seconds = event.time.as_second();
    Some(format!("{} ;; {name} ;; {seconds} ;; {{{}}}\n", event.infra_id, pairs.join(", ")))
}

fn name(kind: EventKind) -> Option<&'static str> {
    Some(match kind {
        EventKind::InfraStart => "infrastart",
        EventKind::InfraUpdated => "infraupdated",
        EventKind::InfraReady => "infraready",
        EventKind::InfraDrop => "infradrop",
        EventKind::NodeCreating => "nodecreating",
        EventKind::NodeCreated => "nodecreated",
        EventKind::NodeDropping => "nodedropping",
        EventKind::NodeDropped => "nodedropped",
        EventKind::NodeFailed => "nodefailed",
        _ => return None,
    })
}

/// A text as a YAML scalar, quoted where it could be read as something else.
fn scalar(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "-_./:@".contains(c);
    let is_word = ["true", "false", "null", "nan", "inf"].contains(&text.to_ascii_lowercase().as_str());
    let plain = text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(safe)
        && text.contains(|c: char| c.is_ascii_alphabetic())
        && text.parse::<f64>().is_err()
        && !["0x", "0o", "0b"].iter().any(|base| text.starts_with(base))
        && !text.ends_with(':')
        && !is_word;
    if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', "''")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::event::tests::event;

    #[test]
    fn a_record_has_the_shape_of_the_original() {
        let created = event(EventKind::NodeCreated, Some("worker/1"), "127.0.0.9");
        let infra = created.infra_id.to_string();
        let record = record(&created).expect("is recorded");
        let parts: Vec<&str> = record.split(" ;; ").collect();
        assert_eq!(parts[..3], [infra.as_str(), "nodecreated", "1700000000"]);
        assert!(parts[3].ends_with("node_id: n1, node_name: worker}\n"), "{record}");
        assert!(parts[3].starts_with('{') && parts[3].contains(&format!("infra_id: {infra}")), "{record}");
    }

    #[test]
    fn what_the_original_did_not_know_is_not_recorded() {
        assert_eq!(record(&event(EventKind::Notice, None, "x")), None);
        assert_eq!(record(&event(EventKind::NodeStarted, Some("worker/1"), "x")), None);
    }

    #[test]
    fn texts_that_yaml_would_read_as_something_else_are_quoted() {
        for (text, expected) in [
            ("6f2c9f3e-1d4e-4a6e-9c1b-1f0f5b1c2d3e", "6f2c9f3e-1d4e-4a6e-9c1b-1f0f5b1c2d3e"),
            ("https://h:8443/v3", "https://h:8443/v3"),
            ("12", "'12'"),
            ("1e5", "'1e5'"),
            ("2020-01-01", "'2020-01-01'"),
            ("true", "'true'"),
            ("a: b", "'a: b'"),
            ("it's", "'it''s'"),
            ("", "''"),
        ] {
            assert_eq!(scalar(text), expected);
        }
    }
}
