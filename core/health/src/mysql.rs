//! Does a MySQL (or MariaDB) database accept a login?

use std::net::{IpAddr, SocketAddr};

use mysql_async::{Conn, Error, IoError, OptsBuilder, ServerError};

use crate::Verdict;
use crate::resolve::resolve;

/// Where MySQL listens unless the address says otherwise.
const DEFAULT_PORT: u16 = 3306;

/// Logs in to the database `name` at `address` (with an optional `:port`) and leaves again.
pub(crate) async fn check(address: &str, name: &str, user: &str, password: &str) -> Verdict {
    let (host, port) = split_port(address);
    let ips: Vec<IpAddr> = resolve(host, port).await?.iter().map(SocketAddr::ip).collect();
    let options = OptsBuilder::default()
        .ip_or_hostname(host)
        .resolved_ips(Some(ips))
        .tcp_port(port)
        // A Unix socket of this machine would prove nothing about the instance's port.
        .prefer_socket(false)
        .db_name(Some(name))
        .user(Some(user))
        .pass(Some(password));
    let connection = Conn::new(options).await.map_err(|error| reason(&error, port, name, user))?;
    // The login is what was asked; a server that hangs up before the farewell is still healthy.
    let _ = connection.disconnect().await;
    Ok(())
}

/// The host and the port of `10.0.0.1`, `10.0.0.1:3307`, `fd00::1`, `[fd00::1]:3307` or `db:3307`.
fn split_port(address: &str) -> (&str, u16) {
    if address.parse::<IpAddr>().is_ok() {
        return (address, DEFAULT_PORT);
    }
    match address.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?))) {
        Some((host, port)) => (host.trim_matches(['[', ']']), port),
        None => (address, DEFAULT_PORT),
    }
}

fn reason(error: &Error, port: u16, name: &str, user: &str) -> String {
    match error {
        Error::Server(error) => refusal(error, name, user),
        Error::Io(IoError::Io(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            format!("port {port} closed")
        }
        Error::Io(IoError::Io(error)) => format!("port {port} is no MySQL server: {error}"),
        // Other errors of the driver may quote packets.
        Error::Io(IoError::Tls(_)) | Error::Driver(_) | Error::Url(_) | Error::Other(_) => {
            format!("port {port} does not speak the MySQL protocol as expected")
        }
    }
}

/// The server's refusal in plain words. The numbers are those of the MySQL error reference.
fn refusal(error: &ServerError, name: &str, user: &str) -> String {
    match error.code {
        1044 | 1045 | 1698 => format!("access denied for user '{user}' to database '{name}'"),
        1049 => format!("unknown database '{name}'"),
        code => format!("mysql error {code}: {}", error.message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_3306_unless_the_address_has_one() {
        for (address, expected) in [
            ("10.0.0.1", ("10.0.0.1", 3306)),
            ("10.0.0.1:3307", ("10.0.0.1", 3307)),
            ("fd00::1", ("fd00::1", 3306)),
            ("[fd00::1]:3307", ("fd00::1", 3307)),
            ("db.example.org", ("db.example.org", 3306)),
            ("db.example.org:3307", ("db.example.org", 3307)),
            ("db:ninety", ("db:ninety", 3306)),
        ] {
            assert_eq!(split_port(address), expected);
        }
    }
}
