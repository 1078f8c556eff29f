//! Instances that one create call makes together, and who each of them is. Pure.
//!
//! The tags of such a call are the same for all: the token of the run, and the slots it fills. The back-end numbers
//! what it makes, from 0; number `k` fills the `k`-th slot, and attempt and instance follow from token and slot.
//! So each resource shows who it is from the call on, to whoever reads its tags and its launch index.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::handler::{Identity, TAG_SCHEMA};
use crate::ids::{AttemptId, BatchToken, InfraId, NodeId, Slot, StoreId};

const SLOTS_TAG: &str = "occopus.slots";
/// The longest value of a tag that back-ends take, in characters.
const TAG_LENGTH: usize = 256;
/// The most slots that are read from a tag, so that a wrong one does no harm.
const MOST: usize = 1000;

/// The instances of one create call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateBatch {
    token: BatchToken,
    slots: Slots,
}

impl CreateBatch {
    /// Name of the tag by which those that were made together are known.
    pub const TAG: &'static str = "occopus.batch";

    /// A batch that fills `indices` of `node`; `None` if there is none or one of them twice, or if they
    /// cannot be told in a tag.
    pub fn new(token: BatchToken, node: &str, mut indices: Vec<u32>) -> Option<Self> {
        indices.sort_unstable();
        let slots = Slots { node: node.to_owned(), indices };
        slots.is_sound().then_some(Self { token, slots })
    }

    /// The token of the run that made it up.
    pub fn token(&self) -> &BatchToken {
        &self.token
    }

    /// How many there are.
    #[expect(clippy::len_without_is_empty, reason = "there always are some")]
    pub fn len(&self) -> usize {
        self.slots.indices.len()
    }

    /// The slots, by launch index.
    pub fn slots(&self) -> impl Iterator<Item = Slot> {
        self.slots.indices.iter().map(|index| Slot::new(&self.slots.node, *index))
    }

    /// The attempts, by launch index.
    pub fn attempts(&self) -> impl Iterator<Item = AttemptId> {
        self.slots().map(|slot| self.token.member(&slot).0)
    }

    /// Idempotency token of the call: unique to it, 36 characters.
    pub fn call_token(&self) -> String {
        self.token.derive("call", &self.slots).to_string()
    }

    /// The tags that all resources of the call get.
    pub fn tags(&self, store: &StoreId, infra: &InfraId) -> BTreeMap<String, String> {
        [
            (Identity::STORE_TAG, store.to_string()),
            (Identity::INFRA_TAG, infra.to_string()),
            (Self::TAG, self.token.to_string()),
            (SLOTS_TAG, self.slots.to_string()),
            (Identity::SCHEMA_TAG, TAG_SCHEMA.to_string()),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
    }

    /// Who the resource with these tags and this launch index is; `None` if they do not tell.
    pub(crate) fn identity(tags: &BTreeMap<String, String>, launch_index: usize) -> Option<Identity> {
        let get = |key: &str| tags.get(key).map(String::as_str);
        let (token, slots) = (BatchToken::from(get(Self::TAG)?), get(SLOTS_TAG)?.parse::<Slots>().ok()?);
        let slot = Slot::new(&slots.node, *slots.indices.get(launch_index)?);
        let (attempt, node_id) = token.member(&slot);
        let (store, infra) = (get(Identity::STORE_TAG)?.into(), get(Identity::INFRA_TAG)?.into());
        Some(Identity { store, infra, slot, node_id, attempt })
    }
}

impl BatchToken {
    /// The attempt that fills `slot` in the run of this token, and its instance. A run fills a slot once.
    pub fn member(&self, slot: &Slot) -> (AttemptId, NodeId) {
        (self.derive("attempt", slot).into(), self.derive("node", slot).into())
    }

    /// An identifier that follows from this token and nothing else has.
    fn derive(&self, what: &str, whose: &dyn fmt::Display) -> Uuid {
        let hash = Sha256::digest(format!("{self} {what} {whose}"));
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(hash).for_each(|(byte, of_hash)| *byte = of_hash);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}

/// Slots of one node, in ascending order. As text: `worker/3-12,15`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
struct Slots {
    node: String,
    indices: Vec<u32>,
}

impl Slots {
    /// Whether there are some, in order, not too many, and their text is short enough for a tag.
    fn is_sound(&self) -> bool {
        let ascends = self.indices.windows(2).all(|pair| pair[0] < pair[1]);
        (1..=MOST).contains(&self.indices.len()) && ascends && self.to_string().chars().count() <= TAG_LENGTH
    }
}

impl fmt::Display for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.node)?;
        let mut separator = "";
        for run in self.indices.chunk_by(|index, next| index.checked_add(1) == Some(*next)) {
            match run {
                [first, .., last] => write!(f, "{separator}{first}-{last}")?,
                [single] => write!(f, "{separator}{single}")?,
                [] => {}
            }
            separator = ",";
        }
        Ok(())
    }
}

/// The text is not of the form `node/numbers`.
#[derive(Debug, Clone, thiserror::Error)]
#[error("'{0}' are no slots: expected NODE/NUMBERS in ascending order, such as worker/3-12,15")]
struct SlotsError(String);

impl FromStr for Slots {
    type Err = SlotsError;

    fn from_str(text: &str) -> Result<Self, SlotsError> {
        let wrong = || SlotsError(text.to_owned());
        let (node, numbers) = text.rsplit_once('/').ok_or_else(wrong)?;
        let number = |text: &str| text.parse::<u32>().map_err(|_| wrong());
        let mut indices = Vec::new();
        for part in numbers.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let room = MOST + 1 - indices.len().min(MOST);
            indices.extend((number(first)?..=number(last)?).take(room));
        }
        let slots = Self { node: node.to_owned(), indices };
        // What was not written by us is not understood.
        if slots.is_sound() && slots.to_string() == text { Ok(slots) } else { Err(wrong()) }
    }
}

impl From<Slots> for String {
    fn from(slots: Slots) -> Self {
        slots.to_string()
    }
}

impl TryFrom<String> for Slots {
    type Error = SlotsError;

    fn try_from(text: String) -> Result<Self, SlotsError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token() -> BatchToken {
        BatchToken::from("9b2f6d8e-1f60-4c0e-8d5b-0f2f6f3c1a77")
    }

    fn batch(indices: &[u32]) -> CreateBatch {
        CreateBatch::new(token(), "worker", indices.to_vec()).unwrap()
    }

    #[test]
    fn slots_are_told_in_few_words() {
        let text = |indices: &[u32]| batch(indices).slots.to_string();
        assert_eq!(text(&[15, 3, 4, 5]), "worker/3-5,15");
        assert_eq!(text(&[1, 2]), "worker/1-2");
        assert_eq!(text(&[u32::MAX, u32::MAX - 1]), "worker/4294967294-4294967295");
    }

    proptest! {
        #[test]
        fn everybody_who_reads_tags_and_launch_index_finds_the_member(
            indices in proptest::collection::btree_set(1_u32..400, 1..60),
            node in "[a-z/,-]{1,20}",
        ) {
            let Some(batch) = CreateBatch::new(token(), &node, indices.iter().copied().collect()) else {
                return Ok(());
            };
            let (store, infra) = (StoreId::from("store"), InfraId::from("infra"));
            let tags = batch.tags(&store, &infra);
            prop_assert!(tags.values().all(|value| value.chars().count() <= TAG_LENGTH));
            let mut seen = std::collections::BTreeSet::new();
            for (index, (slot, attempt)) in batch.slots().zip(batch.attempts()).enumerate() {
                let found = Identity::of_launched(&tags, Some(index)).unwrap();
                prop_assert_eq!((&found.slot, &found.attempt), (&slot, &attempt));
                prop_assert_eq!((&found.store, &found.infra), (&store, &infra));
                prop_assert_eq!(&token().member(&slot), &(found.attempt.clone(), found.node_id.clone()));
                prop_assert!(seen.insert(found.attempt.0) && seen.insert(found.node_id.0));
            }
            prop_assert_eq!(Identity::of_launched(&tags, Some(batch.len())), None);
            prop_assert_eq!(Identity::of_launched(&tags, None), None);
            let kept: CreateBatch = serde_json::from_value(serde_json::to_value(&batch).unwrap()).unwrap();
            prop_assert_eq!(kept, batch);
        }

        #[test]
        fn any_text_is_understood_or_refused(text in "[a-z]{0,3}/?[0-9,-]{0,30}") {
            if let Ok(slots) = text.parse::<Slots>() {
                prop_assert_eq!(slots.to_string(), text);
            }
        }
    }

    #[test]
    fn members_have_identifiers_of_the_usual_form_which_never_change() {
        let (attempt, node_id) = token().member(&Slot::new("worker", 3));
        assert_eq!(attempt.as_str(), "436c9ef7-7399-4482-8939-f804f6868de0");
        assert_eq!(node_id.as_str(), "b00e67b9-4bc8-40f9-9af8-873b19109ca9");
        assert_ne!(token().member(&Slot::new("worker", 4)).0, attempt);
        assert_ne!(BatchToken::from("another").member(&Slot::new("worker", 3)).0, attempt);
    }

    #[test]
    fn calls_of_the_same_run_have_tokens_of_their_own() {
        let tokens = [batch(&[1, 2]), batch(&[3, 4]), batch(&[1, 2, 3])].map(|batch| batch.call_token());
        assert!(tokens[0] != tokens[1] && tokens[0] != tokens[2] && tokens.iter().all(|t| t.len() == 36));
        assert_eq!(batch(&[2, 1]).call_token(), tokens[0]);
    }

    #[test]
    fn what_no_tag_can_tell_is_no_batch() {
        assert!(CreateBatch::new(token(), "worker", Vec::new()).is_none());
        assert!(CreateBatch::new(token(), "worker", vec![1, 1]).is_none());
        assert!(CreateBatch::new(token(), "worker", (1..300).map(|number| number * 2).collect()).is_none());
        assert!(CreateBatch::new(token(), &"n".repeat(255), vec![1]).is_none());
        for text in ["worker", "worker/", "worker/2-1", "worker/1-1", "worker/1,2", "w/0-4294967295", "w/+1"]
        {
            assert!(text.parse::<Slots>().is_err(), "{text}");
        }
    }

    #[test]
    fn tags_of_its_own_go_before_those_it_shares() {
        let (store, infra) = (StoreId::from("store"), InfraId::from("infra"));
        let own = Identity {
            store: store.clone(),
            infra: infra.clone(),
            slot: Slot::new("worker", 9),
            node_id: NodeId::from("n"),
            attempt: AttemptId::from("a"),
        };
        let mut tags = batch(&[1, 2]).tags(&store, &infra);
        tags.extend(own.tags());
        assert_eq!(Identity::of_launched(&tags, Some(0)), Some(own));
    }
}
