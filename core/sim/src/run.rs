//! Running a history to its end: with faults, then without them, and everything must be in order.

use std::time::Duration;

use futures::future::join_all;
use occopus_engine::control::{Controller, Demolished};
use occopus_engine::error::EngineError;
use occopus_engine::handler::Identity;
use occopus_engine::ids::{AttemptId, InfraId, NodeId, Slot, StoreId};
use occopus_engine::lease::{Sighting, is_wanted};
use occopus_engine::record::{Goal, Rollout};
use occopus_engine::store::StoreError;

use crate::check::broken;
use crate::fault::{FaultKind, Tally};
use crate::mutant::Mutant;
use crate::process::Sleep;
use crate::property::{Property, Violations};
use crate::scenario::{Accident, Actor, Mishap, Scenario, Step, Task};
use crate::world::{Done, Op, Process, World, simulate};

/// Pause of a watcher between two passes.
const INTERVAL: Duration = Duration::from_secs(30);
/// Pauses between the passes of the maintainer who comes when the faults have ended: so often such a one.
const RECOVERY: [(usize, Duration); 2] = [(40, Duration::from_secs(45)), (50, Duration::from_secs(300))];
/// So many machines that fail their checks for good are replaced; if there are more, the engine suspects
/// its own network, and waits.
const FEW: usize = 2;

/// Runs `scenario`, with a bug if one is given, and tells what went wrong in it and whether all promises
/// were kept.
pub fn run(scenario: &Scenario, mutant: Option<Mutant>) -> (Tally, Result<(), Violations>) {
    simulate(async {
        let mut world = World::new(scenario.seed, scenario.settings.clone(), scenario.shape.clone());
        world.same_machine = scenario.same_machine;
        world.order = scenario.order;
        world.mutant = mutant;
        let result = history(&world, scenario).await;
        (world.cloud.ledger.tally(), result)
    })
}

async fn history(world: &World, scenario: &Scenario) -> Result<(), Violations> {
    let foreign = world.cloud.plant(foreigner(world));
    for (_, step) in &scenario.steps {
        play(world, step).await?;
        world.check_always().await?;
        world.wait(step.rest).await;
    }
    recover(world).await?;
    world.check_settled().await?;
    demolish(world).await?;
    if world.cloud.alive().iter().any(|machine| machine.id == foreign) {
        Ok(())
    } else {
        Err(Violations::one(Property::ForeignUntouched, "a machine of another store was destroyed"))
    }
}

/// Somebody else's machine that looks like one of ours but for its store.
fn foreigner(world: &World) -> Identity {
    Identity {
        store: StoreId::from("another store"),
        infra: InfraId::from(world.infra.as_str()),
        slot: Slot::new("db", 1),
        node_id: NodeId::from("n"),
        attempt: AttemptId::from("a"),
    }
}

async fn play(world: &World, step: &Step) -> Result<(), Violations> {
    let accidents = join_all(step.accidents.iter().map(async |(after, accident)| {
        world.wait(*after).await;
        happen(world, *accident);
    }));
    let actors = join_all(step.actors.iter().map(|actor| act(world, actor)));
    let (results, _) = tokio::join!(actors, accidents);
    results.into_iter().collect()
}

fn happen(world: &World, accident: Accident) {
    let cloud = &world.cloud;
    let alive = world.ours(cloud.alive());
    let one = |number: usize| alive.get(number % alive.len().max(1));
    let count = || cloud.ledger.count(accident.kind());
    match accident {
        Accident::Dies(number) => one(number).into_iter().for_each(|machine| {
            cloud.kill(&machine.id);
            count();
        }),
        Accident::Stops(number) => one(number).into_iter().for_each(|machine| {
            cloud.stop(&machine.id);
            count();
        }),
        Accident::Sickens(number) => {
            one(number).into_iter().filter(|machine| machine.healthy).for_each(|machine| {
                cloud.set_healthy(&machine.id, false);
                count();
            });
        }
        // What these two do is counted call by call.
        Accident::EndpointDown(endpoint, lasting) => cloud.take_down(endpoint, lasting),
        Accident::Full(endpoint, lasting) => cloud.fill_up(endpoint, lasting),
        Accident::Jump(by) => {
            world.wall.jump(by);
            cloud.ledger.jumped(cloud.now());
            count();
        }
    }
}

/// Lets one process work, and lets its mishap happen to it.
async fn act(world: &World, actor: &Actor) -> Result<(), Violations> {
    world.wait(actor.after).await;
    let crash = match actor.mishap {
        Some(Mishap::Crash(crash)) => Some(crash),
        _ => None,
    };
    let mut process = world.process(crash);
    // Long enough to take the lease of a dead process over.
    process.options.patience = world.policy.lease * 4 / 3;
    let work = async {
        match &actor.task {
            Task::Once(op) => once(world, &process, Op::clone(op)).await,
            Task::Watch(lasting) => watch(world, &process, *lasting).await,
        }
    };
    tokio::select! {
        biased;
        result = work => result,
        () = process.life.crashed() => Ok(()),
        () = strike(world, &process, actor.mishap) => Ok(()),
    }
}

/// Makes a mishap happen at its time; never returns.
async fn strike(world: &World, process: &Process, mishap: Option<Mishap>) {
    let life = &process.life;
    match mishap {
        Some(Mishap::Kill(after)) => {
            world.wait(after).await;
            world.cloud.ledger.count(FaultKind::Killed);
            life.kill();
        }
        Some(Mishap::Interrupt(after)) => {
            world.wait(after).await;
            world.cloud.ledger.count(FaultKind::Interrupted);
            process.options.stop.cancel();
        }
        Some(Mishap::Sleep(how, after, lasting)) => {
            world.wait(after).await;
            if world.cloud.ledger.holder() == Some(life.number) {
                let kind = if how == Sleep::Process { FaultKind::Paused } else { FaultKind::Suspended };
                world.cloud.ledger.count(kind);
            }
            life.freeze(how, lasting);
        }
        Some(Mishap::CutOff(after, lasting)) => {
            world.wait(after).await;
            life.cut_off(false, lasting);
        }
        Some(Mishap::Blind(after, lasting)) => {
            world.wait(after).await;
            life.cut_off(true, lasting);
        }
        Some(Mishap::StoreFails(commit, fault)) => life.fail_write(commit, fault),
        Some(Mishap::Crash(_)) | None => {}
    }
    std::future::pending().await
}

/// Does one operation. Who says that everything is gone must not have overlooked what can be seen.
async fn once(world: &World, process: &Process, op: Op) -> Result<(), Violations> {
    let begun = world.cloud.now();
    let done = match world.perform_in(process, op).await {
        Ok(done) => done,
        Err(error) => return tolerate(world, error),
    };
    if done == Done::Demolished(Demolished::Gone) {
        let behind = world.cloud.capabilities().visibility_delay;
        let alive = world.ours(world.cloud.alive());
        if let Some(left) = alive.iter().find(|machine| machine.visible_from + behind <= begun) {
            let text = format!("{} is left, though everything is said to be gone", left.id);
            return Err(Violations::one(Property::GoneMeansGone, text));
        }
    }
    Ok(())
}

/// Looks after the infrastructure as `occopus watch` does: holding the lease between passes, unless
/// somebody waits for it.
async fn watch(world: &World, process: &Process, lasting: Duration) -> Result<(), Violations> {
    let until = world.cloud.now() + lasting;
    let mut sighting = Sighting::default();
    let mut held = None;
    while world.cloud.now() < until && !process.options.stop.is_cancelled() {
        match turn(world, process, held.take(), &mut sighting).await {
            Ok(kept) => held = kept,
            Err(error) => tolerate(world, error)?,
        }
        tokio::select! {
            biased;
            () = process.options.stop.cancelled() => {}
            () = process.engine.clock.sleep(INTERVAL) => {}
        }
    }
    match held {
        Some(controller) => controller.close().await.or_else(|error| tolerate(world, error)),
        None => Ok(()),
    }
}

/// One turn of a watcher; returns its controller if it keeps the lease.
async fn turn<'a>(
    world: &World,
    process: &'a Process,
    held: Option<Controller<'a>>,
    sighting: &mut Sighting,
) -> Result<Option<Controller<'a>>, EngineError> {
    let Process { engine, options, .. } = process;
    if let Some(controller) = held {
        if is_wanted(engine.store.as_ref(), &world.infra, engine.clock.wall()).await? {
            controller.close().await?;
            return Ok(None);
        }
        return look_after(controller).await;
    }
    let options = occopus_engine::control::Options { patience: Duration::ZERO, ..options.clone() };
    look_after(Controller::open_again(engine, &world.infra, options, sighting, |_| {}).await?).await
}

async fn look_after(controller: Controller<'_>) -> Result<Option<Controller<'_>>, EngineError> {
    let closed = match controller.record().await {
        Err(EngineError::UnknownInfrastructure { .. }) => None,
        other => Some(other?.closed_at.is_some()),
    };
    match closed {
        Some(false) => {
            controller.maintain(&mut |_, _| {}).await?;
            return Ok(Some(controller));
        }
        Some(true) => drop(controller.recheck(&mut |_, _| {}).await?),
        None => {}
    }
    controller.close().await?;
    Ok(None)
}

/// Lets errors pass that are no fault of the engine: what was asked for makes no sense, another process
/// is at work, or the store failed.
fn tolerate(world: &World, error: EngineError) -> Result<(), Violations> {
    match error {
        EngineError::Busy { .. } => {
            world.cloud.ledger.count(FaultKind::Contention);
            Ok(())
        }
        EngineError::UnknownInfrastructure { .. }
        | EngineError::Description(_)
        | EngineError::Stopped { .. }
        | EngineError::LeaseLost(_)
        | EngineError::Store(StoreError::Failed(_) | StoreError::UnknownOutcome(_)) => Ok(()),
        other => Err(broken(other)),
    }
}

/// Ends all faults; then a maintainer must bring everything in order without anybody's help.
async fn recover(world: &World) -> Result<(), Violations> {
    world.lift_all().await.map_err(broken)?;
    world.calm_down().await;
    let sick: Vec<_> =
        world.ours(world.cloud.alive()).into_iter().filter(|machine| !machine.healthy).collect();
    if sick.len() > FEW {
        sick.iter().for_each(|machine| world.cloud.set_healthy(&machine.id, true));
    }
    mend(world).await.map_err(broken)?;
    let pauses = RECOVERY.into_iter().flat_map(|(times, pause)| std::iter::repeat_n(pause, times));
    for pause in pauses {
        if world.record().await.map_err(broken)?.is_none() {
            return Ok(());
        }
        world.perform(Op::Maintain).await.map_err(broken)?;
        if world.check_converged().await.is_ok() {
            return Ok(());
        }
        world.wait(pause).await;
    }
    Ok(())
}

/// A change to a description that cannot be carried out, and was not undone because its process died, is
/// followed by one that can.
async fn mend(world: &World) -> Result<(), EngineError> {
    let Some(record) = world.record().await?.filter(|record| record.goal == Goal::Present) else {
        return Ok(());
    };
    let generation = world.generation(record.generation).await?;
    let hopeless = generation
        .definitions
        .values()
        .any(|definition| definition.implementations.iter().all(|one| one.resource.contains_key("broken")));
    if hopeless {
        world.perform(Op::Renew(world.shape.clone(), Rollout::default())).await?;
    }
    Ok(())
}

/// Destroys everything, and has a watcher look for what appears afterwards.
async fn demolish(world: &World) -> Result<(), Violations> {
    if world.record().await.map_err(broken)?.is_none() {
        return Ok(());
    }
    let done = world.perform(Op::Destroy).await.map_err(broken)?;
    if done != Done::Demolished(Demolished::Gone) {
        return Err(Violations::one(
            Property::Converges,
            format!("without any fault, destroy ends {done:?}"),
        ));
    }
    world.calm_down().await;
    watch(world, &world.process(None), INTERVAL).await?;
    world.check_settled().await
}
