//! Tests of connections by TLS: over a network in memory and in virtual time what is refused, and over TCP that nothing waits that could go on.

use std::{
    fs,
    future::{Future, poll_fn},
    io::{self, Write},
    sync::{Mutex, PoisonError},
};

use futures::{AsyncReadExt, AsyncWriteExt, FutureExt, join};
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer, pki_types::pem::PemObject};
use tempfile::TempDir;
use tracing_subscriber::fmt::MakeWriter;

use super::{super::TokioEnv, *};
use crate::{
    cli::certs::make::texts,
    rest::tests::{random::Random, sim::Sim},
};

const ADDRESS: &str = "127.0.0.1:1";
const DAY: Duration = Duration::from_secs(86_400);

/// The files of a CA.
struct Ca(TempDir);

impl Ca {
    /// Certificates for this host that are good for a day around the time of an environment, or were so for a day until an hour before.
    fn new(host: &str, env: &dyn Env, has_expired: bool) -> Self {
        let now = Duration::from_millis(env.wall().millis() as u64);
        let until = if has_expired { now - DAY / 24 } else { now + DAY };
        let directory = tempfile::tempdir().expect("there is a directory for temporary files");
        for (name, text, _) in texts(&[host.to_owned()], until - DAY * 2..until).expect("they can be made") {
            write(&directory.path().join(name), &text);
        }
        Self(directory)
    }

    fn files(&self, holder: &str) -> TlsFiles {
        let file = |name: String| self.0.path().join(name);
        TlsFiles {
            ca: file("ca.pem".into()),
            cert: file(format!("{holder}.pem")),
            key: file(format!("{holder}-key.pem")),
        }
    }

    fn load(&self, holder: &str, env: &Arc<dyn Env>) -> Tls {
        Tls::load(&self.files(holder), env).expect("the files are right")
    }
}

#[allow(clippy::disallowed_methods, reason = "a test puts files where the environment finds them")]
fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("the directory is ours");
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;
    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// A listener of one CA, and those who come.
struct World {
    sim: Sim,
    plain: Arc<dyn Env>,
    ca: Ca,
    listener: Box<dyn Listener>,
    log: Log,
}

impl World {
    fn new(seed: u64) -> Self {
        let sim = Sim::new(seed);
        let plain: Arc<dyn Env> = Arc::new(sim.clone());
        let ca = Ca::new("127.0.0.1", &*plain, false);
        let server = TlsEnv::wrap(Arc::clone(&plain), ca.load("jobmanager", &plain));
        let listener = sim.block_on(server.network().listen(ADDRESS)).expect("it listens");
        Self { sim, plain, ca, listener, log: Log::default() }
    }

    /// Runs a future; whoever is accepted meanwhile says back what it hears.
    fn run<T>(&mut self, future: impl Future<Output = T>) -> T {
        let logs = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false);
        let _logs = tracing::subscriber::set_default(logs.with_writer(self.log.clone()).finish());
        let (plain, listener) = (&self.plain, &mut self.listener);
        let serve = poll_fn(|cx| {
            while let std::task::Poll::Ready(accepted) = listener.poll_accept(cx) {
                let (connection, _) = accepted.expect("the network is in memory");
                plain.spawn("echo", Box::pin(echo(connection)));
            }
            std::task::Poll::<()>::Pending
        });
        self.sim.block_on(async {
            futures::select_biased! {
                done = std::pin::pin!(future.fuse()) => done,
                () = std::pin::pin!(serve.fuse()) => unreachable!("it serves for ever"),
            }
        })
    }

    /// Who has these certificates talks to the server: what it is told, or why not.
    fn talk(&mut self, tls: Tls) -> io::Result<String> {
        let env = TlsEnv::wrap(Arc::clone(&self.plain), tls);
        self.run(async move {
            let mut connection = env.network().connect(ADDRESS).await?;
            connection.write_all(b"hello").await?;
            connection.close().await?;
            let mut heard = String::new();
            connection.read_to_string(&mut heard).await?;
            Ok(heard)
        })
    }

    /// Sends bytes without TLS: gives what comes back.
    fn send(&mut self, bytes: &[u8]) -> Vec<u8> {
        let connecting = self.plain.network().connect(ADDRESS);
        self.run(async move {
            let mut connection = connecting.await.expect("the network is in memory");
            let _ = connection.write_all(bytes).await; // it may be refused before all is said
            let _ = connection.close().await;
            let mut heard = Vec::new();
            connection.read_to_end(&mut heard).await.expect("the network is in memory");
            heard
        })
    }

    /// Those of the cluster are served, whatever came before.
    #[track_caller]
    fn goes_on(&mut self) {
        let tls = self.ca.load("taskmanager", &self.plain);
        assert_eq!(self.talk(tls).expect("it is of the cluster"), "hello");
    }

    #[track_caller]
    fn logged(&mut self, wanted: &str) {
        let env = self.sim.clone();
        self.run(async move { env.sleep(Duration::from_secs(1)).await });
        let log = self.log.text();
        assert!(log.contains(" WARN ") && log.contains("a connection is refused") && log.contains(wanted), "{log}");
    }
}

async fn echo(mut connection: Box<dyn Connection>) {
    let mut heard = Vec::new();
    // It may be given up in between.
    if connection.read_to_end(&mut heard).await.is_ok() && connection.write_all(&heard).await.is_ok() {
        let _ = connection.close().await;
    }
}

#[test]
fn those_of_one_ca_talk_to_each_other() {
    for seed in 0..20 {
        let mut world = World::new(seed);
        world.goes_on();
        assert!(!world.log.text().contains("WARN"), "{}", world.log.text());
    }
}

#[test]
fn who_has_a_certificate_of_another_ca_is_refused() {
    let mut world = World::new(1);
    let stranger = Ca::new("127.0.0.1", &*world.plain, false);
    // It trusts the server, but has a certificate of its own CA.
    let files = TlsFiles { ca: world.ca.files("client").ca, ..stranger.files("taskmanager") };
    let tls = Tls::load(&files, &world.plain).expect("the files are right");
    let error = world.talk(tls).expect_err("it is a stranger").to_string();
    assert!(error.contains("the other end has refused the certificate"), "{error}");
    world.logged("is not of this cluster's CA");
    world.goes_on();
}

#[test]
fn a_server_of_another_ca_is_not_talked_to() {
    let mut world = World::new(2);
    let other = Ca::new("127.0.0.1", &*world.plain, false);
    let tls = other.load("taskmanager", &world.plain);
    let error = world.talk(tls).expect_err("the server is a stranger").to_string();
    assert!(error.contains("is not of this cluster's CA: give all processes the same `--tls-ca`"), "{error}");
    world.logged("refused the certificate");
    world.goes_on();
}

#[test]
fn a_server_for_another_host_is_not_talked_to() {
    let mut world = World::new(3);
    let env = TlsEnv::wrap(Arc::clone(&world.plain), world.ca.load("client", &world.plain));
    let connected = world.run(env.network().connect("node-9:1")).map(drop);
    let error = connected.expect_err("the certificate names another").to_string();
    assert!(error.contains("is not for `node-9`"), "{error}");
    world.goes_on();
}

#[test]
fn who_has_no_certificate_is_refused() {
    let mut world = World::new(4);
    let mut tls = world.ca.load("client", &world.plain);
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_file(world.ca.files("client").ca).expect("it is PEM");
    roots.add(ca).expect("it is a CA");
    let mut client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("ring has it")
        .with_root_certificates(roots)
        .with_no_client_auth();
    // Certificates are of the time in the simulation.
    client.time_provider = tls.client.time_provider.clone();
    tls.client = Arc::new(client);
    world.talk(tls).expect_err("it has not shown who it is");
    world.logged("has no certificate: give it one by `--tls-cert` and `--tls-key`");
    world.goes_on();
}

#[test]
fn what_has_expired_is_refused() {
    let mut world = World::new(5);
    // Both ends trust both CAs.
    let old = Ca::new("127.0.0.1", &*world.plain, true);
    let both = tempfile::NamedTempFile::new().expect("there is a directory for temporary files");
    let read = |path: &Path| super::read(world.plain.files(), path, 1 << 20).expect("it is there");
    let cas = [read(&world.ca.files("client").ca), read(&old.files("client").ca)].concat();
    write(both.path(), &String::from_utf8_lossy(&cas));
    let server = TlsFiles { ca: both.path().to_owned(), ..world.ca.files("jobmanager") };
    let server = TlsEnv::wrap(Arc::clone(&world.plain), Tls::load(&server, &world.plain).expect("the files are right"));
    world.listener = world.sim.block_on(server.network().listen(ADDRESS)).expect("it listens");
    let files = TlsFiles { ca: both.path().to_owned(), ..old.files("taskmanager") };
    let tls = Tls::load(&files, &world.plain).expect("that it has expired shows when it is used");
    let error = world.talk(tls).expect_err("it has expired").to_string();
    assert!(error.contains("the other end has refused the certificate"), "{error}");
    world.logged("has expired: make new ones");
    world.goes_on();
}

#[test]
fn who_does_not_speak_tls_is_refused() {
    let mut world = World::new(6);
    for said in [&b"MILLNET\n and what comes behind that"[..], b"GET /v1/overview HTTP/1.1\r\n\r\n"] {
        let heard = world.send(said);
        assert!(!heard.starts_with(b"MILLNET") && !heard.starts_with(b"HTTP"), "{heard:?}");
    }
    world.logged("does not speak TLS: give both ends certificates, or neither");
    world.goes_on();
}

#[test]
fn a_server_that_does_not_speak_tls_is_not_talked_to() {
    let sim = Sim::new(7);
    let plain: Arc<dyn Env> = Arc::new(sim.clone());
    let ca = Ca::new("127.0.0.1", &*plain, false);
    let env = TlsEnv::wrap(Arc::clone(&plain), ca.load("client", &plain));
    let error = sim.block_on(async {
        let mut listener = plain.network().listen(ADDRESS).await.expect("it listens");
        let answer = async {
            let (mut connection, _) = poll_fn(|cx| listener.poll_accept(cx)).await.expect("somebody comes");
            connection.write_all(b"MILLNET\n and what comes behind that").await.expect("it is read");
            connection
        };
        let (connected, _answered) = join!(env.network().connect(ADDRESS), answer);
        connected.map(drop).expect_err("it is plain").to_string()
    });
    assert!(error.contains("does not speak TLS"), "{error}");
}

#[test]
fn random_bytes_do_no_harm() {
    let mut world = World::new(8);
    let mut random = Random(9);
    for _ in 0..200 {
        let mut bytes = random.bytes(600);
        // Some look like the beginning of a handshake.
        if let (Some(head), 1) = (bytes.get_mut(..5), random.below(2)) {
            head.copy_from_slice(&[22, 3, 1, 0, 200]);
        }
        world.send(&bytes);
    }
    world.goes_on();
}

#[test]
fn who_says_nothing_is_not_waited_for() {
    let mut world = World::new(10);
    // More than may be strangers at a time, none of which says anything; then somebody comes who is of the cluster.
    let silent: Vec<_> = (0..80).map(|_| world.sim.open()).collect();
    let env = world.sim.clone();
    world.run(async move { env.sleep(HANDSHAKE_LIMIT + Duration::from_secs(1)).await });
    assert!(silent.iter().all(|pipe| pipe.is_left()), "they are closed");
    world.logged("no TLS handshake within 5 s");
    assert!(world.log.text().contains("64 others have not shown who they are yet"), "{}", world.log.text());
    world.goes_on();
}

#[test]
fn keys_are_not_in_logs_or_messages() {
    let mut world = World::new(11);
    world.goes_on();
    world.send(b"what is no TLS");
    let files = world.ca.files("jobmanager");
    let read = |path: &Path| super::read(world.plain.files(), path, 1 << 20).expect("it is there");
    let key = String::from_utf8_lossy(&read(&files.key)).into_owned();
    let secret: Vec<_> = key.lines().filter(|line| line.len() > 40).collect();
    assert!(!secret.is_empty(), "the key has lines");
    // A key where a certificate should be, and the reverse.
    let wrong = TlsFiles { cert: files.key.clone(), key: files.cert.clone(), ..files.clone() };
    let message = Tls::load(&wrong, &world.plain).map(drop).expect_err("they are exchanged");
    let wrong = TlsFiles { key: world.ca.files("client").key, ..files };
    let other = Tls::load(&wrong, &world.plain).map(drop).expect_err("the key is of another certificate");
    assert!(message.contains("has no certificate: PEM is expected"), "{message}");
    assert!(other.contains("does not go with the certificate in"), "{other}");
    for said in [world.log.text(), message, other] {
        assert!(!secret.iter().any(|line| said.contains(line)), "{said}");
    }
}

/// Both halves of both ends at once, over TCP: none waits for another, and what was taken arrives though nobody flushes it.
#[test]
fn halves_go_on_by_themselves() {
    const BYTES: usize = 8 << 20;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("there are threads").block_on(async {
        let plain: Arc<dyn Env> = TokioEnv::current();
        let ca = Ca::new("127.0.0.1", &*plain, false);
        let env = TlsEnv::wrap(Arc::clone(&plain), ca.load("taskmanager", &plain));
        let mut listener = env.network().listen("127.0.0.1:0").await.expect("the address is free");
        let address = listener.address().to_owned();
        let (here, there) = join!(env.network().connect(&address), poll_fn(|cx| listener.poll_accept(cx)));
        let (here, (there, _)) = (here.expect("both are of the cluster"), there.expect("both are of the cluster"));
        let ends = [here, there].map(|connection| {
            let (mut reading, mut writing) = connection.split();
            let (read_sender, read) = futures::channel::oneshot::channel();
            plain.spawn(
                "reads",
                Box::pin(async move {
                    let mut heard = Vec::new();
                    let all = reading.read_to_end(&mut heard).await.map(|_| heard);
                    let _ = read_sender.send(all); // the test waits for it
                }),
            );
            plain.spawn(
                "writes",
                Box::pin(async move {
                    let bytes: Vec<_> = (0..BYTES).map(pattern).collect();
                    let mut left = &bytes[..];
                    while !left.is_empty() {
                        let (first, rest) = left.split_at(left.len().min(100));
                        let parts = [io::IoSlice::new(first), io::IoSlice::new(&rest[..rest.len().min(50_000)])];
                        let n = writing.write_vectored(&parts).await.expect("the other end reads");
                        left = &left[n..];
                    }
                    writing.close().await.expect("the other end reads");
                }),
            );
            read
        });
        for read in ends {
            let heard = read.await.expect("the task ends").expect("the other end closes");
            assert_eq!(heard.len(), BYTES);
            assert!(heard.iter().enumerate().all(|(i, byte)| *byte == pattern(i)), "bytes come as they were sent");
        }
    });
}

fn pattern(i: usize) -> u8 {
    (i ^ (i >> 8) ^ (i >> 16)) as u8
}
