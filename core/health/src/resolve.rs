//! From an instance's address, literal or name, to socket addresses.

use std::net::{IpAddr, SocketAddr};

/// More addresses of one name than this are not tried: each costs a socket.
const MAX_ADDRESSES: usize = 16;

/// All socket addresses of `host` (an IPv4 or IPv6 literal or a name) with `port`; at least one.
/// An error is the reason in plain words.
pub(crate) async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    if host.is_empty() {
        return Err("the instance has no address".to_owned());
    }
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let found = tokio::net::lookup_host((host, port))
        .await
        .map_err(|error| format!("cannot resolve '{host}': {error}"))?;
    let addresses: Vec<_> = found.take(MAX_ADDRESSES).collect();
    if addresses.is_empty() {
        return Err(format!("cannot resolve '{host}': the name has no address"));
    }
    Ok(addresses)
}
