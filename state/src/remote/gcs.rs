//! Places in Google Cloud Storage.

use std::sync::Arc;

use object_store::{
    ObjectStore,
    gcp::{GoogleCloudStorageBuilder, GoogleConfigKey},
};

use super::{ObjectStoreSettings, client};
use crate::{location::Remote, store::StoreError};

pub(super) fn open(remote: &Remote, settings: &ObjectStoreSettings) -> Result<Arc<dyn ObjectStore>, StoreError> {
    let mut builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(&remote.bucket);
    if let Some(endpoint) = &settings.endpoint {
        builder = builder.with_base_url(endpoint);
    }
    for (key, value) in client::options(remote, settings.endpoint.as_deref(), settings.allow_http)? {
        builder = builder.with_config(GoogleConfigKey::Client(key), value);
    }
    let store = builder.with_retry(client::retries()).build();
    Ok(Arc::new(store.map_err(|source| client::failed(remote, source))?))
}
