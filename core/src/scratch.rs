//! [`Scratch`]: the memory that encoding a record may need meanwhile.

use std::{alloc::Layout, ptr::NonNull};

use rkyv::ser::{
    Allocator,
    allocator::{Arena, ArenaHandle},
};

/// Memory of an arena, acquired when it is first needed: to acquire it is to follow four pointers, a third of the time that it takes to write a record of two numbers, which needs none.
pub struct Scratch<'a> {
    /// None once there is a handle.
    arena: Option<&'a mut Arena>,
    handle: Option<ArenaHandle<'a>>,
}

impl<'a> Scratch<'a> {
    /// What was had of the arena before is given back.
    #[inline(always)]
    pub fn new(arena: &'a mut Arena) -> Self {
        Self { arena: Some(arena), handle: None }
    }

    fn handle(&mut self) -> &mut ArenaHandle<'a> {
        let Self { arena, handle } = self;
        handle.get_or_insert_with(|| arena.take().expect("an arena is acquired once").acquire())
    }
}

// SAFETY: all memory is that of the arena's one handle, to which the calls are passed on with the same arguments: what it guarantees, and what it is promised, holds here.
unsafe impl<E> Allocator<E> for Scratch<'_> {
    unsafe fn push_alloc(&mut self, layout: Layout) -> Result<NonNull<[u8]>, E> {
        // SAFETY: the layout is what the caller promises.
        unsafe { self.handle().push_alloc(layout) }
    }

    unsafe fn pop_alloc(&mut self, ptr: NonNull<u8>, layout: Layout) -> Result<(), E> {
        // SAFETY: the memory was allocated by this handle, since there is no other, and the order is what the caller promises.
        unsafe { self.handle().pop_alloc(ptr, layout) }
    }
}
