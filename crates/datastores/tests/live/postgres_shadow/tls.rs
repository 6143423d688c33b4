//! A server that lets nobody in over the network but by TLS.

use std::fs;

use switchback_engine::process::Secret;
use switchback_model::observed::Shadowing;

use super::site::{NAME, Site};
use crate::bench::UPGRADE;
use crate::certificate;
use crate::cluster::{PASSWORD, until};

#[test]
fn a_shadow_follows_by_tls_where_nothing_else_is_let_in() {
    let mut site = Site::new();
    // An address of this machine that no other test uses, for the port is everybody's.
    let address = format!("127.77.{}.{}", std::process::id() % 250, 5);
    let [certificate, key] = certificate::made(&site.cluster.bench.path(""));
    for path in [&certificate, &key] {
        site.cluster.give(path);
    }
    let secure =
        "hostssl all all samehost scram-sha-256\nhostssl replication all samehost scram-sha-256\n";
    let hba = format!("local all all scram-sha-256\n{secure}");
    fs::write(site.cluster.data().join("pg_hba.conf"), hba).expect("written");
    site.cluster.restart_with(&format!(
        "-c listen_addresses={address} -c ssl=on -c ssl_cert_file={} -c ssl_key_file={}",
        certificate.display(),
        key.display()
    ));
    let mut location = site.cluster.location("app", "admin");
    location.host = Some(address);
    site.cluster.bench.keep_by_shadow(NAME, &location);
    let password = || Some(Secret::new(PASSWORD));
    let reach = site.cluster.reach();
    let survey = switchback_datastores::survey(
        &NAME.into(),
        &location,
        reach,
        password(),
        &site.cluster.bench.commands,
    );
    assert_eq!(survey.expect("surveyed").shadow, Shadowing::Possible);
    site.store =
        switchback_datastores::open(&NAME.into(), &location, site.cluster.reach(), password());
    site.proven();
    let followers =
        "SELECT count(*) FROM pg_stat_replication JOIN pg_stat_ssl USING (pid) WHERE ssl";
    until("it follows by TLS", || site.sql(followers) == "1");
    site.within(UPGRADE, |store, cx| store.seal(cx).expect("seals"));
    site.sql("TRUNCATE users");
    site.rolled_back();
    assert_eq!(site.sql("SELECT count(*) FROM users"), "5000");
}
