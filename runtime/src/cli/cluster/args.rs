//! Decides what a cluster is asked: reads the arguments.

use std::{
    collections::BTreeMap,
    io::{self, Read},
};

use clap::ArgMatches;

use super::{
    super::{args::Chosen, command::wants_json, given, world::World},
    command::{
        CLUSTER, CLUSTER_VARIABLE, DETACH, JOB, JOB_NAME, OPERATORS, PARALLELISM, TOKEN_FILE, TOKEN_VARIABLE, WORDS,
    },
    verbs::{Asking, Verb},
    words,
};
use crate::{
    env::{Disk, Files},
    rest::{
        client::Address,
        submission::{Rescale, Submission},
        token::Token,
    },
    settings::{KEYS, Outside},
};

/// The largest file with a token, in bytes.
const TOKEN_FILE_BYTES_LIMIT: u64 = 8 << 10;

/// What `list`, `info`, `cancel` and `rescale` ask.
///
/// # Errors
///
/// Names the argument and what is allowed.
pub(in crate::cli) fn asking(name: &str, matches: &ArgMatches, world: &World) -> Result<Asking, String> {
    let job = || matches.get_one::<String>(JOB).expect("clap requires the job").clone();
    let verb = match name {
        "list" => Verb::List,
        "info" => match matches.get_one::<String>(JOB) {
            Some(job) => Verb::Info(job.clone()),
            None => Verb::Overview,
        },
        "cancel" => Verb::Cancel(job()),
        _ => Verb::Rescale(job(), rescale(matches)?),
    };
    with(verb, matches, world)
}

/// Asks for this, from the cluster that the options name.
///
/// # Errors
///
/// Its address or the token is none.
pub(in crate::cli) fn with(verb: Verb, matches: &ArgMatches, world: &World) -> Result<Asking, String> {
    let given = given::of_cluster(Some(matches), world)?;
    let tls = Box::new(given.settings_in(&world.directory));
    given.check_tls(&tls, false)?;
    let has_certificates = tls.tls_ca.is_some();
    // Who has certificates means to use them, unless the address says otherwise.
    let parse = |url: &str| Address::parse(url).map(|address| address.by_tls(has_certificates && !url.contains("://")));
    let default = Address::DEFAULT.trim_start_matches("http://");
    let address = match (matches.get_one::<String>(CLUSTER), world.variable(CLUSTER_VARIABLE)) {
        (Some(url), _) => parse(url).map_err(|message| format!("--cluster: {message}")),
        (None, Some(url)) => parse(url).map_err(|message| format!("{CLUSTER_VARIABLE}: {message}")),
        (None, None) => parse(default),
    }?;
    if address.is_tls() && !has_certificates {
        return Err(format!(
            "{address} is asked by TLS: say by --tls-ca (or in the table `[cluster]`) who may be trusted, and, unless a token is enough there, by --tls-cert and --tls-key who asks"
        ));
    }
    Ok(Asking { verb, tls, address, token: token(matches, world)?, json: wants_json(matches) })
}

fn token(matches: &ArgMatches, world: &World) -> Result<Option<Token>, String> {
    let Some(path) = matches.get_one::<String>(TOKEN_FILE) else {
        let token = world.variable(TOKEN_VARIABLE).map(Token::new).transpose();
        return token.map_err(|message| format!("{TOKEN_VARIABLE}: {message}"));
    };
    let path = world.directory.join(path);
    let text = Disk.open(&path).and_then(|file| {
        let mut text = String::new();
        match file.take(TOKEN_FILE_BYTES_LIMIT + 1).read_to_string(&mut text)? as u64 {
            0..=TOKEN_FILE_BYTES_LIMIT => Ok(text),
            _ => Err(io::Error::other(format!("it is larger than {TOKEN_FILE_BYTES_LIMIT} bytes"))),
        }
    });
    let text = text.map_err(|error| format!("cannot read {}, named by --token-file: {error}", path.display()))?;
    Token::new(&text).map(Some).map_err(|message| format!("{}: {message}", path.display()))
}

/// A job of this binary, to be submitted.
///
/// # Errors
///
/// Names the argument and what is allowed.
pub(in crate::cli) fn submit(chosen: &Chosen, world: &World) -> Result<Asking, String> {
    let matches = &chosen.matches;
    let args = words::of(chosen.job, matches)?;
    let submission = Submission { job: Some(chosen.job.name.to_owned()), args, ..common(matches, &chosen.outside) };
    checked(submission, matches, world)
}

/// A job of another binary, to be submitted.
///
/// # Errors
///
/// Names the argument and what is allowed.
pub(in crate::cli) fn submit_unknown(matches: &ArgMatches, world: &World) -> Result<Asking, String> {
    let mut words = matches.get_many::<String>(WORDS).into_iter().flatten().cloned();
    let job = words.next();
    let outside = given::gather(matches, job.as_deref(), world)?;
    let submission = Submission { job, args: words.collect(), ..common(matches, &outside) };
    checked(submission, matches, world)
}

fn common(matches: &ArgMatches, outside: &Outside) -> Submission {
    let given = KEYS.iter().filter_map(|key| Some((key.name.to_owned(), outside.get(key.name)?.text.clone())));
    Submission { settings: given.collect(), name: matches.get_one(JOB_NAME).cloned(), ..Submission::default() }
}

fn checked(submission: Submission, matches: &ArgMatches, world: &World) -> Result<Asking, String> {
    submission.check().map_err(|refused| refused.message)?;
    with(Verb::Submit { submission, detach: matches.get_flag(DETACH) }, matches, world)
}

fn rescale(matches: &ArgMatches) -> Result<Rescale, String> {
    let mut operators = BTreeMap::new();
    for text in matches.get_many::<String>(OPERATORS).into_iter().flatten() {
        // A name may have the sign in it, a number may not.
        let parsed = text.rsplit_once('=').and_then(|(name, n)| Some((name.trim(), n.trim().parse().ok()?)));
        let (name, n) = parsed.filter(|(name, _)| !name.is_empty()).ok_or_else(|| {
            format!("invalid value '{text}' for '<OPERATOR=N>': an operator and a number are expected, as in `rates=4`")
        })?;
        if operators.insert(name.to_owned(), n).is_some() {
            return Err(format!("the operator `{name}` is named twice"));
        }
    }
    let rescale = Rescale { parallelism: matches.get_one(PARALLELISM).copied(), operators };
    rescale.check().map_err(|refused| refused.message)?;
    Ok(rescale)
}
