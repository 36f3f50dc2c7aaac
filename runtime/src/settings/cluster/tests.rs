//! Tests of the table, and of what settings have to be together.

use std::collections::BTreeSet;

use super::*;
use crate::settings::Origin;

fn given(values: &[(&str, &str)]) -> ClusterGiven {
    let mut given = ClusterGiven::default();
    for (name, text) in values {
        given.put(name, text, Origin::Flag).unwrap_or_else(|message| panic!("{message}"));
    }
    given
}

#[track_caller]
fn check(values: &[(&str, &str)], role: Role, wanted: &str) {
    let given = given(values);
    let message = given.check(&given.settings(), role).err().unwrap_or_default();
    assert!(if wanted.is_empty() { message.is_empty() } else { message.contains(wanted) }, "{message}");
}

const FILES: [(&str, &str); 3] = [("tls-ca", "ca.pem"), ("tls-cert", "a.pem"), ("tls-key", "a.key")];

#[test]
fn every_key_reads_what_it_shows() {
    let names: BTreeSet<_> = CLUSTER_KEYS.iter().map(|key| key.name).collect();
    assert_eq!(names.len(), CLUSTER_KEYS.len());
    for key in CLUSTER_KEYS {
        let (settings, mut again) = (ClusterSettings::default(), ClusterSettings::default());
        key.set(&mut again, &key.show(&settings)).unwrap_or_else(|allowed| panic!("{}: {allowed}", key.name));
        assert_eq!(again, settings, "{}", key.name);
        assert!(!key.doc.is_empty() && !key.doc.ends_with('.'), "{}", key.name);
    }
}

#[test]
fn the_guide_has_every_key() {
    let guide = include_str!("../../../../docs/guide/cluster.md");
    let rows = guide.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let names: Vec<_> = rows.map(|(name, _)| name).collect();
    assert_eq!(names, CLUSTER_KEYS.iter().map(|key| key.name).collect::<Vec<_>>());
}

#[test]
fn every_key_sets_its_own_field() {
    let mut seen = BTreeSet::new();
    for (name, text) in [
        ("host", "10.0.0.1"),
        ("advertise", "a"),
        ("port", "1"),
        ("rest-port", "1"),
        ("data-port", "1"),
        ("storage", "d"),
        ("object-store-endpoint", "http://127.0.0.1:1"),
        ("object-store-region", "eu"),
        ("object-store-allow-http", "true"),
        ("jobmanager", "a:1,[::1]:2"),
        ("slots", "1000"),
        ("memory", "1MiB"),
        ("heartbeat-interval", "2s"),
        ("heartbeat-timeout", "9s"),
        ("parallelism", "127"),
        ("slot-timeout", "9s"),
        ("retained-jobs", "7"),
        ("provider", "local"),
        ("provider-slots", "1000"),
        ("provider-most", "1"),
        ("provider-idle", "9s"),
        ("secret-file", "f"),
        ("token-file", "f"),
        ("tls-ca", "f"),
        ("tls-cert", "f"),
        ("tls-key", "f"),
        ("insecure", "true"),
    ] {
        let settings = given(&[(name, text)]).settings();
        let changed = CLUSTER_KEYS.iter().filter(|key| key.show(&settings) != key.show(&ClusterSettings::default()));
        assert_eq!(changed.map(|key| key.name).collect::<Vec<_>>(), [name]);
        assert_eq!(ClusterKey::find(name).map(|key| key.show(&settings)), Ok(text.to_owned()));
        seen.insert(name);
    }
    assert_eq!(seen.len(), CLUSTER_KEYS.len(), "all keys are tried");
}

#[test]
fn mistakes_say_where_they_are_and_what_was_meant() {
    let put = |name, text, origin| ClusterGiven::default().put(name, text, origin).expect_err("it is wrong");
    let file = || Origin::File { path: "a.toml".into(), line: 3 };
    assert!(
        put("hosts", "a", file())
            .starts_with("a.toml:3: there is no setting `hosts` of a cluster; did you mean `host`?")
    );
    assert_eq!(
        put("port", "70000", file()),
        "invalid value '70000' for 'cluster.port' (a.toml:3): a whole number from 0 to 65535 is expected"
    );
    assert!(
        put("slots", "0", Origin::Flag)
            .starts_with("invalid value '0' for '--slots <N>': a whole number from 1 to 1024")
    );
    assert!(put("host", "a b", Origin::Variable("MILLSTREAM_CLUSTER_HOST".into())).starts_with(
        "invalid value 'a b' for the environment variable 'MILLSTREAM_CLUSTER_HOST': a name or an address"
    ));
    assert!(put("jobmanager", "a:1,b", Origin::Flag).contains("'--jobmanager <HOST:PORT,..>': hosts with ports"));
    assert!(put("insecure", "perhaps", file()).ends_with("true or false is expected"));
    assert!(
        put("secret", "xyzzy", file()).contains("secret-file") && !put("secret", "xyzzy", file()).contains("xyzzy")
    );
}

#[test]
fn nothing_leaves_the_machine_unprotected_by_accident() {
    let far: (&str, &str) = ("host", "10.0.0.1");
    for role in [Role::JobManager, Role::TaskManager, Role::Both] {
        check(&[], role, "");
        check(&[("host", "::1")], role, "");
        check(
            &[far],
            role,
            "'--host <HOST>': other machines may reach `10.0.0.1`, and nothing protects the connections",
        );
        check(&[far], role, "`--tls-ca`, `--tls-cert` and `--tls-key`");
        check(&[far], role, "`--insecure`");
        check(&[("host", "node-1")], role, "other machines may reach `node-1`");
        check(&[far, ("insecure", "true")], role, "");
        check(&[far, ("insecure", "false")], role, "nothing protects");
    }
    let remote = ("jobmanager", "127.0.0.1:1,node-2:1");
    check(&[remote], Role::TaskManager, "'--jobmanager <HOST:PORT,..>': `node-2:1` may be another machine");
    check(&[remote], Role::JobManager, "");
    check(&[remote, ("insecure", "true")], Role::TaskManager, "");
}

#[test]
fn files_of_tls_go_together() {
    for (missing, _) in FILES {
        let two: Vec<_> = FILES.into_iter().filter(|(name, _)| *name != missing).collect();
        check(&two, Role::JobManager, &format!("is given, but not `--{missing}`"));
    }
    let all = [&FILES[..], &[("host", "10.0.0.1")]].concat();
    let wanted = if cfg!(feature = "tls") { "" } else { "this binary was built without TLS" };
    check(&all, Role::TaskManager, wanted);
}

#[test]
fn others_have_to_be_told_an_address_that_leads_here() {
    let all = [("host", "0.0.0.0"), ("insecure", "true")];
    check(&all, Role::Both, "'--host <HOST>' stands for all addresses of this machine: say by `--advertise`");
    check(&[&all[..], &[("advertise", "node-1")]].concat(), Role::Both, "");
    check(&[("advertise", "::")], Role::Both, "nobody reaches this process");
    assert_eq!(given(&[("host", "node-1")]).settings().reached_at().as_deref(), Some("node-1"));
    assert_eq!(given(&[("advertise", "::1")]).settings().reached_at().as_deref(), Some("[::1]"));
    assert_eq!(given(&[]).settings().reached_at(), None);
    assert_eq!(given(&[("host", "[::1]")]).settings().address(5), "[::1]:5");
}

#[test]
fn a_timeout_is_longer_than_the_pause_between_heartbeats() {
    let both = [("heartbeat-interval", "3s"), ("heartbeat-timeout", "5s")];
    check(&both, Role::JobManager, "'--heartbeat-timeout <TIME>' is less than twice '--heartbeat-interval <TIME>'");
    check(&both, Role::TaskManager, "");
}

#[test]
fn what_is_dangerous_is_told() {
    let count = |values: &[(&str, &str)], secret, token| given(values).settings().warnings(secret, token).len();
    let open = [("host", "10.0.0.1"), ("insecure", "true")];
    assert_eq!(count(&[], false, false), 0);
    assert_eq!(count(&open, true, true), 1);
    assert_eq!(count(&open, false, false), 3);
    assert_eq!(count(&[&open[..], &FILES[..]].concat(), false, false), 0);
}
