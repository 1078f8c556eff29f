//! Creating an instance: render, record the intent, call, record the outcome, wait until it is ready.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use occopus_descriptor::model::{Implementation, Node};
use occopus_descriptor::secret::{SecretRef, fill_instance};

use super::gate::Turn;
use super::gather::{Arrival, Next, Prepared};
use super::{Enactor, JournalSteps, Trouble};
use crate::clock::timeout;
use crate::context::{RenderInput, Rendered};
use crate::error::EngineError;
use crate::event::EventKind;
use crate::handler::{
    Access, CreateRequest, ErrorKind, HandlerError, Identity, Place, Progress, ProviderId, ResourceHandler,
};
use crate::ids::{AttemptId, NodeId, Slot};
use crate::journal::{Journal, encode};
use crate::record::{Attempt, Cause, Outcome, Phase, digest};

impl Enactor<'_> {
    pub(super) async fn create(
        &self,
        slot: &Slot,
        implementation: usize,
        cause: &Cause,
        arrival: Option<Arrival<'_>>,
    ) -> Result<(), Trouble> {
        if let Some(arrival) = arrival {
            let prepared = self.prepare(slot, implementation, cause, arrival.identifiers()).await?;
            self.get_ready(&prepared).await?;
            let place = prepared.access.place.clone();
            match self.create_together(arrival.sit(prepared), &place).await? {
                Next::Accepted(made) => {
                    let Prepared { attempt, request, .. } = *made;
                    let id = attempt.id.clone();
                    self.labels.add(attempt, request);
                    return self.until_ready(&id).await;
                }
                Next::Settle(id) => return self.settle(&id, true).await,
                Next::Ended => return Ok(()),
                Next::Alone => {}
            }
        }
        let random = &self.engine.random;
        let identifiers = (AttemptId::from(random.uuid()), NodeId::from(random.uuid()));
        let prepared = self.prepare(slot, implementation, cause, identifiers).await?;
        // Before its turn comes, so that who waits for an image holds up nobody else.
        self.get_ready(&prepared).await?;
        let turn = self.turn_at(&prepared.access.place, slot).await?;
        self.create_alone(prepared, turn).await
    }

    /// Makes everything up that a create call needs; nothing is called yet.
    async fn prepare(
        &self,
        slot: &Slot,
        implementation_index: usize,
        cause: &Cause,
        identifiers: (AttemptId, NodeId),
    ) -> Result<Prepared, Trouble> {
        let (node, implementation) = self.chosen(slot, implementation_index)?;
        let chosen = (node, implementation_index, implementation);
        let mut attempt = self.new_attempt(slot, identifiers, chosen, cause);
        attempt.peers = self.peers_of(node, implementation);
        let (request, access) = match self.prepare_request(&attempt).await {
            Ok(prepared) => prepared,
            Err(error) => return Err(self.refuse(attempt, error).await),
        };
        // Of the request without its secrets: a digest of a weak one could be guessed.
        attempt.request_digest = digest(&self.engine.secrets.redactor().json(encode(&request)));
        attempt.place = access.place.clone();
        Ok(Prepared { attempt, request, access })
    }

    /// Makes the call for one instance, and waits until it is ready.
    pub(super) async fn create_alone(&self, prepared: Prepared, turn: Turn) -> Result<(), Trouble> {
        let Prepared { mut attempt, request, access } = prepared;
        let handler = self.engine.handlers.get(&attempt.place.handler)?.clone();
        let id = attempt.id.clone();
        let limit = handler.capabilities().create_deadline;
        // Waiting may have taken minutes; what counts from here on is when the call starts.
        attempt.created_at = self.engine.clock.wall();
        attempt.phase = Phase::Creating { deadline: self.journal.deadline(limit), error: None };
        self.journal.open_create(attempt, &request).await?;
        // Asked last, so that a process that was suspended up to here makes no call under a lost lease.
        self.journal.lease().outlasts(limit).await?;
        let result = self.call_create(handler.as_ref(), &access, &request).await;
        drop(turn);
        match result {
            Ok(provider_id) => {
                self.journal.created(&id, provider_id).await?;
                self.until_ready(&id).await
            }
            Err(error) if error.kind == ErrorKind::UnknownOutcome => {
                self.journal.create_unknown(&id, &error.message).await?;
                self.settle(&id, true).await
            }
            Err(error) => {
                let outcome = Outcome::Refused { kind: error.kind, message: error.message.clone() };
                self.journal.create_failed(&id, outcome).await?;
                Err(error.into())
            }
        }
    }

    /// Makes the create call; a call without an answer in time has an unknown outcome.
    pub(super) async fn call_create(
        &self,
        handler: &dyn ResourceHandler,
        access: &Access,
        request: &CreateRequest,
    ) -> Result<ProviderId, HandlerError> {
        let limit = handler.capabilities().create_deadline;
        let steps =
            JournalSteps { journal: self.journal, attempt: &request.identity.attempt, action: "create" };
        let call = timeout(self.engine.clock.as_ref(), limit, handler.create(access, request, &steps));
        let ids = std::slice::from_ref(&request.identity.attempt);
        let result = self.timed_call(ids, &access.place, call).await;
        result.unwrap_or_else(|late| {
            let message = format!("{}: {late} to the create call", access.place);
            Err(HandlerError::new(ErrorKind::UnknownOutcome, message))
        })
    }

    /// Renders everything and chooses credentials; nothing is recorded or called yet.
    async fn prepare_request(&self, attempt: &Attempt) -> Result<(CreateRequest, Access), HandlerError> {
        let rendered = self.render(attempt).await?;
        let access = self.access_for(&rendered)?;
        self.require_open_place(&access.place, &attempt.implementation)?;
        let identity = Identity {
            store: self.engine.store.id().clone(),
            infra: self.journal.infra().clone(),
            slot: attempt.slot.clone(),
            node_id: attempt.node_id.clone(),
            attempt: attempt.id.clone(),
        };
        let request = CreateRequest {
            identity,
            infra_name: self.record.name.clone(),
            resource: rendered.resource,
            context: rendered.context,
            attributes: rendered.attributes,
        };
        Ok((request, access))
    }

    pub(super) fn chosen(&self, slot: &Slot, index: usize) -> Result<(&Node, &Implementation), EngineError> {
        let node = self.generation.infrastructure.node(&slot.node);
        let definition = node.and_then(|node| self.generation.definitions.get(&node.definition));
        let implementation = definition.and_then(|definition| definition.implementations.get(index));
        match (node, implementation) {
            (Some(node), Some(implementation)) => Ok((node, implementation)),
            _ => Err(EngineError::Description(format!(
                "{slot} is planned with an implementation that does not exist"
            ))),
        }
    }

    /// Refuses a place that a template made of a secret: places are recorded.
    fn require_open_place(&self, place: &Place, implementation: &Implementation) -> Result<(), HandlerError> {
        let redactor = self.engine.secrets.redactor();
        if redactor.gives_away(place) && !redactor.gives_away(&described_place(implementation)) {
            let message =
                "a secret is part of the endpoint or region, which are stored and shown; take it out";
            return Err(HandlerError::new(ErrorKind::Invalid, message));
        }
        Ok(())
    }

    async fn render(&self, attempt: &Attempt) -> Result<Rendered, HandlerError> {
        let clock = self.engine.clock.as_ref();
        let filled = self.engine.secrets.instance(clock, &attempt.node, &attempt.implementation).await;
        let (node, implementation) =
            filled.map_err(|error| HandlerError::new(ErrorKind::Auth, error.to_string()))?;
        let mut views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
        let input = RenderInput {
            infra_id: self.journal.infra(),
            infrastructure: &self.generation.infrastructure,
            node: &node,
            implementation: &implementation,
            node_id: &attempt.node_id,
            instances: views.of(self.journal, &self.record.name),
        };
        let rendered = self
            .engine
            .contextualiser
            .render(&input)
            .map_err(|error| HandlerError::new(ErrorKind::Invalid, error.to_string()))?;
        for warning in &rendered.warnings {
            tracing::warn!(infra = %self.journal.infra(), node = attempt.node.name, "{warning}");
        }
        Ok(rendered)
    }

    /// The living instances whose addresses the templates of `implementation` ask for.
    fn peers_of(&self, node: &Node, implementation: &Implementation) -> BTreeMap<String, BTreeSet<NodeId>> {
        let (node, implementation) = &fill_instance(node, implementation, &SecretRef::mask);
        let names =
            self.engine.contextualiser.references(&self.generation.infrastructure, node, implementation);
        let mut views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
        let instances = views.of(self.journal, &self.record.name);
        let living = names.into_iter().filter_map(|name| Some((instances.get(&name)?, name)));
        living
            .map(|(instances, name)| (name, instances.iter().map(|i| i.node_id.clone()).collect()))
            .collect()
    }

    fn access_for(&self, rendered: &Rendered) -> Result<Access, HandlerError> {
        let kind = rendered.resource.get("type").and_then(|value| value.as_str()).unwrap_or_default();
        let handler = self.engine.handlers.get(kind)?;
        let mut place = handler.place(&rendered.resource)?;
        let chosen = self
            .engine
            .credentials
            .choose(&rendered.resource)
            .map_err(|error| HandlerError::new(ErrorKind::Auth, error.to_string()))?;
        let credentials = match chosen {
            Some(chosen) => {
                place.account = chosen.reference;
                Some(chosen.credentials)
            }
            None if handler.capabilities().needs_credentials => {
                return Err(HandlerError::new(
                    ErrorKind::Auth,
                    format!(
                        "Cannot find credentials for \"{}\". Please, specify! (an entry under 'resource' in \
                         the credentials file whose keys equal those of the node definition)",
                        place.endpoint
                    ),
                ));
            }
            None => None,
        };
        Ok(Access { place, credentials })
    }

    /// Makes the new attempt up. Its place and digest are known when it is rendered, its times are set
    /// when it is recorded.
    fn new_attempt(
        &self,
        slot: &Slot,
        (id, node_id): (AttemptId, NodeId),
        (node, implementation_index, implementation): (&Node, usize, &Implementation),
        cause: &Cause,
    ) -> Attempt {
        let now = self.engine.clock.wall();
        Attempt {
            node_id,
            id,
            slot: slot.clone(),
            generation: self.generation.number,
            node: node.clone(),
            implementation_index,
            implementation: implementation.clone(),
            digest: self.generation.instance_digest(node, implementation),
            request_digest: String::new(),
            place: described_place(implementation),
            phase: Phase::Creating { deadline: now, error: None },
            provider_id: None,
            steps: Vec::new(),
            batch: None,
            cause: cause.clone(),
            created_at: now,
            accepted_at: None,
            ready_at: None,
            addresses: Vec::new(),
            private_address: None,
            failing: None,
            checks: Vec::new(),
            retire: None,
            replace: None,
            made_as: BTreeMap::new(),
            peers: BTreeMap::new(),
        }
    }

    /// Lets the handler get ready (pull an image, for example). What it refuses is recorded.
    async fn get_ready(&self, prepared: &Prepared) -> Result<(), Trouble> {
        let Prepared { attempt, request, access } = prepared;
        let handler = self.engine.handlers.get(&access.place.handler)?;
        let begun = self.engine.clock.monotonic();
        let progress = JournalProgress { journal: self.journal, attempt };
        let limit = handler.capabilities().prepare_deadline;
        let preparing = handler.prepare(access, request, &progress);
        let result = tokio::select! {
            biased;
            () = self.stop.cancelled() => return Err(Trouble::Interrupted),
            result = timeout(self.engine.clock.as_ref(), limit, preparing) => result,
        };
        let took = self.engine.clock.monotonic().saturating_sub(begun);
        self.spend(&attempt.id, |spent| spent.preparing = took);
        let result = result.unwrap_or_else(|late| {
            let message = format!("{}: {late} while getting ready for {}", access.place, attempt.slot);
            Err(HandlerError::new(ErrorKind::Transient, message))
        });
        match result {
            Ok(()) => Ok(()),
            Err(error) => Err(self.refuse(attempt.clone(), error).await),
        }
    }

    /// Records an attempt that failed before its create call, so that the failure counts against its slot
    /// and the next implementation has its turn.
    async fn refuse(&self, mut attempt: Attempt, error: HandlerError) -> Trouble {
        let outcome = Outcome::Refused { kind: error.kind, message: error.message.clone() };
        attempt.phase = Phase::Closed { outcome, at: self.engine.clock.wall() };
        let event = self.journal.event(EventKind::NodeFailed, Some(&attempt), error.message.clone());
        let event = event.from_to("empty", attempt.word());
        match self.journal.insert(attempt, vec![event]).await {
            Ok(()) => error.into(),
            Err(fatal) => fatal.into(),
        }
    }
}

/// The place as the description has it, templates unrendered: for people, nothing is looked for there.
fn described_place(implementation: &Implementation) -> Place {
    let endpoint = implementation.resource.get("endpoint").and_then(|value| value.as_str());
    Place {
        handler: implementation.resource_type().to_owned(),
        endpoint: endpoint.unwrap_or_default().to_owned(),
        region: None,
        project: None,
        account: String::new(),
    }
}

struct JournalProgress<'a> {
    journal: &'a Journal,
    attempt: &'a Attempt,
}

impl Progress for JournalProgress<'_> {
    fn report(&self, line: &str) {
        self.journal.progress(self.attempt, line);
    }
}
