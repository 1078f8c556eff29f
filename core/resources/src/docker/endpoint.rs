//! The address of a Docker Engine.

use std::fmt;

use occopus_engine::handler::{ErrorKind, HandlerError};

/// The port on which an engine listens without TLS by convention.
const DEFAULT_PORT: u16 = 2375;

/// Where an engine listens. Prints in one canonical form, so that different spellings of one engine
/// are one place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Endpoint {
    /// Absolute path of a Unix socket.
    Unix(String),
    /// `host:port`, plain HTTP.
    Tcp(String),
}

impl Endpoint {
    /// Reads `unix:///path`, `tcp://host:port` or `http://host:port`. As in Occopus 1.10,
    /// `unix://var/run/docker.sock` with one slash too few means the same as with it.
    pub(super) fn parse(text: &str) -> Result<Self, HandlerError> {
        let text = text.trim();
        if let Some(path) = text.strip_prefix("unix://") {
            let path = path.trim_start_matches('/');
            return if path.is_empty() { Err(wrong(text)) } else { Ok(Self::Unix(format!("/{path}"))) };
        }
        let host = text.strip_prefix("tcp://").or_else(|| text.strip_prefix("http://"));
        match host.map(|host| host.trim_end_matches('/')) {
            Some(host) => tcp(host).ok_or_else(|| wrong(text)),
            None => Err(wrong(text)),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{path}"),
            Self::Tcp(host) => write!(f, "tcp://{host}"),
        }
    }
}

/// `host` or `host:port`, where the host may be a bracketed IPv6 address.
fn tcp(text: &str) -> Option<Endpoint> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (text, DEFAULT_PORT),
    };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    let allowed =
        |c: char| c.is_ascii_alphanumeric() || "-._".contains(c) || (bracketed && "[:]".contains(c));
    (!host.is_empty() && host.chars().all(allowed)).then(|| Endpoint::Tcp(format!("{host}:{port}")))
}

fn wrong(text: &str) -> HandlerError {
    HandlerError::new(
        ErrorKind::Invalid,
        format!(
            "docker: the endpoint '{text}' is not understood; write unix:///var/run/docker.sock or \
             tcp://HOST:PORT (TLS and SSH are not supported: forward the socket with \
             `ssh -L /tmp/docker.sock:/var/run/docker.sock HOST` instead)"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        Endpoint::parse(text).unwrap().to_string()
    }

    #[test]
    fn spellings_of_one_engine_are_one_place() {
        assert_eq!(canonical("unix:///var/run/docker.sock"), "unix:///var/run/docker.sock");
        assert_eq!(canonical(" unix://var/run/docker.sock"), "unix:///var/run/docker.sock");
        assert_eq!(canonical("tcp://10.0.0.5:2376/"), "tcp://10.0.0.5:2376");
        assert_eq!(canonical("http://10.0.0.5:2376"), "tcp://10.0.0.5:2376");
        assert_eq!(canonical("tcp://build-host"), "tcp://build-host:2375");
        assert_eq!(canonical("tcp://[fd00::1]:2375"), "tcp://[fd00::1]:2375");
        assert_eq!(canonical("tcp://[fd00::1]"), "tcp://[fd00::1]:2375");
    }

    #[test]
    fn what_cannot_be_reached_is_refused_with_the_remedy() {
        for text in [
            "",
            "unix://",
            "tcp://",
            "tcp://host:port",
            "tcp://user:pw@host:2375",
            "https://host:2376",
            "ssh://host",
            "replace_with_your_docker_endpoint",
        ] {
            let error = Endpoint::parse(text).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Invalid, "{text}");
            assert!(error.message.contains("unix:///var/run/docker.sock"), "{error}");
        }
    }
}
