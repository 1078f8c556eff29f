//! Does an address answer a ping?

use std::io::ErrorKind;
use std::net::IpAddr;
use std::process::Stdio;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::select_ok;
use surge_ping::{Client, Config, ICMP, IcmpPacket, PingIdentifier, PingSequence, SurgeError};
use tokio::process::Command;

use crate::Verdict;
use crate::resolve::resolve;

/// Why a silent address fails.
pub(crate) const NO_ANSWER: &str = "no answer to ping";

/// How long one echo request waits for its reply, as in Occopus 1.10 (`ping -W 1`).
const REPLY_LIMIT: Duration = Duration::from_secs(1);

const PROGRAM: &str = "ping";

/// Content of an echo request; as long as what the `ping` program sends, which firewalls know.
const PAYLOAD: [u8; 56] = [0; 56];

/// Sends one echo request to every address of `host`; one reply is enough.
pub(crate) async fn check(host: &str) -> Verdict {
    let addresses = resolve(host, 0).await?;
    select_ok(addresses.into_iter().map(|address| ping(address.ip()).boxed())).await.map(|_| ())
}

/// Through an ICMP socket where this process may open one, else through the `ping` program, which has
/// a permission of its own.
async fn ping(ip: IpAddr) -> Verdict {
    let kind = if ip.is_ipv4() { ICMP::V4 } else { ICMP::V6 };
    match Client::new(&Config::builder().kind(kind).build()) {
        Ok(client) => by_socket(&client, ip).await,
        Err(_) => by_program(PROGRAM, ip).await,
    }
}

async fn by_socket(client: &Client, ip: IpAddr) -> Verdict {
    let mut pinger = client.pinger(ip, next_identifier()).await;
    pinger.timeout(REPLY_LIMIT);
    match pinger.ping(PingSequence(0), &PAYLOAD).await {
        Ok((packet, _)) if is_echo_reply(&packet) => Ok(()),
        Ok(_) => Err(format!("{NO_ANSWER}: a router says that the address cannot be reached")),
        Err(SurgeError::Timeout { .. }) => Err(NO_ANSWER.to_owned()),
        Err(SurgeError::IOError(error)) => Err(format!("{NO_ANSWER}: {error}")),
        Err(error) => Err(format!("{NO_ANSWER}: {error}")),
    }
}

/// An ICMP error that quotes our request is an answer too, but not from the instance.
fn is_echo_reply(packet: &IcmpPacket) -> bool {
    match packet {
        IcmpPacket::V4(packet) => packet.get_icmp_type().0 == 0,
        IcmpPacket::V6(packet) => packet.get_icmpv6_type().0 == 129,
    }
}

/// Raw sockets see the replies to everybody's pings, so each of ours carries its own identifier.
fn next_identifier() -> PingIdentifier {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let own = std::process::id() as u16;
    PingIdentifier(own.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)))
}

/// Runs `program` like `ping`. The address is a parsed one, so it can never be taken for an option.
async fn by_program(program: &str, ip: IpAddr) -> Verdict {
    let output = Command::new(program)
        .args(["-c", "1", "-W", "1"])
        .arg(ip.to_string())
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await;
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => match String::from_utf8_lossy(&output.stderr).lines().next() {
            None => Err(NO_ANSWER.to_owned()),
            Some(line) => Err(format!(
                "cannot ping: {line} (if this address cannot be pinged from here, set `ping: false` in health_check)"
            )),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Err(format!(
            "cannot ping: ICMP sockets are not permitted and there is no `{program}` program; install \
             iputils-ping, widen the sysctl net.ipv4.ping_group_range, or set `ping: false` in health_check"
        )),
        Err(error) => Err(format!("cannot ping: `{program}` does not start: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: [&str; 3] = ["127.0.0.1", "127.0.0.77", "::1"];

    #[tokio::test]
    async fn without_icmp_sockets_the_ping_program_decides() {
        let ip = LOOPBACK[0].parse().unwrap();
        assert_eq!(by_program("true", ip).await, Ok(()));
        assert_eq!(by_program("false", ip).await, Err(NO_ANSWER.to_owned()));
    }

    #[tokio::test]
    async fn the_real_ping_program_accepts_our_arguments() {
        if Command::new(PROGRAM).arg("-V").output().await.is_err() {
            println!("skipped: the ping program is not installed");
            assert!(std::env::var("CI").as_deref() != Ok("true"), "CI=true needs iputils-ping");
            return;
        }
        for address in LOOPBACK {
            assert_eq!(by_program(PROGRAM, address.parse().unwrap()).await, Ok(()), "{address}");
        }
    }

    #[tokio::test]
    async fn a_ping_that_cannot_be_tried_says_what_to_do() {
        let missing = by_program("no-such-ping-program", LOOPBACK[0].parse().unwrap()).await.unwrap_err();
        assert!(missing.starts_with("cannot ping: "), "{missing}");
        assert!(missing.contains("ping: false"), "{missing}");
        // `cp` does not know `-c` and complains, as `ping` does when it lacks its permission.
        let refused = by_program("cp", LOOPBACK[0].parse().unwrap()).await.unwrap_err();
        assert!(refused.starts_with("cannot ping: cp: ") && refused.contains("ping: false"), "{refused}");
    }

    #[test]
    fn simultaneous_pings_have_different_identifiers() {
        assert_ne!(next_identifier(), next_identifier());
    }
}
