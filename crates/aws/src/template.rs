//! Texts of templates: read from where they are, and handed to CloudFormation as its limits allow.

use std::fs;

use switchback_engine::ports::Failure;
use switchback_model::Digest;
use switchback_model::stack::{TemplatePlace, body_digest};
use ureq::Agent;

use crate::account::Account;
use crate::signed;

/// What CloudFormation takes in a request.
const INLINE: usize = 51_200;
/// What it takes from a bucket.
const LARGEST: usize = 1_000_000;

/// A template as a request carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// The one in use.
    Previous,
    /// Its text.
    Text(String),
    /// Where its text was put.
    Url(String),
}

/// Reads a template from an absolute path, a URL or a bucket (`s3://bucket/key`).
pub fn fetch(account: &Account, place: &str) -> Result<String, Failure> {
    let failed = |why: String| {
        Failure::new(
            "template-unreadable",
            format!("cannot read the template `{place}`"),
        )
        .cause(why)
        .state("AWS", "nothing was changed")
        .hint("correct `templates` of the deployment, or put the file there")
    };
    let bytes = if let Some(rest) = place.strip_prefix("s3://") {
        let (bucket, key) = rest
            .split_once('/')
            .ok_or_else(|| failed("an address in a bucket is `s3://bucket/key`".to_owned()))?;
        signed::s3_get(account, bucket, key)
            .map_err(|fault| fault.failure(format!("cannot read the template `{place}`")))?
    } else if place.starts_with("https://") || place.starts_with("http://") {
        download(account, place).map_err(failed)?
    } else {
        fs::read(place).map_err(|error| failed(error.to_string()))?
    };
    let size = bytes.len();
    if size > LARGEST {
        return Err(failed(format!(
            "it has {size} bytes, and CloudFormation takes {LARGEST}"
        )));
    }
    String::from_utf8(bytes).map_err(|_| failed("it is not text".to_owned()))
}

fn download(account: &Account, url: &str) -> Result<Vec<u8>, String> {
    if let Some(why) = account.reachable.refuses(url) {
        return Err(why);
    }
    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(std::time::Duration::from_secs(60)))
        .build()
        .into();
    let mut answer = agent.get(url).call().map_err(|error| error.to_string())?;
    if !answer.status().is_success() {
        return Err(format!("the server answers {}", answer.status()));
    }
    let limit = u64::try_from(LARGEST + 1).unwrap_or(u64::MAX);
    answer
        .body_mut()
        .with_config()
        .limit(limit)
        .read_to_vec()
        .map_err(|error| error.to_string())
}

/// What is sent for `place`: only the text that was planned with, and through `bucket` where it is long.
pub(crate) fn body(
    account: &Account,
    place: Option<&TemplatePlace>,
    bucket: Option<&str>,
) -> Result<Body, Failure> {
    let Some(place) = place else {
        return Ok(Body::Previous);
    };
    let text = fetch(account, &place.place)?;
    let found = body_digest(&text);
    if found != place.digest {
        return Err(Failure::new(
            "template-differs",
            format!(
                "the template `{}` is not the one that was planned with",
                place.place
            ),
        )
        .cause(format!(
            "{} was planned with, {} is there",
            place.digest.short(),
            found.short()
        ))
        .state("AWS", "nothing was changed")
        .hint("put the old text back, or plan again"));
    }
    if text.len() <= INLINE {
        return Ok(Body::Text(text));
    }
    let Some(bucket) = bucket else {
        return Err(Failure::new(
            "template-too-long",
            format!(
                "the template `{}` has {} bytes, and a request takes {INLINE}",
                place.place,
                text.len()
            ),
        )
        .state("AWS", "nothing was changed")
        .hint("name a bucket of this account: `bucket` of the deployment"));
    };
    upload(account, bucket, &found, &text)
}

/// Where a long template is put. What is there under its digest is the same text, so nobody's change is lost.
fn upload(account: &Account, bucket: &str, digest: &Digest, text: &str) -> Result<Body, Failure> {
    let key = format!("switchback/{}.template", digest.as_str());
    signed::s3_put(account, bucket, &key, text.as_bytes()).map_err(|fault| {
        fault.failure(format!("cannot put a template into the bucket `{bucket}`"))
    })?;
    Ok(Body::Url(signed::s3_url(account, bucket, &key)))
}
