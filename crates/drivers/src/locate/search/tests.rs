use std::path::PathBuf;

use switchback_model::DatastoreName;

use super::super::on_host;
use super::*;
use crate::compose::project::Project;

fn datastore(name: &str, kind: DatastoreKind, images: &[&str], variables: &[&str]) -> Datastore {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Datastore {
        name: DatastoreName::new(name),
        kind,
        images: owned(images),
        configured_by: owned(variables),
        default_directory: (kind == DatastoreKind::Files).then(|| "/srv/public/blob".to_owned()),
        optional: kind == DatastoreKind::Files,
        unsupported: Vec::new(),
        volatile: Vec::new(),
        configured_in: None,
    }
}

fn identity() -> Datastore {
    datastore(
        "identity",
        DatastoreKind::Postgres,
        &["postgres"],
        &["TTN_LW_IS_DATABASE_URI"],
    )
}

fn redis() -> Datastore {
    datastore(
        "redis",
        DatastoreKind::Redis,
        &["redis"],
        &["TTN_LW_REDIS_ADDRESS"],
    )
}

fn config() -> Config {
    serde_json::from_str(r#"{"product": "the-things-stack", "compose": {}}"#)
        .expect("a configuration")
}

fn product(datastores: Vec<Datastore>) -> switchback_model::product::Product {
    let mut product = crate::fixtures::product();
    product.datastores = datastores;
    product
}

/// Searches a project given as Compose would answer it.
fn find(
    answer: &str,
    wanted: &Datastore,
    config: &Config,
) -> Result<Option<DatastoreLocation>, Problem> {
    let project = Project::from_json(answer).expect("JSON");
    let component = project.service(&ServiceName::new("stack")).expect("stack");
    let product = product(vec![identity(), redis(), blobs()]);
    let settings = Settings::read(component, &product, &|_| None);
    Search {
        services: &project.services,
        component,
        settings: &settings,
        config,
        directory: &PathBuf::from("/srv/lorawan"),
        read: &settings_file::here,
        on_host: &|service, path| {
            on_host(project.service(service)?, path, &|volume| {
                Some(format!("/volumes/{volume}"))
            })
        },
    }
    .find(wanted)
}

fn blobs() -> Datastore {
    datastore(
        "blobs",
        DatastoreKind::Files,
        &[],
        &["TTN_LW_BLOB_LOCAL_DIRECTORY"],
    )
}

const ANSWER: &str = r#"{"name":"t","services":{
  "db":{"image":"postgres:14","environment":{"POSTGRES_USER":"root","POSTGRES_PASSWORD":"x"},
    "volumes":[{"type":"volume","source":"pg","target":"/var/lib/postgresql/data"}]},
  "cache":{"image":"redis:7","command":["redis-server","--appendonly","yes"],
    "volumes":[{"type":"bind","source":"/srv/redis","target":"/data"}]},
  "stack":{"image":"a/b:1","environment":{
      "TTN_LW_IS_DATABASE_URI":"postgres://root:s3cret@db:5432/ttn_lorawan?sslmode=disable",
      "TTN_LW_REDIS_ADDRESS":"cache:6380","TTN_LW_REDIS_PASSWORD":"y","TTN_LW_REDIS_DATABASE":"2"},
    "volumes":[{"type":"bind","source":"/srv/blob","target":"/srv/public/blob"}]}},
  "volumes":{"pg":{"name":"t_pg"}}}"#;

#[test]
fn postgres_is_found_by_the_products_own_setting() {
    let location = find(ANSWER, &identity(), &config())
        .expect("no problem")
        .expect("found");
    assert_eq!(
        location.access,
        Access::Container {
            service: ServiceName::new("db")
        }
    );
    assert_eq!(
        (location.host.as_deref(), location.port),
        (None, Some(5432))
    );
    assert_eq!(location.database.as_deref(), Some("ttn_lorawan"));
    assert_eq!(location.user.as_deref(), Some("root"));
    assert_eq!(
        location.password,
        Some(SecretRef::ServiceUri {
            service: ServiceName::new("stack"),
            variable: "TTN_LW_IS_DATABASE_URI".to_owned()
        })
    );
    assert_eq!(location.directory.as_deref(), Some("/volumes/t_pg"));
    assert_eq!(
        location.server_directory.as_deref(),
        Some("/var/lib/postgresql/data")
    );
}

#[test]
fn redis_behind_tls_is_reached_as_its_command_and_the_product_say() {
    let found = |command: &str, address: &str, options: BTreeMap<String, String>| {
        let answer = ANSWER
            .replace(r#""--appendonly","yes""#, command)
            .replace("cache:6380", address);
        let said = DatastoreConfig {
            options,
            ..DatastoreConfig::default()
        };
        let mut config = config();
        config.datastores.insert("redis".into(), said);
        let location = find(&answer, &redis(), &config).expect("no problem");
        location.expect("found").redis_tls().join(" ")
    };
    let tls = r#""--tls-port","6380","--tls-cert-file","/c/s.pem","--tls-key-file","/c/s.key""#;
    let none = BTreeMap::new;
    assert_eq!(
        found(tls, "cache:6380", none()),
        "--tls --cert /c/s.pem --key /c/s.key --insecure"
    );
    let open = format!(r#"{tls},"--tls-auth-clients","no""#);
    assert_eq!(found(&open, "cache:6380", none()), "--tls --insecure");
    assert_eq!(found(&open, "cache:6379", none()), "", "it takes both");
    let alone = format!(r#"{open},"--port","0""#);
    assert_eq!(found(&alone, "cache", none()), "--tls --insecure");
    assert_eq!(
        found("\"x\"", "rediss://cache:6380", none()),
        "--tls --insecure"
    );
    let authority = [("tls", "true"), ("tls-ca-file", "/c/ca.pem")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(
        found("\"x\"", "cache:6380", authority.into()),
        "--tls --cacert /c/ca.pem"
    );
}

#[test]
fn redis_takes_password_and_database_from_the_settings_beside_it() {
    let location = find(ANSWER, &redis(), &config())
        .expect("no problem")
        .expect("found");
    assert_eq!(
        location.access,
        Access::Container {
            service: ServiceName::new("cache")
        }
    );
    assert_eq!(
        (location.port, location.database.as_deref()),
        (Some(6380), Some("2"))
    );
    assert_eq!(
        location.password,
        Some(SecretRef::Service {
            service: ServiceName::new("stack"),
            variable: "TTN_LW_REDIS_PASSWORD".to_owned()
        })
    );
    assert_eq!(location.directory.as_deref(), Some("/srv/redis"));
}

#[test]
fn a_mounted_configuration_file_says_what_the_environment_does_not() {
    let directory = tempfile::tempdir().expect("temporary directory");
    std::fs::write(
        directory.path().join("stack.yml"),
        "is:\n  database-uri: postgres://u:p@db/tts\nredis:\n  address: cache:6379\nblob:\n  local:\n    directory: /srv/public/blob\n",
    )
    .expect("written");
    let answer = format!(
        r#"{{"name":"t","services":{{"db":{{"image":"postgres:14"}},"cache":{{"image":"redis:7"}},
        "stack":{{"image":"a/b:1","entrypoint":["stack","-c","/config/stack.yml"],
        "volumes":[{{"type":"bind","source":"{}","target":"/config"}}]}}}}}}"#,
        directory.path().display()
    );
    let location = find(&answer, &identity(), &config())
        .expect("no problem")
        .expect("found");
    assert_eq!(location.database.as_deref(), Some("tts"));
    assert_eq!(location.user.as_deref(), Some("u"));
    let location = find(&answer, &redis(), &config())
        .expect("no problem")
        .expect("found");
    assert_eq!(location.port, Some(6379));
    // Optional, and nothing on this host holds it.
    assert_eq!(find(&answer, &blobs(), &config()), Ok(None));
}

#[test]
fn without_settings_the_image_decides() {
    let answer = r#"{"name":"t","services":{"db":{"image":"docker.io/library/postgres:14",
        "environment":{"POSTGRES_USER":"ann","POSTGRES_PASSWORD":"x"}},"stack":{"image":"a/b:1"}}}"#;
    let location = find(answer, &identity(), &config())
        .expect("no problem")
        .expect("found");
    assert_eq!(location.database.as_deref(), Some("ann"));
    assert_eq!(
        location.password,
        Some(SecretRef::Service {
            service: ServiceName::new("db"),
            variable: "POSTGRES_PASSWORD".to_owned()
        })
    );
    let missing = find(answer, &redis(), &config()).expect_err("no redis");
    assert_eq!(missing.code, "datastore-missing");
    assert!(
        missing.state[0]
            .seen
            .as_deref()
            .is_some_and(|seen| seen.contains("TTN_LW_REDIS_ADDRESS"))
    );
}

#[test]
fn an_external_server_is_reached_from_this_host() {
    let answer = r#"{"name":"t","services":{"stack":{"image":"a/b:1",
        "environment":{"TTN_LW_IS_DATABASE_URI":"postgres://u:p@db.example:5433/tts"}}}}"#;
    let location = find(answer, &identity(), &config())
        .expect("no problem")
        .expect("found");
    assert_eq!(location.access, Access::Local);
    assert_eq!(location.host.as_deref(), Some("db.example"));
    assert_eq!(location.port, Some(5433));
}

#[test]
fn the_operators_word_wins() {
    let mut config = config();
    config.datastores.insert(
        DatastoreName::new("identity"),
        DatastoreConfig {
            service: Some(ServiceName::new("cache")),
            database: Some("other".to_owned()),
            password: Some(SecretRef::Env("PW".to_owned())),
            ..DatastoreConfig::default()
        },
    );
    let location = find(ANSWER, &identity(), &config)
        .expect("no problem")
        .expect("found");
    assert_eq!(
        location.access,
        Access::Container {
            service: ServiceName::new("cache")
        }
    );
    assert_eq!(location.database.as_deref(), Some("other"));
    assert_eq!(location.password, Some(SecretRef::Env("PW".to_owned())));
}

#[test]
fn required_files_that_no_volume_holds_are_a_problem() {
    let mut required = blobs();
    required.optional = false;
    let answer = r#"{"name":"t","services":{"stack":{"image":"a/b:1"}}}"#;
    let problem = find(answer, &required, &config()).expect_err("inside the container");
    assert_eq!(problem.code, "files-inside-container");
}
