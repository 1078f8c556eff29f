//! Imported node definitions, of which one that is damaged matters only to those who use it.

use occopus_descriptor::model::NodeDefinition;
use occopus_engine::journal::decode;
use occopus_engine::store::{Key, Record, Table};
use serde_json::Value;

use crate::Occopus;
use crate::error::Error;

/// Node definitions as they are in the store.
pub(crate) struct Imported(Vec<Record>);

impl Imported {
    /// Their names, in alphabetical order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|record| record.id.as_str())
    }

    /// The definition called `name`, if it was imported.
    ///
    /// # Errors
    /// It cannot be used; the message says why.
    pub(crate) fn get(&self, name: &str) -> Result<Option<NodeDefinition>, Error> {
        let Some(record) = self.0.iter().find(|record| record.id == name) else { return Ok(None) };
        match &record.value {
            // Another program wrote it, and what it wrote is refused.
            Value::String(reason) => Err(Error::Usage(format!(
                "the imported node definition '{name}' cannot be used; correct its file and import it again:\n{reason}"
            ))),
            value => Ok(Some(decode(&Key::new(Table::Definition, "", name), value.clone())?)),
        }
    }
}

impl Occopus {
    /// The imported node definitions.
    pub(crate) async fn imported(&self) -> Result<Imported, Error> {
        Ok(Imported(self.engine.store.list(Table::Definition, "", "").await?))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_used_must_be_usable() {
        let record = |id: &str, value| Record { id: id.to_owned(), version: 1, value };
        let good = json!({"name": "good", "implementations": [{"resource": {"type": "process"}}]});
        let imported = Imported(vec![record("bad", json!("unknown type 'x'")), record("good", good)]);
        assert_eq!(imported.names().collect::<Vec<_>>(), ["bad", "good"]);
        assert_eq!(imported.get("good").unwrap().unwrap().name, "good");
        assert!(imported.get("none").unwrap().is_none());
        let error = imported.get("bad").unwrap_err().to_string();
        assert!(error.contains("'bad'") && error.contains("unknown type 'x'"), "{error}");
    }
}
