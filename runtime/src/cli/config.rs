//! `config`: every setting, its value, where that comes from, and what it is for.

use super::{
    Console, EXIT_DONE, EXIT_USAGE,
    args::Configured,
    json, plan,
    table::{Align, aligned},
};
use crate::settings::{
    KEYS, Outside, Settings,
    cluster::{CLUSTER_KEYS, ClusterGiven, ClusterSettings},
};

/// Shows settings.
pub(super) fn show(what: &Configured, as_json: bool, console: &mut Console<'_>) -> u8 {
    let (outside, cluster, settings) = match what {
        Configured::Any(outside, cluster) => (outside, Some(cluster), None),
        Configured::Job(chosen) => match plan::build(chosen, console) {
            Ok(graph) => (&chosen.outside, None, Some(graph.settings)),
            Err(_) => return EXIT_USAGE,
        },
    };
    // What a job finds when it is built; what differs from it was set in its code.
    let mut before = Settings::default();
    outside.apply(&mut before);
    let settings = settings.unwrap_or_else(|| before.clone());
    if let Err(message) = settings.check() {
        console.error(&message);
        return EXIT_USAGE;
    }
    match as_json {
        true => console.say_json(&json::config(&settings, outside, &before, cluster)),
        false => console.say(&table(&settings, outside, &before, cluster)),
    }
    EXIT_DONE
}

/// One line a setting, below a header.
fn table(settings: &Settings, outside: &Outside, before: &Settings, cluster: Option<&ClusterGiven>) -> String {
    let header = ["key", "value", "from", "default", "what it is for"].map(str::to_owned);
    let rows = KEYS.iter().map(|key| {
        let from = match outside.get(key.name) {
            Some(given) => given.origin_of(key),
            None if key.show(settings) != key.show(before) => "the job's code".to_owned(),
            None => "default".to_owned(),
        };
        let default = key.show(&Settings::default());
        [key.name.to_owned(), key.show(settings), from, default, key.doc.to_owned()]
    });
    let of_cluster = cluster.into_iter().flat_map(|given| {
        let settings = given.settings();
        CLUSTER_KEYS.iter().map(move |key| {
            let name = format!("cluster.{}", key.name);
            [name, key.show(&settings), given.origin(key), key.show(&ClusterSettings::default()), key.doc.to_owned()]
        })
    });
    let rows: Vec<_> = std::iter::once(header).chain(rows).chain(of_cluster).collect();
    aligned([Align::Left; 5], &rows).into_iter().map(|line| line + "\n").collect()
}
