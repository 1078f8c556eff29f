//! What goes wrong between here and a Redis, in words people can act on.

use occopus_engine::store::StoreError;
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// What to make of a failed call.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// The call may or may not have had its effect.
    Unanswered(String),
    /// The call was not even sent.
    Unreachable(String),
    /// The call had no effect; it can be repeated in a moment.
    Later(String),
    /// The call had no effect and never will have.
    Final(StoreError),
}

impl Fault {
    /// Judges `error`, which a call of the Redis at `place` ended with.
    pub(super) fn of(error: &RedisError, place: &str) -> Self {
        use ServerErrorKind::{BusyLoading, MasterDown, NoPerm, ReadOnly, TryAgain};
        let unusable = |text: String| Self::Final(StoreError::Unusable(text));
        match (error.kind(), error.code()) {
            (ErrorKind::AuthenticationFailed, _) | (_, Some("NOAUTH" | "WRONGPASS")) => unusable(format!(
                "the Redis {place} does not let us in: check 'username' and 'password' of the configuration file's \
                 'uds', or {}",
                super::PASSWORD_VARIABLE
            )),
            (ErrorKind::Server(NoPerm), _) => unusable(format!(
                "the user of the Redis {place} may not do what is needed ({}): grant it the keys of Occopus and the \
                 commands info, select, evalsha, script|load and those on strings, hashes and sorted sets",
                words(error)
            )),
            (ErrorKind::Server(ReadOnly), _) => {
                unusable(format!("the Redis {place} is a replica now; nothing was changed: name the master"))
            }
            (ErrorKind::Server(BusyLoading | TryAgain | MasterDown), _) | (_, Some("BUSY")) => {
                Self::Later(words(error))
            }
            (ErrorKind::Io, _) => Self::Unanswered(words(error)),
            _ if error.is_unrecoverable_error() => Self::Unanswered(words(error)),
            _ => Self::Final(StoreError::Failed(format!(
                "the Redis {place} did not do what was asked ({}); nothing was changed",
                words(error)
            ))),
        }
    }
}

impl Fault {
    /// The error of a call that had no effect, or whose effect does not matter.
    pub(super) fn explain(self, place: &str) -> StoreError {
        let text = match self {
            Self::Final(error) => return error,
            Self::Later(text) => format!("the Redis {place} is not ready ({text}); nothing was changed"),
            Self::Unreachable(text) | Self::Unanswered(text) => {
                format!("the Redis {place} cannot be reached ({text}); nothing was changed")
            }
        };
        StoreError::Failed(format!("{text}: check that it runs, and its address, then repeat the command"))
    }

    /// The error of a batch, which may have been applied.
    pub(super) fn explain_batch(self, place: &str) -> StoreError {
        match self {
            Self::Unanswered(text) => StoreError::UnknownOutcome(format!(
                "the Redis {place} stopped answering ({text}); it is not known whether the last step was recorded: \
                 repeat the command when it answers again, which finds out"
            )),
            fault => fault.explain(place),
        }
    }

    /// The error of a batch that was applied, and may not be on disk.
    pub(super) fn explain_unsynced(self, place: &str) -> StoreError {
        let text = match self {
            Self::Final(error) => error.to_string(),
            Self::Later(text) | Self::Unreachable(text) | Self::Unanswered(text) => text,
        };
        StoreError::UnknownOutcome(format!(
            "the Redis {place} did not confirm that the last step is on its disk ({text}), so that it is not known \
             whether it lasts: repeat the command when it answers again, which finds out"
        ))
    }
}

fn words(error: &RedisError) -> String {
    if error.is_timeout() { "no answer in time".to_owned() } else { error.to_string() }
}

/// What a script found out about the store instead of doing its work.
pub(super) fn refused(status: &str, detail: Option<&str>, place: &str) -> StoreError {
    StoreError::Unusable(match status {
        "replaced" => format!(
            "the records in the Redis {place} are gone or were replaced while they were in use (flushed, restored or \
             another server took over); nothing was changed: restore the data, then repeat the command"
        ),
        "lost" => format!(
            "the Redis {place} has lost records that it had confirmed (a restart or a failover without all data); \
             nothing was changed: restore the data if you can, then run 'occopus maintain', which compares the records \
             with what exists"
        ),
        "schema" => format!(
            "the records in the Redis {place} were written by another Occopus (schema {}); nothing was changed: upgrade \
             this program",
            detail.unwrap_or("unknown")
        ),
        other => format!("the Redis {place} gave an answer that makes no sense ({other})"),
    })
}

/// A value that was not written by us stands where ours should be.
pub(super) fn damaged(what: &str, place: &str) -> StoreError {
    StoreError::Unusable(format!(
        "the data in the Redis {place} are damaged: {what}; restore them from a backup of the Redis"
    ))
}
