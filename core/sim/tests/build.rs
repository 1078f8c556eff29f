//! Building: in the order of dependencies, as much at once as they allow, and with other
//! implementations where the first fails.

use std::time::Duration;

use occopus_engine::control::Built;
use occopus_engine::plan::Order;
use occopus_sim::{Call, Done, Op, Settings, Shape, World, simulate};

fn three_tiers() -> Shape {
    Shape::new("shop")
        .node("db", 1, 1)
        .node("worker", 2, 9)
        .node("front", 1, 1)
        .node("log", 1, 1)
        .needs("worker", "db")
        .needs("front", "worker")
}

#[test]
fn builds_what_is_described_and_stays_there() {
    simulate(async {
        let world = World::new(1, Settings::default(), three_tiers());
        assert_eq!(world.perform(Op::Build).await.unwrap(), Done::Built(Built::Ready));
        assert_eq!(world.cloud.alive().len(), 5);
        world.check_settled().await.unwrap();
    });
}
