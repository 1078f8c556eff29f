//! The credentials file: which entry belongs to which section of a node. Nothing of its content but
//! filter keys ever appears in a message.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use serde_json::{Map, Value as Json};

use crate::codes;
use crate::definition::Section;
use crate::diagnostic::{Diagnostic, Diagnostics, Location, suggestion};
use crate::fields::{self, AUTH_FORMS};
use crate::model::contains;
use crate::secret;
use crate::yaml::{self, Dialect, Node};

const SECTIONS: [Section; 2] = [Section::Resource, Section::ConfigManagement];
pub(crate) const DIALECT: Dialect = Dialect { plain_tags: &[], private: true, isolated: false };

/// One entry: credentials, and the keys a section must have for them to apply.
#[derive(Clone, PartialEq)]
struct Entry {
    section: Section,
    filter: Map<String, Json>,
    data: Map<String, Json>,
    location: Location,
}

impl Entry {
    /// The filter keys as canonical JSON: keys are sorted.
    fn reference(&self) -> String {
        Json::Object(self.filter.clone()).to_string()
    }

    /// Filter keys and place, for people.
    fn described(&self) -> String {
        let Location { file, line, column, .. } = &self.location;
        format!("{} ({file}:{line}:{column})", self.reference())
    }
}

/// Credentials that were chosen.
#[derive(Clone, PartialEq)]
pub struct Chosen {
    /// Finds the entry again; holds its filter keys and no secret.
    pub reference: String,
    /// The credentials as written.
    pub auth_data: Map<String, Json>,
}

impl fmt::Debug for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chosen").field("reference", &self.reference).finish_non_exhaustive()
    }
}

/// Two entries fit equally well.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "Cannot determine authorization information: auth_data filters result more than one possible \
     authorization section! These entries of '{section}' fit equally well: {}; add a filter key to one \
     of them", .candidates.join(", ")
)]
pub struct Ambiguous {
    /// `resource` or `config_management`.
    pub section: &'static str,
    /// Filter keys and place of each entry; no secrets.
    pub candidates: Vec<String>,
}

/// A checked credentials file.
#[derive(Clone, Default, PartialEq)]
pub struct CredentialsFile {
    entries: Vec<Entry>,
}

impl fmt::Debug for CredentialsFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CredentialsFile({} entries)", self.entries.len())
    }
}

impl CredentialsFile {
    /// Loads and checks the file at `path`.
    ///
    /// # Errors
    /// All problems found, if one of them is an error; never with a secret.
    pub fn load(path: &Path) -> Result<(Self, Diagnostics), Diagnostics> {
        Self::check(&yaml::load_file(path, DIALECT)?)
    }

    /// Loads and checks `text`, called `name` in messages; imports are relative to the folder `base`.
    ///
    /// # Errors
    /// All problems found, if one of them is an error; never with a secret.
    pub fn from_text(name: &str, text: &str, base: &Path) -> Result<(Self, Diagnostics), Diagnostics> {
        Self::check(&yaml::load_text(name, text, base, DIALECT)?)
    }

    pub(crate) fn check(root: &Node) -> Result<(Self, Diagnostics), Diagnostics> {
        let mut diagnostics = Diagnostics::new();
        let mut entries = Vec::new();
        if root.as_map().is_none() && !root.is_null() {
            let message = format!("credentials must be a mapping, but the file is {}", root.value.kind());
            return Err(bad(root, message).into());
        }
        for (key, value) in root.as_map().unwrap_or_default() {
            let known = SECTIONS.map(Section::key);
            match SECTIONS.iter().find(|section| key.as_str() == Some(section.key())) {
                Some(section) => list(*section, value, &mut entries, &mut diagnostics),
                None => {
                    let message = "an unknown section is ignored";
                    diagnostics.push(doubt(key, message).help(suggestion(&key.to_text(), known)));
                }
            }
        }
        repeated(&entries, root, &mut diagnostics);
        diagnostics.finish(Some(Self { entries }))
    }

    /// The credentials for `values`, the rendered content of `section`: of the entries whose filter
    /// keys all stand there with equal values the one with most filter keys. `None` if none fits.
    ///
    /// # Errors
    /// Several entries fit with equally many filter keys.
    pub fn choose(&self, section: Section, values: &Map<String, Json>) -> Result<Option<Chosen>, Ambiguous> {
        let fitting = || self.of(section).filter(|entry| contains(values, &entry.filter));
        let Some(most) = fitting().map(|entry| entry.filter.len()).max() else { return Ok(None) };
        let best: Vec<&Entry> = fitting().filter(|entry| entry.filter.len() == most).collect();
        match best.as_slice() {
            [entry] => Ok(Some(Chosen { reference: entry.reference(), auth_data: entry.data.clone() })),
            several => Err(Ambiguous {
                section: section.key(),
                candidates: several.iter().map(|entry| entry.described()).collect(),
            }),
        }
    }

    /// The credentials once chosen under `reference` for type `kind`; `None` if the entry is gone, or
    /// if it no longer stands there once.
    pub fn recall(&self, section: Section, kind: &str, reference: &str) -> Option<&Map<String, Json>> {
        let for_kind = |entry: &&Entry| entry.filter.get("type").is_none_or(|of| of.as_str() == Some(kind));
        let mut found = self.of(section).filter(for_kind).filter(|entry| entry.reference() == reference);
        let entry = found.next()?;
        found.next().is_none().then_some(&entry.data)
    }

    /// The keys by which entries of `section` are chosen.
    pub(crate) fn filter_keys(&self, section: Section) -> impl Iterator<Item = &str> {
        self.of(section).flat_map(|entry| entry.filter.keys().map(String::as_str))
    }

    fn of(&self, section: Section) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.section == section)
    }
}

/// Whether the resource type or config manager `kind` works with credentials only.
pub(crate) fn needs_credentials(kind: &str) -> bool {
    AUTH_FORMS.iter().any(|form| form.types.contains(&kind))
}

fn bad(at: &Node, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(codes::BAD_CREDENTIALS, message).at(&at.span)
}

fn list(section: Section, value: &Node, entries: &mut Vec<Entry>, diagnostics: &mut Diagnostics) {
    let key = section.key();
    match value.as_seq() {
        Some(items) => {
            entries.extend(items.iter().filter_map(|item| entry(section, item, diagnostics)));
        }
        None if value.is_null() => {}
        None => diagnostics.push(
            bad(value, format!("section '{key}' must be a list of entries"))
                .help("begin each entry with a hyphen: - type: ec2"),
        ),
    }
}

fn entry(section: Section, item: &Node, diagnostics: &mut Diagnostics) -> Option<Entry> {
    let Some(data) = item.get("auth_data") else {
        let problem = bad(item, "an entry has no auth_data").help("put the credentials under auth_data:");
        diagnostics.push(problem.legacy("KeyError: 'auth_data'"));
        return None;
    };
    if data.as_map().is_none() && !data.is_null() {
        diagnostics.push(bad(data, format!("auth_data must be a mapping, but it is {}", data.value.kind())));
        return None;
    }
    for (key, value) in item.as_map().unwrap_or_default() {
        if key.as_str() != Some("auth_data") {
            // The filter finds the entry again, and is stored for that.
            secret::forbid(Some(value), "a filter key of a credentials entry", diagnostics);
        }
    }
    fields(section, item, data, diagnostics);
    let mut filter = item.to_object();
    filter.remove("auth_data");
    Some(Entry { section, filter, data: data.to_object(), location: item.span.location() })
}

/// Warns of fields that the type will ask for and does not find, or not as text.
fn fields(section: Section, item: &Node, data: &Node, diagnostics: &mut Diagnostics) {
    let kind = item.get("type").and_then(Node::as_str).unwrap_or_default();
    let mut forms =
        AUTH_FORMS.iter().filter(|form| form.section == section && form.types.contains(&kind)).peekable();
    if forms.peek().is_none() {
        return;
    }
    // Only nova knows several forms; elsewhere a further field `type` is ignored.
    let has_tags = forms.clone().any(|form| form.tag.is_some());
    let tag = data.get("type").filter(|_| has_tags);
    let Some(form) =
        forms.find(|form| form.tag == tag.and_then(Node::as_str) && tag.is_some() == form.tag.is_some())
    else {
        let message = format!("the type of {kind} credentials must be application_credential or absent");
        return diagnostics.push(doubt(tag.unwrap_or(data), message));
    };
    let missing: Vec<&str> = fields::required(form.fields).filter(|key| data.get(key).is_none()).collect();
    if !missing.is_empty() {
        let message = format!("auth_data of type {kind} lacks: {}", missing.join(", "));
        diagnostics.push(doubt(data, message));
    }
    for field in form.fields {
        let Some(value) = data.get(field.key) else { continue };
        for mismatch in field.kind.mismatches(value, false) {
            diagnostics.push(doubt(mismatch.at, mismatch.text(&format!("'{}'", field.key))));
        }
    }
}

/// Entries with the same filter keys fit the same sections, so that neither can ever be chosen.
fn repeated(entries: &[Entry], root: &Node, diagnostics: &mut Diagnostics) {
    let mut seen: HashMap<(Section, String), &Entry> = HashMap::new();
    for entry in entries {
        let Some(other) = seen.insert((entry.section, entry.reference()), entry) else { continue };
        let message = format!("an entry has the same filter keys as the one in line {}", other.location.line);
        let mut warning = doubt(root, message).help("neither can be chosen; add a filter key to one of them");
        warning.location = Some(entry.location.clone());
        diagnostics.push(warning);
    }
}

fn doubt(at: &Node, message: impl Into<String>) -> Diagnostic {
    Diagnostic::warning(codes::DOUBTFUL_CREDENTIALS, message).at(&at.span)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn file(text: &str) -> CredentialsFile {
        CredentialsFile::from_text("auth", text, Path::new("")).unwrap().0
    }

    fn choose(text: &str, values: &Json) -> Result<Option<Json>, Ambiguous> {
        let chosen = file(text).choose(Section::Resource, values.as_object().unwrap())?;
        Ok(chosen.map(|chosen| chosen.auth_data["n"].clone()))
    }

    #[test]
    fn the_entry_whose_filter_fits_is_chosen() {
        let two = "resource:\n- {type: ec2, auth_data: {n: 1}}\n- {type: nova, name: x, auth_data: {n: 2}}";
        assert_eq!(choose(two, &json!({"type": "nova"})), Ok(None));
        assert_eq!(choose(two, &json!({"type": "nova", "name": "x"})), Ok(Some(json!(2))));
        assert_eq!(choose("resource: [{auth_data: {n: 1}}]", &json!({"type": "any"})), Ok(Some(json!(1))));
        let deep = "resource: [{type: ec2, d: {x: 1}, auth_data: {n: 1}}]";
        assert_eq!(choose(deep, &json!({"type": "ec2", "d": {"x": 1, "y": 2}})), Ok(None));
        assert_eq!(choose("", &json!({"type": "ec2"})), Ok(None));
        assert_eq!(choose("resource:", &json!({"type": "ec2"})), Ok(None));
    }

    #[test]
    fn the_most_specific_entry_wins_and_equals_are_ambiguous() {
        let text = "resource:\n- {type: ec2, auth_data: {n: 1}}\n- {type: ec2, endpoint: e, auth_data: {n: 2}}\n\
                    - {type: ec2, name: s, auth_data: {n: 3}}";
        assert_eq!(choose(text, &json!({"type": "ec2", "endpoint": "e"})), Ok(Some(json!(2))));
        assert_eq!(choose(text, &json!({"type": "ec2", "endpoint": "f"})), Ok(Some(json!(1))));
        let error = choose(text, &json!({"type": "ec2", "endpoint": "e", "name": "s"})).unwrap_err();
        let legacy = "Cannot determine authorization information: auth_data filters result more than one \
                      possible authorization section!";
        assert!(error.to_string().starts_with(legacy), "{error}");
        let candidates =
            [r#"{"endpoint":"e","type":"ec2"} (auth:3:3)"#, r#"{"name":"s","type":"ec2"} (auth:4:3)"#];
        assert_eq!(error.candidates, candidates);
    }

    #[test]
    fn a_reference_finds_its_entry_again_and_holds_no_secret() {
        let text = "resource:\n- {type: ec2, endpoint: e, auth_data: {accesskey: AKIA, secretkey: hush}}";
        let values = json!({"type": "ec2", "endpoint": "e", "image_id": "i"});
        let file = file(text);
        let chosen = file.choose(Section::Resource, values.as_object().unwrap()).unwrap().unwrap();
        assert_eq!(chosen.reference, r#"{"endpoint":"e","type":"ec2"}"#);
        assert_eq!(file.recall(Section::Resource, "ec2", &chosen.reference), Some(&chosen.auth_data));
        assert_eq!(file.recall(Section::Resource, "nova", &chosen.reference), None);
        assert_eq!(file.recall(Section::ConfigManagement, "ec2", &chosen.reference), None);
        assert!(!format!("{file:?} {chosen:?}").contains("hush"));
    }

    #[test]
    fn problems_are_found_at_loading_and_never_quote_the_file() {
        let texts = [
            "resource:\n- type: ec2\n  hush: {a: 1}\n",
            "resource:\n- type: ec2\n  auth_data: hush\n",
            "resource:\n- auth_data: {hush: [}\n",
            "resource:\n- auth_data: {secretkey: hush, secretkey: hush}\n",
            "resource:\n- auth_data: {secretkey: !hush x}\n",
            "resource:\n- auth_data: {secretkey: !!int hush}\n",
            "resource:\n- auth_data: {secretkey: {hush: 1}: 2}\n",
            "resource:\n  hush: 1\n",
            "hush",
        ];
        for text in texts {
            let problems = CredentialsFile::from_text("auth", text, Path::new("")).unwrap_err();
            assert!(problems.has_errors());
            let shown = format!("{problems} {}", serde_json::to_string(&problems).unwrap());
            assert!(!shown.contains("hush"), "{shown}");
            assert!(problems.iter().all(|problem| problem.location.is_some()), "{shown}");
        }
    }

    #[test]
    fn incomplete_entries_and_unknown_sections_are_warnings() {
        let warnings = |text: &str| CredentialsFile::from_text("auth", text, Path::new("")).unwrap().1;
        assert!(warnings("resource: [{type: ec2, auth_data: {accesskey: a, secretkey: b}}]").is_empty());
        let text = "resource: [{type: ec2, auth_data: {accesskey: a}}]";
        assert!(warnings(text).to_string().contains("lacks: secretkey"));
        let application = "{type: application_credential, id: a, secret: b}";
        assert!(warnings(&format!("resource: [{{type: nova, auth_data: {application}}}]")).is_empty());
        assert!(!warnings("resource: [{type: nova, auth_data: {type: voms, proxy: p}}]").is_empty());
        assert!(!warnings("resources: []").is_empty());
    }

    /// One entry of every type, as in the file that came with Occopus 1.10.
    const ALL_TYPES: &str = "
resource:
- type: ec2
  auth_data: {accesskey: a, secretkey: b}
- type: nova
  endpoint: https://n/v3
  auth_data: {username: a, password: b}
- type: nova
  auth_data: {type: application_credential, id: a, secret: b}
- type: azure_vm
  auth_data: {tenant_id: a, client_id: b, client_secret: c, subscription_id: d}
- type: azure_aci
  auth_data: {tenant_id: a, client_id: b, client_secret: c, subscription_id: d}
- type: cloudbroker
  auth_data: {email: a, password: b}
- type: cloudsigma
  auth_data: {email: a, password: b}
- type: docker
  auth_data:
config_management:
- type: chef
  endpoint: https://c
  auth_data: {client_name: a, client_key: b}
";

    #[test]
    fn a_file_with_all_types_loads_without_a_warning() {
        let (file, warnings) = CredentialsFile::from_text("auth", ALL_TYPES, Path::new("")).unwrap();
        assert!(warnings.is_empty(), "{warnings}");
        assert_eq!(file.entries.len(), 9);
        for form in AUTH_FORMS {
            for kind in form.types {
                let section = json!({"type": kind, "endpoint": "https://c"});
                let chosen = file.choose(form.section, section.as_object().unwrap()).unwrap();
                assert!(chosen.is_some(), "{kind}");
            }
        }
    }

    #[test]
    fn entries_that_cannot_be_told_apart_and_odd_values_are_warnings() {
        let warnings = |text: &str| CredentialsFile::from_text("auth", text, Path::new("")).unwrap().1;
        let same = "resource:\n- {type: ec3, auth_data: {n: hush}}\n- {type: ec3, auth_data: {n: hush}}";
        let found = warnings(same);
        let place = found.iter().next().unwrap().location.as_ref().unwrap();
        assert_eq!((found.iter().count(), place.line, place.column), (1, 3, 3), "{found}");
        let odd = warnings("resource: [{type: ec2, auth_data: {accesskey: a, secretkey: [hush]}}]");
        assert_eq!(odd.iter().next().unwrap().message, "'secretkey' should be a string, but it is a list");
        assert!(
            !warnings("resource: [{type: nova, auth_data: {type: , username: a, password: b}}]").is_empty()
        );
        assert!(warnings("config_management: [{type: ec2, auth_data: {}}]").is_empty());
    }
}
