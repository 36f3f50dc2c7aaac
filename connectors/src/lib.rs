//! Sources and sinks: [CSV files](mod@csv), [lines of text](mod@text), [lines over
//! TCP](socket), [`print()`], [`collect()`](collect::collect) for tests, [generated records](mod@generate) and
//! [records in memory](mod@records). They stand on the public traits `Source` and `Sink` of the runtime and use nothing that a connector
//! outside of this crate could not use as well.

mod background;
pub mod collect;
pub mod csv;
pub mod files;
pub mod generate;
pub mod json;
pub mod part_files;
pub mod print;
pub mod records;
pub mod socket;
pub mod text;

pub use collect::{Collect, collect};
pub use csv::CsvFiles;
pub use generate::{Random, generate, generate_unbounded};
pub use print::{print, print_to};
pub use records::records;
pub use socket::SocketLines;
pub use text::TextFiles;

/// What the derive macro names, when tests of this crate use it.
#[cfg(test)]
mod testing {
    pub(crate) mod __private {
        pub(crate) use millstream_core::{self as core, __private::rkyv};
    }
}
