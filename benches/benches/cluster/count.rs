//! How many pairs a second two processes count by key.

use millstream_benches::raw_socket;

use crate::processes::Cluster;

const KEYS: u64 = 100_000;
/// What a pair takes on the wire.
const PAIR_BYTES: usize = 16;
const ROUNDS: usize = 5;

/// Seconds that a job takes.
fn seconds(cluster: &Cluster, records: u64, early: bool) -> f64 {
    let mut args: Vec<String> =
        ["--records", &records.to_string(), "--keys", &KEYS.to_string()].map(str::to_owned).into();
    args.extend(["--out".to_owned(), cluster.out().display().to_string()]);
    if early {
        args.push("--early".to_owned());
    }
    let id = cluster.submit("count", &args, &[("parallelism", "2")]);
    let job = cluster.until_state(&id, "finished");
    job["duration_ms"].as_f64().unwrap_or(0.0) / 1e3
}

/// Pairs of two `u64`, counted by key by two processes of one subtask of each kind.
pub(crate) fn keyed_count() {
    for (early, name, records) in [(false, "record by record", 100_000_000), (true, "aggregated early", 200_000_000)] {
        for _ in 0..ROUNDS {
            let cluster = Cluster::start(1, 2, 1);
            cluster.until_ready(2);
            let nothing = seconds(&cluster, 1_000, early);
            let took = seconds(&cluster, records, early) - nothing;
            print!("keyed_count, {KEYS} keys, {name:<20} {:>7.1} M records/s", records as f64 / took / 1e6);
            if early {
                println!();
                continue;
            }
            // One process owns half of the keys, and half of the records are made by the other one.
            let bytes = records as usize / 2 * PAIR_BYTES;
            let copied = raw_socket::copy(bytes).as_secs_f64();
            let (sent, raw) = (bytes as f64 / 1e6 / took, records as f64 / copied / 1e6);
            println!("; {sent:.0} MB/s on the wire, of which a raw socket alone would allow {raw:.0} M records/s");
        }
    }
}
