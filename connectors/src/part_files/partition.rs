//! Which directory a record belongs to.

use std::{
    fmt::{self, Display, Write},
    marker::PhantomData,
    path::{Component, Path},
};

use millstream_core::record::Record;
use millstream_runtime::{failure::Failure, operator::KeyFn};

use super::place::is_marker;

/// How many directories a partition may be deep.
pub const PARTITION_DEPTH_LIMIT: usize = 16;
/// How long the name of a directory may be, in bytes: what file systems take.
const NAME_BYTES_LIMIT: usize = 255;

/// What may name the directory of a partition: what can be displayed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot name the directory of a partition",
    label = "cannot be displayed",
    note = "`.partition_by(..)` takes a closure that returns a number, a string, a time or another type with `Display`: say what an `Option` or a list is to be called, and call `.partition_by(..)` twice for directories in directories"
)]
pub trait DirectoryName: Display {
    /// Known only if it can be displayed; see [`When`](millstream_core::proof::When).
    #[doc(hidden)]
    type Proof;
}
#[diagnostic::do_not_recommend]
impl<D: Display> DirectoryName for D {
    type Proof = D;
}

/// Says which directory a record belongs to. [`FileSink::partition_by`](super::FileSink::partition_by) and
/// [`FileSink::partition_with`](super::FileSink::partition_with) make the values.
pub trait Partitioning<T: Record>: Clone + Send + Sync + 'static {
    /// False if all records go to the directory of the sink.
    const HAS_DIRECTORIES: bool = true;

    /// Appends the name of the directory, relative to that of the sink; nothing for that itself.
    ///
    /// # Errors
    ///
    /// What the `Display` of a name says.
    fn directory(&self, record: T::View<'_>, out: &mut String) -> fmt::Result;
}

/// All records go to one directory.
#[derive(Debug, Clone, Copy)]
pub struct Unpartitioned;

impl<T: Record> Partitioning<T> for Unpartitioned {
    const HAS_DIRECTORIES: bool = false;

    #[inline(always)]
    fn directory(&self, _: T::View<'_>, _: &mut String) -> fmt::Result {
        Ok(())
    }
}

/// Directories inside of those of `P`, named by a closure.
pub struct PartitionBy<P, F, D> {
    outer: P,
    name: F,
    displayed: PhantomData<fn() -> D>,
}

impl<P, F, D> PartitionBy<P, F, D> {
    pub(super) fn new(outer: P, name: F) -> Self {
        Self { outer, name, displayed: PhantomData }
    }
}

impl<P: Clone, F: Clone, D> Clone for PartitionBy<P, F, D> {
    fn clone(&self) -> Self {
        Self::new(self.outer.clone(), self.name.clone())
    }
}

impl<T, P, F, D> Partitioning<T> for PartitionBy<P, F, D>
where
    T: Record,
    P: Partitioning<T>,
    F: for<'a> Fn(T::View<'a>) -> D + Clone + Send + Sync + 'static,
    D: DirectoryName + 'static,
{
    #[inline]
    fn directory(&self, record: T::View<'_>, out: &mut String) -> fmt::Result {
        begin_level(&self.outer, record, out)?;
        write!(out, "{}", (self.name)(record))
    }
}

/// Directories inside of those of `P`, named by a function annotated with `#[key]`.
#[derive(Debug, Clone)]
pub struct PartitionWith<P, K> {
    outer: P,
    key: K,
}

impl<P, K> PartitionWith<P, K> {
    pub(super) fn new(outer: P, key: K) -> Self {
        Self { outer, key }
    }
}

impl<T, P, K> Partitioning<T> for PartitionWith<P, K>
where
    T: Record,
    P: Partitioning<T>,
    K: KeyFn<T> + Sync,
    for<'a> <K::Key as Record>::View<'a>: DirectoryName,
{
    #[inline]
    fn directory(&self, record: T::View<'_>, out: &mut String) -> fmt::Result {
        begin_level(&self.outer, record, out)?;
        self.key.with(record, |key| write!(out, "{key}"))
    }
}

/// Appends the levels above, and what separates them from the next.
#[inline]
fn begin_level<T: Record, P: Partitioning<T>>(outer: &P, record: T::View<'_>, out: &mut String) -> fmt::Result {
    outer.directory(record, out)?;
    if P::HAS_DIRECTORIES {
        out.push('/');
    }
    Ok(())
}

/// Checks the name of a directory that came from a record: it must lead into the sink's directory, and to nothing that is something else.
pub(super) fn check_directory(name: &str) -> Result<(), Failure> {
    let fault = |why: &str| {
        Failure::new(format!(
            "{name:?} cannot name the directory of a partition: {why}; let `.partition_by(..)` return another name for such records"
        ))
    };
    if name.split('/').count() > PARTITION_DEPTH_LIMIT {
        return Err(fault(&format!("it is more than {PARTITION_DEPTH_LIMIT} directories deep")));
    }
    for level in name.split('/') {
        if level.is_empty() {
            return Err(fault(if name.is_empty() { "it is empty" } else { "a name between slashes is empty" }));
        }
        if level.starts_with('.') {
            return Err(fault("a name that begins with a dot is hidden, or leads elsewhere"));
        }
        if level.len() > NAME_BYTES_LIMIT {
            return Err(fault(&format!(
                "a name of {} bytes is longer than the {NAME_BYTES_LIMIT} of a directory",
                level.len()
            )));
        }
        if level.chars().any(char::is_control) {
            return Err(fault("it holds control characters"));
        }
        if is_marker(level) {
            return Err(fault("that is what marks complete output"));
        }
        // What is more than a name on this system: a drive, or other separators.
        let mut components = Path::new(level).components();
        if !matches!((components.next(), components.next()), (Some(Component::Normal(only)), None) if only == level) {
            return Err(fault("it leads elsewhere"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_into_the_directory() {
        for good in ["north", "day=2024-01-01", "2024/01/01", "a b", "é", "_x", "a..b"] {
            check_directory(good).unwrap();
        }
        let deep = "a/".repeat(PARTITION_DEPTH_LIMIT) + "a";
        let long = "é".repeat(128);
        check_directory(&long[..254]).unwrap();
        for (bad, why) in [
            ("", "it is empty"),
            ("/etc", "a name between slashes is empty"),
            ("a//b", "a name between slashes is empty"),
            ("a/", "a name between slashes is empty"),
            ("..", "a name that begins with a dot is hidden, or leads elsewhere"),
            ("a/../..", "a name that begins with a dot is hidden, or leads elsewhere"),
            (".staging-1", "a name that begins with a dot is hidden, or leads elsewhere"),
            ("a\nb", "it holds control characters"),
            ("a\0", "it holds control characters"),
            ("_SUCCESS", "that is what marks complete output"),
            (&*deep, "it is more than 16 directories deep"),
            (&*long, "a name of 256 bytes is longer than the 255 of a directory"),
        ] {
            assert_eq!(
                check_directory(bad).unwrap_err().message(),
                format!(
                    "{bad:?} cannot name the directory of a partition: {why}; let `.partition_by(..)` return another name for such records"
                )
            );
        }
    }
}
