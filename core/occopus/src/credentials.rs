//! Credentials from the user's file, read anew at each look-up.

use std::path::PathBuf;

use occopus_descriptor::credentials::CredentialsFile;
use occopus_descriptor::definition::Section;
use occopus_engine::credentials::{Chosen, CredentialError, CredentialSource};
use occopus_engine::handler::Credentials;
use serde_json::{Map, Value};

/// The credentials file; `None` if there is none, which is fine until a handler needs one.
#[derive(Debug, Clone)]
pub(crate) struct CredentialFile(pub(crate) Option<PathBuf>);

impl CredentialFile {
    fn load(&self) -> Result<Option<CredentialsFile>, CredentialError> {
        let Some(path) = &self.0 else { return Ok(None) };
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
        Ok(chosen
            .map(|chosen| Chosen { reference: chosen.reference, credentials: Credentials(chosen.auth_data) }))
    }

    fn recall(&self, handler: &str, reference: &str) -> Result<Option<Credentials>, CredentialError> {
        let Some(file) = self.load()? else { return Ok(None) };
        Ok(file.recall(Section::Resource, handler, reference).cloned().map(Credentials))
    }
}
