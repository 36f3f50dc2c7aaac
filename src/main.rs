//! The `millstream` binary. Jobs are binaries of their own (`millstream::main!()`); this one watches and steers those that run, here and in clusters, and says
//! where to find some.

use std::process::ExitCode;

/// The examples, each with what it does: a new one is a row here.
const EXAMPLES: &[(&str, &str)] = &[
    ("enrich", "each flight with the weather at its airport, asked of an HTTP service"),
    ("flights", "departures and mean delay per airport and hour, from ten days of real flights"),
    ("flights_weather", "each flight with the weather at its airport"),
    ("log_errors", "the services with the most errors in each minute of a log"),
    ("sale_windows", "sales from a line server, in windows of two seconds"),
    ("stock_trades", "trades and mean price per industry and minute, and the highest of the day"),
    ("word_count", "how often each word occurs in a text"),
];

fn main() -> ExitCode {
    let version = env!("CARGO_PKG_VERSION");
    let width = EXAMPLES.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let examples: String = EXAMPLES
        .iter()
        .map(|(name, what)| format!("  cargo run --release --example {name:width$} -- run  {what}\n"))
        .collect();
    let text = format!(
        "Millstream {version}: a job is a binary of its own, made by `millstream::main!()`.\n\
         This one watches and steers a job that runs with checkpoints: `status`, `checkpoint`, `stop` and `set`; see --help.\n\
         It asks a cluster, too: `submit`, `list`, `info`, `cancel`, `rescale`, and again `checkpoint` and `stop`.\n\n\
         Examples to run:\n{examples}\n\
         Behind `--` an example takes the commands `run`, `plan`, `jobs`, `config` and so on, and `--help`; without any it is a cluster for its jobs.\n"
    );
    millstream::runtime::cli::tool_main(&text)
}
