//! Handles of open engines. They are numbers that are never used again and that nobody follows, so that a
//! handle which was closed, or is none, is told instead of doing harm.

use std::collections::BTreeMap;
use std::ptr::without_provenance_mut;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::engine::Engine;
use crate::fault::Fault;
use crate::types::occopus_code_t::OCCOPUS_BAD_HANDLE;
use crate::types::occopus_t;

/// The lowest bits of a handle tell its kind: 01 is an engine, 10 a stop.
const KIND: usize = 0b01;

/// Empty while it is closed: calls that are under way hold a lock for reading.
type Door = RwLock<Option<Engine>>;

struct Table {
    serial: usize,
    doors: BTreeMap<usize, Arc<Door>>,
}

static TABLE: Mutex<Table> = Mutex::new(Table { serial: 0, doors: BTreeMap::new() });

fn with<T>(use_table: impl FnOnce(&mut Table) -> T) -> T {
    use_table(&mut TABLE.lock().unwrap_or_else(PoisonError::into_inner))
}

/// A handle for `engine`.
pub(crate) fn give(engine: Engine) -> *mut occopus_t {
    with(|table| {
        table.serial += 1;
        let number = table.serial << 2 | KIND;
        table.doors.insert(number, Arc::new(RwLock::new(Some(engine))));
        without_provenance_mut(number)
    })
}

/// Uses the engine of a handle; it is not closed meanwhile.
pub(crate) fn with_engine<T>(
    handle: *const occopus_t,
    use_engine: impl FnOnce(&Engine) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let door = with(|table| table.doors.get(&handle.addr()).cloned()).ok_or_else(unknown)?;
    let engine = door.read().unwrap_or_else(PoisonError::into_inner);
    use_engine(engine.as_ref().ok_or_else(unknown)?)
}

/// Closes the engine of a handle when the calls under way have ended.
pub(crate) fn close(handle: *const occopus_t) -> Result<(), Fault> {
    with_engine(handle, Engine::check_process)?;
    let door = with(|table| table.doors.remove(&handle.addr())).ok_or_else(unknown)?;
    drop(door.write().unwrap_or_else(PoisonError::into_inner).take());
    Ok(())
}

fn unknown() -> Fault {
    Fault::new(OCCOPUS_BAD_HANDLE, "occopus is no occopus_t, or one that was closed")
}
