//! The simulated cloud behind the handler contract.

use std::time::Duration;

use async_trait::async_trait;
use occopus_engine::handler::{
    Access, Capabilities, CreateRequest, ErrorKind, Found, HandlerError, Observation, Place, ProviderId,
    ResourceHandler, ResourceState, StepJournal,
};
use occopus_engine::ids::StoreId;
use serde_json::{Map, Value};

use crate::cloud::{Call, Fault, SimCloud, State};

/// A call as it was decided when it arrived.
struct Reply<T> {
    after: Duration,
    /// `None`: there is never an answer.
    answer: Option<Result<T, HandlerError>>,
}

impl SimCloud {
    async fn play<T>(&self, reply: Reply<T>) -> Result<T, HandlerError> {
        self.clock.sleep(reply.after).await;
        match reply.answer {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }

    /// Decides a call: `effect` is given the time at which the call takes effect.
    fn decide<T>(
        &self,
        call: Call,
        effect: impl FnOnce(&mut State, Duration) -> Result<T, HandlerError>,
    ) -> Reply<T> {
        let now = self.now();
        let mut state = self.state();
        let fault = state.enter(call);
        let latency = state.settings.latency;
        let (there, back) = (state.draw(latency) / 2, state.draw(latency) / 2);
        let lost = || HandlerError::new(ErrorKind::UnknownOutcome, "connection reset by the cloud");
        let answer = match fault {
            None => Some(effect(&mut state, now + there)),
            Some(Fault::Refuse(kind)) => Some(Err(HandlerError::new(kind, format!("refused: {kind:?}")))),
            Some(Fault::AnswerLost) => Some(effect(&mut state, now + there).and(Err(lost()))),
            Some(Fault::Late(delay)) => Some(effect(&mut state, now + delay).and(Err(lost()))),
            Some(Fault::HangAfterEffect) => effect(&mut state, now + there).err().map(Err),
            Some(Fault::Hang) => None,
        };
        Reply { after: there + back, answer }
    }
}

impl State {
    fn create(
        &mut self,
        request: &CreateRequest,
        now: Duration,
        at: Duration,
    ) -> Result<ProviderId, HandlerError> {
        let known = self.tokens.get(request.token()).filter(|_| self.settings.idempotent).cloned();
        if let Some(id) = known {
            return Ok(ProviderId::plain(id));
        }
        if self.machines.values().filter(|machine| machine.is_alive(now)).count() >= self.settings.quota {
            return Err(HandlerError::new(ErrorKind::Quota, "the quota of machines is exhausted"));
        }
        let id = self.add(request.identity.clone(), (now, at));
        self.tokens.insert(request.token().to_owned(), id.clone());
        Ok(ProviderId::plain(id))
    }

    fn destroy(&mut self, id: &str, at: Duration) -> Result<(), HandlerError> {
        let lasts = self.settings.vanish;
        let lasts = self.draw(lasts);
        match self.machines.get_mut(id) {
            Some(machine) if at >= machine.visible_from => {
                let gone = machine.gone_at.map_or(at + lasts, |gone| gone.min(at + lasts));
                machine.gone_at = Some(gone);
                Ok(())
            }
            _ => Err(HandlerError::new(ErrorKind::NotFound, format!("there is no machine {id}"))),
        }
    }

    fn observation(&self, id: &ProviderId, now: Duration) -> Observation {
        let Some(machine) = self.machines.get(&id.id) else {
            return Observation::bare(ResourceState::Missing, "");
        };
        let mut seen = Observation::bare(machine.state(now), "");
        if seen.state == ResourceState::Running {
            seen.addresses.push(machine.address.clone());
        }
        seen
    }

    fn list(&self, store: &StoreId, now: Duration) -> Vec<Found> {
        self.machines
            .values()
            .filter(|machine| {
                machine.identity.store == *store && machine.state(now) != ResourceState::Missing
            })
            .map(|machine| Found {
                identity: machine.identity.clone(),
                provider_id: ProviderId::plain(&machine.id),
                state: machine.state(now),
            })
            .collect()
    }
}

#[async_trait]
impl ResourceHandler for SimCloud {
    fn name(&self) -> &'static str {
        "sim"
    }

    fn capabilities(&self) -> Capabilities {
        let state = self.state();
        Capabilities {
            idempotent_create: state.settings.idempotent,
            findable: true,
            visibility_delay: state.settings.visibility,
            create_deadline: Duration::from_secs(30),
            destroy_deadline: Duration::from_secs(30),
            read_deadline: Duration::from_secs(10),
            prepare_deadline: Duration::from_secs(10),
            needs_credentials: false,
        }
    }

    fn place(&self, resource: &Map<String, Value>) -> Result<Place, HandlerError> {
        let endpoint = resource.get("endpoint").and_then(Value::as_str).unwrap_or("sim://cloud");
        Ok(Place {
            handler: "sim".to_owned(),
            endpoint: endpoint.to_owned(),
            region: None,
            project: None,
            account: String::new(),
        })
    }

    async fn create(
        &self,
        _access: &Access,
        request: &CreateRequest,
        _steps: &dyn StepJournal,
    ) -> Result<ProviderId, HandlerError> {
        if request.resource.get("broken").is_some() {
            let refusal = HandlerError::new(ErrorKind::Invalid, "the image does not exist");
            return self.play(self.decide(Call::Create, |_, _| Err(refusal))).await;
        }
        let now = self.now();
        self.play(self.decide(Call::Create, |state, at| state.create(request, now, at))).await
    }

    async fn observe(&self, _access: &Access, ids: &[ProviderId]) -> Result<Vec<Observation>, HandlerError> {
        let look = |state: &mut State, at| Ok(ids.iter().map(|id| state.observation(id, at)).collect());
        self.play(self.decide(Call::Observe, look)).await
    }

    async fn find(&self, _access: &Access, store: &StoreId) -> Result<Vec<Found>, HandlerError> {
        self.play(self.decide(Call::Find, |state, at| Ok(state.list(store, at)))).await
    }

    async fn destroy(
        &self,
        _access: &Access,
        id: &ProviderId,
        _steps: &dyn StepJournal,
    ) -> Result<(), HandlerError> {
        self.play(self.decide(Call::Destroy, |state, at| state.destroy(&id.id, at))).await
    }

    async fn console(&self, _access: &Access, id: &ProviderId) -> Result<String, HandlerError> {
        Ok(format!("{id}: booted\n"))
    }
}
