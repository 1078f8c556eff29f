//! Errors of the engine.

use crate::context::RenderError;
use crate::credentials::CredentialError;
use crate::handler::HandlerError;
use crate::ids::InfraId;
use crate::store::StoreError;

/// Why the engine stopped.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EngineError {
    /// The store failed; nothing that was not recorded has been done.
    #[error("{0}")]
    Store(StoreError),
    /// Another controller took the lease over; this one has stopped changing anything.
    #[error("another process has taken over infrastructure '{0}'; this one stopped, nothing is lost")]
    LeaseLost(InfraId),
    /// Another controller holds the lease.
    #[error("infrastructure '{infra}' is in use by {holder}")]
    Busy {
        /// The infrastructure.
        infra: InfraId,
        /// Who holds it, in words (`occopus watch, process 4711 on host, since …`).
        holder: String,
    },
    /// The caller stopped while waiting for a lease; nothing was changed.
    #[error("stopped waiting for infrastructure '{infra}', which is in use by {holder}; nothing was changed")]
    Stopped {
        /// The infrastructure.
        infra: InfraId,
        /// Who holds it, in words.
        holder: String,
    },
    /// There is no such infrastructure in the store.
    #[error("unknown infrastructure '{infra}'; `occopus list` shows what {store} knows")]
    UnknownInfrastructure {
        /// What was asked for.
        infra: String,
        /// Location of the store.
        store: String,
    },
    /// A record in the store cannot be read.
    #[error("record {key} in the store cannot be read: {reason}")]
    Record {
        /// The record's key.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The description cannot be carried out as it is.
    #[error("{0}")]
    Description(String),
    /// A call to a back-end failed.
    #[error("{0}")]
    Handler(#[from] HandlerError),
    /// Credentials could not be chosen.
    #[error("{0}")]
    Credentials(#[from] CredentialError),
    /// A template could not be rendered.
    #[error("{0}")]
    Render(#[from] RenderError),
}

impl From<StoreError> for EngineError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
