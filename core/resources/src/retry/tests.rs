use jiff::Timestamp;
use occopus_engine::clock::VirtualClock;

use super::*;
use crate::conformance::{MemorySteps, check};
use crate::faults::{Call, Fault, Faults, Moment};
use crate::stub::{Mistake, Stub, StubFixture, access, request};

struct Bench {
    faults: Arc<Faults>,
    clock: Arc<VirtualClock>,
    retry: Retry,
}

fn bench(policy: RetryPolicy) -> Bench {
    let faults = Arc::new(Faults::new(Stub::new(Mistake::None)));
    let clock = Arc::new(VirtualClock::new(Timestamp::UNIX_EPOCH));
    let retry = Retry::new(faults.clone(), clock.clone(), Random::seeded(7), policy);
    Bench { faults, clock, retry }
}

impl Bench {
    fn fail(&self, call: Call, kind: ErrorKind, times: usize) {
        self.fail_with(call, &HandlerError::new(kind, "fault"), times);
    }

    fn fail_with(&self, call: Call, error: &HandlerError, times: usize) {
        for _ in 0..times {
            self.faults.add(Fault { call, moment: Moment::Before, error: error.clone() });
        }
    }

    async fn create(&self) -> Result<ProviderId, HandlerError> {
        self.retry.create(&access(), &request(), &MemorySteps::default()).await
    }

    async fn find(&self) -> Result<Vec<Found>, HandlerError> {
        self.retry.find(&access(), &StoreId::from("a-store")).await
    }
}

#[tokio::test(start_paused = true)]
async fn passing_failures_of_reads_are_repeated() {
    let bench = bench(RetryPolicy::default());
    for kind in [ErrorKind::Transient, ErrorKind::Throttled, ErrorKind::UnknownOutcome] {
        bench.fail(Call::Find, kind, 1);
    }
    bench.find().await.unwrap();
    assert_eq!(bench.faults.pending(), 0);
}

#[tokio::test(start_paused = true)]
async fn lasting_failures_are_told_at_once() {
    let bench = bench(RetryPolicy::default());
    for kind in [ErrorKind::Auth, ErrorKind::Invalid, ErrorKind::NotFound, ErrorKind::Quota] {
        bench.fail(Call::Find, kind, 1);
        assert_eq!(bench.find().await.unwrap_err().kind, kind);
    }
    assert_eq!(bench.clock.monotonic(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn changes_are_repeated_only_if_nothing_happened() {
    let bench = bench(RetryPolicy::default());
    bench.fail(Call::Create, ErrorKind::Throttled, 1);
    bench.fail(Call::Create, ErrorKind::Transient, 1);
    bench.create().await.unwrap();
    assert_eq!(bench.faults.reached(Call::Create), 1);

    bench.fail(Call::Create, ErrorKind::UnknownOutcome, 1);
    assert_eq!(bench.create().await.unwrap_err().kind, ErrorKind::UnknownOutcome);
    assert_eq!(bench.faults.reached(Call::Create), 1, "an unknown outcome was repeated");
}

#[tokio::test(start_paused = true)]
async fn tries_are_bounded() {
    let bench = bench(RetryPolicy { tries: 3, ..RetryPolicy::default() });
    bench.fail(Call::Find, ErrorKind::Transient, 5);
    bench.find().await.unwrap_err();
    assert_eq!(bench.faults.pending(), 2);
}

#[tokio::test(start_paused = true)]
async fn total_time_is_bounded() {
    let total = Duration::from_secs(20);
    let bench = bench(RetryPolicy { tries: 1000, total, ..RetryPolicy::default() });
    bench.fail(Call::Find, ErrorKind::Transient, 1000);
    bench.find().await.unwrap_err();
    assert!(bench.clock.monotonic() <= total);
    assert!(bench.faults.pending() < 1000 - 3, "gave up too early");
}

#[tokio::test(start_paused = true)]
async fn pauses_double_up_to_their_limit() {
    let policy = RetryPolicy::default();
    let pauses: Vec<u128> = (1..=7).map(|failures| policy.pause(failures).as_millis()).collect();
    assert_eq!(pauses, [500, 1000, 2000, 4000, 8000, 8000, 8000]);
    assert_eq!(policy.pause(u32::MAX), policy.longest_pause);
}

#[tokio::test(start_paused = true)]
async fn the_back_end_is_not_asked_earlier_than_it_wishes() {
    let bench = bench(RetryPolicy::default());
    let wish = Duration::from_secs(10);
    let error =
        HandlerError { retry_after: Some(wish), ..HandlerError::new(ErrorKind::Throttled, "slow down") };
    bench.fail_with(Call::Find, &error, 1);
    bench.find().await.unwrap();
    assert!(bench.clock.monotonic() >= wish);
}

#[tokio::test(start_paused = true)]
async fn a_wish_beyond_the_total_is_passed_on() {
    let bench = bench(RetryPolicy::default());
    let wish = Duration::from_secs(3600);
    let error =
        HandlerError { retry_after: Some(wish), ..HandlerError::new(ErrorKind::Throttled, "slow down") };
    bench.fail_with(Call::Find, &error, 1);
    assert_eq!(bench.find().await.unwrap_err().retry_after, Some(wish));
    assert_eq!(bench.clock.monotonic(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_retried_handler_conforms() {
    struct Retried(StubFixture);

    #[async_trait]
    impl crate::conformance::Fixture for Retried {
        fn handler(&self) -> Arc<dyn ResourceHandler> {
            let clock = Arc::new(VirtualClock::new(Timestamp::UNIX_EPOCH));
            Arc::new(Retry::new(self.0.handler(), clock, Random::seeded(1), RetryPolicy::default()))
        }
        fn access(&self) -> Access {
            self.0.access()
        }
        fn request(&self, identity: occopus_engine::handler::Identity) -> CreateRequest {
            self.0.request(identity)
        }
        fn invalid_request(&self, identity: occopus_engine::handler::Identity) -> CreateRequest {
            self.0.invalid_request(identity)
        }
        fn unknown_id(&self) -> ProviderId {
            self.0.unknown_id()
        }
        async fn pause(&self) {
            self.0.pause().await;
        }
    }

    check(&Retried(StubFixture(Stub::new(Mistake::None)))).await.unwrap();
}
