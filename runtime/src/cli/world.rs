//! [`World`]: what the command line knows of the process it runs in, as data, so that tests need not change the process.

use std::{collections::BTreeMap, path::PathBuf};

/// Environment variables, the working directory, and which outputs are terminals.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// The environment variables.
    pub variables: BTreeMap<String, String>,
    /// Where relative paths of files of settings begin; empty for the working directory.
    pub directory: PathBuf,
    /// True if standard output is a terminal.
    pub out_is_terminal: bool,
    /// True if standard error is a terminal: progress is live then.
    pub err_is_terminal: bool,
    /// True if logs of all threads of the process are meant, rather than those of the job's threads alone.
    pub owns_process: bool,
}

impl World {
    /// A variable that is set and not empty.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether standard output has colours.
    pub(super) fn colours_out(&self) -> bool {
        self.colours(self.out_is_terminal)
    }

    /// Whether standard error has colours.
    pub(super) fn colours_err(&self) -> bool {
        self.colours(self.err_is_terminal)
    }

    /// Whether progress can be redrawn in place.
    pub(super) fn is_live(&self) -> bool {
        self.err_is_terminal && self.variable("TERM") != Some("dumb")
    }

    /// The conventions of no-color.org and bixense.com/clicolors: a refusal beats a demand, and without either it is for terminals.
    fn colours(&self, terminal: bool) -> bool {
        if self.variable("NO_COLOR").is_some() {
            return false;
        }
        let forced = self.variable("CLICOLOR_FORCE").is_some_and(|value| value != "0");
        forced || (terminal && self.variable("TERM") != Some("dumb"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colours(terminal: bool, variables: &[(&str, &str)]) -> bool {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        World { variables, out_is_terminal: terminal, ..World::default() }.colours_out()
    }

    #[test]
    fn colours_are_for_terminals_unless_the_environment_says_otherwise() {
        assert!(colours(true, &[]) && !colours(false, &[]));
        assert!(!colours(true, &[("NO_COLOR", "1")]) && colours(true, &[("NO_COLOR", "")]));
        assert!(colours(false, &[("CLICOLOR_FORCE", "1")]) && !colours(false, &[("CLICOLOR_FORCE", "0")]));
        assert!(!colours(true, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
        assert!(!colours(true, &[("TERM", "dumb")]));
    }
}
