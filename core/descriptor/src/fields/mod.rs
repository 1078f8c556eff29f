//! What the keys of descriptor files mean and may hold: one set of tables for the checker and for the
//! JSON Schemas that editors use.

mod configuration;
mod contents;
mod credentials;
mod infrastructure;
mod kind;
mod resources;
mod sections;

pub use configuration::{
    CONFIGURATION, LOGGING, LOGGING_FORMATTER, LOGGING_HANDLER, LOGGING_LOGGER, REST, UDS,
};
pub use credentials::{AUTH_FORMS, AuthForm, CREDENTIALS, CREDENTIALS_ENTRY};
pub use infrastructure::{DEPENDENCY, INFRASTRUCTURE, MAPPING, MOVED, NODE, SCALING};
pub use kind::{Kind, Mismatch};
pub use resources::{AZURE_ACI, AZURE_VM, CLOUDBROKER, CLOUDSIGMA, DOCKER, EC2, NOVA, PROCESS};
pub use sections::{
    CHEF, CONTEXT_BASIC, CONTEXT_CLOUDINIT, CONTEXT_DOCKER, CONTEXT_PROCESS, HEALTH_BASIC, IMPLEMENTATION,
    MYSQL, PUPPET_SOLO,
};

pub(crate) use contents::{env_entry, looks_like_url};
pub(crate) use kind::is_template;

/// One key of a mapping in a descriptor file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Field {
    /// The key.
    pub key: &'static str,
    /// What its value should be.
    pub kind: Kind,
    /// Whether the key must be there.
    pub required: bool,
    /// Whether an empty value (null) is taken as "not given".
    pub nullable: bool,
    /// What happens to a value of another kind.
    pub mismatch: Breach,
    /// One line for people: what the key is for.
    pub doc: &'static str,
}

/// What happens to a value that is not of the kind its table asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breach {
    /// A warning, since Occopus 1.10 took the file; a string with a template is not checked at all.
    Warning,
    /// An error, since Occopus 1.10 refused the value or crashed on it.
    Error,
    /// A check of the section reports it, in the words of Occopus 1.10.
    Elsewhere,
}

impl Field {
    /// A key that must be there.
    pub const fn required(key: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { required: true, ..Self::optional(key, kind, doc) }
    }

    /// A key that may be there.
    pub const fn optional(key: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { key, kind, required: false, nullable: true, mismatch: Breach::Warning, doc }
    }

    /// The same with a value of another kind, null included, as an error.
    #[must_use]
    pub const fn strict(self) -> Self {
        Self { mismatch: Breach::Error, nullable: false, ..self }
    }

    /// The same with values checked by code of its own.
    #[must_use]
    pub const fn elsewhere(self) -> Self {
        Self { mismatch: Breach::Elsewhere, ..self }
    }

    /// The same with an empty value allowed, or not.
    #[must_use]
    pub const fn nullable(self, nullable: bool) -> Self {
        Self { nullable, ..self }
    }
}

/// The field called `key` in a table.
pub fn find(fields: &'static [Field], key: &str) -> Option<&'static Field> {
    fields.iter().find(|field| field.key == key)
}

/// The keys of a table, in its order.
pub fn keys(fields: &'static [Field]) -> impl Iterator<Item = &'static str> {
    fields.iter().map(|field| field.key)
}

/// The required keys of a table, in its order.
pub fn required(fields: &'static [Field]) -> impl Iterator<Item = &'static str> {
    fields.iter().filter(|field| field.required).map(|field| field.key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rules;
    use crate::definition::Section;

    /// The table and all tables inside it.
    fn all(fields: &'static [Field]) -> Vec<&'static [Field]> {
        let inner = fields.iter().flat_map(|field| inside(&field.kind));
        std::iter::once(fields).chain(inner).collect()
    }

    fn inside(kind: &Kind) -> Vec<&'static [Field]> {
        match kind {
            Kind::Closed(fields) | Kind::Open(fields) => all(fields),
            Kind::List(item) | Kind::Pair(item) | Kind::Dict(item) => inside(item),
            Kind::Either(kinds) => kinds.iter().flat_map(inside).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn every_key_stands_once_and_has_one_short_sentence() {
        let files = [INFRASTRUCTURE, IMPLEMENTATION, CREDENTIALS, CONFIGURATION];
        let rules = Rules::builtin();
        let sections = Section::ALL
            .into_iter()
            .flat_map(|section| rules.kinds(section).map(move |kind| (section, kind)));
        let sections = sections.filter_map(|(section, kind)| Some(rules.get(section, kind)?.fields));
        let forms = AUTH_FORMS.iter().map(|form| form.fields);
        for table in files.into_iter().chain(sections).chain(forms).flat_map(all) {
            for (index, field) in table.iter().enumerate() {
                let key = field.key;
                assert!(table[..index].iter().all(|other| other.key != key), "{key}");
                let sentence =
                    field.doc.ends_with('.') && !field.doc.contains('\n') && field.doc.len() <= 120;
                assert!(sentence, "{key}: {}", field.doc);
            }
        }
    }

    #[test]
    fn every_key_of_a_built_in_section_is_in_a_table() {
        let rules = Rules::builtin();
        for section in Section::ALL {
            for kind in rules.kinds(section) {
                let of_kind = rules.get(section, kind).unwrap();
                let untold = of_kind.known().find(|key| *key != "type" && of_kind.field(key).is_none());
                assert_eq!(untold, None, "{kind}");
            }
        }
    }
}
