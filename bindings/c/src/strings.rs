//! Texts that a program is given and gives back. Their addresses are kept, so that a text that is given
//! back twice, or is none of ours, is told and does no harm.

#![expect(unsafe_code, reason = "texts for C are raw pointers")]

use std::collections::BTreeSet;
use std::ffi::{CString, c_char};
use std::sync::{Mutex, PoisonError};

/// Addresses of the texts that programs have.
static GIVEN: Mutex<BTreeSet<usize>> = Mutex::new(BTreeSet::new());

fn with<T>(use_given: impl FnOnce(&mut BTreeSet<usize>) -> T) -> T {
    use_given(&mut GIVEN.lock().unwrap_or_else(PoisonError::into_inner))
}

/// A text for the program. C texts end at a NUL, so one inside is replaced.
pub(crate) fn give(text: String) -> *mut c_char {
    let text = if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text };
    let Ok(text) = CString::new(text) else { return std::ptr::null_mut() };
    let pointer = text.into_raw();
    with(|given| given.insert(pointer.addr()));
    pointer
}

/// Frees a text; false, and nothing is done, if the program has no such text.
pub(crate) fn take_back(pointer: *mut c_char) -> bool {
    let ours = with(|given| given.remove(&pointer.addr()));
    if ours {
        // SAFETY: the address was made by `into_raw` in `give`, and it is taken from the set only once.
        drop(unsafe { CString::from_raw(pointer) });
    }
    ours
}
