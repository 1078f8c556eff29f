//! What the template engine does not guard against itself.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{Builder, scope};

use crate::error::Fault;

/// Stack of a rendering that can nest lists as deep as its fuel lasts, in bytes: comparing, printing and
/// dropping such a list takes a call per level.
const STACK: usize = 512 << 20;
/// Texts longer than this, in bytes, can nest that deep without a loop.
const LONG: usize = 8 << 10;

/// Runs `work`, which reads or renders `source`. The engine panics on some malformed tags; and what can
/// nest deeply runs on a thread of its own with a large stack, whose pages cost nothing until they are
/// used. Everything that holds values of the template must be dropped by `work`.
pub(crate) fn guarded<T: Send>(
    source: &str,
    work: impl FnOnce() -> Result<T, Fault> + Send,
) -> Result<T, Fault> {
    let stumbled = || Fault::new("the engine stumbles over this template; check the form of its tags");
    if !source.contains("namespace") && source.len() <= LONG {
        // What `work` shares is not changed by it.
        return catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(stumbled()));
    }
    scope(|scope| {
        let thread = Builder::new().stack_size(STACK).spawn_scoped(scope, work);
        let thread =
            thread.map_err(|error| Fault::new(format!("no thread to render the template: {error}")))?;
        thread.join().unwrap_or_else(|_| Err(stumbled()))
    })
}
