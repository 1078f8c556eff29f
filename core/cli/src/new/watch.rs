//! `occopus watch`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use occopus::engine::control::Pass;
use occopus::engine::event::{Event, EventKind, EventSink};
use occopus::engine::ids::InfraId;
use occopus::{Error, Watcher};

use super::args::Pace;
use super::{Session, stop_at_ctrl_c};
use crate::DONE;
use crate::output::Output;
use crate::words::failure;

pub(super) async fn run(
    session: &Session,
    infras: &[String],
    interval: f64,
    pace: &Pace,
) -> Result<u8, Error> {
    let output = &session.output;
    let occopus = session.open_with(Arc::new(Changes(output.clone())), pace.max_parallel).await?;
    let mut ids = Vec::new();
    for text in infras {
        ids.push(occopus.resolve(text).await?);
    }
    let whom = if infras.is_empty() { "all infrastructures".to_owned() } else { infras.join(", ") };
    let stop = stop_at_ctrl_c(output);
    output.say(&format!("looking after {whom} every {interval} s; Ctrl-C ends it"));
    let run = pace.run_of("watch", stop);
    let troubles = Troubles { output: output.clone(), last: Mutex::default() };
    occopus.watch(&ids, Duration::from_secs_f64(interval), &run, &troubles).await;
    Ok(DONE)
}

/// Shows every change as a result.
struct Changes(Arc<Output>);

impl EventSink for Changes {
    fn event(&self, event: &Event) {
        if event.event != EventKind::Progress {
            super::events::print(&self.0, event);
        }
    }
}

/// Tells what goes wrong in passes, and each trouble only once while it lasts.
struct Troubles {
    output: Arc<Output>,
    last: Mutex<BTreeMap<InfraId, String>>,
}

impl Troubles {
    /// The text to show now; `None` if it is known already or if there is no trouble.
    fn news(&self, infra: &InfraId, text: String) -> Option<String> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let before = last.insert(infra.clone(), text.clone());
        (!text.is_empty() && before.as_ref() != Some(&text)).then_some(text)
    }
}

impl Watcher for Troubles {
    fn passed(&self, infra: &InfraId, result: &Result<Pass, Error>) {
        let text = match result {
            Ok(pass) => pass.enacted.failed.iter().map(failure).collect::<Vec<_>>().join("; "),
            Err(error) => error.to_string(),
        };
        if let Some(text) = self.news(infra, text) {
            self.output.error(&format!("{infra}: {text}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{Format, Manner};

    #[test]
    fn a_trouble_that_lasts_is_told_once_and_again_when_it_returns() {
        let output = Output::new(Manner { format: Format::Text, quiet: true, color: false });
        let troubles = Troubles { output, last: Mutex::default() };
        let infra = InfraId::from("a");
        let news = |text: &str| troubles.news(&infra, text.to_owned());
        assert_eq!(news("down"), Some("down".to_owned()));
        assert_eq!(news("down"), None);
        assert_eq!(news(""), None);
        assert_eq!(news("down"), Some("down".to_owned()));
    }
}
