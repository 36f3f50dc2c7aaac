//! What users need to test their jobs: an environment with simulated time that replays every run from one seed ([`sim`]), its random numbers
//! ([`rng`]), and how much a seeded suite may spend ([`budget`]).

pub mod budget;
pub mod rng;
pub mod sim;

pub use sim::SimEnv;
