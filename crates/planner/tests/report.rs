//! The JSON of `switchback path`: other programs read it, so its shape is pinned here.

use serde_json::{Value, json};
use switchback_planner::path::{Query, Report, find};

fn report(query: &Query) -> Value {
    let product = switchback_catalog::load("the-things-stack")
        .expect("the product is built in")
        .expect("its definition is well-formed");
    serde_json::to_value(Report::of(&find(&product, query))).expect("a report is JSON")
}

const STOP: &str = "3.25.0 removed the Network Server migrations from before 3.24, so they have to be run by a 3.24 release";

#[test]
fn a_path() {
    let query = Query::new("3.23.2", "3.25.0")
        .edition("open-source")
        .driver("compose");
    assert_eq!(
        report(&query),
        json!({
            "format": 1,
            "product": "the-things-stack",
            "edition": "open-source",
            "driver": "compose",
            "from": "3.23.2",
            "to": "3.25.0",
            "outcome": "path",
            "because": [{
                "id": "ns-through-3.24",
                "text": STOP,
                "source": "CHANGELOG.md 3.25.0; code v3.25.0 cmd/ttn-lw-stack/commands/ns_db.go",
                "assumed": true
            }],
            "stages": [
                {
                    "to": "3.24.2",
                    "kind": "migrate",
                    "required_by": ["ns-through-3.24"],
                    "migrations": [
                        { "id": "ns-db", "run": ["ns-db", "migrate"], "demanded_by": [], "because": [STOP], "assumed": true }
                    ],
                    "assumed": true
                },
                {
                    "to": "3.25.0",
                    "kind": "run",
                    "required_by": [],
                    "migrations": [
                        { "id": "is-db", "run": ["is-db", "migrate"], "demanded_by": ["3.24.0"], "because": [
                            "3.24.0 adds serial numbers and LoRa Alliance profiles [CHANGELOG.md 3.24.0, release notes 3.24.0]"
                        ] }
                    ]
                }
            ],
            "optional_migrations": [{
                "id": "ns-db",
                "run": ["ns-db", "migrate"],
                "version": "3.25.0",
                "text": "deletes keys that are no longer used; it fails where ns-db of 3.15.0 to 3.24.2 never ran, and must not be forced on data from before 3.11",
                "source": "CHANGELOG.md 3.25.0, release notes 3.25.0; code v3.25.0 cmd/ttn-lw-stack/commands/ns_db.go"
            }],
            "notices": [{
                "id": "health-path",
                "version": "3.24.0",
                "kind": "behaviour",
                "text": "Health is asked for at /healthz; /healthz/live and /healthz/ready are gone. Load balancers and monitoring have to follow.",
                "source": "code v3.24.0 Dockerfile, pkg/component/web.go"
            }],
            "procedures": [],
            "templates": [],
            "deprecations": [
                {
                    "id": "gormstore-flag",
                    "version": "3.22.2",
                    "removed_in": "3.24.0",
                    "kind": "deprecation",
                    "text": "The experimental flag `is.gormstore` brings the old store back for a while only.",
                    "source": "CHANGELOG.md 3.22.2; code v3.24.0"
                },
                {
                    "id": "sender-client-ca",
                    "version": "3.24.0",
                    "kind": "deprecation",
                    "text": "The setting `interop.sender-client-ca` is going to be removed.",
                    "source": "CHANGELOG.md 3.24.0"
                },
                {
                    "id": "edcs-home-ns-id",
                    "version": "3.24.1",
                    "kind": "deprecation",
                    "text": "The setting `dcs.edcs.network-server.home-ns-id` is now `dcs.edcs.ns-id`.",
                    "source": "CHANGELOG.md 3.24.1"
                },
                {
                    "id": "device-transfer-claiming",
                    "version": "3.24.2",
                    "removed_in": "3.26.0",
                    "kind": "deprecation",
                    "text": "Claiming no longer transfers devices between applications.",
                    "source": "CHANGELOG.md 3.24.2; release notes 3.26.0"
                },
                {
                    "id": "nan-values",
                    "version": "3.25.0",
                    "kind": "deprecation",
                    "text": "NaN and Infinity in decoded payloads may not be shown by later releases.",
                    "source": "CHANGELOG.md 3.25.0"
                }
            ],
            "optional_procedures": [],
            "changes": [
                { "version": "3.24.0", "text": "Health is asked for at /healthz only" },
                {
                    "version": "3.24.0",
                    "text": "Serial number and vendor fields are gone from the version identifiers of devices"
                },
                { "version": "3.25.0", "text": "Network Server data from before 3.24 is no longer migrated" }
            ],
            "remarks": [],
            "questions": [{
                "probe": "ns-schema",
                "question": "which schema version the Network Server's devices have"
            }],
            "hints": []
        })
    );
}

#[test]
fn nothing_to_do() {
    let report = report(&Query::new("3.28.2", "3.28.2").edition("open-source"));
    assert_eq!(report["outcome"], "nothing-to-do");
    assert_eq!(report["stages"], json!([]));
    assert_eq!(report["because"], json!([]));
}

#[test]
fn a_refusal() {
    let report = report(&Query::new("3.9.1", "3.9.2").edition("open-source"));
    assert_eq!(report["outcome"], "refused");
    assert_eq!(
        report["because"],
        json!([{
            "id": "unknown-version:to",
            "text": "there is no release 3.9.2 of the-things-stack",
            "source": "definition of the-things-stack"
        }])
    );
    assert_eq!(
        report["hints"],
        json!(["known versions near it: 3.9.5, 3.9.4, 3.9.3"])
    );
}

#[test]
fn a_report_reads_back_as_it_was_written() {
    for to in ["3.32.1", "3.23.2", "3.9.2"] {
        let written = report(&Query::new("3.23.2", to).edition("open-source"));
        let read: Report = serde_json::from_value(written.clone()).expect("a report reads back");
        assert_eq!(
            serde_json::to_value(read).expect("a report is JSON"),
            written
        );
    }
}
