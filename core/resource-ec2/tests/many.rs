//! Thousands of instances: looking after them takes few calls and no write.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use occopus_ec2_stub::{Options as StubOptions, Stub};
use occopus_engine::clock::{Random, SystemClock};
use occopus_engine::control::{Built, Controller, Options};
use occopus_engine::credentials::{Chosen, CredentialError, CredentialSource};
use occopus_engine::engine::{Engine, Handlers, Policy};
use occopus_engine::event::Event;
use occopus_engine::handler::Credentials;
use occopus_engine::ids::{InfraId, StoreId};
use occopus_engine::lease::Holder;
use occopus_engine::plan::Order;
use occopus_engine::secret::Secrets;
use occopus_engine::store::{Batch, Key, Record, Store, StoreError, Table, Write};
use occopus_resources::dry_run::DryRunChecks;
use occopus_sim::{Shape, SimContext};
use occopus_store::MemoryStore;
use serde_json::{Map, Value};
use support::{ACCESS_KEY, credentials, handler, resource};
use tokio_util::sync::CancellationToken;

const INSTANCES: u32 = 5000;

/// One entry for everything.
struct OneAccount;

impl CredentialSource for OneAccount {
    fn choose(&self, _: &Map<String, Value>) -> Result<Option<Chosen>, CredentialError> {
        let reference = "type=ec2".to_owned();
        Ok(Some(Chosen { reference, credentials: credentials(ACCESS_KEY) }))
    }

    fn recall(&self, _: &str, _: &str) -> Result<Option<Credentials>, CredentialError> {
        Ok(Some(credentials(ACCESS_KEY)))
    }
}

/// A store that counts what is written to it.
#[derive(Default)]
struct CountingStore {
    records: MemoryStore,
    writes: Mutex<BTreeMap<Table, usize>>,
}

#[async_trait]
impl Store for CountingStore {
    fn id(&self) -> &StoreId {
        self.records.id()
    }

    fn location(&self) -> String {
        self.records.location()
    }

    async fn read(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.records.read(key).await
    }

    async fn list(&self, table: Table, scope: &str, after: &str) -> Result<Vec<Record>, StoreError> {
        self.records.list(table, scope, after).await
    }

    async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        for write in &batch.writes {
            let table = match write {
                Write::Put(key, _) | Write::Delete(key) => key.table,
                Write::Append(table, ..) => *table,
            };
            *self.writes.lock().unwrap().entry(table).or_default() += 1;
        }
        self.records.commit(batch).await
    }
}

fn engine(store: Arc<dyn Store>) -> Engine {
    let mut handlers = Handlers::default();
    handlers.register(Arc::new(handler()));
    Engine {
        store,
        handlers,
        contextualiser: Arc::new(SimContext),
        health: Arc::new(DryRunChecks),
        credentials: Arc::new(OneAccount),
        secrets: Secrets::default(),
        clock: Arc::new(SystemClock),
        random: Random::seeded(1),
        policy: Policy { max_parallel: 32, ..Policy::default() },
        events: Arc::new(|_: &Event| {}),
    }
}

async fn control<'a>(engine: &'a Engine, infra: &InfraId) -> Controller<'a> {
    let options = Options {
        order: Order::Parallel,
        holder: Holder::this_process("test"),
        patience: Duration::ZERO,
        stop: CancellationToken::new(),
    };
    Controller::open(engine, infra, options, |_| {}).await.unwrap()
}

#[tokio::test]
async fn a_pass_over_five_thousand_ready_instances_asks_ten_times_at_most_and_writes_its_lease_only() {
    let stub = Stub::start(StubOptions::default()).await.unwrap();
    let store = Arc::new(CountingStore::default());
    let engine = engine(store.clone());
    let infra = InfraId::from("many");
    let shape = Shape::new("many").node("worker", INSTANCES, INSTANCES);
    let shape = shape.with("worker", Value::Object(resource(stub.endpoint())));
    let controller = control(&engine, &infra).await;
    controller.begin(shape.generation(Timestamp::now())).await.unwrap();
    assert_eq!(controller.converge(&mut |_, _| {}).await.unwrap(), Built::Ready);
    assert_eq!(stub.calls("RunInstances"), u64::from(INSTANCES / 100), "a hundred by each call");
    controller.close().await.unwrap();

    stub.forget_calls();
    store.writes.lock().unwrap().clear();
    let controller = control(&engine, &infra).await;
    let pass = controller.maintain(&mut |_, _| {}).await.unwrap();
    controller.close().await.unwrap();
    assert!(pass.plan.is_empty() && pass.plan.notes.is_empty(), "{:?}", pass.plan);
    let asked = stub.calls("DescribeInstances");
    assert!((1..=10).contains(&asked), "{asked} calls");
    assert_eq!(stub.calls("RunInstances") + stub.calls("TerminateInstances"), 0);
    let written: Vec<Table> = store.writes.lock().unwrap().keys().copied().collect();
    assert_eq!(written, [Table::Lease]);
}
