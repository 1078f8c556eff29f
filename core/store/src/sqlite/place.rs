//! The file of a store and its surroundings: filesystem, permissions, sharing with a group.

use std::fs::{self, Metadata, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::sys::statfs::statfs;
use nix::unistd::{AccessFlags, eaccess};
use occopus_engine::store::StoreError;

use super::fault::unreachable;
use crate::directory;
use crate::filesystem::unsafe_for_locks;
use crate::location::SHARED_DIRECTORY;

/// The group that shares the stores in a directory; `None` if they belong to one user.
///
/// A directory that its group may write is shared if it is the system's own, or if its set-group-id bit
/// says so: a writable group alone is what a lax umask leaves everywhere.
pub(crate) fn sharing_group(directory: &Path, metadata: &Metadata) -> Option<u32> {
    let mode = metadata.mode();
    let deliberate = directory == Path::new(SHARED_DIRECTORY) || mode & 0o2000 != 0;
    (deliberate && mode & 0o020 != 0).then(|| metadata.gid())
}

/// The permissions of a store file.
pub(super) fn file_mode(shared: bool) -> u32 {
    if shared { 0o660 } else { 0o600 }
}

/// The directory of the store file `path`.
pub(super) fn directory_of(path: &Path) -> Result<&Path, StoreError> {
    match path.parent() {
        Some(directory) if path.file_name().is_some() => Ok(directory),
        _ => Err(unreachable(path, "use it", "the path names no file")),
    }
}

/// Whether something is at `path`.
pub(super) fn exists(path: &Path) -> Result<bool, StoreError> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(true),
        Ok(_) => Err(unreachable(path, "use it", "it is not a regular file")),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(unreachable(path, "look it up", error)),
    }
}

/// Refuses a filesystem that several machines share. `path` need not exist yet.
pub(super) fn require_local(path: &Path) -> Result<(), StoreError> {
    let existing = path.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("/"));
    let found = statfs(existing).map_err(|error| unreachable(path, "examine its filesystem", error))?;
    // The numbers have 32 bits; the type of the field is wider on some machines.
    match unsafe_for_locks(found.filesystem_type().0 as u32) {
        None => Ok(()),
        Some(name) => Err(StoreError::Unusable(format!(
            "the store {} would be on a {name} filesystem, where locks between processes cannot be relied on: \
             choose a store on a local disk (--store or OCCOPUS_STORE)",
            path.display()
        ))),
    }
}

/// Refuses a store that this process may not write; SQLite would quietly open it for reading.
pub(super) fn require_writable(path: &Path) -> Result<(), StoreError> {
    let file = eaccess(path, AccessFlags::R_OK | AccessFlags::W_OK);
    file.map_err(|error| unreachable(path, "open it for writing", error))?;
    let directory = directory_of(path)?;
    eaccess(directory, AccessFlags::W_OK | AccessFlags::X_OK).map_err(|error| {
        unreachable(path, &format!("create companion files in {}", directory.display()), error)
    })
}

/// Takes everyone else's access away from a store file, which a copy or a careless `chmod` may have
/// given. Repeated at each opening; a file of another owner can only be reported.
pub(super) fn restrict(path: &Path) {
    let Ok(metadata) = fs::metadata(path) else { return };
    let mode = metadata.mode() & 0o777;
    if mode & 0o007 == 0 {
        return;
    }
    if let Err(error) = fs::set_permissions(path, Permissions::from_mode(mode & 0o770)) {
        tracing::warn!(
            "the store {} may be accessed by every user (mode {mode:o}) and its owner has to change that: {error}",
            path.display()
        );
    }
}

/// Gives the files of a shared store to the group of its directory: without the set-group-id bit, new
/// files belong to the group of whoever made them, and other members could not open them.
pub(super) fn share(path: &Path) -> Result<(), StoreError> {
    let directory = directory_of(path)?;
    let metadata =
        fs::metadata(directory).map_err(|error| unreachable(path, "examine its directory", error))?;
    let Some(group) = sharing_group(directory, &metadata) else { return Ok(()) };
    for file in [path.to_owned(), companion(path, "-wal"), companion(path, "-shm")] {
        if let Err(error) = directory::hand_to_group(&file, group) {
            tracing::debug!("{} stays with its group: {error}", file.display());
        }
    }
    Ok(())
}

/// The path of a file that SQLite keeps beside the store file.
pub(super) fn companion(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// What makes a file this file and not a later one of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Inode {
    device: u64,
    number: u64,
}

impl Inode {
    /// The file now at `path`.
    pub(super) fn of(path: &Path) -> Result<Self, StoreError> {
        let metadata = fs::metadata(path).map_err(|error| unreachable(path, "find it", error))?;
        Ok(Self { device: metadata.dev(), number: metadata.ino() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory_with_mode(mode: u32) -> (tempfile::TempDir, Metadata) {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(mode)).unwrap();
        let metadata = fs::metadata(directory.path()).unwrap();
        (directory, metadata)
    }

    #[test]
    fn a_private_directory_is_not_shared() {
        for mode in [0o700, 0o750, 0o2750, 0o770] {
            let (directory, metadata) = directory_with_mode(mode);
            assert_eq!(sharing_group(directory.path(), &metadata), None, "mode {mode:o}");
        }
    }

    #[test]
    fn a_set_group_id_directory_is_shared_with_its_group() {
        let (directory, metadata) = directory_with_mode(0o2770);
        assert_eq!(sharing_group(directory.path(), &metadata), Some(metadata.gid()));
    }

    #[test]
    fn the_system_directory_is_shared_when_its_group_may_write_it() {
        let (_private, private) = directory_with_mode(0o755);
        let (_group, group) = directory_with_mode(0o770);
        let system = Path::new(SHARED_DIRECTORY);
        assert_eq!(sharing_group(system, &private), None);
        assert_eq!(sharing_group(system, &group), Some(group.gid()));
    }

    #[test]
    fn the_access_of_strangers_is_taken_away() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("store.db");
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o664)).unwrap();
        restrict(&file);
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o660);
    }
}
