//! `occopus list`.

use jiff::Timestamp;
use occopus::Error;
use occopus::engine::hold::Hold;
use occopus::engine::record::{Goal, InfraRecord};
use serde_json::json;

use super::Session;
use crate::DONE;
use crate::words::{ago, table};

pub(super) async fn run(session: &Session) -> Result<u8, Error> {
    let output = &session.output;
    let occopus = session.open().await?;
    let mut all = Vec::new();
    for record in occopus.list().await? {
        let holds = occopus.holds(&record.id).await?;
        all.push((record, holds));
    }
    if output.is_json() {
        for (record, holds) in &all {
            output.json(&json!({
                "schema": 1,
                "infra_id": record.id,
                "name": record.name,
                "state": state(record),
                "generation": record.generation,
                "created_at": record.created_at,
                "holds": holds,
            }));
        }
    } else if all.is_empty() {
        output.say(&format!("no infrastructures in {}", occopus.store_location()));
    } else {
        output.result(&text(&all, Timestamp::now()));
    }
    for original in occopus.originals().await? {
        output.say(&original.to_string());
    }
    Ok(DONE)
}

/// What the record alone can tell.
fn state(record: &InfraRecord) -> &'static str {
    match (record.goal, record.completed) {
        (Goal::Absent, _) => "destroying",
        (Goal::Present, true) => "built",
        (Goal::Present, false) => "unfinished",
    }
}

fn text(all: &[(InfraRecord, Vec<Hold>)], now: Timestamp) -> String {
    let mut rows = vec![["NAME", "ID", "STATE", "BUILT"].map(str::to_owned)];
    rows.extend(all.iter().map(|(record, holds)| {
        let state = words(record, holds);
        [record.name.clone(), record.id.to_string(), state, ago(now, record.created_at)]
    }));
    table(&rows, |_, _, cell| cell.to_owned()).join("\n")
}

/// The state and what operators hold, such as `built, worker paused`.
fn words(record: &InfraRecord, holds: &[Hold]) -> String {
    let held = holds.iter().map(|hold| match &hold.node {
        Some(node) => format!("{node} {}", hold.kind.participle()),
        None => hold.kind.participle().to_owned(),
    });
    std::iter::once(state(record).to_owned()).chain(held).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use occopus::engine::hold::HoldKind;
    use occopus::engine::ids::InfraId;

    use super::*;

    #[test]
    fn each_infrastructure_has_a_line_with_its_name_and_whole_id() {
        let at = |second| Timestamp::from_second(second).expect("valid");
        let record = |id: &str, goal, completed| InfraRecord {
            id: InfraId::from(id),
            name: "demo".to_owned(),
            goal,
            generation: 1,
            targets: Default::default(),
            created_at: at(0),
            completed,
            closed_at: None,
            rollout: None,
            completed_before: None,
            names: Default::default(),
        };
        let hold = Hold {
            kind: HoldKind::Pause,
            node: Some("worker".to_owned()),
            reason: String::new(),
            actor: String::new(),
            since: at(0),
            until: None,
        };
        let records = [
            (record("a1", Goal::Present, true), vec![hold]),
            (record("b2", Goal::Present, false), Vec::new()),
            (record("c3", Goal::Absent, true), Vec::new()),
        ];
        assert_eq!(
            text(&records, at(300)),
            "NAME  ID  STATE                 BUILT\n\
             demo  a1  built, worker paused  5 min ago\n\
             demo  b2  unfinished            5 min ago\n\
             demo  c3  destroying            5 min ago"
        );
    }
}
