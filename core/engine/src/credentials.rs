//! The contract of the credentials source.

use serde_json::{Map, Value};

use crate::handler::{Access, Credentials, Place};

/// Credentials could not be chosen. The message holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CredentialError(pub String);

/// Credentials together with the reference that finds them again.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// Stable reference, such as the filter keys of the entry. No secret.
    pub reference: String,
    /// The credentials.
    pub credentials: Credentials,
}

/// Looks credentials up, anew at each call, so that an edited file takes effect at once.
pub trait CredentialSource: Send + Sync {
    /// The credentials for a rendered `resource` section; `None` if no entry matches.
    fn choose(&self, resource: &Map<String, Value>) -> Result<Option<Chosen>, CredentialError>;

    /// The credentials recorded under `reference` for `handler`; `None` if they are no longer there.
    fn recall(&self, handler: &str, reference: &str) -> Result<Option<Credentials>, CredentialError>;

    /// The access to a recorded place; an error if its credentials are gone.
    fn access(&self, place: &Place) -> Result<Access, CredentialError> {
        if place.account.is_empty() {
            return Ok(Access { place: place.clone(), credentials: None });
        }
        match self.recall(&place.handler, &place.account)? {
            Some(credentials) => Ok(Access { place: place.clone(), credentials: Some(credentials) }),
            None => Err(CredentialError(format!(
                "the credentials for {place} (entry {}) are no longer in the credentials file; put them back",
                place.account
            ))),
        }
    }
}
