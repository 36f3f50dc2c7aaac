use std::sync::Arc;
use millstream::prelude::*;
use millstream_benches::{Machine, Tally, bid::Random, tally};
fn main() {
    let keys: u64 = std::env::var("K").unwrap().parse().unwrap();
    let p: usize = std::env::var("P").unwrap().parse().unwrap();
    let machine = Machine::new(2);
    let total = Tally::default();
    let mut random = Random::default();
    let pairs: Arc<[(u64,u64)]> = (0..10_000_000 as u64).map(|i| (random.below(keys), i)).collect();
    for _ in 0..std::env::var("N").unwrap().parse().unwrap() {
        let t = std::time::Instant::now(); let mut counts = hashbrown::HashMap::<u64, u64, foldhash::fast::RandomState>::default(); for (key, _) in pairs.iter() { *counts.entry(*key).or_default() += 1; } std::hint::black_box(&counts); drop(counts); let h = t.elapsed().as_nanos() as f64 / 1e7;
        let t = std::time::Instant::now();
        machine.run(p, |job| {
            job.source(records(Arc::clone(&pairs))).key_by(|(key, _)| key).window(global()).aggregate(|of| of.count()).sink(tally(&total, |(key, _, count)| key ^ count));
        });
        println!("{h:.1}/{:.1} ", t.elapsed().as_nanos() as f64 / 1e7);
        total.take();
    }
}
