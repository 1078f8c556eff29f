//! Looking after infrastructures until it is stopped.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use occopus::engine::control::Pass;
use occopus::engine::event::{Event, EventKind};
use occopus::engine::ids::InfraId;
use occopus::engine::secret::Redactor;
use occopus::{Error, Watcher};
use serde_json::Value;

use crate::call::Context;
use crate::listen::Ear;

/// Looks after `infras`, or after all if there are none, every `interval` seconds.
pub(crate) async fn watch(context: &Context<'_>, infras: &[String], interval: f64) -> Result<Value, Error> {
    if !(0.1..=86_400.0).contains(&interval) {
        return Err(Error::Usage(format!("the interval is {interval}; give seconds from 0.1 to 86400")));
    }
    let mut ids = Vec::new();
    for text in infras {
        ids.push(context.resolve(text).await?);
    }
    let _listening = context.ear.listen(ids.clone());
    let redactor = context.occopus.redactor().clone();
    let troubles = Troubles { ear: &context.ear, redactor, last: Mutex::default() };
    let interval = Duration::from_secs_f64(interval);
    context.occopus.watch(&ids, interval, &context.run("watch"), &troubles).await;
    Ok(Value::Null)
}

/// Tells what goes wrong in passes as notices, and each trouble only once while it lasts.
struct Troubles<'a> {
    ear: &'a Ear,
    redactor: Redactor,
    last: Mutex<BTreeMap<InfraId, String>>,
}

impl Watcher for Troubles<'_> {
    fn passed(&self, infra: &InfraId, result: &Result<Pass, Error>) {
        let text = match result {
            Ok(pass) => {
                let failed = pass.enacted.failed.iter();
                let texts = failed.map(|failed| format!("{}: {}", failed.slot, failed.reason));
                texts.collect::<Vec<_>>().join("; ")
            }
            Err(error) => error.to_string(),
        };
        let text = self.redactor.string(text);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let before = last.insert(infra.clone(), text.clone());
        if !text.is_empty() && before.as_ref() != Some(&text) {
            self.ear.tell(&Event::new(infra.clone(), EventKind::Notice, Timestamp::now(), text));
        }
    }
}
