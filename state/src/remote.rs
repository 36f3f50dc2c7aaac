//! Opens places in object stores: who may ask comes from the environment, where to ask from settings.

#[cfg(feature = "azure")]
mod azure;
#[cfg(feature = "remote")]
mod client;
#[cfg(feature = "gcs")]
mod gcs;
#[cfg(feature = "s3")]
mod s3;

use std::sync::Arc;

use object_store::{ObjectStore, path::Path, prefix::PrefixStore};
use serde::{Deserialize, Serialize};

use crate::{
    location::{Remote, Service},
    store::StoreError,
};

/// Where an object store is reached, as far as its URL does not say. Credentials are never in here: the environment has them, in the variables that the
/// store's own tools read (`AWS_ACCESS_KEY_ID`, `GOOGLE_APPLICATION_CREDENTIALS`, `AZURE_STORAGE_ACCOUNT_KEY` ..).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectStoreSettings {
    /// The URL of the server, for stores that speak as the large ones do. Default: what the environment says (`AWS_ENDPOINT_URL` ..), or the service itself.
    pub endpoint: Option<String>,
    /// The region, for S3. Default: what the environment says (`AWS_REGION`), or `us-east-1`.
    pub region: Option<String>,
    /// The endpoint may be reached without TLS though it is on another machine. (On this one it always may.)
    pub allow_http: bool,
}

/// Opens a place. Nothing is asked of the store yet.
pub(crate) fn open(remote: &Remote, settings: &ObjectStoreSettings) -> Result<Arc<dyn ObjectStore>, StoreError> {
    let bucket = open_bucket(remote, settings)?;
    if remote.prefix.is_empty() {
        return Ok(bucket);
    }
    let prefix = Path::parse(&remote.prefix).map_err(|source| StoreError::Location {
        location: remote.to_string(),
        problem: format!("its prefix is none: {source}"),
    })?;
    Ok(Arc::new(PrefixStore::new(bucket, prefix)))
}

#[cfg_attr(not(feature = "remote"), allow(unused_variables, reason = "there is nothing to set"))]
fn open_bucket(remote: &Remote, settings: &ObjectStoreSettings) -> Result<Arc<dyn ObjectStore>, StoreError> {
    match remote.service {
        #[cfg(feature = "s3")]
        Service::S3 => s3::open(remote, settings),
        #[cfg(feature = "gcs")]
        Service::Gcs => gcs::open(remote, settings),
        #[cfg(feature = "azure")]
        Service::Azure => azure::open(remote, settings),
        #[cfg(not(feature = "s3"))]
        Service::S3 => Err(left_out(remote)),
        #[cfg(not(feature = "gcs"))]
        Service::Gcs => Err(left_out(remote)),
        #[cfg(not(feature = "azure"))]
        Service::Azure => Err(left_out(remote)),
    }
}

#[cfg(not(all(feature = "s3", feature = "gcs", feature = "azure")))]
fn left_out(remote: &Remote) -> StoreError {
    StoreError::Feature { location: remote.to_string(), feature: remote.service.feature() }
}
