//! The operator's own registry logins, as `docker login` left them.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::auth::DockerCredentials;
use serde_json::Value;
use switchback_engine::process::{Argv, Commands, Input, Output};

/// Docker Hub's key in the client's configuration.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// What a registry wants to hear of us, or `None` where nobody logged in. Never fails: without a
/// login the registry says itself what is missing.
pub(super) fn of_registry(registry: &str, commands: &Commands) -> Option<DockerCredentials> {
    let config = std::fs::read_to_string(client_directory()?.join("config.json")).ok()?;
    let config: Value = serde_json::from_str(&config).ok()?;
    let server = match registry {
        "docker.io" | "index.docker.io" => DOCKER_HUB,
        other => other,
    };
    let found = match helper_of(&config, server) {
        Some(helper) => from_helper(&helper, server, commands),
        None => from_file(&config, server),
    }?;
    for secret in [&found.password, &found.identitytoken]
        .into_iter()
        .flatten()
    {
        commands.redactor().register(secret);
    }
    Some(found)
}

/// The context that the client has chosen, where it is not the default one.
pub(super) fn current_context() -> Option<String> {
    let config = std::fs::read_to_string(client_directory()?.join("config.json")).ok()?;
    let config: Value = serde_json::from_str(&config).ok()?;
    let context = config["currentContext"].as_str()?;
    (!context.is_empty() && context != "default").then(|| context.to_owned())
}

fn client_directory() -> Option<PathBuf> {
    if let Some(directory) = std::env::var_os("DOCKER_CONFIG") {
        return Some(PathBuf::from(directory));
    }
    let home = std::env::var_os("HOME")?;
    Some(Path::new(&home).join(".docker"))
}

fn helper_of(config: &Value, server: &str) -> Option<String> {
    config["credHelpers"][server]
        .as_str()
        .or_else(|| config["credsStore"].as_str())
        .map(str::to_owned)
}

fn from_helper(helper: &str, server: &str, commands: &Commands) -> Option<DockerCredentials> {
    let argv = Argv::new(&format!("docker-credential-{helper}"), ["get"]);
    let answer = commands
        .run(&argv, Input::Bytes(server.as_bytes()), Output::Capture)
        .ok()?;
    let answer: Value = serde_json::from_str(&answer.stdout).ok()?;
    let secret = answer["Secret"].as_str()?.to_owned();
    let user = answer["Username"].as_str().unwrap_or_default();
    Some(if user == "<token>" {
        DockerCredentials {
            identitytoken: Some(secret),
            serveraddress: Some(server.to_owned()),
            ..DockerCredentials::default()
        }
    } else {
        named(user, &secret, server)
    })
}

fn from_file(config: &Value, server: &str) -> Option<DockerCredentials> {
    let entry = &config["auths"][server];
    if let Some(token) = entry["identitytoken"].as_str() {
        return Some(DockerCredentials {
            identitytoken: Some(token.to_owned()),
            serveraddress: Some(server.to_owned()),
            ..DockerCredentials::default()
        });
    }
    let decoded = STANDARD.decode(entry["auth"].as_str()?).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (user, password) = text.split_once(':')?;
    Some(named(user, password.trim_end_matches('\0'), server))
}

fn named(user: &str, password: &str, server: &str) -> DockerCredentials {
    DockerCredentials {
        username: Some(user.to_owned()),
        password: Some(password.to_owned()),
        serveraddress: Some(server.to_owned()),
        ..DockerCredentials::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_docker_login_wrote() {
        let config = serde_json::json!({
            "auths": {
                DOCKER_HUB: {"auth": STANDARD.encode("ann:s3cret:x")},
                "r.example": {"identitytoken": "t0ken"},
            },
            "credHelpers": {"gcr.io": "gcloud"},
        });
        let hub = from_file(&config, DOCKER_HUB).expect("logged in");
        assert_eq!(hub.username.as_deref(), Some("ann"));
        assert_eq!(hub.password.as_deref(), Some("s3cret:x"));
        let token = from_file(&config, "r.example").expect("logged in");
        assert_eq!(token.identitytoken.as_deref(), Some("t0ken"));
        assert_eq!(from_file(&config, "other.example"), None);
        assert_eq!(helper_of(&config, "gcr.io").as_deref(), Some("gcloud"));
        assert_eq!(helper_of(&config, "r.example"), None);
    }
}
