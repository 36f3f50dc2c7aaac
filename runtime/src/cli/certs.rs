//! `certs`: a CA and certificates of it, to try a cluster with TLS.

#[cfg(feature = "tls")]
pub(crate) mod make;

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command, value_parser};

use super::{Console, world::World};
use crate::settings::cluster::host;

const OUT: &str = "millstream:out";
const HOSTS: &str = "millstream:hosts";
/// Which hosts certificates are for that name none: this machine.
const LOCAL: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// The most hosts of a certificate.
const HOSTS_LIMIT: usize = 256;

/// What is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Where the files go.
    #[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "nothing is made without TLS"))]
    out: PathBuf,
    /// The names and addresses by which processes are reached.
    #[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "nothing is made without TLS"))]
    hosts: Vec<String>,
}

/// The command.
pub(super) fn command(bin: &str) -> Command {
    let out = Arg::new(OUT).long("out").value_name("DIR").required(true).value_parser(value_parser!(PathBuf));
    let hosts = Arg::new(HOSTS).long("host").value_name("HOST,..").value_delimiter(',');
    Command::new("certs")
        .about("Make a CA and certificates, to try a cluster with TLS")
        .arg(out.help("Where they go; what is there already is not replaced"))
        .arg(hosts.help("The names and addresses by which processes are reached, besides those of this machine alone"))
        .after_help(format!("Example:\n  {bin} certs --out certs --host node-1,10.0.0.1"))
}

/// Reads the command.
///
/// # Errors
///
/// Names what is no host.
pub(super) fn read(matches: &ArgMatches, world: &World) -> Result<Wanted, String> {
    let out = matches.get_one::<PathBuf>(OUT).expect("clap requires the directory");
    let mut hosts: Vec<_> = LOCAL.map(str::to_owned).into();
    for text in matches.get_many::<String>(HOSTS).into_iter().flatten() {
        let host = host::unbracketed(text.trim());
        if !host::is_host(host) || host::is_all(host) {
            return Err(format!(
                "invalid value '{text}' for '--host <HOST,..>': names or addresses by which processes are reached are expected"
            ));
        }
        if !hosts.iter().any(|known| known == host) {
            hosts.push(host.to_owned());
        }
    }
    if hosts.len() > HOSTS_LIMIT {
        return Err(format!("a certificate has at most {HOSTS_LIMIT} hosts"));
    }
    Ok(Wanted { out: world.directory.join(out), hosts })
}

/// Makes the files, and says what to give to whom.
#[cfg(feature = "tls")]
pub(super) fn make(wanted: &Wanted, console: &mut Console<'_>) -> u8 {
    match make::files(&wanted.out, &wanted.hosts) {
        Ok(()) => {
            console.say(&make::instructions(&wanted.out));
            super::EXIT_DONE
        }
        Err(message) => {
            console.error(&message);
            super::EXIT_FAILED
        }
    }
}

/// Says why there is nothing to make.
#[cfg(not(feature = "tls"))]
pub(super) fn make(_: &Wanted, console: &mut Console<'_>) -> u8 {
    console.error("this binary was built without TLS: build it with the feature `tls` of `millstream`");
    super::EXIT_FAILED
}
