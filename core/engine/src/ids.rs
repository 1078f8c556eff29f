//! Identifiers: what an infrastructure, an instance, an attempt and a store are called.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid.to_string())
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
    };
}

text_id!(
    /// An infrastructure: a UUIDv4, or a name the user chose at creation.
    InfraId
);
text_id!(
    /// One instance (virtual machine, container or process): the UUIDv4 users see as `node_id`.
    NodeId
);
text_id!(
    /// One try to fill a slot. Tokens and names at the back-end derive from it and are never reused.
    AttemptId
);
text_id!(
    /// The store that owns a resource; a UUIDv4 made when the store is created.
    StoreId
);

text_id!(
    /// The creates of one run, of which any may be made together by one call; a UUIDv4 that is never used again.
    BatchToken
);

/// The stable place, such as `worker/2`, that successive instances of a node fill. Counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Slot {
    /// Name of the node in the infrastructure description.
    pub node: String,
    /// Number of the slot inside the node, from 1.
    pub index: u32,
}

impl Slot {
    /// The slot `index` of `node`.
    pub fn new(node: impl Into<String>, index: u32) -> Self {
        Self { node: node.into(), index }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.node, self.index)
    }
}

impl From<Slot> for String {
    fn from(slot: Slot) -> Self {
        slot.to_string()
    }
}

/// The text is not of the form `node/number`.
#[derive(Debug, Clone, thiserror::Error)]
#[error("'{0}' is no slot: expected NODE/NUMBER, such as worker/2")]
pub struct SlotError(String);

impl FromStr for Slot {
    type Err = SlotError;

    fn from_str(text: &str) -> Result<Self, SlotError> {
        let (node, index) = text.rsplit_once('/').ok_or_else(|| SlotError(text.to_owned()))?;
        let index = index.parse().map_err(|_| SlotError(text.to_owned()))?;
        Ok(Self::new(node, index))
    }
}

impl TryFrom<String> for Slot {
    type Error = SlotError;

    fn try_from(text: String) -> Result<Self, SlotError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_reads_back_what_it_prints() {
        for slot in [Slot::new("worker", 1), Slot::new("a/b", 4_294_967_295), Slot::new("", 0)] {
            assert_eq!(slot.to_string().parse::<Slot>().unwrap(), slot);
            let text = serde_json::to_string(&slot).unwrap();
            assert_eq!(serde_json::from_str::<Slot>(&text).unwrap(), slot);
        }
    }

    #[test]
    fn what_is_no_slot_is_refused_with_the_form_it_should_have() {
        for text in ["worker", "worker/", "worker/-1", "worker/two", "worker/4294967296", ""] {
            let error = text.parse::<Slot>().unwrap_err().to_string();
            assert!(error.contains("expected NODE/NUMBER"), "{error}");
        }
    }
}
