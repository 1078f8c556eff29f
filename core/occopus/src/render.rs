//! Rendering offline: what every node would be created with. No store, no credentials, no back-end.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use occopus_descriptor::diagnostic::Diagnostics;
use occopus_descriptor::model::{Implementation, Infrastructure, Node, NodeDefinition};
use occopus_descriptor::secret::{SecretRef, fill_instance};
use occopus_engine::context::{Contextualiser, RenderError, RenderInput, Rendered};
use occopus_engine::error::EngineError;
use occopus_engine::ids::{InfraId, NodeId};
use occopus_engine::record::Generation;
use occopus_template::{Templates, mappings, read_yaml, to_yaml};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::define::{load_definitions, load_description, off_the_runtime};
use crate::error::Error;
use crate::request::{Input, Variables};
use crate::{flaws, instances};

/// Identifier of an infrastructure or an instance that does not exist.
const IMAGINED: &str = "00000000-0000-0000-0000-000000000000";

/// First line of user data that cloud-init reads as its own YAML.
const CLOUD_CONFIG: &str = "#cloud-config";

/// What to render, and with which surroundings.
#[derive(Debug, Clone)]
pub struct RenderRequest {
    /// The infrastructure description.
    pub description: Input,
    /// Node definition files; of definitions with the same name the last one counts.
    pub definitions: Vec<PathBuf>,
    /// Variables from outside.
    pub variables: Variables,
    /// Only this node.
    pub node: Option<String>,
    /// A JSON file with the instances that templates find; `None` for one imagined instance for each that
    /// a first build makes.
    pub instances: Option<PathBuf>,
    /// Identifier of the infrastructure; `None` for one of zeros.
    pub infra_id: Option<String>,
    /// Identifier of the instance that is rendered for; `None` for one of zeros.
    pub node_id: Option<String>,
}

/// What the nodes of an infrastructure would be created with.
#[derive(Debug, Clone, Serialize)]
pub struct Rendering {
    /// Format version.
    pub schema: u32,
    /// The nodes in levels of declared dependencies.
    pub levels: Vec<Vec<String>>,
    /// The nodes by name.
    pub nodes: BTreeMap<String, NodeRendering>,
    /// Whether addresses are placeholders, because no instances were given.
    #[serde(skip)]
    pub imagined: bool,
    /// Doubtful things in the files.
    #[serde(skip)]
    pub warnings: Diagnostics,
}

/// What an instance of a node would be created with.
#[derive(Debug, Clone, Serialize)]
pub struct NodeRendering {
    /// The `resource` section.
    pub resource: Map<String, Value>,
    /// Attributes (`env` and `command` for docker and process), with `connections`.
    pub attributes: Map<String, Value>,
    /// The merged variables.
    pub variables: Map<String, Value>,
    /// Attribute mappings, `inbound` and `outbound`, by node.
    pub mappings: Value,
    /// `scaling` as written; null if absent.
    pub scaling: Value,
    /// User data, with contextualisation `cloudinit` only.
    #[serde(flatten)]
    pub context: Option<Context>,
    /// Name of the node definition.
    #[serde(skip)]
    pub definition: String,
    /// Doubtful things found in the templates.
    #[serde(skip)]
    pub warnings: Vec<String>,
}

/// User data.
#[derive(Debug, Clone, Serialize)]
pub struct Context {
    /// A cloud-config as it reads, any other text as it is.
    pub context: Value,
    /// Which of the two.
    pub context_is_cloud_config: bool,
    /// The text that an instance is given; a cloud-config that was written as a mapping is in another, more
    /// readable style.
    #[serde(skip)]
    pub text: String,
}

/// Renders the templates of an infrastructure, of each node with the first implementation that passes its
/// filter. Creates nothing and asks nobody: it reads only the files that are named in `request` or imported
/// by these. Secrets are shown by their reference.
///
/// # Errors
/// All problems of the files; or all templates that cannot be rendered.
pub async fn render(request: RenderRequest) -> Result<Rendering, Error> {
    off_the_runtime(move || rendering(&request)).await
}

fn rendering(request: &RenderRequest) -> Result<Rendering, Error> {
    let (infrastructure, mut warnings) = load_description(&request.description, &request.variables)?;
    let mut definitions = BTreeMap::new();
    for path in &request.definitions {
        let (loaded, more) = load_definitions(path)?;
        definitions.extend(loaded.into_iter().map(|definition| (definition.name.clone(), definition)));
        more.into_iter().for_each(|warning| warnings.push(warning));
    }
    check_node(request.node.as_deref(), &infrastructure)?;
    check_defined(&infrastructure, &definitions)?;
    let created_at = Timestamp::UNIX_EPOCH;
    let generation = Generation {
        number: 0,
        infrastructure,
        definitions,
        shuffle: None,
        created_at,
        author: String::new(),
        undone_at: None,
        epoch: None,
    };
    flaws::check(&generation, &request.definitions)?;
    let infrastructure = &generation.infrastructure;
    let instances = match &request.instances {
        Some(path) => instances::load(path, infrastructure)?,
        None => instances::imagined(infrastructure),
    };
    let infra_id = InfraId::from(request.infra_id.as_deref().unwrap_or(IMAGINED));
    let node_id = NodeId::from(request.node_id.as_deref().unwrap_or(IMAGINED));
    let wanted = |node: &&Node| request.node.as_ref().is_none_or(|name| *name == node.name);
    let mut nodes = BTreeMap::new();
    let mut failures = Vec::new();
    // Commands would show this machine, and not the one where the infrastructure is built.
    let templates = Templates::new().with_imagined_commands();
    for node in infrastructure.nodes.iter().filter(wanted) {
        let implementation = chosen(node, &generation)?;
        let (node, implementation) = &fill_instance(node, implementation, &SecretRef::mask);
        let input = RenderInput {
            infra_id: &infra_id,
            infrastructure,
            node,
            implementation,
            node_id: &node_id,
            instances: &instances,
        };
        match templates.render(&input) {
            Ok(rendered) => drop(nodes.insert(node.name.clone(), of_node(&input, rendered))),
            Err(error) => failures.push(error.to_string()),
        }
    }
    if !failures.is_empty() {
        return Err(EngineError::Render(RenderError(failures.join("\n"))).into());
    }
    let levels = occopus_descriptor::levels(infrastructure);
    let imagined = request.instances.is_none();
    Ok(Rendering { schema: 1, levels, nodes, imagined, warnings })
}

fn check_node(name: Option<&str>, infrastructure: &Infrastructure) -> Result<(), Error> {
    match name {
        Some(name) if infrastructure.node(name).is_none() => Err(Error::Usage(format!(
            "there is no node '{name}' in '{}'; its nodes are: {}",
            infrastructure.name,
            instances::names(infrastructure)
        ))),
        _ => Ok(()),
    }
}

fn check_defined(
    infrastructure: &Infrastructure,
    definitions: &BTreeMap<String, NodeDefinition>,
) -> Result<(), Error> {
    let undefined = infrastructure.nodes.iter().find(|node| !definitions.contains_key(&node.definition));
    let Some(node) = undefined else { return Ok(()) };
    let known = definitions.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    Err(Error::Usage(format!(
        "No matching node definition: '{}' (type of node '{}') is in none of the files given with --nodes. \
         They define: {known}",
        node.definition, node.name
    )))
}

/// The implementation that a first build would try first.
fn chosen<'a>(node: &Node, generation: &'a Generation) -> Result<&'a Implementation, Error> {
    let candidates = generation.candidates(node, 1);
    candidates.first().map(|(_, implementation)| *implementation).ok_or_else(|| {
        Error::Usage(format!(
            "No matching node definition: none of the implementations of '{}' passes the filter of node '{}': \
             {}",
            node.definition,
            node.name,
            json!(node.filter)
        ))
    })
}

fn of_node(input: &RenderInput<'_>, rendered: Rendered) -> NodeRendering {
    let node = input.node;
    let section = input.implementation.contextualisation.as_ref();
    let template = section.and_then(|section| section.get("context_template"));
    let is_cloudinit = input.implementation.contextualisation_type() == "cloudinit";
    NodeRendering {
        definition: node.definition.clone(),
        resource: rendered.resource,
        attributes: rendered.attributes,
        variables: node.variables.clone(),
        mappings: mappings(input.infrastructure, node),
        scaling: node.scaling_source.clone().unwrap_or_default(),
        // A null template gives empty user data, as in Occopus 1.10.
        context: is_cloudinit
            .then(|| context(rendered.context.unwrap_or_default(), template.is_some_and(Value::is_object))),
        warnings: rendered.warnings,
    }
}

fn context(text: String, was_mapping: bool) -> Context {
    let parsed = if text.starts_with(CLOUD_CONFIG) { read_yaml(&text) } else { None };
    match parsed {
        Some(context) => {
            let readable = || format!("{CLOUD_CONFIG}\n{}", to_yaml(&context));
            let text = if was_mapping { readable() } else { text };
            Context { context, context_is_cloud_config: true, text }
        }
        None => Context { context: json!(text), context_is_cloud_config: false, text },
    }
}
