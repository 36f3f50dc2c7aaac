//! What a processor can do that plain Rust does not say: the one place for its intrinsics, each beside a portable form.

/// What is no larger lies in one cache line, since allocations are aligned so.
#[cfg(target_arch = "x86_64")]
const ALLOCATION_ALIGN: usize = 16;

/// Loads the cache lines where `place` begins and ends ahead of their use: all of them, if it is small.
#[inline(always)]
pub fn prefetch<T>(place: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let begin = std::ptr::from_ref(place).cast::<i8>();
        // SAFETY: a prefetch reads nothing that the program can see and never faults; the address is that of a live reference.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(begin) };
        if size_of::<T>() > ALLOCATION_ALIGN {
            // SAFETY: as above; the address is that of the last byte.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(begin.wrapping_add(size_of::<T>() - 1)) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}

/// How many bytes a cache line has, on the processors that Millstream is made for.
const LINE_BYTES: usize = 64;
/// How far ahead of its reader [`read_ahead`] loads.
const READ_AHEAD_BYTES: usize = 4096;

/// Loads what lies some way behind `place`, a part of an array that is being gone through. The processor does so by itself where all of it is read, but not where
/// a little is read of each of many large elements, with much to do in between. Elements that fit into a cache line are left to it.
#[inline(always)]
pub fn read_ahead<T>(place: &T) {
    #[cfg(target_arch = "x86_64")]
    if size_of::<T>() > LINE_BYTES {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let ahead = const { (READ_AHEAD_BYTES / size_of::<T>() + 1) * size_of::<T>() };
        let begin = std::ptr::from_ref(place).cast::<i8>().wrapping_add(ahead);
        for at in (0..size_of::<T>().min(READ_AHEAD_BYTES)).step_by(LINE_BYTES) {
            // SAFETY: a prefetch reads nothing that the program can see and never faults, wherever its address leads.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(begin.wrapping_add(at)) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}
