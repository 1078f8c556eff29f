//! `occopus history`, and differences between descriptions in words.

use occopus::engine::difference::Change;
use occopus::{Error, GenerationEntry};

use super::Session;
use crate::DONE;

pub(super) async fn run(session: &Session, infra: &str) -> Result<u8, Error> {
    let output = &session.output;
    let occopus = session.open().await?;
    let history = occopus.history(&occopus.resolve(infra).await?).await?;
    if output.is_json() {
        output.json(&history);
    } else {
        let entries: Vec<String> = history.generations.iter().map(text_of).collect();
        output.result(&entries.join("\n"));
    }
    Ok(DONE)
}

/// A description and what it changed, for people.
fn text_of(entry: &GenerationEntry) -> String {
    let mut head = format!("{}  {:.0}", entry.number, entry.created_at);
    if !entry.author.is_empty() {
        head.push_str(&format!("  {}", entry.author));
    }
    if entry.in_force {
        head.push_str("  (in force)");
    }
    if let Some(at) = entry.undone_at {
        head.push_str(&format!("  (failed, undone {at:.0})"));
    }
    let lines = match lines_of(&entry.changes) {
        lines if lines.is_empty() => vec!["as before".to_owned()],
        lines => lines,
    };
    std::iter::once(head)
        .chain(lines.into_iter().map(|line| format!("     {line}")))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Differences in lines; those of a node that is described otherwise each in one.
pub(super) fn lines_of(changes: &[Change]) -> Vec<String> {
    let each = |name: &str, differs: &[String]| -> Vec<String> {
        differs.iter().map(|what| format!("{name}{what}")).collect()
    };
    let lines = changes.iter().flat_map(|change| match change {
        Change::Infrastructure { differs } => each("", differs),
        Change::Added { node } => vec![format!("+ {node}")],
        Change::Removed { node } => vec![format!("- {node}")],
        Change::Renamed { node, from } => vec![format!("{from} → {node}")],
        Change::Changed { node, differs } => each(&format!("~ {node}: "), differs),
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn an_entry_tells_when_who_and_what() {
        let entry = GenerationEntry {
            number: 2,
            created_at: Timestamp::from_second(60).expect("valid"),
            author: "ann@host: occopus build (process 7)".to_owned(),
            in_force: true,
            undone_at: None,
            changes: vec![
                Change::Added { node: "cache".to_owned() },
                Change::Changed { node: "web".to_owned(), differs: vec!["scaling.max: 1, now 2".to_owned()] },
            ],
        };
        assert_eq!(
            text_of(&entry),
            "2  1970-01-01T00:01:00Z  ann@host: occopus build (process 7)  (in force)\n     \
             + cache\n     ~ web: scaling.max: 1, now 2"
        );
        let undone = GenerationEntry {
            in_force: false,
            undone_at: Some(entry.created_at),
            changes: Vec::new(),
            ..entry
        };
        assert!(text_of(&undone).ends_with("(failed, undone 1970-01-01T00:01:00Z)\n     as before"));
    }
}
