//! Node definitions: loading, importing, listing.

use std::path::Path;

use occopus_descriptor::definition::Rules;
use occopus_descriptor::diagnostic::Diagnostics;
use occopus_descriptor::model::{Infrastructure, NodeDefinition};

use crate::Occopus;
use crate::error::Error;
use crate::request::{Input, Variables};

/// Loads and checks an infrastructure description. The diagnostics are its warnings.
pub(crate) fn load_description(
    input: &Input,
    variables: &Variables,
) -> Result<(Infrastructure, Diagnostics), Diagnostics> {
    let overrides = variables.read()?;
    match input {
        Input::File(path) => occopus_descriptor::load_infrastructure(path, &overrides),
        Input::Text { text, base } => {
            occopus_descriptor::infrastructure_from_text("<text>", text, base, &overrides)
        }
    }
}

/// Loads and checks a file of node definitions. The diagnostics are its warnings.
pub(crate) fn load_definitions(path: &Path) -> Result<(Vec<NodeDefinition>, Diagnostics), Diagnostics> {
    occopus_descriptor::load_definitions(path, &Rules::builtin())
}

impl Occopus {
    /// Loads and checks an infrastructure description with `variables` from outside. The diagnostics are its
    /// warnings.
    pub async fn load_description(
        &self,
        input: &Input,
        variables: &Variables,
    ) -> Result<(Infrastructure, Diagnostics), Error> {
        let (input, variables) = (input.clone(), variables.clone());
        off_the_runtime(move || load_description(&input, &variables)).await
    }

    /// Loads and checks a file of node definitions. The diagnostics are its warnings.
    pub async fn load_definitions(&self, path: &Path) -> Result<(Vec<NodeDefinition>, Diagnostics), Error> {
        let path = path.to_owned();
        off_the_runtime(move || load_definitions(&path)).await
    }

    /// Imports a file of node definitions; definitions of the same names are replaced, others stay.
    /// Running infrastructures keep the definitions they were built with.
    pub async fn define(&self, path: &Path) -> Result<(Vec<NodeDefinition>, Diagnostics), Error> {
        let (definitions, warnings) = self.load_definitions(path).await?;
        self.store_definitions(&definitions).await?;
        Ok((definitions, warnings))
    }

    /// All imported definitions, by name.
    ///
    /// # Errors
    /// One of them cannot be used.
    pub async fn definitions(&self) -> Result<Vec<NodeDefinition>, Error> {
        let imported = self.imported().await?;
        imported.names().filter_map(|name| imported.get(name).transpose()).collect()
    }
}

/// Loading reads files, which must not hold up the other tasks of the runtime.
pub(crate) async fn off_the_runtime<T: Send + 'static, E: Into<Error> + Send + 'static>(
    load: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(load).await {
        Ok(loaded) => loaded.map_err(Into::into),
        Err(_) => Err(Error::File("loading was interrupted".to_owned())),
    }
}
