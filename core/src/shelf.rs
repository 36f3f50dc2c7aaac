//! The memory of large buffers that were let go of, kept for the next ones: tasks pass buffers on to other threads, which is what general allocators are worst at
//! (they give the pages back to the system, which has to clear them before it hands them out again).

use std::sync::{Mutex, TryLockError};

/// Memory is handed out in multiples of this, in bytes. Less than half of it is left to the allocator.
const STEP_BYTES: usize = 16 << 10;
/// What is kept for later is at most so large, in bytes each ..
const KEPT_BYTES_LIMIT: usize = STEP_BYTES * CLASSES;
/// .. and in sum.
pub const SHELF_BYTES_LIMIT: usize = 8 << 20;
const CLASSES: usize = 16;

/// By size.
struct Shelf {
    kept: [Vec<Vec<u8>>; CLASSES],
    bytes: usize,
}

static SHELF: Mutex<Shelf> = Mutex::new(Shelf { kept: [const { Vec::new() }; CLASSES], bytes: 0 });

/// Memory for so many bytes at least. It has any bytes in it, and any length.
pub(crate) fn take(bytes: usize) -> Vec<u8> {
    if !(STEP_BYTES / 2..=KEPT_BYTES_LIMIT).contains(&bytes) {
        return Vec::with_capacity(bytes);
    }
    let class = (bytes - 1) / STEP_BYTES;
    with(|shelf| {
        let found = shelf.kept[class].pop()?;
        shelf.bytes -= found.capacity();
        Some(found)
    })
    .unwrap_or_else(|| Vec::with_capacity((class + 1) * STEP_BYTES))
}

/// Memory of this length. It has any bytes in it.
pub fn take_filled(bytes: usize) -> Vec<u8> {
    let mut taken = take(bytes);
    taken.resize(bytes, 0); // what is there already stays, and costs nothing
    taken
}

/// Keeps memory for later, if there is room.
pub(crate) fn give(memory: Vec<u8>) {
    let capacity = memory.capacity();
    if capacity == 0 || !capacity.is_multiple_of(STEP_BYTES) || capacity > KEPT_BYTES_LIMIT {
        return;
    }
    with(|shelf| {
        if shelf.bytes + capacity <= SHELF_BYTES_LIMIT {
            shelf.bytes += capacity;
            shelf.kept[capacity / STEP_BYTES - 1].push(memory);
        }
        Some(())
    });
}

/// Nobody waits for the shelf: the allocator is there, too.
fn with<T>(act: impl FnOnce(&mut Shelf) -> Option<T>) -> Option<T> {
    match SHELF.try_lock() {
        Ok(mut shelf) => act(&mut shelf),
        Err(TryLockError::Poisoned(shelf)) => act(&mut shelf.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_in_steps_and_is_used_again() {
        assert_eq!(take(10).capacity(), 10, "what is small is left to the allocator");
        assert_eq!(take(KEPT_BYTES_LIMIT + 1).capacity(), KEPT_BYTES_LIMIT + 1, "and what is large");
        let mut memory = take(200 << 10);
        assert_eq!(memory.capacity(), 208 << 10);
        memory.extend([7; 100]);
        let place = memory.as_ptr();
        give(memory);
        // Other tests of this process may take it; none of them wants this size.
        let again = take_filled(193 << 10);
        assert_eq!((again.as_ptr(), again.len()), (place, 193 << 10));
        assert_eq!((again[99], again[100]), (7, 0));
    }

    #[test]
    fn what_is_kept_has_a_bound() {
        for _ in 0..200 {
            give(Vec::with_capacity(KEPT_BYTES_LIMIT));
        }
        let bytes = with(|shelf| Some(shelf.bytes));
        assert!(bytes.is_none_or(|bytes| bytes <= SHELF_BYTES_LIMIT));
        while with(|shelf| shelf.kept[CLASSES - 1].pop().map(|kept| shelf.bytes -= kept.capacity())).is_some() {}
    }
}
