//! The commands on a cluster as clap knows them.

use clap::{Arg, ArgAction, ArgGroup, Command, value_parser};

use super::super::{
    command::{json, settings_options, state_options, with_output},
    node,
};
use crate::{rest::client::Address, settings::cluster::ClusterKey};

pub(super) const CLUSTER: &str = "millstream:cluster";
pub(super) const TOKEN_FILE: &str = "millstream:token-file";
pub(super) const DETACH: &str = "millstream:detach";
pub(super) const JOB_NAME: &str = "millstream:job-name";
pub(super) const JOB: &str = "millstream:job";
pub(super) const WORDS: &str = "millstream:words";
pub(super) const PARALLELISM: &str = "millstream:of-job";
pub(super) const OPERATORS: &str = "millstream:of-operators";

/// The variable that says where the cluster answers.
pub(super) const CLUSTER_VARIABLE: &str = "MILLSTREAM_CLUSTER";
/// The variable that is the token.
pub(super) const TOKEN_VARIABLE: &str = "MILLSTREAM_CLUSTER_TOKEN";

/// What a client needs to be let in, and to know whom it asks.
const TLS_KEYS: [&str; 3] = ["tls-ca", "tls-cert", "tls-key"];
const CLUSTER_HEADING: &str = "Cluster";
const JOB_HELP: &str = "Its id, at least four digits of its beginning, or its name if it is the only one";

/// The commands that take no job of this binary.
pub(in crate::cli) fn commands(bin: &str) -> [Command; 4] {
    let command = |name: &'static str, about: &'static str| {
        with_output(cluster_options(Command::new(name).about(about).arg(json("As JSON"))))
    };
    let job = || Arg::new(JOB).value_name("JOB").required(true).help(JOB_HELP);
    let parallelism = Arg::new(PARALLELISM)
        .long("parallelism")
        .value_name("N")
        .value_parser(value_parser!(u32))
        .help("How many subtasks the whole job is to have in each chain");
    let operators = Arg::new(OPERATORS)
        .value_name("OPERATOR=N")
        .num_args(1..)
        .value_delimiter(',')
        .help("How many subtasks operators are to have, by name or uid");
    [
        command("list", "List the jobs of a cluster"),
        command("info", "Show a job of a cluster: its vertices, checkpoints and failures; or the cluster itself")
            .arg(job().required(false)),
        command("cancel", "End a job of a cluster at once: nothing more is committed").arg(job()),
        command("rescale", "Give a job of a cluster, or some of its operators, another parallelism")
            .arg(job())
            .arg(parallelism)
            .arg(operators)
            .override_usage(format!("{bin} rescale [OPTIONS] <JOB> <--parallelism <N>|OPERATOR=N,..>"))
            .group(ArgGroup::new("millstream:how").args([PARALLELISM, OPERATORS]).required(true))
            .after_help(format!(
                "Examples:\n  {bin} rescale flights --parallelism 4\n  {bin} rescale flights rates=4,alerts=1"
            )),
    ]
}

/// What `submit` does.
pub(in crate::cli) const SUBMIT: &str = "Run a job on a cluster, and follow it to its end";

/// The options of `submit` besides a job's own.
pub(in crate::cli) fn submit_options(command: Command) -> Command {
    let detach = Arg::new(DETACH).long("detach").action(ArgAction::SetTrue);
    let name = Arg::new(JOB_NAME).long("job-name").value_name("NAME");
    let command = command
        .arg(name.help("What the job is called there [default: its name]").help_heading(CLUSTER_HEADING))
        .arg(detach.help("Do not follow the job: its id is all that is put out").help_heading(CLUSTER_HEADING))
        .arg(json("Report the end, or with --detach the id, as one line of JSON"));
    settings_options(cluster_options(command)).args(state_options())
}

/// `submit` in a binary that does not know the job: what stands behind its name is passed on as it is.
pub(in crate::cli) fn submit_unknown(bin: &str) -> Command {
    let words = Arg::new(WORDS)
        .value_name("JOB")
        .num_args(0..)
        .trailing_var_arg(true)
        .help("A job of the cluster's binary, unless that has only one, and its own arguments; options of this command come before");
    with_output(submit_options(Command::new("submit").about(SUBMIT)))
        .arg(words)
        .override_usage(format!("{bin} submit [OPTIONS] [JOB [ARGS]..]"))
        .after_help(format!("Examples:\n  {bin} submit flights --input flights.csv\n  {bin} submit --detach flights"))
}

/// Adds where the cluster is.
pub(in crate::cli) fn cluster_options(command: Command) -> Command {
    let cluster = Arg::new(CLUSTER).long("cluster").value_name("URL");
    let token = Arg::new(TOKEN_FILE).long("token-file").value_name("FILE");
    let default = Address::DEFAULT;
    command
        .arg(
            cluster
                .help(format!("Where the cluster answers, unless {CLUSTER_VARIABLE} says so [default: {default}]"))
                .help_heading(CLUSTER_HEADING),
        )
        .arg(
            token
                .help(format!("The file with the token that it wants, unless {TOKEN_VARIABLE} is that"))
                .help_heading(CLUSTER_HEADING),
        )
        .args(TLS_KEYS.iter().map(|name| {
            let key = ClusterKey::find(name).expect("it is in the table");
            node::option(key).help_heading(CLUSTER_HEADING)
        }))
}
