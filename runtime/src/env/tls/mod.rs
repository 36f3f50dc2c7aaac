//! TLS for every connection of a process: [`TlsEnv`] is an environment in which both ends of each connection know each other by certificates of one CA.
//!
//! It wraps an environment, whatever its connections are made of. Neither end talks to one whose certificate is not of the CA, has expired, or (where it
//! connects) is for another host. Handshakes have a deadline, and an end that fails in one is told of in the log.

mod config;
mod listener;
mod stream;
#[cfg(test)]
mod tests;

use std::{io, path::Path, pin::pin, sync::Arc, time::Duration};

use futures::future::{Either, select};
use rustls::{ClientConnection, Connection as Session, pki_types::ServerName};

pub(crate) use self::config::{Tls, TlsFiles};
use self::{listener::TlsListener, stream::TlsStream};
use super::{BoxFuture, Connection, Env, Files, Listener, Network};
use crate::forward_env;

/// How long an end may take for its part of a handshake.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);

/// An environment whose connections are TLS.
pub(crate) struct TlsEnv {
    inner: Arc<dyn Env>,
    network: TlsNetwork,
}

impl TlsEnv {
    /// Puts TLS around the connections of an environment.
    pub(crate) fn wrap(inner: Arc<dyn Env>, tls: Tls) -> Arc<dyn Env> {
        Arc::new(Self { network: TlsNetwork { inner: Arc::clone(&inner), tls }, inner })
    }
}

impl Env for TlsEnv {
    fn network(&self) -> &dyn Network {
        &self.network
    }

    forward_env!(inner: spawn, now, wall, sleep_until, random, blocking, wait_in_place, files, step);
}

/// The connections of an environment, with TLS.
struct TlsNetwork {
    inner: Arc<dyn Env>,
    tls: Tls,
}

impl Network for TlsNetwork {
    fn connect(&self, address: &str) -> BoxFuture<'static, io::Result<Box<dyn Connection>>> {
        let connecting = self.inner.network().connect(address);
        let (env, host, client) = (Arc::clone(&self.inner), host_of(address).to_owned(), Arc::clone(&self.tls.client));
        Box::pin(async move {
            let name = ServerName::try_from(host.clone()).map_err(|_| {
                invalid(format!("`{host}` is neither a name nor an address that a certificate can have"))
            })?;
            let connection = connecting.await?;
            let session = ClientConnection::new(client, name).map_err(|error| invalid(explain(&error, &host)))?;
            let mut stream = TlsStream::new(connection, Session::Client(session), host);
            match select(pin!(stream.handshake()), env.sleep(HANDSHAKE_LIMIT)).await {
                Either::Left((done, _)) => done?,
                Either::Right(_) => return Err(late()),
            }
            Ok(Box::new(stream) as Box<dyn Connection>)
        })
    }

    fn listen(&self, address: &str) -> BoxFuture<'static, io::Result<Box<dyn Listener>>> {
        let listening = self.inner.network().listen(address);
        let (env, server) = (Arc::clone(&self.inner), self.tls.server.clone());
        Box::pin(async move {
            let server = server.ok_or_else(|| invalid("who has no certificate takes no connections".to_owned()))?;
            Ok(Box::new(TlsListener::new(listening.await?, env, server)) as Box<dyn Listener>)
        })
    }
}

/// The host of `host:port`, without the brackets of an IPv6 address.
fn host_of(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("no TLS handshake within {} s", HANDSHAKE_LIMIT.as_secs()))
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// What is wrong with a session, and how to repair it. `peer` is the host at the other end.
fn explain(error: &rustls::Error, peer: &str) -> String {
    use rustls::{CertificateError as Bad, Error};
    match error {
        Error::InvalidMessage(_) | Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. } => {
            format!("the other end does not speak TLS: give both ends certificates, or neither ({error})")
        }
        Error::NoCertificatesPresented => {
            "the other end has no certificate: give it one by `--tls-cert` and `--tls-key`".to_owned()
        }
        Error::InvalidCertificate(Bad::UnknownIssuer | Bad::BadSignature) => {
            "the certificate of the other end is not of this cluster's CA: give all processes the same `--tls-ca`, and certificates of it"
                .to_owned()
        }
        Error::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => {
            "the certificate of the other end has expired: make new ones, and start the processes again".to_owned()
        }
        Error::InvalidCertificate(Bad::NotValidYet | Bad::NotValidYetContext { .. }) => {
            "the certificate of the other end is not valid yet: compare the clocks of the machines".to_owned()
        }
        Error::InvalidCertificate(Bad::NotValidForName | Bad::NotValidForNameContext { .. }) => {
            format!("the certificate of the other end is not for `{peer}`: make one that names this host")
        }
        Error::AlertReceived(_) => format!("the other end has refused the certificate or the protocol ({error})"),
        _ => format!("the TLS connection has failed: {error}"),
    }
}

/// Reads a file of at most so many bytes.
fn read(files: &dyn Files, path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    use std::io::Read;
    let mut bytes = Vec::new();
    let read = files.open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes));
    match read {
        Ok(n) if n as u64 <= limit => Ok(bytes),
        Ok(_) => Err(format!("it is larger than {limit} bytes")),
        Err(error) => Err(error.to_string()),
    }
}
