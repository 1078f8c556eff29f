//! Ctrl-C and TERM: the first stops the command properly, the second at once.

use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::output::Output;
use crate::{INTERRUPTED, output};

/// From now on the first Ctrl-C or TERM calls `announce` and cancels the returned token; the second ends
/// the process with 130. What was under way is in the journal, and the next pass goes on with it.
pub(crate) fn stop_on_signals(
    output: &Arc<Output>,
    announce: impl FnOnce() + Send + 'static,
) -> CancellationToken {
    let stop = CancellationToken::new();
    match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
        (Ok(interrupt), Ok(terminate)) => {
            drop(tokio::spawn(listen(interrupt, terminate, output.clone(), announce, stop.clone())));
        }
        (Err(error), _) | (_, Err(error)) => {
            output::raw_error(&format!("Ctrl-C cannot be caught and will end the command at once: {error}"));
        }
    }
    stop
}

async fn listen(
    mut interrupt: Signal,
    mut terminate: Signal,
    output: Arc<Output>,
    announce: impl FnOnce() + Send,
    stop: CancellationToken,
) {
    next(&mut interrupt, &mut terminate).await;
    announce();
    stop.cancel();
    next(&mut interrupt, &mut terminate).await;
    output.release();
    std::process::exit(i32::from(INTERRUPTED));
}

async fn next(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
