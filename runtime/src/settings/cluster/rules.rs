//! What settings of a process have to be together; above all, that nothing leaves the machine unprotected by accident.

use super::{ClusterGiven, ClusterSettings, Role, host};

/// The ways to protect connections, or to do without.
const WAYS: &str = "give this process certificates by `--tls-ca`, `--tls-cert` and `--tls-key` (`certs` makes some to try), or say `--insecure` if nobody else \
                    reaches this network";

impl ClusterGiven {
    /// Checks settings against each other, for a process of this role.
    ///
    /// # Errors
    ///
    /// Names the settings, where they were given, and what can be done.
    pub(crate) fn check(&self, settings: &ClusterSettings, role: Role) -> Result<(), String> {
        if role.has(Role::JobManager) && settings.heartbeats.timeout < settings.heartbeats.interval * 2 {
            return Err(format!(
                "{} is less than twice {}: one heartbeat that is late would be taken for a loss",
                self.subject("heartbeat-timeout"),
                self.subject("heartbeat-interval")
            ));
        }
        self.check_tls(settings, true)?;
        if host::is_all(&settings.host) && settings.advertised_host.is_none() {
            return Err(format!(
                "{} stands for all addresses of this machine: say by `--advertise` under which others reach it",
                self.subject("host")
            ));
        }
        if settings.advertised_host.as_deref().is_some_and(host::is_all) {
            let subject = self.subject("advertise");
            return Err(format!("{subject} stands for all addresses: nobody reaches this process by it"));
        }
        if settings.tls_ca.is_some() || settings.insecure {
            return Ok(());
        }
        if !host::is_loopback(&settings.host) {
            let (subject, host) = (self.subject("host"), &settings.host);
            return Err(format!(
                "{subject}: other machines may reach `{host}`, and nothing protects the connections: {WAYS}"
            ));
        }
        let hosts =
            settings.jobmanagers.iter().filter(|address| !host::host_of(address).is_some_and(host::is_loopback));
        match hosts.take(usize::from(role.has(Role::TaskManager))).next() {
            Some(far) => Err(format!(
                "{}: `{far}` may be another machine, and nothing protects the connections: {WAYS}",
                self.subject("jobmanager")
            )),
            None => Ok(()),
        }
    }

    /// Checks that the three files come together, in a binary that can use them. Who only asks, and says otherwise who it is, needs no certificate `of_its_own`.
    ///
    /// # Errors
    ///
    /// Names what is missing.
    pub(crate) fn check_tls(&self, settings: &ClusterSettings, of_its_own: bool) -> Result<(), String> {
        let files = [("tls-ca", &settings.tls_ca), ("tls-cert", &settings.tls_cert), ("tls-key", &settings.tls_key)];
        let Some((given, _)) = files.iter().find(|(_, file)| file.is_some()) else { return Ok(()) };
        let needed =
            if of_its_own || files[1..].iter().any(|(_, file)| file.is_some()) { &files[..] } else { &files[..1] };
        if let Some((missing, _)) = needed.iter().find(|(_, file)| file.is_none()) {
            return Err(format!(
                "{} is given, but not `--{missing}`: TLS needs the certificate of the CA, that of this process, and its key",
                self.subject(given)
            ));
        }
        if cfg!(not(feature = "tls")) {
            return Err(format!(
                "{} is given, but this binary was built without TLS: build it with the feature `tls` of `millstream`",
                self.subject(given)
            ));
        }
        Ok(())
    }
}

impl ClusterSettings {
    /// What is dangerous though it was asked for. One sentence each.
    pub(crate) fn warnings(&self, has_secret: bool, has_token: bool) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.tls_ca.is_some() || !self.insecure {
            return warnings;
        }
        warnings.push("connections are not protected (`insecure`): whoever reaches the network reads and changes what goes over them".to_owned());
        if host::is_loopback(&self.host) {
            return warnings;
        }
        if !has_secret {
            warnings.push(
                "there is no secret: whoever has the binary and reaches the ports is taken for a process of this cluster; give all the same `secret-file`"
                    .to_owned(),
            );
        }
        if !has_token {
            warnings.push("there is no token: whoever reaches the HTTP port may run jobs; set `token-file`".to_owned());
        }
        warnings
    }
}
