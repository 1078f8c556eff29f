//! Saved plans: a plan that was shown once is carried out exactly so, or not at all.

mod world;

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use occopus_descriptor::Diagnostics;
use occopus_descriptor::model::NodeDefinition;
use occopus_engine::control::{load, waiting_requests};
use occopus_engine::error::EngineError;
use occopus_engine::ids::{InfraId, StoreId};
use occopus_engine::plan::{Order, Plan, Situation};
use occopus_engine::record::{Generation, Rollout, digest};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Occopus;
use crate::build::Prepared;
use crate::define::off_the_runtime;
use crate::error::Error;
use crate::status::describe;
use world::World;

/// Version of the files.
const SCHEMA: u32 = 1;

/// The key of the digest of everything else in a file.
const DIGEST: &str = "digest";

/// Largest file that is read, in bytes.
const MAX_FILE: u64 = 256 << 20;

/// A plan with all that it takes to carry it out, and the situation that it was made for. Secrets are in it
/// by their references only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedPlan {
    /// Format version.
    schema: u32,
    /// The store that it was made with.
    store: StoreId,
    /// When it was made.
    made_at: Timestamp,
    /// Whether instances are created one after the other.
    sequential: bool,
    infra_id: InfraId,
    exists: bool,
    only: bool,
    generation: Generation,
    definitions: Vec<NodeDefinition>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rollout: Option<Rollout>,
    /// What a build has to find before it begins.
    #[serde(flatten)]
    expected: Expected,
}

/// What a build has to find before it begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Expected {
    /// The situation.
    world: World,
    /// The plan that was shown.
    plan: Value,
}

impl SavedPlan {
    /// Reads the plan in the file at `path`.
    ///
    /// # Errors
    /// The file cannot be read, or holds no plan of this version.
    pub async fn read(path: &Path) -> Result<Self, Error> {
        let path = path.to_owned();
        off_the_runtime(move || read(&path)).await
    }

    /// Writes the plan to a file at `path` that nobody else can read. A saved plan that is there is replaced.
    ///
    /// # Errors
    /// The file cannot be written, or something else is there.
    pub async fn write(&self, path: &Path) -> Result<(), Error> {
        let mut value = json!(self);
        value[DIGEST] = digest(&value).into();
        let (path, text) = (path.to_owned(), format!("{value:#}\n"));
        off_the_runtime(move || {
            let failed = |error| format!("the plan cannot be saved in '{}': {error}", path.display());
            require_replaceable(&path)?;
            write(&path, &text).map_err(|error| Error::File(failed(error)))
        })
        .await
    }

    /// The order of creation that was planned.
    pub fn order(&self) -> Order {
        if self.sequential { Order::Sequential } else { Order::Parallel }
    }
}

fn read(path: &Path) -> Result<SavedPlan, Error> {
    let shown = path.display();
    let unreadable = |error: std::io::Error| {
        let hint = format!("make one with `occopus plan FILE --save {shown}`");
        Error::File(format!("the saved plan '{shown}' cannot be read: {error}; {hint}"))
    };
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() || metadata.len() > MAX_FILE {
        return Err(no_plan(path, "it is no regular file of a sensible size"));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let mut value: Value = serde_json::from_str(&text).map_err(|error| no_plan(path, &error.to_string()))?;
    match value.get("schema").and_then(Value::as_u64) {
        Some(version) if version == u64::from(SCHEMA) => {}
        Some(version) => {
            return Err(no_plan(path, &format!("it is of version {version}; this is {SCHEMA}")));
        }
        None => return Err(no_plan(path, "it has no version")),
    }
    // What is done has to be what was shown: nobody has seen the plan of a file that was edited.
    let written = value.as_object_mut().and_then(|entries| entries.remove(DIGEST));
    if written != Some(digest(&value).into()) {
        return Err(no_plan(path, "it was changed after it had been saved"));
    }
    serde_json::from_value(value).map_err(|error| no_plan(path, &error.to_string()))
}

fn no_plan(path: &Path, reason: &str) -> Error {
    let path = path.display();
    Error::Usage(format!(
        "'{path}' holds no saved plan: {reason}; make one with `occopus plan FILE --save {path}`"
    ))
}

/// Whoever mistypes a name must not lose a file by it, nor a device.
fn require_replaceable(path: &Path) -> Result<(), Error> {
    let is_plan = match std::fs::symlink_metadata(path) {
        // Nothing is there, or to write will tell what is wrong.
        Err(_) => return Ok(()),
        Ok(metadata) => metadata.is_file() && metadata.len() <= MAX_FILE && holds_plan(path),
    };
    if is_plan {
        return Ok(());
    }
    let path = path.display();
    Err(Error::Usage(format!(
        "'{path}' is there and is no saved plan: give the plan another name (nothing was changed)"
    )))
}

/// Whether it looks like a saved plan, of whatever version.
fn holds_plan(path: &Path) -> bool {
    let value = std::fs::read(path).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok());
    value.is_some_and(|value| ["schema", DIGEST, "plan"].iter().all(|key| value.get(key).is_some()))
}

/// The whole file or nothing of it, readable by its owner only from the beginning.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new: PathBuf = path.with_file_name(name);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| std::fs::rename(&new, path));
    if written.is_err() {
        // The error that counts is the first one.
        drop(std::fs::remove_file(&new));
    }
    written
}

impl Occopus {
    /// What a prepared build would do, with all that it takes to do exactly that later. Changes nothing.
    pub async fn save_plan(
        &self,
        prepared: &Prepared,
        order: Order,
    ) -> Result<(SavedPlan, Plan, Situation), Error> {
        let (plan, situation) = self.preview(prepared, order).await?;
        let saved = SavedPlan {
            schema: SCHEMA,
            store: self.engine.store.id().clone(),
            made_at: self.engine.clock.wall(),
            sequential: order == Order::Sequential,
            infra_id: prepared.infra_id.clone(),
            exists: prepared.exists,
            only: prepared.only,
            generation: prepared.generation.clone(),
            definitions: prepared.definitions.clone(),
            rollout: prepared.rollout.clone(),
            expected: Expected { world: self.world(&situation).await?, plan: json!(plan) },
        };
        Ok((saved, plan, situation))
    }

    /// The build of a saved plan, with the plan as it is now: the same.
    ///
    /// # Errors
    /// The world has moved on since the plan was saved; the message says how.
    pub async fn prepare_saved(&self, saved: SavedPlan) -> Result<(Prepared, Plan, Situation), Error> {
        if saved.store != *self.engine.store.id() {
            let (here, location) = (self.engine.store.id(), self.store_location());
            return Err(Error::Usage(format!(
                "the plan was made with the store {}, and {location} is {here}; name the right one with --store",
                saved.store
            )));
        }
        let order = saved.order();
        self.check_feasible(&saved.generation)?;
        let prepared = Prepared {
            infra_id: saved.infra_id,
            exists: saved.exists,
            only: saved.only,
            missing_secrets: self.unreadable_secrets(&saved.generation).await,
            generation: saved.generation,
            definitions: saved.definitions,
            rollout: saved.rollout,
            warnings: Diagnostics::new(),
            confirmed: None,
            expected: Some(saved.expected),
        };
        let (plan, situation) = self.expect(&prepared, order).await?;
        Ok((prepared, plan, situation))
    }

    /// The plan of `prepared`, which has to be the one that is expected, if one is.
    pub(crate) async fn expect(&self, prepared: &Prepared, order: Order) -> Result<(Plan, Situation), Error> {
        let (plan, situation) = self.preview(prepared, order).await?;
        let Some(expected) = &prepared.expected else { return Ok((plan, situation)) };
        let mut moved = expected.world.differences(&self.world(&situation).await?);
        if moved.is_empty() && work(&expected.plan) != work(&json!(plan)) {
            moved.push("what is planned now is something else:".to_owned());
            moved.extend(plan.actions.iter().map(ToString::to_string));
        }
        if moved.is_empty() {
            return Ok((plan, situation));
        }
        Err(Error::Usage(format!(
            "the world has moved on since the plan was saved:\n  {}\nmake another plan (nothing was changed)",
            moved.join("\n  ")
        )))
    }

    /// The situation without what a build of `situation` would change about its record.
    async fn world(&self, situation: &Situation) -> Result<World, Error> {
        let infra = &situation.record.id;
        let record = match load(&self.engine, infra).await {
            Ok((record, ..)) => Some(record),
            Err(EngineError::UnknownInfrastructure { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let requests = waiting_requests(&self.engine, infra).await?;
        let requests = requests.iter().map(|(_, request)| describe(&request.node, &request.change)).collect();
        Ok(World::of(record.as_ref(), situation, requests))
    }
}

/// The actions of a plan without their causes, which may tell the time, and the barriers among them.
fn work(plan: &Value) -> (Vec<Value>, &Value) {
    let mut actions = plan["actions"].as_array().cloned().unwrap_or_default();
    for action in actions.iter_mut().filter_map(Value::as_object_mut) {
        action.remove("cause");
    }
    (actions, &plan["barriers"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_plan_is_refused_with_the_command_that_makes_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.json");
        for (text, reason) in [
            ("", "EOF"),
            ("{}", "no version"),
            (r#"{"schema": 2}"#, "version 2"),
            (r#"{"schema": 1}"#, "changed after"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains("occopus plan FILE --save"), "{error}");
        }
    }

    #[test]
    fn a_file_that_is_there_is_replaced_by_one_that_only_its_owner_reads() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.json");
        std::fs::write(&path, "old").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        write(&path, "new").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
