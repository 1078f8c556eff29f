//! Watching: a cyclic maintainer for many infrastructures, each cared for on its own.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use occopus_engine::control::{Controller, Demolished, Pass};
use occopus_engine::error::EngineError;
use occopus_engine::ids::InfraId;
use occopus_engine::lease::{Sighting, is_wanted};
use occopus_engine::record::InfraRecord;

use crate::Occopus;
use crate::error::Error;
use crate::request::Run;

/// Notified of what a cyclic maintainer does.
pub trait Watcher: Send + Sync {
    /// From now on the infrastructure of `record` is looked after.
    fn began(&self, _record: &InfraRecord) {}

    /// A pass over `infra` ended.
    fn passed(&self, infra: &InfraId, result: &Result<Pass, Error>);

    /// The infrastructures were listed, or could not be: the next try comes after a pause.
    fn listed(&self, result: Result<(), &Error>) {
        if let Err(error) = result {
            tracing::warn!(%error, "could not list the infrastructures");
        }
    }
}

/// Longest pause between passes that fail.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Pause between looks for what appears after an infrastructure was destroyed.
const TOMBSTONE_PAUSE: Duration = Duration::from_secs(600);
/// A command that waits for a lease is noticed after this long.
const NOTICE: Duration = Duration::from_secs(5);
/// History is pruned so often; to do it reads all of it.
const PRUNING: Duration = Duration::from_secs(24 * 3600);

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
    /// Monotonic time at which history was pruned.
    pruned: Option<Duration>,
}

impl Occopus {
    /// Looks after infrastructures until `run.stop`: those given, or all there are, new ones included.
    /// One that is slow or fails delays no other. Errors are reported and end nothing; pauses grow while
    /// passes fail. Leases are kept between passes, so that others see that a maintainer runs, and
    /// handed to any command that waits for one.
    pub async fn watch(&self, infras: &[InfraId], interval: Duration, run: &Run, watcher: &dyn Watcher) {
        let run = Run { patience: Duration::ZERO, ..run.clone() };
        let mut failures = 0;
        let mut cared_for: BTreeSet<InfraId> = BTreeSet::new();
        let mut cares = FuturesUnordered::new();
        while !run.stop.is_cancelled() {
            // Of one that ends while they are listed, the list may not know it yet.
            let before = cared_for.clone();
            let watched = meanwhile(&mut cares, &mut cared_for, self.watched(infras)).await;
            watcher.listed(watched.as_ref().map(drop));
            failures = if watched.is_err() { failures + 1 } else { 0 };
            let new = |record: &InfraRecord| !before.contains(&record.id);
            for record in watched.unwrap_or_default().into_iter().filter(new) {
                if cared_for.insert(record.id.clone()) {
                    watcher.began(&record);
                    cares.push(Care::new(self, record.id, &run, interval, watcher).go_on());
                }
            }
            let pause = async {
                tokio::select! {
                    biased;
                    () = run.stop.cancelled() => {}
                    () = self.engine.clock.sleep(backed_off(interval, failures)) => {}
                }
            };
            meanwhile(&mut cares, &mut cared_for, pause).await;
        }
        // Each notices the stop by itself and lets its lease go.
        self.told(async { while cares.next().await.is_some() {} }).await;
    }

    async fn watched(&self, infras: &[InfraId]) -> Result<Vec<InfraRecord>, Error> {
        let mut all = self.records().await?;
        all.retain(|record| infras.is_empty() || infras.contains(&record.id));
        Ok(all)
    }

    /// All infrastructures on record, also those of which nothing is left, oldest first.
    pub async fn records(&self) -> Result<Vec<InfraRecord>, Error> {
        let mut all = self.list().await?;
        all.extend(self.tombstones().await?);
        all.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(all)
    }
}

/// Waits for `waited`, while all `cares` go on: one that stood still could hold what `waited` needs. Those
/// that end are taken out of `cared_for`.
async fn meanwhile<C: Future<Output = InfraId>, T>(
    cares: &mut FuturesUnordered<C>,
    cared_for: &mut BTreeSet<InfraId>,
    waited: impl Future<Output = T>,
) -> T {
    let round = async {
        while let Some(ended) = cares.next().await {
            cared_for.remove(&ended);
        }
        std::future::pending().await
    };
    tokio::select! {
        biased;
        answer = waited => answer,
        never = round => never,
    }
}

/// Pause after so many failures in a row.
fn backed_off(interval: Duration, failures: u32) -> Duration {
    (interval * 2u32.pow(failures.min(5))).min(interval.max(LONGEST_PAUSE))
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
            pruned: None,
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
                    backed_off(self.interval, self.failures)
                }
                Err(error) => {
                    self.report(error);
                    backed_off(self.interval, self.failures)
                }
            };
            self.rest(pause).await;
        }
        self.let_go().await;
        self.infra
    }

    /// Waits for `pause`, or for the end of the run. Whoever waits for the lease meanwhile gets it.
    async fn rest(&mut self, mut pause: Duration) {
        let stop = self.run.stop.clone();
        while !pause.is_zero() && !stop.is_cancelled() {
            let slice = pause.min(NOTICE);
            pause -= slice;
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.occopus.engine.clock.sleep(slice) => {}
            }
            // A store that cannot be asked is noticed, and told, by the next turn.
            if self.controller.is_some() && !pause.is_zero() && self.is_wanted().await.unwrap_or(false) {
                self.let_go().await;
            }
        }
    }

    async fn is_wanted(&self) -> Result<bool, Error> {
        let engine = &self.occopus.engine;
        Ok(is_wanted(engine.store.as_ref(), &self.infra, engine.clock.wall()).await?)
    }

    async fn turn(&mut self) -> Result<Turn, Error> {
        if self.is_wanted().await? {
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
            let clean = controller.recheck(&mut |_, _| {}).await? == Demolished::Gone;
            if clean && controller.is_old().await? {
                controller.forget().await?;
                return Ok(Turn::Forgotten);
            }
            controller.close().await?;
            return Ok(Turn::Closed);
        }
        // The goal is read under the lease: a pass also finishes a destroy that was begun. After an error
        // the controller is dropped, and the next turn starts from the store again.
        let pass = controller.maintain(&mut |_, _| {}).await?;
        let now = self.occopus.engine.clock.monotonic();
        if self.pruned.is_none_or(|at| now.saturating_sub(at) >= PRUNING) {
            controller.prune_history().await?;
            self.pruned = Some(now);
        }
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

    async fn let_go(&mut self) {
        if let Some(controller) = self.controller.take()
            && let Err(error) = controller.close().await
        {
            tracing::debug!(infra = %self.infra, %error, "the lease was not released");
        }
    }
}
