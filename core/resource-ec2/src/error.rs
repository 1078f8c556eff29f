//! From what went wrong on the wire to what the engine has to know: which kind of failure, and above all
//! whether the call may have taken effect.

use std::error::Error;
use std::time::Duration;

use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use occopus_engine::handler::{ErrorKind, HandlerError, Place};

/// Longest part of the service's own message that is passed on, in characters.
const MESSAGE_LENGTH: usize = 400;

/// What a call would do to the cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It only looks.
    Read,
    /// It creates or deletes.
    Change,
}

impl Effect {
    /// The kind of a failure that leaves open whether the call was carried out.
    fn in_doubt(self) -> ErrorKind {
        match self {
            Self::Read => ErrorKind::Transient,
            Self::Change => ErrorKind::UnknownOutcome,
        }
    }
}

/// How far a failed call got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The request could not even be written.
    Unwritten,
    /// There was no connection over which it could have been sent.
    Unsent,
    /// It may have been sent; there is no answer.
    Unanswered,
    /// The service answered with this HTTP status.
    Answered(u16),
}

/// A failed call, free of the SDK's generic types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) stage: Stage,
    pub(crate) code: Option<String>,
    pub(crate) message: String,
    pub(crate) retry_after: Option<Duration>,
}

impl<E> From<SdkError<E>> for Failure
where
    E: Error + ProvideErrorMetadata + 'static,
{
    fn from(error: SdkError<E>) -> Self {
        let response = error.raw_response();
        let stage = match &error {
            SdkError::ConstructionFailure(_) => Stage::Unwritten,
            _ if never_connected(&error) => Stage::Unsent,
            _ => response.map_or(Stage::Unanswered, |raw| Stage::Answered(raw.status().as_u16())),
        };
        let retry_after = response
            .and_then(|raw| raw.headers().get("retry-after"))
            .and_then(|seconds| seconds.trim().parse().ok())
            .map(Duration::from_secs);
        let message = match &error {
            SdkError::TimeoutError(_) => "no answer in time".to_owned(),
            _ => error.message().map_or_else(|| causes(&error), str::to_owned),
        };
        Self { stage, code: error.code().map(str::to_owned), message, retry_after }
    }
}

/// Whether the failure came while the connection was made: name look-up, TCP, TLS.
fn never_connected(error: &(dyn Error + 'static)) -> bool {
    chain(error)
        .filter_map(|cause| cause.downcast_ref::<hyper_util::client::legacy::Error>())
        .any(hyper_util::client::legacy::Error::is_connect)
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |cause| (*cause).source())
}

/// The innermost causes in their own words; the outer ones only repeat that there was a failure.
fn causes(error: &(dyn Error + 'static)) -> String {
    let words: Vec<String> = chain(error).skip(1).map(ToString::to_string).collect();
    let innermost = words.len().saturating_sub(2);
    words.get(innermost..).unwrap_or_default().join(": ")
}

/// The call that failed, for the message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) place: &'a Place,
    pub(crate) operation: &'static str,
    pub(crate) effect: Effect,
    /// A text of the request that must not come back in a message (user data).
    pub(crate) secret: Option<&'a str>,
}

impl Call<'_> {
    /// The error of this call: where, what, why and what to do.
    pub(crate) fn error(&self, failure: Failure) -> HandlerError {
        let kind = failure.kind(self.effect);
        let reason = self.reason(&failure);
        let remedy = failure.remedy(kind);
        let message = format!("{}: {} failed: {reason}; {remedy}", self.place, self.operation);
        HandlerError { kind, message, retry_after: failure.retry_after }
    }

    fn reason(&self, failure: &Failure) -> String {
        let code = failure.code.as_deref().unwrap_or_default();
        let mut words = failure.message.lines().next().unwrap_or_default().to_owned();
        if let Some(secret) = self.secret {
            words = words.replace(secret, "…");
        }
        let words: String = words.trim().trim_end_matches('.').chars().take(MESSAGE_LENGTH).collect();
        match failure.stage {
            // The SDK's own words are about XML here.
            Stage::Answered(status) if code.is_empty() => {
                format!("HTTP status {status} with an answer that is none of the EC2 API")
            }
            _ if code.is_empty() => words,
            _ => format!("{code}: {words}"),
        }
    }
}

impl Failure {
    /// What to do about a failure of `kind`.
    fn remedy(&self, kind: ErrorKind) -> &'static str {
        let answered = matches!(self.stage, Stage::Answered(_));
        match self.code.as_deref() {
            None if answered && kind == ErrorKind::Invalid => "check host, port and path of the endpoint",
            code => code.and_then(remedy_of_code).unwrap_or_else(|| remedy_of_kind(kind, answered)),
        }
    }

    /// The kind of a failure of a call with `effect`.
    fn kind(&self, effect: Effect) -> ErrorKind {
        match self.stage {
            Stage::Unwritten => ErrorKind::Invalid,
            Stage::Unsent => ErrorKind::Transient,
            Stage::Unanswered => effect.in_doubt(),
            Stage::Answered(status) => self
                .code
                .as_deref()
                .and_then(|code| kind_of_code(code, effect))
                .unwrap_or_else(|| kind_of_status(status, effect)),
        }
    }
}

/// The kind of an error code; `None` for codes that say no more than their HTTP status.
fn kind_of_code(code: &str, effect: Effect) -> Option<ErrorKind> {
    let kind = match code {
        "RequestLimitExceeded"
        | "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "EC2ThrottledException"
        | "TooManyRequestsException"
        | "BandwidthLimitExceeded"
        | "SlowDown" => ErrorKind::Throttled,
        "InstanceLimitExceeded"
        | "VcpuLimitExceeded"
        | "VolumeLimitExceeded"
        | "NetworkInterfaceLimitExceeded"
        | "PrivateIpAddressLimitExceeded"
        | "MaxIOPSLimitExceeded"
        | "ResourceLimitExceeded"
        | "QuotaExceeded" => ErrorKind::Quota,
        "AuthFailure"
        | "UnauthorizedOperation"
        | "AccessDenied"
        | "AccessDeniedException"
        | "Blocked"
        | "ExpiredToken"
        | "IncompleteSignature"
        | "InvalidAccessKeyId"
        | "InvalidClientTokenId"
        | "MissingAuthenticationToken"
        | "OptInRequired"
        | "PendingVerification"
        | "RequestExpired"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException" => ErrorKind::Auth,
        "InternalError" | "InternalFailure" | "ServiceUnavailable" | "Unavailable" => effect.in_doubt(),
        "InvalidInstanceID.NotFound" => ErrorKind::NotFound,
        // The service is still busy with the instance; nothing was done.
        "IncorrectInstanceState" | "IncorrectState" => ErrorKind::Transient,
        _ if code.starts_with("Insufficient") => ErrorKind::Quota,
        _ => return None,
    };
    Some(kind)
}

fn kind_of_status(status: u16, effect: Effect) -> ErrorKind {
    match status {
        401 | 403 => ErrorKind::Auth,
        429 => ErrorKind::Throttled,
        // Redirections are not followed; everything else in the 400s blames the request.
        300..=499 => ErrorKind::Invalid,
        // 5xx, and successes that could not be understood.
        _ => effect.in_doubt(),
    }
}

/// What to do about an error code, where that is more than its kind says.
fn remedy_of_code(code: &str) -> Option<&'static str> {
    let remedy = match code.split('.').next().unwrap_or_default() {
        "InvalidAMIID" => "set image_id to an image that exists in this region",
        "InvalidKeyPair" => "set key_name to a key pair that exists in this region",
        "InvalidSubnetID" | "InvalidSubnet" => "set subnet_id to a subnet of this region",
        "InvalidGroup" | "InvalidGroupId" | "InvalidSecurityGroupID" => {
            "set security_group_ids to ids (not names) of groups that exist in this network"
        }
        "IdempotentParameterMismatch" => {
            "this attempt was already sent with other parameters, and nothing new was made; \
             changed parameters need a new attempt"
        }
        "OperationNotPermitted" => {
            "the instance may be protected against termination: lift the protection, then try again"
        }
        "UnauthorizedOperation" | "AccessDenied" | "AccessDeniedException" => {
            "give the account the permission for this operation, or use another account"
        }
        "RequestExpired" => "set the clock of this machine",
        _ => return None,
    };
    Some(remedy)
}

fn remedy_of_kind(kind: ErrorKind, answered: bool) -> &'static str {
    match kind {
        ErrorKind::Throttled => "wait, or lower the rate of requests",
        ErrorKind::Quota => {
            "free resources, ask for a higher limit, or choose another instance_type or place"
        }
        ErrorKind::Auth => {
            "check accesskey and secretkey for this endpoint in the credentials file, and regionname"
        }
        ErrorKind::Invalid => "correct the resource section of the node definition",
        ErrorKind::NotFound => "it may already be gone",
        ErrorKind::Transient if answered => "try again later",
        ErrorKind::Transient => "check that the endpoint is right and can be reached, then try again",
        ErrorKind::UnknownOutcome => {
            "whether it took effect is open and is looked up before anything is repeated"
        }
    }
}

#[cfg(test)]
mod tests;
