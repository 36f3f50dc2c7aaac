//! The `millstream` binary. Jobs are binaries of their own (`millstream::main!()`); until there is a cluster, this one says where to find some.

const EXAMPLES: [(&str, &str); 2] = [
    ("flights", "departures and mean delay per airport and hour, from ten days of real flights"),
    ("word_count", "how often each word occurs in a text"),
];

fn main() {
    println!("Millstream {}: a job is a binary of its own, made by `millstream::main!()`.", env!("CARGO_PKG_VERSION"));
    println!("This one will be the node of a cluster; there is none yet.\n");
    println!("Examples to run:");
    for (name, what) in EXAMPLES {
        println!("  cargo run --release --example {name:<10}  {what}");
    }
    println!("\nBehind `--` an example takes the commands `run`, `plan` and `jobs`, and `--help`.");
}
