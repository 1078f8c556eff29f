//! The calls of the simulated cloud: each is decided when it arrives.

use std::collections::BTreeMap;
use std::time::Duration;

use occopus_engine::batch::CreateBatch;
use occopus_engine::handler::{
    Capabilities, CreateRequest, ErrorKind, Found, HandlerError, Identity, Observation, ProviderId,
    ResourceState,
};
use occopus_engine::ids::StoreId;
use serde_json::Value;

use super::{Call, Fault, SimCloud, State};
use crate::fault::FaultKind;

/// A call as it was decided when it arrived.
pub(crate) struct Reply<T> {
    /// When the answer arrives, counted from the call.
    pub(crate) after: Duration,
    /// `None`: there is never an answer.
    pub(crate) answer: Option<Result<T, HandlerError>>,
    /// Whether the answer was held back, so that others may overtake it.
    pub(crate) held_back: bool,
}

/// When a call takes effect, and what goes wrong with its effect or its answer.
#[derive(Clone, Copy)]
struct Moment {
    at: Duration,
    fault: Option<Fault>,
}

type Answer<T> = Result<T, HandlerError>;

impl SimCloud {
    /// Decides a call: `effect` is given the moment at which the call takes effect.
    fn decide<T>(
        &self,
        (call, endpoint): (Call, &str),
        effect: impl Fn(&mut State, Moment) -> Answer<T>,
    ) -> Reply<T> {
        let now = self.now();
        let mut state = self.state();
        let fault = state.enter(call, endpoint, now);
        let latency = state.settings.latency;
        let (there, back) = (state.draw(latency) / 2, state.draw(latency) / 2);
        let moment = Moment { at: now + there, fault };
        let mut after = there + back;
        let answer = match fault {
            Some(Fault::Refuse(kind)) => Some(Err(HandlerError::new(kind, format!("refused: {kind:?}")))),
            Some(Fault::AnswerLost) => {
                let result = effect(&mut state, moment);
                Some(state.lost(FaultKind::AnswerLost, result))
            }
            Some(Fault::Late(delay)) => {
                let kind = if call == Call::Create { FaultKind::LateArrival } else { FaultKind::LateRemoval };
                let result = effect(&mut state, Moment { at: now + delay, fault });
                Some(state.lost(kind, result))
            }
            Some(Fault::HangAfterEffect) => match effect(&mut state, moment) {
                Ok(_) => {
                    state.ledger.count(FaultKind::HangAfter);
                    None
                }
                Err(error) => Some(Err(error)),
            },
            Some(Fault::Hang) => {
                state.ledger.count(FaultKind::HangBefore);
                None
            }
            Some(Fault::Slow(delay)) => {
                state.ledger.count(FaultKind::SlowCall);
                after += delay;
                Some(effect(&mut state, moment))
            }
            Some(Fault::HeldBack(delay)) => {
                after += delay;
                Some(effect(&mut state, moment))
            }
            Some(Fault::Twice(delay)) => {
                let answer = effect(&mut state, moment);
                if effect(&mut state, Moment { at: moment.at + delay, fault }).is_ok() {
                    state.ledger.count(FaultKind::Duplicated);
                }
                Some(answer)
            }
            _ => Some(effect(&mut state, moment)),
        };
        Reply { after, answer, held_back: matches!(fault, Some(Fault::HeldBack(_))) }
    }

    /// What the API can do.
    pub fn capabilities(&self) -> Capabilities {
        let settings = &self.state().settings;
        Capabilities {
            idempotent_create: settings.idempotent,
            findable: true,
            batch: settings.batch,
            visibility_delay: settings.visibility,
            create_deadline: Duration::from_secs(30),
            destroy_deadline: Duration::from_secs(30),
            read_deadline: Duration::from_secs(10),
            prepare_deadline: Duration::from_secs(15 * 60),
            needs_credentials: false,
        }
    }

    /// A create call at `endpoint`.
    pub(crate) fn create(&self, endpoint: &str, request: &CreateRequest) -> Reply<ProviderId> {
        let now = self.now();
        if request.resource.contains_key("broken") {
            let refusal = || HandlerError::new(ErrorKind::Invalid, "the image does not exist");
            return self.decide((Call::Create, endpoint), |_, _| Err(refusal()));
        }
        self.decide((Call::Create, endpoint), |state, moment| {
            let (token, tags) = (request.token(), request.identity.tags());
            let requests = std::slice::from_ref(request);
            let made = state.create((token, &tags, requests), endpoint, now, moment)?;
            made.into_iter()
                .next()
                .ok_or_else(|| HandlerError::new(ErrorKind::UnknownOutcome, "nothing was made"))
        })
    }

    /// A create call at `endpoint` for several machines.
    pub(crate) fn create_batch(
        &self,
        endpoint: &str,
        batch: &CreateBatch,
        requests: &[CreateRequest],
    ) -> Reply<Vec<ProviderId>> {
        let now = self.now();
        if requests.iter().any(|request| request.resource.contains_key("broken")) {
            let refusal = || HandlerError::new(ErrorKind::Invalid, "the image does not exist");
            return self.decide((Call::Create, endpoint), |_, _| Err(refusal()));
        }
        self.ledger.batch_asked_for();
        let token = batch.call_token();
        let tags = requests.first().map(|first| batch.tags(&first.identity.store, &first.identity.infra));
        let tags = tags.unwrap_or_default();
        self.decide((Call::Create, endpoint), |state, moment| {
            state.create((&token, &tags, requests), endpoint, now, moment)
        })
    }

    /// Asks for the states of `ids`.
    pub(crate) fn observe(&self, endpoint: &str, ids: &[ProviderId]) -> Reply<Vec<Observation>> {
        self.decide((Call::Observe, endpoint), |state, moment| Ok(state.observe(endpoint, ids, moment)))
    }

    /// Lists what belongs to `store`.
    pub(crate) fn find(&self, endpoint: &str, store: &StoreId) -> Reply<Vec<Found>> {
        self.decide((Call::Find, endpoint), |state, moment| state.find(endpoint, store, moment))
    }

    /// A destroy call.
    pub(crate) fn destroy(&self, endpoint: &str, id: &ProviderId) -> Reply<()> {
        self.decide((Call::Destroy, endpoint), |state, moment| state.destroy(endpoint, &id.id, moment))
    }

    /// A call that labels the machine `id`.
    pub(crate) fn label(&self, endpoint: &str, id: &ProviderId) -> Reply<()> {
        self.decide((Call::Label, endpoint), |state, moment| {
            let machine = state.machines.get(&id.id).filter(|machine| machine.endpoint == endpoint);
            let found = machine.is_some_and(|machine| moment.at >= machine.visible_from);
            let unknown = || HandlerError::new(ErrorKind::NotFound, format!("there is no machine {id}"));
            found.then_some(()).ok_or_else(unknown)
        })
    }
}

impl State {
    /// The answer to a call is lost; if the call took effect, that is counted.
    fn lost<T>(&self, kind: FaultKind, result: Answer<T>) -> Answer<T> {
        result?;
        self.ledger.count(kind);
        Err(HandlerError::new(ErrorKind::UnknownOutcome, "connection reset by the cloud"))
    }

    /// Makes all of `requests`, or none.
    fn create(
        &mut self,
        (token, tags, requests): (&str, &BTreeMap<String, String>, &[CreateRequest]),
        endpoint: &str,
        now: Duration,
        moment: Moment,
    ) -> Answer<Vec<ProviderId>> {
        let known = self.tokens.get(token).filter(|_| self.settings.idempotent).cloned();
        if let Some(ids) = known {
            for id in &ids {
                self.machines.entry(id.clone()).and_modify(|machine| machine.arrive_by(moment.at));
            }
            return Ok(ids.into_iter().map(ProviderId::plain).collect());
        }
        let there =
            self.machines.values().filter(|machine| machine.endpoint == endpoint && machine.is_alive(now));
        if there.count().saturating_add(requests.len()) > self.settings.quota {
            self.ledger.count(FaultKind::Quota);
            return Err(HandlerError::new(ErrorKind::Quota, "the quota of machines is exhausted"));
        }
        let made: Vec<String> = requests
            .iter()
            .enumerate()
            .map(|(index, request)| self.make(request, (tags.clone(), index), endpoint, (now, moment)))
            .collect();
        self.tokens.insert(token.to_owned(), made.clone());
        Ok(made.into_iter().map(ProviderId::plain).collect())
    }

    fn make(
        &mut self,
        request: &CreateRequest,
        launched: (BTreeMap<String, String>, usize),
        endpoint: &str,
        (now, moment): (Duration, Moment),
    ) -> String {
        let id = self.add(request.identity.clone(), launched, endpoint, (now, moment.at));
        if let Some(machine) = self.machines.get_mut(&id) {
            // For measurements, in which as much as possible is fixed.
            if let Some(seconds) = request.resource.get("boot").and_then(Value::as_f64) {
                machine.boots_at = machine.exists_from + Duration::from_secs_f64(seconds);
            }
            match moment.fault {
                Some(Fault::SlowBoot(longer)) => {
                    machine.boots_at += longer;
                    self.ledger.count(FaultKind::SlowBoot);
                }
                Some(Fault::NeverHealthy) => {
                    (machine.healthy, machine.ever_healthy) = (false, false);
                    self.ledger.count(FaultKind::NeverHealthy);
                }
                _ => {}
            }
        }
        id
    }

    fn destroy(&mut self, endpoint: &str, id: &str, moment: Moment) -> Answer<()> {
        let lasts = self.settings.vanish;
        let gone_at = moment.at + self.draw(lasts);
        let unknown = || HandlerError::new(ErrorKind::NotFound, format!("there is no machine {id}"));
        match self.machines.get_mut(id) {
            Some(machine) if machine.endpoint == endpoint && moment.at >= machine.visible_from => {
                if moment.fault == Some(Fault::Lie) {
                    self.ledger.count(FaultKind::WrongState);
                    return Err(unknown());
                }
                machine.gone_at = Some(machine.gone_at.map_or(gone_at, |gone| gone.min(gone_at)));
                Ok(())
            }
            _ => Err(unknown()),
        }
    }

    /// The time that an answer shows, which is the past if the back-end is behind.
    fn shown(&mut self, moment: Moment) -> Duration {
        match moment.fault {
            Some(Fault::Stale) => {
                let behind = self.draw((Duration::ZERO, self.settings.visibility / 2));
                moment.at.saturating_sub(behind)
            }
            _ => moment.at,
        }
    }

    fn observe(&mut self, endpoint: &str, ids: &[ProviderId], moment: Moment) -> Vec<Observation> {
        let shown = self.shown(moment);
        let mut seen: Vec<Observation> = ids.iter().map(|id| self.observation(endpoint, id, shown)).collect();
        if shown != moment.at {
            let now: Vec<Observation> =
                ids.iter().map(|id| self.observation(endpoint, id, moment.at)).collect();
            self.count_if(FaultKind::StaleAnswer, now != seen);
        }
        if moment.fault == Some(Fault::Lie)
            && let Some(one) = self.rng.choice(seen.iter_mut())
        {
            let state = self.rng.choice(LIES).unwrap_or(ResourceState::Unknown);
            self.count_if(FaultKind::WrongState, one.state != state);
            *one = Observation::bare(state, "");
        }
        seen
    }

    fn observation(&self, endpoint: &str, id: &ProviderId, at: Duration) -> Observation {
        let Some(machine) = self.machines.get(&id.id).filter(|machine| machine.endpoint == endpoint) else {
            return Observation::bare(ResourceState::Missing, "");
        };
        self.count_if(FaultKind::NotVisibleYet, machine.is_hidden(at));
        let mut seen = Observation::bare(machine.state(at), "");
        if seen.state == ResourceState::Running {
            seen.addresses.push(machine.address.clone());
        }
        seen
    }

    fn find(&mut self, endpoint: &str, store: &StoreId, moment: Moment) -> Answer<Vec<Found>> {
        let shown = self.shown(moment);
        let found = self.list(endpoint, store, shown);
        if shown != moment.at {
            self.count_if(FaultKind::StaleAnswer, found != self.list(endpoint, store, moment.at));
        }
        if moment.fault == Some(Fault::Partial) {
            self.count_if(FaultKind::PartialListing, !found.is_empty());
            return Err(HandlerError::new(ErrorKind::Transient, BROKE_OFF));
        }
        Ok(found)
    }

    fn list(&self, endpoint: &str, store: &StoreId, at: Duration) -> Vec<Found> {
        let ours =
            |machine: &&crate::Machine| machine.endpoint == endpoint && machine.identity.store == *store;
        let mut found = Vec::new();
        for machine in self.machines.values().filter(ours) {
            self.count_if(FaultKind::NotVisibleYet, machine.is_hidden(at));
            let state = machine.state(at);
            if state != ResourceState::Missing {
                // As a real one: what it was asked for is known by its tags and its number only.
                let identity = Identity::of_launched(&machine.tags, Some(machine.launch_index));
                let provider_id = ProviderId::plain(&machine.id);
                found.extend(identity.map(|identity| Found { identity, provider_id, state }));
            }
        }
        found
    }

    fn count_if(&self, kind: FaultKind, happened: bool) {
        if happened {
            self.ledger.count(kind);
        }
    }
}

/// What a back-end says when it is wrong.
const LIES: [ResourceState; 6] = [
    ResourceState::Pending,
    ResourceState::Stopped,
    ResourceState::Failed,
    ResourceState::Gone,
    ResourceState::Missing,
    ResourceState::Unknown,
];

/// The error of a listing that could not be read to its end.
pub(crate) const BROKE_OFF: &str = "the listing broke off after its first page";
