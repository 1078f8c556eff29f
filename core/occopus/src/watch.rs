//! Watching: a cyclic maintainer for many infrastructures, each cared for on its own.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use occopus_engine::control::{Controller, Pass};
use occopus_engine::error::EngineError;
use occopus_engine::ids::InfraId;
use occopus_engine::lease::{Sighting, is_wanted};

use crate::Occopus;
use crate::error::Error;
use crate::request::Run;

/// Notified of what a cyclic maintainer does.
pub trait Watcher: Send + Sync {
    /// A pass over `infra` ended.
    fn passed(&self, infra: &InfraId, result: &Result<Pass, Error>);
}

/// Longest pause between passes that fail.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Pause between looks for what appears after an infrastructure was destroyed.
const TOMBSTONE_PAUSE: Duration = Duration::from_secs(600);

/// What a turn of the maintainer came to.
enum Turn {
    /// A pass was made.
    Passed(Pass),
    /// A command waits for the lease, and got it.
    Yielded,
    /// Nothing is left of the infrastructure; it is looked at now and then for a day.
    Closed,
    /// There is no such infrastructure any more.
    Forgotten,
}

/// The care for one infrastructure.
struct Care<'a> {
    occopus: &'a Occopus,
    infra: InfraId,
    run: Run,
    interval: Duration,
    watcher: &'a dyn Watcher,
    controller: Option<Controller<'a>>,
    sighting: Sighting,
    failures: u32,
    busy: bool,
}

impl Occopus {
    /// Looks after infrastructures until `run.stop`: those given, or all there are, new ones included.
    /// One that is slow or fails delays no other. Errors are reported and end nothing; pauses grow while
    /// passes fail. Leases are kept between passes, so that others see that a maintainer runs, and
    /// handed to any command that waits for one.
    pub async fn watch(&self, infras: &[InfraId], interval: Duration, run: &Run, watcher: &dyn Watcher) {
        let run = Run { patience: Duration::ZERO, ..run.clone() };
        let mut cared_for: BTreeSet<InfraId> = BTreeSet::new();
        let mut cares = FuturesUnordered::new();
        while !run.stop.is_cancelled() {
            match self.watched(infras).await {
                Ok(found) => {
                    for infra in found {
                        if cared_for.insert(infra.clone()) {
                            cares.push(Care::new(self, infra, &run, interval, watcher).go_on());
                        }
                    }
                }
                Err(error) => tracing::warn!(%error, "could not list the infrastructures"),
            }
            let round = async {
                while let Some(ended) = cares.next().await {
                    cared_for.remove(&ended);
                }
                std::future::pending::<()>().await;
            };
            tokio::select! {
                biased;
                () = run.stop.cancelled() => {}
                () = self.engine.clock.sleep(interval) => {}
                () = round => {}
            }
        }
        // Each notices the stop by itself and lets its lease go.
        while cares.next().await.is_some() {}
    }

    async fn watched(&self, infras: &[InfraId]) -> Result<Vec<InfraId>, Error> {
        let mut all: Vec<InfraId> = self.list().await?.into_iter().map(|record| record.id).collect();
        all.extend(self.tombstones().await?.into_iter().map(|record| record.id));
        all.retain(|infra| infras.is_empty() || infras.contains(infra));
        Ok(all)
    }
}

impl<'a> Care<'a> {
    fn new(
        occopus: &'a Occopus,
        infra: InfraId,
        run: &Run,
        interval: Duration,
        watcher: &'a dyn Watcher,
    ) -> Self {
        Self {
            occopus,
            infra,
            run: run.clone(),
            interval,
            watcher,
            controller: None,
            sighting: Sighting::default(),
            failures: 0,
            busy: false,
        }
    }

    /// Turn after turn, until the end of the run or of the infrastructure, which is returned.
    async fn go_on(mut self) -> InfraId {
        while !self.run.stop.is_cancelled() {
            let turn = self.turn().await;
            let pause = match turn {
                Ok(Turn::Forgotten) => break,
                Ok(Turn::Closed) => TOMBSTONE_PAUSE,
                Ok(Turn::Yielded) => self.interval,
                Ok(Turn::Passed(pass)) => {
                    self.busy = false;
                    let failed = !pass.enacted.failed.is_empty();
                    self.failures = if failed { self.failures.saturating_add(1) } else { 0 };
                    self.watcher.passed(&self.infra, &Ok(pass));
                    self.backed_off()
                }
                Err(error) => {
                    self.report(error);
                    self.backed_off()
                }
            };
            tokio::select! {
                biased;
                () = self.run.stop.cancelled() => {}
                () = self.occopus.engine.clock.sleep(pause) => {}
            }
        }
        self.let_go().await;
        self.infra
    }

    async fn turn(&mut self) -> Result<Turn, Error> {
        let engine = &self.occopus.engine;
        if is_wanted(engine.store.as_ref(), &self.infra, engine.clock.wall()).await? {
            self.let_go().await;
            return Ok(Turn::Yielded);
        }
        let controller = match self.controller.take() {
            Some(controller) => controller,
            None => self.open().await?,
        };
        let record = match controller.record().await {
            Err(EngineError::UnknownInfrastructure { .. }) => {
                controller.close().await?;
                return Ok(Turn::Forgotten);
            }
            other => other?,
        };
        if record.closed_at.is_some() {
            controller.recheck(&mut |_, _| {}).await?;
            controller.close().await?;
            return Ok(Turn::Closed);
        }
        // The goal is read under the lease: a pass also finishes a destroy that was begun. After an error
        // the controller is dropped, and the next turn starts from the store again.
        let pass = controller.maintain(&mut |_, _| {}).await?;
        self.controller = Some(controller);
        Ok(Turn::Passed(pass))
    }

    async fn open(&mut self) -> Result<Controller<'a>, Error> {
        let engine = &self.occopus.engine;
        let options = self.run.options();
        Ok(Controller::open_again(engine, &self.infra, options, &mut self.sighting, |_| {}).await?)
    }

    /// Tells of an error; that another process is at work only once.
    fn report(&mut self, error: Error) {
        let busy = matches!(error, Error::Engine(EngineError::Busy { .. }));
        if !(busy && self.busy) {
            self.watcher.passed(&self.infra, &Err(error));
        }
        self.failures = if busy { 0 } else { self.failures.saturating_add(1) };
        self.busy = busy;
    }

    fn backed_off(&self) -> Duration {
        (self.interval * 2u32.pow(self.failures.min(5))).min(self.interval.max(LONGEST_PAUSE))
    }

    async fn let_go(&mut self) {
        if let Some(controller) = self.controller.take()
            && let Err(error) = controller.close().await
        {
            tracing::debug!(infra = %self.infra, %error, "the lease was not released");
        }
    }
}
