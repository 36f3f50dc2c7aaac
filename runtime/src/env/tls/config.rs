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
    /// For who connects. None where nobody does.
    pub(super) server: Option<Arc<ServerConfig>>,
    /// The same, for connections over which who connects says otherwise who it is.
    open: Option<Arc<ServerConfig>>,
}

/// Whether who connects has to have a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Always,
    /// If it has one, that has to be right.
    IfThere,
}

impl Tls {
    /// Reads the files, at once: call it before anything runs. Certificates are compared with the clock of the environment.
    ///
    /// # Errors
    ///
    /// Names the file, and what is wrong with it. What is in it is not repeated.
    pub(crate) fn load(files: &TlsFiles, env: &Arc<dyn Env>) -> Result<Self, String> {
        let TlsFiles { ca, cert, key } = files;
        let (roots, chain) = (roots(&**env, ca)?, certificates(&**env, cert)?);
        let private = private_key(&**env, key)?;
        let provider = Arc::new(ring::default_provider());
        let time: Arc<dyn TimeProvider> = Arc::new(WallClock(Arc::clone(env)));
        let unfit = |error: rustls::Error| {
            format!("the key in {} does not go with the certificate in {}: {error}", key.display(), cert.display())
        };
        let own = |wanted| -> Result<_, String> {
            let builder = server(&provider, &time, &roots, wanted)
                .map_err(|error| format!("{} cannot be used: {error}", ca.display()))?;
            builder.with_single_cert(chain.clone(), private.clone_key()).map(forgetful).map_err(unfit)
        };
        let (mutual, open) = (own(Wanted::Always)?, own(Wanted::IfThere)?);
        let mut client = ClientConfig::builder_with_details(Arc::clone(&provider), Arc::clone(&time))
            .with_protocol_versions(&[&TLS13])
            .and_then(|builder| {
                builder
                    .with_root_certificates(Arc::clone(&roots))
                    .with_client_auth_cert(chain.clone(), private.clone_key())
            })
            .map_err(unfit)?;
        client.resumption = Resumption::disabled();
        Ok(Self { client: Arc::new(client), server: Some(mutual), open: Some(open) })
    }

    /// Reads the certificate of the CA alone: such a process connects, and nobody to it.
    ///
    /// # Errors
    ///
    /// As [`Tls::load`].
    pub(crate) fn to_ask(ca: &Path, env: &Arc<dyn Env>) -> Result<Self, String> {
        let time: Arc<dyn TimeProvider> = Arc::new(WallClock(Arc::clone(env)));
        let mut client = ClientConfig::builder_with_details(Arc::new(ring::default_provider()), time)
            .with_protocol_versions(&[&TLS13])
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots(&**env, ca)?)
            .with_no_client_auth();
        client.resumption = Resumption::disabled();
        Ok(Self { client: Arc::new(client), server: None, open: None })
    }

    /// The same, but who connects need not have a certificate: it says otherwise who it is.
    pub(crate) fn open(self) -> Self {
        Self { server: self.open.clone(), ..self }
    }
}

/// Connections are few and last long: none goes on with what another has agreed upon, and who has lost its right has lost it with the next.
fn forgetful(mut server: ServerConfig) -> Arc<ServerConfig> {
    server.send_tls13_tickets = 0;
    server.session_storage = Arc::new(NoServerSessionStorage {});
    Arc::new(server)
}

type Builder<State> = rustls::ConfigBuilder<ServerConfig, State>;

/// A server that talks to none with a certificate of another CA, nor, if it is wanted, to any without one.
fn server(
    provider: &Arc<CryptoProvider>,
    time: &Arc<dyn TimeProvider>,
    roots: &Arc<RootCertStore>,
    wanted: Wanted,
) -> Result<Builder<rustls::server::WantsServerCert>, String> {
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(provider));
    let verifier = match wanted {
        Wanted::Always => verifier,
        Wanted::IfThere => verifier.allow_unauthenticated(),
    };
    let verifier = verifier.build().map_err(|error| error.to_string())?;
    ServerConfig::builder_with_details(Arc::clone(provider), Arc::clone(time))
        .with_protocol_versions(&[&TLS13])
        .map(|builder| builder.with_client_cert_verifier(verifier))
        .map_err(|error| error.to_string())
}

fn roots(env: &dyn Env, ca: &Path) -> Result<Arc<RootCertStore>, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(env, ca)? {
        roots.add(certificate).map_err(|error| format!("{} has no CA certificate: {error}", ca.display()))?;
    }
    Ok(Arc::new(roots))
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
