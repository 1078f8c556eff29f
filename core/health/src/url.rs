//! Does a URL answer with success?

use std::error::Error;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Url};
use tokio::sync::OnceCell;

use crate::Verdict;

const MAX_REDIRECTS: usize = 10;

/// Idle connections are not kept: a check must find out whether the server accepts a new one.
const IDLE_CONNECTIONS: usize = 0;

/// The HTTP clients, made on first use because reading the system's certificates takes a while.
#[derive(Default)]
pub(crate) struct Clients {
    /// For addresses on this machine, which no proxy could reach.
    direct: OnceCell<Client>,
    /// For all others: obeys `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, as Occopus 1.10 does.
    proxied: OnceCell<Client>,
}

impl Clients {
    /// Sends a HEAD request to `url` and follows redirects; a final 2xx is success.
    pub(crate) async fn check(&self, url: &str) -> Verdict {
        let url = parse(url)?;
        let client = if is_loopback(&url) {
            self.direct.get_or_try_init(|| client(|| base().no_proxy())).await?
        } else {
            self.proxied.get_or_try_init(|| client(base)).await?
        };
        let response = client.head(url).send().await.map_err(|error| reason(&error))?;
        let status = response.status();
        if status.is_success() { Ok(()) } else { Err(format!("http {}", status.as_u16())) }
    }
}

fn parse(text: &str) -> Result<Url, String> {
    let url = Url::parse(text)
        .map_err(|error| format!("malformed URL ({error}); write it as http://HOST[:PORT]/PATH"))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(format!("'{other}' URLs cannot be checked; use http or https")),
    }
}

fn is_loopback(url: &Url) -> bool {
    // Brackets belong to an IPv6 literal in a URL, not to the address.
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

fn base() -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("occopus/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::limited(MAX_REDIRECTS))
        .referer(false)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .tcp_keepalive(None::<Duration>)
}

/// Builds a client outside the async threads, because it reads certificate files.
async fn client(builder: impl Fn() -> ClientBuilder + Send + 'static) -> Result<Client, String> {
    let build = move || {
        // Fails only if a provider is installed already, and any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // A machine without certificate authorities can still check http URLs.
        builder().build().or_else(|_| builder().tls_certs_only([]).build())
    };
    match tokio::task::spawn_blocking(build).await {
        Ok(Ok(client)) => Ok(client),
        Ok(Err(error)) => Err(format!("cannot make an HTTP client: {}", root_cause(&error))),
        Err(error) => Err(format!("cannot make an HTTP client: {error}")),
    }
}

/// Why a request got no final answer. Never quotes the URL, which may hold a password.
fn reason(error: &reqwest::Error) -> String {
    if error.is_redirect() {
        format!("redirected more than {MAX_REDIRECTS} times; probably a loop")
    } else if error.is_connect() {
        format!("cannot connect: {}", root_cause(error))
    } else {
        format!("no valid HTTP answer: {}", root_cause(error))
    }
}

/// The innermost error, which says what happened: "Connection refused", "invalid peer certificate".
fn root_cause(error: &reqwest::Error) -> String {
    match std::iter::successors(error.source(), |&cause| cause.source()).last() {
        Some(cause) => cause.to_string(),
        None => "the request was not accepted by the HTTP client".to_owned(),
    }
}

/// `url` as it may be shown: without user and password, and without the query, where tokens travel.
/// Works on text that is no valid URL, too.
pub(crate) fn without_secrets(url: &str) -> String {
    let url = url.split_once('#').map_or(url, |(before, _)| before);
    let (path, query) = match url.split_once('?') {
        Some((path, _)) => (path, "?…"),
        None => (url, ""),
    };
    let (scheme, rest) =
        path.split_once("://").map_or(("", path), |(scheme, rest)| (&path[..scheme.len() + 3], rest));
    let end = rest.find('/').unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}{host}{tail}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_url_holds_no_password_and_no_token() {
        for (url, shown) in [
            ("http://10.0.0.1:8080/ready", "http://10.0.0.1:8080/ready"),
            ("https://user:s3cret@example.org/a@b", "https://example.org/a@b"),
            ("http://h/p?token=s3cret#s3cret", "http://h/p?…"),
            ("user:s3cret@example.org", "example.org"),
            ("http//[::1", "http//[::1"),
            ("", ""),
        ] {
            assert_eq!(without_secrets(url), shown);
        }
    }

    #[test]
    fn only_addresses_of_this_machine_bypass_a_proxy() {
        for (url, loopback) in [
            ("http://127.0.0.77:1/", true),
            ("http://[::1]:1/", true),
            ("http://localhost/", true),
            ("http://10.0.0.1/", false),
            ("http://localhost.example.org/", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).unwrap()), loopback, "{url}");
        }
    }
}
