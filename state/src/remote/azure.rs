//! Places in Azure Blob Storage.

use std::sync::Arc;

use object_store::{
    ObjectStore,
    azure::{AzureConfigKey, MicrosoftAzureBuilder},
};

use super::{ObjectStoreSettings, client};
use crate::{location::Remote, store::StoreError};

pub(super) fn open(remote: &Remote, settings: &ObjectStoreSettings) -> Result<Arc<dyn ObjectStore>, StoreError> {
    let mut builder = MicrosoftAzureBuilder::from_env().with_container_name(&remote.bucket);
    if let Some(account) = &remote.account {
        builder = builder.with_account(account);
    }
    if let Some(endpoint) = &settings.endpoint {
        builder = builder.with_endpoint(endpoint.clone());
    }
    let endpoint = builder.get_config_value(&AzureConfigKey::Endpoint);
    for (key, value) in client::options(remote, endpoint.as_deref(), settings.allow_http)? {
        builder = builder.with_config(AzureConfigKey::Client(key), value);
    }
    let store = builder.with_retry(client::retries()).build();
    Ok(Arc::new(store.map_err(|source| client::failed(remote, source))?))
}
