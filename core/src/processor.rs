//! What a processor can do that plain Rust does not say: the one place for its intrinsics, each beside a portable form.

/// Loads the cache line of `place` ahead of its use.
#[inline(always)]
pub(crate) fn prefetch<T>(place: &T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing that the program can see and never faults; the address is that of a live reference.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(place).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}

/// A bit for each of the eight words that equals `wanted`, the first in the lowest bit.
#[inline(always)]
pub(crate) fn equal_words(words: &[u32; 8], wanted: u32) -> u32 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: SSE2 is part of x86-64. The loads are unaligned ones of 16 bytes each, the two halves of the array.
    unsafe {
        use std::arch::x86_64::{
            _mm_cmpeq_epi32, _mm_loadu_si128, _mm_movemask_epi8, _mm_packs_epi16, _mm_packs_epi32, _mm_set1_epi32,
        };
        let halves = words.as_ptr().cast();
        let wanted = _mm_set1_epi32(wanted.cast_signed());
        let low = _mm_cmpeq_epi32(wanted, _mm_loadu_si128(halves));
        let high = _mm_cmpeq_epi32(wanted, _mm_loadu_si128(halves.add(1)));
        let both = _mm_packs_epi32(low, high);
        _mm_movemask_epi8(_mm_packs_epi16(both, both)).cast_unsigned() & 0xff
    }
    #[cfg(not(target_arch = "x86_64"))]
    words.iter().enumerate().fold(0, |bits, (i, word)| bits | ((*word == wanted) as u32) << i)
}

#[cfg(test)]
mod tests {
    use super::equal_words;

    #[test]
    fn every_place_has_its_bit() {
        for place in 0..8 {
            let mut words = [u32::MAX, 1, 1 << 16, 1 << 31, 3, 0x7fff_ffff, 5, 6];
            words[place] = 42;
            assert_eq!(equal_words(&words, 42), 1 << place);
        }
        assert_eq!(equal_words(&[7; 8], 7), 0xff);
        assert_eq!(equal_words(&[7; 8], 7 | 1 << 16), 0);
    }
}
