//! The frame of a call: what it is given is read, the work is done, and its answer is put where it belongs.

#![expect(unsafe_code, reason = "results go to raw pointers")]

use std::ffi::c_char;
use std::future::Future;
use std::ptr::null;
use std::sync::Arc;

use occopus::engine::ids::InfraId;
use occopus::{Error, Occopus, Run};
use tokio_util::sync::CancellationToken;

use crate::boundary::answering;
use crate::delivery::Sink;
use crate::fault::{Answer, Fault};
use crate::handles::with_engine;
use crate::stop::Stop;
use crate::types::{occopus_code_t, occopus_error_t, occopus_stop_t, occopus_t};

/// What work has.
pub(crate) struct Context {
    pub(crate) occopus: Arc<Occopus>,
    /// Stops it properly.
    pub(crate) stop: CancellationToken,
    /// Where events of the library itself are put.
    pub(crate) sink: Sink,
}

impl Context {
    /// A run of the function called `occopus_` and `name`.
    pub(crate) fn run(&self, name: &str) -> Run {
        Run { stop: self.stop.clone(), ..Run::new(actor(name)) }
    }

    /// The infrastructure that is named.
    pub(crate) async fn resolve(&self, infra: &str) -> Result<InfraId, Error> {
        self.occopus.resolve(infra).await
    }
}

/// Who does what the function called `occopus_` and `name` does.
pub(crate) fn actor(name: &str) -> String {
    format!("occopus (C) {name}")
}

/// Does `work` with what `read` has read, and answers with what was found out.
///
/// # Safety
/// `result` and `error` are as the header says.
pub(crate) unsafe fn ask<A, F>(
    occopus: *const occopus_t,
    result: *mut *mut c_char,
    error: *mut occopus_error_t,
    read: impl FnOnce() -> Result<A, Fault>,
    work: impl FnOnce(Context, A) -> F,
) -> occopus_code_t
where
    F: Future<Output = Result<Answer, Error>> + Send + 'static,
{
    // SAFETY: promised by the caller.
    unsafe { pursue((occopus, null()), result, error, read, work) }
}

/// The same for work that a stop can end.
///
/// # Safety
/// As [`ask`].
pub(crate) unsafe fn pursue<A, F>(
    (occopus, stop): (*const occopus_t, *const occopus_stop_t),
    result: *mut *mut c_char,
    error: *mut occopus_error_t,
    read: impl FnOnce() -> Result<A, Fault>,
    work: impl FnOnce(Context, A) -> F,
) -> occopus_code_t
where
    F: Future<Output = Result<Answer, Error>> + Send + 'static,
{
    let body = || {
        let given = read()?;
        let stop = Stop::optional(stop)?;
        with_engine(occopus, |engine| engine.run(stop, |context| work(context, given)))
    };
    // SAFETY: promised by the caller.
    unsafe { answering(result, error, body) }
}
