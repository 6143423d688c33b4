//! Who asks, and what is never asked. None of it needs a stand-in, so none of it is ever skipped.

use std::collections::BTreeMap;

use super::refusals::told;
use super::standins::{Kind, StandIn, settings};
use crate::{Account, Reachable, Settings};

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("temporary directory")
}

#[test]
fn a_forgotten_endpoint_reaches_nothing() {
    let directory = directory();
    let forgotten = settings(directory.path());
    let failure = Account::open(&forgotten).err().expect("refused");
    assert_eq!(failure.code, "aws-unreachable");
    assert!(
        failure.causes[0].contains("only this machine may be spoken to"),
        "{failure:?}"
    );
    let wrong = Settings {
        endpoints: BTreeMap::from([("sts".to_owned(), "http://192.0.2.1/".to_owned())]),
        ..forgotten
    };
    let failure = Account::open(&wrong).err().expect("refused");
    assert!(failure.causes[0].contains("`192.0.2.1`"), "{failure:?}");
}

#[test]
fn missing_credentials_and_a_missing_region_are_told_apart() {
    let directory = directory();
    let file = directory.path().join("config");
    std::fs::write(
        &file,
        "[profile bare]\nregion = eu-west-1\n[profile lost]\n",
    )
    .expect("written");
    let bare = Settings {
        profile: Some("bare".to_owned()),
        file: Some(file),
        reachable: Reachable::Loopback,
        ..Settings::default()
    };
    let failure = Account::open(&bare).err().expect("refused");
    assert_eq!(failure.code, "aws-credentials", "{failure:?}");
    let said = told(&failure);
    assert!(
        said.starts_with("cannot tell whose account this is\ncaused by: `sts:GetCallerIdentity`: "),
        "{said}"
    );
    assert!(
        said.contains("\nstate: AWS: was not asked\nhint: log in, or set AWS_PROFILE"),
        "{said}"
    );
    let lost = Settings {
        profile: Some("lost".to_owned()),
        ..bare
    };
    let failure = Account::open(&lost).err().expect("refused");
    assert_eq!(
        told(&failure),
        "no AWS region is configured\n\
         state: AWS: nothing was asked, nothing was changed\n\
         hint: set `region` of the deployment, or AWS_REGION, or `region` in the profile\n"
    );
}

/// Relies on F5 (moto, ok): `GetCallerIdentity`.
#[test]
fn the_account_is_the_one_that_was_planned_for() {
    let Some(moto) = StandIn::start(Kind::Moto) else {
        return;
    };
    let account = moto.account();
    assert_eq!(account.identity().region, "us-east-1");
    let planned = crate::whose(&account);
    assert_eq!(planned.partition, "aws");
    assert!(account.must_be(&planned).is_ok());
    let mut other = planned.clone();
    other.id = "999999999999".to_owned();
    let mut elsewhere = planned;
    elsewhere.region = "eu-west-1".to_owned();
    for (wrong, code, what, hint) in [
        (
            other,
            "aws-account",
            "the credentials are for account 123456789012 in us-east-1, and this is for 999999999999 in us-east-1",
            "choose the profile or role of that account, and its region",
        ),
        (
            elsewhere,
            "aws-region-differs",
            "the region is us-east-1, and this is for eu-west-1 of the same account",
            "set region = \"eu-west-1\" under [aws] in switchback.toml, or AWS_REGION",
        ),
    ] {
        let failure = account.must_be(&wrong).expect_err("another account");
        assert_eq!((failure.code.as_str(), failure.what.as_str()), (code, what));
        assert_eq!(failure.hints, [hint]);
        assert_eq!(
            failure.state[0].seen.as_deref(),
            Some("nothing was changed")
        );
    }
    let role = Settings {
        role: Some("arn:aws:iam::123456789012:role/upgrades".to_owned()),
        ..moto.settings()
    };
    let assumed = Account::open(&role).expect("the role is assumed");
    assert_eq!(
        crate::whose(&assumed).caller,
        "arn:aws:sts::123456789012:assumed-role/upgrades"
    );
}
