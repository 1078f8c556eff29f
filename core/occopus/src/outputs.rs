//! Outputs: what the `outputs` of a description come to.

use std::collections::{BTreeMap, BTreeSet};

use occopus_descriptor::secret::{SecretRef, collect, fill_map};
use occopus_engine::ids::InfraId;
use occopus_template::Templates;

use crate::Occopus;
use crate::error::Error;

/// The outputs of an infrastructure by name: the text, or why there is none.
pub type Outputs = BTreeMap<String, Result<String, String>>;

impl Occopus {
    /// The outputs of `infra`: all of them, or only the one called `name`. An output that would show a secret has
    /// none: what is shown is stored and logged by others. Commands in templates are not run.
    ///
    /// # Errors
    /// If there is no such infrastructure or output.
    pub async fn outputs(&self, infra: &InfraId, name: Option<&str>) -> Result<Outputs, Error> {
        let mut living = self.living(infra).await?;
        let described = &mut living.generation.infrastructure;
        if let Some(name) = name.filter(|name| !described.outputs.contains_key(*name)) {
            return Err(Error::Usage(unknown(&described.name, name, &described.outputs)));
        }
        let mut secrets = BTreeSet::new();
        described.variables.values().for_each(|value| collect(value, &mut secrets));
        described.variables = fill_map(&described.variables, &SecretRef::mask);
        let views = living.views();
        let (described, templates) = (&living.generation.infrastructure, Templates::new());
        let render = |(name, source): (&String, &String)| {
            let rendered = templates.render_output((infra, described), &views, (name, source));
            let result = rendered.map_err(|error| error.to_string()).and_then(|text| open(text, &secrets));
            (name.clone(), result)
        };
        let wanted = described.outputs.iter().filter(|(known, _)| name.is_none_or(|name| name == *known));
        Ok(wanted.map(render).collect())
    }
}

fn unknown(infra: &str, name: &str, outputs: &BTreeMap<String, String>) -> String {
    if outputs.is_empty() {
        return format!("'{infra}' has no outputs; describe them in a section 'outputs' and change it");
    }
    let known: Vec<&str> = outputs.keys().map(String::as_str).collect();
    format!("'{infra}' has no output '{name}'; it has: {}", known.join(", "))
}

/// `text`, if none of `secrets` would stand in it.
fn open(text: String, secrets: &BTreeSet<SecretRef>) -> Result<String, String> {
    match secrets.iter().find(|secret| text.contains(&secret.mask())) {
        Some(secret) => Err(format!("it would show the secret {secret}; read it where it is kept")),
        None => Ok(text),
    }
}
