//! `occopus watch`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use occopus::engine::control::Pass;
use occopus::engine::error::EngineError;
use occopus::engine::event::{Event, EventKind};
use occopus::engine::ids::InfraId;
use occopus::engine::record::InfraRecord;
use occopus::engine::store::StoreError;
use occopus::{Error, Occopus, Watcher};
use tokio_util::sync::CancellationToken;

use super::build_args::Pace;
use super::events::Teller;
use super::{Session, stop_at_ctrl_c};
use crate::DONE;
use crate::output::Output;
use crate::words::failure;

/// First and longest pause between tries to open a store that cannot be reached.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

pub(super) async fn run(
    session: &Session,
    infras: &[String],
    interval: f64,
    pace: &Pace,
) -> Result<u8, Error> {
    let output = &session.output;
    let stop = stop_at_ctrl_c(output);
    let teller = Arc::new(Teller::new(output, infras.len() != 1, session.global.verbose > 0));
    let troubles = Troubles { output: output.clone(), teller: teller.clone(), last: Mutex::default() };
    let starter = Starter { session, infras, teller, max_parallel: pace.max_parallel };
    let Some((occopus, ids)) = starter.start(&troubles, &stop).await? else { return Ok(DONE) };
    let whom = if infras.is_empty() { "all infrastructures".to_owned() } else { infras.join(", ") };
    output.say(&format!("looking after {whom} every {interval} s; Ctrl-C ends it"));
    let run = pace.run_of("watch", stop);
    occopus.watch(&ids, Duration::from_secs_f64(interval), &run, &troubles).await;
    Ok(DONE)
}

/// Opens the store and finds the infrastructures.
struct Starter<'a> {
    session: &'a Session,
    infras: &'a [String],
    teller: Arc<Teller>,
    max_parallel: Option<usize>,
}

impl Starter<'_> {
    /// Tries until the store can be reached; `None` if it is stopped before. A service may be started
    /// before what it needs.
    async fn start(
        &self,
        troubles: &Troubles,
        stop: &CancellationToken,
    ) -> Result<Option<(Occopus, Vec<InfraId>)>, Error> {
        let mut pause = PAUSES.0;
        while !stop.is_cancelled() {
            match self.try_to_start().await {
                Err(error) if is_of_store(&error) => troubles.tell(None, &error),
                result => return result.map(Some),
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(PAUSES.1),
            }
        }
        Ok(None)
    }

    async fn try_to_start(&self) -> Result<(Occopus, Vec<InfraId>), Error> {
        let teller = self.teller.clone();
        let changes = move |event: &Event| {
            if event.event != EventKind::Progress {
                teller.tell(event);
            }
        };
        let occopus = self.session.open_with(Arc::new(changes), self.max_parallel).await?;
        let mut ids = Vec::new();
        for text in self.infras {
            ids.push(occopus.resolve(text).await?);
        }
        Ok((occopus, ids))
    }
}

/// Whether the store could not be reached or written, which may pass.
fn is_of_store(error: &Error) -> bool {
    matches!(error, Error::Engine(EngineError::Store(StoreError::Failed(_) | StoreError::UnknownOutcome(_))))
}

/// Tells what goes wrong, and each trouble only once while it lasts.
struct Troubles {
    output: Arc<Output>,
    teller: Arc<Teller>,
    /// The last trouble of each infrastructure, and of the store.
    last: Mutex<BTreeMap<Subject, String>>,
}

/// Who has a trouble: an infrastructure, or all of them and the maintainer itself.
type Subject = Option<InfraId>;

impl Troubles {
    /// Whether to show `text` now: not if it is known already, or if there is no trouble. What is `shared`
    /// is the trouble of all that have it.
    fn is_news(&self, subject: Subject, text: &str, shared: bool) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_told = shared && last.values().any(|told| told == text);
        let before = last.insert(subject, text.to_owned());
        !text.is_empty() && !is_told && before.as_deref() != Some(text)
    }

    fn tell(&self, subject: Subject, error: &Error) {
        let shared = is_of_store(error);
        let text = if shared {
            format!("the store cannot be used now; trying again: {error}")
        } else {
            let whose = subject.as_ref().map(|infra| format!("{infra}: ")).unwrap_or_default();
            format!("{whose}{error}")
        };
        if self.is_news(subject, &text, shared) {
            self.output.error(&text);
        }
    }
}

impl Watcher for Troubles {
    fn began(&self, record: &InfraRecord) {
        self.teller.learn(record);
    }

    fn passed(&self, infra: &InfraId, result: &Result<Pass, Error>) {
        match result {
            Err(error) => self.tell(Some(infra.clone()), error),
            Ok(pass) => {
                let failures: Vec<String> = pass.enacted.failed.iter().map(failure).collect();
                let text = failures.join("; ");
                if self.is_news(Some(infra.clone()), &text, false) {
                    self.output.error(&format!("{infra}: {text}"));
                }
            }
        }
    }

    fn listed(&self, result: Result<(), &Error>) {
        match result {
            Err(error) => self.tell(None, error),
            Ok(()) => drop(self.is_news(None, "", false)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{Format, Manner};

    fn troubles() -> Troubles {
        let output = Output::new(Manner { format: Format::Text, quiet: true, color: false });
        Troubles { teller: Arc::new(Teller::new(&output, true, false)), output, last: Mutex::default() }
    }

    #[test]
    fn a_trouble_that_lasts_is_told_once_and_again_when_it_returns() {
        let troubles = troubles();
        let is_news = |text: &str| troubles.is_news(Some("a".into()), text, false);
        assert!(is_news("down"));
        assert!(!is_news("down"));
        assert!(troubles.is_news(Some("b".into()), "down", false), "that of another");
        assert!(!is_news(""));
        assert!(is_news("down"));
    }

    #[test]
    fn the_trouble_of_all_is_told_once() {
        let troubles = troubles();
        assert!(troubles.is_news(Some("a".into()), "no store", true));
        assert!(!troubles.is_news(Some("b".into()), "no store", true));
        assert!(!troubles.is_news(None, "no store", true));
        // It can be listed, but not written.
        assert!(!troubles.is_news(None, "", false));
        assert!(!troubles.is_news(Some("a".into()), "no store", true));
    }
}
