//! What the boundary tests share.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::{BehaviorVersion, Config, Region};
use aws_sdk_ec2::types::{InstanceAttributeName, InstanceType, ResourceType, Tag, TagSpecification};
use occopus_engine::batch::CreateBatch;
use occopus_engine::handler::{
    Access, CreateRequest, Credentials, HandlerError, Identity, Observation, Place, ProviderId,
    ResourceHandler, ResourceState, Step, StepJournal,
};
use occopus_engine::ids::{AttemptId, BatchToken, NodeId, Slot, StoreId};
use occopus_resource_ec2::{Ec2Handler, Timing};
use occopus_resources::conformance::Fixture;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// The access key both the stub and moto know.
pub(crate) const ACCESS_KEY: &str = "AKIDSTUB";
pub(crate) const SECRET_KEY: &str = "a-secret-nobody-may-see";

/// A journal for a handler that needs none.
pub(crate) struct NoSteps;

#[async_trait]
impl StepJournal for NoSteps {
    fn steps(&self) -> Vec<Step> {
        Vec::new()
    }

    async fn record(&self, _step: Step) -> Result<(), HandlerError> {
        Ok(())
    }
}

/// A handler whose calls give up soon.
pub(crate) fn handler() -> Ec2Handler {
    Ec2Handler::new(Timing { call: Duration::from_secs(20), visibility: Duration::from_secs(1) })
}

/// The `resource` section of a node at `endpoint`, with every key but `tags`.
pub(crate) fn resource(endpoint: &str) -> Map<String, Value> {
    let resource = json!({
        "type": "ec2",
        "endpoint": endpoint,
        "regionname": "us-east-1",
        "image_id": "ami-12345678",
        "instance_type": "t2.micro",
    });
    resource.as_object().unwrap().clone()
}

pub(crate) fn credentials(access_key: &str) -> Credentials {
    let credentials = json!({"accesskey": access_key, "secretkey": SECRET_KEY});
    Credentials(credentials.as_object().unwrap().clone())
}

/// The way in to the cloud at `endpoint`.
pub(crate) fn access(endpoint: &str) -> Access {
    let place = handler().place(&resource(endpoint)).unwrap();
    let place = Place { account: "type=ec2".to_owned(), ..place };
    Access { place, credentials: Some(credentials(ACCESS_KEY)) }
}

/// A request for a new attempt in the name of `store`.
pub(crate) fn request(endpoint: &str, store: &StoreId) -> CreateRequest {
    CreateRequest {
        identity: Identity {
            store: store.clone(),
            infra: "infra-1".into(),
            slot: Slot::new("worker", 1),
            node_id: NodeId::from(Uuid::new_v4()),
            attempt: AttemptId::from(Uuid::new_v4()),
        },
        infra_name: "ping".to_owned(),
        resource: resource(endpoint),
        context: None,
        attributes: Map::new(),
    }
}

/// A store of its own for each test.
pub(crate) fn new_store() -> StoreId {
    StoreId::from(Uuid::new_v4())
}

/// The handler together with the way in.
pub(crate) struct Bench {
    pub(crate) handler: Ec2Handler,
    pub(crate) access: Access,
    pub(crate) store: StoreId,
}

impl Bench {
    pub(crate) fn new(endpoint: &str) -> Self {
        Self { handler: handler(), access: access(endpoint), store: new_store() }
    }

    pub(crate) fn request(&self) -> CreateRequest {
        request(&self.access.place.endpoint, &self.store)
    }

    pub(crate) async fn create(&self, request: &CreateRequest) -> Result<ProviderId, HandlerError> {
        self.handler.create(&self.access, request, &NoSteps).await
    }

    /// Requests for `count` instances that are alike, and their batch.
    pub(crate) fn requests(&self, count: u32) -> (CreateBatch, Vec<CreateRequest>) {
        let token = BatchToken::from(Uuid::new_v4());
        let batch = CreateBatch::new(token.clone(), "worker", (1..=count).collect()).unwrap();
        let request = |slot: Slot| {
            let mut request = self.request();
            (request.identity.attempt, request.identity.node_id) = token.member(&slot);
            request.identity.slot = slot;
            request
        };
        let requests = batch.slots().map(request).collect();
        (batch, requests)
    }

    pub(crate) async fn destroy(&self, id: &ProviderId) -> Result<(), HandlerError> {
        self.handler.destroy(&self.access, id, &NoSteps).await
    }

    pub(crate) async fn observe(&self, ids: &[ProviderId]) -> Vec<Observation> {
        self.handler.observe(&self.access, ids).await.unwrap()
    }

    pub(crate) async fn state(&self, id: &ProviderId) -> ResourceState {
        self.observe(std::slice::from_ref(id)).await.remove(0).state
    }

    /// Identifiers of everything `find` lists, sorted.
    pub(crate) async fn find(&self) -> Vec<String> {
        let found = self.handler.find(&self.access, &self.store).await.unwrap();
        let mut ids: Vec<String> = found.into_iter().map(|found| found.provider_id.id).collect();
        ids.sort();
        ids
    }

    /// A second client, to look at the cloud past the handler.
    pub(crate) fn client(&self) -> Client {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(&self.access.place.endpoint)
            .region(Region::new("us-east-1"))
            .credentials_provider(aws_credential_types::Credentials::new(
                ACCESS_KEY, SECRET_KEY, None, None, "test",
            ))
            .build();
        Client::from_conf(config)
    }

    /// Makes `count` instances of ours past the handler and returns their ids.
    pub(crate) async fn make_many(&self, count: i32) -> Vec<ProviderId> {
        let tags = self.request().identity.tags().into_iter();
        let tags = tags.map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
        let tagged = TagSpecification::builder().resource_type(ResourceType::Instance).set_tags(Some(tags));
        let request =
            self.client().run_instances().image_id("ami-12345678").instance_type(InstanceType::T2Micro);
        let request = request.min_count(count).max_count(count).tag_specifications(tagged.build());
        let answer = request.send().await.unwrap();
        answer
            .instances()
            .iter()
            .filter_map(|instance| instance.instance_id())
            .map(ProviderId::plain)
            .collect()
    }

    /// The user data of an instance, decoded.
    pub(crate) async fn user_data(&self, id: &ProviderId) -> String {
        let attribute = self
            .client()
            .describe_instance_attribute()
            .instance_id(&id.id)
            .attribute(InstanceAttributeName::UserData)
            .send()
            .await
            .unwrap();
        let encoded = attribute.user_data().and_then(|data| data.value()).unwrap_or_default().to_owned();
        String::from_utf8(aws_smithy_types::base64::decode(encoded).unwrap()).unwrap()
    }
}

/// What the conformance suite needs to know.
pub(crate) struct Conformance {
    pub(crate) handler: Arc<Ec2Handler>,
    pub(crate) access: Access,
    /// Makes a valid request wrong.
    pub(crate) spoil: fn(&mut CreateRequest),
}

impl Conformance {
    pub(crate) fn new(endpoint: &str, spoil: fn(&mut CreateRequest)) -> Self {
        Self { handler: Arc::new(handler()), access: access(endpoint), spoil }
    }
}

#[async_trait]
impl Fixture for Conformance {
    fn handler(&self) -> Arc<dyn ResourceHandler> {
        self.handler.clone()
    }

    fn access(&self) -> Access {
        self.access.clone()
    }

    fn request(&self, identity: Identity) -> CreateRequest {
        CreateRequest { identity, ..request(&self.access.place.endpoint, &new_store()) }
    }

    fn invalid_request(&self, identity: Identity) -> CreateRequest {
        let mut request = self.request(identity);
        (self.spoil)(&mut request);
        request
    }

    fn unknown_id(&self) -> ProviderId {
        ProviderId::plain("i-00000000000000000")
    }

    /// The cloud proceeds with the calls it gets, not with time.
    async fn pause(&self) {
        tokio::task::yield_now().await;
    }
}
