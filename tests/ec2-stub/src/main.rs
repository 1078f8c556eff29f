//! `ec2-stub`: the stub as a program. Prints its endpoint and runs until it is told to stop.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::time::Duration;

use clap::Parser;
use occopus_ec2_stub::{Lag, Options, Stub};
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};

/// A strict stand-in for the EC2 API, for tests. Listens on 127.0.0.1 only and keeps nothing.
#[derive(Debug, Parser)]
#[command(name = "ec2-stub")]
struct Arguments {
    /// Port; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Seed of the instance identifiers.
    #[arg(long)]
    seed: Option<u64>,
    /// A new instance is pending for this many DescribeInstances calls.
    #[arg(long, default_value_t = 1)]
    pending_calls: u32,
    /// A new instance is pending for this many milliseconds, instead of a number of calls.
    #[arg(long)]
    pending_ms: Option<u64>,
    /// A new instance is missing from this many DescribeInstances calls.
    #[arg(long, default_value_t = 0)]
    hidden_calls: u32,
    /// A terminated instance is listed for this many milliseconds.
    #[arg(long, default_value_t = 60_000)]
    terminated_ms: u64,
    /// So many instances may exist at the same time.
    #[arg(long, default_value_t = usize::MAX)]
    capacity: usize,
    /// All instances of a call have the launch index 0, as at a service that does not number them.
    #[arg(long)]
    unnumbered: bool,
}

impl Arguments {
    fn options(&self) -> Options {
        let milliseconds = |count| Lag::Time(Duration::from_millis(count));
        Options {
            port: self.port,
            seed: self.seed,
            hidden: Lag::Calls(self.hidden_calls),
            pending: self.pending_ms.map_or(Lag::Calls(self.pending_calls), milliseconds),
            terminated: milliseconds(self.terminated_ms),
            capacity: self.capacity,
            numbered: !self.unnumbered,
            ..Options::default()
        }
    }
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let stub = Stub::start(Arguments::parse().options()).await?;
    writeln!(io::stdout(), "EC2_ENDPOINT={}", stub.endpoint())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => {}
        result = tokio::signal::ctrl_c() => result?,
        result = parent_gone() => result?,
    }
    Ok(())
}

/// Waits until the other end of a piped standard input is closed, so that the stub never outlives the
/// test that started it. Never ends when standard input is no pipe.
async fn parent_gone() -> io::Result<()> {
    let stdin = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    if !stdin.metadata()?.file_type().is_fifo() {
        std::future::pending::<()>().await;
    }
    tokio::net::unix::pipe::Receiver::from_file(stdin)?.read_to_end(&mut Vec::new()).await.map(|_| ())
}
