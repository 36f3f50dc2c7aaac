//! The vocabulary of Millstream: what a record is, what may key a stream, time, schemas and the sealed buffers that
//! carry records between tasks. Everything else stands on this crate; it knows neither tokio nor I/O.

pub mod aggregate;
pub mod batch;
pub mod blank;
pub mod buffer;
pub mod cell;
pub mod document;
pub mod dynamic;
mod encode;
pub mod error;
pub mod event_time;
pub mod fingerprint;
pub mod impls;
pub mod key;
pub mod outcome;
pub mod packed;
pub mod processor;
pub mod proof;
pub mod rate;
pub mod record;
pub mod schema;
pub mod scratch;
pub mod shelf;
pub mod table;
pub mod time;
pub mod view;

/// What the derive macros name in the code they emit. Not a public interface.
#[doc(hidden)]
pub mod __private {
    pub use rkyv;
    pub use serde;
}
