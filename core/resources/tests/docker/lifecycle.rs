//! A container's way from its creation to its end.

use bollard::query_parameters::{InspectContainerOptions, RemoveContainerOptionsBuilder};
use occopus_engine::handler::{ErrorKind, ProviderId, ResourceHandler, ResourceState};
use serde_json::json;

use crate::support::{Bench, IDLE, NoSteps, Proxy, fresh_image};

#[tokio::test]
async fn a_container_runs_with_what_was_declared_and_is_seen_with_its_address() {
    let Some(bench) = Bench::new() else { return };
    let command = "sh -c \"env; trap 'exit 0' TERM; sleep 1000 & wait\"";
    let request = bench.request(json!({}), json!({"env": {"GREETING": "hi there"}, "command": command}));
    bench.prepare(&request).await.unwrap();
    let id = bench.create(&request).await.unwrap();

    let seen = bench.until(&id, ResourceState::Running).await;
    let inspected = bench.docker().inspect_container(&id.id, None::<InspectContainerOptions>).await.unwrap();
    let network = inspected.network_settings.unwrap().networks.unwrap().remove("bridge").unwrap();
    assert_eq!(seen.addresses, [network.ip_address.unwrap()]);
    assert_eq!(seen.private_address.as_ref(), seen.addresses.first());
    bench.console_with(&id, "GREETING=hi there").await;

    bench.destroy(&id).await;
    assert_eq!(bench.observe(&id).await.state, ResourceState::Gone);
    bench.destroy(&id).await;
    assert_eq!(bench.found().await, []);
}

#[tokio::test]
async fn without_env_and_command_the_image_decides() {
    let Some(bench) = Bench::new() else { return };
    let image = fresh_image();
    bench.derive_image(&image, "CMD [\"sh\", \"-c\", \"echo from the image\"]").await;
    for attributes in [json!({}), json!({"env": [], "command": ""}), json!({"env": null, "command": null})] {
        let id = bench.create(&bench.request(json!({"image": image}), attributes)).await.unwrap();
        bench.console_with(&id, "from the image").await;
        bench.destroy(&id).await;
    }
    bench.remove_image(&image).await;
}

#[tokio::test]
async fn an_exited_container_tells_its_code_and_a_replay_does_not_run_it_again() {
    let Some(bench) = Bench::new() else { return };
    let request = bench.request(json!({}), json!({"command": ["sh", "-c", "echo once; exit 3"]}));
    let id = bench.create(&request).await.unwrap();
    assert_eq!(bench.until(&id, ResourceState::Stopped).await.detail, "exited with code 3");
    assert_eq!(bench.create(&request).await.unwrap(), id);
    assert_eq!(bench.observe(&id).await.state, ResourceState::Stopped);
    assert_eq!(bench.handler.console(&bench.access, &id).await.unwrap(), "once\n");
    assert_eq!(bench.found().await.len(), 1);
    bench.destroy(&id).await;
}

#[tokio::test]
async fn a_command_that_is_not_in_the_image_is_refused_and_leaves_nothing() {
    let Some(bench) = Bench::new() else { return };
    let request = bench.request(json!({}), json!({"command": "no-such-program"}));
    let error = bench.create(&request).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
    assert!(error.message.contains("no-such-program"), "{error}");
    assert_eq!(bench.found().await, []);
}

#[tokio::test]
async fn an_image_that_vanished_before_the_creation_is_named() {
    let Some(bench) = Bench::new() else { return };
    let image = fresh_image();
    let error = bench.create(&bench.request(json!({"image": image}), json!({}))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound, "{error}");
    assert!(error.message.contains(&image), "{error}");
    assert_eq!(bench.found().await, []);
}

#[tokio::test]
async fn two_stores_on_one_engine_do_not_see_each_other() {
    let Some(bench) = Bench::new() else { return };
    let other = Bench::at(&bench.access.place.endpoint);
    let (ours, theirs) = (bench.idle(), other.idle());
    let (our_id, their_id) = (bench.create(&ours).await.unwrap(), other.create(&theirs).await.unwrap());
    let found = bench.found().await;
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0].provider_id, &found[0].identity), (&our_id, &ours.identity));
    bench.destroy(&our_id).await;
    assert_eq!(bench.found().await, []);
    assert_eq!(other.found().await[0].identity, theirs.identity);
    assert_eq!(other.observe(&their_id).await.state, ResourceState::Running);
    other.destroy(&their_id).await;
}

#[tokio::test]
async fn a_batch_is_observed_in_its_order_whatever_became_of_each() {
    let Some(bench) = Bench::new() else { return };
    let running = bench.create(&bench.idle()).await.unwrap();
    let exited = bench.create(&bench.request(json!({}), json!({"command": "false"}))).await.unwrap();
    bench.until(&exited, ResourceState::Stopped).await;
    let removed = bench.create(&bench.idle()).await.unwrap();
    let force = RemoveContainerOptionsBuilder::new().force(true).build();
    bench.docker().remove_container(&removed.id, Some(force)).await.unwrap();
    let never = ProviderId::plain("0".repeat(64));

    let ids = [never, exited.clone(), running.clone(), removed, exited.clone()];
    let seen = bench.handler.observe(&bench.access, &ids).await.unwrap();
    let states: Vec<_> = seen.iter().map(|seen| seen.state).collect();
    use ResourceState::{Gone, Running, Stopped};
    assert_eq!(states, [Gone, Stopped, Running, Gone, Stopped]);
    assert_eq!(bench.handler.observe(&bench.access, &[]).await.unwrap(), []);

    bench.destroy(&running).await;
    bench.destroy(&exited).await;
}

#[tokio::test]
async fn more_containers_than_one_listing_takes_are_observed() {
    let Some(bench) = Bench::new() else { return };
    let running = bench.create(&bench.idle()).await.unwrap();
    let mut ids: Vec<_> = (0..1200).map(|number| ProviderId::plain(format!("{number:064x}"))).collect();
    ids.push(running.clone());
    let seen = bench.handler.observe(&bench.access, &ids).await.unwrap();
    assert_eq!(seen.len(), ids.len());
    assert!(seen[..1200].iter().all(|seen| seen.state == ResourceState::Gone));
    assert_eq!(seen[1200].state, ResourceState::Running);
    bench.destroy(&running).await;
}

#[tokio::test]
async fn anonymous_volumes_go_with_their_container() {
    let Some(bench) = Bench::new() else { return };
    let image = fresh_image();
    bench.derive_image(&image, "VOLUME /data").await;
    let id = bench.create(&bench.request(json!({"image": image}), json!({"command": IDLE}))).await.unwrap();
    let docker = bench.docker();
    let inspected = docker.inspect_container(&id.id, None::<InspectContainerOptions>).await.unwrap();
    let volume = inspected.mounts.unwrap().remove(0).name.unwrap();
    docker.inspect_volume(&volume).await.unwrap();
    bench.destroy(&id).await;
    assert!(docker.inspect_volume(&volume).await.is_err(), "the volume {volume} is still there");
    bench.remove_image(&image).await;
}

#[tokio::test]
async fn a_lost_answer_is_an_unknown_outcome_and_a_replay_settles_it() {
    let Some(bench) = Bench::new() else { return };
    let proxy = Proxy::to(bench.socket());
    let shaky = Bench { store: bench.store.clone(), ..Bench::at(&proxy.endpoint) };
    let request = bench.idle();
    // Agree on the API first: the answer to lose is that of the creation.
    assert_eq!(shaky.found().await, []);
    proxy.lose_next_answer();
    let error = shaky.create(&request).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::UnknownOutcome, "{error}");

    let found = shaky.found().await;
    assert_eq!((found.len(), found[0].state), (1, ResourceState::Pending));
    let id = shaky.create(&request).await.unwrap();
    assert_eq!(id, found[0].provider_id);
    shaky.until(&id, ResourceState::Running).await;
    assert_eq!(shaky.found().await.len(), 1);

    proxy.lose_next_answer();
    let error = shaky.handler.destroy(&shaky.access, &id, &NoSteps).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::UnknownOutcome, "{error}");
    shaky.destroy(&id).await;
    assert_eq!(shaky.found().await, []);
}

#[tokio::test]
async fn an_engine_that_stops_between_creating_and_starting_leaves_an_unknown_outcome() {
    let Some(bench) = Bench::new() else { return };
    let proxy = Proxy::to(bench.socket());
    let shaky = Bench { store: bench.store.clone(), ..Bench::at(&proxy.endpoint) };
    assert_eq!(shaky.found().await, []);
    proxy.stop_after_next_answer();
    let request = bench.idle();
    let error = shaky.create(&request).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::UnknownOutcome, "{error}");
    assert!(error.message.contains("cannot start container"), "{error}");
    let id = bench.create(&request).await.unwrap();
    bench.until(&id, ResourceState::Running).await;
    assert_eq!(bench.found().await.len(), 1);
    bench.destroy(&id).await;
}

#[tokio::test]
async fn creating_the_same_attempt_at_once_twice_makes_one_container() {
    let Some(bench) = Bench::new() else { return };
    let request = bench.idle();
    let (first, second) = tokio::join!(bench.create(&request), bench.create(&request));
    // The engine reserves the name before it shows the container, so one of the two may not know.
    for outcome in [&first, &second] {
        assert!(
            outcome.as_ref().map_or_else(|error| error.kind == ErrorKind::UnknownOutcome, |_| true),
            "{outcome:?}"
        );
    }
    let id = first.or(second).unwrap();
    bench.until(&id, ResourceState::Running).await;
    assert_eq!(bench.create(&request).await.unwrap(), id);
    assert_eq!(bench.found().await.len(), 1);
    bench.destroy(&id).await;
}

#[tokio::test]
async fn a_stranger_with_our_name_is_left_alone() {
    let Some(bench) = Bench::new() else { return };
    let theirs = bench.idle();
    let mut ours = theirs.clone();
    ours.identity.store = "another-store".into();
    let id = bench.create(&theirs).await.unwrap();
    let error = bench.create(&ours).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
    assert_eq!(bench.observe(&id).await.state, ResourceState::Running);
    bench.destroy(&id).await;
}
