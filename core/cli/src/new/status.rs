//! `occopus status`.

use crossterm::style::Color;
use jiff::Timestamp;
use occopus::engine::control::Health;
use occopus::{Error, NodeStatus, Status};

use super::Session;
use crate::DONE;
use crate::output::{bold, paint};
use crate::words::{ago, count, span, table};

pub(super) async fn run(session: &Session, infra: Option<&str>) -> Result<u8, Error> {
    let output = &session.output;
    let occopus = session.open().await?;
    let infras = match infra {
        Some(text) => vec![occopus.resolve(text).await?],
        None => occopus.list().await?.into_iter().map(|record| record.id).collect(),
    };
    if infras.is_empty() {
        output.say(&format!("no infrastructures in {}", occopus.store_location()));
    }
    if infra.is_none() {
        for original in occopus.originals().await? {
            output.say(&original.to_string());
        }
    }
    for (number, infra) in infras.iter().enumerate() {
        let status = occopus.status(infra).await?;
        if output.is_json() {
            output.json(&status);
            continue;
        }
        let gap = if number > 0 { "\n" } else { "" };
        let style = Style { colors: output.colors_results(), store: session.global.verbose > 0 };
        output.result(&format!("{gap}{}", text_of(&status, Timestamp::now(), style)));
    }
    Ok(DONE)
}

/// What a text shows beside the facts.
#[derive(Debug, Clone, Copy)]
struct Style {
    colors: bool,
    /// Whether the store is named.
    store: bool,
}

/// A status for people, at the time `now`.
fn text_of(status: &Status, now: Timestamp, style: Style) -> String {
    let mut lines = vec![head(status, now, style.colors)];
    lines.extend(instances(status, style.colors));
    lines.push(freshness(status, now));
    if style.store {
        lines.push(format!("store: {}", status.store));
    }
    lines.extend(status.holds.iter().map(|hold| format!("held: {}", hold.describe())));
    lines.extend(status.requests.iter().map(|request| format!("waiting request: {request}")));
    lines.extend(status.notes.iter().map(|note| format!("note: {note}")));
    lines.push(format!("next: {}", status.next));
    lines.join("\n")
}

fn head(status: &Status, now: Timestamp, colors: bool) -> String {
    let (word, color) = match status.health {
        Health::Ready => ("ready", Color::Green),
        Health::Incomplete => ("incomplete", Color::Yellow),
        Health::Destroying => ("destroying", Color::Yellow),
        Health::Destroyed => ("destroyed", Color::DarkGrey),
    };
    format!(
        "{} is {}  (id {}, description {}, built {})",
        bold(colors, &status.name),
        paint(colors, color, word),
        status.infra_id,
        status.generation,
        ago(now, status.created_at)
    )
}

fn instances(status: &Status, colors: bool) -> Vec<String> {
    let mut rows = vec![["NODE", "STATE", "AGE", "ADDRESS", "DETAIL"].map(str::to_owned)];
    for node in &status.nodes {
        rows.push([node.name.clone(), number_of(node), String::new(), String::new(), waits_for(node)]);
        for slot in &node.slots {
            let outdated = match slot.differs.as_slice() {
                [] if slot.outdated => "outdated".to_owned(),
                [] => String::new(),
                [first] => format!("outdated: {first}"),
                [first, rest @ ..] => format!("outdated: {first} and {} more", rest.len()),
            };
            let stale =
                slot.stale.as_ref().map(|peer| format!("stale: an instance of '{peer}' it knows is gone"));
            let remarks: Vec<String> = [outdated, stale.unwrap_or_default(), slot.detail.clone()]
                .into_iter()
                .filter(|text| !text.is_empty())
                .collect();
            rows.push([
                format!("  {}", slot.slot),
                slot.state.clone(),
                span(slot.age),
                slot.addresses.join(" "),
                remarks.join("; "),
            ]);
        }
    }
    table(&rows, |_, column, cell| match column {
        1 => paint_state(colors, cell),
        _ => cell.to_owned(),
    })
}

/// How many instances of a node there are and how many are wanted.
fn number_of(node: &NodeStatus) -> String {
    let ready = node.slots.iter().filter(|slot| slot.state == "ready").count();
    if node.definition.is_empty() {
        return "not described".to_owned();
    }
    let limits =
        if node.min == node.max { String::new() } else { format!(" ({} to {})", node.min, node.max) };
    format!("{ready} of {}{limits}", node.target)
}

fn waits_for(node: &NodeStatus) -> String {
    if node.waits_for.is_empty() { String::new() } else { format!("after {}", node.waits_for.join(", ")) }
}

fn paint_state(colors: bool, state: &str) -> String {
    let color = match state {
        "ready" => Color::Green,
        "starting" | "creating" | "destroying" => Color::Yellow,
        "unhealthy" | "unresponsive" | "stopped" | "gone" => Color::Red,
        _ => return state.to_owned(),
    };
    paint(colors, color, state)
}

/// How old the observation is, and who looks after the infrastructure.
fn freshness(status: &Status, now: Timestamp) -> String {
    let total: usize = status.nodes.iter().map(|node| node.slots.len()).sum();
    let mut text = format!("{} observed {}", count(total, "instance"), ago(now, status.observed_at));
    match status.maintained_at {
        Some(at) => text.push_str(&format!("; last maintained {}", ago(now, at))),
        None => text.push_str("; never maintained"),
    }
    match &status.controller {
        Some(controller) => text.push_str(&format!("; controlled by {controller}")),
        None => text.push_str("; no command is working on it"),
    }
    text
}

#[cfg(test)]
mod tests {
    use occopus::SlotStatus;
    use occopus::engine::hold::{Hold, HoldKind};
    use occopus::engine::ids::{InfraId, NodeId, Slot};
    use occopus::engine::record::Goal;

    use super::*;

    const PLAIN: Style = Style { colors: false, store: false };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("valid")
    }

    fn slot(name: &str, state: &str, detail: &str, outdated: bool) -> SlotStatus {
        SlotStatus {
            slot: name.parse::<Slot>().expect("a slot"),
            node_id: NodeId::from("n"),
            state: state.to_owned(),
            legacy_state: "ready",
            age: 300,
            addresses: vec!["127.8.0.1".to_owned()],
            resource: "process".to_owned(),
            endpoint: "local".to_owned(),
            provider_id: "p".to_owned(),
            detail: detail.to_owned(),
            outdated,
            differs: if outdated { vec!["variables.port: 80, now 8080".to_owned()] } else { Vec::new() },
            stale: None,
        }
    }

    fn node(name: &str, waits_for: &[&str], max: u32, slots: Vec<SlotStatus>) -> NodeStatus {
        NodeStatus {
            name: name.to_owned(),
            definition: "d".to_owned(),
            min: 1,
            max,
            target: 1,
            waits_for: waits_for.iter().map(|name| (*name).to_owned()).collect(),
            slots,
        }
    }

    fn status() -> Status {
        Status {
            schema: 1,
            infra_id: InfraId::from("3f2a"),
            name: "demo".to_owned(),
            health: Health::Incomplete,
            goal: Goal::Present,
            generation: 2,
            created_at: at(0),
            store: "/tmp/occopus.db".to_owned(),
            controller: None,
            maintained_at: Some(at(588)),
            observed_at: at(600),
            nodes: vec![
                node("db", &[], 1, vec![slot("db/1", "ready", "", true)]),
                node(
                    "worker",
                    &["db"],
                    5,
                    vec![slot("worker/1", "unhealthy", "port 8080 closed for 42 s of 600 s", false)],
                ),
            ],
            holds: Vec::new(),
            requests: vec!["worker: 2 more".to_owned()],
            notes: vec!["a note".to_owned()],
            next: "occopus maintain 3f2a".to_owned(),
        }
    }

    #[test]
    fn a_status_shows_every_slot_how_old_it_is_and_what_to_type_next() {
        assert_eq!(
            text_of(&status(), at(600), PLAIN),
            "demo is incomplete  (id 3f2a, description 2, built 10 min ago)\n\
             NODE        STATE            AGE    ADDRESS    DETAIL\n\
             db          1 of 1\n\
             \x20 db/1      ready            5 min  127.8.0.1  outdated: variables.port: 80, now 8080\n\
             worker      0 of 1 (1 to 5)                    after db\n\
             \x20 worker/1  unhealthy        5 min  127.8.0.1  port 8080 closed for 42 s of 600 s\n\
             2 instances observed just now; last maintained 12 s ago; no command is working on it\n\
             waiting request: worker: 2 more\n\
             note: a note\n\
             next: occopus maintain 3f2a"
        );
    }

    #[test]
    fn the_store_is_named_when_asked_for() {
        let text = text_of(&status(), at(600), Style { colors: false, store: true });
        assert!(text.contains("\nstore: /tmp/occopus.db\n"));
    }

    #[test]
    fn what_operators_hold_is_shown_with_who_and_why() {
        let hold = Hold {
            kind: HoldKind::Pause,
            node: Some("worker".to_owned()),
            reason: "migration".to_owned(),
            actor: "ann@host: occopus pause (process 7)".to_owned(),
            since: at(0),
            until: Some(at(3600)),
        };
        let text = text_of(&Status { holds: vec![hold], ..status() }, at(600), PLAIN);
        let line = "held: 'worker' is paused by ann@host: occopus pause (process 7) since 1970-01-01T00:00:00Z \
                    until 1970-01-01T01:00:00Z: migration";
        assert!(text.contains(&format!("\n{line}\n")), "{text}");
    }

    #[test]
    fn who_controls_it_is_named() {
        let status = Status { controller: Some("`occopus watch` (process 7)".to_owned()), ..status() };
        assert!(text_of(&status, at(600), PLAIN).contains("; controlled by `occopus watch` (process 7)\n"));
    }

    #[test]
    fn colours_do_not_move_the_columns() {
        let plain = text_of(&status(), at(600), PLAIN);
        let colored = text_of(&status(), at(600), Style { colors: true, store: false });
        assert_ne!(plain, colored);
        let mut stripped = String::new();
        let mut escape = false;
        for c in colored.chars() {
            match (escape, c) {
                (false, '\u{1b}') => escape = true,
                (true, 'm') => escape = false,
                (true, _) => {}
                (false, c) => stripped.push(c),
            }
        }
        assert_eq!(plain, stripped);
    }
}
