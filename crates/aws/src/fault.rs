//! What AWS answers where it does not do what was asked, and what an operator is told of it.

use std::error::Error;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use switchback_engine::ports::Failure;

/// Why a call did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// There are no credentials, or what gives them fails.
    NoCredentials,
    /// There were some, and their time is over.
    Expired,
    /// AWS does not know or accept them.
    Unknown,
    /// They are good, and this is not allowed.
    Denied,
    /// A key of the customer's is not there, or may not be used.
    Key,
    /// Asked too fast, also after every repetition.
    Throttled,
    /// No answer came: whether it was done is not known.
    NoAnswer,
    /// The service itself failed.
    Service,
    /// The request was understood and refused; the code says why.
    Refused,
}

/// One call that did not succeed.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    /// E.g. `cloudformation:DescribeStacks`.
    pub(crate) action: String,
    pub(crate) kind: Kind,
    /// The code of AWS, e.g. `ValidationError`; empty where nothing answered.
    pub(crate) code: String,
    /// Its words, or those of what failed before AWS was asked.
    pub(crate) message: String,
}

impl Fault {
    /// What an SDK client says about `action`.
    pub(crate) fn of<E>(action: &str, error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let (code, message, status) = match &error {
            SdkError::ServiceError(answer) => (
                answer.err().code().unwrap_or_default().to_owned(),
                answer.err().message().unwrap_or_default().to_owned(),
                answer.raw().status().as_u16(),
            ),
            _ => (String::new(), String::new(), 0),
        };
        if matches!(error, SdkError::ServiceError(_)) {
            return Self::answered(action, code, message, status);
        }
        let words = chain(&error);
        Self {
            action: action.to_owned(),
            kind: if of_credentials(&error) {
                Kind::NoCredentials
            } else {
                Kind::NoAnswer
            },
            code,
            message: words,
        }
    }

    /// What AWS answered.
    pub(crate) fn answered(action: &str, code: String, message: String, status: u16) -> Self {
        Self {
            action: action.to_owned(),
            kind: kind(&code, &message, status),
            code,
            message,
        }
    }

    /// Nothing answered.
    pub(crate) fn unanswered(action: &str, why: impl ToString) -> Self {
        Self {
            action: action.to_owned(),
            kind: Kind::NoAnswer,
            code: String::new(),
            message: why.to_string(),
        }
    }

    /// There are no credentials.
    pub(crate) fn no_credentials(action: &str, why: String) -> Self {
        Self {
            action: action.to_owned(),
            kind: Kind::NoCredentials,
            code: String::new(),
            message: why,
        }
    }

    /// Whether it may have been done all the same.
    pub(crate) fn perhaps_done(&self) -> bool {
        matches!(self.kind, Kind::NoAnswer | Kind::Service)
    }

    /// Whether AWS answered with this code.
    pub(crate) fn is(&self, code: &str) -> bool {
        self.code == code
    }

    /// Whether the words of AWS contain `words`.
    pub(crate) fn says(&self, words: &str) -> bool {
        self.message.contains(words)
    }

    /// What is not allowed: for an encrypted bucket it is another action than the one that was asked for.
    fn demanded(&self) -> &str {
        let told = self.message.split_once("is not authorized to perform: ");
        let told = told.and_then(|(_, rest)| rest.split_whitespace().next());
        told.unwrap_or(&self.action)
    }

    /// What an operator is told; `what` names the effect that did not come about.
    pub(crate) fn failure(&self, what: impl Into<String>) -> Failure {
        let action = &self.action;
        let said = if self.code.is_empty() {
            self.message.clone()
        } else {
            format!("{}: {}", self.code, self.message)
        };
        let failure = |code: &str| Failure::new(code, what).cause(format!("`{action}`: {said}"));
        match self.kind {
            Kind::NoCredentials => failure("aws-credentials")
                .state("AWS", "was not asked")
                .hint("log in, or set AWS_PROFILE or `profile` of the deployment; `aws sts get-caller-identity` shows whether it works"),
            Kind::Expired => failure("aws-credentials-expired")
                .state("AWS", "refused the request; nothing was changed by it")
                .hint("log in again, then type the same command again: nothing that was done is done twice"),
            Kind::Unknown => failure("aws-credentials-refused")
                .state("AWS", "does not accept these credentials; nothing was changed by the request")
                .hint("check the profile, the clock of this machine, and that the key was not removed"),
            Kind::Denied => failure("aws-access-denied")
                .state("AWS", "refused the request; nothing was changed by it")
                .hint(format!(
                    "allow `{}` to the caller; the guide lists what each phase needs",
                    self.demanded()
                )),
            Kind::Key => failure("aws-key-refused")
                .state("AWS", "refused the request; nothing was changed by it")
                .hint("see that the key is enabled, and allow its use to the caller: the guide's list of what AWS must allow ends with keys"),
            Kind::Throttled => failure("aws-throttled")
                .state("AWS", "refused every repetition; nothing was changed by the request")
                .hint("something else in this account asks very often; wait a minute, then type the same command again"),
            Kind::NoAnswer => failure("aws-unreachable")
                .state("AWS", "unknown: no answer came")
                .hint("check the network, then type the same command again: what was asked for is looked up before it is asked for again"),
            Kind::Service => failure("aws-service")
                .state("AWS", "unknown: the service failed while it answered")
                .hint("look at the AWS health dashboard, then type the same command again"),
            Kind::Refused => failure("aws-refused"),
        }
    }
}

fn kind(code: &str, message: &str, status: u16) -> Kind {
    match code {
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" | "TokenRefreshRequired" => {
            Kind::Expired
        }
        "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException"
        | "IncompleteSignature"
        | "AuthFailure"
        | "InvalidAccessKeyId"
        | "MissingAuthenticationToken" => Kind::Unknown,
        "AccessDenied"
        | "AccessDeniedException"
        | "UnauthorizedOperation"
        | "UnauthorizedException"
        | "NotAuthorized" => Kind::Denied,
        // What a stack's own change is not allowed to do comes back as a validation error.
        "ValidationError" if message.contains("is not authorized to perform") => Kind::Denied,
        "KMSKeyNotAccessibleFault" | "InvalidKMSKeyFault" => Kind::Key,
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "TooManyRequestsException"
        | "SlowDown" => Kind::Throttled,
        _ if status >= 500 => Kind::Service,
        _ => Kind::Refused,
    }
}

fn of_credentials(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error
            .downcast_ref::<aws_credential_types::provider::error::CredentialsError>()
            .is_some()
        {
            return true;
        }
        next = error.source();
    }
    false
}

/// An error with everything below it, without repetitions.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let said = error.to_string();
        if !words.iter().any(|earlier| earlier.contains(&said)) {
            words.push(said);
        }
        next = error.source();
    }
    words.join(": ")
}

#[cfg(test)]
mod tests {
    use super::{Fault, Kind};

    fn fault(code: &str, message: &str, status: u16) -> Fault {
        Fault::answered(
            "cloudformation:DescribeStacks",
            code.to_owned(),
            message.to_owned(),
            status,
        )
    }

    #[test]
    fn a_denied_call_names_the_action_to_allow() {
        let denied = fault("AccessDenied", "User is not authorized", 403);
        let told = denied.failure("cannot read the stacks");
        assert_eq!(told.code, "aws-access-denied");
        assert!(
            told.hints[0].contains("`cloudformation:DescribeStacks`"),
            "{told:?}"
        );
        assert_eq!(told.state.len(), 1, "{told:?}");
    }

    #[test]
    fn a_key_that_may_not_be_used_is_what_is_to_be_allowed() {
        let user = "User: arn:aws:iam::1:user/ops is not authorized to perform:";
        let denied = fault(
            "AccessDenied",
            &format!("{user} kms:GenerateDataKey on resource: arn:aws:kms:eu-west-1:1:key/k"),
            403,
        );
        let told = denied.failure("cannot put a template");
        assert_eq!(
            told.hints,
            ["allow `kms:GenerateDataKey` to the caller; the guide lists what each phase needs"]
        );
        let refused = fault(
            "KMSKeyNotAccessibleFault",
            "you do not have permissions",
            400,
        );
        let told = refused.failure("cannot take a snapshot");
        assert_eq!(told.code, "aws-key-refused");
        assert!(told.hints[0].contains("ends with keys"), "{told:?}");
    }

    /// Every repetition was refused as well: the SDK and our own client give up after six.
    #[test]
    fn throttling_without_end_says_that_nothing_was_changed_and_to_wait() {
        let told = fault("Throttling", "Rate exceeded", 400).failure("cannot follow `prod-vpc`");
        assert_eq!(told.code, "aws-throttled");
        assert_eq!(told.what, "cannot follow `prod-vpc`");
        assert_eq!(
            told.causes,
            ["`cloudformation:DescribeStacks`: Throttling: Rate exceeded"]
        );
        assert_eq!(
            told.state[0].seen.as_deref(),
            Some("refused every repetition; nothing was changed by the request")
        );
        assert_eq!(
            told.hints,
            [
                "something else in this account asks very often; wait a minute, then type the same command again"
            ]
        );
    }

    #[test]
    fn codes_of_every_protocol_are_known() {
        for (code, kind) in [
            ("ExpiredToken", Kind::Expired),
            ("ExpiredTokenException", Kind::Expired),
            ("UnauthorizedOperation", Kind::Denied),
            ("RequestLimitExceeded", Kind::Throttled),
            ("ThrottlingException", Kind::Throttled),
            ("AuthFailure", Kind::Unknown),
            ("ValidationError", Kind::Refused),
        ] {
            assert_eq!(fault(code, "", 400).kind, kind, "{code}");
        }
        assert_eq!(fault("InternalFailure", "", 500).kind, Kind::Service);
        let hidden = fault(
            "ValidationError",
            "User: x is not authorized to perform: iam:PassRole",
            400,
        );
        assert_eq!(hidden.kind, Kind::Denied);
    }
}
