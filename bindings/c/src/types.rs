//! What the header shows: codes, options, callbacks. The names are those of C.

#![expect(non_camel_case_types, reason = "the names are those of the header")]

use std::ffi::{c_char, c_void};

/// How a call ended.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum occopus_code_t {
    /// Done.
    OCCOPUS_OK = 0,
    /// Something could not be done. Nothing is forgotten: a later call goes on where this one stopped.
    OCCOPUS_FAILED = 1,
    /// A file or text is wrong; `problems` of the error has all its problems. Nothing was changed.
    OCCOPUS_INVALID = 2,
    /// The request makes no sense as it is. Nothing was changed.
    OCCOPUS_USAGE = 3,
    /// There is no such infrastructure.
    OCCOPUS_UNKNOWN_INFRASTRUCTURE = 4,
    /// Another process is at work on the infrastructure.
    OCCOPUS_BUSY = 5,
    /// The call was stopped.
    OCCOPUS_INTERRUPTED = 6,
    /// Another process took the infrastructure over; this one changes nothing any more.
    OCCOPUS_LEASE_LOST = 7,
    /// The store cannot be used.
    OCCOPUS_STORE = 8,
    /// A back-end refused or did not answer.
    OCCOPUS_RESOURCE = 9,
    /// Credentials are missing or cannot be read.
    OCCOPUS_CREDENTIALS = 10,
    /// A template cannot be rendered.
    OCCOPUS_TEMPLATE = 11,
    /// A file cannot be read or written.
    OCCOPUS_FILE = 12,
    /// An argument is wrong: NULL, not UTF-8, not JSON, a wrong size or number.
    OCCOPUS_BAD_ARGUMENT = 100,
    /// A handle or string that is not, or no longer, one of this library.
    OCCOPUS_BAD_HANDLE = 101,
    /// The call is not allowed in this thread or process: in a callback, or after fork().
    OCCOPUS_WRONG_THREAD = 102,
    /// A defect of the library; please report it.
    OCCOPUS_INTERNAL = 103,
}

/// What went wrong. Filled in by a call that is given one; its texts belong to the program, which frees
/// them with occopus_error_clear().
#[repr(C)]
#[derive(Debug)]
pub struct occopus_error_t {
    /// The value that the call returned.
    pub code: occopus_code_t,
    /// Where, why and what to do, for people; NULL after OCCOPUS_OK.
    pub message: *mut c_char,
    /// After OCCOPUS_INVALID a JSON array of all problems with code, file, line and column; else NULL.
    pub problems: *mut c_char,
}

/// An open Occopus: opened by occopus_open(), given back to occopus_close().
#[derive(Debug)]
pub struct occopus_t {
    _never_followed: [u8; 0],
}

/// A means to stop calls: made by occopus_stop_new(), given back to occopus_stop_free().
#[derive(Debug)]
pub struct occopus_stop_t {
    _never_followed: [u8; 0],
}

/// Receives an event, a JSON object as in the output of `occopus events --format json`.
///
/// It is called in a thread of the library, never twice at a time for one occopus_t. `event` is valid until
/// it returns. `user_data` is that of the options. It must return soon and normally: no exception and no
/// longjmp() may leave it. Of the functions of this library it may call only those that say so; others
/// return OCCOPUS_WRONG_THREAD.
pub type occopus_event_fn = Option<unsafe extern "C" fn(event: *const c_char, user_data: *mut c_void)>;

/// Options of occopus_open(). All zero but `size` is fine.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct occopus_open_options_t {
    /// sizeof(occopus_open_options_t).
    pub size: usize,
    /// The store: a file, or redis://HOST:PORT/DATABASE. NULL for $OCCOPUS_STORE, or the default place.
    pub store: *const c_char,
    /// The configuration file. NULL for the default places; none is needed.
    pub config: *const c_char,
    /// The credentials file. NULL for the default places.
    pub credentials: *const c_char,
    /// Receives the events of all calls while they happen; NULL for none.
    pub on_event: occopus_event_fn,
    /// Given to `on_event`; never followed by the library.
    pub user_data: *mut c_void,
    /// Calls under way at the same time per endpoint; 0 for 10.
    pub max_parallel: u32,
    /// 0, or OCCOPUS_ALLOW_VOLATILE_STORE.
    pub flags: u32,
}

/// Flag of occopus_open(): use a Redis as the store even if it can lose records.
pub const OCCOPUS_ALLOW_VOLATILE_STORE: u32 = 1;

/// What occopus_validate() looks at: `files`, or `text`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct occopus_validate_options_t {
    /// sizeof(occopus_validate_options_t).
    pub size: usize,
    /// Files of any kind, in any order, ended by NULL; they are checked together.
    pub files: *const *const c_char,
    /// An infrastructure description as YAML.
    pub text: *const c_char,
    /// The folder at which imports of `text` start; NULL for the current one.
    pub base: *const c_char,
    /// Variables from outside, a JSON object; NULL for none.
    pub variables: *const c_char,
    /// YAML files of variables, ended by NULL; NULL for none.
    pub variable_files: *const *const c_char,
    /// The credentials file to compare with. NULL for the default places.
    pub credentials: *const c_char,
}

/// What occopus_plan() and occopus_build() are about: an infrastructure description, in a file or as a text.
/// occopus_plan() needs none for what the next pass over `infra` would do; occopus_build() needs none for a
/// saved plan.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct occopus_build_options_t {
    /// sizeof(occopus_build_options_t).
    pub size: usize,
    /// The file of the infrastructure description; NULL if `text` has it.
    pub description: *const c_char,
    /// The infrastructure description as YAML; NULL if it is in a file.
    pub text: *const c_char,
    /// The folder at which imports of `text` start; NULL for the current one.
    pub base: *const c_char,
    /// Files of node definitions that are imported along, ended by NULL; NULL for none.
    pub definitions: *const *const c_char,
    /// The infrastructure to change: id, unique prefix of an id, or name. NULL for a first build, which is
    /// refused if there is an infrastructure of the same name.
    pub infra: *const c_char,
    /// Variables from outside, a JSON object; NULL for none.
    pub variables: *const c_char,
    /// YAML files of variables, ended by NULL; NULL for none.
    pub variable_files: *const *const c_char,
    /// A sum of the flags below.
    pub flags: u32,
    /// With OCCOPUS_REPLACE: only instances of these nodes, ended by NULL; NODE+deps stands for a node and all
    /// it depends on. NULL for all nodes.
    pub only: *const *const c_char,
    /// With OCCOPUS_REPLACE: no instances of these nodes, ended by NULL; NULL for no such nodes.
    pub exclude: *const *const c_char,
    /// For occopus_plan(): a file to save the plan in, readable by its owner only; one that is there is
    /// replaced. NULL for none.
    pub save: *const c_char,
    /// For occopus_build(): the file of a saved plan, which is carried out exactly as it is. Everything else is
    /// NULL then, and of the flags only OCCOPUS_ROLLBACK is allowed. NULL for none.
    pub plan: *const c_char,
}

/// Flag of a build: create the infrastructure under exactly the id `infra` if there is none.
pub const OCCOPUS_CREATE: u32 = 1;
/// Flag of a build: build another infrastructure although there is one of the same name.
pub const OCCOPUS_NEW: u32 = 2;
/// Flag of a build: destroy everything again if a first build fails or is stopped.
pub const OCCOPUS_ROLLBACK: u32 = 4;
/// Flag of a build: one instance after the other, in file order.
pub const OCCOPUS_SEQUENTIAL: u32 = 8;
/// Flag of a build and of occopus_rollback(): replace the instances of an existing infrastructure that are
/// outdated, one after the other; without it, they stay as they are.
pub const OCCOPUS_REPLACE: u32 = 16;
/// Flag beside OCCOPUS_REPLACE: replace those, too, that were made with an address that is gone.
pub const OCCOPUS_CASCADE: u32 = 32;

/// Where occopus_rollback() goes back to.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct occopus_rollback_options_t {
    /// sizeof(occopus_rollback_options_t).
    pub size: usize,
    /// Number of the description, as occopus_history() tells it.
    pub generation: u64,
    /// As in occopus_build_options_t.
    pub only: *const *const c_char,
    /// As in occopus_build_options_t.
    pub exclude: *const *const c_char,
    /// A sum of OCCOPUS_SEQUENTIAL, OCCOPUS_REPLACE and OCCOPUS_CASCADE; 0 for none.
    pub flags: u32,
}

/// What occopus_render() shows.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct occopus_render_options_t {
    /// sizeof(occopus_render_options_t).
    pub size: usize,
    /// The file of the infrastructure description; NULL if `text` has it.
    pub description: *const c_char,
    /// The infrastructure description as YAML; NULL if it is in a file.
    pub text: *const c_char,
    /// The folder at which imports of `text` start; NULL for the current one.
    pub base: *const c_char,
    /// Files of node definitions, ended by NULL.
    pub definitions: *const *const c_char,
    /// Variables from outside, a JSON object; NULL for none.
    pub variables: *const c_char,
    /// YAML files of variables, ended by NULL; NULL for none.
    pub variable_files: *const *const c_char,
    /// Only this node; NULL for all.
    pub node: *const c_char,
    /// A JSON file of the instances that templates find; NULL for placeholders.
    pub instances: *const c_char,
    /// Id of the infrastructure; NULL for zeros.
    pub infra_id: *const c_char,
    /// Id of the instance; NULL for zeros.
    pub node_id: *const c_char,
}

/// Whom occopus_watch() looks after.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct occopus_watch_options_t {
    /// sizeof(occopus_watch_options_t).
    pub size: usize,
    /// Ids, unique prefixes of ids, or names, ended by NULL. NULL for all, also those built later.
    pub infras: *const *const c_char,
    /// Seconds between two passes, from 0.1 to 86400; 0 for 10.
    pub interval: f64,
}

/// What occopus_scale() asks for.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct occopus_scale_options_t {
    /// sizeof(occopus_scale_options_t).
    pub size: usize,
    /// Name of the node.
    pub node: *const c_char,
    /// The instance of OCCOPUS_SCALE_REMOVE_INSTANCE and OCCOPUS_SCALE_REPLACE_INSTANCE: a slot such as
    /// worker/3, a node id or an address. Else NULL.
    pub instance: *const c_char,
    /// OCCOPUS_SCALE_SET or one of those below it.
    pub change: u32,
    /// Number of instances, for the first three changes; else 0.
    pub count: u32,
}

/// Change of occopus_scale(): exactly `count` instances.
pub const OCCOPUS_SCALE_SET: u32 = 0;
/// Change of occopus_scale(): `count` more.
pub const OCCOPUS_SCALE_ADD: u32 = 1;
/// Change of occopus_scale(): `count` fewer; which, is chosen by the engine.
pub const OCCOPUS_SCALE_REMOVE: u32 = 2;
/// Change of occopus_scale(): remove `instance`.
pub const OCCOPUS_SCALE_REMOVE_INSTANCE: u32 = 3;
/// Change of occopus_scale(): another instance in the place of `instance`.
pub const OCCOPUS_SCALE_REPLACE_INSTANCE: u32 = 4;

/// What occopus_hold() keeps the engine from.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct occopus_hold_options_t {
    /// sizeof(occopus_hold_options_t).
    pub size: usize,
    /// Only this node; NULL for all of the infrastructure.
    pub node: *const c_char,
    /// Why; shown to everybody who looks. NULL for nothing.
    pub reason: *const c_char,
    /// Seconds after which it ends by itself; 0 for never.
    pub seconds: u32,
    /// OCCOPUS_PAUSE or OCCOPUS_PROTECT.
    pub kind: u32,
}

/// Kind of a hold: change nothing until it is lifted; a destroy is still possible.
pub const OCCOPUS_PAUSE: u32 = 0;
/// Kind of a hold: delete and replace nothing, for whatever reason.
pub const OCCOPUS_PROTECT: u32 = 1;
