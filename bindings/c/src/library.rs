//! Functions about the library itself: version, texts, stops, opening and closing.

#![expect(unsafe_code, reason = "functions of a C library")]
#![expect(clippy::missing_safety_doc, reason = "the header says at its beginning what programs must keep to")]

use std::ffi::{CStr, c_char, c_int};

use occopus::Settings;

use crate::boundary::{anywhere, blocking};
use crate::delivery::Delivery;
use crate::engine::Engine;
use crate::fault::Fault;
use crate::given::{check_place, flags, optional_path, options};
use crate::handles;
use crate::stop::Stop;
use crate::strings::take_back;
use crate::types::occopus_code_t::{self, *};
use crate::types::{
    OCCOPUS_ALLOW_VOLATILE_STORE, occopus_error_t, occopus_open_options_t, occopus_stop_t, occopus_t,
};

const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
    Ok(version) => version,
    Err(_) => c"unknown",
};

/// Returns the version of the library, such as "2.0.0". It is never freed. Allowed in callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn occopus_version() -> *const c_char {
    VERSION.as_ptr()
}

/// Returns a word for a code, such as "busy", or "unknown". It is never freed. Allowed in callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn occopus_code_text(code: c_int) -> *const c_char {
    let words = [
        (OCCOPUS_OK, c"ok"),
        (OCCOPUS_FAILED, c"failed"),
        (OCCOPUS_INVALID, c"invalid"),
        (OCCOPUS_USAGE, c"usage"),
        (OCCOPUS_UNKNOWN_INFRASTRUCTURE, c"unknown infrastructure"),
        (OCCOPUS_BUSY, c"busy"),
        (OCCOPUS_INTERRUPTED, c"interrupted"),
        (OCCOPUS_LEASE_LOST, c"lease lost"),
        (OCCOPUS_STORE, c"store"),
        (OCCOPUS_RESOURCE, c"resource"),
        (OCCOPUS_CREDENTIALS, c"credentials"),
        (OCCOPUS_TEMPLATE, c"template"),
        (OCCOPUS_FILE, c"file"),
        (OCCOPUS_BAD_ARGUMENT, c"bad argument"),
        (OCCOPUS_BAD_HANDLE, c"bad handle"),
        (OCCOPUS_WRONG_THREAD, c"wrong thread"),
        (OCCOPUS_INTERNAL, c"internal"),
    ];
    let found = words.into_iter().find(|(known, _)| *known as c_int == code);
    found.map_or(c"unknown", |(_, word)| word).as_ptr()
}

/// Frees a string that a function of this library gave. NULL is allowed and does nothing. Allowed in
/// callbacks.
///
/// Returns OCCOPUS_BAD_HANDLE if the program has no such string, because it was freed before or comes from
/// elsewhere; then nothing is done.
#[unsafe(no_mangle)]
pub extern "C" fn occopus_string_free(string: *mut c_char) -> occopus_code_t {
    if string.is_null() || take_back(string) { OCCOPUS_OK } else { OCCOPUS_BAD_HANDLE }
}

/// Frees the texts of an error and sets it to OCCOPUS_OK. Clearing it again does nothing. Allowed in
/// callbacks.
///
/// Returns OCCOPUS_BAD_HANDLE if its texts are none of this library; these are left alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn occopus_error_clear(error: *mut occopus_error_t) -> occopus_code_t {
    if error.is_null() || !error.is_aligned() {
        return OCCOPUS_BAD_ARGUMENT;
    }
    // SAFETY: it is not NULL and aligned; only the addresses of its texts are read.
    let texts = unsafe { [(&raw const (*error).message).read(), (&raw const (*error).problems).read()] };
    let freed = texts.map(|text| occopus_string_free(text));
    let cleared =
        occopus_error_t { code: OCCOPUS_OK, message: std::ptr::null_mut(), problems: std::ptr::null_mut() };
    // SAFETY: as above; it may be written to, because a call filled it in.
    unsafe { error.write(cleared) };
    if freed == [OCCOPUS_OK; 2] { OCCOPUS_OK } else { OCCOPUS_BAD_HANDLE }
}

/// Makes a means to stop calls, in `*stop`; it is given back to occopus_stop_free(). One stop may serve many
/// calls. There can be 256 at a time. Allowed in callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn occopus_stop_new(
    stop: *mut *mut occopus_stop_t,
    error: *mut occopus_error_t,
) -> occopus_code_t {
    let body = || {
        check_place("stop", stop)?;
        // SAFETY: it is not NULL and aligned, and the program gives a place to write to.
        unsafe { stop.write(Stop::new()?.handle()) };
        Ok(())
    };
    // SAFETY: what a program must keep to.
    unsafe { anywhere(error, body) }
}

/// Stops all calls that were given `stop`, those under way and later ones, properly: what was begun is
/// finished or recorded. They return OCCOPUS_INTERRUPTED. May be called in any thread, in callbacks and in
/// signal handlers.
///
/// Returns OCCOPUS_BAD_HANDLE if there is no such stop.
#[unsafe(no_mangle)]
pub extern "C" fn occopus_stop_trigger(stop: *mut occopus_stop_t) -> occopus_code_t {
    match Stop::parse(stop) {
        Some(stop) if stop.trigger() => OCCOPUS_OK,
        _ => OCCOPUS_BAD_HANDLE,
    }
}

/// Gives a stop back. Calls under way that were given it can no longer be stopped. Allowed in callbacks.
///
/// Returns OCCOPUS_BAD_HANDLE if there is no such stop, because it was freed before, for example.
#[unsafe(no_mangle)]
pub extern "C" fn occopus_stop_free(stop: *mut occopus_stop_t) -> occopus_code_t {
    match Stop::parse(stop) {
        Some(stop) if stop.free() => OCCOPUS_OK,
        _ => OCCOPUS_BAD_HANDLE,
    }
}

/// Opens Occopus, in `*occopus`: finds configuration, credentials and store. It is given back to
/// occopus_close(). NULL as `options` means the defaults.
///
/// A process may have several. The library starts threads of its own. It installs a handler of SIGPIPE, unless
/// the program has one or ignores it, that does in threads of the program what would have happened without, and,
/// with the first process or container it looks after, one of SIGCHLD that calls the one before it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn occopus_open(
    options: *const occopus_open_options_t,
    occopus: *mut *mut occopus_t,
    error: *mut occopus_error_t,
) -> occopus_code_t {
    let body = || {
        check_place("occopus", occopus)?;
        // SAFETY: it is not NULL and aligned, and the program gives a place to write to.
        unsafe { occopus.write(std::ptr::null_mut()) };
        handles::check_process()?;
        // SAFETY: what a program must keep to.
        let engine = unsafe { open(options) }?;
        // SAFETY: as above.
        unsafe { occopus.write(handles::give(engine)) };
        Ok(())
    };
    // SAFETY: what a program must keep to.
    unsafe { blocking(error, body) }
}

/// # Safety
/// `options` is NULL or points at options as the header says.
unsafe fn open(given: *const occopus_open_options_t) -> Result<Engine, Fault> {
    if given.is_null() {
        return Engine::open(Settings::default(), Delivery::start(None, std::ptr::null_mut())?);
    }
    // SAFETY: promised by the caller.
    let given = unsafe { options(given) }?;
    let max_parallel = usize::try_from(given.max_parallel).ok().filter(|number| *number > 0);
    let allow_volatile_store = flags(given.flags, OCCOPUS_ALLOW_VOLATILE_STORE)? != 0;
    // SAFETY: promised by the caller.
    let settings = unsafe {
        Settings {
            store: optional_path("store", given.store)?,
            config: optional_path("config", given.config)?,
            credentials: optional_path("credentials", given.credentials)?,
            max_parallel,
            allow_volatile_store,
            ..Settings::default()
        }
    };
    Engine::open(settings, Delivery::start(given.on_event, given.user_data)?)
}

/// Closes Occopus: waits for the calls under way in other threads, delivers the last events, and ends the
/// threads of the library. What was built goes on running.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn occopus_close(
    occopus: *mut occopus_t,
    error: *mut occopus_error_t,
) -> occopus_code_t {
    // SAFETY: what a program must keep to.
    unsafe { blocking(error, || handles::close(occopus)) }
}
