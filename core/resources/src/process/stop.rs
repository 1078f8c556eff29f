//! Ending an instance: TERM, some patience, KILL; its children too, and nobody else.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use occopus_engine::clock::Clock;
use occopus_engine::handler::{ErrorKind, HandlerError};
use rustix::process::Signal;

use super::family::{Mark, family};
use super::folder::Folder;
use super::launch::MARKER;
use super::procfs::{self, Birth};
use super::{blocking, trouble};

/// One call waits no longer than this; the next one goes on where it stopped.
pub(super) const SLICE: Duration = Duration::from_secs(30);

/// Who is to be ended.
pub(super) struct Target {
    pub(super) folder: Folder,
    pub(super) leader: Birth,
    /// Value of the variable that marks its processes; `None` if the record is lost.
    pub(super) node_id: Option<String>,
    pub(super) stop_timeout: Duration,
}

/// Looks that must agree that the rest of a session belongs to strangers: in the instant in which a
/// process becomes another program its marker cannot be read.
const LOOKS: u32 = 3;

/// Who is left of an instance.
enum Left {
    /// Nobody.
    Nobody,
    /// Nobody who is known to belong to it, but its session has members.
    Unrecognised,
    /// Somebody, who may still take this long to end.
    Members(Duration),
}

/// What is known while an instance ends.
#[derive(Default)]
struct Hunt {
    /// Processes seen to belong to the instance; they prove that others do.
    known: BTreeSet<Birth>,
    /// Processes that got TERM.
    asked: BTreeSet<Birth>,
    /// When the first one did, in time since the machine started.
    since: Option<Duration>,
}

/// Ends all processes of `target`; an error if some still run.
pub(super) async fn stop(clock: &dyn Clock, target: Target) -> Result<(), HandlerError> {
    let target = Arc::new(target);
    let end = clock.monotonic() + SLICE;
    let mut hunt = Hunt { known: BTreeSet::from([target.leader]), ..Hunt::default() };
    let mut pause = Duration::from_millis(5);
    let mut looks = 0;
    loop {
        let round = target.clone();
        let left;
        (hunt, left) = blocking(move || {
            let left = signal_family(&round, &mut hunt)?;
            Ok((hunt, left))
        })
        .await?;
        looks = if matches!(left, Left::Unrecognised) { looks + 1 } else { 0 };
        match left {
            Left::Nobody => return Ok(()),
            Left::Unrecognised if looks >= LOOKS => return Ok(()),
            Left::Unrecognised => clock.sleep(pause).await,
            Left::Members(patience) if clock.monotonic() >= end => return Err(still_running(patience)),
            Left::Members(patience) if patience.is_zero() => clock.sleep(pause).await,
            Left::Members(patience) => clock.sleep(pause.min(patience)).await,
        }
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}

/// Looks who is left and signals them.
fn signal_family(target: &Target, hunt: &mut Hunt) -> Result<Left, HandlerError> {
    let all = procfs::snapshot().map_err(trouble("cannot list the processes of this machine"))?;
    let mark = |pid| match procfs::variable(pid, MARKER) {
        None => Mark::None,
        own if own == target.node_id => Mark::Own,
        Some(_) => Mark::Foreign,
    };
    let living = family(&all, target.leader, &hunt.known, mark);
    if living.is_empty() {
        let unrecognised = all.iter().any(|stat| !stat.dead && stat.could_belong_to(target.leader));
        return Ok(if unrecognised { Left::Unrecognised } else { Left::Nobody });
    }
    hunt.known.extend(&living);
    let now = procfs::uptime().map_err(trouble("cannot read how long this machine runs"))?;
    let since = *hunt.since.get_or_insert_with(|| target.folder.stopping_since(now));
    let patience = target.stop_timeout.saturating_sub(now.saturating_sub(since));
    for member in living {
        if patience.is_zero() {
            send(member, Signal::KILL)?;
        } else if hunt.asked.insert(member) {
            send(member, Signal::TERM)?;
        }
    }
    Ok(Left::Members(patience))
}

fn send(member: Birth, signal: Signal) -> Result<(), HandlerError> {
    let what = format!("cannot send {signal:?} to process {}", member.pid);
    procfs::send(member, signal).map_err(trouble(what))
}

fn still_running(patience: Duration) -> HandlerError {
    let message = if patience.is_zero() {
        "the process was killed but has not ended: it hangs in the kernel, perhaps on a dead file system; \
         repeat the destruction later"
            .to_owned()
    } else {
        format!(
            "the process was asked to end and may take {:.0} s more; repeat the destruction then",
            patience.as_secs_f64()
        )
    };
    // Something happened, so it is not Transient; and repeating is right, so it is no lasting failure.
    HandlerError::new(ErrorKind::UnknownOutcome, message)
}
