use jiff::Timestamp;
use occopus_engine::clock::VirtualClock;

use super::*;
use crate::conformance::MemorySteps;
use crate::faults::{Call, Faults};
use crate::stub::{Mistake, Stub, access, request};

const LIMITS: RateLimits = RateLimits {
    reads: Rate { burst: 3, interval: Duration::from_secs(1) },
    changes: Rate { burst: 1, interval: Duration::from_secs(10) },
    longest_wait: Duration::from_secs(30),
};

struct Bench {
    clock: Arc<VirtualClock>,
    counted: Arc<Faults>,
    limited: RateLimit,
}

fn bench() -> Bench {
    let clock = Arc::new(VirtualClock::new(Timestamp::UNIX_EPOCH));
    let counted = Arc::new(Faults::new(Stub::new(Mistake::None)));
    Bench { limited: RateLimit::new(counted.clone(), clock.clone(), LIMITS), counted, clock }
}

impl Bench {
    async fn read_at(&self, place: &str) -> Duration {
        let mut access = access();
        access.place.endpoint = place.to_owned();
        self.limited.observe(&access, &[]).await.unwrap();
        self.clock.monotonic()
    }

    async fn create(&self) -> Result<Duration, HandlerError> {
        self.limited.create(&access(), &request(), &MemorySteps::default()).await?;
        Ok(self.clock.monotonic())
    }
}

fn seconds(times: &[Duration]) -> Vec<u64> {
    times.iter().map(Duration::as_secs).collect()
}

#[tokio::test(start_paused = true)]
async fn a_burst_passes_and_the_rest_follows_at_the_rate() {
    let bench = bench();
    let times = futures::future::join_all((0..6).map(|_| bench.read_at("here"))).await;
    assert_eq!(seconds(&times), [0, 0, 0, 1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_time_refills_the_bucket_but_not_beyond_the_burst() {
    let bench = bench();
    futures::future::join_all((0..3).map(|_| bench.read_at("here"))).await;
    bench.clock.sleep(Duration::from_secs(3600)).await;
    let times = futures::future::join_all((0..4).map(|_| bench.read_at("here"))).await;
    assert_eq!(seconds(&times), [3600, 3600, 3600, 3601]);
}

#[tokio::test(start_paused = true)]
async fn places_and_kinds_have_buckets_of_their_own() {
    let bench = bench();
    for _ in 0..3 {
        bench.read_at("here").await;
    }
    assert_eq!(bench.read_at("there").await, Duration::ZERO);
    assert_eq!(bench.create().await.unwrap(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_too_long_refuses_without_calling() {
    let bench = bench();
    let answers = futures::future::join_all((0..6).map(|_| bench.create())).await;
    let refused: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    assert_eq!(refused.len(), 2);
    assert_eq!(bench.counted.reached(Call::Create), 4);
    for error in refused {
        assert_eq!(error.kind, ErrorKind::Throttled);
        assert_eq!(error.retry_after, Some(Duration::from_secs(40)));
    }
}
