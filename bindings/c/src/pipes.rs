//! Broken pipes. A connection that breaks while it is written to must be an error, and not the end of the
//! program: unlike one in Rust, a program in C does not ignore SIGPIPE. Ignoring it, or blocking it in threads,
//! would be inherited by the programs that are started; a handler is not.

#![expect(unsafe_code, reason = "handlers of signals")]

use std::cell::Cell;
use std::ffi::c_int;
use std::sync::Once;

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction};

thread_local! {
    /// Whether this is a thread of the library. Has no destructor, so that handlers can read it.
    static OURS: Cell<bool> = const { Cell::new(false) };
}

/// Makes broken pipes errors in this thread, which is one of the library.
pub(crate) fn are_errors_here() {
    OURS.set(true);
}

/// Sees to SIGPIPE, once, unless the program does so itself.
pub(crate) fn handle() {
    static HANDLED: Once = Once::new();
    HANDLED.call_once(install);
}

fn install() {
    let ours = SigAction::new(SigHandler::Handler(on_broken_pipe), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does nothing that a handler must not do.
    let Ok(before) = (unsafe { sigaction(Signal::SIGPIPE, &ours) }) else { return };
    if !matches!(before.handler(), SigHandler::SigDfl) {
        // SAFETY: that is how it was before.
        let _ = unsafe { sigaction(Signal::SIGPIPE, &before) };
    }
}

/// Does in threads of the program what would have happened without this library.
extern "C" fn on_broken_pipe(_: c_int) {
    if OURS.get() {
        return;
    }
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: that is how it was before. The signal is delivered when this handler returns.
    let _ = unsafe { sigaction(Signal::SIGPIPE, &default) };
    let _ = raise(Signal::SIGPIPE);
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Write};
    use std::os::unix::net::UnixStream;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_broken_pipe_is_an_error_in_our_threads_and_no_business_of_programs_that_are_started() {
        let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
        // SAFETY: as in a program in C; the tests of this crate write to no other pipe that could break.
        unsafe { sigaction(Signal::SIGPIPE, &default) }.expect("a valid signal");
        install();
        let thread = std::thread::spawn(|| {
            are_errors_here();
            let (mut one, other) = UnixStream::pair().expect("two ends");
            drop(other);
            let error = one.write_vectored(&[std::io::IoSlice::new(b"x")]).expect_err("a broken pipe");
            // The mask that the program is started with, and what it ignores.
            let shown = Command::new("grep").args(["-E", "SigBlk|SigIgn", "/proc/self/status"]).output();
            (error.kind(), String::from_utf8_lossy(&shown.expect("a program").stdout).into_owned())
        });
        let (kind, shown) = thread.join().expect("a thread that ends");
        assert_eq!(kind, ErrorKind::BrokenPipe);
        let masks = shown.lines().filter_map(|line| u64::from_str_radix(line.rsplit_once('\t')?.1, 16).ok());
        let pipe = 1 << (Signal::SIGPIPE as u32 - 1);
        assert_eq!(masks.map(|mask| mask & pipe).collect::<Vec<_>>(), [0, 0], "{shown}");
    }
}
