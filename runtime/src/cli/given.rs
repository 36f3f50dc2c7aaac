//! Gathers the settings that are given from outside: a file, then the environment, then the command line, each stronger than the one before.

use std::{
    io::{self, Read},
    path::PathBuf,
};

use clap::ArgMatches;
use millstream_state::location::{Location, LocationError};

use super::{
    command::{self, ALLOW_DROPPED, CONFIG, DEFINE, FROM, REWIND},
    file,
    world::World,
};
use crate::{
    env::{Disk, Files},
    settings::{
        KEYS, Origin, Outside, VARIABLE_PREFIX,
        cluster::{self, CLUSTER_KEYS, ClusterGiven, ClusterKey},
        nearest,
    },
};

/// The file that is read if there is one.
const DEFAULT_FILE: &str = "millstream.toml";
/// The variable that names another.
const FILE_VARIABLE: &str = "MILLSTREAM_CONFIG";
/// The largest file of settings, in bytes.
const FILE_BYTES_LIMIT: u64 = 1 << 20;

/// Gathers the settings for a job.
///
/// # Errors
///
/// Names the setting, where it is given, and what is allowed.
pub(super) fn gather(matches: &ArgMatches, job: Option<&str>, world: &World) -> Result<Outside, String> {
    let mut outside = defaults(named(matches), job, world)?;
    options(matches, &mut outside)?;
    state(matches, world, &mut outside)?;
    Ok(outside)
}

/// Gathers what a file (the one that is `named` on the command line, or another) and the environment say about a job.
///
/// # Errors
///
/// Names the setting, where it is given, and what is allowed.
pub(super) fn defaults(named: Option<&str>, job: Option<&str>, world: &World) -> Result<Outside, String> {
    let mut outside = Outside::default();
    if let Some((path, text)) = read(named, world)? {
        file::put(&path, &text, job, &mut outside)?;
    }
    variables(world, &mut outside)?;
    Ok(outside)
}

/// Gathers the settings of a process of a cluster. Options are those of its command, if it has one.
///
/// # Errors
///
/// Names the setting, where it is given, and what is allowed.
pub(super) fn of_cluster(matches: Option<&ArgMatches>, world: &World) -> Result<ClusterGiven, String> {
    let mut given = ClusterGiven::default();
    from_outside(matches.and_then(named), world, &mut given)?;
    for key in CLUSTER_KEYS {
        // Not every role has every option.
        let text = matches.and_then(|matches| matches.try_get_one::<String>(&cluster_id(key)).ok().flatten());
        if let Some(text) = text {
            given.put(key.name, text, Origin::Flag)?;
        }
    }
    Ok(given)
}

/// The id of the option of a process's setting: no argument of a job has it by accident.
pub(super) fn cluster_id(key: &ClusterKey) -> String {
    format!("millstream:cluster:{}", key.name)
}

/// What a file and the environment say.
fn from_outside(named: Option<&str>, world: &World, given: &mut ClusterGiven) -> Result<(), String> {
    if let Some((path, text)) = read(named, world)? {
        file::put_cluster(&path, &text, given)?;
    }
    for key in CLUSTER_KEYS {
        if let Some(text) = world.variables.get(&key.variable()) {
            given.put(key.name, text, Origin::Variable(key.variable()))?;
        }
    }
    for (variable, text) in &world.variables {
        let Some(rest) = variable.strip_prefix(cluster::VARIABLE_PREFIX) else { continue };
        let is_known = CLUSTER_KEYS.iter().any(|key| key.variable() == *variable);
        if !is_known && cluster::nearest(rest).is_some() {
            given.put(&rest.to_lowercase().replace('_', "-"), text, Origin::Variable(variable.clone()))?;
        }
    }
    Ok(())
}

/// The file that options name.
pub(super) fn named(matches: &ArgMatches) -> Option<&str> {
    matches.try_get_one::<String>(CONFIG).ok().flatten().map(String::as_str)
}

/// The file of settings, if there is one.
fn read(named: Option<&str>, world: &World) -> Result<Option<(PathBuf, String)>, String> {
    let named = match (named, world.variable(FILE_VARIABLE)) {
        (Some(path), _) => Some((path, "--config")),
        (None, Some(path)) => Some((path, FILE_VARIABLE)),
        (None, None) => None,
    };
    let path = world.directory.join(named.map_or(DEFAULT_FILE, |(path, _)| path));
    let text = Disk.open(&path).and_then(|file| {
        let mut text = String::new();
        match file.take(FILE_BYTES_LIMIT + 1).read_to_string(&mut text)? as u64 {
            0..=FILE_BYTES_LIMIT => Ok(text),
            _ => Err(io::Error::other(format!("it is larger than {FILE_BYTES_LIMIT} bytes"))),
        }
    });
    match (text, named) {
        (Ok(text), _) => Ok(Some((path, text))),
        (Err(error), None) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        (Err(error), None) => Err(format!("cannot read {}: {error}", path.display())),
        (Err(error), Some((_, by))) => Err(format!("cannot read {}, named by {by}: {error}", path.display())),
    }
}

/// Settings by environment variables.
fn variables(world: &World, outside: &mut Outside) -> Result<(), String> {
    for key in KEYS {
        let variable = key.variable();
        if let Some(text) = world.variables.get(&variable) {
            outside.put(key.name, text, Origin::Variable(variable))?;
        }
    }
    // Others may use the prefix for what is theirs, but a variable that is nearly a setting was meant to be one.
    for (variable, text) in &world.variables {
        let Some(rest) = variable.strip_prefix(VARIABLE_PREFIX) else { continue };
        if !variable.starts_with(cluster::VARIABLE_PREFIX)
            && KEYS.iter().all(|key| key.variable() != *variable)
            && nearest(rest).is_some()
        {
            let name = rest.to_lowercase().replace('_', "-");
            outside.put(&name, text, Origin::Variable(variable.clone()))?;
        }
    }
    Ok(())
}

/// With which state a job begins, by options of their own. A directory is named from here, wherever the job runs.
fn state(matches: &ArgMatches, world: &World, outside: &mut Outside) -> Result<(), String> {
    if let Some(from) = matches.try_get_one::<String>(FROM).ok().flatten() {
        let from = absolute(from, world).map_err(|error| format!("invalid value '{from}' for '--from': {error}"))?;
        outside.put("savepoint.from", &from.to_string(), Origin::Flag)?;
    }
    if matches.try_get_one(ALLOW_DROPPED).is_ok_and(|allowed| allowed == Some(&true)) {
        outside.put("savepoint.allow-dropped-state", "true", Origin::Flag)?;
    }
    if matches.try_get_one(REWIND).is_ok_and(|rewind| rewind == Some(&true)) {
        outside.put("savepoint.rewind", "true", Origin::Flag)?;
    }
    Ok(())
}

/// A location that is the same one for other processes of this machine.
///
/// # Errors
///
/// It is none; says what is expected.
pub(super) fn absolute(text: &str, world: &World) -> Result<Location, LocationError> {
    let location: Location = text.parse()?;
    let Some(path) = location.as_directory() else { return Ok(location) };
    let here = std::path::absolute(world.directory.join(path));
    Ok(here.map_or_else(|_| location.clone(), Location::Directory))
}

/// Settings by options: the last of those for the same key counts.
fn options(matches: &ArgMatches, outside: &mut Outside) -> Result<(), String> {
    let values = |id: &str| {
        let indices = matches.indices_of(id).into_iter().flatten();
        indices.zip(matches.get_many::<String>(id).into_iter().flatten()).collect::<Vec<_>>()
    };
    let mut given = Vec::new();
    for (at, definition) in values(DEFINE) {
        let (name, text) = definition.split_once('=').ok_or_else(|| {
            format!("invalid value '{definition}' for '-D <KEY=VALUE>': a key and a value are expected, as in `-D buffer-timeout=5ms`")
        })?;
        given.push((at, name.trim(), text, Origin::Define));
    }
    for key in KEYS.iter().filter(|key| key.shorthand) {
        given.extend(
            values(&command::id(key)).into_iter().map(|(at, text)| (at, key.name, text.as_str(), Origin::Flag)),
        );
    }
    given.sort_by_key(|(at, ..)| *at);
    given.into_iter().try_for_each(|(_, name, text, origin)| outside.put(name, text, origin))
}
