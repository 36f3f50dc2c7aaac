//! Asks the cluster, and writes what it answers.

use std::{pin::pin, sync::Arc};

use futures::{
    StreamExt,
    future::{Either, select},
};
use serde::Serialize;
use serde_json::json;

use super::{
    super::{
        Console, EXIT_DONE, EXIT_FAILED, savepoint, signals,
        tls::{self, KnownBy},
    },
    follow, shown,
};
use crate::{
    env::{Env, TokioEnv},
    rest::{
        client::{Address, Client, ClientError},
        submission::{Rescale, SavepointWanted, Submission},
        token::Token,
    },
    settings::cluster::ClusterSettings,
};

/// What helps where no cluster is.
const WHERE: &str = "--cluster or MILLSTREAM_CLUSTER says where the cluster is";

/// What the cluster is asked.
pub(in crate::cli) enum Verb {
    List,
    Info(String),
    /// Show the cluster.
    Overview,
    Cancel(String),
    Checkpoint(String),
    Stop(String),
    Savepoint(String, SavepointWanted),
    Rescale(String, Rescale),
    Submit {
        submission: Submission,
        detach: bool,
    },
}

/// A verb, and which cluster it is for.
pub(in crate::cli) struct Asking {
    pub(super) verb: Verb,
    pub(super) address: Address,
    /// The certificates to ask with, if it is asked by TLS.
    pub(super) tls: Box<ClusterSettings>,
    pub(super) token: Option<Token>,
    pub(super) json: bool,
}

/// Does what was asked for.
pub(in crate::cli) fn ask(asking: &Asking, console: &mut Console<'_>) -> u8 {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            console.error(&format!("no thread to ask the cluster from: {error}"));
            return EXIT_FAILED;
        }
    };
    let asked = runtime.block_on(async {
        let env: Arc<dyn Env> = TokioEnv::current();
        let to_ask_by = match asking.address.is_tls() {
            true => tls::protected(Arc::clone(&env), &asking.tls, KnownBy::Certificate)?,
            false => Arc::clone(&env),
        };
        let client = Client::new(asking.address.clone(), asking.token.clone(), to_ask_by);
        carry_out(&asking.verb, &client, &*env, asking.json, console).await
    });
    asked.unwrap_or_else(|message| {
        console.error(&message);
        EXIT_FAILED
    })
}

async fn carry_out(
    verb: &Verb,
    client: &Client,
    env: &dyn Env,
    json: bool,
    console: &mut Console<'_>,
) -> Result<u8, String> {
    let told = |error: ClientError| match (&error, verb) {
        (ClientError::Unreachable(_), Verb::Checkpoint(name) | Verb::Stop(name) | Verb::Savepoint(name, _)) => {
            format!("{error}\nhint: `{name}` is no directory here, so a cluster was asked; {WHERE}")
        }
        (ClientError::Unreachable(_), _) => format!("{error}\nhint: {WHERE}"),
        _ => error.to_string(),
    };
    match verb {
        Verb::List => {
            let jobs = client.jobs().await.map_err(told)?;
            let text = shown::jobs(&jobs, console.world.colours_out());
            put(&jobs, &text, json, console);
        }
        Verb::Overview => {
            let overview = client.overview().await.map_err(told)?;
            let taskmanagers = client.taskmanagers().await.map_err(told)?;
            let text = shown::cluster(&overview, &taskmanagers);
            let mut value = json!(overview);
            value["members"] = json!(taskmanagers.taskmanagers);
            put(&value, &text, json, console);
        }
        Verb::Info(job) => {
            let job = client.job(job).await.map_err(told)?;
            let id = &job.summary.id; // one job, though its name may be another's meanwhile
            let exceptions = client.exceptions(id).await.map_err(told)?;
            let checkpoints = client.checkpoints(id).await.map_err(told)?;
            let text = shown::info(&job, &exceptions, &checkpoints, console.world.colours_out());
            let mut value = json!(job);
            value["exceptions"] = json!(exceptions);
            value["checkpoints"] = json!(checkpoints);
            put(&value, &text, json, console);
        }
        Verb::Cancel(job) => {
            let ordered = client.cancel(job).await.map_err(told)?;
            put(
                &ordered,
                &format!("job {} is being cancelled: nothing more is committed\n", ordered.job),
                json,
                console,
            );
        }
        Verb::Checkpoint(job) => {
            let made = client.checkpoint(job).await.map_err(told)?;
            put(&made, &format!("checkpoint {} is complete\n", made.checkpoint), json, console);
        }
        Verb::Stop(job) => {
            let made = client.stop(job).await.map_err(told)?;
            let text = format!("job {} has stopped with checkpoint {}\n", made.job, made.checkpoint);
            put(&made, &text, json, console);
        }
        Verb::Savepoint(job, wanted) => {
            let made = client.savepoint(job, wanted).await.map_err(told)?;
            let text = savepoint::made(made.checkpoint, &made.savepoint, wanted.then);
            put(&made, &text, json, console);
        }
        Verb::Rescale(job, rescale) => {
            let ordered = client.rescale(job, rescale).await.map_err(told)?;
            put(&ordered, &format!("job {} has been rescaled\n", ordered.job), json, console);
        }
        Verb::Submit { submission, detach } => {
            // From here on an interrupt does not end this process, or the job would be submitted and its id lost.
            let mut interrupts =
                signals::interrupts().map_err(|error| format!("Ctrl-C and SIGTERM cannot be listened to: {error}"))?;
            let submitted = {
                let asked = client.submit(submission);
                match select(pin!(asked), interrupts.next()).await {
                    Either::Left((submitted, _)) => submitted.map_err(|error| match error {
                        ClientError::Lost(message) => format!("{message}\nhint: {}", perhaps(client)),
                        error => told(error),
                    })?,
                    Either::Right(_) => return Err(format!("interrupted; {}", perhaps(client))),
                }
            };
            if *detach {
                let text = format!("{}\n", submitted.job);
                put_line(&submitted, &text, json, console);
                return Ok(EXIT_DONE);
            }
            return follow::follow(&submitted.job, client, env, interrupts, json, console).await;
        }
    }
    Ok(EXIT_DONE)
}

fn perhaps(client: &Client) -> String {
    format!("whether the job was submitted is not known: `list --cluster {}` shows it if it was", client.address())
}

/// Writes an answer.
fn put<T: Serialize>(value: &T, text: &str, as_json: bool, console: &mut Console<'_>) {
    match as_json {
        true => console.say_json(&json!(value)),
        false => console.say(text),
    }
}

/// Writes an answer on one line, whichever way.
pub(super) fn put_line<T: Serialize>(value: &T, text: &str, as_json: bool, console: &mut Console<'_>) {
    match as_json {
        true => console.say(&format!("{}\n", json!(value))),
        false => console.say(text),
    }
}
