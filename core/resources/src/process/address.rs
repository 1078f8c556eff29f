//! Addresses in 127.0.0.0/8, each reserved for one instance on the whole machine.
//!
//! A reservation is a file named like the address, in a folder that all users share; it holds the path
//! of the instance's folder. It appears under its name complete or not at all (a hard link), and only
//! for the first who asks.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use occopus_engine::clock::Random;
use uuid::Uuid;

/// Everybody may add a file, nobody may remove another user's.
const SHARED: u32 = 0o1777;

/// The sticky bit keeps programs that tidy up temporary folders from removing old reservations.
const KEPT: u32 = 0o1644;

/// An address that may be given to an instance: none of 127.0.0.0/16, where machines have services of
/// their own, and no first or last one of a block of 256.
pub(super) fn pick(random: &Random) -> Ipv4Addr {
    let octet = |first: u8, last: u8| {
        let offset = random.below(usize::from(last - first) + 1);
        first.saturating_add(u8::try_from(offset).unwrap_or(0))
    };
    Ipv4Addr::new(127, octet(1, 254), octet(0, 255), octet(1, 254))
}

/// The reservations of this machine.
#[derive(Debug, Clone)]
pub(super) struct Reservations {
    folder: PathBuf,
}

impl Reservations {
    /// Reservations in `folder`, the same for all users of the machine.
    pub(super) fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Reserves `address` for the instance in folder `holder` (an absolute path), which exists. True if
    /// it is now or already was reserved for it; false if another one has it. A reservation whose
    /// holder no longer exists is taken over.
    pub(super) fn reserve(&self, address: Ipv4Addr, holder: &Path) -> io::Result<bool> {
        self.ensure_folder()?;
        let draft = self.folder.join(format!("{}{}", drafts_of(holder), Uuid::new_v4()));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(KEPT).open(&draft)?;
        let reserved = file
            .write_all(holder.as_os_str().as_bytes())
            .and_then(|()| self.publish(&draft, &self.folder.join(address.to_string()), holder));
        fs::remove_file(&draft)?;
        reserved
    }

    fn publish(&self, draft: &Path, file: &Path, holder: &Path) -> io::Result<bool> {
        // The second round comes after a reservation without a holder was removed.
        for _ in 0..2 {
            match fs::hard_link(draft, file) {
                Ok(()) => return Ok(true),
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                Err(_) if is_held_by(file, holder) => return Ok(true),
                Err(_) if !self.remove_if_stale(file)? => return Ok(false),
                Err(_) => {}
            }
        }
        Ok(false)
    }

    /// Gives `address` back if it is reserved for `holder`, and tidies up after tries to reserve one
    /// that were cut short.
    pub(super) fn release(&self, address: Ipv4Addr, holder: &Path) -> io::Result<()> {
        let drafts = drafts_of(holder);
        let is_draft = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with(&drafts);
        for draft in self.folder.read_dir().into_iter().flatten().flatten().filter(is_draft) {
            // Tidying only: what somebody else put here must not keep an instance from being removed.
            if let Err(error) = fs::remove_file(draft.path()) {
                tracing::debug!(file = %draft.path().display(), %error, "draft of a reservation not removed");
            }
        }
        let file = self.folder.join(address.to_string());
        if !is_held_by(&file, holder) {
            return Ok(());
        }
        match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Removes a reservation whose holder is gone, and says whether it did. Under a lock: else a second
    /// one who saw the same stale reservation could remove the new one that took its place.
    fn remove_if_stale(&self, file: &Path) -> io::Result<bool> {
        let lock = File::open(&self.folder)?;
        if lock.try_lock().is_err() {
            return Ok(false);
        }
        let gone = |holder: &PathBuf| {
            holder.is_absolute()
                && fs::symlink_metadata(holder).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        };
        // Another user's reservation cannot be removed; there are millions of other addresses.
        Ok(holder_of(file).as_ref().is_some_and(gone) && fs::remove_file(file).is_ok())
    }

    /// Makes the shared folder with its permissions from the first moment on, or checks them.
    fn ensure_folder(&self) -> io::Result<()> {
        if !self.folder.exists() {
            let draft = self.folder.with_file_name(format!(".occopus-{}", Uuid::new_v4()));
            DirBuilder::new().mode(0o700).create(&draft)?;
            let made = fs::set_permissions(&draft, Permissions::from_mode(SHARED))
                .and_then(|()| fs::rename(&draft, &self.folder));
            if made.is_err() {
                fs::remove_dir(&draft)?;
            }
        }
        let metadata = fs::symlink_metadata(&self.folder)?;
        if !metadata.is_dir() || metadata.permissions().mode() & SHARED != SHARED {
            let folder = self.folder.display();
            return Err(io::Error::other(format!(
                "{folder} must be a folder with permissions 1777: run `chmod 1777 {folder}` as its owner"
            )));
        }
        Ok(())
    }
}

/// How the names of files begin that become reservations for `holder`.
fn drafts_of(holder: &Path) -> String {
    format!(".{}-", holder.file_name().unwrap_or_default().to_string_lossy())
}

fn is_held_by(file: &Path, holder: &Path) -> bool {
    holder_of(file).as_deref() == Some(holder)
}

/// What the reservation says. Others write here too: only a small, ordinary file is read.
fn holder_of(file: &Path) -> Option<PathBuf> {
    let metadata = fs::symlink_metadata(file).ok()?;
    if !metadata.is_file() || metadata.len() > 8192 {
        return None;
    }
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(&fs::read(file).ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 9, 8, 7);

    struct Bench {
        folder: tempfile::TempDir,
        reservations: Reservations,
    }

    impl Bench {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let reservations = Reservations::new(folder.path().join("addresses"));
            Self { folder, reservations }
        }

        fn holder(&self, name: &str) -> PathBuf {
            let path = self.folder.path().join(name);
            fs::create_dir_all(&path).unwrap();
            path
        }

        fn files(&self) -> usize {
            fs::read_dir(&self.reservations.folder).unwrap().count()
        }
    }

    #[test]
    fn an_address_has_one_holder_until_it_is_released() {
        let bench = Bench::new();
        let (one, other) = (bench.holder("one"), bench.holder("other"));
        assert!(bench.reservations.reserve(ADDRESS, &one).unwrap());
        assert!(bench.reservations.reserve(ADDRESS, &one).unwrap(), "a repetition lost the address");
        assert!(!bench.reservations.reserve(ADDRESS, &other).unwrap());
        bench.reservations.release(ADDRESS, &other).unwrap();
        assert!(!bench.reservations.reserve(ADDRESS, &other).unwrap(), "a stranger released it");
        bench.reservations.release(ADDRESS, &one).unwrap();
        bench.reservations.release(ADDRESS, &one).unwrap();
        assert!(bench.reservations.reserve(ADDRESS, &other).unwrap());
        assert_eq!(bench.files(), 1);
    }

    #[test]
    fn release_takes_what_an_interrupted_try_left() {
        let bench = Bench::new();
        let (one, other) = (bench.holder("one"), bench.holder("other"));
        assert!(bench.reservations.reserve(ADDRESS, &other).unwrap());
        for holder in [&one, &other] {
            fs::write(bench.reservations.folder.join(format!("{}x", drafts_of(holder))), "").unwrap();
        }
        bench.reservations.release(Ipv4Addr::new(127, 1, 1, 1), &one).unwrap();
        assert_eq!(bench.files(), 2);
    }

    #[test]
    fn the_address_of_a_vanished_holder_is_taken_over() {
        let bench = Bench::new();
        let (one, other) = (bench.holder("one"), bench.holder("other"));
        assert!(bench.reservations.reserve(ADDRESS, &one).unwrap());
        fs::remove_dir(&one).unwrap();
        assert!(bench.reservations.reserve(ADDRESS, &other).unwrap());
    }

    #[test]
    fn of_many_at_once_exactly_one_gets_a_stale_address() {
        let bench = Bench::new();
        let gone = bench.holder("gone");
        assert!(bench.reservations.reserve(ADDRESS, &gone).unwrap());
        fs::remove_dir(&gone).unwrap();
        let holders: Vec<PathBuf> = (0..8).map(|index| bench.holder(&index.to_string())).collect();
        let winners: Vec<&PathBuf> = std::thread::scope(|scope| {
            let tries: Vec<_> = holders
                .iter()
                .map(|holder| scope.spawn(|| bench.reservations.reserve(ADDRESS, holder).unwrap()))
                .collect();
            tries
                .into_iter()
                .zip(&holders)
                .filter_map(|(t, holder)| t.join().unwrap().then_some(holder))
                .collect()
        });
        assert!(winners.len() <= 1, "{winners:?}");
        let last = bench.holder("last");
        assert_eq!(bench.reservations.reserve(ADDRESS, &last).unwrap(), winners.is_empty());
    }

    #[test]
    fn the_folder_is_shared_and_reservations_outlive_tidying() {
        let bench = Bench::new();
        assert!(bench.reservations.reserve(ADDRESS, &bench.holder("one")).unwrap());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(&bench.reservations.folder), SHARED);
        assert_eq!(mode(&bench.reservations.folder.join(ADDRESS.to_string())) & 0o1000, 0o1000);
    }

    #[test]
    fn a_folder_in_which_others_could_remove_reservations_is_refused() {
        let bench = Bench::new();
        fs::create_dir(&bench.reservations.folder).unwrap();
        fs::set_permissions(&bench.reservations.folder, Permissions::from_mode(0o777)).unwrap();
        let error = bench.reservations.reserve(ADDRESS, &bench.holder("one")).unwrap_err();
        assert!(error.to_string().contains("chmod 1777"), "{error}");
    }

    #[test]
    fn picked_addresses_avoid_what_machines_use_themselves() {
        let random = Random::seeded(3);
        for _ in 0..10_000 {
            let [first, second, _, last] = pick(&random).octets();
            assert!(first == 127 && (1..=254).contains(&second) && (1..=254).contains(&last));
        }
    }
}
