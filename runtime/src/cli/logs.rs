//! Logs: what of the runtime's events is written to standard error, and how. Only the command line installs a subscriber, never the runtime.

use clap::ArgMatches;
use tracing::Dispatch;
use tracing_subscriber::{EnvFilter, fmt};

use super::{
    command::{LOG, LOG_FORMAT},
    screen::Screen,
    world::World,
};

const FILTER_VARIABLE: &str = "MILLSTREAM_LOG";
const FORMAT_VARIABLE: &str = "MILLSTREAM_LOG_FORMAT";
const DEFAULT_FILTER: &str = "warn";
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogOptions {
    filter: String,
    json: bool,
}

impl LogOptions {
    /// What options, or else variables, say.
    ///
    /// # Errors
    ///
    /// Names the one that is wrong, and what is allowed.
    pub(super) fn of(matches: &ArgMatches, world: &World) -> Result<Self, String> {
        Self::given(matches.get_one::<String>(LOG), matches.get_one::<String>(LOG_FORMAT), world)
    }

    /// What variables say.
    ///
    /// # Errors
    ///
    /// Names the one that is wrong, and what is allowed.
    pub(super) fn from_world(world: &World) -> Result<Self, String> {
        Self::given(None, None, world)
    }

    fn given(filter: Option<&String>, format: Option<&String>, world: &World) -> Result<Self, String> {
        let (filter, by) = match (filter, world.variable(FILTER_VARIABLE)) {
            (Some(filter), _) => (filter.as_str(), "'--log <FILTER>'"),
            (None, Some(filter)) => (filter, "the environment variable 'MILLSTREAM_LOG'"),
            (None, None) => (DEFAULT_FILTER, ""),
        };
        check(filter).map_err(|why| format!("invalid value '{filter}' for {by}: {why}"))?;
        let json = match (format, world.variable(FORMAT_VARIABLE)) {
            (Some(format), _) => format == "json",
            (None, None | Some("text")) => false,
            (None, Some("json")) => true,
            (None, Some(format)) => {
                return Err(format!(
                    "invalid value '{format}' for the environment variable '{FORMAT_VARIABLE}': text or json is expected"
                ));
            }
        };
        Ok(Self { filter: filter.to_owned(), json })
    }

    /// What writes the logs to a screen.
    pub(super) fn dispatch(&self, screen: &Screen, colours: bool) -> Dispatch {
        let filter = EnvFilter::builder().parse_lossy(&self.filter);
        let logs = fmt().with_env_filter(filter).with_writer(screen.clone()).with_ansi(colours);
        match self.json {
            true => logs.json().flatten_event(true).with_span_list(false).into(),
            false => logs.into(),
        }
    }
}

/// Checks a filter. A word that is no level would be taken for the name of a module, all of whose events are logged: that is not what a misspelt level
/// means.
fn check(filter: &str) -> Result<(), String> {
    let is_level = |word: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
    let is_bare = |word: &&str| !word.contains(['=', '[', ':']);
    match filter.split(',').map(str::trim).filter(is_bare).find(|word| !is_level(word)) {
        Some(word) => Err(format!(
            "`{word}` is not a level; {} or a filter as `warn,millstream_runtime=debug` is expected",
            LEVELS.join(", ")
        )),
        None => EnvFilter::builder().parse(filter).map(|_| ()).map_err(|error| error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_levels_and_directives() {
        for right in ["off", "INFO", "warn,millstream_runtime=debug", "millstream_runtime::local=trace,error"] {
            assert_eq!(check(right), Ok(()), "{right}");
        }
        for wrong in ["", "wran", "info,millstream", "millstream=loud", "a=b=c"] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }
}
