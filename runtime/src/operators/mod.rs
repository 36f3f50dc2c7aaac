//! The operators of a chain, one to a file.

pub mod closures;
pub mod fused;
pub mod ingestion;
pub mod input;
pub mod opened;
pub(crate) mod outlet;
pub mod rolling;
pub mod sample;
pub mod sink;
pub mod source;
pub mod split;
pub mod throttle;
pub mod watermarks;
