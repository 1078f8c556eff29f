//! Graphs of an infrastructure: text, Graphviz and Mermaid. Pure.

use std::fmt::Write;

use occopus_descriptor::model::Infrastructure;
use occopus_engine::topology::Topology;

/// Form of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GraphFormat {
    /// Levels as indented text.
    Text,
    /// Graphviz `dot`.
    Dot,
    /// Mermaid flow chart.
    Mermaid,
}

/// Draws the nodes and who waits for whom.
pub fn draw(infrastructure: &Infrastructure, topology: &Topology, format: GraphFormat) -> String {
    match format {
        GraphFormat::Text => text(infrastructure, topology),
        GraphFormat::Dot => dot(infrastructure, topology),
        GraphFormat::Mermaid => mermaid(infrastructure, topology),
    }
}

fn count(infrastructure: &Infrastructure, name: &str) -> String {
    match infrastructure.node(name).map(|node| node.scaling) {
        Some(scaling) if scaling.min == scaling.max => scaling.min.to_string(),
        Some(scaling) => format!("{}..{}", scaling.min, scaling.max),
        None => String::new(),
    }
}

// Writing to a String cannot fail, hence the ignored results below.

fn text(infrastructure: &Infrastructure, topology: &Topology) -> String {
    let mut out = format!("{}\n", infrastructure.name);
    for (number, level) in topology.levels.iter().enumerate() {
        let _ = writeln!(out, "  level {}", number + 1);
        for name in level {
            let waits_for: Vec<&str> = topology.waits_for(name).map(String::as_str).collect();
            let after = if waits_for.is_empty() {
                String::new()
            } else {
                format!(", after {}", waits_for.join(", "))
            };
            let _ = writeln!(out, "    {name} ×{}{after}", count(infrastructure, name));
        }
    }
    out
}

fn dot(infrastructure: &Infrastructure, topology: &Topology) -> String {
    let mut out = format!("digraph \"{}\" {{\n  rankdir=BT;\n  node [shape=box];\n", infrastructure.name);
    for name in &topology.order {
        let _ = writeln!(out, "  \"{name}\" [label=\"{name} ×{}\"];", count(infrastructure, name));
    }
    for name in &topology.order {
        for dependee in topology.waits_for(name) {
            let _ = writeln!(out, "  \"{name}\" -> \"{dependee}\";");
        }
    }
    out.push_str("}\n");
    out
}

fn mermaid(infrastructure: &Infrastructure, topology: &Topology) -> String {
    let mut out = "flowchart BT\n".to_owned();
    let id = |name: &str| topology.order.iter().position(|other| other == name).unwrap_or_default();
    for name in &topology.order {
        let _ = writeln!(out, "  n{}[\"{name} ×{}\"]", id(name), count(infrastructure, name));
    }
    for name in &topology.order {
        for dependee in topology.waits_for(name) {
            let _ = writeln!(out, "  n{} --> n{}", id(name), id(dependee));
        }
    }
    out
}
