//! [`Scratch`]: where the parts of a view live that cannot be borrowed from the text.

use std::{
    cell::{Cell, RefCell},
    fmt::{Debug, Write as _},
};

use bumpalo::{Bump, collections::Vec as BumpVec};

/// How much memory a scratch keeps from one record to the next. What a larger record needed is given back.
const KEPT_BYTES: usize = 1 << 20;

/// Holds what a view needs beside the text it was read from: strings without their escapes, the elements of lists and maps. It is filled
/// while a record is read, and emptied before the next one, for which the view must be gone.
///
/// Memory is handed out from one block and taken back at once, so a reader that has been running for a while allocates nothing. At
/// most 1 MiB is kept over [`Scratch::clear`].
#[derive(Debug, Default)]
pub struct Scratch {
    arena: Bump,
    /// The path to what was wrong, from the inside out.
    path: RefCell<Vec<Step>>,
    used: Cell<bool>,
}

/// One step on the way to a part of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A field, or a variant, by its name.
    Name(&'static str),
    /// An element of a list or tuple, counted from 0.
    Index(usize),
    /// The value of a key in a map, as the key is printed by `Debug`.
    Entry(String),
}

impl Scratch {
    /// An empty scratch. It takes no memory before something is put in.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes everything out. Costs one test of a flag if nothing was put in.
    #[inline(always)]
    pub fn clear(&mut self) {
        if *self.used.get_mut() {
            self.empty();
        }
    }

    #[inline(never)]
    fn empty(&mut self) {
        self.used.set(false);
        self.path.get_mut().clear();
        if self.arena.allocated_bytes() > KEPT_BYTES {
            self.arena = Bump::new();
        } else {
            self.arena.reset();
        }
    }

    /// Puts a text in.
    #[inline]
    pub fn text(&self, text: &str) -> &str {
        self.used.set(true);
        self.arena.alloc_str(text)
    }

    /// A list that is made in here.
    #[inline]
    pub(super) fn list<T: Copy>(&self) -> BumpVec<'_, T> {
        self.used.set(true);
        BumpVec::new_in(&self.arena)
    }

    /// Notes, while an error passes upwards, that it comes from this part of the record that is being read.
    #[cold]
    pub fn within<E>(&self, step: Step, error: E) -> E {
        self.used.set(true);
        self.path.borrow_mut().push(step);
        error
    }

    /// As [`Scratch::within`], for the value of a map's key.
    #[cold]
    pub(super) fn within_key<E>(&self, key: impl Debug, error: E) -> E {
        self.within(Step::Entry(format!("{key:?}")), error)
    }

    /// Where in the record the error was that came from reading it, as `order.lines[2].price` or `rates["EUR"]`. Empty if it concerns the record as a
    /// whole, or its text.
    pub fn path(&self) -> String {
        let mut text = String::new();
        for step in self.path.borrow().iter().rev() {
            match step {
                Step::Name(name) => {
                    if !text.is_empty() {
                        text.push('.');
                    }
                    text.push_str(name);
                }
                Step::Index(index) => write!(text, "[{index}]").expect("writing to a string cannot fail"),
                Step::Entry(key) => write!(text, "[{key}]").expect("writing to a string cannot fail"),
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::{KEPT_BYTES, Scratch, Step};

    #[test]
    fn memory_is_kept_up_to_its_bound() {
        let mut scratch = Scratch::new();
        assert_eq!(scratch.arena.allocated_bytes(), 0);
        scratch.text("a few bytes");
        scratch.clear();
        let kept = scratch.arena.allocated_bytes();
        assert!(kept > 0);
        scratch.text("as many bytes");
        assert_eq!(scratch.arena.allocated_bytes(), kept, "the block is used again");
        scratch.text(&"x".repeat(KEPT_BYTES));
        scratch.clear();
        assert_eq!(scratch.arena.allocated_bytes(), 0);
    }

    #[test]
    fn a_path_is_told_from_the_outside_in() {
        let mut scratch = Scratch::new();
        for step in [
            Step::Name("price"),
            Step::Index(2),
            Step::Name("lines"),
            Step::Entry("\"EUR\"".to_owned()),
            Step::Name("order"),
        ] {
            scratch.within(step, ());
        }
        assert_eq!(scratch.path(), "order[\"EUR\"].lines[2].price");
        scratch.clear();
        assert_eq!(scratch.path(), "");
    }
}
