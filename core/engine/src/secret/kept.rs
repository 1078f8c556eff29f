//! A request as it is kept for a replay.

use std::collections::{BTreeMap, BTreeSet};

use occopus_descriptor::secret::SecretRef;
use serde::{Deserialize, Serialize};

use super::Redactor;
use crate::handler::CreateRequest;

/// A request with the secrets in it: whoever sends it again may have no other way to know what to hide.
#[derive(Serialize, Deserialize)]
pub(crate) struct KeptRequest {
    #[serde(flatten)]
    request: CreateRequest,
    /// Values by reference.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    secrets: BTreeMap<String, String>,
}

impl KeptRequest {
    /// `request` with the values of `references` that were read for it.
    pub(crate) fn new(request: CreateRequest, references: &BTreeSet<SecretRef>, redactor: &Redactor) -> Self {
        let known = redactor.known(references).into_iter();
        Self { request, secrets: known.map(|(reference, value)| (reference.to_string(), value)).collect() }
    }

    /// The request; its secrets are hidden by `redactor` from now on.
    pub(crate) fn open(self, redactor: &Redactor) -> CreateRequest {
        for (reference, value) in &self.secrets {
            if let Ok(reference) = reference.parse() {
                redactor.learn(&reference, value);
            }
        }
        self.request
    }
}
