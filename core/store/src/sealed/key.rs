//! The key file: 32 random bytes, made once, for its owner alone; in a shared folder, for its group.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use occopus_engine::store::StoreError;
use ring::rand::{SecureRandom, SystemRandom};
use uuid::Uuid;

use crate::directory;
use crate::sqlite::sharing_group;

/// The bytes of a key.
pub(super) type Secret = [u8; 32];

fn unusable(path: &Path, reason: impl std::fmt::Display) -> StoreError {
    StoreError::Unusable(format!(
        "the key file {}: {reason}; put the right one there, or name it in {}",
        path.display(),
        super::KEY_FILE_VARIABLE
    ))
}

/// The key in the file `path`; `None` if there is no file.
pub(super) fn load(path: &Path) -> Result<Option<Secret>, StoreError> {
    let found = match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        found => found.map_err(|error| unusable(path, error))?,
    };
    if !found.is_file() {
        return Err(unusable(path, "it is not a regular file"));
    }
    if found.mode() & 0o007 != 0 {
        tracing::warn!(
            "the key file {0} may be accessed by every user; take that away: chmod o= {0}",
            path.display()
        );
    }
    let mut secret = Secret::default();
    let mut file = File::open(path).map_err(|error| unusable(path, error))?;
    if found.len() != secret.len() as u64 {
        return Err(unusable(path, format!("it has {} bytes instead of {}", found.len(), secret.len())));
    }
    file.read_exact(&mut secret).map_err(|error| unusable(path, error))?;
    Ok(Some(secret))
}

/// Makes a key, unless another process just did, and returns the one in the file. It is on disk then.
pub(super) fn create(path: &Path) -> Result<Secret, StoreError> {
    let failed = |error| unusable(path, format!("it cannot be made: {error}"));
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    directory::create(parent).map_err(failed)?;
    let draft = parent.join(format!(".occopus-{}.new", Uuid::new_v4()));
    // A link, unlike a rename, never replaces a key that another process made at the same moment.
    let made = write_draft(&draft, parent).and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    if let Err(error) = fs::remove_file(&draft)
        && error.kind() != ErrorKind::NotFound
    {
        tracing::warn!("{} could not be removed: {error}", draft.display());
    }
    made.and_then(|()| directory::sync(parent)).map_err(failed)?;
    load(path)?.ok_or_else(|| unusable(path, "it vanished while it was made"))
}

fn write_draft(draft: &Path, parent: &Path) -> std::io::Result<()> {
    let mut secret = Secret::default();
    let random = SystemRandom::new().fill(&mut secret);
    random.map_err(|_| std::io::Error::other("the system gives no random numbers"))?;
    let group = sharing_group(parent, &fs::metadata(parent)?);
    let mode = if group.is_some() { 0o640 } else { 0o600 };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(draft)?;
    // The mode given above is narrowed by the umask.
    file.set_permissions(Permissions::from_mode(mode))?;
    if let Some(group) = group {
        directory::hand_to_group(draft, group)?;
    }
    file.write_all(&secret)?;
    file.sync_all()
}
