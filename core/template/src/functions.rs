//! The functions of templates: addresses of other nodes, `cut`, and where the others are put in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minijinja::value::{Kwargs, Rest, Tuple, ValueKind};
use minijinja::{Environment, Error, Value};
use occopus_descriptor::model::Infrastructure;
use occopus_engine::context::{InstanceView, RenderInput};
use occopus_engine::ids::InfraId;

use crate::command::Commands;
use crate::engine;
use crate::error::Refusal;
use crate::ibget;
use crate::printing;
use crate::scan::{ADDRESS_FUNCTIONS, NAME_ARGUMENT};

/// The address every look-up of a trial rendering returns.
const PLACEHOLDER: &str = "0.0.0.0";

fn node_names(infrastructure: &Infrastructure) -> BTreeSet<String> {
    infrastructure.nodes.iter().map(|node| node.name.clone()).collect()
}

/// Whether the context may not define `name`, because a function is called so.
pub(crate) fn is_function(name: &str) -> bool {
    ADDRESS_FUNCTIONS.contains(&name) || ["cut", "cmd", "ibget"].contains(&name)
}

/// An instance as the functions know it.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    node: String,
    id: String,
    address: Option<String>,
    private: Option<String>,
    pub(crate) record: Value,
}

impl Known {
    fn new(node: &str, view: &InstanceView, with_record: bool) -> Self {
        let record = if with_record { &view.record } else { &serde_json::Value::Null };
        let address = view.addresses.iter().find(|address| !address.is_empty()).cloned();
        Self {
            node: node.to_owned(),
            id: view.node_id.to_string(),
            private: view.private_address.clone().or_else(|| address.clone()),
            address,
            record: engine::value(record),
        }
    }

    fn placeholder() -> Self {
        let address = Some(PLACEHOLDER.to_owned());
        Self {
            node: String::new(),
            id: String::new(),
            private: address.clone(),
            address,
            record: engine::mapping(&serde_json::Map::new()),
        }
    }
}

/// Looks instances up, and remembers what was asked and what was doubtful.
#[derive(Debug)]
pub(crate) struct Directory {
    /// The node whose templates are rendered; empty for templates that belong to none.
    node: String,
    /// Its resource type; empty if there is no node.
    resource: String,
    infra_id: String,
    infra_name: String,
    /// Names of all nodes of the infrastructure.
    nodes: BTreeSet<String>,
    instances: BTreeMap<String, Vec<Known>>,
    trial: bool,
    commands: Commands,
    notes: Mutex<Notes>,
}

#[derive(Debug, Default)]
struct Notes {
    asked: BTreeSet<String>,
    warnings: Vec<String>,
}

/// Which of the two addresses.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Which {
    Primary,
    Private,
}

impl Directory {
    /// A directory of the living instances. `templates` is text that holds all templates: what they do not
    /// mention is left out, because infrastructures may have thousands of instances.
    pub(crate) fn new(input: &RenderInput<'_>, templates: &str, commands: Commands) -> Self {
        let with_records = templates.contains("find_node_id") || templates.contains("ibget");
        let is_used = with_records || ADDRESS_FUNCTIONS.iter().any(|function| templates.contains(function));
        let known = |(name, views): (&String, &Vec<InstanceView>)| {
            (name.clone(), views.iter().map(|view| Known::new(name, view, with_records)).collect())
        };
        Self {
            node: input.node.name.clone(),
            resource: input.implementation.resource_type().to_owned(),
            infra_id: input.infra_id.to_string(),
            infra_name: input.infrastructure.name.clone(),
            nodes: node_names(input.infrastructure),
            instances: input.instances.iter().filter(|_| is_used).map(known).collect(),
            trial: false,
            commands,
            notes: Mutex::default(),
        }
    }

    /// A directory for templates that belong to no node, such as outputs.
    pub(crate) fn of_outputs(
        (infra_id, infrastructure): (&InfraId, &Infrastructure),
        instances: &BTreeMap<String, Vec<InstanceView>>,
        commands: Commands,
    ) -> Self {
        let known = |(name, views): (&String, &Vec<InstanceView>)| {
            (name.clone(), views.iter().map(|view| Known::new(name, view, true)).collect())
        };
        Self {
            node: String::new(),
            resource: String::new(),
            infra_id: infra_id.to_string(),
            infra_name: infrastructure.name.clone(),
            nodes: node_names(infrastructure),
            instances: instances.iter().map(known).collect(),
            trial: false,
            commands,
            notes: Mutex::default(),
        }
    }

    /// A directory that answers every question with a placeholder.
    pub(crate) fn trial(node: &str, resource: &str, infrastructure: &Infrastructure) -> Self {
        Self {
            node: node.to_owned(),
            resource: resource.to_owned(),
            infra_id: String::new(),
            infra_name: infrastructure.name.clone(),
            nodes: node_names(infrastructure),
            instances: BTreeMap::new(),
            trial: true,
            commands: Commands::Imagined,
            notes: Mutex::default(),
        }
    }

    /// Whether every question is answered with a placeholder.
    pub(crate) fn is_trial(&self) -> bool {
        self.trial
    }

    /// Identifier and name of the infrastructure.
    pub(crate) fn infrastructure(&self) -> (&str, &str) {
        (&self.infra_id, &self.infra_name)
    }

    /// The instances of the node `name`, or of all nodes, that have the id `node_id`, if one is given.
    pub(crate) fn find(&self, name: Option<&str>, node_id: Option<&str>) -> Vec<Known> {
        self.notes().asked.extend(name.map(str::to_owned));
        if self.trial {
            return vec![Known::placeholder()];
        }
        let named = self.instances.iter().filter(|(node, _)| name.is_none_or(|name| name == *node));
        let all = named.flat_map(|(_, list)| list);
        all.filter(|known| node_id.is_none_or(|id| id == known.id)).cloned().collect()
    }

    /// The output of a command.
    fn command(&self, text: &str) -> Result<String, Refusal> {
        self.commands.output(text, |warning| self.warn(warning))
    }

    /// Names of the nodes that were looked up.
    pub(crate) fn asked(&self) -> BTreeSet<String> {
        self.notes().asked.clone()
    }

    /// The warnings so far, each once.
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.notes().warnings.clone()
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        // The notes are valid after any panic, so a poisoned lock is no reason to stop.
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn warn(&self, text: String) {
        let warnings = &mut self.notes().warnings;
        if !warnings.contains(&text) {
            warnings.push(text);
        }
    }

    /// All instances the call can mean, never none.
    fn candidates(&self, call: &Call) -> Result<Vec<Known>, Refusal> {
        let name = self.meant(call)?;
        if let Some(name) = &name {
            self.notes().asked.insert(name.clone());
        }
        if self.trial {
            return Ok(vec![Known::placeholder()]);
        }
        let found: Vec<Known> = match &name {
            Some(name) => self.instances.get(name).cloned().unwrap_or_default(),
            None => self.instances.values().flatten().cloned().collect(),
        };
        if found.is_empty() { Err(self.nothing_found(call, name.as_deref())) } else { Ok(found) }
    }

    /// The node name a call means; `None` if all nodes are meant.
    fn meant(&self, call: &Call) -> Result<Option<String>, Refusal> {
        if !call.is_vague() {
            return printing::text(&call.node).map(Some);
        }
        let function = call.function;
        let written = call.name.as_deref().unwrap_or_default();
        if call.node.is_undefined() && self.nodes.contains(written) {
            self.warn(format!(
                "{function}({written}) has no quotes; it is taken as {function}('{written}'), so write it that way"
            ));
            return Ok(Some(written.to_owned()));
        }
        self.warn(format!(
            "{function}({written}) names no node, so the instances of all nodes are candidates; write the name of a node in quotes"
        ));
        Ok(None)
    }

    fn nothing_found(&self, call: &Call, name: Option<&str>) -> Refusal {
        let Some(name) = name else {
            if self.node.is_empty() {
                return Refusal(format!("{}() found no living instance of any node", call.function));
            }
            return Refusal(format!(
                "{}() found no instance at all; give the name of a node in quotes and let '{}' depend on it",
                call.function, self.node
            ));
        };
        let remedy = if self.nodes.contains(name) && self.node.is_empty() {
            return Refusal(format!("node '{name}' has no living instance now"));
        } else if self.nodes.contains(name) {
            format!("add the dependency [{}, {name}] so that '{name}' is ready first", self.node)
        } else {
            let known = self.nodes.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            format!("the nodes of this infrastructure are: {known}")
        };
        Refusal(format!("No node exists with the given name '{name}'; {remedy}"))
    }

    /// The oldest candidate, with a warning if there is a choice.
    fn first(&self, call: &Call) -> Result<Known, Refusal> {
        let candidates = self.candidates(call)?;
        if let [first, _, ..] = candidates.as_slice() {
            let ids = candidates.iter().map(|known| known.id.as_str()).collect::<Vec<_>>().join(", ");
            self.warn(format!(
                "There are multiple nodes with the same node name ({}). Multiple nodes are {ids}. \
                 Choosing the first one as default ({}).",
                first.node, first.id
            ));
        }
        candidates.into_iter().next().ok_or_else(|| self.nothing_found(call, None))
    }

    pub(crate) fn address(&self, known: &Known, which: Which) -> Result<String, Refusal> {
        let address = match which {
            Which::Primary => &known.address,
            Which::Private => &known.private,
        };
        let Some(address) = address else {
            if self.node.is_empty() {
                return Err(Refusal(format!(
                    "instance {} of node '{}' has no address yet",
                    known.id, known.node
                )));
            }
            return Err(Refusal(format!(
                "instance {} of node '{}' has no address yet: it is not ready; let '{}' depend on '{}'",
                known.id, known.node, self.node, known.node
            )));
        };
        if !matches!(self.resource.as_str(), "" | "process") && address.starts_with("127.") {
            self.warn(format!(
                "address {address} of node '{}' is a loopback address; instance of '{}' on {} cannot reach it",
                known.node, self.node, self.resource
            ));
        }
        Ok(address.clone())
    }
}

/// The arguments of a look-up.
struct Call {
    function: &'static str,
    node: Value,
    /// The identifier that stands in the template, if the argument is nothing else.
    name: Option<String>,
    all: bool,
}

impl Call {
    /// Reads `function(node)`, and for `find_node_id` also `allnodes`.
    fn read(function: &'static str, positional: Vec<Value>, kwargs: &Kwargs) -> Result<Self, Error> {
        let limit = if function == "find_node_id" { 2 } else { 1 };
        if positional.len() > limit {
            return Err(Refusal(format!("{function}() takes {limit} argument(s): the name of a node")).into());
        }
        let mut positional = positional.into_iter();
        let node = match positional.next() {
            Some(node) => node,
            None if kwargs.has("node") => kwargs.get("node")?,
            None => return Err(Refusal(format!("{function}() needs the name of a node")).into()),
        };
        let all = match positional.next() {
            Some(all) => all.is_true(),
            None => kwargs.get::<Option<Value>>("allnodes")?.is_some_and(|all| all.is_true()),
        };
        Ok(Self { function, node, name: kwargs.get(NAME_ARGUMENT)?, all })
    }

    /// Whether the argument names nothing: undefined, null or empty.
    fn is_vague(&self) -> bool {
        self.node.is_undefined() || self.node.is_none() || self.node.as_str() == Some("")
    }
}

/// Adds the functions that look instances up in `directory`.
pub(crate) fn add_look_ups(environment: &mut Environment<'static>, directory: &Arc<Directory>) {
    add(environment, directory, "getip", |directory, call| {
        Ok(directory.address(&directory.first(call)?, Which::Primary)?.into())
    });
    add(environment, directory, "getprivip", |directory, call| {
        Ok(directory.address(&directory.first(call)?, Which::Private)?.into())
    });
    add(environment, directory, "getipall", |directory, call| {
        let candidates = directory.candidates(call)?;
        let addresses: Result<Vec<String>, Refusal> =
            candidates.iter().map(|known| directory.address(known, Which::Primary)).collect();
        Ok(addresses?.into())
    });
    add(environment, directory, "find_node_id", |directory, call| {
        if call.all {
            let candidates = directory.candidates(call)?;
            return Ok(candidates.into_iter().map(|known| known.record).collect());
        }
        Ok(directory.first(call)?.record)
    });
    let commands = Arc::clone(directory);
    environment.add_function("cmd", move |text: Value| -> Result<Value, Error> {
        Ok(commands.command(&printing::text(&text)?)?.into())
    });
    let asked = Arc::clone(directory);
    environment.add_function("ibget", move |arguments: Rest<Value>, kwargs: Kwargs| {
        ibget::answer(&asked, &arguments.0, &kwargs)
    });
}

fn add(
    environment: &mut Environment<'static>,
    directory: &Arc<Directory>,
    name: &'static str,
    answer: fn(&Directory, &Call) -> Result<Value, Refusal>,
) {
    let directory = Arc::clone(directory);
    environment.add_function(name, move |arguments: Rest<Value>, kwargs: Kwargs| -> Result<Value, Error> {
        let call = Call::read(name, arguments.0, &kwargs)?;
        kwargs.assert_all_used()?;
        Ok(answer(&directory, &call)?)
    });
}

/// Adds the functions that need no instances.
pub(crate) fn add_common(environment: &mut Environment<'static>) {
    environment.add_function("cut", cut);
    environment.add_function("cmd", |_: Rest<Value>| refused("cmd"));
    environment.add_function("ibget", |_: Rest<Value>, _: Kwargs| refused("ibget"));
}

/// Health checks are made again and again, by whoever looks after an instance.
fn refused(function: &str) -> Result<Value, Error> {
    Err(Refusal(format!("{function}() is not available in a health check; use ip, node_id and variables"))
        .into())
}

/// `text[start:end]` with the rules of Python: negative positions count from the end, `none` is open,
/// positions outside are moved to the end they passed.
fn cut(text: Value, start: Option<i64>, end: Option<i64>) -> Result<Value, Error> {
    match text.kind() {
        ValueKind::String => {
            let characters: Vec<char> = text.as_str().unwrap_or_default().chars().collect();
            let (start, end) = bounds(characters.len(), start, end);
            Ok(characters[start..end].iter().collect::<String>().into())
        }
        ValueKind::Seq => {
            let items: Vec<Value> = text.try_iter()?.collect();
            let (start, end) = bounds(items.len(), start, end);
            let part = items[start..end].to_vec();
            Ok(if text.is_tuple() { Tuple::from(part).into() } else { part.into() })
        }
        kind => Err(Refusal(format!("cut() needs a text or a list, not: {kind}")).into()),
    }
}

/// The bounds of a Python slice of `length` items, `start <= end <= length`.
fn bounds(length: usize, start: Option<i64>, end: Option<i64>) -> (usize, usize) {
    let place = |position: i64| {
        let distance = usize::try_from(position.unsigned_abs()).unwrap_or(usize::MAX);
        if position < 0 { length.saturating_sub(distance) } else { distance.min(length) }
    };
    let start = start.map_or(0, place);
    (start, end.map_or(length, place).max(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_follow_python() {
        for (start, end, expected) in [
            (Some(0), Some(4), (0, 4)),
            (None, None, (0, 10)),
            (Some(-3), None, (7, 10)),
            (Some(2), Some(-2), (2, 8)),
            (Some(-100), Some(100), (0, 10)),
            (Some(7), Some(3), (7, 7)),
            (Some(i64::MIN), Some(i64::MAX), (0, 10)),
        ] {
            assert_eq!(bounds(10, start, end), expected);
        }
    }

    #[test]
    fn cut_counts_characters_not_bytes() {
        let part = cut("äöü".into(), Some(1), Some(2)).unwrap();
        assert_eq!(part.as_str(), Some("ö"));
    }
}
