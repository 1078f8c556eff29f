//! The parameters of a Query API call: flat names with indexes, such as `Filter.1.Value.2`.

use std::collections::BTreeMap;

use crate::answer::ApiError;

/// The parameters of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Params(pub(crate) BTreeMap<String, String>);

impl Params {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(crate) fn require(&self, name: &str) -> Result<&str, ApiError> {
        self.get(name).filter(|value| !value.is_empty()).ok_or_else(|| {
            ApiError::new("MissingParameter", format!("The request must contain the parameter {name}"))
        })
    }

    /// The number `name`, which must lie in `range`.
    pub(crate) fn number(
        &self,
        name: &str,
        range: std::ops::RangeInclusive<usize>,
    ) -> Result<Option<usize>, ApiError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        match text.parse() {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            _ => Err(ApiError::value(format!(
                "Value ( {text} ) for parameter {name} is invalid. Expecting {} to {}.",
                range.start(),
                range.end()
            ))),
        }
    }

    /// The values `prefix.1`, `prefix.2`, …
    pub(crate) fn list(&self, prefix: &str) -> Vec<&str> {
        (1..).map_while(|index| self.get(&format!("{prefix}.{index}"))).collect()
    }

    /// The groups below `prefix.1.`, `prefix.2.`, …, each with the prefix taken off.
    pub(crate) fn groups(&self, prefix: &str) -> Vec<Params> {
        (1..)
            .map(|index| {
                let head = format!("{prefix}.{index}.");
                let group = self.0.iter().filter_map(|(name, value)| {
                    name.strip_prefix(&head).map(|rest| (rest.to_owned(), value.clone()))
                });
                Params(group.collect())
            })
            .take_while(|group| !group.0.is_empty())
            .collect()
    }

    /// Refuses every parameter that is none of `known`; a name with a dot at its end is a list.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), ApiError> {
        let common = ["Action", "Version"];
        let is_known = |name: &str| {
            known.iter().chain(&common).any(|known| match known.strip_suffix('.') {
                Some(_) => name.starts_with(known),
                None => name == *known,
            })
        };
        match self.0.keys().find(|name| !is_known(name)) {
            Some(name) => {
                Err(ApiError::new("UnknownParameter", format!("The parameter {name} is not recognized")))
            }
            None => Ok(()),
        }
    }
}
