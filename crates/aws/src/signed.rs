//! Calls to the services whose SDK costs more to build than the few calls are worth: EC2, Systems Manager,
//! CloudWatch Logs, S3. Signed with the account's credentials, fenced, counted and repeated like the others.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::thread;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SessionTokenMode, SignableBody, SignableRequest,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use aws_types::service_config::ServiceConfigKey;
use serde_json::Value;
use ureq::http::{HeaderMap, Request, Response};

use crate::account::Account;
use crate::fault::{Fault, Kind};
use crate::xml;

/// Tries of one call, the first included.
const ATTEMPTS: u32 = 6;
/// The longest pause before a second try; it doubles with every further one, and the pause taken is a random part.
const PAUSE: Duration = Duration::from_millis(400);
/// One try of a call.
const ATTEMPT: Duration = Duration::from_secs(60);
/// The largest answer that is read: a template has a megabyte at most.
const LARGEST: u64 = 64 << 20;

/// One service as requests and signatures name it.
#[derive(Clone, Copy)]
struct Service {
    /// In signatures, endpoints and policies.
    name: &'static str,
    /// In `AWS_ENDPOINT_URL_…`, as configuration spells it.
    id: &'static str,
}

const EC2: Service = Service {
    name: "ec2",
    id: "EC2",
};
const SSM: Service = Service {
    name: "ssm",
    id: "SSM",
};
const LOGS: Service = Service {
    name: "logs",
    id: "CloudWatch Logs",
};
const S3: Service = Service {
    name: "s3",
    id: "S3",
};

/// What one request carries.
struct Message<'a> {
    method: &'static str,
    /// Path and query, encoded.
    path: &'a str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    repeat: Repeat,
}

/// When a request that did not succeed is sent once more.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeat {
    /// Also where no answer came: done twice, it has done no more.
    Unanswered,
    /// Only where AWS has said that it did nothing.
    Refused,
}

/// An EC2 action; the answer is its XML.
pub(crate) fn ec2(
    account: &Account,
    action: &str,
    parameters: &[(&str, &str)],
) -> Result<String, Fault> {
    let mut form = format!("Action={action}&Version=2016-11-15");
    for (key, value) in parameters {
        form.push_str(&format!("&{key}={}", encoded(value, false)));
    }
    let message = Message {
        method: "POST",
        path: "/",
        headers: vec![(
            "content-type",
            "application/x-www-form-urlencoded; charset=utf-8".to_owned(),
        )],
        body: form.into_bytes(),
        repeat: Repeat::Unanswered,
    };
    let answer = call(account, EC2, &format!("ec2:{action}"), &message)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// An EC2 action about things with these ids. By a filter, for one id that no longer exists would fail the whole question.
pub(crate) fn ec2_by_ids(
    account: &Account,
    action: &str,
    filter: &str,
    ids: &[String],
) -> Result<String, Fault> {
    let keys: Vec<String> = (1..=ids.len())
        .map(|at| format!("Filter.1.Value.{at}"))
        .collect();
    let mut parameters = vec![("Filter.1.Name", filter)];
    parameters.extend(
        keys.iter()
            .zip(ids)
            .map(|(key, id)| (key.as_str(), id.as_str())),
    );
    ec2(account, action, &parameters)
}

/// A Systems Manager action.
pub(crate) fn ssm(account: &Account, action: &str, body: &Value) -> Result<Value, Fault> {
    let repeat = Repeat::Unanswered;
    json(account, SSM, &format!("AmazonSSM.{action}"), (body, repeat))
}

/// One that takes no token and would be done twice: where no answer came, the caller finds out.
pub(crate) fn ssm_once(account: &Account, action: &str, body: &Value) -> Result<Value, Fault> {
    let repeat = Repeat::Refused;
    json(account, SSM, &format!("AmazonSSM.{action}"), (body, repeat))
}

/// A CloudWatch Logs action.
pub(crate) fn logs(account: &Account, action: &str, body: &Value) -> Result<Value, Fault> {
    let repeat = Repeat::Unanswered;
    json(
        account,
        LOGS,
        &format!("Logs_20140328.{action}"),
        (body, repeat),
    )
}

/// Reads an object.
pub(crate) fn s3_get(account: &Account, bucket: &str, key: &str) -> Result<Vec<u8>, Fault> {
    let message = Message {
        method: "GET",
        path: &object_path(bucket, key),
        headers: Vec::new(),
        body: Vec::new(),
        repeat: Repeat::Unanswered,
    };
    call(account, S3, "s3:GetObject", &message)
}

/// Writes an object.
pub(crate) fn s3_put(
    account: &Account,
    bucket: &str,
    key: &str,
    bytes: &[u8],
) -> Result<(), Fault> {
    let message = Message {
        method: "PUT",
        path: &object_path(bucket, key),
        headers: vec![("content-type", "text/plain".to_owned())],
        body: bytes.to_vec(),
        repeat: Repeat::Unanswered,
    };
    call(account, S3, "s3:PutObject", &message).map(drop)
}

/// Whether a bucket keeps every version of its objects from now on.
pub(crate) fn s3_keeps_versions(account: &Account, bucket: &str) -> Result<bool, Fault> {
    const ACTION: &str = "s3:GetBucketVersioning";
    let message = Message {
        method: "GET",
        path: &format!("/{}?versioning=", encoded(bucket, false)),
        headers: Vec::new(),
        body: Vec::new(),
        repeat: Repeat::Unanswered,
    };
    let answer = call(account, S3, ACTION, &message)?;
    let text = String::from_utf8_lossy(&answer);
    let document = xml::parse(ACTION, &text)?;
    Ok(xml::text(document.root_element(), &["Status"]) == Some("Enabled"))
}

/// Versions of a bucket's objects, a page of them, behind this key and version.
pub(crate) fn s3_versions(
    account: &Account,
    bucket: &str,
    after: Option<&(String, String)>,
) -> Result<String, Fault> {
    let mut path = format!("/{}?versions=", encoded(bucket, false));
    if let Some((key, version)) = after {
        let (key, version) = (encoded(key, false), encoded(version, false));
        path = format!("{path}&key-marker={key}&version-id-marker={version}");
    }
    let message = Message {
        method: "GET",
        path: &path,
        headers: Vec::new(),
        body: Vec::new(),
        repeat: Repeat::Unanswered,
    };
    let answer = call(account, S3, "s3:ListBucketVersions", &message)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Makes a version of an object the newest one, with all that is said of it, by a copy.
pub(crate) fn s3_bring_back(
    account: &Account,
    bucket: &str,
    key: &str,
    version: &str,
) -> Result<(), Fault> {
    const ACTION: &str = "s3:PutObject";
    let path = object_path(bucket, key);
    let from = format!("{path}?versionId={}", encoded(version, false));
    let message = Message {
        method: "PUT",
        path: &path,
        headers: vec![("x-amz-copy-source", from)],
        body: Vec::new(),
        repeat: Repeat::Unanswered,
    };
    let answer = call(account, S3, ACTION, &message)?;
    // S3 begins to answer before it has copied: what went wrong then is told in an answer that says it went well.
    if String::from_utf8_lossy(&answer).contains("<Error>") {
        let (code, words) = refusal(&HeaderMap::new(), &answer);
        return Err(Fault::answered(ACTION, code, words, 200));
    }
    Ok(())
}

/// Deletes an object, as the product does.
#[cfg(test)]
pub(crate) fn s3_delete(account: &Account, bucket: &str, key: &str) {
    let message = Message {
        method: "DELETE",
        path: &object_path(bucket, key),
        headers: Vec::new(),
        body: Vec::new(),
        repeat: Repeat::Unanswered,
    };
    call(account, S3, "s3:DeleteObject", &message).expect("it is deleted");
}

/// Makes a bucket, as an operator has one.
#[cfg(test)]
pub(crate) fn s3_make_bucket(account: &Account, bucket: &str) {
    let message = Message {
        method: "PUT",
        path: &format!("/{bucket}"),
        headers: Vec::new(),
        body: Vec::new(),
        repeat: Repeat::Unanswered,
    };
    call(account, S3, "s3:CreateBucket", &message).expect("a bucket is made");
}

/// Where CloudFormation finds an object.
pub(crate) fn s3_url(account: &Account, bucket: &str, key: &str) -> String {
    format!("{}{}", endpoint(account, S3), object_path(bucket, key))
}

fn object_path(bucket: &str, key: &str) -> String {
    format!("/{}/{}", encoded(bucket, false), encoded(key, true))
}

fn json(
    account: &Account,
    service: Service,
    target: &str,
    (body, repeat): (&Value, Repeat),
) -> Result<Value, Fault> {
    let message = Message {
        method: "POST",
        path: "/",
        headers: vec![
            ("content-type", "application/x-amz-json-1.1".to_owned()),
            ("x-amz-target", target.to_owned()),
        ],
        body: body.to_string().into_bytes(),
        repeat,
    };
    let action = target.rsplit('.').next().unwrap_or_default();
    let name = format!("{}:{action}", service.name);
    let answer = call(account, service, &name, &message)?;
    if answer.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&answer).map_err(|error| Fault::unanswered(&name, error))
}

/// Sends it, again where AWS is too busy; and where nothing answers, if the message allows that.
fn call(
    account: &Account,
    service: Service,
    action: &str,
    message: &Message<'_>,
) -> Result<Vec<u8>, Fault> {
    account.calls().called(action.to_owned());
    let url = format!("{}{}", endpoint(account, service), message.path);
    if let Some(why) = account.reachable.refuses(&url) {
        return Err(Fault::unanswered(action, why));
    }
    let mut tried = 0;
    loop {
        let credentials = account
            .credentials()
            .map_err(|why| Fault::no_credentials(action, why))?;
        account.calls().sent(action.to_owned());
        let fault = match send(account, service, action, message, &url, &credentials) {
            Ok(answer) => return Ok(answer),
            Err(fault) => fault,
        };
        tried += 1;
        let again = match fault.kind {
            Kind::Throttled => true,
            Kind::Service | Kind::NoAnswer => message.repeat == Repeat::Unanswered,
            _ => false,
        };
        if !again || tried == ATTEMPTS {
            return Err(fault);
        }
        thread::sleep(part_of(PAUSE * (1 << (tried - 1))));
    }
}

fn send(
    account: &Account,
    service: Service,
    action: &str,
    message: &Message<'_>,
    url: &str,
    credentials: &Credentials,
) -> Result<Vec<u8>, Fault> {
    let unsent = |error: &dyn ToString| Fault::unanswered(action, error.to_string());
    let mut request = Request::builder()
        .method(message.method)
        .uri(url)
        .body(message.body.clone())
        .map_err(|error| unsent(&error))?;
    for (name, value) in &message.headers {
        let value = value.parse().map_err(|error| unsent(&error))?;
        request.headers_mut().insert(*name, value);
    }
    let region = &account.identity().region;
    for (name, value) in
        signature(service, region, message, url, credentials).map_err(|e| unsent(&e))?
    {
        let name: ureq::http::HeaderName = name.parse().map_err(|error| unsent(&error))?;
        let value = value.parse().map_err(|error| unsent(&error))?;
        request.headers_mut().insert(name, value);
    }
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(ATTEMPT))
        .build()
        .into();
    let answer = || agent.run(request);
    #[cfg(test)]
    let answer = || account.calls().waiting(answer);
    let answer = answer().map_err(|error| unsent(&error))?;
    #[cfg(test)]
    account.calls().done(action);
    read(action, answer)
}

fn read(action: &str, mut answer: Response<ureq::Body>) -> Result<Vec<u8>, Fault> {
    let status = answer.status();
    let headers = answer.headers().clone();
    let bytes = answer
        .body_mut()
        .with_config()
        .limit(LARGEST)
        .read_to_vec()
        .map_err(|error| Fault::unanswered(action, error))?;
    if status.is_success() {
        return Ok(bytes);
    }
    let (code, message) = refusal(&headers, &bytes);
    Err(Fault::answered(action, code, message, status.as_u16()))
}

/// Code and words of an error, in JSON or in XML.
fn refusal(headers: &HeaderMap, bytes: &[u8]) -> (String, String) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(value) = serde_json::from_slice::<Value>(bytes) {
        let named = headers
            .get("x-amzn-errortype")
            .and_then(|value| value.to_str().ok())
            .or_else(|| value["__type"].as_str())
            .unwrap_or_default();
        // `com.amazonaws.ssm#InvalidInstanceId:http://…`
        let code = named.rsplit('#').next().unwrap_or_default();
        let code = code.split(':').next().unwrap_or_default();
        let words = value["message"].as_str().or(value["Message"].as_str());
        return (code.to_owned(), words.unwrap_or_default().to_owned());
    }
    let first = |name: &str| {
        let document = roxmltree::Document::parse(&text).ok()?;
        let node = document
            .descendants()
            .find(|node| node.has_tag_name(name))?;
        node.text().map(str::to_owned)
    };
    match (first("Code"), first("Message")) {
        (None, None) => (String::new(), text.chars().take(300).collect()),
        (code, words) => (code.unwrap_or_default(), words.unwrap_or_default()),
    }
}

fn signature(
    service: Service,
    region: &str,
    message: &Message<'_>,
    url: &str,
    credentials: &Credentials,
) -> Result<Vec<(String, String)>, String> {
    let mut settings = SigningSettings::default();
    settings.session_token_mode = SessionTokenMode::Include;
    if service.name == "s3" {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    let identity = credentials.clone().into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service.name)
        .time(SystemTime::now())
        .settings(settings)
        .build()
        .map_err(|error| error.to_string())?
        .into();
    let headers = message
        .headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()));
    let signable = SignableRequest::new(
        message.method,
        url,
        headers,
        SignableBody::Bytes(&message.body),
    )
    .map_err(|error| error.to_string())?;
    let (instructions, _) = sign(signable, &parameters)
        .map_err(|error| error.to_string())?
        .into_parts();
    Ok(instructions
        .headers()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}

/// Where a service is: as the settings, the environment and the profile say, else AWS itself.
fn endpoint(account: &Account, service: Service) -> String {
    if let Some(url) = account.endpoints.get(service.name) {
        return url.trim_end_matches('/').to_owned();
    }
    let own = key(service).and_then(|key| {
        account
            .config
            .service_config()
            .and_then(|config| config.load_config(key))
    });
    let general = || account.config.endpoint_url().map(str::to_owned);
    if let Some(url) = own.or_else(general) {
        return url.trim_end_matches('/').to_owned();
    }
    let region = &account.identity().region;
    let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
    format!("https://{}.{region}.amazonaws.com{suffix}", service.name)
}

fn key(service: Service) -> Option<ServiceConfigKey<'static>> {
    ServiceConfigKey::builder()
        .service_id(service.id)
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()
        .ok()
}

/// Percent encoding as signatures want it.
fn encoded(text: &str, slashes: bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte));
            }
            b'/' if slashes => encoded.push('/'),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// A random part of it, so that several who wait do not come back at once.
fn part_of(whole: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish();
    whole.mul_f64((random % 1_000) as f64 / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::{encoded, refusal};
    use ureq::http::HeaderMap;

    #[test]
    fn keys_are_encoded_as_signatures_want_them() {
        assert_eq!(encoded("a/b c+ü~", true), "a/b%20c%2B%C3%BC~");
        assert_eq!(encoded("a/b", false), "a%2Fb");
    }

    #[test]
    fn refusals_are_read_in_both_dialects() {
        let xml = "<Response><Errors><Error><Code>InvalidVolume.NotFound</Code><Message>no</Message></Error></Errors></Response>";
        let read = refusal(&HeaderMap::new(), xml.as_bytes());
        assert_eq!(read, ("InvalidVolume.NotFound".into(), "no".into()));
        let json = br#"{"__type":"com.amazonaws.ssm#InvalidInstanceId","Message":"gone"}"#;
        let read = refusal(&HeaderMap::new(), json);
        assert_eq!(read, ("InvalidInstanceId".into(), "gone".into()));
        assert_eq!(refusal(&HeaderMap::new(), b"<html>").1, "<html>");
    }
}
