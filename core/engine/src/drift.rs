//! Drift: what somebody changed by hand. It is told and never acted on. Pure.

use std::collections::BTreeMap;

use crate::plan::{Note, Situation};
use crate::record::{Attempt, Goal};

/// The facts that tags are, begin so. Others may put tags on what is ours.
pub const TAG: &str = "tag ";

/// Most characters of a fact that are shown.
const SHOWN: usize = 60;

/// What is not any more as it was when `attempt` was ready for the first time, in words such as
/// `instance_type is t3.large, was made as t2.micro`; `facts` are those of now. A fact that was not known then
/// says nothing.
pub fn drift(attempt: &Attempt, facts: &BTreeMap<String, String>) -> Vec<String> {
    // Nothing is known of what is not there or cannot be asked.
    if facts.is_empty() || attempt.made_as.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (name, was) in &attempt.made_as {
        match facts.get(name) {
            Some(is) if is == was => {}
            Some(is) => found.push(format!("{name} is {}, was made as {}", shown(is), shown(was))),
            None => found.push(format!("{name} is absent, was made as {}", shown(was))),
        }
    }
    found
}

/// A remark for each instance that was changed by hand: what, and what makes it as described again.
pub(crate) fn notes(situation: &Situation) -> Vec<Note> {
    if situation.record.goal == Goal::Absent {
        return Vec::new();
    }
    let mut notes = Vec::new();
    for instance in &situation.instances {
        let Some(verdict) = &instance.verdict else { continue };
        let changed = drift(&instance.attempt, &verdict.facts);
        if !changed.is_empty() {
            let (infra, slot) = (&situation.record.id, &instance.attempt.slot);
            let text = format!(
                "drift: {slot}: {}; to have it made anew: occopus replace {infra} {slot}",
                changed.join("; ")
            );
            notes.push(Note::Warning { text });
        }
    }
    notes
}

fn shown(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match line.chars().count() {
        0 => "empty".to_owned(),
        length if length <= SHOWN => line,
        _ => line.chars().take(SHOWN).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::attempt;

    fn facts(of: &[(&str, &str)]) -> BTreeMap<String, String> {
        of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_was_changed_is_told_with_both_values() {
        let mut attempt = attempt("worker/2", 0);
        attempt.made_as =
            facts(&[("instance_type", "t2.micro"), ("subnet", "a"), ("tag team", "x"), ("tag k", "")]);
        let now = facts(&[
            ("instance_type", "t3.large"),
            ("subnet", "a"),
            ("what a newer version tells", "g"),
            ("tag k", "v"),
        ]);
        assert_eq!(
            drift(&attempt, &now),
            [
                "instance_type is t3.large, was made as t2.micro",
                "tag k is v, was made as empty",
                "tag team is absent, was made as x",
            ]
        );
    }

    #[test]
    fn tags_of_others_and_what_is_not_known_are_no_drift() {
        let mut attempt = attempt("worker/2", 0);
        assert!(drift(&attempt, &facts(&[("subnet", "a")])).is_empty(), "nobody knows what it was made as");
        attempt.made_as = facts(&[("subnet", "a")]);
        assert!(drift(&attempt, &BTreeMap::new()).is_empty(), "nobody knows what it is");
        assert!(drift(&attempt, &facts(&[("subnet", "a"), ("tag owner", "ann")])).is_empty());
    }
}
