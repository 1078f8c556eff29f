//! The simulated cloud: its machines, its faults and its audit. All effects are decided when a call
//! arrives and carry their own time, so that a caller that is dropped in the middle of a call (a crash)
//! does not take the effect back, just as with a real API.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use occopus_engine::clock::Clock;
use occopus_engine::handler::{ErrorKind, Identity, ResourceState};

/// The calls of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// Making a machine.
    Create,
    /// Asking for states.
    Observe,
    /// Listing by owner.
    Find,
    /// Removing a machine.
    Destroy,
}

/// What goes wrong with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is refused with this kind of error and has no effect.
    Refuse(ErrorKind),
    /// It takes effect, and the answer is lost.
    AnswerLost,
    /// It has no effect and is never answered.
    Hang,
    /// It takes effect and is never answered.
    HangAfterEffect,
    /// The connection breaks at once; the effect comes that much later.
    Late(Duration),
}

/// How the cloud behaves. Durations in pairs are the bounds of a uniform draw.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long a call takes.
    pub latency: (Duration, Duration),
    /// How long a machine boots.
    pub boot: (Duration, Duration),
    /// How long a machine takes to vanish after a destroy call took effect.
    pub vanish: (Duration, Duration),
    /// How long a new machine may be missing from answers.
    pub visibility: Duration,
    /// How long a health check waits for a machine that does not answer.
    pub silence: Duration,
    /// Whether a repeated create call returns the first machine.
    pub idempotent: bool,
    /// Machines that may exist at the same time.
    pub quota: usize,
    /// Percentage of calls that go wrong.
    pub chaos: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            latency: (Duration::from_millis(50), Duration::from_millis(500)),
            boot: (Duration::from_secs(2), Duration::from_secs(40)),
            vanish: (Duration::ZERO, Duration::from_secs(5)),
            visibility: Duration::from_secs(5),
            silence: Duration::ZERO,
            idempotent: true,
            quota: usize::MAX,
            chaos: 0,
        }
    }
}

/// A machine that was ever made. Times are the cloud's own, since its start.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The cloud's name for it.
    pub id: String,
    /// Whose it is.
    pub identity: Identity,
    /// When the create call arrived.
    pub requested_at: Duration,
    /// When it came into being.
    pub exists_from: Duration,
    /// When answers start to show it.
    pub visible_from: Duration,
    /// When it has booted.
    pub boots_at: Duration,
    /// When it ceased to exist, or will.
    pub gone_at: Option<Duration>,
    /// Whether it was stopped.
    pub stopped: bool,
    /// Whether it passes health checks.
    pub healthy: bool,
    /// Its address.
    pub address: String,
}

impl Machine {
    /// Whether it exists, or is certain to come into being.
    pub fn is_alive(&self, now: Duration) -> bool {
        self.gone_at.is_none_or(|gone| gone > now)
    }

    /// Whether it runs, has booted and is healthy.
    pub fn serves(&self, now: Duration) -> bool {
        self.state(now) == ResourceState::Running && self.healthy
    }

    /// Its state as an answer at `now` gives it.
    pub(crate) fn state(&self, now: Duration) -> ResourceState {
        if now < self.visible_from || !self.is_alive(now) {
            ResourceState::Missing
        } else if self.stopped || self.gone_at.is_some() {
            ResourceState::Stopped
        } else if now < self.boots_at {
            ResourceState::Pending
        } else {
            ResourceState::Running
        }
    }
}

/// A simulated cloud; a clone is the same cloud.
#[derive(Clone)]
pub struct SimCloud {
    pub(crate) clock: Arc<dyn Clock>,
    state: Arc<Mutex<State>>,
}

pub(crate) struct State {
    pub(crate) settings: Settings,
    rng: fastrand::Rng,
    pub(crate) machines: BTreeMap<String, Machine>,
    pub(crate) tokens: BTreeMap<String, String>,
    calls: BTreeMap<Call, usize>,
    scripted: BTreeMap<Call, Vec<Fault>>,
}

impl SimCloud {
    /// An empty cloud.
    pub fn new(seed: u64, settings: Settings, clock: Arc<dyn Clock>) -> Self {
        let state = State {
            settings,
            rng: fastrand::Rng::with_seed(seed),
            machines: BTreeMap::new(),
            tokens: BTreeMap::new(),
            calls: BTreeMap::new(),
            scripted: BTreeMap::new(),
        };
        Self { clock, state: Arc::new(Mutex::new(state)) }
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
        state.scripted.clear();
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
        self.edit(id, |machine| machine.gone_at = Some(now));
    }

    /// Stops a machine behind everybody's back.
    pub fn stop(&self, id: &str) {
        self.edit(id, |machine| machine.stopped = true);
    }

    /// Makes a machine fail or pass its health checks.
    pub fn set_healthy(&self, id: &str, healthy: bool) {
        self.edit(id, |machine| machine.healthy = healthy);
    }

    fn edit(&self, id: &str, edit: impl FnOnce(&mut Machine)) {
        if let Some(machine) = self.state().machines.get_mut(id) {
            edit(machine);
        }
    }

    /// Puts a machine there that belongs to somebody else, and returns its name.
    pub fn plant(&self, identity: Identity) -> String {
        let now = self.now();
        self.state().add(identity, (now, now))
    }
}

impl State {
    pub(crate) fn draw(&mut self, (low, high): (Duration, Duration)) -> Duration {
        low + (high.saturating_sub(low)).mul_f64(self.rng.f64())
    }

    /// Counts a call and decides what goes wrong with it.
    pub(crate) fn enter(&mut self, call: Call) -> Option<Fault> {
        *self.calls.entry(call).or_insert(0) += 1;
        if let Some(faults) = self.scripted.get_mut(&call)
            && !faults.is_empty()
        {
            return Some(faults.remove(0));
        }
        let unlucky = self.rng.u32(..100) < self.settings.chaos;
        unlucky.then(|| match self.rng.u32(..8) {
            0 => Fault::Refuse(ErrorKind::Throttled),
            1 => Fault::Refuse(ErrorKind::Transient),
            2 => Fault::Refuse(ErrorKind::Quota),
            3 => Fault::Refuse(ErrorKind::Auth),
            4 => Fault::AnswerLost,
            5 => Fault::Hang,
            6 => Fault::HangAfterEffect,
            _ => Fault::Late(Duration::from_secs(self.rng.u64(1..120))),
        })
    }

    /// Makes a machine that was asked for and comes into being at the given times.
    pub(crate) fn add(
        &mut self,
        identity: Identity,
        (requested_at, exists_from): (Duration, Duration),
    ) -> String {
        let number = self.machines.len() + 1;
        let id = format!("m-{number:04}");
        let visible_from = exists_from + self.draw((Duration::ZERO, self.settings.visibility));
        let boots_at = exists_from + self.draw(self.settings.boot);
        let machine = Machine {
            id: id.clone(),
            identity,
            requested_at,
            exists_from,
            visible_from,
            boots_at,
            gone_at: None,
            stopped: false,
            healthy: true,
            address: format!("10.0.{}.{}", number / 250, number % 250 + 1),
        };
        self.machines.insert(id.clone(), machine);
        id
    }
}
