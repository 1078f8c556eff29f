//! The stub over HTTP: authentication, faults, the audit.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Form, Path, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use futures::stream;

use crate::answer::{ApiError, VERSION};
use crate::cloud::{Call, Cloud};
use crate::faults::{Fault, Faults, Kind, When};
use crate::options::Options;
use crate::params::Params;

/// A caller that waits longer than this for a hanging answer has no deadline.
const HANG: Duration = Duration::from_secs(600);

/// Everything the stub knows.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) cloud: Cloud,
    pub(crate) faults: Faults,
    pub(crate) calls: BTreeMap<String, u64>,
}

/// The stub's state, shared by all connections.
#[derive(Debug, Clone)]
pub(crate) struct Shared(Arc<Mutex<World>>);

impl Shared {
    pub(crate) fn new(options: Options) -> Self {
        let world = World { cloud: Cloud::new(options), faults: Faults::default(), calls: BTreeMap::new() };
        Self(Arc::new(Mutex::new(world)))
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All routes: the API at every path (endpoints may have one), the rest below `/_stub`.
pub(crate) fn routes(shared: Shared) -> Router {
    Router::new()
        .route("/_stub/calls", get(calls).delete(forget_calls))
        .route("/_stub/instances", get(instances))
        .route("/_stub/instances/{id}/{state}", post(set_state))
        .route("/_stub/faults", post(add_fault).get(list_faults).delete(clear_faults))
        .route("/_stub/{*rest}", any(async || StatusCode::NOT_FOUND))
        .fallback(post(api))
        .with_state(shared)
}

async fn api(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Form(form): Form<Vec<(String, String)>>,
) -> Response {
    let params = Params(form.into_iter().collect());
    let operation = params.get("Action").unwrap_or_default().to_owned();
    let fault = {
        let mut world = shared.world();
        *world.calls.entry(operation.clone()).or_default() += 1;
        world.faults.take(&operation)
    };
    if let Some((When::Before, kind)) = fault {
        return fail(kind).await;
    }
    let answer = answer(&shared, &headers, &params);
    if let Some((When::After, kind)) = fault {
        return fail(kind).await;
    }
    match answer {
        Ok(document) => xml(StatusCode::OK, document),
        Err(error) => refuse(&error),
    }
}

fn answer(shared: &Shared, headers: &HeaderMap, params: &Params) -> Result<String, ApiError> {
    let mut world = shared.world();
    let region = authenticate(headers, &world.cloud.options().access_keys)?;
    if params.require("Version")? != VERSION {
        return Err(ApiError::new("NoSuchVersion", format!("The only version known here is {VERSION}")));
    }
    world.cloud.answer(&Call { region: &region, params, now: Instant::now() })
}

/// Checks who signed the call and returns the region it was signed for. The signature itself is not
/// checked: the stub has no secret keys.
fn authenticate(headers: &HeaderMap, known: &[String]) -> Result<String, ApiError> {
    let missing = || {
        ApiError::new("MissingAuthenticationToken", "Request is missing Authentication Token")
            .with_status(403)
    };
    let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let scope = header
        .and_then(|text| text.strip_prefix("AWS4-HMAC-SHA256 Credential="))
        .and_then(|text| text.split(',').next())
        .ok_or_else(missing)?;
    if !headers.contains_key("x-amz-date") {
        return Err(missing());
    }
    let [key, _date, region, "ec2", "aws4_request"] = scope.split('/').collect::<Vec<_>>()[..] else {
        return Err(ApiError::new(
            "SignatureDoesNotMatch",
            "Credential should be scoped to a valid region and to service 'ec2'",
        )
        .with_status(403));
    };
    if !known.iter().any(|known| known == key) {
        let message = "AWS was not able to validate the provided access credentials";
        return Err(ApiError::new("AuthFailure", message).with_status(401));
    }
    Ok(region.to_owned())
}

async fn fail(kind: Kind) -> Response {
    match kind {
        Kind::Http500 => {
            let message = "An internal error has occurred";
            refuse(&ApiError::new("InternalError", message).with_status(500))
        }
        Kind::Throttle => {
            refuse(&ApiError::new("RequestLimitExceeded", "Request limit exceeded.").with_status(503))
        }
        Kind::Error { code, status } => {
            refuse(&ApiError::new(code, "ordered by the test").with_status(status))
        }
        Kind::Hang => {
            tokio::time::sleep(HANG).await;
            StatusCode::GATEWAY_TIMEOUT.into_response()
        }
        Kind::Drop => {
            // A body that fails before its first byte makes the server close the connection.
            let broken = stream::iter([Err::<String, _>(io::Error::other("dropped by order"))]);
            Body::from_stream(broken).into_response()
        }
    }
}

fn refuse(error: &ApiError) -> Response {
    xml(StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST), error.xml())
}

fn xml(status: StatusCode, document: String) -> Response {
    (status, [(header::CONTENT_TYPE, "text/xml;charset=UTF-8")], document).into_response()
}

fn json(value: &impl serde::Serialize) -> Response {
    match serde_json::to_string(value) {
        Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn calls(State(shared): State<Shared>) -> Response {
    json(&shared.world().calls)
}

async fn forget_calls(State(shared): State<Shared>) -> StatusCode {
    shared.world().calls.clear();
    StatusCode::NO_CONTENT
}

async fn instances(State(shared): State<Shared>) -> Response {
    json(&shared.world().cloud.audit())
}

async fn set_state(
    State(shared): State<Shared>,
    Path((id, state)): Path<(String, String)>,
    uri: Uri,
) -> Response {
    if shared.world().cloud.set_state(&id, &state, Instant::now()) {
        StatusCode::NO_CONTENT.into_response()
    } else {
        (StatusCode::NOT_FOUND, format!("no such instance: {uri}")).into_response()
    }
}

async fn add_fault(State(shared): State<Shared>, text: String) -> Response {
    match serde_json::from_str::<Fault>(&text) {
        Ok(fault) => {
            shared.world().faults.0.push(fault);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, format!("not a fault: {error}")).into_response(),
    }
}

async fn list_faults(State(shared): State<Shared>) -> Response {
    json(&shared.world().faults.0)
}

async fn clear_faults(State(shared): State<Shared>) -> StatusCode {
    shared.world().faults.0.clear();
    StatusCode::NO_CONTENT
}
