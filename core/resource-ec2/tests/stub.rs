//! The handler against a service that is as strict as the real one.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_ec2::types::Tag;
use occopus_ec2_stub::{Fault, Kind, Lag, Options, Stub, When};
use occopus_engine::handler::{Access, CreateRequest, ErrorKind, ProviderId, ResourceHandler, ResourceState};
use occopus_resource_ec2::{Ec2Handler, Timing};
use occopus_resources::conformance;
use serde_json::json;
use support::{Bench, Conformance, SECRET_KEY, credentials};
use tokio::net::{TcpListener, TcpStream};

async fn start(options: Options) -> (Stub, Bench) {
    let stub = Stub::start(options).await.unwrap();
    let bench = Bench::new(stub.endpoint());
    (stub, bench)
}

fn fault(operation: &str, when: When, kind: Kind) -> Fault {
    Fault { operation: operation.to_owned(), when, kind, skip: 0, count: 1 }
}

fn living(stub: &Stub) -> usize {
    stub.instances()
        .iter()
        .filter(|instance| instance["state"] == "running" || instance["state"] == "pending")
        .count()
}

/// Unknown to the service, and nothing the handler could know.
fn unknown_image(request: &mut CreateRequest) {
    request.resource.insert("image_id".to_owned(), json!("ami-99999999"));
}

#[tokio::test]
async fn the_handler_conforms() {
    let prompt = Options::default();
    let slow = Options { hidden: Lag::Calls(2), pending: Lag::Calls(3), ..Options::default() };
    for options in [prompt, slow] {
        let stub = Stub::start(options.clone()).await.unwrap();
        let verdict = conformance::check(&Conformance::new(stub.endpoint(), unknown_image)).await;
        assert_eq!(verdict, Ok(()), "with {options:?}");
        assert_eq!(living(&stub), 0, "with {options:?}");
    }
}

#[tokio::test]
async fn an_instance_lives_and_dies() {
    let (_stub, bench) = start(Options { pending: Lag::Calls(1), ..Options::default() }).await;
    let id = bench.create(&bench.request()).await.unwrap();
    assert_eq!(bench.state(&id).await, ResourceState::Pending);
    let running = bench.observe(std::slice::from_ref(&id)).await.remove(0);
    assert_eq!(running.state, ResourceState::Running);
    assert_eq!(running.addresses, ["ec2-198-18-0-4.stub.example", "198.18.0.4", "10.0.0.4"]);
    assert_eq!(running.private_address.as_deref(), Some("10.0.0.4"));
    assert_eq!(bench.find().await.concat(), id.id);
    let console = bench.handler.console(&bench.access, &id).await.unwrap();
    assert!(console.contains("login:"), "{console}");
    bench.destroy(&id).await.unwrap();
    bench.destroy(&id).await.unwrap();
    assert_eq!(bench.state(&id).await, ResourceState::Gone);
    assert!(bench.find().await.is_empty());
}

#[tokio::test]
async fn one_call_makes_many_and_each_shows_who_it_is() {
    let (stub, bench) = start(Options::default()).await;
    let (batch, requests) = bench.requests(5);
    let ids = bench.handler.create_batch(&bench.access, &batch, &requests).await.unwrap();
    let again = bench.handler.create_batch(&bench.access, &batch, &requests).await.unwrap();
    assert_eq!((again, living(&stub)), (ids.clone(), 5), "a repeated call makes nothing");
    for labelled in [false, true] {
        let found = bench.handler.find(&bench.access, &bench.store).await.unwrap();
        assert_eq!(found.len(), 5);
        for (id, request) in ids.iter().zip(&requests) {
            let found = found.iter().find(|found| found.provider_id == *id).unwrap();
            assert_eq!(found.identity, request.identity, "labelled: {labelled}");
            bench.handler.label(&bench.access, id, request).await.unwrap();
        }
    }
    for (instance, request) in stub.instances().iter().zip(&requests) {
        assert_eq!(instance["tags"]["Name"], json!(request.unique_name()));
        for (key, value) in request.identity.tags() {
            assert_eq!(instance["tags"][&key], json!(value));
        }
    }
}

#[tokio::test]
async fn the_name_that_comes_later_is_no_change_by_hand() {
    let (_stub, bench) = start(Options { pending: Lag::Calls(0), ..Options::default() }).await;
    let (batch, requests) = bench.requests(2);
    let ids = bench.handler.create_batch(&bench.access, &batch, &requests).await.unwrap();
    let name = async || bench.observe(&ids[1..]).await.remove(0).facts["tag Name"].clone();
    let before = name().await;
    assert_eq!(before, requests[1].shared_name());
    bench.handler.label(&bench.access, &ids[1], &requests[1]).await.unwrap();
    assert_eq!(name().await, before);
    let by_hand = Tag::builder().key("Name").value("mine").build();
    bench.client().create_tags().resources(&ids[1].id).tags(by_hand).send().await.unwrap();
    assert_eq!(name().await, "mine");
}

#[tokio::test]
async fn of_too_many_none_is_made() {
    let (stub, bench) = start(Options { capacity: 2, ..Options::default() }).await;
    let (batch, requests) = bench.requests(3);
    let error = bench.handler.create_batch(&bench.access, &batch, &requests).await.unwrap_err();
    assert_eq!((error.kind, living(&stub)), (ErrorKind::Quota, 0));
}

#[tokio::test]
async fn where_instances_are_not_numbered_none_is_left_and_one_at_a_time_is_made() {
    let (stub, bench) = start(Options { numbered: false, ..Options::default() }).await;
    let (batch, requests) = bench.requests(3);
    for _ in 0..2 {
        let error = bench.handler.create_batch(&bench.access, &batch, &requests).await.unwrap_err();
        assert_eq!((error.kind, living(&stub)), (ErrorKind::Invalid, 0), "{error}");
    }
    assert_eq!(stub.calls("RunInstances"), 1);
    let id = bench.create(&requests[0]).await.unwrap();
    let found = bench.handler.find(&bench.access, &bench.store).await.unwrap();
    assert_eq!((found.len(), &found[0].provider_id), (1, &id));
    assert_eq!(found[0].identity, requests[0].identity);
}

#[tokio::test]
async fn whoever_cannot_be_told_from_others_is_nobody() {
    let (stub, bench) = start(Options { numbered: false, ..Options::default() }).await;
    stub.inject(fault("TerminateInstances", When::Before, Kind::Http500));
    let (batch, requests) = bench.requests(3);
    let error = bench.handler.create_batch(&bench.access, &batch, &requests).await.unwrap_err();
    assert_eq!((error.kind, living(&stub)), (ErrorKind::UnknownOutcome, 3), "{error}");
    let found = bench.handler.find(&bench.access, &bench.store).await.unwrap();
    assert_eq!(found.len(), 3);
    for found in found {
        let identity = found.identity;
        assert!(requests.iter().all(|request| request.identity.attempt != identity.attempt), "{identity:?}");
    }
}

#[tokio::test]
async fn everything_a_description_says_reaches_the_cloud() {
    let (stub, bench) = start(Options::default()).await;
    let mut request = bench.request();
    request.resource.extend(
        json!({
            "key_name": "stub-key",
            "security_group_ids": ["sg-12345678", "sg-87654321"],
            "subnet_id": "subnet-12345678",
            "tags": {"team": "R&D <1>"},
        })
        .as_object()
        .unwrap()
        .clone(),
    );
    request.context = Some("#cloud-config\nruncmd: ['echo árvíztűrő']\n".to_owned());
    let id = bench.create(&request).await.unwrap();
    assert_eq!(bench.user_data(&id).await, request.context.clone().unwrap());
    let made = stub.instances().remove(0);
    assert_eq!(made["key_name"], "stub-key");
    assert_eq!(made["subnet_id"], "subnet-12345678");
    assert_eq!(made["security_group_ids"], json!(["sg-12345678", "sg-87654321"]));
    assert_eq!(made["client_token"], request.token());
    assert_eq!(made["tags"]["team"], "R&D <1>");
    assert_eq!(made["tags"]["Name"], request.unique_name());
    for (key, value) in request.identity.tags() {
        assert_eq!(made["tags"][&key], value, "{key}");
        assert_eq!(made["volume_tags"][&key], value, "{key} of the volume");
    }
    let found = bench.handler.find(&bench.access, &bench.store).await.unwrap();
    assert_eq!(found[0].identity, request.identity);
}

#[tokio::test]
async fn an_endpoint_may_have_a_path() {
    let stub = Stub::start(Options::default()).await.unwrap();
    let bench = Bench::new(&format!("{}/services/cloud", stub.endpoint()));
    let id = bench.create(&bench.request()).await.unwrap();
    assert_eq!(bench.find().await, [id.id]);
}

#[tokio::test]
async fn a_repeated_request_returns_the_first_instance_even_a_dead_one() {
    let (stub, bench) = start(Options::default()).await;
    let request = bench.request();
    let first = bench.create(&request).await.unwrap();
    assert_eq!(bench.create(&request).await.unwrap(), first);
    bench.destroy(&first).await.unwrap();
    assert_eq!(bench.create(&request).await.unwrap(), first);
    assert_eq!(bench.state(&first).await, ResourceState::Gone);
    assert_eq!(stub.instances().len(), 1);
    let mut changed = request;
    changed.resource.insert("instance_type".to_owned(), json!("t3.micro"));
    let error = bench.create(&changed).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(error.message.contains("IdempotentParameterMismatch"), "{error}");
}

#[tokio::test]
async fn a_hundred_instances_are_observed_with_one_call() {
    let (stub, bench) = start(Options { pending: Lag::Calls(0), ..Options::default() }).await;
    let ids = bench.make_many(100).await;
    stub.forget_calls();
    let observations = bench.observe(&ids).await;
    assert_eq!(observations.len(), 100);
    assert!(observations.iter().all(|observation| observation.state == ResourceState::Running));
    assert_eq!(stub.calls("DescribeInstances"), 1);
}

#[tokio::test]
async fn an_unknown_instance_does_not_hide_the_others() {
    let (_stub, bench) = start(Options { pending: Lag::Calls(0), ..Options::default() }).await;
    let known = bench.create(&bench.request()).await.unwrap();
    let ids = [ProviderId::plain("i-00000000"), known.clone(), ProviderId::plain("no-id"), known];
    let states: Vec<ResourceState> = bench.observe(&ids).await.iter().map(|seen| seen.state).collect();
    let (missing, running) = (ResourceState::Missing, ResourceState::Running);
    assert_eq!(states, [missing, running, missing, running]);
    bench.destroy(&ids[0]).await.expect("an unknown instance is destroyed");
}

#[tokio::test]
async fn more_instances_than_a_page_and_a_filter_take_are_listed_completely() {
    let (stub, bench) = start(Options { pending: Lag::Calls(0), ..Options::default() }).await;
    let ids = bench.make_many(1001).await;
    stub.forget_calls();
    assert_eq!(bench.find().await.len(), 1001);
    assert_eq!(stub.calls("DescribeInstances"), 2, "two pages");
    stub.forget_calls();
    let observations = bench.observe(&ids).await;
    assert!(observations.iter().all(|observation| observation.state == ResourceState::Running));
    assert_eq!(stub.calls("DescribeInstances"), 2, "a thousand names a call");

    // One that is long forgotten hides none of the others.
    stub.forget_calls();
    let ids = [ids, vec![ProviderId::plain("i-0123456789abcdef0")]].concat();
    let observations = bench.observe(&ids[600..]).await;
    let (last, others) = observations.split_last().unwrap();
    assert_eq!(last.state, ResourceState::Missing);
    assert!(others.iter().all(|observation| observation.state == ResourceState::Running));
    assert_eq!(stub.calls("DescribeInstances"), 1 + 3, "names, then 200 in a filter");
}

#[tokio::test]
async fn quirk_21_an_instance_is_terminated_at_once_and_one_that_is_gone_is_no_error() {
    let (stub, bench) = start(Options::default()).await;
    let id = bench.create(&bench.request()).await.unwrap();
    bench.destroy(&id).await.unwrap();
    bench.destroy(&id).await.unwrap();
    bench.destroy(&ProviderId::plain("i-0123456789abcdef0")).await.unwrap();
    assert_eq!(stub.calls("StopInstances"), 0);
    assert_eq!(living(&stub), 0);
}

/// A way to `endpoint` that counts its connections.
async fn counted(endpoint: &str) -> (String, Arc<AtomicUsize>) {
    let target = endpoint.trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = connections.clone();
    tokio::spawn(async move {
        while let Ok((mut inside, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            let mut outside = TcpStream::connect(&target).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut inside, &mut outside).await });
        }
    });
    (address, connections)
}

#[tokio::test]
async fn quirk_50_calls_share_client_and_connection() {
    let stub = Stub::start(Options::default()).await.unwrap();
    let (endpoint, connections) = counted(stub.endpoint()).await;
    let bench = Bench::new(&endpoint);
    let id = bench.create(&bench.request()).await.unwrap();
    for _ in 0..20 {
        bench.state(&id).await;
    }
    bench.destroy(&id).await.unwrap();
    assert_eq!(stub.calls("DescribeInstances"), 20);
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_broken_page_is_an_error_and_not_a_short_list() {
    let (stub, bench) = start(Options::default()).await;
    bench.make_many(1001).await;
    stub.inject(Fault { skip: 1, ..fault("DescribeInstances", When::Before, Kind::Http500) });
    let error = bench.handler.find(&bench.access, &bench.store).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Transient);
    assert_eq!(stub.calls("DescribeInstances"), 2);
}

#[tokio::test]
async fn resources_of_another_store_are_not_ours() {
    let (stub, bench) = start(Options::default()).await;
    bench.create(&bench.request()).await.unwrap();
    let other = Bench::new(stub.endpoint());
    assert!(other.find().await.is_empty());
    assert_eq!(bench.find().await.len(), 1);
}

#[tokio::test]
async fn a_stopped_instance_still_exists() {
    let (stub, bench) = start(Options::default()).await;
    let id = bench.create(&bench.request()).await.unwrap();
    assert!(stub.set_state(&id.id, "stopped"));
    assert_eq!(bench.state(&id).await, ResourceState::Stopped);
    assert_eq!(bench.find().await.concat(), id.id);
    assert!(stub.set_state(&id.id, "hibernating"));
    assert_eq!(bench.state(&id).await, ResourceState::Unknown);
}

/// What a refused request says: kind and a word of the remedy.
async fn refusal(bench: &Bench, change: impl FnOnce(&mut CreateRequest)) -> (ErrorKind, String) {
    let mut request = bench.request();
    change(&mut request);
    let error = bench.create(&request).await.unwrap_err();
    (error.kind, error.message)
}

#[tokio::test]
async fn a_wrong_request_is_refused_with_the_key_to_correct() {
    let (stub, bench) = start(Options::default()).await;
    for (key, value) in [
        ("image_id", json!("ami-99999999")),
        ("image_id", json!("ubuntu")),
        ("key_name", json!("nobody")),
        ("subnet_id", json!("subnet-0")),
        ("security_group_ids", json!(["default"])),
    ] {
        let change = |request: &mut CreateRequest| drop(request.resource.insert(key.to_owned(), value));
        let (kind, message) = refusal(&bench, change).await;
        assert_eq!(kind, ErrorKind::Invalid, "{message}");
        assert!(message.contains(&format!("set {key} to")), "{message}");
        assert!(message.contains(stub.endpoint()), "{message}");
    }
    let change = |request: &mut CreateRequest| {
        request.resource.insert("instance_type".to_owned(), json!("huge"));
    };
    let (kind, message) = refusal(&bench, change).await;
    assert_eq!(kind, ErrorKind::Invalid);
    assert!(message.contains("InstanceType"), "{message}");
    assert!(stub.instances().is_empty());
}

#[tokio::test]
async fn errors_of_the_service_keep_their_meaning() {
    let (stub, bench) = start(Options::default()).await;
    for (code, status, kind) in [
        ("RequestLimitExceeded", 503, ErrorKind::Throttled),
        ("InsufficientInstanceCapacity", 500, ErrorKind::Quota),
        ("InstanceLimitExceeded", 400, ErrorKind::Quota),
        ("UnauthorizedOperation", 403, ErrorKind::Auth),
        ("InternalError", 500, ErrorKind::UnknownOutcome),
    ] {
        let error = Kind::Error { code: code.to_owned(), status };
        stub.inject(fault("RunInstances", When::Before, error));
        let (got, message) = refusal(&bench, |_| {}).await;
        assert_eq!(got, kind, "{message}");
        assert!(message.contains("RunInstances") && message.contains(code), "{message}");
        assert!(!message.contains(SECRET_KEY));
    }
}

#[tokio::test]
async fn wrong_or_missing_credentials_say_so() {
    let (_stub, bench) = start(Options::default()).await;
    let request = bench.request();
    let create = async |credentials| {
        let access = Access { credentials, ..bench.access.clone() };
        bench.handler.create(&access, &request, &support::NoSteps).await
    };
    let error = create(None).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Auth);
    let endpoint = &bench.access.place.endpoint;
    assert_eq!(error.message, format!("Cannot find credentials for \"{endpoint}\". Please, specify!"));
    let error = create(Some(credentials("NOBODY"))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Auth);
    assert!(error.message.contains("AuthFailure") && error.message.contains("secretkey"), "{error}");
    assert!(!error.message.contains(SECRET_KEY));
    // Corrected credentials take effect at once.
    create(bench.access.credentials.clone()).await.unwrap();
}

/// A call that dies before or after its effect: what the handler says, and what a replay finds.
async fn lost_create(when: When, kind: Kind) {
    let stub = Stub::start(Options::default()).await.unwrap();
    let timing = Timing { call: Duration::from_millis(500), visibility: Duration::ZERO };
    let bench = Bench { handler: Ec2Handler::new(timing), ..Bench::new(stub.endpoint()) };
    let request = bench.request();
    stub.inject(fault("RunInstances", when, kind.clone()));
    let error = bench.create(&request).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::UnknownOutcome, "{when:?} {kind:?}: {error}");
    assert_eq!(stub.calls("RunInstances"), 1, "the SDK does not retry by itself");
    assert_eq!(bench.find().await.len(), usize::from(when == When::After));
    let patient = Bench { store: bench.store.clone(), ..Bench::new(stub.endpoint()) };
    let id = patient.create(&request).await.unwrap();
    assert_eq!(patient.find().await, [id.id]);
    assert_eq!(living(&stub), 1);
}

#[tokio::test]
async fn a_create_without_an_answer_is_in_doubt_and_can_be_repeated() {
    for when in [When::Before, When::After] {
        for kind in [Kind::Http500, Kind::Hang, Kind::Drop] {
            lost_create(when, kind).await;
        }
    }
}

#[tokio::test]
async fn a_destroy_without_an_answer_is_in_doubt_and_can_be_repeated() {
    let (stub, bench) = start(Options::default()).await;
    for when in [When::Before, When::After] {
        let id = bench.create(&bench.request()).await.unwrap();
        stub.inject(fault("TerminateInstances", when, Kind::Drop));
        assert_eq!(bench.destroy(&id).await.unwrap_err().kind, ErrorKind::UnknownOutcome);
        bench.destroy(&id).await.unwrap();
        assert_eq!(bench.state(&id).await, ResourceState::Gone);
    }
}

#[tokio::test]
async fn a_listing_without_an_answer_may_simply_be_repeated() {
    let (stub, bench) = start(Options::default()).await;
    for kind in [Kind::Http500, Kind::Drop] {
        stub.inject(fault("DescribeInstances", When::After, kind));
        let error = bench.handler.find(&bench.access, &bench.store).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Transient, "{error}");
    }
}

#[tokio::test]
async fn where_nobody_listens_nothing_has_happened() {
    let unused = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", unused.local_addr().unwrap());
    drop(unused);
    for endpoint in [endpoint.as_str(), "http://no-such-host.invalid"] {
        let bench = Bench::new(endpoint);
        let error = bench.create(&bench.request()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Transient, "{error}");
        assert!(error.message.contains(endpoint), "{error}");
    }
}

#[tokio::test]
async fn an_endpoint_that_does_not_speak_tls_has_done_nothing() {
    let stub = Stub::start(Options::default()).await.unwrap();
    let bench = Bench::new(&stub.endpoint().replace("http://", "https://"));
    let error = bench.create(&bench.request()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Transient, "{error}");
    assert!(stub.instances().is_empty());
}

#[tokio::test]
async fn a_wrong_path_of_the_endpoint_is_the_callers_mistake() {
    let stub = Stub::start(Options::default()).await.unwrap();
    let bench = Bench::new(&format!("{}/_stub/nothing", stub.endpoint()));
    let error = bench.create(&bench.request()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
    assert!(error.message.contains("404"), "{error}");
}
