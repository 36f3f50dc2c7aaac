//! Puts TLS around the connections of a process, if it was given certificates.

use std::sync::Arc;

use crate::{env::Env, settings::cluster::ClusterSettings};

/// How those are known who connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KnownBy {
    /// Their certificates.
    Certificate,
    /// Something else: a certificate is only looked at if there is one.
    Other,
}

/// The environment in which connections are as the settings say. Without a certificate of its own, the process can only ask.
///
/// # Errors
///
/// Names the file that cannot be used.
#[cfg(feature = "tls")]
pub(super) fn protected(
    env: Arc<dyn Env>,
    settings: &ClusterSettings,
    known_by: KnownBy,
) -> Result<Arc<dyn Env>, String> {
    use crate::env::tls::{Tls, TlsEnv, TlsFiles};
    let tls = match (&settings.tls_ca, &settings.tls_cert, &settings.tls_key) {
        (Some(ca), Some(cert), Some(key)) => {
            let files = TlsFiles { ca: ca.clone(), cert: cert.clone(), key: key.clone() };
            Tls::load(&files, &env)?
        }
        (Some(ca), ..) => Tls::to_ask(ca, &env)?,
        _ => return Ok(env),
    };
    let tls = match known_by {
        KnownBy::Certificate => tls,
        KnownBy::Other => tls.open(),
    };
    Ok(TlsEnv::wrap(env, tls))
}

/// The environment as it is: settings with certificates were refused before.
#[cfg(not(feature = "tls"))]
pub(super) fn protected(env: Arc<dyn Env>, settings: &ClusterSettings, _: KnownBy) -> Result<Arc<dyn Env>, String> {
    assert!(settings.tls_ca.is_none(), "settings with certificates are refused in a binary without TLS");
    Ok(env)
}
