//! [`Tls`]: the certificates of a process, as its connections use them.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    client::Resumption,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject},
    server::{NoServerSessionStorage, WebPkiClientVerifier},
    time_provider::TimeProvider,
    version::TLS13,
};

use super::read;
use crate::env::Env;

/// The largest file with certificates or a key, in bytes.
const FILE_BYTES_LIMIT: u64 = 1 << 20;

/// Where the certificates of a process are, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// Certificates of the CA: who is of the cluster has one of it.
    pub(crate) ca: PathBuf,
    /// The certificate of this process, and those between it and the CA.
    pub(crate) cert: PathBuf,
    /// Its private key.
    pub(crate) key: PathBuf,
}

/// Both sides of connections: a process connects, and is connected to.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(super) client: Arc<ClientConfig>,
    pub(super) server: Arc<ServerConfig>,
}

impl Tls {
    /// Reads the files, at once: call it before anything runs. Certificates are compared with the clock of the environment.
    ///
    /// # Errors
    ///
    /// Names the file, and what is wrong with it. What is in it is not repeated.
    pub(crate) fn load(files: &TlsFiles, env: &Arc<dyn Env>) -> Result<Self, String> {
        let TlsFiles { ca, cert, key } = files;
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&**env, ca)? {
            roots.add(certificate).map_err(|error| format!("{} has no CA certificate: {error}", ca.display()))?;
        }
        let (roots, chain) = (Arc::new(roots), certificates(&**env, cert)?);
        let private = private_key(&**env, key)?;
        let provider = Arc::new(ring::default_provider());
        let time: Arc<dyn TimeProvider> = Arc::new(WallClock(Arc::clone(env)));
        let unfit = |error: rustls::Error| {
            format!("the key in {} does not go with the certificate in {}: {error}", key.display(), cert.display())
        };
        let server = server(&provider, &time, &roots)
            .map_err(|error| format!("{} cannot be used: {error}", ca.display()))
            .and_then(|builder| builder.with_single_cert(chain.clone(), private.clone_key()).map_err(unfit))?;
        let client = ClientConfig::builder_with_details(provider, time)
            .with_protocol_versions(&[&TLS13])
            .and_then(|builder| builder.with_root_certificates(roots).with_client_auth_cert(chain, private))
            .map_err(unfit)?;
        let mut tls = Self { client: Arc::new(client), server: Arc::new(server) };
        tls.forget();
        Ok(tls)
    }

    /// Connections are few and last long: none goes on with what another has agreed upon, and who has lost its right has lost it with the next.
    fn forget(&mut self) {
        if let Some(client) = Arc::get_mut(&mut self.client) {
            client.resumption = Resumption::disabled();
        }
        if let Some(server) = Arc::get_mut(&mut self.server) {
            server.send_tls13_tickets = 0;
            server.session_storage = Arc::new(NoServerSessionStorage {});
        }
    }
}

type Builder<State> = rustls::ConfigBuilder<ServerConfig, State>;

/// A server that talks to none without a certificate of the CA.
fn server(
    provider: &Arc<CryptoProvider>,
    time: &Arc<dyn TimeProvider>,
    roots: &Arc<RootCertStore>,
) -> Result<Builder<rustls::server::WantsServerCert>, String> {
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(provider))
        .build()
        .map_err(|error| error.to_string())?;
    ServerConfig::builder_with_details(Arc::clone(provider), Arc::clone(time))
        .with_protocol_versions(&[&TLS13])
        .map(|builder| builder.with_client_cert_verifier(verifier))
        .map_err(|error| error.to_string())
}

fn certificates(env: &dyn Env, path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let bytes = bytes(env, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(format!("{} has no certificate: PEM is expected", path.display())),
        Err(error) => Err(format!("{} is no PEM: {error}", path.display())),
    }
}

/// Errors say nothing of what is in the file.
fn private_key(env: &dyn Env, path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let bytes = bytes(env, path)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| format!("{} has no private key: PEM is expected", path.display()))
}

fn bytes(env: &dyn Env, path: &Path) -> Result<Vec<u8>, String> {
    read(env.files(), path, FILE_BYTES_LIMIT).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

/// The clock that certificates are compared with.
struct WallClock(Arc<dyn Env>);

impl fmt::Debug for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WallClock")
    }
}

impl TimeProvider for WallClock {
    fn current_time(&self) -> Option<UnixTime> {
        let millis = u64::try_from(self.0.wall().millis()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_millis(millis)))
    }
}
