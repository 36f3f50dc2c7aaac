//! [`ClusterGiven`]: what a process of a cluster was given, and where.

use std::{collections::BTreeMap, fmt, path::Path};

use super::{CLUSTER_KEYS, ClusterKey, ClusterSettings};
use crate::settings::{Given, Origin, quotable};

/// Settings of a process, by key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ClusterGiven(BTreeMap<&'static str, Given>);

impl ClusterGiven {
    /// Takes a setting; it replaces what was given before, so the weakest comes first.
    ///
    /// # Errors
    ///
    /// There is no such setting, or it may not have this value: names the setting, where it was given, and what is allowed.
    pub(crate) fn put(&mut self, name: &str, text: &str, origin: Origin) -> Result<(), String> {
        let key = ClusterKey::find(name).map_err(|message| origin.locate(message))?;
        let given = Given { text: text.to_owned(), origin };
        key.set(&mut ClusterSettings::default(), text).map_err(|allowed| {
            format!("invalid value '{}' for {}: {allowed}", quotable(text), Subject(key, Some(&given)))
        })?;
        self.0.insert(key.name, given);
        Ok(())
    }

    /// What was given for a key.
    pub(crate) fn get(&self, name: &str) -> Option<&Given> {
        self.0.get(name)
    }

    /// The settings that follow.
    pub(crate) fn settings(&self) -> ClusterSettings {
        let mut settings = ClusterSettings::default();
        for (key, given) in CLUSTER_KEYS.iter().filter_map(|key| Some((key, self.get(key.name)?))) {
            key.set(&mut settings, &given.text).expect("`put` has tried the value");
        }
        settings
    }

    /// The settings that follow, paths of certificates from this directory on.
    pub(crate) fn settings_in(&self, directory: &Path) -> ClusterSettings {
        let mut settings = self.settings();
        let files = [&mut settings.tls_ca, &mut settings.tls_cert, &mut settings.tls_key];
        files.into_iter().flatten().for_each(|file| *file = directory.join(&*file));
        settings
    }

    /// Where the value of a key comes from, in short: `default`, `--host`, `MILLSTREAM_CLUSTER_HOST`, `millstream.toml:3`.
    pub(crate) fn origin(&self, key: &ClusterKey) -> String {
        self.get(key.name).map_or_else(|| "default".to_owned(), |given| given.origin_by(key.name, key.name))
    }

    /// A key as it was given, for messages.
    pub(super) fn subject(&self, name: &str) -> String {
        let key = ClusterKey::find(name).expect("it is in the table");
        Subject(key, self.get(name)).to_string()
    }
}

/// A key as it was given, or could be.
struct Subject<'a>(&'a ClusterKey, Option<&'a Given>);

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(key, given) = self;
        let (name, value) = (key.name, key.value_name());
        match given.map(|given| &given.origin) {
            Some(Origin::Flag) | None if key.is_switch() => write!(f, "'--{name}'"),
            Some(origin @ Origin::File { .. }) => origin.name(f, &format!("cluster.{name}"), name, value),
            Some(origin) => origin.name(f, name, name, value),
            None => Origin::Flag.name(f, name, name, value),
        }
    }
}
