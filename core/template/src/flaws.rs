//! Templates that can never be rendered: what is found here need not wait until an instance is created.

use occopus_descriptor::lint::{Flaw, Step};
use occopus_descriptor::model::Implementation;
use serde_json::{Map, Value, json};

use crate::engine::Engine;
use crate::error::Fault;
use crate::section;
use crate::yaml::Layout;

/// How the strings of a part are rendered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// A mapping as one text, a string on its own.
    Whole(Layout),
    /// Every string on its own.
    Each,
}

/// Everything of `implementation` that is rendered, with the way to it.
fn parts(implementation: &Implementation) -> Vec<(Vec<Step>, Value, Manner)> {
    let mut parts = Vec::new();
    let mut part = |way: &[&str], section: Option<&Map<String, Value>>, manner: Manner| {
        let value = way.get(1).map_or_else(
            || section.map(|section| json!(section)),
            |key| section.and_then(|section| section.get(*key)).cloned(),
        );
        parts.extend(value.map(|value| (way.iter().map(|step| Step::from(*step)).collect(), value, manner)));
    };
    let section = implementation.contextualisation.as_ref();
    let (block, flow) = (Manner::Whole(Layout::Block), Manner::Whole(Layout::LeavesInFlow));
    match implementation.contextualisation_type() {
        "cloudinit" => {
            part(&["resource"], Some(&implementation.resource), flow);
            part(&["config_management"], implementation.config_management.as_ref(), flow);
            part(&["contextualisation", "context_template"], section, block);
            part(&["contextualisation", "attributes"], section, Manner::Each);
        }
        "docker" | "process" => {
            part(&["contextualisation", "context_variables"], section, block);
            part(&["contextualisation", "env"], section, Manner::Each);
            part(&["contextualisation", "command"], section, Manner::Each);
        }
        _ => part(&["contextualisation", "attributes"], section, Manner::Each),
    }
    let check = implementation.health_check.as_ref();
    part(&["health_check", "urls"], check, Manner::Each);
    part(&["health_check", "mysqldbs"], check, Manner::Each);
    parts
}

/// The flaws of all templates of `implementation`.
pub(crate) fn of(engine: &Engine, implementation: &Implementation) -> Vec<Flaw> {
    let mut faults = Vec::new();
    for (way, value, manner) in parts(implementation) {
        // A block may begin in one string of a mapping and end in another.
        let is_whole = match manner {
            Manner::Whole(layout) if value.is_object() => {
                engine.verify_syntax(&section::source(&value, layout, "")).is_ok()
            }
            _ => false,
        };
        let mut verify = |path: &[Step], source: &str| {
            let syntax = if is_whole { Ok(()) } else { engine.verify_syntax(source) };
            if let Err(fault) = syntax.and_then(|()| engine.verify_operators(source)) {
                faults.push(Fault { path: path.to_vec(), ..fault });
            }
        };
        each_string(&value, &mut way.clone(), manner != Manner::Each, &mut verify);
    }
    faults.into_iter().map(Flaw::from).collect()
}

/// Whether a template of `implementation` calls something that neither the engine nor the language defines.
/// A macro of the template's own is one, too.
pub(crate) fn may_call_unknown(engine: &Engine, implementation: &Implementation) -> bool {
    let mut found = false;
    for (way, value, manner) in parts(implementation) {
        let mut look = |_: &[Step], source: &str| found |= engine.calls_unknown(source);
        each_string(&value, &mut way.clone(), manner != Manner::Each, &mut look);
    }
    found
}

/// Shows `visit` every string of `value` with the way to it; with `keys` also the keys of mappings, by the
/// way to their values. The loader bounds the depth.
fn each_string(value: &Value, way: &mut Vec<Step>, keys: bool, visit: &mut dyn FnMut(&[Step], &str)) {
    match value {
        Value::String(text) => visit(way, text),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                way.push(index.into());
                each_string(item, way, keys, visit);
                way.pop();
            }
        }
        Value::Object(entries) => {
            for (key, item) in entries {
                way.push(key.as_str().into());
                if keys {
                    visit(way, key);
                }
                each_string(item, way, keys, visit);
                way.pop();
            }
        }
        _ => {}
    }
}
