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

/// A back-end that tolerates `burst` calls at once and `per_second` in the long run.
struct Strict {
    clock: Arc<VirtualClock>,
    per_second: f64,
    burst: f64,
    bucket: Mutex<(f64, Duration)>,
    throttled: std::sync::atomic::AtomicUsize,
}

impl Strict {
    fn call(&self) -> Result<(), HandlerError> {
        let now = self.clock.monotonic();
        let mut bucket = self.bucket.lock().unwrap();
        let filled = now.saturating_sub(bucket.1).as_secs_f64() * self.per_second;
        *bucket = ((bucket.0 + filled).min(self.burst), now);
        if bucket.0 < 1.0 {
            self.throttled.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            return Err(HandlerError::new(ErrorKind::Throttled, "slow down"));
        }
        bucket.0 -= 1.0;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_back_end_tolerates_is_learned_from_what_it_throttles() {
    const CALLS: usize = 400;
    for per_second in [0.8, 2.0, 7.0, 30.0] {
        let clock = Arc::new(VirtualClock::new(Timestamp::UNIX_EPOCH));
        let (bucket, throttled) = (Mutex::new((5.0, Duration::ZERO)), Default::default());
        let strict = Strict { clock: clock.clone(), per_second, burst: 5.0, bucket, throttled };
        let inner: Arc<dyn ResourceHandler> = Arc::new(Faults::new(Stub::new(Mistake::None)));
        let limits = RateLimits { longest_wait: Duration::from_secs(60), ..RateLimits::default() };
        let limited = RateLimit::new(inner, clock.clone(), limits);
        let left = std::sync::atomic::AtomicUsize::new(CALLS);
        let place = access().place;
        let take = |left: &std::sync::atomic::AtomicUsize| {
            let ordering = std::sync::atomic::Ordering::Relaxed;
            left.fetch_update(ordering, ordering, |left| left.checked_sub(1)).is_ok()
        };
        let worker = async || {
            while take(&left) {
                while limited.pass(&place, Kind::Change, async { strict.call() }).await.is_err() {}
            }
        };
        futures::future::join_all((0..10).map(|_| worker())).await;
        let ideal = (CALLS as f64 - 5.0) / per_second;
        let took = clock.monotonic().as_secs_f64();
        let refused = strict.throttled.into_inner();
        assert!(took < ideal * 1.35, "{per_second} per second: {took} s instead of {ideal} s");
        assert!(refused < CALLS / 10, "{per_second} per second: {refused} calls were throttled");
    }
}

#[tokio::test(start_paused = true)]
async fn a_back_end_that_throttles_nothing_is_not_held_up() {
    let mut pace = Pace::new(RateLimits::default().changes);
    let waits: Duration =
        (0..200).filter_map(|_| pace.take(Duration::ZERO, Duration::MAX).ok()).max().unwrap();
    assert!(waits < Duration::from_secs(1), "{waits:?}");
}
