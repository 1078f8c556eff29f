//! The handler: one call of the service for each call of the engine, and as few for many instances as the
//! service allows.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Filter, Instance, InstanceType, Reservation, ResourceType, Tag, TagSpecification};
use aws_smithy_types::base64;
use occopus_engine::batch::CreateBatch;
use occopus_engine::handler::{
    Access, Capabilities, CreateRequest, ErrorKind, Found, HandlerError, Identity, Listed, Observation,
    Place, ProviderId, ResourceHandler, ResourceState, StepJournal,
};
use occopus_engine::ids::StoreId;
use serde_json::{Map, Value};

use crate::client::Clients;
use crate::error::{Call, Effect, Failure, Stage};
use crate::launch::{self, Launch};
use crate::state;

/// Name of the handler.
const NAME: &str = "ec2";
/// The most values the service takes in the filters of one call.
const FILTER_VALUES: usize = 200;
/// The most instances that one call makes. The service would make more; what one refusal or one lost answer is
/// about is bounded.
const BATCH: usize = 100;
/// The most instances in one page.
const PAGE: i32 = 1000;
/// The most instances that one call asks for by name.
const NAMES: usize = 1000;

/// How long the handler's calls may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Limit for a single call of the service.
    pub call: Duration,
    /// How long listings may miss an instance that was just made.
    pub visibility: Duration,
}

impl Default for Timing {
    /// A late answer costs little, because the call can be repeated; a long deadline costs much, because
    /// recovery after a crash has to wait for it.
    fn default() -> Self {
        Self { call: Duration::from_secs(25), visibility: Duration::from_secs(20) }
    }
}

/// Makes and watches instances at EC2 or a compatible cloud.
///
/// Every place needs credentials with the fields `accesskey` and `secretkey`.
pub struct Ec2Handler {
    clients: Clients,
    timing: Timing,
    unnumbered: Unnumbered,
}

impl std::fmt::Debug for Ec2Handler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ec2Handler").field("timing", &self.timing).finish_non_exhaustive()
    }
}

impl Default for Ec2Handler {
    fn default() -> Self {
        Self::new(Timing::default())
    }
}

impl Ec2Handler {
    /// A handler with the given limits. Clients are made when they are needed.
    pub fn new(timing: Timing) -> Self {
        Self { clients: Clients::new(timing.call), timing, unnumbered: Unnumbered::default() }
    }

    /// Terminates `ids`, which the service must all know.
    async fn terminate(&self, access: &Access, ids: &[ProviderId]) -> Result<(), HandlerError> {
        let client = self.clients.get(access)?;
        let call = changing(access, "TerminateInstances", None);
        let ids = ids.iter().map(|id| id.id.clone()).collect();
        // At once, without stopping first: a refused stop must not keep the instance.
        let answer = client.terminate_instances().set_instance_ids(Some(ids)).send().await;
        answer.map(drop).map_err(|error| call.error(Failure::from(error)))
    }

    /// The instances that exist, match `filter` and say who they are.
    async fn living(&self, access: &Access, filter: Filter) -> Result<Vec<Listed>, HandlerError> {
        let living = state::LIVING.iter().map(|&word| word.to_owned()).collect();
        let living = Filter::builder().name("instance-state-name").set_values(Some(living)).build();
        let launched = self.list(access, &[filter, living]).await?;
        let number = |(reservation, instance): &(String, Instance)| {
            let index = state::launch_index(instance).filter(|_| state::is_told_by_index(instance))?;
            Some((reservation.clone(), index))
        };
        let mut numbers: HashMap<(String, usize), usize> = HashMap::new();
        for number in launched.iter().filter_map(number) {
            *numbers.entry(number).or_default() += 1;
        }
        let listed = launched.iter().filter_map(|launched| {
            let instance = &launched.1;
            let is_ambiguous = number(launched).is_some_and(|number| numbers.get(&number) > Some(&1));
            let listed = state::listed(instance, is_ambiguous);
            if listed.is_none() {
                let id = instance.instance_id().unwrap_or_default();
                tracing::warn!(place = %access.place, instance = id, "the tags of this instance were changed; it is left alone");
            }
            listed
        });
        Ok(listed.collect())
    }

    /// The instances among `ids` that the service knows, at most [`NAMES`] of them.
    ///
    /// A call that names them takes five times as many as a filter, but one that the service does not know
    /// fails it for all of them. Then, and for a few, it is filters.
    async fn known(&self, access: &Access, ids: &[ProviderId]) -> Result<Vec<Instance>, HandlerError> {
        let names = |ids: &[ProviderId]| ids.iter().map(|id| id.id.clone()).collect();
        if ids.len() > FILTER_VALUES {
            let call = reading(access, "DescribeInstances");
            let client = self.clients.get(access)?;
            match client.describe_instances().set_instance_ids(Some(names(ids))).send().await {
                Ok(answer) => {
                    return Ok(launched(answer.reservations).map(|(_, instance)| instance).collect());
                }
                Err(error) => match call.error(Failure::from(error)) {
                    error if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Invalid) => {}
                    error => return Err(error),
                },
            }
        }
        let mut known = Vec::new();
        for chunk in ids.chunks(FILTER_VALUES) {
            let filter = Filter::builder().name("instance-id").set_values(Some(names(chunk))).build();
            known.extend(self.list(access, &[filter]).await?.into_iter().map(|(_, instance)| instance));
        }
        Ok(known)
    }

    /// All instances that match `filters`, every page of them, each with its reservation.
    async fn list(
        &self,
        access: &Access,
        filters: &[Filter],
    ) -> Result<Vec<(String, Instance)>, HandlerError> {
        let client = self.clients.get(access)?;
        let call = reading(access, "DescribeInstances");
        let mut instances = Vec::new();
        let mut token = None;
        loop {
            let page = client
                .describe_instances()
                .set_filters(Some(filters.to_vec()))
                .max_results(PAGE)
                .set_next_token(token)
                .send()
                .await
                .map_err(|error| call.error(Failure::from(error)))?;
            token = page.next_token.filter(|token| !token.is_empty());
            instances.extend(launched(page.reservations));
            if token.is_none() {
                return Ok(instances);
            }
        }
    }
}

/// All instances of an answer, each with the reservation that its call made.
fn launched(reservations: Option<Vec<Reservation>>) -> impl Iterator<Item = (String, Instance)> {
    reservations.unwrap_or_default().into_iter().flat_map(|reservation| {
        let id = reservation.reservation_id.unwrap_or_default();
        reservation.instances.unwrap_or_default().into_iter().map(move |instance| (id.clone(), instance))
    })
}

/// Instances are made one at a time there.
fn unnumbered(place: &Place) -> HandlerError {
    let message = format!(
        "{place}: it does not number the instances that one call makes, so that nobody can tell which is which; \
         none is left, and instances are made one at a time there"
    );
    HandlerError::new(ErrorKind::Invalid, message)
}

/// Places that turned out not to number the instances of a call.
#[derive(Default)]
struct Unnumbered(Mutex<BTreeSet<Place>>);

impl Unnumbered {
    fn contains(&self, place: &Place) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(place)
    }

    fn insert(&self, place: &Place) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(place.clone());
    }
}

fn reading<'a>(access: &'a Access, operation: &'static str) -> Call<'a> {
    Call { place: &access.place, operation, effect: Effect::Read, secret: None }
}

fn changing<'a>(access: &'a Access, operation: &'static str, secret: Option<&'a str>) -> Call<'a> {
    Call { place: &access.place, operation, effect: Effect::Change, secret }
}

/// Lets the service make `count` instances of `launch`: all of them, or none.
async fn run(
    client: &Client,
    call: &Call<'_>,
    launch: &Launch,
    count: usize,
) -> Result<Vec<Instance>, HandlerError> {
    let tags = tags_of(&launch.tags);
    let count = i32::try_from(count).unwrap_or(i32::MAX);
    let tagged = |kind| TagSpecification::builder().resource_type(kind).set_tags(Some(tags.clone())).build();
    let answer = client
        .run_instances()
        .client_token(&launch.token)
        .min_count(count)
        .max_count(count)
        .image_id(&launch.image_id)
        .instance_type(InstanceType::from(launch.instance_type.as_str()))
        .set_key_name(launch.key_name.clone())
        .set_security_group_ids(Some(launch.security_group_ids.clone()))
        .set_subnet_id(launch.subnet_id.clone())
        .set_user_data(launch.user_data.clone())
        .tag_specifications(tagged(ResourceType::Instance))
        .tag_specifications(tagged(ResourceType::Volume))
        .send()
        .await
        .map_err(|error| call.error(Failure::from(error)))?;
    Ok(answer.instances.unwrap_or_default())
}

fn tags_of(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

/// The answer to `call` does not name what was asked for.
fn incomplete(call: &Call<'_>, named: usize, asked: usize) -> HandlerError {
    call.error(Failure {
        stage: Stage::Unanswered,
        code: None,
        message: format!("the answer names {named} of {asked} instances"),
        retry_after: None,
    })
}

fn id_of(instance: &Instance) -> Option<ProviderId> {
    instance.instance_id().map(ProviderId::plain)
}

/// The instances by their launch indices; `None` if those are not exactly 0, 1, 2 and so on.
fn numbered(instances: &[Instance]) -> Option<Vec<ProviderId>> {
    let mut by_index: Vec<(usize, ProviderId)> = instances
        .iter()
        .map(|instance| Some((state::launch_index(instance)?, id_of(instance)?)))
        .collect::<Option<_>>()?;
    by_index.sort();
    let exact = by_index.iter().enumerate().all(|(number, (index, _))| number == *index);
    exact.then(|| by_index.into_iter().map(|(_, id)| id).collect())
}

#[async_trait]
impl ResourceHandler for Ec2Handler {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        // Longer than one call, so that its own, clearer error comes first.
        let deadline = self.timing.call + Duration::from_secs(5);
        Capabilities {
            idempotent_create: true,
            findable: true,
            batch: BATCH,
            visibility_delay: self.timing.visibility,
            create_deadline: deadline,
            destroy_deadline: deadline,
            // A listing takes several calls.
            read_deadline: deadline * 2,
            prepare_deadline: deadline,
            needs_credentials: true,
        }
    }

    fn place(&self, resource: &Map<String, Value>) -> Result<Place, HandlerError> {
        let required = |key: &str| {
            let text = resource.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
            text.map(str::to_owned).ok_or_else(|| {
                let message = format!("ec2 resource: the key '{key}' is missing or no text; give it a value");
                HandlerError::new(ErrorKind::Invalid, message)
            })
        };
        let endpoint = required("endpoint")?;
        if !is_url(&endpoint) {
            let message = format!(
                "ec2 resource: the endpoint '{endpoint}' is no URL of an API; write it as https://HOST[:PORT][/PATH] \
                 (or http://), without user name and password"
            );
            return Err(HandlerError::new(ErrorKind::Invalid, message));
        }
        Ok(Place {
            handler: NAME.to_owned(),
            endpoint,
            region: Some(required("regionname")?),
            project: None,
            account: String::new(),
        })
    }

    async fn create(
        &self,
        access: &Access,
        request: &CreateRequest,
        _steps: &dyn StepJournal,
    ) -> Result<ProviderId, HandlerError> {
        let launch = Launch::new(request)?;
        let client = self.clients.get(access)?;
        let call = changing(access, "RunInstances", launch.user_data.as_deref());
        let made = run(&client, &call, &launch, 1).await?;
        let id = made.first().and_then(id_of).ok_or_else(|| incomplete(&call, 0, 1))?;
        tracing::debug!(place = %access.place, instance = %id, slot = %request.identity.slot, "instance requested");
        Ok(id)
    }

    async fn create_batch(
        &self,
        access: &Access,
        batch: &CreateBatch,
        requests: &[CreateRequest],
    ) -> Result<Vec<ProviderId>, HandlerError> {
        let Some(first) = requests.first() else { return Ok(Vec::new()) };
        let launch = Launch::of_batch(first, batch)?;
        if self.unnumbered.contains(&access.place) {
            return Err(unnumbered(&access.place));
        }
        let client = self.clients.get(access)?;
        let call = changing(access, "RunInstances", launch.user_data.as_deref());
        let made = run(&client, &call, &launch, requests.len()).await?;
        if made.len() != requests.len() || made.iter().any(|instance| instance.instance_id().is_none()) {
            return Err(incomplete(&call, made.len(), requests.len()));
        }
        tracing::debug!(place = %access.place, count = made.len(), "instances requested");
        if let Some(ids) = numbered(&made) {
            return Ok(ids);
        }
        // Nobody can tell who is who. That they are removed must be certain: else it is an unknown outcome.
        self.unnumbered.insert(&access.place);
        let ids: Vec<ProviderId> = made.iter().filter_map(id_of).collect();
        self.terminate(access, &ids).await.map_err(|error| HandlerError {
            kind: ErrorKind::UnknownOutcome,
            message: format!("{} ({})", error.message, unnumbered(&access.place)),
            retry_after: None,
        })?;
        Err(unnumbered(&access.place))
    }

    async fn label(
        &self,
        access: &Access,
        id: &ProviderId,
        request: &CreateRequest,
    ) -> Result<(), HandlerError> {
        let client = self.clients.get(access)?;
        let call = changing(access, "CreateTags", None);
        let tags = tags_of(&launch::label(request)?);
        let answer = client.create_tags().resources(&id.id).set_tags(Some(tags)).send().await;
        answer.map(drop).map_err(|error| call.error(Failure::from(error)))
    }

    async fn observe(&self, access: &Access, ids: &[ProviderId]) -> Result<Vec<Observation>, HandlerError> {
        let mut seen = HashMap::new();
        for chunk in ids.chunks(NAMES) {
            for instance in self.known(access, chunk).await? {
                if let Some(id) = instance.instance_id() {
                    seen.insert(id.to_owned(), state::observation(&instance));
                }
            }
        }
        let missing = || Observation::bare(ResourceState::Missing, "not known to the cloud");
        Ok(ids.iter().map(|id| seen.get(&id.id).cloned().unwrap_or_else(missing)).collect())
    }

    async fn find(&self, access: &Access, store: &StoreId) -> Result<Vec<Found>, HandlerError> {
        let owner = Filter::builder().name(format!("tag:{}", Identity::STORE_TAG)).values(store.as_str());
        let listed = self.living(access, owner.build()).await?;
        Ok(listed.into_iter().map(|listed| listed.found).collect())
    }

    async fn find_all(&self, access: &Access, _store: &StoreId) -> Result<Vec<Listed>, HandlerError> {
        self.living(access, Filter::builder().name("tag-key").values(Identity::STORE_TAG).build()).await
    }

    async fn destroy(
        &self,
        access: &Access,
        id: &ProviderId,
        _steps: &dyn StepJournal,
    ) -> Result<(), HandlerError> {
        match self.terminate(access, std::slice::from_ref(id)).await {
            Err(gone) if gone.kind == ErrorKind::NotFound => Ok(()),
            answer => answer,
        }
    }

    async fn console(&self, access: &Access, id: &ProviderId) -> Result<String, HandlerError> {
        let client = self.clients.get(access)?;
        let call = reading(access, "GetConsoleOutput");
        let answer = client
            .get_console_output()
            .instance_id(&id.id)
            .send()
            .await
            .map_err(|error| call.error(Failure::from(error)))?;
        let encoded: String = answer.output().unwrap_or_default().split_whitespace().collect();
        // Some compatible clouds send the text as it is.
        Ok(match base64::decode(&encoded) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(_) => answer.output.unwrap_or_default(),
        })
    }
}

/// Whether `text` is an absolute http(s) URL without user information.
fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        let host = rest.split('/').next().unwrap_or_default();
        !host.is_empty() && !host.contains('@') && !text.contains(char::is_whitespace)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn place(endpoint: &str) -> Result<Place, HandlerError> {
        let resource = json!({"type": "ec2", "endpoint": endpoint, "regionname": "stub-1"});
        Ec2Handler::default().place(resource.as_object().unwrap())
    }

    #[test]
    fn a_place_keeps_path_and_port_of_the_endpoint() {
        let place = place("http://cloud.example:8773/services/cloud").unwrap();
        assert_eq!(place.to_string(), "ec2 at http://cloud.example:8773/services/cloud (stub-1)");
    }

    #[test]
    fn an_endpoint_that_is_no_url_is_refused() {
        for endpoint in ["replace_with_endpoint", "http://", "ftp://host/", "https://me:secret@host/", ""] {
            assert_eq!(place(endpoint).unwrap_err().kind, ErrorKind::Invalid, "{endpoint}");
        }
        let resource = json!({"type": "ec2", "endpoint": "https://ec2.example"});
        let error = Ec2Handler::default().place(resource.as_object().unwrap()).unwrap_err();
        assert!(error.message.contains("'regionname'"), "{error}");
    }
}
