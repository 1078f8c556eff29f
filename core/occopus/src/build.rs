//! Building: from files to a prepared generation, to a plan, to a running infrastructure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use occopus_descriptor::diagnostic::Diagnostics;
use occopus_descriptor::model::{Implementation, Infrastructure, Node, NodeDefinition};
use occopus_engine::control::{Built, Controller, Demolished, Effort, Pass, anticipate, assess, load};
use occopus_engine::enact::Failed;
use occopus_engine::error::EngineError;
use occopus_engine::hold::holds;
use occopus_engine::ids::{AttemptId, InfraId};
use occopus_engine::moves::{Moves, moves};
use occopus_engine::plan::{Note, Order, Plan, Situation, What, plan, refusal};
use occopus_engine::record::{Generation, Goal, InfraRecord, Rollout};
use serde::Serialize;
use serde_json::Value;

use crate::Occopus;
use crate::define::off_the_runtime;
use crate::error::Error;
use crate::flaws;
use crate::kept;
use crate::losses::Confirmed;
use crate::operate::OnPlan;
use crate::request::{BuildRequest, Choice, Run, Target};
use crate::saved_plan::Expected;
use crate::status::describe;
use crate::validate;

/// A build whose files are read and checked. Nothing has been changed yet.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The infrastructure; new or existing.
    pub infra_id: InfraId,
    /// Whether it exists already.
    pub exists: bool,
    /// Whether no other infrastructure may have its name.
    pub only: bool,
    /// What is to be pinned.
    pub generation: Generation,
    /// Definitions to import along.
    pub definitions: Vec<NodeDefinition>,
    /// Which outdated instances are replaced, if it exists already; `None` for none.
    pub rollout: Option<Rollout>,
    /// Doubtful things in the files.
    pub warnings: Diagnostics,
    /// Secrets that cannot be read here. A build needs all of them; a preview does not.
    pub missing_secrets: Diagnostics,
    /// What the build may destroy or replace; `None` for whatever it takes.
    pub confirmed: Option<Confirmed>,
    /// What a build has to find before it begins, if it is that of a saved plan.
    pub(crate) expected: Option<Expected>,
}

/// How a build ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BuildReport {
    /// Format version.
    pub schema: u32,
    /// The infrastructure.
    pub infra_id: InfraId,
    /// The result.
    #[serde(flatten)]
    pub built: Built,
    /// Whether a failed change was undone and the old description is in force again.
    pub restored: bool,
    /// Whether nothing was ever made of a first build, so that its record was closed again.
    pub withdrawn: bool,
    /// What could not be undone.
    pub leftovers: Vec<Failed>,
    /// How well the time was used; `None` if there was nothing to do.
    pub efficiency: Option<Efficiency>,
}

/// How well a build used its time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Efficiency {
    /// Seconds that it took.
    pub makespan: f64,
    /// Seconds in which nobody can do it who finds the same latencies and makes as many calls at once.
    pub lower_bound: f64,
    /// The latter divided by the former, at most 1.
    pub efficiency: f64,
}

impl Efficiency {
    fn of(effort: Effort) -> Option<Self> {
        let seconds = |duration: std::time::Duration| (duration.as_secs_f64() * 1000.0).round() / 1000.0;
        effort.efficiency().map(|efficiency| Self {
            makespan: seconds(effort.makespan),
            lower_bound: seconds(effort.lower_bound),
            efficiency: (efficiency * 1000.0).round() / 1000.0,
        })
    }
}

impl fmt::Display for Efficiency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { makespan, lower_bound, efficiency } = self;
        write!(f, "took {makespan:.1} s of which {lower_bound:.1} s were needed (efficiency {efficiency:.2})")
    }
}

impl Occopus {
    /// Reads and checks all files of a build and decides which infrastructure it is for.
    pub async fn prepare(&self, request: &BuildRequest) -> Result<Prepared, Error> {
        let (infrastructure, imported, mut warnings) = self.load(request).await?;
        let definitions = self.definitions_for(&infrastructure, &imported).await?;
        let (infra_id, exists) = self.target(&request.target, &infrastructure).await?;
        let generation = Generation {
            number: 0,
            shuffle: match request.choice {
                Choice::Written => None,
                Choice::Random(Some(seed)) => Some(seed),
                Choice::Random(None) => Some(self.engine.random.uuid().as_u64_pair().0),
            },
            infrastructure,
            definitions,
            created_at: self.engine.clock.wall(),
            author: String::new(),
            undone_at: None,
            epoch: None,
        };
        self.check_feasible(&generation)?;
        let files = request.definitions.clone();
        let generation =
            off_the_runtime(move || flaws::check(&generation, &files).map(|()| generation)).await?;
        let missing_secrets = self.missing_secrets(&generation, request).await?;
        let used: Vec<NodeDefinition> = generation.definitions.values().cloned().collect();
        let asked = request.clone();
        let hints = off_the_runtime(move || Ok::<_, Error>(validate::hints(&asked, &used))).await?;
        hints.into_iter().for_each(|warning| warnings.push(warning));
        let only = request.target == Target::First;
        let rollout = match &request.replacing {
            Some(replacing) if exists => Some(replacing.rollout(&generation.infrastructure)?),
            _ => None,
        };
        Ok(Prepared {
            rollout,
            infra_id,
            exists,
            only,
            generation,
            definitions: imported,
            warnings,
            missing_secrets,
            confirmed: None,
            expected: None,
        })
    }

    /// Loads and checks all files of a build; with the warnings, or all problems of all of them.
    async fn load(
        &self,
        request: &BuildRequest,
    ) -> Result<(Infrastructure, Vec<NodeDefinition>, Diagnostics), Error> {
        let mut problems = Diagnostics::new();
        let description = self.load_description(&request.description, &request.variables).await;
        let description = keep(description, &mut problems)?;
        let mut imported = Vec::new();
        for path in &request.definitions {
            imported.extend(keep(self.load_definitions(path).await, &mut problems)?.unwrap_or_default());
        }
        match description {
            Some(infrastructure) if !problems.has_errors() => Ok((infrastructure, imported, problems)),
            _ => Err(problems.into()),
        }
    }

    /// The definitions of all node types of `infrastructure`: imported along, or from the store.
    async fn definitions_for(
        &self,
        infrastructure: &Infrastructure,
        imported: &[NodeDefinition],
    ) -> Result<BTreeMap<String, NodeDefinition>, Error> {
        let stored = self.imported().await?;
        let along: BTreeMap<&str, &NodeDefinition> =
            imported.iter().map(|definition| (definition.name.as_str(), definition)).collect();
        let mut missing = Vec::new();
        let mut used = BTreeMap::new();
        for node in &infrastructure.nodes {
            let found = match along.get(node.definition.as_str()) {
                Some(definition) => Some((*definition).clone()),
                None => stored.get(&node.definition)?,
            };
            match found {
                Some(definition) => drop(used.insert(node.definition.clone(), definition)),
                None => missing.push(format!("'{}' (type of node '{}')", node.definition, node.name)),
            }
        }
        if missing.is_empty() {
            return Ok(used);
        }
        let known: BTreeSet<&str> = stored.names().chain(along.into_keys()).collect();
        let known = if known.is_empty() {
            "none".to_owned()
        } else {
            known.into_iter().collect::<Vec<_>>().join(", ")
        };
        Err(Error::Usage(format!(
            "No matching node definition: {} is not imported; import it with `occopus define FILE` or give \
             its file with --nodes. Imported: {known}",
            missing.join(", ")
        )))
    }

    /// Every node needs an implementation that passes its filter and that this build can handle.
    pub(crate) fn check_feasible(&self, generation: &Generation) -> Result<(), Error> {
        for node in &generation.infrastructure.nodes {
            let candidates = generation.candidates(node, 1);
            if candidates.is_empty() {
                return Err(Error::Usage(format!(
                    "No matching node definition: none of the implementations of '{}' passes the filter of \
                     node '{}': {}",
                    node.definition,
                    node.name,
                    serde_json::to_string(&node.filter).unwrap_or_default()
                )));
            }
            for (_, implementation) in &candidates {
                self.engine
                    .handlers
                    .get(implementation.resource_type())
                    .map_err(|error| Error::Usage(format!("node '{}': {}", node.name, error.message)))?;
                check_config_manager(node, implementation)?;
            }
        }
        Ok(())
    }

    /// Why a build would certainly fail, as far as that can be known without asking anybody: nodes of
    /// which no implementation has credentials.
    fn obstacles(&self, generation: &Generation) -> Vec<String> {
        let nodes = generation.infrastructure.nodes.iter();
        nodes
            .filter_map(|node| {
                let candidates = generation.candidates(node, 1);
                let lacking =
                    candidates.iter().map(|(_, candidate)| self.lacking_credentials(node, candidate));
                lacking.collect::<Option<Vec<String>>>()?.into_iter().next()
            })
            .collect()
    }

    /// Why there are no credentials, if that is certain before rendering.
    fn lacking_credentials(&self, node: &Node, implementation: &Implementation) -> Option<String> {
        let templated = |value: &Value| value.as_str().is_some_and(|text| text.contains(['{']));
        let needed = self
            .engine
            .handlers
            .get(implementation.resource_type())
            .is_ok_and(|handler| handler.capabilities().needs_credentials);
        if !needed || implementation.resource.values().any(templated) {
            return None;
        }
        match self.engine.credentials.choose(&implementation.resource) {
            Ok(Some(_)) => None,
            Ok(None) => Some(self.no_credentials(node, implementation)),
            Err(error) => Some(format!("node '{}': {error}", node.name)),
        }
    }

    fn no_credentials(&self, node: &Node, implementation: &Implementation) -> String {
        let endpoint = implementation.resource.get("endpoint").and_then(Value::as_str).unwrap_or_default();
        let file = match self.credentials_path() {
            Some(path) => format!("{} has no fitting entry under 'resource'", path.display()),
            None => "there is no credentials file; write ~/.occopus/auth_data.yaml or name one with --auth \
                     (legacy commands: --auth_data_path)"
                .to_owned(),
        };
        format!("node '{}': Cannot find credentials for \"{endpoint}\". Please, specify! {file}", node.name)
    }

    async fn target(&self, target: &Target, description: &Infrastructure) -> Result<(InfraId, bool), Error> {
        match target {
            Target::New => Ok((InfraId::from(self.engine.random.uuid()), false)),
            Target::First => {
                self.check_unused(&description.name).await?;
                Ok((InfraId::from(self.engine.random.uuid()), false))
            }
            Target::Existing(text) => Ok((self.resolve(text).await?, true)),
            Target::Chosen(text) => match self.resolve(text).await {
                Ok(infra_id) => Ok((infra_id, true)),
                Err(Error::Engine(EngineError::UnknownInfrastructure { .. })) => {
                    check_chosen(text)?;
                    Ok((InfraId::from(text.as_str()), false))
                }
                Err(error) => Err(error),
            },
        }
    }

    /// Takes the lease and makes the build durable. A name that must be free is held meanwhile, so that
    /// of several first builds of one name exactly one begins.
    async fn start(
        &self,
        prepared: Prepared,
        run: &Run,
    ) -> Result<(Controller<'_>, Option<InfraRecord>), Error> {
        let name = prepared.generation.infrastructure.name.clone();
        let mut held = None;
        if prepared.only {
            held = Some(self.controller(&InfraId(format!("name:{name}")), run).await?);
            self.check_unused(&name).await?;
        }
        let controller = self.controller(&prepared.infra_id, run).await?;
        let before = match self.put_in_force(&controller, prepared, run.order).await {
            Ok(before) => before,
            Err(error) => {
                // Nothing was begun: others need not wait until the lease has run out.
                controller.close().await?;
                return Err(error);
            }
        };
        if let Some(held) = held {
            held.forget().await?;
        }
        Ok((controller, before))
    }

    /// Makes what is prepared durable, if the world is as expected. Returns the record as it was before.
    async fn put_in_force(
        &self,
        controller: &Controller<'_>,
        prepared: Prepared,
        order: Order,
    ) -> Result<Option<InfraRecord>, Error> {
        if prepared.expected.is_some() {
            self.expect(&prepared, order).await?;
        }
        self.check_confirmed(&prepared, order).await?;
        self.store_definitions(&prepared.definitions).await?;
        if prepared.exists {
            return Ok(Some(controller.reconfigure(prepared.generation, prepared.rollout).await?));
        }
        controller.begin(prepared.generation).await?;
        Ok(None)
    }

    /// Refuses a name that an infrastructure has already.
    async fn check_unused(&self, name: &str) -> Result<(), Error> {
        let all = self.list().await?;
        match all.iter().find(|record| record.name == name && record.goal == Goal::Present) {
            None => Ok(()),
            Some(record) => Err(Error::Usage(format!(
                "infrastructure '{name}' exists already ({}). To change it: occopus build -i {name} FILE. To \
                 build another one: occopus build --new FILE",
                record.id
            ))),
        }
    }

    /// What a prepared build would do. Changes nothing.
    pub async fn preview(&self, prepared: &Prepared, order: Order) -> Result<(Plan, Situation), Error> {
        let infra = &prepared.infra_id;
        let mut generation = prepared.generation.clone();
        let now = self.engine.clock.wall();
        let (mut record, mut attempts, moves) = if prepared.exists {
            let (mut record, in_force, mut attempts) = load(&self.engine, infra).await?;
            let moves = moves(&record, &in_force, &generation, &attempts);
            record.rename(&moves.renames, now);
            for attempt in &mut attempts {
                moves.renames.rename(attempt);
            }
            // An undone change has a number, too: it may be above that of the one in force.
            generation.number = self.generations(infra).await?.last().map_or(0, |newest| newest.number) + 1;
            record.goal = Goal::Present;
            record.put_aside();
            record.rollout.clone_from(&prepared.rollout);
            (record, attempts, moves)
        } else {
            (new_record(infra, &generation), Vec::new(), Moves::default())
        };
        let requests =
            anticipate(&self.engine, &mut record, &generation, &mut attempts, &moves.renames).await?;
        let holds = holds(self.engine.store.as_ref(), infra, now).await?.renamed(&moves.renames);
        let situation = assess(&self.engine, (record, generation), attempts, holds, order, true).await;
        let mut plan = plan(&situation, &self.engine.policy);
        let obstacles = self.obstacles(&prepared.generation).into_iter();
        let missing = prepared.missing_secrets.iter().map(|problem| problem.message.clone());
        let requests = requests.iter().map(|request| {
            format!("a waiting request is carried out, too: {}", describe(&request.node, &request.change))
        });
        let warnings = missing.chain(obstacles).chain(requests).chain(moves.doubts.iter().cloned());
        let moved: Vec<Note> = moves.nodes.iter().map(|names| moved(names, &plan, &situation)).collect();
        plan.notes.splice(..0, moved);
        plan.notes.extend(warnings.map(|text| Note::Warning { text }));
        if prepared.exists {
            plan.notes.extend(self.extras(&situation).await?);
            plan.notes.extend(self.refusal(&situation).map(|text| Note::Warning { text }));
        }
        plan.notes.extend(kept::remarks(&plan, &situation));
        Ok((plan, situation))
    }

    /// Why a build would refuse to change what `situation` is: an operator holds something that would have to
    /// be changed. `None` if nothing is in the way.
    pub fn refusal(&self, situation: &Situation) -> Option<String> {
        refusal(situation, &self.engine.policy)
    }

    /// Carries a prepared build out. One that would have to change what an operator holds is refused, and nothing
    /// is changed. A failed change of an infrastructure that was complete is undone.
    /// With `rollback`, a failed or interrupted first build is destroyed again.
    pub async fn build(
        &self,
        prepared: Prepared,
        run: &Run,
        rollback: bool,
        on_plan: OnPlan<'_>,
    ) -> Result<BuildReport, Error> {
        if !prepared.missing_secrets.is_empty() {
            return Err(prepared.missing_secrets.into());
        }
        if let Some(obstacle) = self.obstacles(&prepared.generation).into_iter().next() {
            return Err(Error::Usage(obstacle));
        }
        self.told(self.carry_out(prepared, run, rollback, on_plan)).await
    }

    async fn carry_out(
        &self,
        prepared: Prepared,
        run: &Run,
        rollback: bool,
        on_plan: OnPlan<'_>,
    ) -> Result<BuildReport, Error> {
        let infra_id = prepared.infra_id.clone();
        let (mut controller, before) = self.start(prepared, run).await?;
        let begun = self.engine.clock.wall();
        let built = controller.converge(on_plan).await?;
        let mut report = BuildReport {
            schema: 1,
            infra_id: infra_id.clone(),
            built,
            restored: false,
            withdrawn: false,
            leftovers: Vec::new(),
            efficiency: Efficiency::of(controller.effort()),
        };
        if let Some(efficiency) = &report.efficiency {
            tracing::info!(infra = %infra_id, "{efficiency}");
        }
        if report.built != Built::Ready {
            undo(&mut controller, before, (rollback, begun), &mut report).await?;
        }
        controller.close().await?;
        Ok(report)
    }
}

/// What was loaded, if it is in order; its problems join `problems`.
fn keep<T>(loaded: Result<(T, Diagnostics), Error>, problems: &mut Diagnostics) -> Result<Option<T>, Error> {
    let (value, found) = match loaded {
        Ok((value, warnings)) => (Some(value), warnings),
        Err(Error::Descriptor(found)) => (None, found),
        Err(other) => return Err(other),
    };
    problems.extend(found);
    Ok(value)
}

/// Undoes what must be undone after a build that did not succeed.
async fn undo(
    controller: &mut Controller<'_>,
    before: Option<InfraRecord>,
    (rollback, begun): (bool, Timestamp),
    report: &mut BuildReport,
) -> Result<(), Error> {
    let interrupted = report.built == Built::Interrupted;
    controller.shield();
    match before {
        // What could not be done yet is what later passes go on with.
        Some(_) if !interrupted && controller.has_only_to_wait(begun).await? => {}
        Some(before) if before.completed && (!interrupted || rollback) => {
            let pass: Pass = controller.restore(&before, &mut |_, _| {}).await?;
            report.restored = true;
            report.leftovers = pass.enacted.failed;
            report.leftovers.extend(pass.plan.notes.into_iter().filter_map(|note| match note {
                Note::Deferred { slot, text, earlier: false, .. } => {
                    Some(Failed { slot, reason: text, passing: true })
                }
                Note::Deferred { .. } | Note::Warning { .. } | Note::Moved { .. } => None,
            }));
        }
        None if rollback => {
            if let Demolished::Incomplete { failures } = controller.destroy(&mut |_, _| {}).await? {
                report.leftovers = failures;
            }
        }
        // Nothing to resume: the user mends the cause and builds again.
        None if !interrupted => report.withdrawn = controller.withdraw().await?,
        Some(_) | None => {}
    }
    Ok(())
}

/// An instance without the configuration its definition asks for must not pass for ready. Puppet solo
/// works through template variables alone.
fn check_config_manager(node: &Node, implementation: &Implementation) -> Result<(), Error> {
    let section = implementation.config_management.as_ref();
    match section.and_then(|section| section.get("type")).and_then(Value::as_str) {
        None | Some("dummy" | "puppet_solo") => Ok(()),
        Some(other) => Err(Error::Usage(format!(
            "node '{}': the config manager '{other}' is not part of this version; take the section \
             'config_management' out of its definition '{}', or configure it by cloud-init",
            node.name, node.definition
        ))),
    }
}

/// The note of a node that gets another name.
fn moved((from, to): &(String, String), plan: &Plan, situation: &Situation) -> Note {
    let ids = situation.instances.iter().map(|instance| &instance.attempt);
    let ids: BTreeSet<&AttemptId> = ids.filter(|a| a.slot.node == *to).map(|attempt| &attempt.id).collect();
    let destroyed = plan.actions.iter().filter(|action| match &action.what {
        What::Destroy { attempt, .. } | What::Settle { attempt, wanted: false } => ids.contains(attempt),
        _ => false,
    });
    let kept = ids.len() - destroyed.count().min(ids.len());
    Note::Moved { from: from.clone(), to: to.clone(), instances: ids.len(), kept }
}

fn new_record(infra: &InfraId, generation: &Generation) -> InfraRecord {
    InfraRecord {
        id: infra.clone(),
        name: generation.infrastructure.name.clone(),
        goal: Goal::Present,
        generation: 1,
        targets: BTreeMap::new(),
        created_at: generation.created_at,
        completed: false,
        closed_at: None,
        rollout: None,
        completed_before: None,
        names: Default::default(),
    }
}

/// An identifier chosen by the user must be usable in names and paths.
fn check_chosen(text: &str) -> Result<(), Error> {
    let fits = (1..=64).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && !text.starts_with(['-', '.']);
    if fits {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "'{text}' cannot be an infrastructure id: use 1 to 64 letters, digits, '-', '_' or '.', not starting \
         with '-' or '.'"
    )))
}
