//! Jobs whose checkpoints are in an object store: killed and gone on with, in front of a server that fails, and with what cannot be right.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use millstream_testkit::rng::Rng;

use super::{
    faulty::Faulty,
    server::{CREDENTIALS, Server, free},
};
use crate::{
    campaign::{Campaign, Death, Ended, PROGRAM, fails},
    input::Input,
};

/// How many processes are killed one after the other.
const KILLS: usize = 4;
/// Within this time a process is killed, and has written something mostly.
const LIFE: Duration = Duration::from_millis(1_500);
/// Of a hundred requests so many fare badly.
const FAULTS_PERCENT: u64 = 15;

fn in_store<'i>(input: &'i Input, endpoint: &str, url: &str) -> Campaign<'i> {
    let mut campaign = Campaign::new(input);
    campaign.checkpoints_at = Some(url.to_owned());
    campaign.settings.push(format!("object-store.endpoint={endpoint}"));
    campaign.variables.extend(CREDENTIALS.map(|(name, value)| (name.to_owned(), value.to_owned())));
    campaign
}

fn inspect(endpoint: &str, url: &str) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["checkpoint", "inspect", url]).envs(CREDENTIALS).env("NO_COLOR", "1");
    command.env("MILLSTREAM_OBJECT_STORE_ENDPOINT", endpoint).stdin(Stdio::null());
    command
}

#[test]
fn a_job_with_checkpoints_in_s3_is_killed_and_goes_on() {
    let (server, input) = (Server::start(), Input::new(21));
    server.make_bucket("jobs");
    let mut rng = Rng::new(22);
    let mut campaign = in_store(&input, &server.endpoint(), "s3://jobs/events/it");
    for life in 0..KILLS {
        let death = Death::After(LIFE / 2 + Duration::from_millis(rng.below(LIFE.as_millis() as u64)));
        let ended = campaign.live(1 + life % 3, &death).unwrap_or_else(|why| panic!("{why}"));
        if ended == Ended::Well {
            break;
        }
    }
    assert!(campaign.committed_files() > 0, "something was committed before the last was killed");
    assert_eq!(campaign.live(2, &Death::Never), Ok(Ended::Well));
    let names = server.objects("jobs");
    assert!(names.iter().all(|name| name.starts_with("events/it/")), "{names:?}");

    let shown = inspect(&server.endpoint(), "s3://jobs/events/it").output().expect("the program can be started");
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.status.success() && text.contains("events"), "{text}{}", String::from_utf8_lossy(&shown.stderr));
}

#[test]
fn a_server_that_fails_now_and_then_harms_no_job() {
    let (server, input) = (Server::start(), Input::new(23));
    server.make_bucket("jobs");
    let faulty = Faulty::start(server.address(), 24, FAULTS_PERCENT);
    let mut campaign = in_store(&input, &faulty.endpoint(), "s3://jobs/events");
    let death = Death::After(LIFE);
    campaign.live(3, &death).unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(campaign.live(2, &Death::Never), Ok(Ended::Well));
    let (requests, faults) = faulty.seen();
    assert!(faults * 20 > requests && faults > 10, "{faults} of {requests} requests fared badly");
}

#[test]
fn what_cannot_be_right_is_told_once_and_at_once() {
    let (server, input) = (Server::start(), Input::sized(25, 10));
    server.make_bucket("jobs");
    let said = |campaign: &Campaign<'_>| fails(&mut campaign.command(1));

    let said_of_bucket = said(&in_store(&input, &server.endpoint(), "s3://nowhere/events"));
    assert!(
        said_of_bucket.contains("NoSuchBucket") && said_of_bucket.contains("s3://nowhere/events"),
        "{said_of_bucket}"
    );
    let said_by_inspect = fails(&mut inspect(&server.endpoint(), "s3://nowhere/events"));
    assert!(said_by_inspect.contains("NoSuchBucket"), "{said_by_inspect}");

    let said_of_feature = said(&in_store(&input, &server.endpoint(), "gs://jobs/events"));
    assert!(said_of_feature.contains("add the feature `gcs`"), "{said_of_feature}");

    let said_of_http = said(&in_store(&input, "http://store.invalid:9000", "s3://jobs/events"));
    assert!(said_of_http.contains("object-store.allow-http"), "{said_of_http}");

    let nobody = said(&in_store(&input, &format!("http://{}", free()), "s3://jobs/events"));
    assert!(nobody.contains("s3://jobs/events"), "{nobody}");

    let strict = Server::strict(1);
    strict.make_bucket("jobs");
    let said_of_credentials = said(&in_store(&input, &strict.endpoint(), "s3://jobs/events"));
    assert!(said_of_credentials.contains("the store refuses these credentials"), "{said_of_credentials}");
    assert!(!said_of_credentials.contains("of-no-use"), "{said_of_credentials}");
}
