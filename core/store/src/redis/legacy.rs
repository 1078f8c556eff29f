//! What Occopus 1.10 keeps about its own infrastructures: looked at, never touched.

use std::fmt;
use std::sync::LazyLock;

use occopus_engine::store::StoreError;
use redis::Script;

use super::link::Call;
use super::{RedisStore, literally};

const DESCRIPTION: &str = ":description";

static LEGACY: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("legacy.lua")));

/// An infrastructure that Occopus 1.10 built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegacyInfrastructure {
    /// Its identifier.
    pub id: String,
    /// Its name; empty if it cannot be read.
    pub name: String,
}

impl fmt::Display for LegacyInfrastructure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.name.is_empty() { String::new() } else { format!(" ({})", self.name) };
        write!(f, "infrastructure '{}'{name} was built by Occopus 1.10 and is left alone", self.id)
    }
}

impl RedisStore {
    /// The infrastructures that Occopus 1.10 built for this user and keeps in this Redis, by identifier.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`] if the Redis cannot be asked.
    pub async fn legacy_infrastructures(&self) -> Result<Vec<LegacyInfrastructure>, StoreError> {
        let place = self.shared.address.placement("infra");
        let pattern = format!("{}*{DESCRIPTION}", literally(&place.prefix));
        let home = self.shared.address.database().to_string();
        let call = Call {
            script: &LEGACY,
            keys: Vec::new(),
            arguments: vec![place.database.to_string(), pattern, home],
        };
        let reply = self.shared.answer(&call).await?;
        let (pairs, _) = reply.as_chunks::<2>();
        let mut found: Vec<LegacyInfrastructure> = pairs
            .iter()
            .filter_map(|[key, text]| {
                let id = key.strip_prefix(&place.prefix)?.strip_suffix(DESCRIPTION)?;
                Some(LegacyInfrastructure { id: id.to_owned(), name: name(text).to_owned() })
            })
            .collect();
        found.sort_unstable_by(|left, right| left.id.cmp(&right.id));
        Ok(found)
    }
}

/// The name in a stored description, a YAML text with Python tags: its keys are at the margin.
fn name(text: &str) -> &str {
    let value = text.lines().find_map(|line| line.strip_prefix("name:")).unwrap_or_default();
    value.trim().trim_matches(['\'', '"'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_that_of_the_infrastructure_and_not_of_a_node() {
        let text = "!!python/object:occo.compiler.StaticDescription\ndependencies:\n- - &id002 {name: worker, type: \
                    t1}\n  - &id001\n    name: master\ninfra_id: x\nname: 'my-infra'\nnodes: [*id001, *id002]\n";
        assert_eq!(name(text), "my-infra");
        assert_eq!(name("nodes: []"), "");
    }
}
