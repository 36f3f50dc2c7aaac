//! Keyed state larger than memory: with all keys, half and a twentieth of them in the budget; beside the table in memory. `benches/state-peers` has others beside
//! it.
//!
//! `cargo bench -p millstream-benches --bench state_spill`; `MILLSTREAM_BENCH_KEYS` (20,000,000), `MILLSTREAM_BENCH_SECONDS` (14) and `MILLSTREAM_BENCH_ONLY`
//! (`memory,100%,50%,5%`) make it smaller.
#![allow(
    clippy::disallowed_methods,
    reason = "benches stand outside of the engine: they read clocks and start threads"
)]

use millstream_benches::{
    larger::{Access, measure},
    spilling::{Spilling, number},
};

const KEYS: u64 = 20_000_000;
const SECONDS: f64 = 14.0;
/// Where nothing is measured: that it runs.
const FEW_KEYS: u64 = 20_000;
const FEW_SECONDS: f64 = 0.1;

fn main() {
    let measured = std::env::args().any(|argument| argument == "--bench");
    let (keys, seconds) = if measured { (KEYS, SECONDS) } else { (FEW_KEYS, FEW_SECONDS) };
    let keys = number("MILLSTREAM_BENCH_KEYS", keys);
    let seconds = number("MILLSTREAM_BENCH_SECONDS", seconds);
    let wanted: String = number("MILLSTREAM_BENCH_ONLY", String::new());
    let is_wanted = |name: &str| wanted.is_empty() || wanted.split(',').any(|wanted| wanted == name);
    println!("{keys} keys");
    for access in [Access::Zipf, Access::Uniform] {
        let run = |name: &str, store: Option<Spilling>| {
            store.filter(|_| is_wanted(name)).map(|mut store| measure(name, &mut store, keys, seconds, access))
        };
        let memory = run("memory", Some(Spilling::in_memory()));
        // Twice what the table takes: of the budget two thirds are for rows.
        let all_hot = run("100%", Some(Spilling::with_share(keys, 2.0)));
        if let (Some(memory), Some(all_hot)) = (memory, all_hot) {
            println!("all hot, in files / in memory: {:.2}", all_hot / memory);
        }
        run("50%", Some(Spilling::with_share(keys, 0.5)));
        run("5%", Some(Spilling::with_share(keys, 0.05)));
    }
}
