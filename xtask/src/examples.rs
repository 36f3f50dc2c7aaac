//! The examples run on their sample data, as the README says but not optimised, and their output is compared with what is kept beside them. (`sale_windows`, whose windows
//! are those of the clock, is run by `tests/examples`.)

use std::fs;

use crate::{
    compare, paths,
    step::{self, Failed, step},
};

struct Example {
    name: &'static str,
    /// The example's own arguments; `{out}` is the directory that it may write to.
    arguments: &'static [&'static str],
    outputs: &'static [Output],
}

struct Output {
    /// Below `{out}`; empty for `{out}` itself.
    directory: &'static str,
    /// A file with a header and the rows in any order, below the workspace root.
    expected: &'static str,
}

const EXAMPLES: &[Example] = &[
    Example {
        name: "changing_rules",
        arguments: &["run", "--output", "{out}"],
        outputs: &[Output { directory: "", expected: "examples/expected/changing_rules.csv" }],
    },
    Example {
        name: "dedup",
        arguments: &["run", "--output", "{out}"],
        outputs: &[Output { directory: "", expected: "examples/expected/dedup.csv" }],
    },
    Example {
        name: "enrich",
        arguments: &["run", "--output", "{out}"],
        outputs: &[
            Output { directory: "enriched", expected: "examples/expected/enrich.csv" },
            Output { directory: "others", expected: "examples/expected/enrich-others.csv" },
        ],
    },
    Example {
        name: "flights",
        arguments: &["run", "--output", "{out}"],
        outputs: &[
            Output { directory: "departures", expected: "examples/expected/flights-departures.csv" },
            Output { directory: "delayed", expected: "examples/expected/flights-delayed.csv" },
        ],
    },
    Example {
        name: "flights_weather",
        arguments: &["run", "--output", "{out}"],
        outputs: &[Output { directory: "", expected: "examples/expected/flights_weather.csv" }],
    },
    Example {
        name: "inactivity_alert",
        arguments: &["run", "--output", "{out}"],
        outputs: &[Output { directory: "", expected: "examples/expected/inactivity_alert.csv" }],
    },
    Example {
        name: "log_errors",
        arguments: &["run", "--output", "{out}"],
        outputs: &[Output { directory: "", expected: "examples/expected/log_errors.csv" }],
    },
    Example {
        name: "stock_trades",
        arguments: &["run", "--output", "{out}"],
        outputs: &[
            Output { directory: "minutes", expected: "examples/expected/stock_trades-minutes.csv" },
            Output { directory: "highest", expected: "examples/expected/stock_trades-highest.csv" },
        ],
    },
    Example {
        name: "stream_sorter",
        arguments: &["run", "--output", "{out}"],
        outputs: &[Output { directory: "", expected: "examples/expected/stream_sorter.csv" }],
    },
    Example {
        name: "word_count",
        arguments: &["run", "--output", "{out}"],
        outputs: &[Output { directory: "", expected: "examples/expected/word_count.csv" }],
    },
];

/// Runs every example and compares its output.
pub(crate) fn run_all() -> Result<(), Failed> {
    // All at once and for the whole workspace, as the tests have them: examples built one by one have other features, and then everything is built again.
    step("examples compile", || step::cargo("build --workspace --examples --locked", &[]))?;
    EXAMPLES.iter().try_for_each(|example| step(&format!("example {}", example.name), || run(example)))
}

fn run(example: &Example) -> Result<(), Failed> {
    let out = paths::scratch("examples").join(example.name);
    if out.exists() {
        fs::remove_dir_all(&out)
            .map_err(|error| Failed::new(format!("{} cannot be removed: {error}", out.display())))?;
    }
    let program = paths::built("examples").join(example.name);
    let arguments = example.arguments.iter().map(|argument| argument.replace("{out}", &out.display().to_string()));
    step::run(&program.display().to_string(), arguments, &[])?;
    example
        .outputs
        .iter()
        .try_for_each(|output| compare::parts(&out.join(output.directory), &paths::root().join(output.expected)))
}
