use super::*;
use crate::stub::{Mistake, Stub, StubFixture};

async fn broken_properties(mistake: Mistake) -> Vec<&'static str> {
    match check(&StubFixture(Stub::new(mistake))).await {
        Ok(()) => Vec::new(),
        Err(Violations(violations)) => violations.iter().map(|violation| violation.property).collect(),
    }
}

#[tokio::test]
async fn faultless_handler_passes() {
    assert_eq!(broken_properties(Mistake::None).await, Vec::<&str>::new());
}

#[tokio::test]
async fn each_mistake_is_caught_by_its_property() {
    for (mistake, property) in [
        (Mistake::ReplayMakesAnother, "same_request_twice_makes_one_resource"),
        (Mistake::ReplayMakesAnother, "lost_answer_of_create_settles_to_one"),
        (Mistake::ShowsForeign, "foreign_store_sees_nothing"),
        (Mistake::DestroyFailsTwice, "destroyed_resource_is_gone"),
        (Mistake::DestroyFailsTwice, "destroying_the_unknown_succeeds"),
        (Mistake::DestroyDoesNothing, "destroyed_resource_is_gone"),
        (Mistake::DestroyDoesNothing, "lost_answer_of_destroy_settles_to_none"),
        (Mistake::UnknownFailsAll, "unknown_id_is_gone_and_harms_no_other"),
        (Mistake::ObservesSorted, "observations_keep_the_order"),
        (Mistake::InvalidLeavesSomething, "invalid_request_leaves_nothing"),
    ] {
        let broken = broken_properties(mistake).await;
        assert!(broken.contains(&property), "{mistake:?} was caught by {broken:?} only");
    }
}
