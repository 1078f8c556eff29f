//! Secrets: read when they are needed, and hidden wherever they could show.
//!
//! Descriptions and records hold references ([`SecretRef`]). [`Secrets`] reads what they refer to right
//! before it is rendered, and everything it ever read is known to its [`Redactor`], through which all
//! texts go that are stored or shown.

mod forms;
mod gate;
mod kept;
mod redactor;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use occopus_descriptor::model::{Implementation, Node};
use occopus_descriptor::secret::{self, SecretRef};
use serde_json::{Map, Value};

pub(crate) use kept::KeptRequest;
pub use redactor::Redactor;

use crate::clock::{Clock, timeout};

/// Fewest characters of a secret: what is shorter stands in every other text by chance, so that it could
/// not be hidden without hiding everything.
pub const SHORTEST: usize = 4;

/// How long reading the secrets of one instance may take.
const LIMIT: Duration = Duration::from_secs(10);

/// What begins an expression, a statement or a comment of a template.
const TEMPLATE_MARKS: [&str; 3] = ["{{", "{%", "{#"];

/// The secret a reference names cannot be had. Says why and what to do, never the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the secret {reference} cannot be read: {reason}")]
pub struct SecretError {
    /// What was referred to.
    pub reference: SecretRef,
    /// Why it cannot be read, and what to do.
    pub reason: String,
}

impl SecretError {
    /// The secret `reference` cannot be read for `reason`.
    pub fn new(reference: &SecretRef, reason: impl Into<String>) -> Self {
        Self { reference: reference.clone(), reason: reason.into() }
    }
}

/// Where secrets are kept. Read anew each time, so that a rotated secret takes effect at once.
pub trait SecretSource: Send + Sync {
    /// The secret that `reference` names. May block, but not without bound in size.
    ///
    /// # Errors
    /// It is not there or unusable.
    fn read(&self, reference: &SecretRef) -> Result<String, SecretError>;
}

/// A source without secrets.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSecrets;

impl SecretSource for NoSecrets {
    fn read(&self, reference: &SecretRef) -> Result<String, SecretError> {
        Err(SecretError::new(reference, "this program was made without a source of secrets"))
    }
}

/// Reads secrets and remembers them for hiding.
#[derive(Clone)]
pub struct Secrets {
    source: Arc<dyn SecretSource>,
    redactor: Redactor,
}

impl Default for Secrets {
    fn default() -> Self {
        Self::new(Arc::new(NoSecrets), Redactor::default())
    }
}

impl Secrets {
    /// Secrets from `source`, hidden by `redactor`.
    pub fn new(source: Arc<dyn SecretSource>, redactor: Redactor) -> Self {
        Self { source, redactor }
    }

    /// What hides the secrets that were read so far.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// The secret that `reference` names; from now on it is hidden. May block.
    ///
    /// # Errors
    /// It cannot be read, or is too short to be hidden.
    pub fn read(&self, reference: &SecretRef) -> Result<String, SecretError> {
        let value = self.source.read(reference)?;
        if value.chars().count() < SHORTEST {
            let reason = format!(
                "it has fewer than {SHORTEST} characters, and hiding those would hide parts of other texts; \
                 choose a longer one, or write the value into the description if it is not secret"
            );
            return Err(SecretError::new(reference, reason));
        }
        self.redactor.learn(reference, &value);
        Ok(value)
    }

    /// `entries` with the secrets in place of all references. May block.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub fn fill(&self, entries: &Map<String, Value>) -> Result<Map<String, Value>, SecretError> {
        let mut wanted = BTreeSet::new();
        entries.values().for_each(|value| secret::collect(value, &mut wanted));
        let (read, missing) = self.read_each(&wanted);
        match missing.into_iter().next() {
            Some(error) => Err(error),
            None => Ok(secret::fill_map(entries, &|reference| text_of(&read, reference))),
        }
    }

    fn read_each(&self, wanted: &BTreeSet<SecretRef>) -> (BTreeMap<SecretRef, String>, Vec<SecretError>) {
        let (mut read, mut missing) = (BTreeMap::new(), Vec::new());
        for reference in wanted {
            match self.read(reference) {
                Ok(value) => drop(read.insert(reference.clone(), value)),
                Err(error) => missing.push(error),
            }
        }
        (read, missing)
    }

    /// Reads `wanted` without holding up other tasks, for a bounded time, and gives those that can be
    /// read together with the reasons for all others.
    pub async fn read_all(
        &self,
        clock: &dyn Clock,
        wanted: BTreeSet<SecretRef>,
    ) -> (BTreeMap<SecretRef, String>, Vec<SecretError>) {
        if wanted.is_empty() {
            return (BTreeMap::new(), Vec::new());
        }
        let (all, secrets) = (wanted.clone(), self.clone());
        let reading = tokio::task::spawn_blocking(move || secrets.read_each(&wanted));
        let reason = match timeout(clock, LIMIT, reading).await {
            Ok(Ok(answer)) => return answer,
            Ok(Err(_)) => "reading was broken off".to_owned(),
            Err(late) => format!("{late}; is its file system reachable?"),
        };
        (BTreeMap::new(), all.iter().map(|reference| SecretError::new(reference, &*reason)).collect())
    }

    /// `node` and `implementation` with all their secrets in place.
    ///
    /// # Errors
    /// One of them cannot be read: a machine with a part of its secrets would be made for nothing.
    pub async fn instance<'a>(
        &self,
        clock: &dyn Clock,
        node: &'a Node,
        implementation: &'a Implementation,
    ) -> Result<Filled<'a>, SecretError> {
        let wanted = secret::of_instance(node, implementation);
        self.filled(clock, (node, implementation), wanted).await
    }

    /// `node` and `implementation` with the secrets in place that the health check needs.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub async fn health<'a>(
        &self,
        clock: &dyn Clock,
        node: &'a Node,
        implementation: &'a Implementation,
    ) -> Result<Filled<'a>, SecretError> {
        let wanted = needed_for_health(node, implementation);
        self.filled(clock, (node, implementation), wanted).await
    }

    /// `text`, which an instance of `node` made by `implementation` may have written, with every secret
    /// hidden that it was given.
    ///
    /// # Errors
    /// One of them cannot be read here: then it could not be hidden.
    pub async fn hide(
        &self,
        clock: &dyn Clock,
        (node, implementation): (&Node, &Implementation),
        text: String,
    ) -> Result<String, SecretError> {
        let (_, missing) = self.read_all(clock, secret::of_instance(node, implementation)).await;
        match missing.into_iter().next() {
            Some(error) => Err(error),
            None => Ok(self.redactor.string(text)),
        }
    }

    async fn filled<'a>(
        &self,
        clock: &dyn Clock,
        (node, implementation): (&'a Node, &'a Implementation),
        wanted: BTreeSet<SecretRef>,
    ) -> Result<Filled<'a>, SecretError> {
        if wanted.is_empty() {
            return Ok((Cow::Borrowed(node), Cow::Borrowed(implementation)));
        }
        let (read, missing) = self.read_all(clock, wanted).await;
        if let Some(error) = missing.into_iter().next() {
            return Err(error);
        }
        let as_template =
            |reference: &SecretRef| TEMPLATE_MARKS.iter().any(|m| text_of(&read, reference).contains(m));
        if let Some(reference) = secret::of_sections(implementation).iter().find(|r| as_template(r)) {
            return Err(SecretError::new(
                reference,
                "it holds '{{', '{%' or '{#', which begins a template here; put it into a variable and write \
                 '{{ variables.NAME }}' in its place",
            ));
        }
        let (node, implementation) =
            secret::fill_instance(node, implementation, &|reference| text_of(&read, reference));
        Ok((Cow::Owned(node), Cow::Owned(implementation)))
    }
}

/// A node and its implementation, copied only if there was something to fill in.
pub type Filled<'a> = (Cow<'a, Node>, Cow<'a, Implementation>);

/// The secret, or its mask where it was not asked for.
fn text_of(read: &BTreeMap<SecretRef, String>, reference: &SecretRef) -> String {
    read.get(reference).cloned().unwrap_or_else(|| reference.mask())
}

/// The secrets in the health check itself, and in the variables that its templates name: a watcher
/// without the other secrets of a node can still tell whether its instances are well.
fn needed_for_health(node: &Node, implementation: &Implementation) -> BTreeSet<SecretRef> {
    let mut wanted = BTreeSet::new();
    let Some(section) = &implementation.health_check else { return wanted };
    let templates = Value::Object(section.clone());
    secret::collect(&templates, &mut wanted);
    let templates = templates.to_string();
    for (name, value) in &node.variables {
        if templates.contains(name) {
            secret::collect(value, &mut wanted);
        }
    }
    wanted
}

#[cfg(test)]
mod tests;
