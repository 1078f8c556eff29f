use super::*;

fn place() -> Place {
    Place {
        handler: "ec2".to_owned(),
        endpoint: "http://cloud.example:8773/services/cloud".to_owned(),
        region: Some("stub-1".to_owned()),
        project: None,
        account: "type=ec2".to_owned(),
    }
}

fn answered(status: u16, code: &str, message: &str) -> Failure {
    Failure {
        stage: Stage::Answered(status),
        code: (!code.is_empty()).then(|| code.to_owned()),
        message: message.to_owned(),
        retry_after: None,
    }
}

fn kinds(failure: &Failure) -> (ErrorKind, ErrorKind) {
    (failure.kind(Effect::Read), failure.kind(Effect::Change))
}

#[test]
fn codes_decide_before_the_status_does() {
    use ErrorKind::{Auth, Invalid, NotFound, Quota, Throttled, Transient};
    for (status, code, kind) in [
        (503, "RequestLimitExceeded", Throttled),
        (400, "Throttling", Throttled),
        (500, "InsufficientInstanceCapacity", Quota),
        (400, "InstanceLimitExceeded", Quota),
        (400, "VcpuLimitExceeded", Quota),
        (400, "InsufficientFreeAddressesInSubnet", Quota),
        (401, "AuthFailure", Auth),
        (403, "UnauthorizedOperation", Auth),
        (403, "SignatureDoesNotMatch", Auth),
        (400, "RequestExpired", Auth),
        (400, "InvalidAMIID.NotFound", Invalid),
        (400, "InvalidAMIID.Malformed", Invalid),
        (400, "InvalidKeyPair.NotFound", Invalid),
        (400, "InvalidParameterValue", Invalid),
        (400, "InvalidParameterCombination", Invalid),
        (400, "MissingParameter", Invalid),
        (400, "IdempotentParameterMismatch", Invalid),
        (400, "TagLimitExceeded", Invalid),
        (400, "OperationNotPermitted", Invalid),
        (400, "InvalidInstanceID.NotFound", NotFound),
        (400, "IncorrectInstanceState", Transient),
    ] {
        assert_eq!(kinds(&answered(status, code, "")), (kind, kind), "{code}");
    }
}

#[test]
fn what_may_have_happened_is_in_doubt_only_for_changes() {
    let open = (ErrorKind::Transient, ErrorKind::UnknownOutcome);
    assert_eq!(kinds(&answered(500, "InternalError", "")), open);
    assert_eq!(kinds(&answered(503, "Unavailable", "")), open);
    assert_eq!(kinds(&answered(502, "", "")), open);
    assert_eq!(kinds(&answered(200, "", "not XML")), open);
    assert_eq!(kinds(&Failure { stage: Stage::Unanswered, ..answered(0, "", "") }), open);
    let unsent = (ErrorKind::Transient, ErrorKind::Transient);
    assert_eq!(kinds(&Failure { stage: Stage::Unsent, ..answered(0, "", "") }), unsent);
}

#[test]
fn a_status_without_a_code_still_tells() {
    assert_eq!(answered(403, "", "").kind(Effect::Change), ErrorKind::Auth);
    assert_eq!(answered(404, "", "").kind(Effect::Change), ErrorKind::Invalid);
    assert_eq!(answered(429, "", "").kind(Effect::Change), ErrorKind::Throttled);
    assert_eq!(answered(400, "SomethingNew", "").kind(Effect::Change), ErrorKind::Invalid);
}

#[test]
fn a_message_names_the_place_the_call_the_reason_and_the_remedy() {
    let place = place();
    let call =
        Call { place: &place, operation: "RunInstances", effect: Effect::Change, secret: Some("c2VjcmV0") };
    let failure = answered(400, "InvalidAMIID.NotFound", "The image id '[ami-1]' does not exist.\nmore");
    assert_eq!(
        call.error(failure).message,
        "ec2 at http://cloud.example:8773/services/cloud (stub-1): RunInstances failed: \
         InvalidAMIID.NotFound: The image id '[ami-1]' does not exist; \
         set image_id to an image that exists in this region"
    );
    let echo = answered(400, "InvalidParameterValue", "Bad value c2VjcmV0 for UserData");
    assert!(!call.error(echo).message.contains("c2VjcmV0"), "user data is not passed on");
}
