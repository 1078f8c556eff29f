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
use crate::delivery::{Delivery, Sink};
use crate::fault::Fault;
use crate::stop::Stop;
use crate::types::occopus_code_t::OCCOPUS_WRONG_THREAD;

/// How long closing waits for what calls have left behind, such as connections.
const END: Duration = Duration::from_secs(10);

/// An open Occopus.
pub(crate) struct Engine {
    // Dropped in this order: nothing may put events after the delivery has ended.
    occopus: Arc<Occopus>,
    runtime: Option<Runtime>,
    delivery: Delivery,
    redactor: Redactor,
    /// The process that opened it.
    process: u32,
}

impl Engine {
    /// Opens with `settings`, whose events go to `delivery`.
    pub(crate) fn open(settings: Settings, delivery: Delivery) -> Result<Self, Fault> {
        let redactor = settings.redactor.clone();
        let settings = Settings { events: Arc::new(delivery.sink()), ..settings };
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("occopus")
            .enable_all()
            .build()
            .map_err(no_runtime)?;
        let opened = runtime.block_on(runtime.spawn(Occopus::open(settings)));
        let occopus = ended(opened).map_err(|fault| fault.redacted(&redactor))?;
        let process = std::process::id();
        Ok(Self { occopus: Arc::new(occopus), runtime: Some(runtime), delivery, redactor, process })
    }

    /// Where events are put.
    pub(crate) fn sink(&self) -> Sink {
        self.delivery.sink()
    }

    /// Threads do not survive a fork, so that nothing would be done and nothing could be waited for.
    pub(crate) fn check_process(&self) -> Result<(), Fault> {
        if self.process == std::process::id() {
            return Ok(());
        }
        let text = "occopus was opened before fork(); open one in each process that needs it";
        Err(Fault::new(OCCOPUS_WRONG_THREAD, text))
    }

    /// Carries `work` out and waits for it and for the delivery of its events. `stop` cancels the token that
    /// `work` gets.
    pub(crate) fn run<T, F>(
        &self,
        stop: Option<Stop>,
        work: impl FnOnce(Arc<Occopus>, CancellationToken) -> F,
    ) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        self.check_process()?;
        let Some(runtime) = &self.runtime else { return Err(Fault::internal("the runtime has ended")) };
        let token = CancellationToken::new();
        // On a thread of the runtime: stacks of C programs may be small.
        let mut work = runtime.spawn(work(self.occopus.clone(), token.clone()));
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
        ended(result).map_err(|fault| fault.redacted(&self.redactor))
    }

    /// The same without a way to stop it.
    pub(crate) fn call<T, F>(&self, work: impl FnOnce(Arc<Occopus>) -> F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        self.run(None, |occopus, _| work(occopus))
    }

    /// `fault` with every secret hidden that was read so far.
    pub(crate) fn redacted(&self, fault: Fault) -> Fault {
        fault.redacted(&self.redactor)
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
    F: Future<Output = Result<T, Error>>,
{
    let runtime = Builder::new_current_thread().enable_all().build().map_err(no_runtime)?;
    Ok(runtime.block_on(work)?)
}

fn no_runtime(error: std::io::Error) -> Fault {
    Fault::internal(format!("no runtime could be started: {error}"))
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
