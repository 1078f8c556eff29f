//! Handles of open engines. They are numbers that are never used again and that nobody follows, so that a
//! handle which was closed, or is none, is told instead of doing harm.

use std::collections::BTreeMap;
use std::ptr::without_provenance_mut;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::engine::Engine;
use crate::fault::Fault;
use crate::types::occopus_code_t::{OCCOPUS_BAD_HANDLE, OCCOPUS_WRONG_THREAD};
use crate::types::occopus_t;

/// The lowest bits of a handle tell its kind: 01 is an engine, 10 a stop.
const KIND: usize = 0b01;

/// An engine behind a door.
struct Room {
    /// The process that opened it. Threads do not survive a fork, so that in another one nothing would be done,
    /// and locks that they held are never let go.
    process: u32,
    /// Empty when it is closed: calls that are under way hold a lock for reading.
    door: RwLock<Option<Engine>>,
}

struct Table {
    serial: usize,
    rooms: BTreeMap<usize, Arc<Room>>,
}

static TABLE: Mutex<Table> = Mutex::new(Table { serial: 0, rooms: BTreeMap::new() });

fn with<T>(use_table: impl FnOnce(&mut Table) -> T) -> T {
    use_table(&mut TABLE.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The process that opened the first one; 0 before.
static PROCESS: AtomicU32 = AtomicU32::new(0);

/// Refuses to open in a child of the process that opened before: what both share from then on, such as the way
/// on which signals are told, serves one of them only.
pub(crate) fn check_process() -> Result<(), Fault> {
    let here = std::process::id();
    match PROCESS.compare_exchange(0, here, Ordering::AcqRel, Ordering::Acquire) {
        Err(opener) if opener != here => {
            let text = "this process was forked from one that had opened an occopus; fork before the first \
                        occopus_open(), or call exec() in the child";
            Err(Fault::new(OCCOPUS_WRONG_THREAD, text))
        }
        _ => Ok(()),
    }
}

/// A handle for `engine`.
pub(crate) fn give(engine: Engine) -> *mut occopus_t {
    let room = Arc::new(Room { process: std::process::id(), door: RwLock::new(Some(engine)) });
    with(|table| {
        table.serial += 1;
        let number = table.serial << 2 | KIND;
        table.rooms.insert(number, room);
        without_provenance_mut(number)
    })
}

fn room(handle: *const occopus_t) -> Result<Arc<Room>, Fault> {
    let room = with(|table| table.rooms.get(&handle.addr()).cloned()).ok_or_else(unknown)?;
    if room.process != std::process::id() {
        let text = "occopus was opened before fork(), in another process";
        return Err(Fault::new(OCCOPUS_WRONG_THREAD, text));
    }
    Ok(room)
}

/// Uses the engine of a handle; it is not closed meanwhile.
pub(crate) fn with_engine<T>(
    handle: *const occopus_t,
    use_engine: impl FnOnce(&Engine) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let room = room(handle)?;
    let engine = room.door.read().unwrap_or_else(PoisonError::into_inner);
    use_engine(engine.as_ref().ok_or_else(unknown)?)
}

/// Closes the engine of a handle when the calls under way have ended.
pub(crate) fn close(handle: *const occopus_t) -> Result<(), Fault> {
    let room = room(handle)?;
    // From now on, nobody gets in any more.
    with(|table| table.rooms.remove(&handle.addr())).ok_or_else(unknown)?;
    drop(room.door.write().unwrap_or_else(PoisonError::into_inner).take());
    Ok(())
}

fn unknown() -> Fault {
    Fault::new(OCCOPUS_BAD_HANDLE, "occopus is no occopus_t, or one that was closed")
}
