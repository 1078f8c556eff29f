//! `occopus render`.

use occopus::{Error, Input, NodeRendering, RenderRequest, Rendering, to_yaml};
use serde_json::json;

use super::Session;
use super::args::RenderArgs;
use crate::DONE;
use crate::output::bold;

pub(super) async fn run(session: &Session, args: RenderArgs) -> Result<u8, Error> {
    let output = &session.output;
    let request = RenderRequest {
        description: Input::File(args.description),
        definitions: args.nodes,
        variables: args.variables.into(),
        node: args.node,
        instances: args.instances,
        infra_id: args.infra_id,
        node_id: args.node_id,
    };
    let rendering = occopus::render(request).await?;
    super::plan::show_warnings(output, &rendering.warnings);
    for (name, node) in &rendering.nodes {
        node.warnings.iter().for_each(|text| output.warn(&format!("node '{name}': {text}")));
    }
    if output.is_json() {
        output.json(&rendering);
    } else {
        if rendering.imagined {
            output.say("no instances are given with --instances: addresses and node ids are placeholders");
        }
        output.result(&text_of(&rendering, output.colors_results()));
    }
    Ok(DONE)
}

/// The rendering for people: a YAML document per node, in the order of creation.
fn text_of(rendering: &Rendering, colors: bool) -> String {
    let order = rendering.levels.iter().flatten();
    let nodes = order.filter_map(|name| rendering.nodes.get(name).map(|node| (name, node)));
    nodes.map(|(name, node)| of_node(name, node, colors)).collect::<Vec<_>>().join("\n\n")
}

fn of_node(name: &str, node: &NodeRendering, colors: bool) -> String {
    let kind = node.resource.get("type").and_then(|kind| kind.as_str()).unwrap_or_default();
    let title = format!("{name}: {kind} (definition '{}')", node.definition);
    let mut blocks = vec![bold(colors, &title)];
    for (section, value) in [("resource", json!(node.resource)), ("attributes", json!(node.attributes))] {
        blocks.push(format!("  {section}:\n{}", indented(&to_yaml(&value))));
    }
    if let Some(context) = &node.context {
        blocks.push(format!("  user data:\n{}", indented(&context.text)));
    }
    blocks.join("\n")
}

fn indented(text: &str) -> String {
    let line = |line: &str| if line.is_empty() { String::new() } else { format!("    {line}") };
    text.trim_end_matches('\n').split('\n').map(line).collect::<Vec<_>>().join("\n")
}
