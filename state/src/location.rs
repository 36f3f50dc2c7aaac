//! [`Location`]: where checkpoints, savepoints or the jobs of a cluster are kept, as people write it: a directory, or the URL of a place in an object store.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

/// What may be written, for messages.
pub const ALLOWED: &str = "a directory or a URL is expected, as in `/data/checkpoints`, `file:///data/checkpoints`, `s3://bucket/prefix`, \
     `gs://bucket/prefix`, `az://container/prefix` or `abfss://container@account.dfs.core.windows.net/prefix`";

/// Where something is kept. It is compared, stored and sent as it was given: two locations that differ may be of the same place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Location {
    /// A directory. One that does not begin at the root is below the directory that the process works in.
    Directory(PathBuf),
    /// A place in an object store.
    Remote(Box<Remote>),
}

/// A place in an object store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Remote {
    /// Which store.
    pub service: Service,
    /// The bucket, or container.
    pub bucket: String,
    /// The storage account, if the URL names it; only for [`Service::Azure`].
    pub account: Option<String>,
    /// What the names of all objects begin with, without slashes at its ends; empty for none.
    pub prefix: String,
}

/// A kind of object store. Each needs a feature of the program, by its [name](Self::feature).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Service {
    /// Amazon S3, or what speaks as it does.
    S3,
    /// Google Cloud Storage.
    Gcs,
    /// Azure Blob Storage.
    Azure,
}

/// Why a text is no location. Never says what the text was: it may hold a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LocationError(String);

impl Location {
    /// The directory, if it is one.
    pub fn as_directory(&self) -> Option<&Path> {
        match self {
            Self::Directory(path) => Some(path),
            Self::Remote(_) => None,
        }
    }

    /// A place below this one. `name` may have several parts, with `/` between them.
    pub fn join(&self, name: &str) -> Self {
        match self {
            Self::Directory(path) => Self::Directory(path.join(name)),
            Self::Remote(remote) => {
                let prefix = [remote.prefix.as_str(), name.trim_matches('/')].join("/");
                Self::Remote(Box::new(Remote { prefix: prefix.trim_matches('/').to_owned(), ..Remote::clone(remote) }))
            }
        }
    }
}

impl Service {
    /// The feature of the crate that it needs.
    pub fn feature(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Gcs => "gcs",
            Self::Azure => "azure",
        }
    }
}

impl From<PathBuf> for Location {
    fn from(path: PathBuf) -> Self {
        Self::Directory(path)
    }
}

impl From<&Path> for Location {
    fn from(path: &Path) -> Self {
        Self::Directory(path.to_owned())
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => path.display().fmt(f),
            Self::Remote(remote) => remote.fmt(f),
        }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, bucket, account, prefix } = self;
        match (service, account) {
            (Service::S3, _) => write!(f, "s3://{bucket}")?,
            (Service::Gcs, _) => write!(f, "gs://{bucket}")?,
            (Service::Azure, None) => write!(f, "az://{bucket}")?,
            (Service::Azure, Some(account)) => write!(f, "abfss://{bucket}@{account}.{AZURE_HOST}")?,
        }
        if prefix.is_empty() { Ok(()) } else { write!(f, "/{prefix}") }
    }
}

/// What the host of a storage account ends in, behind a dot.
const AZURE_HOST: &str = "dfs.core.windows.net";

impl FromStr for Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, LocationError> {
        if text.is_empty() {
            return Err(wrong(ALLOWED));
        }
        let Some((scheme, rest)) = text.split_once("://") else { return Ok(Self::Directory(PathBuf::from(text))) };
        if scheme == "file" {
            return file(rest).map(Self::Directory);
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (service, bucket, account) = match scheme {
            "s3" => (Service::S3, authority, None),
            "gs" => (Service::Gcs, authority, None),
            "az" => (Service::Azure, authority, None),
            "abfs" | "abfss" => match authority.split_once('@') {
                None => (Service::Azure, authority, None),
                Some((container, host)) => {
                    let account = host.strip_suffix(AZURE_HOST).and_then(|account| account.strip_suffix('.'));
                    let account = account.filter(|account| is_name(account));
                    let expected =
                        || wrong(format!("behind the `@` an account is expected, as in `account.{AZURE_HOST}`"));
                    (Service::Azure, container, Some(account.ok_or_else(expected)?.to_owned()))
                }
            },
            _ => return Err(wrong(format!("this kind of URL is not known: {ALLOWED}"))),
        };
        if authority.contains('@') && account.is_none() {
            return Err(wrong(
                "credentials do not belong in a URL: the environment has them, as in `AWS_SECRET_ACCESS_KEY`",
            ));
        }
        if !is_name(bucket) {
            return Err(wrong(
                "the URL names no bucket: letters, digits, `.`, `-` and `_` are expected between `://` and the next `/`",
            ));
        }
        let prefix = path.trim_matches('/');
        if let Err(problem) = check_prefix(prefix) {
            return Err(wrong(problem));
        }
        Ok(Self::Remote(Box::new(Remote { service, bucket: bucket.to_owned(), account, prefix: prefix.to_owned() })))
    }
}

fn wrong(message: impl Into<String>) -> LocationError {
    LocationError(message.into())
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

/// The part of a URL behind `file://`: an optional name of this machine, and a path in which `%20` stands for a space.
fn file(rest: &str) -> Result<PathBuf, LocationError> {
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if !path.starts_with('/') {
        return Err(wrong(
            "a URL of a directory has three slashes and the path from the root, as in `file:///data/checkpoints`",
        ));
    }
    let mut bytes = Vec::with_capacity(path.len());
    let mut coming = path.bytes();
    while let Some(byte) = coming.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || coming.next().and_then(|byte| char::from(byte).to_digit(16));
                let (Some(high), Some(low)) = (digit(), digit()) else {
                    return Err(wrong(
                        "in a URL two hexadecimal digits are expected behind `%`, and `%25` stands for itself",
                    ));
                };
                (high << 4 | low) as u8
            }
            byte => byte,
        });
    }
    let path = String::from_utf8(bytes).map_err(|_| wrong("the path of the URL is not in UTF-8"))?;
    if path.contains('\0') {
        return Err(wrong("the path of the URL has a zero in it"));
    }
    Ok(PathBuf::from(path))
}

/// What names of objects begin with goes into requests as it is, so odd characters are refused rather than changed.
fn check_prefix(prefix: &str) -> Result<(), &'static str> {
    if prefix.is_empty() {
        return Ok(());
    }
    if prefix.contains(['?', '#']) {
        return Err("a URL of an object store has no parameters: `?` and `#` cannot be in it");
    }
    if object_store::path::Path::parse(prefix).is_err() {
        return Err(
            "behind the bucket, parts of a name with one `/` between each two are expected, none of them `.` or `..`",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(service: Service, bucket: &str, account: Option<&str>, prefix: &str) -> Location {
        let (bucket, prefix) = (bucket.to_owned(), prefix.to_owned());
        Location::Remote(Box::new(Remote { service, bucket, account: account.map(str::to_owned), prefix }))
    }

    #[track_caller]
    fn check(text: &str, expected: &Location) {
        let read: Location = text.parse().expect("it is a location");
        assert_eq!(read, *expected, "{text}");
        assert_eq!(read.to_string().parse(), Ok(read), "{text}: what is shown can be read");
    }

    #[test]
    fn directories_and_urls_are_told_apart() {
        for text in ["a", "/a/b", "./none", "a b/c", "C:/x", "s3:/x"] {
            check(text, &Location::Directory(text.into()));
        }
        check("file:///a%20b/%25", &Location::Directory("/a b/%".into()));
        check("file://localhost/a", &Location::Directory("/a".into()));
        check("s3://bucket", &remote(Service::S3, "bucket", None, ""));
        check("s3://bucket/", &remote(Service::S3, "bucket", None, ""));
        check("s3://my.bucket-1/a/b c/", &remote(Service::S3, "my.bucket-1", None, "a/b c"));
        check("gs://bucket/a", &remote(Service::Gcs, "bucket", None, "a"));
        check("az://container/a", &remote(Service::Azure, "container", None, "a"));
        check("abfs://container/a", &remote(Service::Azure, "container", None, "a"));
        let with_account = "abfss://container@mine.dfs.core.windows.net/a";
        check(with_account, &remote(Service::Azure, "container", Some("mine"), "a"));
    }

    #[test]
    fn what_is_no_location_is_told_why() {
        for (text, problem) in [
            ("", "a directory or a URL is expected"),
            ("http://host/a", "this kind of URL is not known"),
            ("S3://bucket", "this kind of URL is not known"),
            ("file://host/a", "three slashes"),
            ("file:///%2", "two hexadecimal digits"),
            ("file:///%00", "has a zero"),
            ("file:///%ff", "not in UTF-8"),
            ("s3://", "names no bucket"),
            ("s3:///a", "names no bucket"),
            ("s3://bu cket/a", "names no bucket"),
            ("s3://key:secret@bucket/a", "credentials do not belong in a URL"),
            ("abfss://container@elsewhere/a", "an account is expected"),
            ("s3://bucket/a?versions", "no parameters"),
            ("s3://bucket/a//b", "one `/` between each two"),
            ("s3://bucket/../b", "one `/` between each two"),
        ] {
            let message = text.parse::<Location>().expect_err(text).to_string();
            assert!(message.contains(problem) && !message.contains("secret@"), "{text}: {message}");
        }
    }

    #[test]
    fn places_below_a_place_are_joined_by_one_slash() {
        let join = |place: &str, name| place.parse::<Location>().expect("it is a location").join(name).to_string();
        assert_eq!(join("/a", "b/c"), "/a/b/c");
        assert_eq!(join("s3://bucket", "b/c"), "s3://bucket/b/c");
        assert_eq!(join("s3://bucket/a/", "b"), "s3://bucket/a/b");
    }
}
