//! Sealing and opening one record.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use occopus_engine::ids::StoreId;
use occopus_engine::store::{Record, StoreError};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value, json};

use super::key::Secret;

/// The key of a sealed record that holds the version of the format.
const MARK: &str = "sealed";
const VERSION: u64 = 1;
/// Bytes of the digest that tells keys apart.
const FINGERPRINT: usize = 8;

/// Why a record could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unopened {
    /// It was sealed with another key.
    OtherKey,
    /// It is not what was sealed, or belongs to another place.
    Damaged,
}

/// Whether `value` is a sealed record.
pub(super) fn is_sealed(value: &Value) -> bool {
    value.get(MARK).is_some_and(Value::is_u64)
}

/// A key at work.
pub(super) struct Cipher {
    key: LessSafeKey,
    fingerprint: String,
    store: String,
    random: SystemRandom,
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cipher").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

impl Cipher {
    pub(super) fn new(secret: &Secret, store: &StoreId) -> Result<Self, StoreError> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, secret)
            .map_err(|_| StoreError::Unusable("the key of the store has the wrong length".to_owned()))?;
        let fingerprint = digest(&SHA256, secret);
        let fingerprint = fingerprint.as_ref().iter().take(FINGERPRINT).map(|byte| format!("{byte:02x}"));
        Ok(Self {
            key: LessSafeKey::new(key),
            fingerprint: fingerprint.collect(),
            store: store.to_string(),
            random: SystemRandom::new(),
        })
    }

    /// What a record is bound to.
    fn place(&self, scope: &str, id: Option<&str>) -> Vec<u8> {
        json!([VERSION, self.store, scope, id]).to_string().into_bytes()
    }

    /// `value` sealed for the record `id` in `scope`; an appended record has no identifier yet.
    pub(super) fn seal(&self, scope: &str, id: Option<&str>, value: &Value) -> Result<Value, StoreError> {
        let failed = |_| StoreError::Failed("a request could not be sealed; nothing was changed".to_owned());
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(failed)?;
        let mut data = value.to_string().into_bytes();
        let place = Aad::from(self.place(scope, id));
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), place, &mut data)
            .map_err(failed)?;
        Ok(json!({
            MARK: VERSION,
            "key": self.fingerprint,
            "id": id,
            "nonce": STANDARD.encode(nonce),
            "data": STANDARD.encode(data),
        }))
    }

    /// What was sealed in `record` of `scope`.
    pub(super) fn open(&self, scope: &str, record: &Record) -> Result<Value, Unopened> {
        let field = |name: &str| record.value.get(name).and_then(Value::as_str);
        if field("key") != Some(&self.fingerprint) {
            return Err(Unopened::OtherKey);
        }
        let id = field("id");
        if id.is_some_and(|id| id != record.id) {
            return Err(Unopened::Damaged);
        }
        let bytes = |name: &str| STANDARD.decode(field(name)?).ok();
        let opened = || {
            let nonce = Nonce::try_assume_unique_for_key(&bytes("nonce")?).ok()?;
            let mut data = bytes("data")?;
            let plain = self.key.open_in_place(nonce, Aad::from(self.place(scope, id)), &mut data).ok()?;
            serde_json::from_slice(plain).ok()
        };
        opened().ok_or(Unopened::Damaged)
    }
}
