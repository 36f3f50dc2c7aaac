//! Keyed state larger than memory, in Millstream, in RocksDB and in fjall: the same updates of the same keys, with the same memory.
//!
//! The other two have a table of hot values in front of them, as Millstream's state has, with a clock that says who makes room; what has changed and made room is
//! collected and written as one batch, unsynced and without a log. So what is compared is how each finds rows that are not hot, and takes in rows that were.

mod cached;
mod fjall;
mod rocksdb;

use millstream_benches::{
    larger::{Access, Store, measure},
    spilling::{Spilling, number},
};

use self::{cached::Cached, fjall::Fjall, rocksdb::Rocks};

const KEYS: u64 = 20_000_000;
const SECONDS: f64 = 14.0;
/// How much of the state fits into memory.
const SHARE: f64 = 0.05;
/// What a hot value takes in `Cached`, in bytes: its key, its place in the ring, and the table.
const HOT_BYTES: usize = 80;
/// What the stores behind have of the budget.
const STORE_SHARE: f64 = 0.3;

fn main() {
    let keys = number("MILLSTREAM_BENCH_KEYS", KEYS);
    let seconds = number("MILLSTREAM_BENCH_SECONDS", SECONDS);
    let budget = keys as f64 * 64.0 * SHARE;
    let (hot, store) = ((budget * (1.0 - STORE_SHARE)) as usize / HOT_BYTES, (budget * STORE_SHARE) as usize);
    println!("{keys} keys, {} MiB", budget as usize >> 20);
    for access in [Access::Zipf, Access::Uniform] {
        let run = |name: &str, mut held: Box<dyn Store>| measure(name, &mut *held, keys, seconds, access);
        let millstream = run("millstream", Box::new(Spilling::with_share(keys, SHARE)));
        let rocksdb = run("rocksdb", Box::new(Cached::new(Rocks::open(store), hot)));
        let fjall = run("fjall", Box::new(Cached::new(Fjall::open(store), hot)));
        println!("millstream / rocksdb: {:.2}, millstream / fjall: {:.2}", millstream / rocksdb, millstream / fjall);
    }
}
