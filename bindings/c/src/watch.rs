//! Looking after infrastructures until it is stopped.

#![expect(unsafe_code, reason = "functions of a C library")]
#![expect(clippy::missing_safety_doc, reason = "the header says at its beginning what programs must keep to")]

use std::collections::BTreeMap;
use std::ptr::null_mut;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use occopus::engine::control::Pass;
use occopus::engine::event::{Event, EventKind};
use occopus::engine::ids::InfraId;
use occopus::engine::secret::Redactor;
use occopus::{Error, Watcher};
use serde_json::Value;

use crate::calls::{Context, pursue};
use crate::delivery::Sink;
use crate::fault::{Answer, Fault};
use crate::given::{is_null, list, options};
use crate::operate::failures_text;
use crate::types::occopus_code_t;
use crate::types::{occopus_error_t, occopus_stop_t, occopus_t, occopus_watch_options_t};

/// Seconds between two passes, unless told otherwise.
const INTERVAL: f64 = 10.0;

/// Looks after infrastructures, pass after pass, until `stop` is triggered, which is needed; then it returns
/// OCCOPUS_OK. What happens, is told by events; what fails in passes, by events of the kind "notice", once
/// while it lasts. NULL as `options` means all infrastructures every 10 seconds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn occopus_watch(
    occopus: *mut occopus_t,
    options: *const occopus_watch_options_t,
    stop: *mut occopus_stop_t,
    error: *mut occopus_error_t,
) -> occopus_code_t {
    // SAFETY: what a program must keep to.
    unsafe {
        let read = || if stop.is_null() { Err(is_null("stop")) } else { asked(options) };
        pursue((occopus, stop), null_mut(), error, read, watch)
    }
}

async fn watch(context: Context, (infras, interval): (Vec<String>, Duration)) -> Result<Answer, Error> {
    let mut ids = Vec::new();
    for infra in &infras {
        ids.push(context.resolve(infra).await?);
    }
    let (occopus, run) = (&context.occopus, context.run("watch"));
    let troubles =
        Troubles { sink: context.sink, redactor: occopus.redactor().clone(), last: Mutex::default() };
    occopus.watch(&ids, interval, &run, &troubles).await;
    Ok(Value::Null.into())
}

/// Whom to look after, and how often.
///
/// # Safety
/// As the header says.
unsafe fn asked(given: *const occopus_watch_options_t) -> Result<(Vec<String>, Duration), Fault> {
    if given.is_null() {
        return Ok((Vec::new(), Duration::from_secs_f64(INTERVAL)));
    }
    // SAFETY: promised by the caller.
    let (given, infras) = unsafe {
        let given = options(given)?;
        (given, list("infras", given.infras)?)
    };
    if !given.infras.is_null() && infras.is_empty() {
        return Err(Fault::argument("infras is an empty list; give NULL for all infrastructures"));
    }
    let seconds = if given.interval == 0.0 { INTERVAL } else { given.interval };
    if !(0.1..=86_400.0).contains(&seconds) {
        return Err(Fault::argument(format!("interval is {seconds}; seconds from 0.1 to 86400 are needed")));
    }
    Ok((infras, Duration::from_secs_f64(seconds)))
}

/// Tells what goes wrong in passes, and each trouble only once while it lasts.
struct Troubles {
    sink: Sink,
    redactor: Redactor,
    last: Mutex<BTreeMap<InfraId, String>>,
}

impl Watcher for Troubles {
    fn passed(&self, infra: &InfraId, result: &Result<Pass, Error>) {
        let text = match result {
            Ok(pass) => failures_text(&pass.enacted.failed),
            Err(error) => error.to_string(),
        };
        let text = self.redactor.string(text);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let before = last.insert(infra.clone(), text.clone());
        if !text.is_empty() && before.as_ref() != Some(&text) {
            self.sink.offer(&Event::new(infra.clone(), EventKind::Notice, Timestamp::now(), text));
        }
    }
}
