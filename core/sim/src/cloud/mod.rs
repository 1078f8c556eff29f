//! The simulated cloud: its machines, its faults and its audit. All effects are decided when a call
//! arrives and carry their own time, so that a caller that is dropped in the middle of a call (a crash)
//! does not take the effect back, just as with a real API.

mod api;
mod machine;
mod settings;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use occopus_engine::clock::Clock;
use occopus_engine::handler::{ErrorKind, Identity};
use occopus_engine::ids::AttemptId;

pub(crate) use api::{BROKE_OFF, Reply};
pub use machine::Machine;
pub use settings::{Call, Fault, Rate, Settings};

use crate::fault::FaultKind;
use crate::ledger::Ledger;

/// The endpoint of resource sections that name none.
pub const ENDPOINT: &str = "sim://cloud";

/// A simulated cloud; a clone is the same cloud.
#[derive(Clone)]
pub struct SimCloud {
    pub(crate) clock: Arc<dyn Clock>,
    /// What really happened.
    pub ledger: Ledger,
    state: Arc<Mutex<State>>,
}

/// Calls left in a token bucket, and when it was last filled.
struct Bucket {
    left: f64,
    filled_at: Duration,
}

pub(crate) struct State {
    pub(crate) settings: Settings,
    pub(crate) ledger: Ledger,
    rng: fastrand::Rng,
    pub(crate) machines: BTreeMap<String, Machine>,
    /// What was made by a token.
    tokens: BTreeMap<String, Vec<String>>,
    calls: BTreeMap<Call, usize>,
    scripted: BTreeMap<Call, Vec<Fault>>,
    buckets: BTreeMap<(String, Call), Bucket>,
    /// Endpoints that cannot be reached, and until when.
    down: BTreeMap<String, Duration>,
    /// Endpoints without room for more machines, and until when.
    full: BTreeMap<String, Duration>,
}

impl SimCloud {
    /// An empty cloud.
    pub fn new(seed: u64, settings: Settings, clock: Arc<dyn Clock>) -> Self {
        let ledger = Ledger::default();
        let state = State {
            settings,
            ledger: ledger.clone(),
            rng: fastrand::Rng::with_seed(seed),
            machines: BTreeMap::new(),
            tokens: BTreeMap::new(),
            calls: BTreeMap::new(),
            scripted: BTreeMap::new(),
            buckets: BTreeMap::new(),
            down: BTreeMap::new(),
            full: BTreeMap::new(),
        };
        Self { clock, ledger, state: Arc::new(Mutex::new(state)) }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cloud's time.
    pub fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    /// Makes the next calls of this kind go wrong, one fault each, in this order.
    pub fn inject(&self, call: Call, faults: impl IntoIterator<Item = Fault>) {
        self.state().scripted.entry(call).or_default().extend(faults);
    }

    /// Changes how the cloud behaves from now on.
    pub fn change(&self, edit: impl FnOnce(&mut Settings)) {
        edit(&mut self.state().settings);
    }

    /// Ends all faults, random and scripted ones.
    pub fn calm(&self) {
        let mut state = self.state();
        state.settings.chaos = 0;
        state.settings.rate = None;
        state.settings.quota = usize::MAX;
        state.scripted.clear();
        state.down.clear();
        state.full.clear();
    }

    /// Every machine ever made, oldest first.
    pub fn audit(&self) -> Vec<Machine> {
        let mut machines: Vec<Machine> = self.state().machines.values().cloned().collect();
        machines.sort_by(|a, b| (a.requested_at, &a.id).cmp(&(b.requested_at, &b.id)));
        machines
    }

    /// The machines that exist, or are certain to come into being, oldest first.
    pub fn alive(&self) -> Vec<Machine> {
        let now = self.now();
        self.audit().into_iter().filter(|machine| machine.is_alive(now)).collect()
    }

    /// How often `call` was made.
    pub fn calls(&self, call: Call) -> usize {
        self.state().calls.get(&call).copied().unwrap_or(0)
    }

    /// How often anything was changed.
    pub fn changing_calls(&self) -> usize {
        self.calls(Call::Create) + self.calls(Call::Destroy)
    }

    /// Makes a machine vanish behind everybody's back.
    pub fn kill(&self, id: &str) {
        let now = self.now();
        self.edit(id, |machine| {
            machine.gone_at = Some(machine.gone_at.map_or(now, |gone| gone.min(now)));
            machine.killed = true;
        });
    }

    /// Stops a machine behind everybody's back.
    pub fn stop(&self, id: &str) {
        let now = self.now();
        self.edit(id, |machine| machine.stopped_at = Some(now));
    }

    /// Makes a machine fail or pass its health checks.
    pub fn set_healthy(&self, id: &str, healthy: bool) {
        let now = self.now();
        self.edit(id, |machine| {
            // A machine that falls ill before it has booted has never been healthy.
            machine.ever_healthy = healthy || (machine.ever_healthy && machine.boots_at <= now);
            machine.healthy = healthy;
        });
    }

    fn edit(&self, id: &str, edit: impl FnOnce(&mut Machine)) {
        if let Some(machine) = self.state().machines.get_mut(id) {
            edit(machine);
        }
    }

    /// Makes an endpoint unreachable for `lasting`.
    pub fn take_down(&self, endpoint: &str, lasting: Duration) {
        let until = self.now() + lasting;
        self.state().down.insert(endpoint.to_owned(), until);
    }

    /// Leaves an endpoint without room for more machines for `lasting`.
    pub fn fill_up(&self, endpoint: &str, lasting: Duration) {
        let until = self.now() + lasting;
        self.state().full.insert(endpoint.to_owned(), until);
    }

    /// The address of a machine.
    pub fn address(&self, id: &str) -> Option<String> {
        self.state().machines.get(id).map(|machine| machine.address.clone())
    }

    /// The attempt that made a machine.
    pub(crate) fn owner(&self, id: &str) -> Option<AttemptId> {
        self.state().machines.get(id).map(|machine| machine.identity.attempt.clone())
    }

    /// Puts a machine there that belongs to somebody else, and returns its name.
    pub fn plant(&self, identity: Identity) -> String {
        let (now, tags) = (self.now(), identity.tags());
        self.state().add(identity, (tags, 0), ENDPOINT, (now, now))
    }
}

impl State {
    pub(crate) fn draw(&mut self, (low, high): (Duration, Duration)) -> Duration {
        low + (high.saturating_sub(low)).mul_f64(self.rng.f64())
    }

    /// Counts a call and decides what goes wrong with it.
    fn enter(&mut self, call: Call, endpoint: &str, now: Duration) -> Option<Fault> {
        *self.calls.entry(call).or_insert(0) += 1;
        if let Some(faults) = self.scripted.get_mut(&call)
            && !faults.is_empty()
        {
            return Some(faults.remove(0));
        }
        if self.down.get(endpoint).is_some_and(|until| *until > now) {
            self.ledger.count(FaultKind::EndpointDown);
            return Some(Fault::Refuse(ErrorKind::Transient));
        }
        if !self.take_token(call, endpoint, now) {
            self.ledger.count(FaultKind::Throttled);
            return Some(Fault::Refuse(ErrorKind::Throttled));
        }
        if call == Call::Create && self.full.get(endpoint).is_some_and(|until| *until > now) {
            self.ledger.count(FaultKind::Capacity);
            return Some(Fault::Refuse(ErrorKind::Quota));
        }
        if self.rng.u32(..100) >= self.settings.chaos {
            return None;
        }
        let mut rng = self.rng.fork();
        let idempotent = self.settings.idempotent;
        let mut possible: Vec<(FaultKind, Fault)> = Vec::new();
        for kind in self.settings.faults.iter() {
            possible.extend(Fault::draw(kind, call, idempotent, &mut rng).map(|fault| (kind, fault)));
        }
        let (kind, fault) = rng.choice(possible)?;
        if matches!(fault, Fault::Refuse(_)) {
            self.ledger.count(kind);
        }
        Some(fault)
    }

    /// Takes a token for a call; false if there is none.
    fn take_token(&mut self, call: Call, endpoint: &str, now: Duration) -> bool {
        let Some(rate) = self.settings.rate else { return true };
        let full = f64::from(rate.burst);
        let bucket =
            self.buckets.entry((endpoint.to_owned(), call)).or_insert(Bucket { left: full, filled_at: now });
        let filled = now.saturating_sub(bucket.filled_at).as_secs_f64() * rate.per_second;
        bucket.left = (bucket.left + filled).min(full);
        bucket.filled_at = now;
        // Many small fillings do not add up to exactly one.
        let enough = bucket.left >= 1.0 - 1e-6;
        if enough {
            bucket.left -= 1.0;
        }
        enough
    }

    /// Makes a machine that was asked for and comes into being at the given times.
    fn add(
        &mut self,
        identity: Identity,
        (tags, launch_index): (BTreeMap<String, String>, usize),
        endpoint: &str,
        (requested_at, exists_from): (Duration, Duration),
    ) -> String {
        let number = self.machines.len() + 1;
        let id = format!("m-{number:04}");
        // The other half is for answers that are out of date.
        let visible_from = exists_from + self.draw((Duration::ZERO, self.settings.visibility / 2));
        let boots_at = exists_from + self.draw(self.settings.boot);
        let machine = Machine {
            id: id.clone(),
            endpoint: endpoint.to_owned(),
            identity,
            tags,
            launch_index,
            requested_at,
            exists_from,
            visible_from,
            boots_at,
            gone_at: None,
            killed: false,
            stopped_at: None,
            healthy: true,
            ever_healthy: true,
            address: format!("10.0.{}.{}", number / 250, number % 250 + 1),
        };
        self.machines.insert(id.clone(), machine);
        id
    }
}
