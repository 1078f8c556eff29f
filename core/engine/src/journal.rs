//! The journal: the one way in which a controller writes. Every change of an attempt, the journal
//! record that explains it and the event that tells it are one batch, fenced by the lease.

mod together;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::clock::Clock;
use crate::error::EngineError;
use crate::event::{Event, EventKind, Events};
use crate::handler::{CreateRequest, Place, ProviderId, Step};
use crate::ids::{AttemptId, InfraId};
use crate::lease::Lease;
use crate::names::Renames;
use crate::record::{Attempt, Cause, Generation, InfraRecord, JournalEntry, Mark, Outcome, Phase, digest};
use crate::scaling::Named;
use crate::secret::{KeptRequest, Redactor};
use crate::store::{Batch, Key, Record, Store, StoreError, Table, Write};

/// Turns a record's value into its type.
pub fn decode<T: DeserializeOwned>(key: &Key, value: Value) -> Result<T, EngineError> {
    serde_json::from_value(value)
        .map_err(|error| EngineError::Record { key: key.to_string(), reason: error.to_string() })
}

/// Turns a type into a record's value.
pub fn encode<T: Serialize>(value: &T) -> Value {
    // The engine's records are plain data with text keys, which always serialise.
    serde_json::to_value(value).unwrap_or_default()
}

/// Reads all records of a table and scope as `T`.
pub async fn read_all<T: DeserializeOwned>(
    store: &dyn Store,
    table: Table,
    scope: &str,
) -> Result<Vec<(String, T)>, EngineError> {
    let records = store.list(table, scope, "").await?;
    records
        .into_iter()
        .map(|Record { id, value, .. }| Ok((id.clone(), decode(&Key::new(table, scope, id), value)?)))
        .collect()
}

/// Reads one record as `T`.
pub async fn read<T: DeserializeOwned>(store: &dyn Store, key: &Key) -> Result<Option<T>, EngineError> {
    store.read(key).await?.map(|record| decode(key, record.value)).transpose()
}

/// The key of an infrastructure's record.
pub fn infra_key(infra: &InfraId) -> Key {
    Key::new(Table::Infrastructure, "", infra.as_str())
}

/// The key of generation `number`.
pub fn generation_key(infra: &InfraId, number: u64) -> Key {
    Key::new(Table::Generation, infra.as_str(), format!("{number:012}"))
}

/// The key of a place of infrastructures that are forgotten.
pub(crate) fn former_place_key(place: &Place) -> Key {
    Key::new(Table::Place, "", digest(place))
}

/// An attempt with its new content, and what is to be written and told about that.
struct Changed {
    attempt: Attempt,
    writes: Vec<Write>,
    event: Option<Event>,
}

/// As many changes of attempts are under way at the same time.
const LOCKS: usize = 32;

/// The lock of an attempt.
fn lock_of(id: &AttemptId) -> usize {
    let sum = id.as_str().bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    sum % LOCKS
}

/// The journal of one infrastructure under a lease, with the attempts it knows. Secrets are hidden in
/// everything it writes and tells but in requests.
pub struct Journal {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    events: Events,
    redactor: Redactor,
    lease: Lease,
    infra: InfraId,
    state: Mutex<State>,
    /// Held from reading an attempt until its new content is committed, so that no change is lost.
    /// Attempts share these locks by their ids, so that changes of different ones can be written together.
    changing: [tokio::sync::Mutex<()>; LOCKS],
}

#[derive(Default)]
struct State {
    attempts: BTreeMap<AttemptId, Attempt>,
    places: Vec<Place>,
    /// Attempts that changed since that was asked last.
    changed: BTreeSet<AttemptId>,
}

impl State {
    fn put(&mut self, attempt: Attempt) {
        self.changed.insert(attempt.id.clone());
        self.attempts.insert(attempt.id.clone(), attempt);
    }
}

impl Journal {
    /// Reads the attempts and places of the infrastructure the lease is for.
    pub async fn open(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        events: Events,
        redactor: Redactor,
        lease: Lease,
    ) -> Result<Self, EngineError> {
        let infra = lease.infra().clone();
        let attempts: Vec<(String, Attempt)> =
            read_all(store.as_ref(), Table::Attempt, infra.as_str()).await?;
        let places: Vec<(String, Place)> = read_all(store.as_ref(), Table::Place, infra.as_str()).await?;
        let state = State {
            attempts: attempts.into_iter().map(|(_, attempt)| (attempt.id.clone(), attempt)).collect(),
            places: places.into_iter().map(|(_, place)| place).collect(),
            changed: BTreeSet::new(),
        };
        Ok(Self {
            store,
            clock,
            events,
            redactor,
            lease,
            infra,
            state: Mutex::new(state),
            changing: std::array::from_fn(|_| tokio::sync::Mutex::new(())),
        })
    }

    /// The infrastructure.
    pub fn infra(&self) -> &InfraId {
        &self.infra
    }

    /// The lease.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Lets go of the lease.
    pub async fn release(self) -> Result<(), EngineError> {
        self.lease.release().await
    }

    /// All attempts, oldest first.
    pub fn attempts(&self) -> Vec<Attempt> {
        let mut attempts: Vec<Attempt> = self.with(|state| state.attempts.values().cloned().collect());
        attempts.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        attempts
    }

    /// One attempt.
    pub fn attempt(&self, id: &AttemptId) -> Option<Attempt> {
        self.with(|state| state.attempts.get(id).cloned())
    }

    /// The attempts that were written since the last call, for whoever keeps something made of them.
    pub(crate) fn take_changed(&self) -> BTreeSet<AttemptId> {
        self.with(|state| std::mem::take(&mut state.changed))
    }

    /// All places ever used.
    pub fn places(&self) -> Vec<Place> {
        self.with(|state| state.places.clone())
    }

    /// The infrastructure's record.
    pub async fn record(&self) -> Result<InfraRecord, EngineError> {
        read(self.store.as_ref(), &infra_key(&self.infra)).await?.ok_or_else(|| {
            EngineError::UnknownInfrastructure { infra: self.infra.to_string(), store: self.store.location() }
        })
    }

    /// A pinned generation.
    pub async fn generation(&self, number: u64) -> Result<Generation, EngineError> {
        let key = generation_key(&self.infra, number);
        read(self.store.as_ref(), &key).await?.ok_or_else(|| EngineError::Record {
            key: key.to_string(),
            reason: "it is missing; restore the store from a backup".to_owned(),
        })
    }

    /// Number of the newest generation; 0 if there is none.
    pub async fn last_generation(&self) -> Result<u64, EngineError> {
        let records = self.store.list(Table::Generation, self.infra.as_str(), "").await?;
        Ok(records.last().and_then(|record| record.id.parse().ok()).unwrap_or(0))
    }

    /// Writes the infrastructure's record.
    pub async fn put_record(&self, record: &InfraRecord, events: Vec<Event>) -> Result<(), EngineError> {
        self.commit(vec![Write::Put(infra_key(&self.infra), encode(record))], events).await
    }

    /// Pins a generation and puts `record` in force, and gives the attempts their new names, in one batch.
    pub async fn put_generation(
        &self,
        record: &InfraRecord,
        generation: &Generation,
        renames: &Renames,
        events: Vec<Event>,
    ) -> Result<(), EngineError> {
        let mut changing = Vec::new();
        if !renames.is_empty() {
            for lock in &self.changing {
                changing.push(lock.lock().await);
            }
        }
        let mut writes = vec![
            Write::Put(generation_key(&self.infra, generation.number), encode(generation)),
            Write::Put(infra_key(&self.infra), encode(record)),
        ];
        let mut renamed = if renames.is_empty() { Vec::new() } else { self.attempts() };
        renamed.retain_mut(|attempt| renames.rename(attempt));
        writes.extend(renamed.iter().map(|a| Write::Put(self.attempt_key(&a.id), encode(a))));
        self.commit(writes, events).await?;
        self.with(|state| renamed.into_iter().for_each(|attempt| state.put(attempt)));
        Ok(())
    }

    /// Applies scaling requests in one batch: new targets, instances that were named, and the deletion
    /// of exactly the requests that were applied.
    pub async fn apply_scaling(
        &self,
        record: &InfraRecord,
        named: &Named,
        consumed: Vec<Write>,
        events: Vec<Event>,
    ) -> Result<(), EngineError> {
        let ids: BTreeSet<&AttemptId> = named.retire.keys().chain(named.replace.keys()).collect();
        let _changing = self.lock_all(ids.iter().copied()).await;
        let mut marked: Vec<Attempt> = ids.into_iter().filter_map(|id| self.attempt(id)).collect();
        marked.iter_mut().for_each(|attempt| named.mark(attempt));
        let mut writes = consumed;
        writes.push(Write::Put(infra_key(&self.infra), encode(record)));
        writes.extend(marked.iter().map(|a| Write::Put(self.attempt_key(&a.id), encode(a))));
        self.commit(writes, events).await?;
        self.with(|state| marked.into_iter().for_each(|attempt| state.put(attempt)));
        Ok(())
    }

    /// The stored request of an attempt whose outcome is open.
    pub async fn request(&self, attempt: &AttemptId) -> Result<Option<CreateRequest>, EngineError> {
        let kept: Option<KeptRequest> = read(self.store.as_ref(), &self.request_key(attempt)).await?;
        Ok(kept.map(|kept| kept.open(&self.redactor)))
    }

    /// Writes `writes` and `events` in one fenced batch.
    ///
    /// # Errors
    /// If it is not known whether they were written, nothing more can be: this journal has ended.
    pub async fn commit(&self, mut writes: Vec<Write>, events: Vec<Event>) -> Result<(), EngineError> {
        self.lease.require()?;
        let events: Vec<Event> = events.into_iter().map(|event| self.redactor.event(event)).collect();
        for event in &events {
            writes.push(Write::Append(Table::Event, self.infra.to_string(), encode(event)));
        }
        match self.store.commit(Batch { expect: vec![self.lease.expect()], writes }).await {
            Ok(()) => {}
            Err(StoreError::Conflict(_)) => return Err(EngineError::LeaseLost(self.infra.clone())),
            Err(error @ StoreError::UnknownOutcome(_)) => {
                // What is known here may be out of date, as after a crash at this very write. Whoever opens
                // the journal anew reads what became of it.
                self.lease.give_up();
                return Err(error.into());
            }
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            self.events.event(event);
        }
        Ok(())
    }

    /// Records the intent to create: place, request and attempt, durable before the call.
    pub async fn open_create(&self, attempt: Attempt, request: &CreateRequest) -> Result<(), EngineError> {
        self.open_together(vec![(&attempt, request)]).await
    }

    /// Writes new attempts down, their places before them, with what belongs to them.
    async fn enter(
        &self,
        attempts: Vec<Attempt>,
        mut writes: Vec<Write>,
        events: Vec<Event>,
    ) -> Result<(), EngineError> {
        let mut new_places: Vec<Place> = Vec::new();
        for attempt in &attempts {
            let (key, place) = (self.attempt_key(&attempt.id), &attempt.place);
            writes.push(Write::Put(key, encode(attempt)));
            // Of what was refused before its call the place may not even be rendered.
            let known = attempt.is_closed() || self.with(|state| state.places.contains(place));
            if !known && !new_places.contains(place) {
                let key = Key::new(Table::Place, self.infra.as_str(), digest(place));
                writes.insert(0, Write::Put(key, encode(place)));
                new_places.push(place.clone());
            }
        }
        self.commit(writes, events).await?;
        self.with(|state| {
            // Another may have entered the same one meanwhile.
            new_places.retain(|place| !state.places.contains(place));
            state.places.append(&mut new_places);
            attempts.into_iter().for_each(|attempt| state.put(attempt));
        });
        Ok(())
    }

    /// Extends the deadline of an open create before its request is replayed.
    pub async fn reopen_create(&self, id: &AttemptId, deadline: Timestamp) -> Result<(), EngineError> {
        self.change(id, Some((Mark::Intent, "create", "replay of the same request".to_owned())), None, |a| {
            a.phase = Phase::Creating { deadline, error: None };
        })
        .await
    }

    /// The back-end accepted the create call, or `find` showed that it had taken effect.
    pub async fn created(&self, id: &AttemptId, provider_id: ProviderId) -> Result<(), EngineError> {
        let at = self.clock.wall();
        let detail = format!("created {provider_id}");
        let event = (EventKind::NodeStarted, provider_id.to_string());
        self.change(id, Some((Mark::Outcome, "create", detail)), Some(event), move |attempt| {
            attempt.phase = Phase::Live;
            attempt.accepted_at = Some(at);
            attempt.provider_id = Some(provider_id);
        })
        .await
    }

    /// The outcome of a create call is unknown, but the call itself has ended; the intent stays open.
    pub async fn create_unknown(&self, id: &AttemptId, error: &str) -> Result<(), EngineError> {
        let now = self.clock.wall();
        self.change(id, Some((Mark::Outcome, "create", format!("unknown: {error}"))), None, |attempt| {
            attempt.phase = Phase::Creating { deadline: now, error: Some(error.to_owned()) };
        })
        .await
    }

    /// The create call certainly had no effect, or is believed to have had none.
    pub async fn create_failed(&self, id: &AttemptId, outcome: Outcome) -> Result<(), EngineError> {
        let message = match &outcome {
            Outcome::Refused { message, .. } => message.clone(),
            _ => "the back-end never showed it".to_owned(),
        };
        let at = self.clock.wall();
        let event = (EventKind::NodeFailed, message.clone());
        self.change(id, Some((Mark::Outcome, "create", message)), Some(event), |attempt| {
            attempt.phase = Phase::Closed { outcome, at };
        })
        .await
    }

    /// Records a handler's step.
    pub async fn step(&self, id: &AttemptId, action: &str, step: Step) -> Result<(), EngineError> {
        let detail = step.name.clone();
        self.change(id, Some((Mark::Step, action, detail)), None, |attempt| attempt.steps.push(step)).await
    }

    /// Records the intent to destroy `provider_id`, which for a late arrival is news.
    pub async fn open_destroy(
        &self,
        id: &AttemptId,
        provider_id: &ProviderId,
        cause: &Cause,
        failed: bool,
    ) -> Result<(), EngineError> {
        let event = (EventKind::NodeDropping, cause.to_string());
        self.change(id, Some((Mark::Intent, "destroy", cause.to_string())), Some(event), |attempt| {
            attempt.phase = Phase::Destroying { cause: cause.clone(), failed, error: None };
            attempt.provider_id = Some(provider_id.clone());
        })
        .await
    }

    /// A destroy call failed; it stays wanted.
    pub async fn destroy_failed(&self, id: &AttemptId, message: &str) -> Result<(), EngineError> {
        let event = (EventKind::Notice, format!("could not be destroyed yet: {message}"));
        self.change(
            id,
            Some((Mark::Outcome, "destroy", format!("failed: {message}"))),
            Some(event),
            |attempt| {
                if let Phase::Destroying { error, .. } = &mut attempt.phase {
                    *error = Some(message.to_owned());
                }
            },
        )
        .await
    }

    /// The back-end confirmed that the resource is gone.
    pub async fn destroyed(&self, id: &AttemptId) -> Result<(), EngineError> {
        let at = self.clock.wall();
        let event = (EventKind::NodeDropped, String::new());
        self.change(id, Some((Mark::Outcome, "destroy", "gone".to_owned())), Some(event), |attempt| {
            let (cause, failed) = match &attempt.phase {
                Phase::Destroying { cause, failed, .. } => (cause.clone(), *failed),
                _ => (Cause("gone".to_owned()), true),
            };
            attempt.phase = Phase::Closed { outcome: Outcome::Destroyed { cause, failed }, at };
            attempt.addresses.clear();
            attempt.private_address = None;
        })
        .await
    }

    /// A resource of a closed attempt appeared after all: it is live again.
    pub async fn adopted(&self, id: &AttemptId, provider_id: ProviderId) -> Result<(), EngineError> {
        let at = self.clock.wall();
        let event = (EventKind::NodeAdopted, provider_id.to_string());
        let detail = format!("appeared late: {provider_id}");
        self.change(id, Some((Mark::Outcome, "create", detail)), Some(event), move |attempt| {
            attempt.phase = Phase::Live;
            attempt.accepted_at = Some(at);
            attempt.provider_id = Some(provider_id);
        })
        .await
    }

    /// The user gave the resource up; nothing more is done about it.
    pub async fn abandoned(&self, id: &AttemptId) -> Result<(), EngineError> {
        let at = self.clock.wall();
        let event =
            (EventKind::Notice, "abandoned by the user; it may still exist and cost money".to_owned());
        self.change(id, Some((Mark::Outcome, "destroy", "abandoned".to_owned())), Some(event), |attempt| {
            attempt.phase = Phase::Closed { outcome: Outcome::Abandoned, at };
        })
        .await
    }

    /// Changes what is known about an attempt without touching the outside world.
    pub async fn note(
        &self,
        id: &AttemptId,
        event: Option<(EventKind, String)>,
        edit: impl FnOnce(&mut Attempt),
    ) -> Result<(), EngineError> {
        self.change(id, None, event, edit).await
    }

    /// Takes an attempt into the books that was refused before its call, or a resource whose attempt
    /// this store no longer knows.
    pub async fn insert(&self, attempt: Attempt, events: Vec<Event>) -> Result<(), EngineError> {
        self.enter(vec![self.redactor.attempt(attempt)], Vec::new(), events).await
    }

    /// Forgets attempts that were closed before `before`.
    pub async fn prune(&self, before: Timestamp) -> Result<(), EngineError> {
        let old: Vec<AttemptId> = self
            .attempts()
            .into_iter()
            .filter(|attempt| matches!(&attempt.phase, Phase::Closed { at, .. } if *at < before))
            .map(|attempt| attempt.id)
            .collect();
        if old.is_empty() {
            return Ok(());
        }
        let writes = old.iter().map(|id| Write::Delete(self.attempt_key(id))).collect();
        self.commit(writes, Vec::new()).await?;
        self.with(|state| old.iter().for_each(|id| drop(state.attempts.remove(id))));
        Ok(())
    }

    /// Forgets journal records and events from before `before`; those of open attempts are not needed for
    /// recovery either. Reads them all, which is dear: not to be done in every pass.
    pub async fn prune_history(&self, before: Timestamp) -> Result<(), EngineError> {
        let mut writes = Vec::new();
        for (table, field) in [(Table::Journal, "at"), (Table::Event, "time")] {
            for record in self.store.list(table, self.infra.as_str(), "").await? {
                let at = record.value.get(field).and_then(|at| at.as_str()?.parse::<Timestamp>().ok());
                if at.is_none_or(|at| at >= before) {
                    break;
                }
                writes.push(Write::Delete(Key::new(table, self.infra.as_str(), record.id)));
            }
        }
        if writes.is_empty() { Ok(()) } else { self.commit(writes, Vec::new()).await }
    }

    /// An event of this infrastructure, about `attempt` if given.
    pub fn event(&self, kind: EventKind, attempt: Option<&Attempt>, message: String) -> Event {
        Event {
            slot: attempt.map(|attempt| attempt.slot.clone()),
            node_id: attempt.map(|attempt| attempt.node_id.clone()),
            endpoint: attempt.map(|attempt| attempt.place.endpoint.clone()),
            actor: self.lease.holder().to_string(),
            ..Event::new(self.infra.clone(), kind, self.clock.wall(), message)
        }
    }

    /// Shows progress without storing it.
    pub fn progress(&self, attempt: &Attempt, line: &str) {
        let event = self.event(EventKind::Progress, Some(attempt), line.to_owned());
        self.events.event(&self.redactor.event(event));
    }

    /// The end of a call that starts now and may take `limit`.
    pub fn deadline(&self, limit: Duration) -> Timestamp {
        self.clock.wall() + limit
    }

    async fn change(
        &self,
        id: &AttemptId,
        entry: Option<(Mark, &str, String)>,
        event: Option<(EventKind, String)>,
        edit: impl FnOnce(&mut Attempt),
    ) -> Result<(), EngineError> {
        let _changing = self.changing[lock_of(id)].lock().await;
        let Changed { attempt, writes, event } = self.changed(id, entry, event, edit)?;
        self.commit(writes, event.into_iter().collect()).await?;
        self.with(|state| state.put(attempt));
        Ok(())
    }

    /// What a change of an attempt comes to, whose lock is held.
    fn changed(
        &self,
        id: &AttemptId,
        entry: Option<(Mark, &str, String)>,
        event: Option<(EventKind, String)>,
        edit: impl FnOnce(&mut Attempt),
    ) -> Result<Changed, EngineError> {
        let mut attempt = self.attempt(id).ok_or_else(|| EngineError::Record {
            key: self.attempt_key(id).to_string(),
            reason: "it is missing".to_owned(),
        })?;
        let was_open = matches!(attempt.phase, Phase::Creating { .. });
        let before = attempt.word();
        edit(&mut attempt);
        let attempt = self.redactor.attempt(attempt);
        let mut writes = vec![Write::Put(self.attempt_key(id), encode(&attempt))];
        if let Some((mark, action, detail)) = entry {
            writes.push(self.entry(&attempt, mark, action, detail));
        }
        // Only an open create has a request; to erase secrets costs the store a checkpoint.
        if was_open && !matches!(attempt.phase, Phase::Creating { .. }) {
            writes.push(Write::Delete(self.request_key(id)));
        }
        let event = event.map(|(kind, message)| {
            let event = self.event(kind, Some(&attempt), message);
            if attempt.word() == before { event } else { event.from_to(before, attempt.word()) }
        });
        Ok(Changed { attempt, writes, event })
    }

    fn entry(&self, attempt: &Attempt, mark: Mark, action: &str, detail: String) -> Write {
        let entry = JournalEntry {
            at: self.clock.wall(),
            fence: self.lease.number(),
            mark,
            action: action.to_owned(),
            attempt: attempt.id.clone(),
            slot: attempt.slot.clone(),
            place: attempt.place.clone(),
            detail: self.redactor.string(detail),
        };
        Write::Append(Table::Journal, self.infra.to_string(), encode(&entry))
    }

    fn attempt_key(&self, id: &AttemptId) -> Key {
        Key::new(Table::Attempt, self.infra.as_str(), id.as_str())
    }

    fn request_key(&self, id: &AttemptId) -> Key {
        Key::new(Table::Request, self.infra.as_str(), id.as_str())
    }

    fn with<T>(&self, use_state: impl FnOnce(&mut State) -> T) -> T {
        // Every change of the state is a single insertion, so it is whole even after a panic.
        use_state(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
