//! The contextualiser: one entry point for all contextualisation types.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use occopus_descriptor::lint::Flaw;
use occopus_descriptor::model::{Implementation, Infrastructure, Node};
use occopus_engine::context::{
    Contextualiser, InstanceView, RenderError, RenderInput, Rendered, RenderedHealth,
};
use occopus_engine::ids::{InfraId, NodeId};
use serde_json::{Map, Value, json};

use crate::command::{CommandRunner, Commands};
use crate::engine::Engine;
use crate::error::{Fault, Spot};
use crate::flaws;
use crate::functions::Directory;
use crate::names::{self, Names};
use crate::section::{self, Keys};
use crate::yaml::{self, Layout};

/// First line of user data that cloud-init reads as its own YAML.
const CLOUD_CONFIG: &str = "#cloud-config";

/// Renders templates and contextualises instances, with the contextualisation types `cloudinit`, `docker`,
/// `process` (same fields as `docker`) and `basic`, which is also meant where there is none.
///
/// Templates read no files and no credentials, and run commands only where that is allowed. Rendering a section is bounded to a
/// million steps and one MiB of result. Messages never show the value of a variable.
#[derive(Debug, Clone)]
pub struct Templates {
    engine: Engine,
    commands: Commands,
}

impl Default for Templates {
    fn default() -> Self {
        Self::new()
    }
}

impl Templates {
    /// A contextualiser; one serves any number of infrastructures at the same time. `cmd` is refused.
    pub fn new() -> Self {
        Self { engine: Engine::new(), commands: Commands::Refused }
    }

    /// The same, in which `cmd` runs commands by `runner`.
    #[must_use]
    pub fn with_commands(self, runner: Arc<dyn CommandRunner>) -> Self {
        Self { commands: Commands::Run(runner), ..self }
    }

    /// The same, in which `cmd` gives `<output of COMMAND>` and runs nothing.
    #[must_use]
    pub fn with_imagined_commands(self) -> Self {
        Self { commands: Commands::Imagined, ..self }
    }

    /// The templates of `implementation` that can never be rendered, whatever the node and its values are:
    /// wrong syntax, unknown filters and tests.
    pub fn flaws(&self, implementation: &Implementation) -> Vec<Flaw> {
        flaws::of(&self.engine, implementation)
    }

    /// The first template that fails for `node` because it calls a function that does not exist, found by a
    /// trial rendering.
    pub fn unknown_function(
        &self,
        infrastructure: &Infrastructure,
        node: &Node,
        implementation: &Implementation,
    ) -> Option<Flaw> {
        if !flaws::may_call_unknown(&self.engine, implementation) {
            return None;
        }
        self.trial(infrastructure, node, implementation, |rendering| rendering.run().err())
            .1
            .filter(|fault| fault.certain)
            .map(Flaw::from)
    }

    /// Renders `source`, the output called `name` of `infrastructure`. It sees `infra_id`, `infra_name`, `user_id`,
    /// the variables of the infrastructure and the functions that look `instances` up, but no node.
    ///
    /// # Errors
    /// Where and why it cannot be rendered; that a node has no instance, for example.
    pub fn render_output(
        &self,
        (infra_id, infrastructure): (&InfraId, &Infrastructure),
        instances: &BTreeMap<String, Vec<InstanceView>>,
        (name, source): (&str, &str),
    ) -> Result<String, RenderError> {
        let directory =
            Arc::new(Directory::of_outputs((infra_id, infrastructure), instances, self.commands.clone()));
        let names = Names::of_outputs(infra_id.as_str(), infrastructure).value();
        let rendered = self.engine.with(&directory).render(source, &names);
        rendered.map_err(|fault| RenderError(fault.within(name).within("outputs").to_string()))
    }

    /// Lets `work` render where every look-up is answered by a placeholder.
    fn trial<T>(
        &self,
        infrastructure: &Infrastructure,
        node: &Node,
        implementation: &Implementation,
        work: impl FnOnce(Rendering<'_>) -> T,
    ) -> (Arc<Directory>, T) {
        let resource = implementation.resource_type();
        let directory = Arc::new(Directory::trial(&node.name, resource, infrastructure));
        let (infra_id, node_id, instances) = (InfraId::from("trial"), NodeId::from("trial"), BTreeMap::new());
        let input = RenderInput {
            infra_id: &infra_id,
            infrastructure,
            node,
            implementation,
            node_id: &node_id,
            instances: &instances,
        };
        let result = work(Rendering::new(&self.engine, &input, &directory));
        (directory, result)
    }
}

impl Contextualiser for Templates {
    fn render(&self, input: &RenderInput<'_>) -> Result<Rendered, RenderError> {
        let directory =
            Arc::new(Directory::new(input, &json!(input.implementation).to_string(), self.commands.clone()));
        let mut rendered = Rendering::new(&self.engine, input, &directory)
            .run()
            .map_err(|fault| located(input.node, input.implementation, fault))?;
        rendered.warnings = directory.warnings();
        Ok(rendered)
    }

    fn try_out(&self, input: &RenderInput<'_>) -> Result<Rendered, RenderError> {
        match self.commands {
            Commands::Run(_) => self.clone().with_imagined_commands().render(input),
            Commands::Imagined | Commands::Refused => self.render(input),
        }
    }

    fn references(
        &self,
        infrastructure: &Infrastructure,
        node: &Node,
        implementation: &Implementation,
    ) -> BTreeSet<String> {
        let (directory, ()) = self.trial(infrastructure, node, implementation, |rendering| {
            rendering.try_each_string();
            // What fails here has said which nodes it asks for before, and fails again when it matters.
            let _ = rendering.run();
        });
        directory.asked()
    }

    fn render_health(
        &self,
        node: &Node,
        implementation: &Implementation,
        node_id: &NodeId,
        ip: &str,
        record: &Value,
    ) -> Result<RenderedHealth, RenderError> {
        let names = Names::health(node, node_id.as_str(), ip, record).value();
        let check = implementation.health();
        let located = |fault: Fault| located(node, implementation, fault.within("health_check"));
        let render = |source: &str| self.engine.render(source, &names);
        let url = |(number, source): (usize, &String)| {
            render(source).map_err(|fault| located(fault.within(number).within("urls")))
        };
        let database = |(number, (name, user, password)): (usize, &(String, String, String))| {
            let field = |key: &str, source: &str| {
                render(source).map_err(|fault| located(fault.within(key).within(number).within("mysqldbs")))
            };
            Ok((field("name", name)?, field("user", user)?, field("pass", password)?))
        };
        Ok(RenderedHealth {
            urls: check.urls.iter().enumerate().map(url).collect::<Result<_, _>>()?,
            mysqldbs: check.mysqldbs.iter().enumerate().map(database).collect::<Result<_, _>>()?,
        })
    }
}

/// The fault as one line for people: where, why, what to do.
fn located(node: &Node, implementation: &Implementation, fault: Fault) -> RenderError {
    RenderError(format!("node '{}' ({}), {fault}", node.name, implementation.resource_type()))
}

/// One rendering of one implementation.
struct Rendering<'a> {
    engine: Engine,
    input: &'a RenderInput<'a>,
    names: Names,
}

impl<'a> Rendering<'a> {
    fn new(engine: &Engine, input: &'a RenderInput<'a>, directory: &Arc<Directory>) -> Self {
        let names = Names::new(
            input.infra_id.as_str(),
            input.node_id.as_str(),
            input.infrastructure,
            input.node,
            input.implementation,
        );
        Self { engine: engine.with(directory), input, names }
    }

    fn run(mut self) -> Result<Rendered, Fault> {
        let kind = self.input.implementation.contextualisation_type();
        let mut rendered = match kind {
            "cloudinit" => self.cloudinit()?,
            "docker" | "process" => self.container()?,
            "basic" => self.basic()?,
            _ => {
                let reason = "unknown type; use cloudinit, docker, process or basic";
                return Err(Fault::new(reason).within("type").within("contextualisation"));
            }
        };
        let connections =
            names::connections(self.input.infra_id.as_str(), self.input.infrastructure, self.input.node);
        rendered.attributes.insert("connections".to_owned(), connections);
        Ok(rendered)
    }

    /// User data for virtual machines; the only type that renders the resource section.
    fn cloudinit(&mut self) -> Result<Rendered, Fault> {
        let resource = self.overlaid("resource", &self.input.implementation.resource)?;
        self.names.set_mapping("resource", &resource);
        if let Some(section) = &self.input.implementation.config_management {
            let section = self.overlaid("config_management", section)?;
            self.names.set_mapping("config_management", &section);
            let puppet = names::puppet(&section)
                .map_err(|refusal| Fault::new(refusal.0).within("config_management"))?;
            if let Some(puppet) = puppet {
                self.names.set("puppet", &puppet);
            }
        }
        let context = self.context()?;
        Ok(Rendered { resource, context, attributes: self.attributes()?, ..Rendered::default() })
    }

    fn basic(&self) -> Result<Rendered, Fault> {
        let resource = self.input.implementation.resource.clone();
        Ok(Rendered { resource, attributes: self.attributes()?, ..Rendered::default() })
    }

    /// Environment and command, for containers and processes.
    fn container(&mut self) -> Result<Rendered, Fault> {
        let variables =
            self.context_variables().map_err(|fault| contextualisation(fault.within("context_variables")))?;
        self.names.add_below(&variables);
        self.names.set_mapping("context_variables", &variables);
        let mut attributes = Map::new();
        for key in ["env", "command"] {
            attributes.insert(key.to_owned(), self.strings(key, self.field(key))?);
        }
        let resource = self.input.implementation.resource.clone();
        Ok(Rendered { resource, attributes, ..Rendered::default() })
    }

    /// `context_variables`, rendered as text and read back.
    fn context_variables(&mut self) -> Result<Map<String, Value>, Fault> {
        let value = match self.field("context_variables") {
            Value::String(source) => {
                let text = self.engine.render(source, &self.names.value())?;
                yaml::parse(&text).map_err(|problem| Fault {
                    spot: problem.line.map(|line| Spot { line, column: None, text: None }),
                    ..Fault::new("the rendered text is no YAML; quote the values that are inserted")
                })?
            }
            Value::Null => Value::Null,
            section => section::render(&self.engine, &self.names.value(), section, Layout::Block, "")?.value,
        };
        match value {
            Value::Object(variables) => Ok(variables),
            Value::Null => Ok(Map::new()),
            _ => Err(Fault::new("must give a mapping of names to values")),
        }
    }

    /// The user data.
    fn context(&self) -> Result<Option<String>, Fault> {
        let names = self.names.value();
        let context = match self.field("context_template") {
            Value::Null => return Ok(None),
            Value::String(source) => self.engine.render(source, &names).and_then(|text| {
                check_cloud_config(source, &text)?;
                Ok(text)
            }),
            template @ Value::Object(_) => {
                let header = format!("{CLOUD_CONFIG}\n");
                section::render(&self.engine, &names, template, Layout::Block, &header)
                    .map(|section| section.text)
            }
            _ => Err(Fault::new("must be a text or a mapping")),
        };
        context.map(Some).map_err(|fault| contextualisation(fault.within("context_template")))
    }

    fn attributes(&self) -> Result<Map<String, Value>, Fault> {
        match self.strings("attributes", self.field("attributes"))? {
            Value::Object(attributes) => Ok(attributes),
            Value::Null => Ok(Map::new()),
            _ => Err(contextualisation(Fault::new("must be a mapping").within("attributes"))),
        }
    }

    /// The value of `key` in the contextualisation section.
    fn field(&self, key: &str) -> &'a Value {
        let section = self.input.implementation.contextualisation.as_ref();
        section.and_then(|section| section.get(key)).unwrap_or(&Value::Null)
    }

    /// Every string of a field rendered on its own; keys stay as written.
    fn strings(&self, key: &str, value: &Value) -> Result<Value, Fault> {
        let names = self.names.value();
        section::render_strings(value, Keys::AsWritten, &|source| self.engine.render(source, &names))
            .map_err(|fault| contextualisation(fault.within(key)))
    }

    /// A section rendered as text, laid over what was written.
    fn overlaid(&self, name: &str, section: &Map<String, Value>) -> Result<Map<String, Value>, Fault> {
        let rendered =
            section::render(&self.engine, &self.names.value(), &json!(section), Layout::LeavesInFlow, "")
                .map_err(|fault| fault.within(name))?;
        let mut overlaid = section.clone();
        if let Value::Object(rendered) = rendered.value {
            overlaid.extend(rendered);
        }
        Ok(overlaid)
    }

    /// Renders all strings of all sections, each for itself, for the sake of the look-ups they make.
    fn try_each_string(&self) {
        let names = self.names.value();
        let attempt = |source: &str| {
            // One string that fails must not hide the look-ups of the next.
            let _ = self.engine.render(source, &names);
            Ok(String::new())
        };
        let cloudinit = self.input.implementation.contextualisation_type() == "cloudinit";
        let implementation = self.input.implementation;
        let sections = [
            implementation.contextualisation.as_ref(),
            Some(&implementation.resource).filter(|_| cloudinit),
            implementation.config_management.as_ref().filter(|_| cloudinit),
        ];
        for section in sections.into_iter().flatten() {
            let _ = section::render_strings(&json!(section), Keys::Rendered, &attempt);
        }
    }
}

/// `fault` as one of the contextualisation section.
fn contextualisation(fault: Fault) -> Fault {
    fault.within("contextualisation")
}

/// User data that claims to be a cloud-config must be YAML. The line is quoted only if it stands in the
/// template as it is: anything else could show the value of a variable.
fn check_cloud_config(source: &str, text: &str) -> Result<(), Fault> {
    if !text.starts_with(CLOUD_CONFIG) {
        return Ok(());
    }
    let Err(problem) = yaml::parse(text) else { return Ok(()) };
    let message = "Schema error in context of node definition";
    let Some(number) = problem.line else {
        return Err(Fault::new(format!("{message}: the rendered text is no YAML")));
    };
    let line = text.lines().nth(number - 1).unwrap_or_default();
    let quoted = if source.lines().any(|written| written == line) {
        format!(" ({})", line.trim())
    } else {
        String::new()
    };
    Err(Fault::new(format!(
        "{message} at line {number}.{quoted} The line is that of the rendered text, which is no YAML there"
    )))
}
