//! Keyed state, its snapshots, and the storage of checkpoints.
//!
//! A [`Table`](table::Table) holds the rows of one state of one subtask. At a barrier it is *frozen*, in constant time; rows are then copied out by a walker or
//! before they are first written again, whichever comes first, as [`Frozen`](snapshot::Frozen) ranges in the order of the hash. Other threads sort and
//! encode these into a segment. A [`Manifest`](manifest::Manifest) names the segments of a checkpoint.

pub mod backend;
pub mod channels;
pub mod collections;
pub mod conformance;
pub mod groups;
pub mod inspect;
pub mod location;
pub mod log;
pub mod manifest;
pub mod objects;
pub mod remote;
pub mod row;
pub mod savepoint;
pub mod schema;
pub mod segment;
pub mod snapshot;
pub mod spill;
pub mod store;
pub mod table;
