//! The boundary: every function of the header runs inside, but for the few that cannot fail.

#![expect(unsafe_code, reason = "results go to raw pointers")]

use std::any::Any;
use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null_mut;

use crate::delivery;
use crate::fault::{Answer, Fault};
use crate::strings::give;
use crate::types::occopus_code_t::{self, *};
use crate::types::occopus_error_t;

/// Runs the body of a function that may be called anywhere. What goes wrong is put into `error`.
///
/// # Safety
/// `error` is NULL or may be written to; what it holds is not looked at.
pub(crate) unsafe fn anywhere(
    error: *mut occopus_error_t,
    body: impl FnOnce() -> Result<(), Fault>,
) -> occopus_code_t {
    if !error.is_aligned() {
        return OCCOPUS_BAD_ARGUMENT;
    }
    let ended = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| Err(panicked(panic.as_ref())));
    let (code, message, problems) = match ended {
        Ok(()) => (OCCOPUS_OK, null_mut(), null_mut()),
        // A message that nobody wants would never be freed.
        Err(fault) if error.is_null() => return fault.code,
        Err(fault) => {
            let problems = fault.problems.map(|problems| give(problems.to_string()));
            (fault.code, give(fault.message), problems.unwrap_or(null_mut()))
        }
    };
    if !error.is_null() {
        // SAFETY: it is not NULL and aligned, and the caller promises that it may be written to.
        unsafe { error.write(occopus_error_t { code, message, problems }) };
    }
    code
}

/// Runs the body of a function that is not allowed in callbacks.
///
/// # Safety
/// As [`anywhere`].
pub(crate) unsafe fn blocking(
    error: *mut occopus_error_t,
    body: impl FnOnce() -> Result<(), Fault>,
) -> occopus_code_t {
    let body = || {
        if delivery::is_here() {
            let text = "this function must not be called in a callback; let another thread of the program \
                        call it";
            return Err(Fault::new(OCCOPUS_WRONG_THREAD, text));
        }
        body()
    };
    // SAFETY: promised by the caller.
    unsafe { anywhere(error, body) }
}

/// Runs the body of a function that answers with JSON and is not allowed in callbacks.
///
/// # Safety
/// As [`anywhere`]; `result` is NULL or may be written to, too.
pub(crate) unsafe fn answering(
    result: *mut *mut c_char,
    error: *mut occopus_error_t,
    body: impl FnOnce() -> Result<Answer, Fault>,
) -> occopus_code_t {
    let put = |text: *mut c_char| {
        if !result.is_null() && result.is_aligned() {
            // SAFETY: it is not NULL and aligned, and the caller promises the rest.
            unsafe { result.write(text) };
        }
    };
    // Before anything else, so that a program which frees it never frees what was there by chance.
    put(null_mut());
    let body = || {
        if !result.is_aligned() {
            return Err(Fault::argument("result: its address is not aligned"));
        }
        let Answer { json, fault } = body()?;
        if !result.is_null() {
            put(give(json.to_string()));
        }
        fault.map_or(Ok(()), Err)
    };
    // SAFETY: promised by the caller.
    unsafe { blocking(error, body) }
}

/// The fault of a panic.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Fault {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("unknown cause");
    Fault::internal(format!("a defect of Occopus, please report it: {text}"))
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;
    use crate::library::{occopus_error_clear, occopus_string_free};

    #[test]
    fn a_panic_becomes_a_code_and_a_message() {
        let mut result = std::ptr::dangling_mut::<c_char>();
        let mut error = occopus_error_t { code: OCCOPUS_OK, message: null_mut(), problems: null_mut() };
        // SAFETY: both may be written to.
        let code = unsafe { answering(&raw mut result, &raw mut error, || panic!("out of {}", "luck")) };
        assert_eq!((code, error.code), (OCCOPUS_INTERNAL, OCCOPUS_INTERNAL));
        assert!(result.is_null());
        // SAFETY: the boundary has just written it.
        let message = unsafe { CStr::from_ptr(error.message) }.to_string_lossy();
        assert!(message.ends_with("please report it: out of luck"), "{message}");
        // SAFETY: as above.
        assert_eq!(unsafe { occopus_error_clear(&raw mut error) }, OCCOPUS_OK);
    }

    #[test]
    fn what_was_found_out_is_given_beside_what_is_wrong() {
        let mut result = null_mut();
        let answer = || {
            let fault = Some(Fault::new(OCCOPUS_FAILED, "a\0b"));
            Ok(Answer { json: serde_json::json!({"schema": 1}), fault })
        };
        // SAFETY: the result may be written to, and nobody wants the error.
        assert_eq!(unsafe { answering(&raw mut result, null_mut(), answer) }, OCCOPUS_FAILED);
        // SAFETY: the boundary has just written it.
        assert_eq!(unsafe { CStr::from_ptr(result) }, c"{\"schema\":1}");
        assert_eq!(occopus_string_free(result), OCCOPUS_OK);
        assert_eq!(occopus_string_free(result), OCCOPUS_BAD_HANDLE);
    }
}
