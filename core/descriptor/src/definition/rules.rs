//! Rules of section types: tables, so that a handler or plug-in can bring its own.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::builtin;
use crate::codes::{self, Code};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::fields::{self, Breach, Field, Kind};
use crate::secret;
use crate::yaml::Node;

/// A section of an implementation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// `resource`.
    Resource,
    /// `config_management`.
    ConfigManagement,
    /// `contextualisation`.
    Contextualisation,
    /// `health_check`.
    HealthCheck,
}

impl Section {
    /// Every section, in the order of checking.
    pub const ALL: [Self; 4] =
        [Self::Resource, Self::ConfigManagement, Self::Contextualisation, Self::HealthCheck];

    /// The key in the file.
    pub fn key(self) -> &'static str {
        match self {
            Self::Resource => "resource",
            Self::ConfigManagement => "config_management",
            Self::Contextualisation => "contextualisation",
            Self::HealthCheck => "health_check",
        }
    }
}

/// Keys of resource sections that tell the place of a resource and what it is called.
const PLACE_KEYS: [&str; 12] = [
    "name",
    "endpoint",
    "regionname",
    "region",
    "region_name",
    "location",
    "project_id",
    "project_name",
    "tenant_name",
    "resource_group",
    "deployment_id",
    "network_mode",
];

/// A check beyond the tables.
pub type Extra = Arc<dyn Fn(&mut SectionCheck<'_>) + Send + Sync>;

/// The rules of one type of section.
#[derive(Clone)]
pub struct SectionRules {
    /// The section.
    pub section: Section,
    /// The value of its key `type`.
    pub kind: String,
    /// Keys that must be there, in the order in which missing ones are named; without `type`.
    pub required: Vec<String>,
    /// Keys that may be there.
    pub optional: Vec<String>,
    /// Keys whose value is a boolean: for these `yes`, `no`, `on` and `off` count as booleans.
    pub booleans: Vec<String>,
    /// Groups of optional keys of which at least one must be there.
    pub alternatives: Vec<Vec<String>>,
    /// What is known about the values of keys; keys that are not listed may hold anything.
    pub fields: &'static [Field],
    before_unknown: Option<Extra>,
    after_unknown: Option<Extra>,
}

impl fmt::Debug for SectionRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SectionRules")
            .field("section", &self.section)
            .field("kind", &self.kind)
            .field("required", &self.required)
            .field("optional", &self.optional)
            .finish_non_exhaustive()
    }
}

fn owned(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

impl SectionRules {
    /// A type called `kind` that has no keys but `type`.
    pub fn new(section: Section, kind: impl Into<String>) -> Self {
        Self {
            section,
            kind: kind.into(),
            required: Vec::new(),
            optional: Vec::new(),
            booleans: Vec::new(),
            alternatives: Vec::new(),
            fields: &[],
            before_unknown: None,
            after_unknown: None,
        }
    }

    /// Sets required, optional and boolean keys from a table, and checks values against it.
    #[must_use]
    pub fn fields(mut self, fields: &'static [Field]) -> Self {
        let some = |wanted: fn(&Field) -> bool| -> Vec<String> {
            fields.iter().filter(|field| wanted(field)).map(|field| field.key.to_owned()).collect()
        };
        self.required = some(|field| field.required);
        self.optional = some(|field| !field.required);
        self.booleans = some(|field| field.kind == Kind::Bool && field.mismatch == Breach::Warning);
        self.fields = fields;
        self
    }

    /// Sets the required keys.
    #[must_use]
    pub fn required(mut self, keys: &[&str]) -> Self {
        self.required = owned(keys);
        self
    }

    /// Sets the optional keys.
    #[must_use]
    pub fn optional(mut self, keys: &[&str]) -> Self {
        self.optional = owned(keys);
        self
    }

    /// Adds a group of optional keys of which at least one must be there.
    #[must_use]
    pub fn one_of(mut self, keys: &[&str]) -> Self {
        self.alternatives.push(owned(keys));
        self
    }

    /// Sets the keys with boolean values; they must be required or optional, too.
    #[must_use]
    pub fn booleans(mut self, keys: &[&str]) -> Self {
        self.booleans = owned(keys);
        self
    }

    /// Adds a check that runs after missing keys were reported and before unknown ones are.
    #[must_use]
    pub fn check_keys(mut self, check: impl Fn(&mut SectionCheck<'_>) + Send + Sync + 'static) -> Self {
        self.before_unknown = Some(Arc::new(check));
        self
    }

    /// Adds a check that runs last, for values.
    #[must_use]
    pub fn check_values(mut self, check: impl Fn(&mut SectionCheck<'_>) + Send + Sync + 'static) -> Self {
        self.after_unknown = Some(Arc::new(check));
        self
    }

    /// Every key that may be there.
    pub fn known(&self) -> impl Iterator<Item = &str> {
        std::iter::once("type").chain(self.required.iter().chain(&self.optional).map(String::as_str))
    }

    /// What is known about the value of `key`; `None` if it may hold anything.
    pub fn field(&self, key: &str) -> Option<&'static Field> {
        fields::find(self.fields, key)
    }

    /// Whether a secret may stand at `key`: what says where a resource is, is recorded for ever.
    pub(crate) fn takes_secret(&self, key: &str) -> bool {
        self.section != Section::Resource || !PLACE_KEYS.contains(&key)
    }

    /// Applies the rules to a section.
    pub(super) fn apply(&self, check: &mut SectionCheck<'_>) {
        PLACE_KEYS.iter().filter(|key| !self.takes_secret(key)).for_each(|key| check.no_secret(key));
        check.missing_keys(self.required.iter().map(String::as_str));
        self.fields.iter().for_each(|field| check.missing_inside(field));
        self.alternatives.iter().for_each(|keys| check.missing_alternative(keys));
        if let Some(extra) = &self.before_unknown {
            extra(check);
        }
        check.unknown_keys(self);
        if let Some(extra) = &self.after_unknown {
            extra(check);
        }
        self.fields.iter().for_each(|field| check.kind(field));
        for key in &self.booleans {
            check.boolean_word(key);
        }
    }
}

/// A section under check, and where its problems go.
#[derive(Debug)]
pub struct SectionCheck<'a> {
    /// The section: a mapping.
    pub node: &'a Node,
    /// How Occopus 1.10 began its messages about this section.
    pub(super) context: &'a str,
    /// Where the section stands, in words.
    pub(super) place: &'a str,
    pub(super) diagnostics: &'a mut Diagnostics,
}

impl SectionCheck<'_> {
    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.node.get(key)
    }

    /// Reports an error at `at`; `text` is what Occopus 1.10 said, or a new message.
    pub fn error(&mut self, code: Code, at: &Node, text: &str) {
        self.error_with_help(code, at, text, None);
    }

    /// Reports an error that says what to do.
    pub fn error_with_help(&mut self, code: Code, at: &Node, text: &str, help: Option<String>) {
        let mut problem = Diagnostic::error(code, format!("{text} ({})", self.place))
            .at(&at.span)
            .legacy(format!("{}{text}", self.context));
        problem.help = help;
        self.diagnostics.push(problem);
    }

    /// Reports something doubtful at `at`.
    pub fn warning(&mut self, at: &Node, text: &str) {
        self.doubt(codes::DOUBTFUL, at, text);
    }

    fn doubt(&mut self, code: Code, at: &Node, text: &str) {
        let problem = Diagnostic::warning(code, format!("{text} ({})", self.place));
        self.diagnostics.push(problem.at(&at.span));
    }

    fn no_secret(&mut self, key: &str) {
        let what = format!("'{key}' ({})", self.place);
        secret::forbid(self.node.get(key), &what, self.diagnostics);
    }

    fn missing_keys<'k>(&mut self, required: impl Iterator<Item = &'k str>) {
        let missing: Vec<&str> = required.filter(|key| self.get(key).is_none()).collect();
        if !missing.is_empty() {
            let text = format!("Missing key(s): {}", missing.join(", "));
            self.error(codes::MISSING_SECTION_KEYS, self.node, &text);
        }
    }

    fn missing_alternative(&mut self, keys: &[String]) {
        if keys.iter().all(|key| self.get(key).is_none()) {
            let names: Vec<String> = keys.iter().map(|key| format!("\"{key}\"")).collect();
            let text = format!("Missing key(s): either {} must be defined", names.join(" or "));
            self.error(codes::MISSING_SECTION_KEYS, self.node, &text);
        }
    }

    /// Required keys inside a mapping, such as those of `description`.
    fn missing_inside(&mut self, field: &Field) {
        let (Kind::Open(inner) | Kind::Closed(inner)) = field.kind else { return };
        let Some(value) = self.node.get(field.key).filter(|value| value.as_map().is_some()) else { return };
        let missing: Vec<&str> = fields::required(inner).filter(|key| value.get(key).is_none()).collect();
        if !missing.is_empty() {
            let text = format!("Missing key(s) in {}: {}", field.key, missing.join(", "));
            self.error(codes::MISSING_SECTION_KEYS, value, &text);
        }
    }

    /// Compares the value of a key with its table.
    fn kind(&mut self, field: &Field) {
        let Some(value) = self.node.get(field.key) else { return };
        let is_word = field.kind == Kind::Bool && super::boolean_word(value.as_str()).is_some();
        if field.mismatch == Breach::Elsewhere || is_word || (value.is_null() && field.nullable) {
            return;
        }
        let strict = field.mismatch == Breach::Error;
        for mismatch in field.kind.mismatches(value, !strict || value.as_str().is_none()) {
            let whole = std::ptr::eq(mismatch.at, value);
            let place = if whole { format!("'{}'", field.key) } else { mismatch.place(field.key) };
            let text = mismatch.text(&place);
            // Occopus 1.10 looked at the value as a whole, never inside.
            if strict && whole {
                self.error(codes::BAD_VALUE, mismatch.at, &text);
            } else {
                self.doubt(codes::WRONG_SECTION_KIND, mismatch.at, &text);
            }
        }
    }

    /// One message with all unknown keys, placed at the first.
    pub(super) fn unknown_keys(&mut self, rules: &SectionRules) {
        let entries = self.node.as_map().unwrap_or_default();
        let is_known = |key: &Node| key.as_str().is_some_and(|key| rules.known().any(|known| known == key));
        let unknown: Vec<&Node> = entries.iter().map(|(key, _)| key).filter(|key| !is_known(key)).collect();
        let Some(first) = unknown.first() else { return };
        let names: Vec<String> = unknown.iter().map(|key| key.to_text()).collect();
        let text = format!("Unknown key(s): {}", names.join(", "));
        let help = crate::diagnostic::suggestion(&names[0], rules.known());
        self.error_with_help(codes::UNKNOWN_SECTION_KEYS, first, &text, Some(help));
    }

    fn boolean_word(&mut self, key: &str) {
        let Some(value) = self.get(key) else { return };
        if let Some(flag) = super::boolean_word(value.as_str()) {
            let text = format!("'{}' is a string in this YAML; {key} takes it as {flag}", value.to_text());
            let value = value.clone();
            self.warning(&value, &text);
        }
    }
}

/// The rules of all section types.
#[derive(Debug, Clone)]
pub struct Rules {
    table: BTreeMap<(Section, String), SectionRules>,
}

impl Rules {
    /// The built-in types.
    pub fn builtin() -> Self {
        let mut rules = Self { table: BTreeMap::new() };
        builtin::all().into_iter().for_each(|entry| rules.register(entry));
        rules
    }

    /// Adds a type, or replaces the one of the same section and name.
    pub fn register(&mut self, rules: SectionRules) {
        self.table.insert((rules.section, rules.kind.clone()), rules);
    }

    /// The rules of a type.
    pub fn get(&self, section: Section, kind: &str) -> Option<&SectionRules> {
        self.table.get(&(section, kind.to_owned()))
    }

    /// The names of the types of a section, sorted.
    pub fn kinds(&self, section: Section) -> impl Iterator<Item = &str> {
        self.table.keys().filter(move |(of, _)| *of == section).map(|(_, kind)| kind.as_str())
    }
}
