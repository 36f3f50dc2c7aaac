//! The table of what may be set for a process of a cluster: one row says a key's name, its meaning, what it may be, whose it is, and which field it sets.

use std::{path::PathBuf, time::Duration};

use millstream_core::key::DEFAULT_MAX_PARALLELISM;
use millstream_state::location::ALLOWED;

use super::{ClusterSettings, SLOTS_LIMIT, host};
use crate::settings::key::{
    kinds::{
        ENDPOINT_ALLOWED, Field, REGION_ALLOWED, Switch, Text, Value, parse_endpoint, parse_location, parse_region,
        show_option,
    },
    nearest_of,
};

/// What environment variables that set a key begin with.
pub(crate) const VARIABLE_PREFIX: &str = "MILLSTREAM_CLUSTER_";

/// What a process is in a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    JobManager,
    TaskManager,
    /// Both, in one process.
    Both,
}

impl Role {
    /// True if a process of this role has something of the other.
    pub(crate) fn has(self, other: Self) -> bool {
        self == Self::Both || other == Self::Both || self == other
    }
}

/// A setting of a process.
pub(crate) struct ClusterKey {
    /// As in the table `[cluster]` of files, and with two dashes on the command line.
    pub(crate) name: &'static str,
    /// What it does, in one line.
    pub(crate) doc: &'static str,
    /// Whose it is.
    pub(crate) role: Role,
    /// The default in words, where it depends on the machine.
    default: Option<&'static str>,
    value: Value<ClusterSettings>,
}

/// How something that is not given is written.
const NONE: &str = "none";
const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);
const HOST_ALLOWED: &str = "a name or an address is expected, as in `node-1` or `10.0.0.1`";
const FILE_ALLOWED: &str = "a file of this machine is expected, or `none`";
const ADDRESSES_ALLOWED: &str = "hosts with ports are expected, as in `node-1:6123,node-2:6123`";
const PROVIDERS_ALLOWED: &str = "standalone or local is expected";
/// The most TaskManagers that are started on demand.
const PROVIDER_MOST_LIMIT: u64 = 1024;
/// The most jobs that have ended and are remembered.
const RETAINED_JOBS_LIMIT: u64 = 10_000;
/// The most JobManagers that are named.
const JOBMANAGERS_LIMIT: usize = 64;

/// A port; 0 stands for any that is free.
macro_rules! port {
    ($field:ident) => {
        Value::Count(Field {
            from: 0,
            to: u16::MAX as u64,
            get: |settings| settings.$field.into(),
            set: |settings, n| settings.$field = n as u16,
        })
    };
}

/// A path that may be missing.
macro_rules! path {
    ($field:ident, $kind:literal, $name:literal, $allowed:expr) => {
        Value::Text(Text {
            kind: $kind,
            name: $name,
            allowed: $allowed,
            get: |settings| shown(settings.$field.as_ref().map(|path| path.display())),
            set: |settings, text| {
                settings.$field = match text {
                    NONE => None,
                    _ if text.is_empty() || text.contains("://") => return Err($allowed.to_owned()),
                    _ => Some(PathBuf::from(text)),
                };
                Ok(())
            },
        })
    };
}

/// All keys, in the order in which they are shown. A new one is a field of [`ClusterSettings`], its default, and a row here.
pub(crate) static CLUSTER_KEYS: &[ClusterKey] = &[
    ClusterKey {
        name: "host",
        doc: "The address of this machine to use; one that others reach needs TLS, or `insecure`",
        role: Role::Both,
        default: None,
        value: Value::Text(Text {
            kind: "host",
            name: "HOST",
            allowed: HOST_ALLOWED,
            get: |settings| settings.host.clone(),
            set: |settings, text| {
                settings.host = read_host(text)?;
                Ok(())
            },
        }),
    },
    ClusterKey {
        name: "advertise",
        doc: "The name or address by which others reach this process, if it is not `host`",
        role: Role::Both,
        default: None,
        value: Value::Text(Text {
            kind: "host",
            name: "HOST",
            allowed: HOST_ALLOWED,
            get: |settings| shown(settings.advertised_host.as_ref()),
            set: |settings, text| {
                settings.advertised_host = if text == NONE { None } else { Some(read_host(text)?) };
                Ok(())
            },
        }),
    },
    ClusterKey {
        name: "port",
        doc: "Where TaskManagers and other JobManagers connect; 0 for any",
        role: Role::JobManager,
        default: None,
        value: port!(port),
    },
    ClusterKey {
        name: "rest-port",
        doc: "Where the JobManager answers over HTTP; 0 for any",
        role: Role::JobManager,
        default: None,
        value: port!(rest_port),
    },
    ClusterKey {
        name: "data-port",
        doc: "Where other TaskManagers connect; 0 for any",
        role: Role::TaskManager,
        default: None,
        value: port!(data_port),
    },
    ClusterKey {
        name: "storage",
        doc: "Where jobs and checkpoints are kept, a directory or the URL of an object store; JobManagers that share it stand by for each other",
        role: Role::JobManager,
        default: None,
        value: Value::Text(Text {
            kind: "location",
            name: "LOCATION",
            allowed: ALLOWED,
            get: |settings| show_option(settings.storage.as_ref()),
            set: |settings, text| {
                settings.storage = parse_location(text)?;
                Ok(())
            },
        }),
    },
    ClusterKey {
        name: "object-store-endpoint",
        doc: "The server of the object store that `storage` is in, if it is not the service's own; credentials come from the environment alone",
        role: Role::JobManager,
        default: None,
        value: Value::Text(Text {
            kind: "url",
            name: "URL",
            allowed: ENDPOINT_ALLOWED,
            get: |settings| show_option(settings.object_store.endpoint.as_ref()),
            set: |settings, text| {
                settings.object_store.endpoint = parse_endpoint(text)?;
                Ok(())
            },
        }),
    },
    ClusterKey {
        name: "object-store-region",
        doc: "The region of its bucket, for S3",
        role: Role::JobManager,
        default: None,
        value: Value::Text(Text {
            kind: "text",
            name: "REGION",
            allowed: REGION_ALLOWED,
            get: |settings| show_option(settings.object_store.region.as_ref()),
            set: |settings, text| {
                settings.object_store.region = parse_region(text)?;
                Ok(())
            },
        }),
    },
    ClusterKey {
        name: "object-store-allow-http",
        doc: "It may be reached without TLS though it is on another machine",
        role: Role::JobManager,
        default: None,
        value: Value::Switch(Switch {
            get: |settings| settings.object_store.allow_http,
            set: |settings, is| settings.object_store.allow_http = is,
        }),
    },
    ClusterKey {
        name: "jobmanager",
        doc: "Where JobManagers are, separated by commas: the TaskManager works for the one that leads",
        role: Role::TaskManager,
        default: Some("127.0.0.1:6123"),
        value: Value::Text(Text {
            kind: "addresses",
            name: "HOST:PORT,..",
            allowed: ADDRESSES_ALLOWED,
            get: |settings| settings.jobmanagers.join(","),
            set: |settings, text| {
                let addresses: Vec<_> = text.split(',').map(|address| address.trim().to_owned()).collect();
                let all_are = addresses.iter().all(|address| host::host_of(address).is_some());
                if !all_are || addresses.len() > JOBMANAGERS_LIMIT {
                    return Err(ADDRESSES_ALLOWED.to_owned());
                }
                settings.jobmanagers = addresses;
                Ok(())
            },
        }),
    },
    ClusterKey {
        name: "slots",
        doc: "How many slots the TaskManager offers: each runs a subtask of every chain",
        role: Role::TaskManager,
        default: Some("the number of processors"),
        value: Value::Count(Field {
            from: 1,
            to: SLOTS_LIMIT as u64,
            get: |settings| settings.slots.into(),
            set: |settings, n| settings.slots = n as u32,
        }),
    },
    ClusterKey {
        name: "memory",
        doc: "The memory of the TaskManager; a quarter is for buffers on their way from other processes",
        role: Role::TaskManager,
        default: None,
        value: Value::Size(Field {
            from: 1 << 20,
            to: 1 << 40,
            get: |settings| settings.memory_bytes,
            set: |settings, bytes| settings.memory_bytes = bytes,
        }),
    },
    ClusterKey {
        name: "heartbeat-interval",
        doc: "How often the JobManager and TaskManagers let each other know that they are there",
        role: Role::JobManager,
        default: None,
        value: Value::Duration(Field {
            from: Duration::from_millis(10),
            to: DAY,
            get: |settings| settings.heartbeats.interval,
            set: |settings, time| settings.heartbeats.interval = time,
        }),
    },
    ClusterKey {
        name: "heartbeat-timeout",
        doc: "Who is silent for so long is lost; at least twice the interval",
        role: Role::JobManager,
        default: None,
        value: Value::Duration(Field {
            from: Duration::from_millis(20),
            to: DAY,
            get: |settings| settings.heartbeats.timeout,
            set: |settings, time| settings.heartbeats.timeout = time,
        }),
    },
    ClusterKey {
        name: "parallelism",
        doc: "How many subtasks the chains of jobs have where neither the job nor its settings say anything",
        role: Role::JobManager,
        default: Some("the number of processors, at most 128"),
        value: Value::Count(Field {
            from: 1,
            to: DEFAULT_MAX_PARALLELISM as u64,
            get: |settings| settings.parallelism.into(),
            set: |settings, n| settings.parallelism = n as u32,
        }),
    },
    ClusterKey {
        name: "slot-timeout",
        doc: "How long a job waits for slots before it fails",
        role: Role::JobManager,
        default: None,
        value: Value::Duration(Field {
            from: SECOND,
            to: DAY,
            get: |settings| settings.slot_timeout,
            set: |settings, time| settings.slot_timeout = time,
        }),
    },
    ClusterKey {
        name: "retained-jobs",
        doc: "How many jobs that have ended are remembered, each with the checkpoints that it has in the storage",
        role: Role::JobManager,
        default: None,
        value: Value::Count(Field {
            from: 1,
            to: RETAINED_JOBS_LIMIT,
            get: |settings| settings.retained_jobs as u64,
            set: |settings, n| settings.retained_jobs = n as usize,
        }),
    },
    ClusterKey {
        name: "provider",
        doc: "Who starts TaskManagers: nobody (standalone), or the JobManager on its machine when jobs wait for slots (local)",
        role: Role::JobManager,
        default: None,
        value: Value::Text(Text {
            kind: "provider",
            name: "WHO",
            allowed: PROVIDERS_ALLOWED,
            get: |settings| if settings.is_provider { "local" } else { "standalone" }.to_owned(),
            set: |settings, text| {
                settings.is_provider = match text {
                    "local" => true,
                    "standalone" => false,
                    _ => return Err(PROVIDERS_ALLOWED.to_owned()),
                };
                Ok(())
            },
        }),
    },
    ClusterKey {
        name: "provider-slots",
        doc: "How many slots each of the TaskManagers has that are started on demand",
        role: Role::JobManager,
        default: Some("the number of processors"),
        value: Value::Count(Field {
            from: 1,
            to: SLOTS_LIMIT as u64,
            get: |settings| settings.provision.slots.into(),
            set: |settings, n| settings.provision.slots = n as u32,
        }),
    },
    ClusterKey {
        name: "provider-most",
        doc: "How many TaskManagers may be started on demand",
        role: Role::JobManager,
        default: None,
        value: Value::Count(Field {
            from: 1,
            to: PROVIDER_MOST_LIMIT,
            get: |settings| settings.provision.most.into(),
            set: |settings, n| settings.provision.most = n as u32,
        }),
    },
    ClusterKey {
        name: "provider-idle",
        doc: "After how long without work they are stopped",
        role: Role::JobManager,
        default: None,
        value: Value::Duration(Field {
            from: Duration::ZERO,
            to: DAY,
            get: |settings| settings.provision.idle_timeout,
            set: |settings, time| settings.provision.idle_timeout = time,
        }),
    },
    ClusterKey {
        name: "secret-file",
        doc: "A file with what the processes of the cluster share: 64 hexadecimal digits, or a text; or MILLSTREAM_CLUSTER_SECRET",
        role: Role::Both,
        default: None,
        value: path!(secret_file, "path", "FILE", FILE_ALLOWED),
    },
    ClusterKey {
        name: "token-file",
        doc: "A file with the token that requests over HTTP have to bear; or MILLSTREAM_CLUSTER_TOKEN",
        role: Role::JobManager,
        default: None,
        value: path!(token_file, "path", "FILE", FILE_ALLOWED),
    },
    ClusterKey {
        name: "tls-ca",
        doc: "A file with the certificate of the CA of the cluster, in PEM: who has no certificate of it is refused",
        role: Role::Both,
        default: None,
        value: path!(tls_ca, "path", "FILE", FILE_ALLOWED),
    },
    ClusterKey {
        name: "tls-cert",
        doc: "A file with the certificate of this process, in PEM",
        role: Role::Both,
        default: None,
        value: path!(tls_cert, "path", "FILE", FILE_ALLOWED),
    },
    ClusterKey {
        name: "tls-key",
        doc: "A file with the private key of this process, in PEM",
        role: Role::Both,
        default: None,
        value: path!(tls_key, "path", "FILE", FILE_ALLOWED),
    },
    ClusterKey {
        name: "insecure",
        doc: "Let connections leave the machine though nothing protects them",
        role: Role::Both,
        default: None,
        value: Value::Switch(Switch { get: |settings| settings.insecure, set: |settings, is| settings.insecure = is }),
    },
];

fn read_host(text: &str) -> Result<String, String> {
    let host = host::unbracketed(text.trim());
    if host::is_host(host) { Ok(host.to_owned()) } else { Err(HOST_ALLOWED.to_owned()) }
}

fn shown(value: Option<impl ToString>) -> String {
    value.map_or_else(|| NONE.to_owned(), |value| value.to_string())
}

impl ClusterKey {
    /// The key of a name.
    ///
    /// # Errors
    ///
    /// Names the nearest key, and all.
    pub(crate) fn find(name: &str) -> Result<&'static Self, String> {
        if let "secret" | "token" = name {
            let variable = name.to_uppercase();
            return Err(format!(
                "there is no setting `cluster.{name}`: it would lie open there; name a file of its own by `{name}-file`, or set {VARIABLE_PREFIX}{variable}"
            ));
        }
        CLUSTER_KEYS.iter().find(|key| key.name == name).ok_or_else(|| {
            let hint = nearest(name).map_or(String::new(), |key| format!("; did you mean `{}`?", key.name));
            let all: Vec<_> = CLUSTER_KEYS.iter().map(|key| key.name).collect();
            format!("there is no setting `{name}` of a cluster{hint}\nThe settings are: {}", all.join(", "))
        })
    }

    /// The kind of its values: `count`, `duration`, `size`, `switch`, `path`, `location`, `url`, `text`, `host`, `addresses` or `provider`.
    pub(crate) fn kind(&self) -> &'static str {
        self.value.kind()
    }

    /// What stands for a value in help.
    pub(crate) fn value_name(&self) -> &'static str {
        self.value.name()
    }

    /// True if its option needs no value.
    pub(crate) fn is_switch(&self) -> bool {
        matches!(self.value, Value::Switch(_))
    }

    /// What it may be, in words.
    pub(crate) fn allowed(&self) -> String {
        self.value.allowed()
    }

    /// The environment variable that sets it: `MILLSTREAM_CLUSTER_REST_PORT`.
    pub(crate) fn variable(&self) -> String {
        format!("{VARIABLE_PREFIX}{}", self.name.to_uppercase().replace('-', "_"))
    }

    /// Its default, for people.
    pub(crate) fn default_text(&self) -> String {
        self.default.map_or_else(|| self.show(&ClusterSettings::default()), str::to_owned)
    }

    /// Its value, as it may be written.
    pub(crate) fn show(&self, settings: &ClusterSettings) -> String {
        self.value.show(settings)
    }

    /// Sets it.
    ///
    /// # Errors
    ///
    /// What is allowed.
    pub(crate) fn set(&self, settings: &mut ClusterSettings, text: &str) -> Result<(), String> {
        self.value.set(settings, text)
    }
}

/// The key that was probably meant, if one is near.
pub(crate) fn nearest(name: &str) -> Option<&'static ClusterKey> {
    nearest_of(name, CLUSTER_KEYS, |key| key.name)
}
