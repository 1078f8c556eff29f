//! Whether a filesystem keeps the promises SQLite needs.
//!
//! SQLite's write-ahead log shares memory between processes and relies on file locks. Filesystems that
//! several machines mount give neither reliably: two controllers would both believe that they hold the
//! lease.

/// Filesystems on which locking is unsafe: number of `statfs(2)`, name for people.
const UNSAFE: [(u32, &str); 18] = [
    (0x0000_564c, "NCP"),
    (0x0000_517b, "SMB"),
    (0x0000_6969, "NFS"),
    (0x00c3_6400, "Ceph"),
    (0x0102_1997, "9P"),
    (0x0116_1970, "GFS2"),
    (0x0bd0_0bd0, "Lustre"),
    (0x1983_0326, "BeeGFS"),
    (0x4750_4653, "GPFS"),
    (0x5346_414f, "AFS"),
    (0x6573_5546, "FUSE (such as sshfs or virtiofs)"),
    (0x6b41_4653, "AFS"),
    (0x7375_7245, "Coda"),
    (0x7461_636f, "OCFS2"),
    (0x786f_4256, "VirtualBox shared folder"),
    (0xaad7_aaea, "PanFS"),
    (0xfe53_4d42, "SMB"),
    (0xff53_4d42, "CIFS"),
];

/// The name of the filesystem with the `statfs(2)` number `magic` if locking is unsafe on it, else
/// `None`.
pub(crate) fn unsafe_for_locks(magic: u32) -> Option<&'static str> {
    UNSAFE.iter().find(|(number, _)| *number == magic).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_filesystems_are_unsafe() {
        assert_eq!(unsafe_for_locks(0x6969), Some("NFS"));
        assert_eq!(unsafe_for_locks(0xff53_4d42), Some("CIFS"));
        assert_eq!(unsafe_for_locks(0xfe53_4d42), Some("SMB"));
        assert_eq!(unsafe_for_locks(0x0102_1997), Some("9P"));
        assert!(unsafe_for_locks(0x6573_5546).is_some_and(|name| name.starts_with("FUSE")));
    }

    #[test]
    fn local_filesystems_are_safe() {
        for (name, magic) in [
            ("ext4", 0xef53),
            ("xfs", 0x5846_5342),
            ("btrfs", 0x9123_683e),
            ("tmpfs", 0x0102_1994),
            ("overlayfs", 0x794c_7630),
            ("zfs", 0x2fc1_2fc1),
        ] {
            assert_eq!(unsafe_for_locks(magic), None, "{name}");
        }
    }
}
