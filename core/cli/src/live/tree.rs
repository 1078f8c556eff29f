//! The tree of slots as it stands while an operation runs. Pure: events in, lines out.

use std::collections::BTreeMap;
use std::time::Duration;

use crossterm::style::Color;
use occopus::engine::event::{Event, EventKind};
use occopus::engine::ids::Slot;
use occopus::engine::judge::InstanceState;
use occopus::engine::plan::{Instance, Plan, Situation, What};
use occopus::engine::record::Phase;

use crate::output::{bold, paint};
use crate::words::{fit, span};

/// Where a slot stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Waiting,
    Working,
    Ready,
    Bad,
    Gone,
}

impl Mark {
    fn color(self) -> Color {
        match self {
            Self::Waiting | Self::Gone => Color::DarkGrey,
            Self::Working => Color::Yellow,
            Self::Ready => Color::Green,
            Self::Bad => Color::Red,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    mark: Mark,
    word: &'static str,
    detail: String,
}

impl Row {
    fn new(mark: Mark, word: &'static str, detail: impl Into<String>) -> Self {
        Self { mark, word, detail: detail.into() }
    }
}

/// The size of the terminal, in characters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
}

/// All slots of an infrastructure.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    name: String,
    /// Names of the nodes in the order of their dependencies.
    order: Vec<String>,
    rows: BTreeMap<(usize, Slot), Row>,
    /// What concerns no slot, such as waiting for another command.
    remark: String,
}

impl Tree {
    /// Takes a plan over, with what is there already. Rows of an earlier plan stay.
    pub(crate) fn plan(&mut self, plan: &Plan, situation: &Situation) {
        self.name.clone_from(&situation.record.name);
        self.order.clone_from(&situation.topology.order);
        self.remark.clear();
        for instance in &situation.instances {
            let key = self.key(&instance.attempt.slot);
            self.rows.entry(key).or_insert_with(|| present(instance));
        }
        for action in &plan.actions {
            let word = match action.what {
                What::Create { .. } => "waiting",
                What::Await { .. } | What::Settle { wanted: true, .. } | What::Adopt { .. } => "starting",
                What::Destroy { .. } | What::Settle { wanted: false, .. } => "to be destroyed",
            };
            let key = self.key(&action.slot);
            self.rows.insert(key, Row::new(Mark::Waiting, word, action.cause.to_string()));
        }
    }

    /// Takes an event over.
    pub(crate) fn event(&mut self, event: &Event) {
        let Some(slot) = &event.slot else {
            if event.event == EventKind::Progress {
                self.remark.clone_from(&event.message);
            }
            return;
        };
        let key = self.key(slot);
        if matches!(event.event, EventKind::Progress | EventKind::Notice) {
            if let Some(row) = self.rows.get_mut(&key) {
                row.detail.clone_from(&event.message);
            }
            return;
        }
        let mark = match event.event {
            EventKind::NodeCreated | EventKind::NodeHealthy => Mark::Ready,
            EventKind::NodeFailed | EventKind::NodeUnhealthy => Mark::Bad,
            EventKind::NodeDropped => Mark::Gone,
            _ => Mark::Working,
        };
        self.rows.insert(key, Row::new(mark, super::event::word(event.event), event.message.clone()));
    }

    fn key(&self, slot: &Slot) -> (usize, Slot) {
        let place = self.order.iter().position(|name| *name == slot.node).unwrap_or(usize::MAX);
        (place, slot.clone())
    }

    /// The lines to show, none wider than the terminal. Where it is not high enough, what is settled is
    /// left out first.
    pub(crate) fn lines(&self, size: Size, elapsed: Duration, colors: bool) -> Vec<String> {
        if self.rows.is_empty() {
            return if self.remark.is_empty() { Vec::new() } else { vec![fit(&self.remark, size.columns)] };
        }
        let ready = self.rows.values().filter(|row| row.mark == Mark::Ready).count();
        let wanted = self.rows.values().filter(|row| row.mark != Mark::Gone).count();
        let seconds = i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX);
        let head = format!("{}  {ready} of {wanted} ready  {}  {}", self.name, span(seconds), self.remark);
        let mut lines = vec![bold(colors, &fit(head.trim_end(), size.columns))];
        // One line for the head, one for what is left out, one for the cursor.
        let room = size.rows.saturating_sub(3).max(1);
        let settled = |row: &Row| matches!(row.mark, Mark::Ready | Mark::Gone);
        let mut surplus = self.rows.len().saturating_sub(room);
        let mut shown: Vec<(&Slot, &Row)> = Vec::new();
        let mut hidden = 0;
        for ((_, slot), row) in &self.rows {
            if surplus > 0 && settled(row) {
                surplus -= 1;
                hidden += 1;
            } else {
                shown.push((slot, row));
            }
        }
        hidden += shown.len().saturating_sub(room);
        shown.truncate(room);
        let width = shown.iter().map(|(slot, _)| slot.to_string().chars().count()).max().unwrap_or(0);
        lines.extend(shown.iter().map(|(slot, row)| line(slot, row, width, size.columns, colors)));
        if hidden > 0 {
            lines.push(fit(&format!("  … and {hidden} more"), size.columns));
        }
        lines
    }
}

/// The row of an instance that is there before anything is done.
fn present(instance: &Instance) -> Row {
    let reason = instance.verdict.as_ref().map(|verdict| verdict.reason.clone()).unwrap_or_default();
    match (&instance.attempt.phase, instance.verdict.as_ref().map(|verdict| verdict.state)) {
        (Phase::Live, Some(InstanceState::Ready)) => {
            Row::new(Mark::Ready, "ready", instance.attempt.addresses.join(" "))
        }
        (Phase::Live, Some(InstanceState::Pending)) | (Phase::Creating { .. }, _) => {
            Row::new(Mark::Working, "starting", reason)
        }
        (Phase::Destroying { .. }, _) => Row::new(Mark::Working, "destroying", reason),
        (Phase::Live, Some(InstanceState::Unknown) | None) | (Phase::Closed { .. }, _) => {
            Row::new(Mark::Waiting, "unknown", reason)
        }
        (Phase::Live, Some(_)) => Row::new(Mark::Bad, "unhealthy", reason),
    }
}

fn line(slot: &Slot, row: &Row, width: usize, columns: usize, colors: bool) -> String {
    /// As wide as the longest word, `to be destroyed`.
    const WORD: usize = 15;
    let used = 2 + width + 2 + WORD + 2;
    if used > columns {
        return fit(&format!("  {slot}  {}", row.word), columns);
    }
    let word = paint(colors, row.mark.color(), &format!("{:<WORD$}", row.word));
    let detail = fit(&row.detail, columns - used);
    format!("  {:<width$}  {word}  {detail}", slot.to_string()).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::event::tests::event;
    use super::*;

    const WIDE: Size = Size { columns: 80, rows: 24 };

    fn tree(events: &[(EventKind, &str, &str)]) -> Tree {
        let mut tree = Tree {
            name: "demo".to_owned(),
            order: vec!["db".to_owned(), "app".to_owned()],
            ..Tree::default()
        };
        for (kind, slot, message) in events {
            tree.event(&event(*kind, Some(slot), message));
        }
        tree
    }

    #[test]
    fn every_slot_has_a_line_in_the_order_of_dependencies() {
        let tree = tree(&[
            (EventKind::NodeCreating, "app/1", "'app' has 0 of 1 instances"),
            (EventKind::NodeCreating, "db/1", ""),
            (EventKind::NodeCreated, "db/1", "127.0.0.9"),
        ]);
        assert_eq!(
            tree.lines(WIDE, Duration::from_secs(7), false),
            [
                "demo  1 of 2 ready  7 s",
                "  db/1   ready            127.0.0.9",
                "  app/1  creating         'app' has 0 of 1 instances",
            ]
        );
    }

    #[test]
    fn progress_changes_the_detail_of_its_slot_only() {
        let tree = tree(&[
            (EventKind::NodeCreating, "db/1", "cause"),
            (EventKind::Progress, "db/1", "pulling layer 3 of 7"),
        ]);
        assert_eq!(
            tree.lines(WIDE, Duration::ZERO, false)[1],
            "  db/1  creating         pulling layer 3 of 7"
        );
    }

    #[test]
    fn a_low_terminal_hides_what_is_settled_first() {
        let tree = tree(&[
            (EventKind::NodeCreated, "db/1", ""),
            (EventKind::NodeCreated, "db/2", ""),
            (EventKind::NodeFailed, "app/1", "exited with code 1"),
        ]);
        let lines = tree.lines(Size { columns: 80, rows: 5 }, Duration::ZERO, false);
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[1], "  db/2   ready");
        assert_eq!(lines[2], "  app/1  failed           exited with code 1");
        assert_eq!(lines[3], "  … and 1 more");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let tree = tree(&[(EventKind::NodeFailed, "app/1", &"very long reason ".repeat(20))]);
        for columns in [1, 10, 27, 40, 80] {
            let lines = tree.lines(Size { columns, rows: 24 }, Duration::ZERO, false);
            assert!(lines.iter().all(|line| line.chars().count() <= columns), "{columns}: {lines:?}");
        }
    }

    #[test]
    fn a_destroyed_slot_no_longer_counts_as_wanted() {
        let tree = tree(&[(EventKind::NodeDropped, "app/1", ""), (EventKind::NodeCreated, "db/1", "")]);
        assert_eq!(tree.lines(WIDE, Duration::ZERO, false)[0], "demo  1 of 1 ready  0 s");
    }
}
