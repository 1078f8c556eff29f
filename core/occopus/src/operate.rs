//! Operating: looking after infrastructures, scaling and destroying them, and looking at them.

use std::time::Duration;

use occopus_engine::control::{
    Controller, Demolished, Pass, outlook, request_scaling, survey, waiting_requests,
};
use occopus_engine::error::EngineError;
use occopus_engine::event::Event;
use occopus_engine::handler::HandlerError;
use occopus_engine::ids::InfraId;
use occopus_engine::journal::{encode, read_all};
use occopus_engine::lease::inspect;
use occopus_engine::plan::{Order, Plan, Situation};
use occopus_engine::record::{Attempt, InfraRecord, ScaleChange};
use occopus_engine::store::Table;
use occopus_engine::topology::Topology;

use crate::Occopus;
use crate::error::Error;
use crate::graph::{GraphFormat, draw};
use crate::kept;
use crate::request::Run;
use crate::status::Status;

/// Receives each plan before it is carried out.
pub type OnPlan<'a> = &'a mut (dyn FnMut(&Plan, &Situation) + Send);

/// What became of a scaling request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scaling {
    /// Number of instances wanted once the request is consumed.
    pub target: u32,
    /// What could not be done as asked.
    pub notes: Vec<String>,
    /// Who carries it out, in words; `None` if no maintainer is running.
    pub maintainer: Option<String>,
}

impl Occopus {
    /// All infrastructures that are not gone, oldest first.
    pub async fn list(&self) -> Result<Vec<InfraRecord>, Error> {
        let records: Vec<(String, InfraRecord)> =
            read_all(self.engine.store.as_ref(), Table::Infrastructure, "").await?;
        let mut records: Vec<InfraRecord> =
            records.into_iter().map(|(_, record)| record).filter(|r| r.closed_at.is_none()).collect();
        records.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(records)
    }

    /// The infrastructure meant by `text`: an id, a unique prefix of an id, or a name.
    pub async fn resolve(&self, text: &str) -> Result<InfraId, Error> {
        let all = self.list().await?;
        if let Some(record) = all.iter().find(|record| record.id.as_str() == text) {
            return Ok(record.id.clone());
        }
        let named: Vec<&InfraRecord> = all.iter().filter(|record| record.name == text).collect();
        let prefixed: Vec<&InfraRecord> =
            all.iter().filter(|record| !text.is_empty() && record.id.as_str().starts_with(text)).collect();
        let matches = if named.is_empty() { prefixed } else { named };
        match matches.as_slice() {
            [one] => Ok(one.id.clone()),
            [] => Err(self.unknown(text).await),
            several => {
                let ids: Vec<String> = several.iter().map(|r| format!("{} ({})", r.id, r.name)).collect();
                Err(Error::Usage(format!("'{text}' is ambiguous: {}", ids.join(", "))))
            }
        }
    }

    /// The same, also for one that is gone but whose events are still kept, if `text` is its id.
    ///
    /// # Errors
    /// If none or several are meant.
    pub async fn resolve_past(&self, text: &str) -> Result<InfraId, Error> {
        match self.resolve(text).await {
            Err(unknown @ Error::Engine(EngineError::UnknownInfrastructure { .. })) => {
                let infra = InfraId::from(text);
                if self.events(&infra, "").await?.is_empty() { Err(unknown) } else { Ok(infra) }
            }
            found => found,
        }
    }

    /// One look after `infra`. A destroy that was begun is finished.
    pub async fn maintain(&self, infra: &InfraId, run: &Run, on_plan: OnPlan<'_>) -> Result<Pass, Error> {
        self.told(async {
            let controller = self.controller(infra, run).await?;
            let pass = controller.maintain(on_plan).await?;
            controller.close().await?;
            Ok(pass)
        })
        .await
    }

    pub(crate) async fn controller(&self, infra: &InfraId, run: &Run) -> Result<Controller<'_>, Error> {
        Ok(Controller::open(&self.engine, infra, run.options(), |holder| self.say_waiting(infra, holder))
            .await?)
    }

    /// Registers scaling requests for `node`.
    pub async fn scale(
        &self,
        infra: &InfraId,
        node: &str,
        changes: &[ScaleChange],
    ) -> Result<Scaling, Error> {
        let scaled = request_scaling(&self.engine, infra, node, changes).await?;
        let lease = inspect(self.engine.store.as_ref(), infra).await?;
        Ok(Scaling {
            target: scaled.target,
            notes: scaled.notes,
            maintainer: lease.holder.as_ref().map(|_| lease.describe()),
        })
    }

    /// Waits until a maintainer has carried all scaling requests out. False if it was stopped, or if
    /// no maintainer is running any more.
    pub async fn await_scaled(&self, infra: &InfraId, node: &str, run: &Run) -> Result<bool, Error> {
        let mut quiet = Duration::ZERO;
        let pause = Duration::from_millis(500);
        while !run.stop.is_cancelled() {
            let lease = inspect(self.engine.store.as_ref(), infra).await?;
            quiet = if lease.holder.is_some() { Duration::ZERO } else { quiet + pause };
            if waiting_requests(&self.engine, infra).await?.is_empty() && self.is_scaled(infra, node).await? {
                return Ok(true);
            }
            // A maintainer lets go between two passes; only a long silence means that there is none.
            if quiet > self.engine.policy.lease {
                return Ok(false);
            }
            tokio::select! {
                biased;
                () = run.stop.cancelled() => {}
                () = self.engine.clock.sleep(pause) => {}
            }
        }
        Ok(false)
    }

    async fn is_scaled(&self, infra: &InfraId, node: &str) -> Result<bool, Error> {
        let (record, generation, attempts) = occopus_engine::control::load(&self.engine, infra).await?;
        let Some(described) = generation.infrastructure.node(node) else { return Ok(true) };
        let target = record.targets.get(node).copied().unwrap_or(described.scaling.min) as usize;
        let open: Vec<&Attempt> =
            attempts.iter().filter(|attempt| attempt.slot.node == node && !attempt.is_closed()).collect();
        Ok(open.len() == target
            && open.iter().all(|attempt| attempt.ready_at.is_some() && attempt.replace.is_none()))
    }

    /// Destroys `infra`. Its record stays until the back-ends have confirmed that nothing is left.
    pub async fn destroy(
        &self,
        infra: &InfraId,
        run: &Run,
        on_plan: OnPlan<'_>,
    ) -> Result<Demolished, Error> {
        self.told(async {
            let controller = self.controller(infra, run).await?;
            let demolished = controller.destroy(on_plan).await?;
            controller.close().await?;
            self.forget_old().await?;
            Ok(demolished)
        })
        .await
    }

    /// Gives `infra` up without touching what is left of it, and returns that.
    pub async fn abandon(&self, infra: &InfraId, run: &Run) -> Result<Vec<Attempt>, Error> {
        self.told(async {
            let controller = self.controller(infra, run).await?;
            let left = controller.abandon().await?;
            controller.close().await?;
            Ok(left)
        })
        .await
    }

    /// Deletes the records of infrastructures that were closed long ago. One whose places still have to
    /// be looked at stays, and one that somebody else is at work on waits for another time.
    async fn forget_old(&self) -> Result<(), Error> {
        let run = Run { patience: Duration::ZERO, ..Run::new("occopus destroy") };
        for record in self.tombstones().await? {
            let Ok(controller) = self.controller(&record.id, &run).await else { continue };
            if controller.is_old().await? && controller.recheck(&mut |_, _| {}).await? == Demolished::Gone {
                controller.forget().await?;
            } else {
                controller.close().await?;
            }
        }
        Ok(())
    }

    /// Records of infrastructures of which nothing is left, kept for a day.
    pub(crate) async fn tombstones(&self) -> Result<Vec<InfraRecord>, Error> {
        let records: Vec<(String, InfraRecord)> =
            read_all(self.engine.store.as_ref(), Table::Infrastructure, "").await?;
        Ok(records.into_iter().map(|(_, record)| record).filter(|r| r.closed_at.is_some()).collect())
    }

    /// The status of `infra`, observed now. Changes nothing.
    pub async fn status(&self, infra: &InfraId) -> Result<Status, Error> {
        let survey = survey(&self.engine, infra, Order::Parallel).await?;
        Ok(Status::of(&survey, &self.engine.store.location()))
    }

    /// What a pass over `infra` would do. Changes nothing.
    pub async fn plan(&self, infra: &InfraId) -> Result<Plan, Error> {
        let (mut plan, situation) = outlook(&self.engine, infra, Order::Parallel).await?;
        plan.notes.extend(self.extras(&situation).await?);
        plan.notes.extend(kept::remarks(&plan, &situation));
        Ok(plan)
    }

    /// Stored events of `infra` after the one numbered `after` (empty for all), with their numbers.
    pub async fn events(&self, infra: &InfraId, after: &str) -> Result<Vec<(String, Event)>, Error> {
        let records = self.engine.store.list(Table::Event, infra.as_str(), after).await?;
        Ok(records
            .into_iter()
            .filter_map(|record| Some((record.id, serde_json::from_value(record.value).ok()?)))
            .collect())
    }

    /// The graph of an existing infrastructure.
    pub async fn graph(&self, infra: &InfraId, format: GraphFormat) -> Result<String, Error> {
        let (_, generation, _) = occopus_engine::control::load(&self.engine, infra).await?;
        let topology = Topology::of(&generation, self.engine.contextualiser.as_ref());
        Ok(draw(&generation.infrastructure, &topology, format))
    }

    /// The boot or process log of instances of `infra`: of all, or of those that `which` names by
    /// node, slot, node id or address. Secrets are hidden; a log that may hold one that cannot be read here
    /// is an error.
    pub async fn logs(
        &self,
        infra: &InfraId,
        which: Option<&str>,
    ) -> Result<Vec<(Attempt, Result<String, HandlerError>)>, Error> {
        let (_, _, attempts) = occopus_engine::control::load(&self.engine, infra).await?;
        let named = |attempt: &Attempt| match which {
            None => true,
            Some(text) => {
                attempt.slot.node == text
                    || attempt.slot.to_string() == text
                    || attempt.node_id.as_str() == text
                    || attempt.addresses.iter().any(|address| address == text)
            }
        };
        let mut logs = Vec::new();
        for attempt in attempts.into_iter().filter(|a| !a.is_closed() && a.provider_id.is_some() && named(a))
        {
            let log = match self.console(&attempt).await {
                Ok(log) => self.hide_secrets(&attempt, log).await,
                error => error,
            };
            logs.push((attempt, log));
        }
        if logs.is_empty()
            && let Some(text) = which
        {
            return Err(Error::Usage(format!(
                "no instance '{text}'; `occopus status {infra}` lists slots, ids and addresses"
            )));
        }
        Ok(logs)
    }

    async fn console(&self, attempt: &Attempt) -> Result<String, HandlerError> {
        use occopus_engine::clock::timeout;
        use occopus_engine::handler::ErrorKind;
        let handler = self.engine.handlers.get(&attempt.place.handler)?;
        let access = self.engine.access(&attempt.place)?;
        let Some(id) = &attempt.provider_id else { return Ok(String::new()) };
        let limit = handler.capabilities().read_deadline;
        timeout(self.engine.clock.as_ref(), limit, handler.console(&access, id))
            .await
            .unwrap_or_else(|late| Err(HandlerError::new(ErrorKind::Transient, late.to_string())))
    }

    pub(crate) async fn store_definitions(
        &self,
        definitions: &[occopus_descriptor::model::NodeDefinition],
    ) -> Result<(), Error> {
        use occopus_engine::store::{Batch, Key, Write};
        if definitions.is_empty() {
            return Ok(());
        }
        let writes = definitions
            .iter()
            .map(|definition| {
                Write::Put(Key::new(Table::Definition, "", &definition.name), encode(definition))
            })
            .collect();
        Ok(self.engine.store.commit(Batch { expect: Vec::new(), writes }).await?)
    }
}
