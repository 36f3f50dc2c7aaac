//! HyperLogLog: how many different hashes there were, from the longest run of leading zeros in each of many classes.
//!
//! A sketch is its bytes, and their number says in which of two forms it is:
//!
//! - *Few*: no bytes at all, or the number of tokens and a table of them (open addressing, 0 is a free slot), 32 bits little endian each. A token is the
//!   first 26 bits of a hash, and in six bits the position of the first one behind them. So few tokens are as good as the hashes.
//! - *Many*: a register, of one byte, for each value of the first 14 bits of a hash: the greatest position of the first one behind them.
//!
//! The estimate of many is that of Ertl (*New cardinality estimation algorithms for HyperLogLog sketches*, algorithm 6): one formula without
//! thresholds or tables of corrections.

use std::f64::consts::LN_2;

/// How many bits of a hash choose its register.
const INDEX_BITS: u32 = 14;
/// How many registers there are, each of one byte.
const REGISTERS: usize = 1 << INDEX_BITS;
/// The largest position that a register can hold: of the bits behind the index none is set.
const POSITION_LIMIT: usize = (64 - INDEX_BITS + 1) as usize;

/// How many bits of a hash a token has as they are.
const TOKEN_BITS: u32 = 26;
/// How many bits of a token are the position of the first one behind those.
const POSITION_BITS: u32 = 6;

/// Bytes of a number of a table: that of its tokens, or one of them.
const WORD: usize = 4;
/// The slots of the first table.
const FIRST_SLOTS: usize = 8;
/// The most slots: a table twice as large would take more memory than the registers.
const SLOTS_LIMIT: usize = 2048;

/// Adds a hash.
#[inline]
pub(super) fn add(sketch: &mut Vec<u8>, hash: u64) {
    let position = ((hash << TOKEN_BITS) | (1 << (TOKEN_BITS - 1))).leading_zeros() + 1;
    add_token(sketch, ((hash >> (64 - TOKEN_BITS)) as u32) << POSITION_BITS | position);
}

/// Adds all of another sketch.
pub(super) fn merge(sketch: &mut Vec<u8>, other: &[u8]) {
    if other.len() == REGISTERS {
        raise_all(sketch, other);
        return;
    }
    // Tokens come in the order of the other's slots: in a table with fewer of them they would crowd.
    let slots = slots_of(other);
    if sketch.len() != REGISTERS && slots_of(sketch).len() < slots.len() {
        rehash(sketch, slots.len().min(SLOTS_LIMIT));
    }
    tokens(slots).for_each(|token| add_token(sketch, token));
}

/// How many different hashes were added.
pub(super) fn estimate(sketch: &[u8]) -> u64 {
    if sketch.len() != REGISTERS {
        return tokens(slots_of(sketch)).count() as u64;
    }
    let mut of_position = [0_u32; POSITION_LIMIT + 1];
    for register in sketch {
        of_position[usize::from(*register).min(POSITION_LIMIT)] += 1;
    }
    let count = REGISTERS as f64;
    let mut z = count * tau(1.0 - f64::from(of_position[POSITION_LIMIT]) / count);
    for registers in of_position[1..POSITION_LIMIT].iter().rev() {
        z = 0.5 * (z + f64::from(*registers));
    }
    z += count * sigma(f64::from(of_position[0]) / count);
    (count * count / (2.0 * LN_2 * z)).round() as u64
}

/// `x + x^2 + 2 x^4 + 4 x^8 ..`: what registers at zero tell.
fn sigma(mut x: f64) -> f64 {
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        // All registers at zero make it infinite.
        if z == before || z.is_infinite() {
            return z;
        }
    }
}

/// What registers at their limit tell.
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

#[inline]
fn add_token(sketch: &mut Vec<u8>, token: u32) {
    if sketch.len() == REGISTERS {
        raise(sketch, token);
    } else {
        keep(sketch, token);
    }
}

/// Raises the register of a token to its position.
#[inline(always)]
fn raise(registers: &mut [u8], token: u32) {
    const BEHIND: u32 = TOKEN_BITS - INDEX_BITS;
    let bits = token >> POSITION_BITS;
    let behind = bits << (32 - BEHIND);
    let position = if behind == 0 { BEHIND + token % (1 << POSITION_BITS) } else { behind.leading_zeros() + 1 };
    let register = &mut registers[(bits >> BEHIND) as usize];
    *register = (*register).max(position as u8);
}

/// Raises each register to that of another sketch.
fn raise_all(sketch: &mut Vec<u8>, others: &[u8]) {
    if sketch.len() != REGISTERS {
        spread(sketch);
    }
    for (register, other) in sketch.iter_mut().zip(others) {
        *register = (*register).max(*other);
    }
}

/// Puts a token into the table, which grows or gives way to registers.
fn keep(sketch: &mut Vec<u8>, token: u32) {
    if sketch.is_empty() {
        rehash(sketch, FIRST_SLOTS);
    }
    let (count, slots) = sketch.split_first_chunk_mut::<WORD>().expect("a table begins with the number of its tokens");
    let slots = slots.as_chunks_mut::<WORD>().0;
    if !put(slots, token) {
        return;
    }
    let (tokens, slots) = (u32::from_le_bytes(*count) + 1, slots.len());
    *count = tokens.to_le_bytes();
    // A quarter stays free, so that a search ends soon.
    if tokens as usize * 4 > slots * 3 {
        if slots * 2 > SLOTS_LIMIT {
            spread(sketch);
        } else {
            rehash(sketch, slots * 2);
        }
    }
}

/// Puts a token into the first free slot at or behind its own. False if it is there already.
#[inline]
fn put(slots: &mut [[u8; WORD]], token: u32) -> bool {
    let spread = u64::from(token.wrapping_mul(0x9e37_79b1));
    let mut at = ((spread * slots.len() as u64) >> 32) as usize;
    loop {
        match u32::from_le_bytes(slots[at]) {
            0 => {
                slots[at] = token.to_le_bytes();
                return true;
            }
            taken if taken == token => return false,
            _ => at = if at + 1 == slots.len() { 0 } else { at + 1 },
        }
    }
}

/// Moves the tokens to a table of so many slots.
#[cold]
fn rehash(sketch: &mut Vec<u8>, slots: usize) {
    let mut larger = vec![0; WORD + slots * WORD];
    let (count, free) = larger.split_first_chunk_mut::<WORD>().expect("it was made so long");
    let free = free.as_chunks_mut::<WORD>().0;
    let moved = tokens(slots_of(sketch)).filter(|token| put(free, *token)).count() as u32;
    *count = moved.to_le_bytes();
    *sketch = larger;
}

/// Moves the tokens to registers.
#[cold]
fn spread(sketch: &mut Vec<u8>) {
    let mut registers = vec![0; REGISTERS];
    tokens(slots_of(sketch)).for_each(|token| raise(&mut registers, token));
    *sketch = registers;
}

/// The slots of a table, free ones too.
fn slots_of(sketch: &[u8]) -> &[[u8; WORD]] {
    sketch.as_chunks::<WORD>().0.get(1..).unwrap_or_default()
}

/// The tokens in the slots of a table.
fn tokens(slots: &[[u8; WORD]]) -> impl Iterator<Item = u32> {
    slots.iter().map(|slot| u32::from_le_bytes(*slot)).filter(|token| *token != 0)
}
