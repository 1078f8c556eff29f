//! Hiding secrets in texts.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use occopus_descriptor::secret::SecretRef;
use serde_json::Value;

use super::forms;

/// Values of one reference that are hidden: a secret that is rotated often must not grow without bound.
const KEPT: usize = 16;

/// Knows every secret that was read, and hides it in texts as `<secret env:NAME>`. Clones share what
/// they know.
#[derive(Clone, Default)]
pub struct Redactor(Arc<RwLock<Known>>);

#[derive(Default)]
struct Known {
    /// The newest value last.
    values: BTreeMap<SecretRef, VecDeque<String>>,
    search: Option<Search>,
}

/// Finds all forms of all secrets at once.
struct Search {
    matcher: AhoCorasick,
    /// What each pattern is replaced by.
    masks: Vec<String>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor(…)")
    }
}

impl Redactor {
    /// Hides `value` from now on.
    pub fn learn(&self, reference: &SecretRef, value: &str) {
        let knows =
            |known: &Known| known.values.get(reference).is_some_and(|all| all.iter().any(|v| v == value));
        if self.reading(knows) {
            return;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let values = known.values.entry(reference.clone()).or_default();
        values.push_back(value.to_owned());
        if values.len() > KEPT {
            values.pop_front();
        }
        match Search::new(&known.values) {
            Ok(search) => known.search = Some(search),
            // More patterns than the search can number; what it knew before stays hidden.
            Err(error) => tracing::error!("the secret {reference} cannot be hidden in texts: {error}"),
        }
    }

    /// The newest values of those of `references` that were read.
    pub fn known(&self, references: &BTreeSet<SecretRef>) -> BTreeMap<SecretRef, String> {
        self.reading(|known| {
            let newest = |reference: &SecretRef| {
                Some((reference.clone(), known.values.get(reference)?.back()?.clone()))
            };
            references.iter().filter_map(newest).collect()
        })
    }

    /// `text` with every secret hidden.
    pub fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.reading(|known| match &known.search {
            Some(search) => search.hide(text),
            None => Cow::Borrowed(text),
        })
    }

    /// `text` with every secret hidden.
    pub fn string(&self, text: String) -> String {
        match self.text(&text) {
            Cow::Borrowed(_) => text,
            Cow::Owned(hidden) => hidden,
        }
    }

    /// `value` with every secret hidden, in keys as well.
    pub fn json(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.string(text)),
            Value::Array(items) => Value::Array(items.into_iter().map(|item| self.json(item)).collect()),
            Value::Object(entries) => {
                let hidden = entries.into_iter().map(|(key, value)| (self.string(key), self.json(value)));
                Value::Object(hidden.collect())
            }
            other => other,
        }
    }

    fn reading<T>(&self, read: impl FnOnce(&Known) -> T) -> T {
        // What is known is replaced as a whole, so that it is sound even after a panic.
        read(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Search {
    fn new(values: &BTreeMap<SecretRef, VecDeque<String>>) -> Result<Self, aho_corasick::BuildError> {
        let mut patterns: BTreeMap<String, String> = BTreeMap::new();
        for (reference, values) in values {
            let forms = values.iter().flat_map(|value| forms::of(value));
            patterns.extend(forms.map(|form| (form, reference.mask())));
        }
        // A mask stays itself, so that hiding a second time changes nothing.
        patterns.extend(values.keys().map(|reference| (reference.mask(), reference.mask())));
        let (patterns, masks): (Vec<String>, Vec<String>) = patterns.into_iter().unzip();
        let matcher = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(patterns)?;
        Ok(Self { matcher, masks })
    }

    fn hide<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut hidden = String::new();
        let mut end = 0;
        for found in self.matcher.find_iter(text) {
            // Patterns are whole texts, so that matches begin and end between characters.
            hidden.push_str(text.get(end..found.start()).unwrap_or_default());
            hidden.push_str(self.masks.get(found.pattern().as_usize()).map_or("<secret>", String::as_str));
            end = found.end();
        }
        if end == 0 {
            return Cow::Borrowed(text);
        }
        hidden.push_str(text.get(end..).unwrap_or_default());
        Cow::Owned(hidden)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor(secrets: &[(&str, &str)]) -> Redactor {
        let redactor = Redactor::default();
        for (name, value) in secrets {
            redactor.learn(&SecretRef::Env((*name).to_owned()), value);
        }
        redactor
    }

    #[test]
    fn what_was_learnt_is_hidden_and_nothing_else() {
        let redactor = redactor(&[("A", "hunter2")]);
        assert_eq!(redactor.text("-p hunter2!"), "-p <secret env:A>!");
        assert!(matches!(redactor.text("hunter 2"), Cow::Borrowed("hunter 2")));
        let value = serde_json::json!({"x": ["hunter2", 1], "hunter2": null});
        let hidden = serde_json::json!({"x": ["<secret env:A>", 1], "<secret env:A>": null});
        assert_eq!(redactor.json(value), hidden);
    }

    #[test]
    fn of_secrets_inside_each_other_the_longer_is_hidden() {
        let redactor = redactor(&[("A", "pass"), ("B", "password")]);
        assert_eq!(redactor.text("password pass"), "<secret env:B> <secret env:A>");
    }

    #[test]
    fn hiding_twice_changes_nothing_even_for_a_secret_that_is_a_word_of_the_mask() {
        let redactor = redactor(&[("A", "secret")]);
        let once = redactor.text("the secret").into_owned();
        assert_eq!(once, "the <secret env:A>");
        assert_eq!(redactor.text(&once), once);
    }

    #[test]
    fn a_rotated_secret_stays_hidden_in_its_old_value_too() {
        let redactor = redactor(&[("A", "old-value"), ("A", "new-value")]);
        assert_eq!(redactor.text("old-value new-value"), "<secret env:A> <secret env:A>");
        let newest = redactor.known(&[SecretRef::Env("A".to_owned())].into());
        assert_eq!(newest.into_values().collect::<Vec<_>>(), ["new-value"]);
    }

    #[test]
    fn debugging_shows_nothing() {
        assert!(!format!("{:?}", redactor(&[("A", "hunter2")])).contains("hunter2"));
    }
}
