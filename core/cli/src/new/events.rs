//! `occopus events`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use occopus::engine::event::{Event, EventKind};
use occopus::engine::ids::InfraId;
use occopus::engine::record::InfraRecord;
use occopus::{Error, Occopus};

use super::Session;
use crate::DONE;
use crate::live::event::{at_second, sentence};
use crate::output::Output;
use crate::signals::stop_on_signals;

/// Pause between two looks for new events.
const PAUSE: Duration = Duration::from_millis(500);

pub(super) async fn run(
    session: &Session,
    infra: Option<&str>,
    follow: bool,
    since: Option<Timestamp>,
) -> Result<u8, Error> {
    let output = &session.output;
    let occopus = session.open().await?;
    let only = match infra {
        Some(text) => Some(occopus.resolve_past(text).await?),
        None => None,
    };
    let teller = Teller::new(output, only.is_none(), session.global.verbose > 0);
    let mut reader = Reader { occopus: &occopus, only, at: BTreeMap::new(), ended: false };
    let is_asked_for = |event: &Event| since.is_none_or(|since| event.time >= since);
    reader
        .news(&teller)
        .await?
        .iter()
        .filter(|event| is_asked_for(event))
        .for_each(|event| teller.tell(event));
    if !follow {
        return Ok(DONE);
    }
    let stop = stop_on_signals(output, || {});
    while !reader.ended && !stop.is_cancelled() && !output.is_closed() {
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = tokio::time::sleep(PAUSE) => {
                reader.news(&teller).await?.iter().for_each(|event| teller.tell(event));
            }
        }
    }
    Ok(DONE)
}

/// Reads events as they come.
struct Reader<'a> {
    occopus: &'a Occopus,
    /// The infrastructure they are about; `None` for all of them.
    only: Option<InfraId>,
    /// Number of the last event read, by infrastructure.
    at: BTreeMap<InfraId, String>,
    /// Whether nothing can follow, because the infrastructure is gone.
    ended: bool,
}

impl Reader<'_> {
    /// What was not read before, in the order of its time.
    async fn news(&mut self, teller: &Teller) -> Result<Vec<Event>, Error> {
        if let Some(infra) = self.only.clone() {
            let news = self.news_of(&infra).await?;
            self.ended = news.last().map_or(self.ended, |event| event.event == EventKind::InfraDrop);
            return Ok(news);
        }
        let mut news = Vec::new();
        for record in self.occopus.records().await? {
            teller.learn(&record);
            news.extend(self.news_of(&record.id).await?);
        }
        // Stable: the events of one infrastructure keep their order.
        news.sort_by_key(|event| event.time);
        Ok(news)
    }

    async fn news_of(&mut self, infra: &InfraId) -> Result<Vec<Event>, Error> {
        let after = self.at.get(infra).map_or("", String::as_str);
        let numbered = self.occopus.events(infra, after).await?;
        if let Some((last, _)) = numbered.last() {
            self.at.insert(infra.clone(), last.clone());
        }
        Ok(numbered.into_iter().map(|(_, event)| event).collect())
    }
}

/// Shows events as results, one line each.
pub(super) struct Teller {
    output: Arc<Output>,
    /// What the infrastructures are called, where a line has to say which one it is about.
    names: Option<Mutex<BTreeMap<InfraId, String>>>,
    actors: bool,
}

impl Teller {
    /// Shows events of one infrastructure or of `several`, with the `actors` if asked.
    pub(super) fn new(output: &Arc<Output>, several: bool, actors: bool) -> Self {
        Self { output: output.clone(), names: several.then(Mutex::default), actors }
    }

    /// Remembers the name of an infrastructure. One that another has already tells nothing: the id does.
    pub(super) fn learn(&self, record: &InfraRecord) {
        let Some(names) = &self.names else { return };
        let mut names = names.lock().unwrap_or_else(PoisonError::into_inner);
        let is_taken = names.iter().any(|(id, name)| *id != record.id && *name == record.name);
        let name = if is_taken { record.id.to_string() } else { record.name.clone() };
        names.entry(record.id.clone()).or_insert(name);
    }

    /// Shows one event.
    pub(super) fn tell(&self, event: &Event) {
        if self.output.is_json() {
            self.output.json(event);
        } else {
            self.output.result(&self.line(event));
        }
    }

    fn line(&self, event: &Event) -> String {
        let time = at_second(event.time);
        let whose = self.names.as_ref().map_or_else(String::new, |names| {
            let names = names.lock().unwrap_or_else(PoisonError::into_inner);
            let name = names.get(&event.infra_id).map_or(event.infra_id.as_str(), String::as_str);
            format!("{name}: ")
        });
        let actor = match event.actor.as_str() {
            actor if self.actors && !actor.is_empty() => format!(" (by {actor})"),
            _ => String::new(),
        };
        format!("{time}  {whose}{}{actor}", sentence(event))
    }
}

#[cfg(test)]
mod tests {
    use occopus::engine::record::{Goal, InfraRecord};

    use super::*;
    use crate::live::event::tests::event;
    use crate::output::{Format, Manner};

    fn teller(several: bool, actors: bool) -> Teller {
        let output = Output::new(Manner { format: Format::Text, quiet: true, color: false });
        Teller::new(&output, several, actors)
    }

    fn record(id: &str, name: &str) -> InfraRecord {
        let json = serde_json::json!({
            "id": id, "name": name, "goal": Goal::Present, "generation": 1, "created_at": "2026-01-01T00:00:00Z",
        });
        serde_json::from_value(json).expect("a record")
    }

    #[test]
    fn a_line_tells_when_where_what_and_why() {
        let event = event(EventKind::NodeCreating, Some("worker/1"), "'worker' has 0 of 1 instances");
        let line = teller(false, false).line(&event);
        assert_eq!(line, "2023-11-14T22:13:20Z  worker/1 creating: 'worker' has 0 of 1 instances");
    }

    #[test]
    fn of_several_infrastructures_each_line_says_which_one_and_who_did_it_if_asked() {
        let teller = teller(true, true);
        teller.learn(&record("i1", "demo"));
        teller.learn(&record("i2", "demo"));
        let mut event = event(EventKind::InfraReady, None, "");
        event.actor = "alice@host: occopus watch (process 7)".to_owned();
        let line = |event: &Event| teller.line(event).split_once("  ").map(|(_, text)| text.to_owned());
        assert_eq!(
            line(&event).as_deref(),
            Some("demo: everything is ready (by alice@host: occopus watch (process 7))")
        );
        event.infra_id = InfraId::from("i2");
        assert!(line(&event).is_some_and(|text| text.starts_with("i2: ")), "a name says too little");
        event.infra_id = InfraId::from("i3");
        assert!(line(&event).is_some_and(|text| text.starts_with("i3: ")), "it has no name yet");
    }
}
