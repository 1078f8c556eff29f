//! Credentials from the user's file, read anew at each look-up.

use std::path::PathBuf;

use occopus_descriptor::credentials::CredentialsFile;
use occopus_descriptor::definition::Section;
use occopus_engine::credentials::{Chosen, CredentialError, CredentialSource};
use occopus_engine::handler::Credentials;
use occopus_engine::secret::Secrets;
use serde_json::{Map, Value};

/// The credentials file, and the secrets that it refers to.
pub(crate) struct CredentialFile {
    /// `None` if there is none, which is fine until a handler needs one.
    path: Option<PathBuf>,
    secrets: Secrets,
}

impl CredentialFile {
    pub(crate) fn new(path: Option<PathBuf>, secrets: Secrets) -> Self {
        Self { path, secrets }
    }

    fn filled(&self, auth_data: &Map<String, Value>) -> Result<Credentials, CredentialError> {
        let filled = self.secrets.fill(auth_data);
        filled.map(Credentials).map_err(|error| CredentialError(format!("credentials: {error}")))
    }

    fn load(&self) -> Result<Option<CredentialsFile>, CredentialError> {
        let Some(path) = &self.path else { return Ok(None) };
        match CredentialsFile::load(path) {
            Ok((file, _)) => Ok(Some(file)),
            Err(problems) => Err(CredentialError(problems.to_string())),
        }
    }
}

impl CredentialSource for CredentialFile {
    fn choose(&self, resource: &Map<String, Value>) -> Result<Option<Chosen>, CredentialError> {
        let Some(file) = self.load()? else { return Ok(None) };
        let chosen =
            file.choose(Section::Resource, resource).map_err(|error| CredentialError(error.to_string()))?;
        let filled = |chosen: occopus_descriptor::credentials::Chosen| {
            Ok(Chosen { credentials: self.filled(&chosen.auth_data)?, reference: chosen.reference })
        };
        chosen.map(filled).transpose()
    }

    fn recall(&self, handler: &str, reference: &str) -> Result<Option<Credentials>, CredentialError> {
        let Some(file) = self.load()? else { return Ok(None) };
        file.recall(Section::Resource, handler, reference).map(|data| self.filled(data)).transpose()
    }
}
