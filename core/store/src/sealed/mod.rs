//! Sealing: requests, the only records with secrets, are encrypted before they reach a store.
//!
//! ChaCha20-Poly1305 with a random nonce for each record; store, table, scope and identifier are bound to
//! it, so that a record cannot be passed off as another one. The key is in a file of its own: whoever gets
//! a copy of the store alone gets no secret.
//!
//! A request that cannot be opened counts as one that is not there: the engine then finds out by listing
//! what became of a creation. A new key is made only while nothing is sealed with another one.

mod cipher;
mod key;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use occopus_engine::ids::StoreId;
use occopus_engine::store::{Batch, Key, Record, Store, StoreError, Table, Write};
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;

use cipher::{Cipher, Unopened, is_sealed};

/// Environment variable that names the key file.
pub const KEY_FILE_VARIABLE: &str = "OCCOPUS_STORE_KEY_FILE";

/// The key file of the store file `store`, or the one that `chosen` (of [`KEY_FILE_VARIABLE`]) names.
pub fn key_file(store: &Path, chosen: Option<OsString>) -> PathBuf {
    match chosen.filter(|path| !path.is_empty()) {
        Some(path) => path.into(),
        None => {
            let mut path = store.as_os_str().to_owned();
            path.push(".key");
            path.into()
        }
    }
}

/// A store whose requests are sealed.
pub struct Sealed {
    inner: Arc<dyn Store>,
    key_file: PathBuf,
    /// Read when it is first needed: most commands need none.
    cipher: OnceCell<Arc<Cipher>>,
    told: AtomicBool,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealed").field("key_file", &self.key_file).finish_non_exhaustive()
    }
}

impl Sealed {
    /// Seals the requests of `inner` with the key in `key_file`, which is made when it is first needed.
    pub fn new(inner: Arc<dyn Store>, key_file: PathBuf) -> Self {
        Self { inner, key_file, cipher: OnceCell::new(), told: AtomicBool::new(false) }
    }

    /// The cipher with the existing key; `None` if there is no key file.
    async fn existing(&self) -> Result<Option<Arc<Cipher>>, StoreError> {
        if let Some(cipher) = self.cipher.get() {
            return Ok(Some(cipher.clone()));
        }
        let path = self.key_file.clone();
        let key = blocking(move || key::load(&path)).await?;
        key.map(|key| self.adopt(&key)).transpose()
    }

    /// The cipher for sealing; its key is durable before anything is sealed with it.
    async fn for_sealing(&self) -> Result<Arc<Cipher>, StoreError> {
        if let Some(cipher) = self.existing().await? {
            return Ok(cipher);
        }
        if self.holds_sealed().await? {
            // Another process may have made the first key since it was looked for.
            return self.existing().await?.ok_or_else(|| self.missing_key());
        }
        let path = self.key_file.clone();
        let key = blocking(move || key::create(&path)).await?;
        self.adopt(&key)
    }

    fn adopt(&self, key: &key::Secret) -> Result<Arc<Cipher>, StoreError> {
        let cipher = Arc::new(Cipher::new(key, self.inner.id())?);
        // Another task may have been faster; both read the same file.
        drop(self.cipher.set(cipher.clone()));
        Ok(cipher)
    }

    /// Whether any request is sealed, with whatever key.
    async fn holds_sealed(&self) -> Result<bool, StoreError> {
        for infra in self.inner.list(Table::Infrastructure, "", "").await? {
            let requests = self.inner.list(Table::Request, &infra.id, "").await?;
            if requests.iter().any(|request| is_sealed(&request.value)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn missing_key(&self) -> StoreError {
        let path = self.key_file.display();
        StoreError::Unusable(format!(
            "the key file {path} of the store {} is missing, but requests are sealed with it; nothing was changed: put \
             it back from a backup, or name it in {KEY_FILE_VARIABLE}. If it is lost, make a new one, and what became of \
             creations under way is found out by listing: (umask 077; head -c 32 /dev/urandom > {path})",
            self.inner.location()
        ))
    }

    /// `record` as it was before it was sealed; `None` if that cannot be known.
    async fn opened(&self, scope: &str, record: Record) -> Result<Option<Record>, StoreError> {
        if !is_sealed(&record.value) {
            return Ok(Some(record));
        }
        let reason = match self.existing().await {
            Ok(Some(cipher)) => match cipher.open(scope, &record) {
                Ok(value) => return Ok(Some(Record { value, ..record })),
                Err(Unopened::OtherKey) => "they were sealed with another key".to_owned(),
                Err(Unopened::Damaged) => "a record is damaged".to_owned(),
            },
            Ok(None) => "it is missing".to_owned(),
            Err(error) => error.to_string(),
        };
        if !self.told.swap(true, Ordering::Relaxed) {
            let path = self.key_file.display();
            tracing::warn!(
                "requests of creations under way cannot be opened with the key file {path}: {reason}; put the right \
                 one there or name it in {KEY_FILE_VARIABLE}. Until then nothing is sent again, and what became of \
                 them is found out by listing"
            );
        }
        Ok(None)
    }

    async fn sealed(&self, write: Write) -> Result<Write, StoreError> {
        Ok(match write {
            Write::Put(key, value) if key.table == Table::Request => {
                let value = self.for_sealing().await?.seal(&key.scope, Some(&key.id), &value)?;
                Write::Put(key, value)
            }
            Write::Append(Table::Request, scope, value) => {
                let value = self.for_sealing().await?.seal(&scope, None, &value)?;
                Write::Append(Table::Request, scope, value)
            }
            other => other,
        })
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(StoreError::Failed(format!(
            "reading the key of the store was broken off ({error}); repeat the command"
        )))
    })
}

#[async_trait]
impl Store for Sealed {
    fn id(&self) -> &StoreId {
        self.inner.id()
    }

    fn location(&self) -> String {
        self.inner.location()
    }

    async fn read(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        match self.inner.read(key).await? {
            Some(record) if key.table == Table::Request => self.opened(&key.scope, record).await,
            other => Ok(other),
        }
    }

    async fn list(&self, table: Table, scope: &str, after: &str) -> Result<Vec<Record>, StoreError> {
        let records = self.inner.list(table, scope, after).await?;
        if table != Table::Request {
            return Ok(records);
        }
        let mut opened = Vec::with_capacity(records.len());
        for record in records {
            opened.extend(self.opened(scope, record).await?);
        }
        Ok(opened)
    }

    async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let mut writes = Vec::with_capacity(batch.writes.len());
        for write in batch.writes {
            writes.push(self.sealed(write).await?);
        }
        self.inner.commit(Batch { expect: batch.expect, writes }).await
    }
}
