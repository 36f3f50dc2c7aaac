//! Makes a CA, and certificates of it, as files.

use std::{
    fmt::Write as _,
    fs::{DirBuilder, OpenOptions},
    io::Write as _,
    ops::Range,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

/// Who gets a certificate.
const HOLDERS: [&str; 3] = ["jobmanager", "taskmanager", "client"];
/// For how long they hold: long enough to try things, and short enough not to be forgotten.
const VALIDITY: Duration = Duration::from_secs(365 * 24 * 3600);
/// Clocks of machines differ: they hold since before they were made.
const SLACK: Duration = Duration::from_secs(3600);

/// Makes the files.
///
/// # Errors
///
/// Names the file that is there already, or cannot be written.
pub(super) fn files(out: &Path, hosts: &[String]) -> Result<(), String> {
    let mut directory = DirBuilder::new();
    directory.recursive(true);
    directory.create(out).map_err(|error| format!("the directory {} cannot be made: {error}", out.display()))?;
    let now = now();
    for (name, text, is_secret) in texts(hosts, now.saturating_sub(SLACK)..now + VALIDITY)? {
        put(&out.join(name), &text, is_secret)?;
    }
    Ok(())
}

/// What is given to whom.
pub(super) fn instructions(out: &Path) -> String {
    let mut text = format!(
        "The CA and its certificates are in {}. Every process gets ca.pem, its own certificate and its own key; the keys are for nobody else.\n",
        out.display()
    );
    for holder in HOLDERS {
        let file = |name: String| out.join(name).display().to_string();
        let (ca, cert, key) = (file("ca.pem".into()), file(format!("{holder}.pem")), file(format!("{holder}-key.pem")));
        let command = if holder == "client" { "list" } else { holder };
        let _ = writeln!(text, "  {command} --tls-ca {ca} --tls-cert {cert} --tls-key {key}"); // a text takes it
    }
    text.push_str("Whoever has ca-key.pem can make more: keep it elsewhere, or remove it.\n");
    text
}

/// The files: their names, what is in them, and whether they are for nobody else. `valid` is since the epoch.
pub(crate) fn texts(hosts: &[String], valid: Range<Duration>) -> Result<Vec<(String, String, bool)>, String> {
    let failed = |error: rcgen::Error| format!("a certificate cannot be made: {error}");
    let mut of_ca = parameters(&[], "Millstream test CA", &valid).map_err(failed)?;
    of_ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    of_ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate().map_err(failed)?;
    let ca_key = key.serialize_pem();
    let ca = CertifiedIssuer::self_signed(of_ca, key).map_err(failed)?;
    let mut files = vec![("ca.pem".to_owned(), ca.pem(), false), ("ca-key.pem".to_owned(), ca_key, true)];
    for holder in HOLDERS {
        let mut of = parameters(hosts, holder, &valid).map_err(failed)?;
        of.use_authority_key_identifier_extension = true;
        of.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        // All connect, and all but clients are connected to.
        of.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = of.signed_by(&key, &ca).map_err(failed)?;
        files.push((format!("{holder}.pem"), certificate.pem(), false));
        files.push((format!("{holder}-key.pem"), key.serialize_pem(), true));
    }
    Ok(files)
}

fn parameters(hosts: &[String], name: &str, valid: &Range<Duration>) -> Result<CertificateParams, rcgen::Error> {
    let epoch = date_time_ymd(1970, 1, 1);
    let mut parameters = CertificateParams::new(hosts)?;
    parameters.distinguished_name.push(DnType::CommonName, name);
    (parameters.not_before, parameters.not_after) = (epoch + valid.start, epoch + valid.end);
    Ok(parameters)
}

#[allow(
    clippy::disallowed_methods,
    reason = "certificates are made by a command of its own, outside of any environment"
)]
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Writes a file that is not there yet.
#[allow(clippy::disallowed_methods, reason = "the environment's files do not know who may read them")]
fn put(path: &Path, text: &str, is_secret: bool) -> Result<(), String> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(if is_secret { 0o600 } else { 0o644 });
    }
    #[cfg(not(unix))]
    let _ = is_secret; // rights are of another kind here
    let written =
        options.open(path).and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            format!("{} is there already, and is not replaced: choose another directory", path.display())
        }
        _ => format!("{} cannot be written: {error}", path.display()),
    })
}
