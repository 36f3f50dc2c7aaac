//! What users need to test their jobs: an environment with simulated time that replays every run from one seed ([`sim`]), worlds that end
//! or go wrong where a test says ([`crash`]), a disk that loses what was not synced ([`disk`]), a harness that runs a job in every way that must not make a
//! difference ([`golden`]), random numbers ([`rng`]), and how much a seeded suite may spend ([`budget`]).

pub mod budget;
pub mod crash;
pub mod disk;
pub mod golden;
pub mod rng;
pub mod sim;

pub use disk::SimDisk;
pub use sim::SimEnv;
