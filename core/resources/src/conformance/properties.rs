//! The properties themselves; each is a sentence about any handler.

use std::time::Duration;

use occopus_engine::handler::{ErrorKind, HandlerError, ProviderId, ResourceHandler, ResourceState};
use occopus_engine::ids::StoreId;
use uuid::Uuid;

use super::{Bench, Verdict, identity, is_gone, told};
use crate::faults::{Call, Fault, Faults, Moment};

/// Fails the property with a formatted sentence unless the condition holds.
macro_rules! require {
    ($condition:expr, $($what:tt)+) => {
        if !$condition {
            return Err(format!($($what)+));
        }
    };
}

pub(super) async fn created_resource_runs(bench: &Bench<'_>) -> Verdict {
    let id = bench.create(&bench.request(1)).await?;
    let seen = bench.await_state(&id, ResourceState::Running).await?;
    require!(
        seen.addresses.is_empty() != bench.fixture.has_address(),
        "unexpected addresses of a running resource: {:?}",
        seen.addresses
    );
    Ok(())
}

pub(super) async fn created_resource_is_found_with_its_identity(bench: &Bench<'_>) -> Verdict {
    if !bench.handler.capabilities().findable {
        return Ok(());
    }
    let request = bench.request(3);
    let id = bench.create(&request).await?;
    let found = bench.await_count(1).await?;
    require!(found[0].identity == request.identity, "found {:?}", found[0].identity);
    require!(found[0].provider_id == id, "created {id:?}, found {:?}", found[0].provider_id);
    Ok(())
}

pub(super) async fn same_request_twice_makes_one_resource(bench: &Bench<'_>) -> Verdict {
    if !bench.handler.capabilities().idempotent_create {
        return Ok(());
    }
    let request = bench.request(1);
    let first = bench.create(&request).await?;
    let second = bench.create(&request).await?;
    require!(first == second, "two resources for one request: {first:?} and {second:?}");
    wait_out_visibility(bench).await?;
    bench.await_count(1).await?;
    bench.await_state(&first, ResourceState::Running).await?;
    let third = bench.create(&request).await?;
    require!(third == first, "a replay once it runs made {third:?} beside {first:?}");
    bench.await_count(1).await.map(drop)
}

pub(super) async fn two_attempts_make_two_resources(bench: &Bench<'_>) -> Verdict {
    let (first, second) = (bench.request(1), bench.request(1));
    let first = bench.create(&first).await?;
    let second = bench.create(&second).await?;
    require!(first != second, "two attempts got the same resource {first:?}");
    let one = bench.await_state(&first, ResourceState::Running).await?;
    let other = bench.await_state(&second, ResourceState::Running).await?;
    require!(
        one.addresses != other.addresses || one.addresses.is_empty(),
        "two resources share the addresses {:?}",
        one.addresses
    );
    bench.await_count(2).await.map(drop)
}

pub(super) async fn foreign_store_sees_nothing(bench: &Bench<'_>) -> Verdict {
    bench.create(&bench.request(1)).await?;
    bench.await_count(1).await?;
    let foreign = bench.find(&StoreId::from(Uuid::new_v4())).await?;
    require!(foreign.is_empty(), "another store is shown {foreign:?}");
    Ok(())
}

pub(super) async fn destroyed_resource_is_gone(bench: &Bench<'_>) -> Verdict {
    let request = bench.request(1);
    let id = bench.create(&request).await?;
    bench.await_state(&id, ResourceState::Running).await?;
    bench.destroy(&request, &id).await?;
    bench.await_gone(&id).await?;
    bench.await_count(0).await?;
    bench.destroy(&request, &id).await
}

pub(super) async fn destroying_the_unknown_succeeds(bench: &Bench<'_>) -> Verdict {
    bench.destroy(&bench.request(1), &bench.fixture.unknown_id()).await
}

pub(super) async fn unknown_id_is_gone_and_harms_no_other(bench: &Bench<'_>) -> Verdict {
    let id = bench.create(&bench.request(1)).await?;
    bench.await_state(&id, ResourceState::Running).await?;
    let seen = bench.observe(&[bench.fixture.unknown_id(), id]).await?;
    require!(is_gone(&seen[0]), "an unknown id is {:?}", seen[0]);
    require!(seen[1].state == ResourceState::Running, "beside an unknown id: {:?}", seen[1]);
    Ok(())
}

pub(super) async fn observations_keep_the_order(bench: &Bench<'_>) -> Verdict {
    let mut ids = Vec::new();
    for index in 1..=3 {
        ids.push(bench.create(&bench.request(index)).await?);
    }
    let mut alone = Vec::new();
    for id in &ids {
        alone.push(bench.await_state(id, ResourceState::Running).await?);
    }
    for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
        let asked: Vec<ProviderId> = order.iter().map(|at| ids[*at].clone()).collect();
        let seen = bench.observe(&asked).await?;
        for (seen, at) in seen.iter().zip(order) {
            require!(
                seen.addresses == alone[at].addresses && seen.state == ResourceState::Running,
                "asked for {asked:?}, got {seen:?} in the place of {:?}",
                alone[at]
            );
        }
    }
    Ok(())
}

pub(super) async fn nothing_to_observe_is_fine(bench: &Bench<'_>) -> Verdict {
    bench.observe(&[]).await.map(drop)
}

pub(super) async fn invalid_request_leaves_nothing(bench: &Bench<'_>) -> Verdict {
    let request = bench.fixture.invalid_request(identity(&bench.store, 1));
    match bench.create_with(&*bench.handler, &request).await {
        Ok(id) => return Err(format!("a wrong request made {id:?}")),
        Err(error) => require!(error.kind == ErrorKind::Invalid, "refused as {:?}: {error}", error.kind),
    }
    wait_out_visibility(bench).await?;
    let left = bench.find(&bench.store).await?;
    require!(left.is_empty(), "a refused request left {left:?}");
    Ok(())
}

pub(super) async fn console_answers(bench: &Bench<'_>) -> Verdict {
    let id = bench.create(&bench.request(1)).await?;
    bench.await_state(&id, ResourceState::Running).await?;
    bench.handler.console(&bench.access, &id).await.map(drop).map_err(told("console"))
}

pub(super) async fn fault_before_create_makes_nothing(bench: &Bench<'_>) -> Verdict {
    let faults = Faults::new(bench.handler.clone());
    faults.add(fault(Call::Create, Moment::Before, ErrorKind::Transient));
    let request = bench.request(1);
    match bench.create_with(&faults, &request).await {
        Err(error) => require!(error.kind == ErrorKind::Transient, "wrong kind {:?}", error.kind),
        Ok(id) => return Err(format!("the fault did not happen: {id:?}")),
    }
    wait_out_visibility(bench).await?;
    let left = bench.find(&bench.store).await?;
    require!(left.is_empty(), "a call that was never made left {left:?}");
    let id = bench.create_with(&faults, &request).await.map_err(told("repeated create"))?;
    bench.await_state(&id, ResourceState::Running).await?;
    bench.await_count(1).await.map(drop)
}

/// The engine's own way to settle an open intent: ask `find`; replay only what it does not list.
pub(super) async fn lost_answer_of_create_settles_to_one(bench: &Bench<'_>) -> Verdict {
    let faults = Faults::new(bench.handler.clone());
    faults.add(fault(Call::Create, Moment::After, ErrorKind::UnknownOutcome));
    let request = bench.request(1);
    match bench.create_with(&faults, &request).await {
        Err(error) => require!(error.kind == ErrorKind::UnknownOutcome, "wrong kind {:?}", error.kind),
        Ok(id) => return Err(format!("the fault did not happen: {id:?}")),
    }
    let capabilities = faults.capabilities();
    if capabilities.findable {
        let found = bench.await_count(1).await?.remove(0);
        require!(found.identity == request.identity, "found {:?}", found.identity);
        bench.await_state(&found.provider_id, ResourceState::Running).await?;
        if capabilities.idempotent_create {
            let replayed = bench.create(&request).await?;
            require!(replayed == found.provider_id, "the replay made {replayed:?} beside {found:?}");
        }
    }
    wait_out_visibility(bench).await?;
    bench.await_count(1).await.map(drop)
}

pub(super) async fn lost_answer_of_destroy_settles_to_none(bench: &Bench<'_>) -> Verdict {
    let request = bench.request(1);
    let id = bench.create(&request).await?;
    bench.await_state(&id, ResourceState::Running).await?;
    let faults = Faults::new(bench.handler.clone());
    faults.add(fault(Call::Destroy, Moment::After, ErrorKind::UnknownOutcome));
    let steps = bench.steps(&request.identity.attempt);
    let answer = faults.destroy(&bench.access, &id, &*steps).await;
    require!(answer.is_err(), "the fault did not happen");
    faults.destroy(&bench.access, &id, &*steps).await.map_err(told("repeated destroy"))?;
    bench.await_gone(&id).await?;
    bench.await_count(0).await.map(drop)
}

fn fault(call: Call, moment: Moment, kind: ErrorKind) -> Fault {
    Fault { call, moment, error: HandlerError::new(kind, "a fault of the test bench") }
}

/// Lets listings catch up, so that "not listed" means "does not exist".
async fn wait_out_visibility(bench: &Bench<'_>) -> Verdict {
    if bench.handler.capabilities().visibility_delay > Duration::ZERO {
        for _ in 0..10 {
            bench.fixture.pause().await;
        }
    }
    Ok(())
}
