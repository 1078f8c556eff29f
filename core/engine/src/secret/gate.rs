//! What goes into the store passes here: texts that come from outside are rid of secrets. Identifiers,
//! places and descriptions stay as they are; they hold references at most, and the engine works with them.

use super::Redactor;
use crate::event::Event;
use crate::handler::Place;
use crate::health::CheckResult;
use crate::record::{Attempt, Outcome, Phase};

impl Redactor {
    /// `attempt` with every secret hidden in what back-ends and checks said about it.
    pub fn attempt(&self, mut attempt: Attempt) -> Attempt {
        match &mut attempt.phase {
            Phase::Creating { error, .. } => self.edit_some(error),
            Phase::Destroying { cause, error, .. } => {
                self.edit(&mut cause.0);
                self.edit_some(error);
            }
            Phase::Closed { outcome: Outcome::Refused { message, .. }, .. } => self.edit(message),
            Phase::Closed { outcome: Outcome::Destroyed { cause, .. }, .. } => self.edit(&mut cause.0),
            Phase::Live | Phase::Closed { .. } => {}
        }
        self.edit(&mut attempt.cause.0);
        attempt.checks.iter_mut().for_each(|check| self.edit_check(check));
        attempt
    }

    /// `event` with every secret hidden.
    pub fn event(&self, mut event: Event) -> Event {
        self.edit(&mut event.message);
        event
    }

    /// Results of checks with every secret hidden.
    pub fn checks(&self, mut checks: Vec<CheckResult>) -> Vec<CheckResult> {
        checks.iter_mut().for_each(|check| self.edit_check(check));
        checks
    }

    /// Whether a secret is part of where `place` is. It is recorded for ever, and a call there would fail
    /// with anything in place of the secret.
    pub fn gives_away(&self, place: &Place) -> bool {
        let texts = [Some(&place.endpoint), place.region.as_ref(), place.project.as_ref()];
        texts.into_iter().flatten().any(|text| self.text(text) != text.as_str())
    }

    fn edit_check(&self, check: &mut CheckResult) {
        self.edit(&mut check.subject);
        self.edit(&mut check.reason);
    }

    fn edit(&self, text: &mut String) {
        *text = self.string(std::mem::take(text));
    }

    fn edit_some(&self, text: &mut Option<String>) {
        if let Some(text) = text {
            self.edit(text);
        }
    }
}
