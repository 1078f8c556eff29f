//! Does a TCP port accept connections?

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use futures::FutureExt;
use futures::future::select_ok;
use tokio::net::TcpStream;

use crate::Verdict;
use crate::resolve::resolve;

/// Connects to `port` on every address of `host` at once; one that accepts is enough.
pub(crate) async fn check(host: &str, port: u16) -> Verdict {
    let addresses = resolve(host, port).await?;
    // Concurrently: a name whose IPv6 address is a black hole must not use up the deadline of the other.
    let attempts = addresses.into_iter().map(|address| connect(address).boxed());
    match select_ok(attempts).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Err(format!("port {port} closed")),
        Err(error) => Err(format!("port {port} cannot be reached: {error}")),
    }
}

async fn connect(address: SocketAddr) -> io::Result<()> {
    let stream = TcpStream::connect(address).await?;
    if is_own_echo(&stream)? { Err(ErrorKind::ConnectionRefused.into()) } else { Ok(()) }
}

/// Whether a connection to a closed local port met itself: the kernel may pick the very port that is
/// being tried as the source port, and TCP then connects a socket to itself.
fn is_own_echo(stream: &TcpStream) -> io::Result<bool> {
    Ok(stream.local_addr()? == stream.peer_addr()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_to_itself_is_not_taken_for_a_listener() {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let own = socket.local_addr().unwrap();
        let echo = socket.connect(own).await.unwrap();
        assert!(is_own_echo(&echo).unwrap());

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let real = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        assert!(!is_own_echo(&real).unwrap());
    }
}
