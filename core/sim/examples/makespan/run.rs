//! The engine builds a graph on the simulated cloud.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use occopus_engine::clock::Clock;
use occopus_engine::control::{Built, Controller};
use occopus_engine::engine::Engine;
use occopus_engine::health::{CheckResult, CheckTarget, HealthChecker};
use occopus_engine::record::Generation;
use occopus_resources::rate_limit::{Rate as Limit, RateLimit, RateLimits};
use occopus_sim::{Call, FaultKind, Process, Rate, Settings, Shape, World, simulate};
use serde_json::{Map, Value, json};

use crate::graph::{Graph, KINDS};
use crate::reference::Cloud;

/// What came of a build.
pub(crate) struct Outcome {
    /// From the command until it returned.
    pub(crate) took: Duration,
    /// How often the cloud was asked for states.
    pub(crate) looks: usize,
    /// Calls that were refused because there were too many.
    pub(crate) refused: u64,
}

/// Builds `graph` from nothing.
pub(crate) fn build(graph: &Graph, cloud: &Cloud) -> Outcome {
    simulate(async {
        let mut world = World::new(1, settings(cloud), Shape::new("bench"));
        world.policy.max_parallel = cloud.parallel;
        let Process { mut engine, options, .. } = world.process(None);
        restrain(&mut engine, cloud);
        let begun = world.clock.monotonic();
        let controller =
            Controller::open(&engine, &world.infra, options, |_| {}).await.expect("a free lease");
        controller.begin(generation(graph, world.clock.wall())).await.expect("nothing was built before");
        let built = controller.converge(&mut |_, _| {}).await.expect("a store that works");
        assert_eq!(built, Built::Ready, "{}", graph.name);
        let took = world.clock.monotonic() - begun;
        controller.close().await.expect("a store that works");
        assert_eq!(world.cloud.alive().len(), graph.instances(), "{}", graph.name);
        let refused = world.cloud.ledger.tally().of(FaultKind::Throttled);
        Outcome { took, looks: world.cloud.calls(Call::Observe), refused }
    })
}

fn settings(cloud: &Cloud) -> Settings {
    let per_second = 1.0 / cloud.interval.as_secs_f64();
    Settings {
        latency: (cloud.call, cloud.call),
        visibility: Duration::ZERO,
        rate: Some(Rate { burst: cloud.burst, per_second }),
        ..Settings::default()
    }
}

/// Lets calls go through the same decorator as in the product, and checks take their time.
fn restrain(engine: &mut Engine, cloud: &Cloud) {
    let limit = Limit { burst: cloud.burst, interval: cloud.interval };
    let limits = RateLimits { reads: limit, changes: limit, ..RateLimits::default() };
    let handler = engine.handlers.get("sim").expect("the handler of the simulated cloud").clone();
    engine.handlers.register(Arc::new(RateLimit::new(handler, engine.clock.clone(), limits)));
    let (health, clock) = (engine.health.clone(), engine.clock.clone());
    engine.health = Arc::new(SlowCheck { health, clock, takes: cloud.check });
}

/// A check that takes its time.
struct SlowCheck {
    health: Arc<dyn HealthChecker>,
    clock: Arc<dyn Clock>,
    takes: Duration,
}

#[async_trait]
impl HealthChecker for SlowCheck {
    async fn check(&self, target: &CheckTarget) -> Vec<CheckResult> {
        self.clock.sleep(self.takes).await;
        self.health.check(target).await
    }
}

/// The description of `graph`.
fn generation(graph: &Graph, now: Timestamp) -> Generation {
    let name = |index: usize| format!("node-{index:04}");
    let mut nodes = Vec::new();
    let mut dependencies = Vec::new();
    for (index, member) in graph.members.iter().enumerate() {
        let scaling = json!({"min": member.instances, "max": member.instances});
        nodes.push(json!({"name": name(index), "type": format!("kind-{}", member.kind), "scaling": scaling}));
        let needs =
            member.needs.iter().map(|need| json!({"dependent": name(index), "dependee": name(*need)}));
        dependencies.extend(needs);
    }
    let definitions = KINDS.iter().enumerate().map(|(number, kind)| {
        let endpoint = format!("sim://{}", kind.endpoint);
        let resource = json!({"type": "sim", "endpoint": endpoint, "boot": kind.boot});
        let name = format!("kind-{number}");
        (name.clone(), json!({"name": name, "implementations": [{"resource": resource}]}))
    });
    let description = json!({
        "number": 1,
        "infrastructure": {"name": "bench", "user_id": null, "nodes": nodes, "dependencies": dependencies},
        "definitions": Value::Object(definitions.collect::<Map<_, _>>()),
        "created_at": now,
    });
    serde_json::from_value(description).expect("a valid description")
}
