//! What users need to test their jobs: an environment with simulated time that replays every run from one seed ([`sim`]), a harness that runs a
//! job in every way that must not make a difference ([`golden`]), a disk that loses what was not synced ([`disk`]), random numbers ([`rng`]), and how much
//! a seeded suite may spend ([`budget`]).

pub mod budget;
pub mod disk;
pub mod golden;
pub mod rng;
pub mod sim;

pub use disk::SimDisk;
pub use sim::SimEnv;
