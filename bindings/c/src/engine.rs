//! An open Occopus with the runtime that its calls work on.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use occopus::engine::secret::Redactor;
use occopus::{Error, Occopus, Settings};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;

use crate::boundary::panicked;
use crate::calls::Context;
use crate::delivery::Delivery;
use crate::fault::{Answer, Fault};
use crate::pipes;
use crate::stop::Stop;

/// How long closing waits for what calls have left behind, such as connections.
const END: Duration = Duration::from_secs(10);

/// An open Occopus.
pub(crate) struct Engine {
    // Dropped in this order: nothing may put events after the delivery has ended.
    occopus: Arc<Occopus>,
    runtime: Option<Runtime>,
    delivery: Delivery,
    redactor: Redactor,
}

impl Engine {
    /// Opens with `settings`, whose events go to `delivery`.
    pub(crate) fn open(settings: Settings, delivery: Delivery) -> Result<Self, Fault> {
        let redactor = settings.redactor.clone();
        let settings = Settings { events: Arc::new(delivery.sink()), ..settings };
        let runtime = runtime(2)?;
        let opened = runtime.block_on(runtime.spawn(Occopus::open(settings)));
        let occopus = ended(opened).map_err(|fault| fault.redacted(&redactor))?;
        Ok(Self { occopus: Arc::new(occopus), runtime: Some(runtime), delivery, redactor })
    }

    /// Carries `work` out and waits for it and for the delivery of its events. `stop` cancels the token that
    /// `work` gets.
    pub(crate) fn run<F>(&self, stop: Option<Stop>, work: impl FnOnce(Context) -> F) -> Result<Answer, Fault>
    where
        F: Future<Output = Result<Answer, Error>> + Send + 'static,
    {
        let Some(runtime) = &self.runtime else { return Err(Fault::internal("the runtime has ended")) };
        let token = CancellationToken::new();
        let context =
            Context { occopus: self.occopus.clone(), stop: token.clone(), sink: self.delivery.sink() };
        // On a thread of the runtime: stacks of C programs may be small.
        let mut work = runtime.spawn(work(context));
        let result = runtime.block_on(async {
            let Some(stop) = stop else { return work.await };
            tokio::select! {
                biased;
                result = &mut work => return result,
                () = stop.triggered() => token.cancel(),
            }
            work.await
        });
        self.delivery.flush();
        let redacted = |answer: Answer| answer.redacted(&self.redactor);
        ended(result).map(redacted).map_err(|fault| fault.redacted(&self.redactor))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(END);
        }
    }
}

/// Carries `work` out without an open Occopus.
pub(crate) fn without_engine<T, F>(work: F) -> Result<T, Fault>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Error>> + Send + 'static,
{
    let runtime = runtime(1)?;
    // As above, because of the stack.
    ended(runtime.block_on(runtime.spawn(work)))
}

fn runtime(workers: usize) -> Result<Runtime, Fault> {
    pipes::handle();
    Builder::new_multi_thread()
        .worker_threads(workers)
        .thread_name("occopus")
        .on_thread_start(pipes::are_errors_here)
        .enable_all()
        .build()
        .map_err(|error| Fault::internal(format!("no runtime could be started: {error}")))
}

fn ended<T>(result: Result<Result<T, Error>, JoinError>) -> Result<T, Fault> {
    match result {
        Ok(result) => Ok(result?),
        Err(broken) => Err(match broken.try_into_panic() {
            Ok(panic) => panicked(panic.as_ref()),
            Err(_) => Fault::internal("the work was cancelled"),
        }),
    }
}
