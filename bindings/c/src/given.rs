//! Reading what a program gives: texts, lists, options. Everything is copied at once.

#![expect(unsafe_code, reason = "what C gives are raw pointers")]

use std::ffi::{CStr, c_char};
use std::path::PathBuf;

use occopus::{Input, Replacing, Variables};

use crate::fault::Fault;
use crate::types::{
    OCCOPUS_CASCADE, OCCOPUS_REPLACE, occopus_build_options_t, occopus_hold_options_t,
    occopus_open_options_t, occopus_render_options_t, occopus_rollback_options_t, occopus_scale_options_t,
    occopus_validate_options_t, occopus_watch_options_t,
};

/// More cannot be the size of options: the field was not set.
const LARGEST: usize = 4096;
/// Bytes that a name or path may have. Longer ones would only come back in messages.
const LONGEST_NAME: usize = 4096;
/// Bytes that a document may have: as many as a file.
const LONGEST_DOCUMENT: usize = 16 << 20;

/// A name, such as that of an infrastructure, that is needed.
///
/// # Safety
/// `pointer` is NULL or points at a text that ends with NUL.
pub(crate) unsafe fn text(name: &str, pointer: *const c_char) -> Result<String, Fault> {
    // SAFETY: promised by the caller.
    unsafe { optional_text(name, pointer) }?.ok_or_else(|| is_null(name))
}

/// A name that may be NULL.
///
/// # Safety
/// As [`text`].
pub(crate) unsafe fn optional_text(name: &str, pointer: *const c_char) -> Result<Option<String>, Fault> {
    // SAFETY: promised by the caller.
    unsafe { bounded(name, pointer, LONGEST_NAME) }
}

/// A document, such as a description, that may be NULL.
///
/// # Safety
/// As [`text`].
pub(crate) unsafe fn document(name: &str, pointer: *const c_char) -> Result<Option<String>, Fault> {
    // SAFETY: promised by the caller.
    unsafe { bounded(name, pointer, LONGEST_DOCUMENT) }
}

/// # Safety
/// As [`text`].
unsafe fn bounded(name: &str, pointer: *const c_char, longest: usize) -> Result<Option<String>, Fault> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: it is not NULL, and the caller promises that it ends with NUL.
    let bytes = unsafe { CStr::from_ptr(pointer) };
    let length = bytes.count_bytes();
    if length > longest {
        return Err(Fault::argument(format!("{name} has {length} bytes; at most {longest} are allowed")));
    }
    let text = bytes.to_str().map_err(|error| Fault::argument(format!("{name} is not UTF-8: {error}")))?;
    Ok(Some(text.to_owned()))
}

/// A path that may be NULL.
///
/// # Safety
/// As [`text`].
pub(crate) unsafe fn optional_path(name: &str, pointer: *const c_char) -> Result<Option<PathBuf>, Fault> {
    // SAFETY: promised by the caller.
    Ok(unsafe { optional_text(name, pointer) }?.map(PathBuf::from))
}

/// The texts of a list that ends with NULL; none if the list itself is NULL.
///
/// # Safety
/// `pointer` is NULL or points at texts as for [`text`], the last of which is NULL.
pub(crate) unsafe fn list(name: &str, pointer: *const *const c_char) -> Result<Vec<String>, Fault> {
    let mut texts = Vec::new();
    if pointer.is_null() {
        return Ok(texts);
    }
    check_place(name, pointer)?;
    loop {
        // SAFETY: the list goes on until its NULL, which was not met yet.
        let entry = unsafe { pointer.add(texts.len()).read() };
        // SAFETY: promised by the caller.
        match unsafe { optional_text(name, entry) }? {
            Some(text) => texts.push(text),
            None => return Ok(texts),
        }
    }
}

/// The description of an infrastructure: a file or a text.
///
/// # Safety
/// As [`text`], for all three.
pub(crate) unsafe fn input(
    file: *const c_char,
    text: *const c_char,
    base: *const c_char,
) -> Result<Input, Fault> {
    // SAFETY: promised by the caller.
    let (file, text, base) = unsafe {
        (optional_path("description", file)?, document("text", text)?, optional_path("base", base)?)
    };
    match (file, text) {
        (Some(file), None) => Ok(Input::File(file)),
        (None, Some(text)) => Ok(Input::Text { text, base: base.unwrap_or_else(|| ".".into()) }),
        _ => Err(Fault::argument("give exactly one of description and text")),
    }
}

/// Variables from outside.
///
/// # Safety
/// As [`text`] and [`list`].
pub(crate) unsafe fn variables(
    values: *const c_char,
    files: *const *const c_char,
) -> Result<Variables, Fault> {
    // SAFETY: promised by the caller.
    let (values, files) = unsafe { (document("variables", values)?, list("variable_files", files)?) };
    let values = serde_json::from_str(values.as_deref().unwrap_or("{}"))
        .map_err(|error| Fault::argument(format!("variables is no JSON object: {error}")))?;
    Ok(Variables { files: paths(files), values, ..Variables::default() })
}

/// Texts as paths.
pub(crate) fn paths(texts: Vec<String>) -> Vec<PathBuf> {
    texts.into_iter().map(PathBuf::from).collect()
}

/// Which outdated instances are replaced.
///
/// # Safety
/// As [`list`], for both.
pub(crate) unsafe fn replacing(
    flags: u32,
    only: *const *const c_char,
    exclude: *const *const c_char,
) -> Result<Option<Replacing>, Fault> {
    let cascade = flags & OCCOPUS_CASCADE != 0;
    if flags & OCCOPUS_REPLACE == 0 {
        return match (cascade, only.is_null() && exclude.is_null()) {
            (false, true) => Ok(None),
            _ => Err(Fault::argument("only, exclude and OCCOPUS_CASCADE need OCCOPUS_REPLACE")),
        };
    }
    // SAFETY: promised by the caller.
    let replacing =
        unsafe { Replacing { only: list("only", only)?, exclude: list("exclude", exclude)?, cascade } };
    if !only.is_null() && replacing.only.is_empty() {
        return Err(Fault::argument("only is an empty list; give NULL for all nodes"));
    }
    Ok(Some(replacing))
}

/// Checks that `flags` has nothing but `known`.
pub(crate) fn flags(flags: u32, known: u32) -> Result<u32, Fault> {
    match flags & !known {
        0 => Ok(flags),
        unknown => Err(Fault::argument(format!("flags has unknown bits: {unknown:#x}"))),
    }
}

/// Options that a program fills in. Fields are only ever added at the end.
///
/// # Safety
/// The type is `repr(C)`, begins with its size as `usize`, and all zeros are a valid value.
pub(crate) unsafe trait Options: Copy {
    /// The size that the type had in the first version of the interface.
    const FIRST: usize;
    /// The name of the type, for messages.
    const NAME: &'static str;
}

macro_rules! options {
    ($($name:ident: $first:expr;)*) => {$(
        // SAFETY: `repr(C)`, with the size first; all fields are numbers, raw pointers, which may be NULL,
        // and optional functions, of which NULL is none.
        unsafe impl Options for $name {
            const FIRST: usize = $first;
            const NAME: &'static str = stringify!($name);
        }
    )*};
}

// A field that is added later must not change these sizes.
options! {
    occopus_open_options_t: 7 * size_of::<usize>();
    occopus_validate_options_t: 7 * size_of::<usize>();
    occopus_build_options_t: 9 * size_of::<usize>();
    occopus_render_options_t: 11 * size_of::<usize>();
    occopus_watch_options_t: 2 * size_of::<usize>() + size_of::<f64>();
    occopus_rollback_options_t: 5 * size_of::<usize>();
    occopus_scale_options_t: 4 * size_of::<usize>();
    occopus_hold_options_t: 4 * size_of::<usize>();
}

/// Options of a program that may know an older version of them, whose new fields are zero, or a newer one,
/// whose unknown fields must be zero.
///
/// # Safety
/// `pointer` is NULL or points at so many bytes as the size in its first field says.
pub(crate) unsafe fn options<T: Options>(pointer: *const T) -> Result<T, Fault> {
    let name = T::NAME;
    check_place(name, pointer)?;
    // SAFETY: it is not NULL and aligned, and the first field is the size.
    let size = unsafe { pointer.cast::<usize>().read() };
    if !(T::FIRST..=LARGEST).contains(&size) {
        return Err(Fault::argument(format!("{name}: size is {size}; set it to sizeof({name})")));
    }
    let bytes = pointer.cast::<u8>();
    let known = size.min(size_of::<T>());
    let mut options = std::mem::MaybeUninit::<T>::zeroed();
    // SAFETY: `known` bytes are within what the program gives and within `options`, which is our own.
    unsafe { bytes.copy_to_nonoverlapping(options.as_mut_ptr().cast(), known) };
    // SAFETY: the rest of what the program gives, up to the size that it says.
    let rest = (known..size).map(|at| unsafe { bytes.add(at).read() });
    if rest.into_iter().any(|byte| byte != 0) {
        return Err(Fault::argument(format!(
            "{name}: the program sets options that this version of the library ({}) does not know",
            env!("CARGO_PKG_VERSION")
        )));
    }
    // SAFETY: all zeros are valid, and so is what the program set.
    Ok(unsafe { options.assume_init() })
}

/// Refuses an address at which nothing can be.
pub(crate) fn check_place<T>(name: &str, pointer: *const T) -> Result<(), Fault> {
    match (pointer.is_null(), pointer.is_aligned()) {
        (true, _) => Err(is_null(name)),
        (false, false) => Err(Fault::argument(format!("{name}: its address is not aligned"))),
        (false, true) => Ok(()),
    }
}

/// The message about a NULL where something is needed.
pub(crate) fn is_null(name: &str) -> Fault {
    Fault::argument(format!("{name} is NULL"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Options whose second field was added after the first version.
    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Grown {
        size: usize,
        old: u64,
        added: u64,
    }

    // SAFETY: `repr(C)`, with the size first; the other fields are numbers.
    unsafe impl Options for Grown {
        const FIRST: usize = 16;
        const NAME: &'static str = "grown";
    }

    #[test]
    fn fields_that_a_program_does_not_know_are_zero_whatever_comes_behind_its_options() {
        let given = [16u64, 7, u64::MAX];
        // SAFETY: the first number says how many bytes there are, and there are more.
        let read = unsafe { options(given.as_ptr().cast::<Grown>()) }.expect("good options");
        assert_eq!((read.old, read.added), (7, 0));
    }

    #[test]
    fn fields_that_the_library_does_not_know_must_be_zero() {
        // SAFETY: the first number says how many bytes there are.
        let read = |given: &[u64; 4]| unsafe { options(given.as_ptr().cast::<Grown>()) };
        let known = read(&[32, 7, 8, 0]).expect("good options");
        assert_eq!((known.size, known.old, known.added), (32, 7, 8));
        assert!(read(&[32, 7, 8, 1]).is_err());
        assert!(read(&[8, 7, 8, 0]).is_err());
    }
}
