//! Places in S3, and in what speaks as it does.

use std::sync::Arc;

use object_store::{
    ClientConfigKey, ObjectStore,
    aws::{AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut},
};

use super::{ObjectStoreSettings, client};
use crate::{location::Remote, store::StoreError};

pub(super) fn open(remote: &Remote, settings: &ObjectStoreSettings) -> Result<Arc<dyn ObjectStore>, StoreError> {
    let mut builder = AmazonS3Builder::from_env().with_bucket_name(&remote.bucket);
    if let Some(region) = &settings.region {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = &settings.endpoint {
        builder = builder.with_config(AmazonS3ConfigKey::S3Endpoint, endpoint);
    }
    let endpoint = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint]
        .iter()
        .find_map(|key| builder.get_config_value(key));
    let allowed = builder.get_config_value(&AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp));
    let allow_http = settings.allow_http || allowed.as_deref() == Some("true");
    for (key, value) in client::options(remote, endpoint.as_deref(), allow_http)? {
        builder = builder.with_config(AmazonS3ConfigKey::Client(key), value);
    }
    let store = builder
        .with_retry(client::retries())
        // Who leads is decided by this, whatever the environment says.
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .build();
    Ok(Arc::new(store.map_err(|source| client::failed(remote, source))?))
}
