//! Validating files: without a store of their own, without clouds, and without changing anything.

use std::path::PathBuf;

use occopus_descriptor::codes::{self, Code};
use occopus_descriptor::configuration::Configuration;
use occopus_descriptor::lint::{Subject, lint};
use occopus_descriptor::model::NodeDefinition;
use occopus_descriptor::project::{Findings, Project, Surroundings};
use occopus_descriptor::search::Wanted;
use occopus_descriptor::yaml::{self, Dialect};
use occopus_descriptor::{Diagnostics, Rules};
use occopus_engine::journal::read_all;
use occopus_engine::store::Table;
use occopus_store::SqliteStore;
use occopus_template::Templates;

use crate::define::off_the_runtime;
use crate::error::Error;
use crate::open::search;
use crate::place;
use crate::request::{BuildRequest, Input, Variables};
use crate::settings::Settings;

/// Files to be validated together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ValidateRequest {
    /// Infrastructure descriptions, node definitions, credentials and configurations, in any order: what
    /// each is, is told by its content.
    pub files: Vec<PathBuf>,
    /// Variables from outside, for all infrastructure descriptions.
    pub variables: Variables,
}

/// Checks the files of `request` and whether they go together. All problems are in the findings.
///
/// Of `settings` only those count that say where files are: credentials are compared with the credentials
/// file that commands would use, and where no node definitions are given, node types are looked up among
/// the imported ones, if there is a store already. None is made.
///
/// # Errors
/// The variables from outside cannot be read, or a file that `settings` names does not exist.
pub async fn validate(request: ValidateRequest, settings: &Settings) -> Result<Findings, Error> {
    let credentials = search(Wanted::Credentials, settings.credentials.as_deref())?;
    let project = off_the_runtime(move || {
        let overrides = request.variables.read()?;
        Ok::<_, Error>(Project::load(&request.files, &Rules::builtin(), overrides))
    })
    .await?;
    let imported = if project.needs_definitions() { imported(settings).await? } else { None };
    off_the_runtime(move || {
        Ok::<_, Error>(project.finish(Surroundings {
            imported: imported.as_deref(),
            credentials: credentials.as_deref(),
            scanner: &Templates::new(),
        }))
    })
    .await
}

/// The definitions in the store, if there is one that can be read. What keeps it from being read is not
/// the fault of the files that are validated.
async fn imported(settings: &Settings) -> Result<Option<Vec<NodeDefinition>>, Error> {
    let configuration = search(Wanted::Configuration, settings.config.as_deref())?;
    let settings = settings.clone();
    let read = async {
        let place = off_the_runtime(move || {
            let configuration = configuration.as_deref().map(Configuration::load).transpose()?;
            place::file(&settings, configuration.as_ref().map(|(found, _)| found))
        });
        let Some(place) = place.await? else { return Ok(None) };
        let Some(store) = SqliteStore::open_existing(&place).await? else { return Ok(None) };
        let all: Vec<(String, NodeDefinition)> = read_all(&store, Table::Definition, "").await?;
        Ok::<_, Error>(Some(all.into_iter().map(|(_, definition)| definition).collect()))
    };
    Ok(read.await.unwrap_or_else(|error| {
        tracing::warn!("the imported node definitions are left out: {error}");
        None
    }))
}

/// What a build tells in other words: planning says which node is waited for although no dependency says
/// so, which credentials are missing and which templates cannot be rendered.
const TOLD_ELSEWHERE: [Code; 2] = [codes::NO_DEPENDENCY, codes::BAD_TEMPLATE];

/// The lints of what `request` builds, whose files are in order by themselves. `used` are the definitions of
/// its nodes. Blocks while it reads the files.
pub(crate) fn hints(request: &BuildRequest, used: &[NodeDefinition]) -> Diagnostics {
    let description = match &request.description {
        Input::File(path) => yaml::load_file(path, Dialect::default()),
        Input::Text { text, base } => yaml::load_text("<text>", text, base, Dialect::default()),
    };
    // What has changed since it was checked a moment ago is none of a lint's business.
    let (Ok(description), Ok(overrides)) = (description, request.variables.read()) else {
        return Diagnostics::new();
    };
    let definitions = request.definitions.iter().map(|path| yaml::load_file(path, Dialect::default()));
    let definitions: Vec<yaml::Node> = definitions.filter_map(Result::ok).collect();
    let found = lint(&Subject {
        infrastructures: vec![&description],
        definitions: definitions.iter().collect(),
        imported: Some(used),
        credentials: Vec::new(),
        overrides: &overrides,
        scanner: &Templates::new(),
    });
    let mut hints = Diagnostics::new();
    let new = found.into_iter().filter(|warning| !TOLD_ELSEWHERE.contains(&warning.code));
    new.for_each(|warning| hints.push(warning));
    hints
}
