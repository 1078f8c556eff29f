//! What the kernel says about processes, and signals that cannot hit the wrong one.

use std::fs;
use std::io;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

/// One process, for as long as this machine runs: a process identifier is used again, but not with the
/// same start time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Birth {
    /// Process identifier.
    pub(super) pid: i32,
    /// Start time, in clock ticks since the machine started.
    pub(super) start: u64,
}

/// A process as `/proc` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    /// Which process.
    pub(super) birth: Birth,
    /// Process identifier of the parent.
    pub(super) parent: i32,
    /// The session: the process identifier of the process that began it.
    pub(super) session: i32,
    /// Whether it has ended and only its parent has not asked for its exit code yet (a zombie).
    pub(super) dead: bool,
}

impl Stat {
    /// Whether it is in the session that `leader` began, or in a later one with the same number.
    pub(super) fn could_belong_to(&self, leader: Birth) -> bool {
        self.session == leader.pid && self.birth.start >= leader.start
    }

    /// Reads the line of `/proc/PID/stat`. The program's name in it may hold blanks and parentheses.
    fn parse(line: &str) -> Option<Self> {
        let (pid, rest) = line.split_once(" (")?;
        let fields: Vec<&str> = rest.rsplit_once(") ")?.1.split(' ').collect();
        Some(Self {
            birth: Birth { pid: pid.parse().ok()?, start: fields.get(19)?.parse().ok()? },
            parent: fields.get(1)?.parse().ok()?,
            session: fields.get(3)?.parse().ok()?,
            dead: matches!(*fields.first()?, "Z" | "X" | "x"),
        })
    }
}

/// Identifier of this run of the machine's kernel.
pub(super) fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// Time since the machine started; the same for all processes.
pub(super) fn uptime() -> io::Result<Duration> {
    let text = fs::read_to_string("/proc/uptime")?;
    let seconds = text.split(' ').next().and_then(|seconds| seconds.parse().ok());
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| io::Error::other("/proc/uptime has an unknown form"))
}

/// The process that has this identifier now; `None` if there is none.
pub(super) fn stat(pid: i32) -> io::Result<Option<Stat>> {
    let line = match fs::read(format!("/proc/{pid}/stat")) {
        Ok(line) => line,
        Err(error) if is_gone(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    match Stat::parse(&String::from_utf8_lossy(&line)) {
        Some(stat) => Ok(Some(stat)),
        None => Err(io::Error::other(format!("/proc/{pid}/stat has an unknown form"))),
    }
}

/// Whether exactly this process runs. Zombies do not.
pub(super) fn is_alive(birth: Birth) -> io::Result<bool> {
    Ok(stat(birth.pid)?.is_some_and(|stat| stat.birth == birth && !stat.dead))
}

/// All processes.
pub(super) fn snapshot() -> io::Result<Vec<Stat>> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc")? {
        if let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) {
            all.extend(stat(pid)?);
        }
    }
    Ok(all)
}

/// The value of the variable `name` that the process was started with; `None` also if its environment
/// cannot be read.
pub(super) fn variable(pid: i32, name: &str) -> Option<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let value = |item: &[u8]| {
        let value = item.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(String::from_utf8_lossy(value).into_owned())
    };
    environment.split(|byte| *byte == 0).find_map(value)
}

/// Sends `signal` to exactly this process; one that has ended already needs none.
pub(super) fn send(birth: Birth, signal: Signal) -> io::Result<()> {
    let Some(pid) = Pid::from_raw(birth.pid) else { return Ok(()) };
    // The descriptor holds on to whoever has the identifier now; only after that is it certain that
    // the start time read belongs to the process that gets the signal.
    let handle = pidfd_open(pid, PidfdFlags::empty());
    if !is_alive(birth)? {
        return Ok(());
    }
    let sent = match handle {
        Ok(handle) => pidfd_send_signal(&handle, signal),
        // Kernels before 5.3: the check directly before is the best there is.
        Err(rustix::io::Errno::NOSYS) => kill_process(pid, signal),
        Err(error) => Err(error),
    };
    sent.map_err(io::Error::from).or_else(|error| if is_gone(&error) { Ok(()) } else { Err(error) })
}

/// A process may end between listing it and reading about it.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAIL: &str = "0 -1 4194304 101 0 0 0 0 0 0 0 20 0 1 0 396933 3133440 390";

    #[test]
    fn a_program_name_may_hold_anything() {
        for name in ["cat", "a b", ") Z 1 1 1 (", ""] {
            let stat = Stat::parse(&format!("77 ({name}) S 5 6 7 {TAIL}")).unwrap();
            let birth = Birth { pid: 77, start: 396_933 };
            assert_eq!(stat, Stat { birth, parent: 5, session: 7, dead: false }, "{name}");
        }
    }

    #[test]
    fn zombies_are_dead() {
        assert!(Stat::parse(&format!("77 (cat) Z 5 6 7 {TAIL}")).unwrap().dead);
    }

    #[test]
    fn what_is_no_stat_line_is_refused() {
        for line in ["", "77", "77 (cat) S 5 6 7", "x (cat) S 5 6 7 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16"] {
            assert_eq!(Stat::parse(line), None, "{line}");
        }
    }

    #[test]
    fn this_process_is_alive_and_one_born_at_another_time_is_not() {
        let own = stat(i32::try_from(std::process::id()).unwrap()).unwrap().unwrap();
        assert!(is_alive(own.birth).unwrap());
        assert!(!is_alive(Birth { start: own.birth.start + 1, ..own.birth }).unwrap());
        assert!(snapshot().unwrap().iter().any(|stat| stat.birth == own.birth));
    }

    #[test]
    fn a_reused_identifier_gets_no_signal() {
        let mut stranger = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let birth = stat(i32::try_from(stranger.id()).unwrap()).unwrap().unwrap().birth;
        send(Birth { start: birth.start + 1, ..birth }, Signal::KILL).unwrap();
        assert!(is_alive(birth).unwrap());
        send(birth, Signal::KILL).unwrap();
        stranger.wait().unwrap();
        send(birth, Signal::KILL).unwrap();
    }
}
