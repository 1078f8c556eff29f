//! Whether a Redis can be trusted with records: judged from what it says about itself. Pure.

use std::collections::BTreeMap;

/// Oldest version that works: from it on, scripts are replicated by their effects.
const OLDEST: (u32, u32) = (5, 0);
/// The version from which a client can wait until its writes are on disk.
const KNOWS_WAITAOF: (u32, u32) = (7, 2);

/// How far a Redis can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// A reply means that the write is on disk.
    Always,
    /// Writes are on disk within a second, and can be waited for.
    Awaited,
    /// Writes are on disk within a second or two; a machine that loses its power loses them.
    Soon,
    /// It may not be asked when writes are on disk.
    Unknown,
    /// Writes can be lost at any time, and the user has allowed it.
    Volatile,
}

/// Why a Redis is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It will be usable soon.
    Later(String),
    /// It cannot be used as it is. What is wrong, and what to do.
    Unusable(String),
}

/// Judges a Redis by its `INFO` and its setting `appendfsync` (`None` if it may not be asked).
pub(super) fn judge(
    info: &str,
    appendfsync: Option<&str>,
    allow_volatile: bool,
) -> Result<Durability, Refusal> {
    let info = Info::new(info);
    info.require_usable()?;
    let doubt = info.volatile(appendfsync);
    match doubt {
        Some(_) if allow_volatile => Ok(Durability::Volatile),
        Some(reason) => Err(Refusal::Unusable(format!(
            "{reason}. Records of what exists in your clouds would be lost. To accept that all the same: \
             --allow-volatile-store, OCCOPUS_ALLOW_VOLATILE_STORE=1, or 'allow_volatile_store: true' beside \
             the host in the configuration file"
        ))),
        None if appendfsync == Some("always") => Ok(Durability::Always),
        None if info.version() >= KNOWS_WAITAOF => Ok(Durability::Awaited),
        None if appendfsync.is_none() => Ok(Durability::Unknown),
        None => Ok(Durability::Soon),
    }
}

/// The fields of an `INFO` reply.
struct Info<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Info<'a> {
    fn new(text: &'a str) -> Self {
        Self(text.lines().filter_map(|line| line.trim_end().split_once(':')).collect())
    }

    fn get(&self, field: &str) -> &str {
        self.0.get(field).copied().unwrap_or_default()
    }

    fn version(&self) -> (u32, u32) {
        let mut numbers = self.get("redis_version").split('.').map(|part| part.parse().unwrap_or(0));
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
    }

    fn require_usable(&self) -> Result<(), Refusal> {
        let unusable = |text: String| Err(Refusal::Unusable(text));
        if self.get("loading") == "1" {
            return Err(Refusal::Later("it is still loading its data".to_owned()));
        }
        if self.version() < OLDEST {
            return unusable(format!(
                "its version is {}, and 5.0 is the oldest that works",
                self.get("redis_version")
            ));
        }
        match self.get("redis_mode") {
            "" | "standalone" => {}
            mode => {
                return unusable(format!(
                    "it runs in the mode '{mode}', in which batches cannot be atomic; name a standalone Redis"
                ));
            }
        }
        if self.get("role") != "master" {
            return unusable(format!(
                "it is a replica of {}:{}; name the master",
                self.get("master_host"),
                self.get("master_port")
            ));
        }
        if self.get("aof_enabled") == "1" && self.get("aof_last_write_status") == "err" {
            return unusable(
                "it cannot write its append-only file; see its log, and whether its disk is full".to_owned(),
            );
        }
        Ok(())
    }

    /// Why records could be lost.
    fn volatile(&self, appendfsync: Option<&str>) -> Option<String> {
        if self.get("aof_enabled") != "1" {
            return Some(
                "it keeps its data in memory only, or on disk from time to time: set 'appendonly yes' and \
                 'appendfsync always' in its redis.conf, or at once with 'redis-cli config set appendonly yes' and \
                 'redis-cli config set appendfsync always'"
                    .to_owned(),
            );
        }
        if appendfsync == Some("no") {
            return Some(
                "it does not say when its data are on disk: set 'appendfsync always' in its redis.conf, or at once \
                 with 'redis-cli config set appendfsync always'"
                    .to_owned(),
            );
        }
        let evicts = self.get("maxmemory_policy").starts_with("allkeys-") && self.get("maxmemory") != "0";
        evicts.then(|| {
            format!(
                "it throws keys away when its memory is full (maxmemory-policy {}): set 'maxmemory-policy \
                 noeviction' in its redis.conf, or at once with 'redis-cli config set maxmemory-policy noeviction'",
                self.get("maxmemory_policy")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n\r\n# Persistence\r\nloading:0\r\n\
                        aof_enabled:1\r\naof_last_write_status:ok\r\n# Replication\r\nrole:master\r\nmaxmemory:0\r\n\
                        maxmemory_policy:noeviction\r\n";

    fn with(field: &str, value: &str) -> String {
        format!("{GOOD}{field}:{value}\r\n")
    }

    #[test]
    fn durability_depends_on_the_flushing_of_the_append_only_file() {
        assert_eq!(judge(GOOD, Some("always"), false), Ok(Durability::Always));
        assert_eq!(judge(GOOD, Some("everysec"), false), Ok(Durability::Soon));
        assert_eq!(judge(GOOD, None, false), Ok(Durability::Unknown));
        for version in ["7.2.0", "7.4.1", "8.0.0"] {
            assert_eq!(
                judge(&with("redis_version", version), Some("everysec"), false),
                Ok(Durability::Awaited)
            );
        }
    }

    #[test]
    fn what_could_lose_records_is_refused_unless_that_is_allowed() {
        let evicting = with("maxmemory", "1000") + "maxmemory_policy:allkeys-lru\r\n";
        for (info, appendfsync, remedy) in [
            (with("aof_enabled", "0"), "everysec", "appendonly yes"),
            (GOOD.to_owned(), "no", "appendfsync always"),
            (evicting, "always", "noeviction"),
        ] {
            let Err(Refusal::Unusable(text)) = judge(&info, Some(appendfsync), false) else {
                panic!("accepted: {info}")
            };
            assert!(text.contains(remedy) && text.contains("--allow-volatile-store"), "{text}");
            assert_eq!(judge(&info, Some(appendfsync), true), Ok(Durability::Volatile));
        }
        let unlimited = with("maxmemory_policy", "allkeys-lru");
        assert_eq!(judge(&unlimited, Some("always"), false), Ok(Durability::Always), "memory has no limit");
    }

    #[test]
    fn what_cannot_work_is_refused_even_where_losses_are_allowed() {
        let replica = with("role", "slave") + "master_host:a.example\r\nmaster_port:6379\r\n";
        for (info, words) in [
            (with("redis_version", "4.0.9"), "4.0.9"),
            (with("redis_mode", "cluster"), "cluster"),
            (replica, "a.example:6379"),
            (with("aof_last_write_status", "err"), "append-only file"),
            (String::new(), "version"),
        ] {
            let Err(Refusal::Unusable(text)) = judge(&info, Some("always"), true) else { panic!("{info}") };
            assert!(text.contains(words), "{text}");
        }
        assert!(matches!(judge(&with("loading", "1"), None, true), Err(Refusal::Later(_))));
    }
}
