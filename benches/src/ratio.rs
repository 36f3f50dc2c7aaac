//! A program written by hand and the same with Millstream, measured in turns: on a machine that is shared only their ratio says something.

use std::{fmt::Debug, hint::black_box, time::Instant};

/// What is measured, and how often.
#[derive(Debug, Clone, Copy)]
pub struct Ratio<'n> {
    /// `chain/bid/archived` ..
    pub name: &'n str,
    /// How many records a run takes.
    pub records: usize,
    /// How many runs there are of each of the two.
    pub rounds: usize,
}

/// Runs the two in turns, checks that they give the same result, and prints the time per record of each one's fastest run:
/// `ratio <name> <hand ns> <ours ns> <ours / hand>`. Above 1 the program written by hand is the faster one.
///
/// Criterion's filter is heeded, with `ratio <name>` for the name: `-- ratio` prints all ratios and runs none of criterion's benchmarks.
///
/// # Panics
///
/// If the results differ.
pub fn print_ratio<R: PartialEq + Debug>(ratio: Ratio<'_>, mut hand: impl FnMut() -> R, mut ours: impl FnMut() -> R) {
    let name = ratio.name;
    if !wanted(&format!("ratio {name}")) {
        return;
    }
    assert_eq!(hand(), ours(), "{name}: both ways give the same result");
    let (mut hand_best, mut ours_best) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..ratio.rounds {
        hand_best = hand_best.min(seconds(&mut hand));
        ours_best = ours_best.min(seconds(&mut ours));
    }
    let nanos = |seconds: f64| seconds * 1e9 / ratio.records as f64;
    println!("ratio {name} {:.2} {:.2} {:.2}", nanos(hand_best), nanos(ours_best), ours_best / hand_best);
}

/// True unless the command line has a filter that the name lacks.
pub fn wanted(name: &str) -> bool {
    std::env::args().skip(1).find(|argument| !argument.starts_with('-')).is_none_or(|filter| name.contains(&filter))
}

fn seconds<R>(run: &mut impl FnMut() -> R) -> f64 {
    let began = Instant::now();
    black_box(run());
    began.elapsed().as_secs_f64()
}
