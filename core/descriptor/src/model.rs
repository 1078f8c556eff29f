//! The typed model of checked descriptors: what the rest of Occopus works with.
//!
//! Free-form sections are JSON objects; their keys are sorted, as in the original's store. All types
//! serialise, so that a description and its node definitions can be pinned in a store.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A checked infrastructure description with merged variables and resolved dependencies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Infrastructure {
    /// `infra_name`.
    pub name: String,
    /// `user_id` as written; null if absent.
    #[serde(default)]
    pub user_id: Value,
    /// The nodes in file order.
    pub nodes: Vec<Node>,
    /// The dependencies in file order.
    #[serde(default)]
    pub dependencies: Vec<Dependency>,
    /// `variables` of the infrastructure.
    #[serde(default)]
    pub variables: Map<String, Value>,
    /// `outputs`: templates by name, for those who want to know where things are.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, String>,
    /// `moved`: nodes that were renamed, in file order. A change keeps their instances.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moved: Vec<Moved>,
}

impl Infrastructure {
    /// The nodes by their names, for whoever looks up many.
    pub fn by_name(&self) -> BTreeMap<&str, &Node> {
        self.nodes.iter().map(|node| (node.name.as_str(), node)).collect()
    }

    /// The node called `name`; looks through all of them.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == name)
    }
}

/// A hint that a node was renamed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// Its old name.
    pub from: String,
    /// Its new name: that of a node, or the old name in a later hint.
    pub to: String,
}

/// A node of an infrastructure description.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Unique name inside the infrastructure.
    pub name: String,
    /// `type`: name of the node definition.
    #[serde(rename = "type")]
    pub definition: String,
    /// Limits, already clamped: `1 <= min <= max`.
    #[serde(default)]
    pub scaling: Scaling,
    /// `scaling` as the file has it; templates can read it. `None` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling_source: Option<Value>,
    /// `filter`; `None` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Map<String, Value>>,
    /// The infrastructure's variables overlaid with the node's own.
    #[serde(default)]
    pub variables: Map<String, Value>,
    /// How its instances are looked after.
    #[serde(default, skip_serializing_if = "Care::is_default")]
    pub care: Care,
}

/// How the instances of a node are looked after: `heal`, `max_unhealthy`, `scale_down`,
/// `max_unavailable` and `max_surge` of a node description.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Care {
    /// What is done about a lost instance.
    #[serde(default)]
    pub heal: Heal,
    /// While more instances of the node are unhealthy, existing ones are not replaced; `None` for no
    /// limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_unhealthy: Option<Share>,
    /// Which instances go first when there are too many.
    #[serde(default)]
    pub scale_down: ScaleDown,
    /// How many instances may be missing at the same time while outdated ones are replaced; `None` for one,
    /// as for a part that comes to less than one. If none may be missing, there may be one more than wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<Share>,
    /// How many instances more than wanted there may be meanwhile; `None` for none. A part that comes to
    /// less than one stands for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_surge: Option<Share>,
}

impl Care {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What is done about a lost instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Heal {
    /// It is replaced.
    #[default]
    Replace,
    /// It is reported and left as it is.
    Report,
}

/// Which instances go first when a node has too many; second ones of a slot and lost ones always do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScaleDown {
    /// Those created last.
    #[default]
    Youngest,
    /// Those created first.
    Oldest,
    /// Those with the highest slot numbers.
    Highest,
}

/// A number of instances, or a part of those there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Share {
    /// So many.
    Count(u32),
    /// So many of a hundred.
    Percent(u32),
}

impl Share {
    /// Reads a number such as `2`, or a part such as `30%`.
    pub fn read(text: &str) -> Option<Self> {
        match text.strip_suffix('%') {
            Some(percent) => percent.parse().ok().filter(|percent| *percent <= 100).map(Self::Percent),
            None => text.parse().ok().map(Self::Count),
        }
    }

    /// This share of `whole` instances, rounded down.
    pub fn of(self, whole: usize) -> usize {
        match self {
            Self::Count(count) => count as usize,
            Self::Percent(percent) => whole * percent as usize / 100,
        }
    }

    /// Whether `part` of `whole` instances is more than this.
    pub fn is_exceeded_by(self, part: usize, whole: usize) -> bool {
        match self {
            Self::Count(count) => part > count as usize,
            Self::Percent(percent) => part * 100 > whole * percent as usize,
        }
    }
}

/// How many instances a node has at least and at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scaling {
    /// At least this many; also the number at first start.
    pub min: u32,
    /// At most this many.
    pub max: u32,
}

impl Scaling {
    /// The limits of the original: a minimum below 1 is 1, a maximum below the minimum is the minimum.
    pub fn new(min: Option<u32>, max: Option<u32>) -> Self {
        let min = min.unwrap_or(1).max(1);
        Self { min, max: max.unwrap_or(min).max(min) }
    }
}

impl Default for Scaling {
    fn default() -> Self {
        Self::new(None, None)
    }
}

/// `dependent` is started only when `dependee` is ready.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dependency {
    /// Name of the node that waits.
    pub dependent: String,
    /// Name of the node that is waited for.
    pub dependee: String,
    /// Attribute mappings of this edge.
    #[serde(default)]
    pub mappings: Vec<Mapping>,
}

/// An attribute of the dependee that becomes an attribute of the dependent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mapping {
    /// Source attribute and destination attribute; dots mean nesting.
    pub attributes: (String, String),
    /// Whether the dependee is ready only when the attribute can be read.
    #[serde(default)]
    pub synch: bool,
    /// Further keys, kept as written.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A node definition: one or several ways to make a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeDefinition {
    /// The name after `node_def:`.
    pub name: String,
    /// In written order; never empty.
    pub implementations: Vec<Implementation>,
}

/// One way to make a node. Sections are as written; templates in them are not rendered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Implementation {
    /// The `resource` section with its `type`.
    pub resource: Map<String, Value>,
    /// The `contextualisation` section.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contextualisation: Option<Map<String, Value>>,
    /// The `config_management` section.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_management: Option<Map<String, Value>>,
    /// The `health_check` section as written; see [`Implementation::health`] for its meaning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<Map<String, Value>>,
}

/// The health check of an implementation, with defaults filled in. Templates are not rendered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// Whether the address must answer a ping; true by default.
    pub ping: bool,
    /// TCP ports that must accept a connection.
    pub ports: Vec<u16>,
    /// URL templates.
    pub urls: Vec<String>,
    /// Templates of database name, user and password.
    pub mysqldbs: Vec<(String, String, String)>,
    /// Seconds of uninterrupted failure after which the instance counts as failed; 600 by default.
    pub timeout: i64,
    /// The same for an instance that was never ready; `timeout` by default.
    pub startup_timeout: i64,
    /// Failed checks in a row after which a ready instance counts as unhealthy; 1 by default.
    pub failure_threshold: u32,
    /// Passed checks in a row after which an instance counts as ready; 1 by default.
    pub success_threshold: u32,
}

impl Implementation {
    /// The resource type, such as `docker`.
    pub fn resource_type(&self) -> &str {
        self.resource.get("type").and_then(Value::as_str).unwrap_or_default()
    }

    /// The contextualisation type; `basic` if there is no such section.
    pub fn contextualisation_type(&self) -> &str {
        self.contextualisation
            .as_ref()
            .and_then(|section| section.get("type"))
            .and_then(Value::as_str)
            .unwrap_or("basic")
    }

    /// Whether every key of `filter` stands at the top level of the resource section with an equal
    /// value; an empty filter matches everything.
    pub fn matches(&self, filter: &Map<String, Value>) -> bool {
        contains(&self.resource, filter)
    }

    /// The health check with the original's defaults.
    pub fn health(&self) -> HealthCheck {
        let empty = Map::new();
        let section = self.health_check.as_ref().unwrap_or(&empty);
        let list = |key: &str| section.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let number = |key: &str| section.get(key).and_then(Value::as_i64);
        let timeout = number("timeout").unwrap_or(600);
        let threshold =
            |key: &str| number(key).and_then(|number| u32::try_from(number).ok()).unwrap_or(1).max(1);
        HealthCheck {
            ping: section.get("ping").and_then(Value::as_bool).unwrap_or(true),
            ports: list("ports").iter().filter_map(port).collect(),
            urls: list("urls").iter().map(text).collect(),
            mysqldbs: list("mysqldbs")
                .iter()
                .map(|entry| {
                    let field = |key: &str| entry.get(key).map(text).unwrap_or_default();
                    (field("name"), field("user"), field("pass"))
                })
                .collect(),
            timeout,
            startup_timeout: number("startup_timeout").unwrap_or(timeout),
            failure_threshold: threshold("failure_threshold"),
            success_threshold: threshold("success_threshold"),
        }
    }
}

/// Whether every key of `filter` stands at the top level of `section` with an equal value.
pub fn contains(section: &Map<String, Value>, filter: &Map<String, Value>) -> bool {
    filter.iter().all(|(key, value)| section.get(key).is_some_and(|found| equal(found, value)))
}

/// Equality as in Python: deep and typed, except that `1`, `1.0` and `true` are equal.
fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => left.len() == right.len() && contains(left, right),
        _ => left == right || number(left).is_some_and(|left| number(right) == Some(left)),
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
        other => other.as_f64(),
    }
}

/// A port as the original takes it: an integer, or a boolean (true is 1); `None` if there is no such port.
fn port(value: &Value) -> Option<u16> {
    let port = match value {
        Value::Bool(flag) => Some(u16::from(*flag)),
        other => other.as_u64().and_then(|number| u16::try_from(number).ok()),
    };
    port.filter(|port| *port > 0)
}

/// Values that the original would crash on are taken as text.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn implementation(resource: Value) -> Implementation {
        Implementation {
            resource: resource.as_object().cloned().unwrap_or_default(),
            contextualisation: None,
            config_management: None,
            health_check: None,
        }
    }

    #[test]
    fn a_filter_matches_top_level_keys_deeply_and_typed() {
        let implementation =
            implementation(json!({"type": "ec2", "n": 3, "l": [1, 2], "m": {"a": 1}, "z": null}));
        let matches = |filter: Value| implementation.matches(filter.as_object().unwrap());
        for filter in [
            json!({}),
            json!({"type": "ec2", "n": 3.0}),
            json!({"l": [true, 2]}),
            json!({"m": {"a": 1}}),
            json!({"z": null}),
        ] {
            assert!(matches(filter.clone()), "{filter}");
        }
        for filter in [
            json!({"n": "3"}),
            json!({"l": [1]}),
            json!({"m": {}}),
            json!({"a": 1}),
            json!({"type": "ec2", "other": null}),
        ] {
            assert!(!matches(filter.clone()), "{filter}");
        }
    }
}
