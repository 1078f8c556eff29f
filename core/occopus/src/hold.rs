//! Holds: pausing the care of an infrastructure, and protecting it from being destroyed.

use jiff::SignedDuration;
use occopus_engine::hold::{Hold, HoldKind, holds, lift, put};
use occopus_engine::ids::InfraId;
use occopus_engine::lease::Holder;

use crate::Occopus;
use crate::error::Error;

/// A hold to put on an infrastructure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldRequest {
    /// What it keeps the engine from.
    pub kind: HoldKind,
    /// The node; `None` for all of them.
    pub node: Option<String>,
    /// Why, in the operator's words.
    pub reason: String,
    /// When it ends by itself; `None` for never.
    pub duration: Option<SignedDuration>,
    /// Name of the command, for the record of who did it.
    pub command: String,
}

impl Occopus {
    /// Puts a hold on `infra`; an earlier one of the same kind on the same node is replaced. It is heeded
    /// within seconds, also by a maintainer that is at work: calls under way are ended.
    pub async fn hold(&self, infra: &InfraId, request: HoldRequest) -> Result<Hold, Error> {
        let since = self.engine.clock.wall();
        let until = match request.duration {
            None => None,
            Some(duration) => Some(
                since
                    .checked_add(duration)
                    .map_err(|_| Error::Usage(format!("{duration:#} is too long; leave it out for ever")))?,
            ),
        };
        let hold = Hold {
            kind: request.kind,
            node: request.node,
            reason: request.reason,
            actor: Holder::this_process(&request.command).to_string(),
            since,
            until,
        };
        self.told(put(&self.engine, infra, &hold)).await?;
        Ok(hold)
    }

    /// Lifts a hold from `node` of `infra`, or from all of it. `None` if there was none.
    pub async fn lift_hold(
        &self,
        infra: &InfraId,
        kind: HoldKind,
        node: Option<&str>,
        command: &str,
    ) -> Result<Option<Hold>, Error> {
        let actor = Holder::this_process(command).to_string();
        Ok(self.told(lift(&self.engine, infra, (kind, node), &actor)).await?)
    }

    /// The holds on `infra` that are in force.
    pub async fn holds(&self, infra: &InfraId) -> Result<Vec<Hold>, Error> {
        let store = self.engine.store.as_ref();
        Ok(holds(store, infra, self.engine.clock.wall()).await?.iter().cloned().collect())
    }
}
