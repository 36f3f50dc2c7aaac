//! A job's own arguments, from how clap has read them back to words: what is sent has nothing of the options of `submit`, wherever they stood.

use clap::{Arg, ArgAction, ArgMatches, Command, parser::ValueSource};

use crate::registry::JobEntry;

/// The words that give the job the same arguments again. What it was not given is left out: its defaults are known wherever it is.
///
/// # Errors
///
/// An argument is not UTF-8.
pub(super) fn of(job: &JobEntry, matches: &ArgMatches) -> Result<Vec<String>, String> {
    let mut own = (job.augment)(Command::new(job.name));
    own.build(); // positional arguments are numbered only then
    let (mut words, mut positional) = (Vec::new(), Vec::new());
    let mut given: Vec<_> = own.get_arguments().filter(|argument| is_given(argument, matches)).collect();
    given.sort_by_key(|argument| argument.get_index());
    for argument in given {
        match argument.get_action() {
            ArgAction::SetTrue | ArgAction::SetFalse => words.push(name(argument)),
            ArgAction::Count => {
                let times = matches.get_count(argument.get_id().as_str());
                words.extend((0..times).map(|_| name(argument)));
            }
            _ => put(argument, matches, &mut words, &mut positional)?,
        }
    }
    if !positional.is_empty() {
        // Behind this none of them is taken for an option.
        words.push("--".to_owned());
        words.extend(positional);
    }
    Ok(words)
}

fn is_given(argument: &Arg, matches: &ArgMatches) -> bool {
    let id = argument.get_id().as_str();
    matches.try_contains_id(id).is_ok() && matches.value_source(id) == Some(ValueSource::CommandLine)
}

/// The values of an argument, each time that it was given.
fn put(
    argument: &Arg,
    matches: &ArgMatches,
    words: &mut Vec<String>,
    positional: &mut Vec<String>,
) -> Result<(), String> {
    for values in matches.get_raw_occurrences(argument.get_id().as_str()).into_iter().flatten() {
        let values = values.map(|value| {
            let text = value.to_str().map(str::to_owned);
            text.ok_or_else(|| format!("{argument}: `{}` is not UTF-8, and cannot be sent", value.to_string_lossy()))
        });
        let mut values = values.collect::<Result<Vec<_>, _>>()?;
        if let Some(delimiter) = argument.get_value_delimiter() {
            values = vec![values.join(&delimiter.to_string())];
        }
        match &values[..] {
            _ if argument.is_positional() => positional.extend(values),
            // So it is its value even if it begins with a hyphen.
            [value] => words.push(format!("{}={value}", name(argument))),
            _ => {
                words.push(name(argument));
                words.extend(values);
            }
        }
    }
    Ok(())
}

fn name(argument: &Arg) -> String {
    match (argument.get_long(), argument.get_short()) {
        (Some(long), _) => format!("--{long}"),
        (None, short) => short.map_or_else(String::new, |short| format!("-{short}")),
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args, FromArgMatches};

    use super::*;
    use crate::{
        cli::cluster::command::submit_options,
        failure::Location,
        registry::{augment, build_with},
        rest::submission::Submission,
        stream::{BestEffort, Job},
    };

    #[derive(Args, Debug, Clone, PartialEq)]
    struct All {
        first: String,
        rest: Vec<String>,
        #[arg(long)]
        below: i64,
        #[arg(long, allow_hyphen_values = true)]
        shift: Option<i64>,
        #[arg(short)]
        x: Option<String>,
        #[arg(short, long, action = ArgAction::Count)]
        more: u8,
        #[arg(long)]
        dry: bool,
        #[arg(long, value_delimiter = ',')]
        columns: Vec<String>,
        #[arg(long, num_args = 2)]
        pair: Vec<String>,
        #[arg(long, num_args = 0..=1, default_missing_value = "yes")]
        maybe: Option<String>,
        #[arg(long, default_value = "7")]
        usual: u32,
    }

    const HERE: Location = Location { file: "jobs.rs", line: 7, column: 1 };

    fn job(_: &mut Job<BestEffort>, _: All) {}

    static JOB: JobEntry = JobEntry {
        name: "job",
        doc: "",
        location: HERE,
        augment: augment::<All>,
        build: |matches, options| build_with("job", HERE, job, matches, options),
    };

    #[track_caller]
    fn check(args: &[&str], wanted: &[&str]) {
        let command = submit_options((JOB.augment)(Command::new("submit")));
        let matches =
            command.try_get_matches_from([&["submit"], args].concat()).unwrap_or_else(|error| panic!("{error}"));
        let words = of(&JOB, &matches).expect("it is UTF-8");
        assert_eq!(words, wanted);
        let sent = Submission { args: words, ..Submission::default() };
        let chosen = sent.choose(&[&JOB]).map_err(|refused| refused.message).unwrap_or_else(|error| panic!("{error}"));
        let all = |matches| All::from_arg_matches(matches).expect("they have been read");
        assert_eq!(all(&chosen.matches), all(&matches));
    }

    #[test]
    fn words_give_the_same_arguments_again() {
        check(&["a", "--below", "5"], &["--below=5", "--", "a"]);
        check(
            &["--detach", "--below=5", "-D", "memory=1GiB", "a", "--cluster", "http://a:1", "b", "--json", "c d"],
            &["--below=5", "--", "a", "b", "c d"],
        );
        check(
            &["--below=-5", "--shift", "-3", "-x", "=", "-mm", "--dry", "--more", "--", "--below", "-x"],
            &["--below=-5", "--shift=-3", "-x==", "--more", "--more", "--more", "--dry", "--", "--below", "-x"],
        );
        check(
            &["a", "--below", "1", "--columns", "x,y", "--columns=z", "--pair", "p", "", "--pair", "q", "r", "--maybe"],
            &[
                "--below=1",
                "--columns=x,y",
                "--columns=z",
                "--pair",
                "p",
                "",
                "--pair",
                "q",
                "r",
                "--maybe=yes",
                "--",
                "a",
            ],
        );
        check(
            &["a", "--below", "1", "--maybe", "no", "--usual", "7"],
            &["--below=1", "--maybe=no", "--usual=7", "--", "a"],
        );
    }

    #[test]
    fn what_a_job_does_not_take_is_refused_where_it_runs() {
        for (args, says) in [
            (["--below", "x", "a"].as_slice(), "invalid value 'x' for '--below <BELOW>'"),
            (&["a"], "--below <BELOW>"),
            (&["--below", "5", "--help"], "unexpected argument '--help'"),
            (&["--below", "5", "--detach", "a"], "unexpected argument '--detach'"),
        ] {
            let args = args.iter().map(|word| (*word).to_owned()).collect();
            let Err(refused) = (Submission { args, ..Submission::default() }).choose(&[&JOB]) else {
                panic!("it is taken");
            };
            assert!(refused.message.starts_with("the arguments of job `job`: "), "{}", refused.message);
            assert!(refused.message.contains(says), "{}", refused.message);
        }
        let named = Submission { job: Some("other".to_owned()), ..Submission::default() };
        assert!(named.choose(&[&JOB]).is_err_and(|refused| refused.message == "this binary has no job `other`"));
        assert!(Submission::default().choose(&[&JOB, &JOB]).is_err_and(|refused| refused.hint.is_some()));
    }
}
