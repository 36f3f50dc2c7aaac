//! Puts TLS around the connections of a process, if it was given certificates.

use std::sync::Arc;

use crate::{env::Env, settings::cluster::ClusterSettings};

/// The environment in which connections are as the settings say.
///
/// # Errors
///
/// Names the file that cannot be used.
#[cfg(feature = "tls")]
pub(super) fn protected(env: Arc<dyn Env>, settings: &ClusterSettings) -> Result<Arc<dyn Env>, String> {
    use crate::env::tls::{Tls, TlsEnv, TlsFiles};
    let (Some(ca), Some(cert), Some(key)) = (&settings.tls_ca, &settings.tls_cert, &settings.tls_key) else {
        return Ok(env);
    };
    let files = TlsFiles { ca: ca.clone(), cert: cert.clone(), key: key.clone() };
    let tls = Tls::load(&files, &env)?;
    Ok(TlsEnv::wrap(env, tls))
}

/// The environment as it is: settings with certificates were refused before.
#[cfg(not(feature = "tls"))]
pub(super) fn protected(env: Arc<dyn Env>, settings: &ClusterSettings) -> Result<Arc<dyn Env>, String> {
    assert!(settings.tls_ca.is_none(), "settings with certificates are refused in a binary without TLS");
    Ok(env)
}
