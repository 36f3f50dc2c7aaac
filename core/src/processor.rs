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
