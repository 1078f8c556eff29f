//! The handler against moto: a second opinion on the wire format, written by others.
//!
//! Set `OCCOPUS_TEST_MOTO` to the URL of a running `moto_server`. Moto is lenient: what only a strict
//! service shows is tested against the stub.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, one that is skipped says so"
)]

mod support;

use occopus_engine::handler::{CreateRequest, ProviderId, ResourceHandler, ResourceState};
use occopus_resources::conformance;
use serde_json::json;
use support::{Bench, Conformance};

/// A bench at moto; `None`, with the reason printed, if there is none.
fn moto() -> Option<Bench> {
    match std::env::var("OCCOPUS_TEST_MOTO") {
        Ok(endpoint) if !endpoint.is_empty() => Some(Bench::new(endpoint.trim_end_matches('/'))),
        _ => {
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "OCCOPUS_TEST_MOTO must hold the URL of a moto server in CI"
            );
            println!("skipped: OCCOPUS_TEST_MOTO holds no URL of a moto server");
            None
        }
    }
}

/// Moto accepts what the service refuses, so the handler itself has to find this.
fn too_much_user_data(request: &mut CreateRequest) {
    request.context = Some("x".repeat(16_385));
}

/// Where moto differs from the service: the same client token makes a second instance.
const NOT_AT_MOTO: [&str; 2] =
    ["same_request_twice_makes_one_resource", "lost_answer_of_create_settles_to_one"];

#[tokio::test]
async fn the_handler_conforms() {
    let Some(bench) = moto() else { return };
    let fixture = Conformance::new(&bench.access.place.endpoint, too_much_user_data);
    let violations =
        conformance::check(&fixture).await.err().map_or_else(Vec::new, |violations| violations.0);
    for property in NOT_AT_MOTO {
        println!("skipped: {property}, because moto's client token is not idempotent");
    }
    let (_, rest): (Vec<_>, Vec<_>) =
        violations.into_iter().partition(|violation| NOT_AT_MOTO.contains(&violation.property));
    assert_eq!(rest, []);
}

#[tokio::test]
async fn an_instance_lives_and_dies() {
    let Some(bench) = moto() else { return };
    let mut request = bench.request();
    request.resource.insert("tags".to_owned(), json!({"team": "R&D"}));
    request.context = Some("#cloud-config\nruncmd: ['echo árvíztűrő']\n".to_owned());
    let id = bench.create(&request).await.unwrap();
    // Pending for exactly one listing.
    bench.state(&id).await;
    let running = bench.observe(std::slice::from_ref(&id)).await.remove(0);
    assert_eq!(running.state, ResourceState::Running);
    assert!(running.private_address.is_some());
    assert_eq!(running.addresses.last(), running.private_address.as_ref());
    assert_eq!(bench.user_data(&id).await, request.context.clone().unwrap());

    let found = bench.handler.find(&bench.access, &bench.store).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].identity, request.identity);
    assert_eq!(found[0].provider_id, id);

    let unknown = ProviderId::plain("i-00000000000000000");
    let states: Vec<_> =
        bench.observe(&[unknown.clone(), id.clone()]).await.iter().map(|seen| seen.state).collect();
    assert_eq!(states, [ResourceState::Missing, ResourceState::Running]);
    bench.handler.console(&bench.access, &id).await.unwrap();

    bench.destroy(&id).await.unwrap();
    bench.destroy(&id).await.unwrap();
    bench.destroy(&unknown).await.unwrap();
    assert_eq!(bench.state(&id).await, ResourceState::Gone);
    assert!(bench.find().await.is_empty());
}

#[tokio::test]
async fn all_tags_are_there() {
    let Some(bench) = moto() else { return };
    let request = bench.request();
    let id = bench.create(&request).await.unwrap();
    let answer = bench.client().describe_instances().instance_ids(&id.id).send().await.unwrap();
    let instance = &answer.reservations()[0].instances()[0];
    let tag =
        |key: &str| instance.tags().iter().find(|tag| tag.key() == Some(key)).and_then(|tag| tag.value());
    for (key, value) in request.identity.tags() {
        assert_eq!(tag(&key), Some(value.as_str()), "{key}");
    }
    assert_eq!(tag("Name"), Some(request.unique_name().as_str()));
    bench.destroy(&id).await.unwrap();
}

#[tokio::test]
async fn a_hundred_instances_are_observed_at_once() {
    let Some(bench) = moto() else { return };
    let ids = bench.make_many(100).await;
    let observations = bench.observe(&ids).await;
    assert!(observations.iter().all(|observation| observation.state == ResourceState::Running));
    assert_eq!(bench.find().await.len(), 100);
    for id in &ids {
        bench.destroy(id).await.unwrap();
    }
    assert!(bench.find().await.is_empty());
}
