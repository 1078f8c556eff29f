//! Infrastructures that Occopus 1.10 built and keeps in the same Redis: named, and left alone.

use occopus_engine::error::EngineError;
use occopus_store::redis::LegacyInfrastructure;

use crate::Occopus;
use crate::error::Error;

impl Occopus {
    /// The infrastructures that Occopus 1.10 built and keeps in the Redis that is the store; none if the
    /// store is a file. Nothing here changes them.
    pub async fn originals(&self) -> Result<Vec<LegacyInfrastructure>, Error> {
        match &self.redis {
            Some(redis) => Ok(redis.legacy_infrastructures().await?),
            None => Ok(Vec::new()),
        }
    }

    /// The error that tells of `text` (an id, the beginning of one, or a name) that it names no
    /// infrastructure of ours: it is one of 1.10, or unknown.
    pub async fn unknown(&self, text: &str) -> Error {
        let originals = match self.originals().await {
            Ok(originals) => originals,
            Err(error) => return error,
        };
        let meant = |original: &&LegacyInfrastructure| {
            original.name == text || (!text.is_empty() && original.id.starts_with(text))
        };
        match originals.iter().find(meant) {
            Some(original) => {
                Error::Usage(format!("{original}: maintain and destroy it with the commands of 1.10"))
            }
            None => {
                let (infra, store) = (text.to_owned(), self.engine.store.location());
                EngineError::UnknownInfrastructure { infra, store }.into()
            }
        }
    }
}
