//! What a failed call to an engine means, and what the user can do about it.

use std::error::Error as StdError;
use std::io;

use bollard::errors::Error;
use occopus_engine::handler::{ErrorKind, HandlerError};

/// What a call does if it gets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// It only reads: without an answer, nothing happened.
    None,
    /// It fetches an image, which is no resource: it can be repeated. The engine passes on what a
    /// registry or an archive made it stumble over, without a code of its own.
    Fetch,
    /// It changes something: without an answer, it may have happened.
    Change,
}

/// The status of an answer, if the engine gave one.
pub(super) fn status(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// Turns `error`, met while `doing` something (`create container x`) at `endpoint`, into what the
/// engine of Occopus decides by.
pub(super) fn classify(endpoint: &str, doing: &str, effect: Effect, error: &Error) -> HandlerError {
    let (kind, why) = match error {
        Error::DockerResponseServerError { status_code, message } => {
            (answer_kind(*status_code, message, effect), answer_text(*status_code, message))
        }
        Error::DockerStreamError { error } => (fetch_kind(error), error.clone()),
        Error::SocketNotFoundError(_) => no_connection(&io::Error::from(io::ErrorKind::NotFound)),
        Error::RequestTimeoutError => {
            (no_answer(effect), "it did not answer in time; is it overloaded or out of reach?".to_owned())
        }
        Error::HyperLegacyError { err } if err.is_connect() => match io_cause(err) {
            Some(cause) => no_connection(cause),
            None => (ErrorKind::Transient, format!("cannot connect: {}", innermost(err))),
        },
        Error::JsonDataError { .. } | Error::JsonSerdeError { .. } | Error::APIVersionParseError {} => {
            (no_answer(effect), format!("its answer is not understood ({error}); is it a Docker Engine?"))
        }
        other => (no_answer(effect), format!("the connection broke: {}", innermost(other))),
    };
    HandlerError::new(kind, format!("Docker Engine at {endpoint}: cannot {doing}: {why}"))
}

/// The engine answered: apart from its own breakdowns, nothing happened.
fn answer_kind(status: u16, message: &str, effect: Effect) -> ErrorKind {
    match status {
        401 | 403 => ErrorKind::Auth,
        404 => ErrorKind::NotFound,
        429 => ErrorKind::Throttled,
        400..=499 => ErrorKind::Invalid,
        _ if effect == Effect::Fetch => fetch_kind(message),
        _ if is_exhausted(message) => ErrorKind::Quota,
        _ => no_answer(effect),
    }
}

fn answer_text(status: u16, message: &str) -> String {
    if message.contains("HTTP request to an HTTPS server") {
        return "it wants TLS, which is not supported; use its Unix socket, or forward it through SSH"
            .to_owned();
    }
    if message.contains("client version") && message.contains("too old") {
        return format!("{message}; this Engine is newer than this version of Occopus knows");
    }
    if message.is_empty() { format!("it answered with status {status}") } else { message.to_owned() }
}

/// What went wrong with a pull or an import; the text has to do.
fn fetch_kind(message: &str) -> ErrorKind {
    let message = message.to_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| message.contains(part));
    if has(&["toomanyrequests", "too many requests", "rate limit"]) {
        ErrorKind::Throttled
    } else if has(&["pull access denied", "manifest unknown", "not found", "does not exist"]) {
        ErrorKind::NotFound
    } else if has(&["unauthorized", "denied", "authentication required"]) {
        ErrorKind::Auth
    } else if is_exhausted(&message) {
        ErrorKind::Quota
    } else if has(&["processing tar file", "archive/tar", "invalid reference"]) {
        ErrorKind::Invalid
    } else {
        ErrorKind::Transient
    }
}

fn is_exhausted(message: &str) -> bool {
    let message = message.to_lowercase();
    ["no space left", "no available ipv4", "available ipv4 address", "cannot allocate memory"]
        .iter()
        .any(|part| message.contains(part))
}

fn no_answer(effect: Effect) -> ErrorKind {
    match effect {
        Effect::None | Effect::Fetch => ErrorKind::Transient,
        Effect::Change => ErrorKind::UnknownOutcome,
    }
}

/// No connection came about, so certainly nothing happened.
fn no_connection(cause: &io::Error) -> (ErrorKind, String) {
    match cause.kind() {
        io::ErrorKind::PermissionDenied => (
            ErrorKind::Auth,
            "permission denied on its socket; add yourself to the group that owns it \
             (`sudo usermod -aG docker $USER`, then log in again)"
                .to_owned(),
        ),
        io::ErrorKind::NotFound => (
            ErrorKind::Transient,
            "there is no such socket; is the engine installed and running (`systemctl start docker`), \
             and is `endpoint` right?"
                .to_owned(),
        ),
        io::ErrorKind::ConnectionRefused => (
            ErrorKind::Transient,
            "nobody listens there; is the engine running (`systemctl start docker`), and is `endpoint` \
             right?"
                .to_owned(),
        ),
        _ => (ErrorKind::Transient, format!("cannot connect ({cause}); is `endpoint` right?")),
    }
}

fn io_cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a io::Error> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// The last cause: the outer ones only say that something went wrong.
fn innermost(error: &(dyn StdError + 'static)) -> String {
    causes(error).last().map_or_else(String::new, ToString::to_string)
}

fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status_code: u16, message: &str, effect: Effect) -> HandlerError {
        let error = Error::DockerResponseServerError { status_code, message: message.to_owned() };
        classify("tcp://host:2375", "create container x", effect, &error)
    }

    #[test]
    fn a_refusal_is_certain_and_a_breakdown_is_not() {
        assert_eq!(answered(400, "bad", Effect::Change).kind, ErrorKind::Invalid);
        assert_eq!(answered(404, "no such image", Effect::Change).kind, ErrorKind::NotFound);
        assert_eq!(answered(403, "", Effect::Change).kind, ErrorKind::Auth);
        assert_eq!(answered(429, "", Effect::Change).kind, ErrorKind::Throttled);
        assert_eq!(answered(500, "boom", Effect::Change).kind, ErrorKind::UnknownOutcome);
        assert_eq!(answered(500, "boom", Effect::None).kind, ErrorKind::Transient);
        assert_eq!(answered(500, "write: no space left on device", Effect::Change).kind, ErrorKind::Quota);
    }

    #[test]
    fn silence_is_an_unknown_outcome_only_for_changes() {
        let silent = |effect| classify("tcp://h:1", "stop x", effect, &Error::RequestTimeoutError).kind;
        assert_eq!(silent(Effect::None), ErrorKind::Transient);
        assert_eq!(silent(Effect::Change), ErrorKind::UnknownOutcome);
    }

    #[test]
    fn a_socket_that_may_not_be_used_names_the_group_to_join() {
        let (kind, why) = no_connection(&io::Error::from(io::ErrorKind::PermissionDenied));
        assert_eq!(kind, ErrorKind::Auth);
        assert!(why.contains("usermod -aG docker"), "{why}");
    }

    #[test]
    fn messages_say_where_and_what() {
        let text = answered(404, "no such image: x:1", Effect::Change).message;
        assert_eq!(text, "Docker Engine at tcp://host:2375: cannot create container x: no such image: x:1");
    }

    #[test]
    fn errors_of_a_fetch_are_told_apart_by_their_text() {
        let cases = [
            ("toomanyrequests: You have reached your pull rate limit", ErrorKind::Throttled),
            ("manifest for busybox:9 not found: manifest unknown: manifest unknown", ErrorKind::NotFound),
            ("pull access denied for x, repository does not exist or may require login", ErrorKind::NotFound),
            ("unauthorized: authentication required", ErrorKind::Auth),
            ("write /var/lib/docker/x: no space left on device", ErrorKind::Quota),
            ("Error processing tar file(exit status 1): unexpected EOF", ErrorKind::Invalid),
            ("unexpected EOF", ErrorKind::Transient),
            ("Get https://registry-1.docker.io/v2/: net/http: TLS handshake timeout", ErrorKind::Transient),
        ];
        for (message, kind) in cases {
            assert_eq!(fetch_kind(message), kind, "{message}");
            assert_eq!(answered(500, message, Effect::Fetch).kind, kind, "{message}");
        }
    }
}
