//! The cloud itself: what each operation does, without HTTP.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

use crate::answer::{ApiError, Xml};
use crate::instance::{Instance, write_state};
use crate::launch;
use crate::options::Options;
use crate::params::Params;

/// The most instances in one page of a listing.
const PAGE: usize = 1000;
/// The most filter values in one call.
const FILTER_VALUES: usize = 200;
const OWNER: &str = "000000000000";

/// All instances there ever were, in order of creation.
#[derive(Debug)]
pub(crate) struct Cloud {
    options: Options,
    random: fastrand::Rng,
    instances: Vec<Instance>,
    /// Where each instance is among them.
    places: HashMap<String, usize>,
    /// Requests by region and client token, with the instances they made. Never forgotten: an old token
    /// is answered with the dead instance.
    tokens: HashMap<(String, String), (Params, Vec<usize>)>,
}

/// One call: operation parameters, where it is sent, when.
pub(crate) struct Call<'a> {
    pub(crate) region: &'a str,
    pub(crate) params: &'a Params,
    pub(crate) now: Instant,
}

impl Cloud {
    pub(crate) fn new(options: Options) -> Self {
        let random = options.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        Self { options, random, instances: Vec::new(), places: HashMap::new(), tokens: HashMap::new() }
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// Carries `call` out and returns the XML answer.
    pub(crate) fn answer(&mut self, call: &Call<'_>) -> Result<String, ApiError> {
        match call.params.require("Action")? {
            "RunInstances" => self.run(call),
            "DescribeInstances" => self.describe(call),
            "TerminateInstances" => self.terminate(call),
            "CreateTags" => self.tag(call),
            "GetConsoleOutput" => self.console(call),
            "DescribeInstanceAttribute" => self.attribute(call),
            other => Err(ApiError::new("InvalidAction", format!("The action {other} is not valid"))),
        }
    }

    /// All instances, dead and forgotten ones too, as JSON.
    pub(crate) fn audit(&self) -> Value {
        self.instances.iter().map(Instance::to_json).collect()
    }

    /// Puts an instance into `state`, as a user or the cloud itself might. False if there is none.
    pub(crate) fn set_state(&mut self, id: &str, state: &str, now: Instant) -> bool {
        let terminated = self.options.terminated;
        let instance = self.instances.iter_mut().find(|instance| instance.id == id);
        instance.map(|instance| instance.enter(state, terminated, now)).is_some()
    }

    fn run(&mut self, call: &Call<'_>) -> Result<String, ApiError> {
        let launch = launch::check(call.params, &self.options)?;
        let token = launch.token.clone().map(|token| (call.region.to_owned(), token));
        if let Some((params, made)) = token.as_ref().and_then(|token| self.tokens.get(token)) {
            if params != call.params {
                return Err(ApiError::new(
                    "IdempotentParameterMismatch",
                    "Arguments on this idempotent request are inconsistent with arguments used in \
                     previous request(s).",
                ));
            }
            return Ok(self.reservation(made));
        }
        let count = self.room_for(launch.count)?;
        let first = self.instances.len();
        let reservation = format!("r-0{:016x}", self.random.u64(..));
        for index in first..first + count {
            let id = format!("i-0{:016x}", self.random.u64(..));
            let number = u32::try_from(index + 4).unwrap_or(u32::MAX);
            let launch_index = if self.options.numbered { index - first } else { 0 };
            let launched = (reservation.as_str(), launch_index);
            let launch = launch.clone();
            let instance =
                Instance::new((id, number), call.region, launched, launch, &self.options, call.now);
            self.places.insert(instance.id.clone(), index);
            self.instances.push(instance);
        }
        let made: Vec<usize> = (first..first + count).collect();
        let answer = self.reservation(&made);
        if let Some(token) = token {
            self.tokens.insert(token, (call.params.clone(), made));
        }
        Ok(answer)
    }

    /// How many of `least` to `most` instances are made: as many as there is room for, or none.
    fn room_for(&self, (least, most): (usize, usize)) -> Result<usize, ApiError> {
        let there = self.instances.iter().filter(|instance| instance.exists()).count();
        let room = self.options.capacity.saturating_sub(there);
        if room < least {
            let message =
                format!("You have requested more instances ({least}) than your current limit allows");
            return Err(ApiError::new("InstanceLimitExceeded", message));
        }
        Ok(room.min(most))
    }

    /// Adds tags to instances, or changes them; one that is unknown fails the call for all.
    fn tag(&mut self, call: &Call<'_>) -> Result<String, ApiError> {
        call.params.only(&["ResourceId.", "Tag."])?;
        call.params.require("ResourceId.1")?;
        let tags = launch::tag_list(call.params)?;
        let ids = call.params.list("ResourceId");
        for position in self.positions(call.region, &ids, |instance| !instance.forgotten)? {
            let instance = &mut self.instances[position];
            let mut all = instance.launch.tags.clone();
            all.extend(tags.clone());
            launch::check_number(&all)?;
            instance.launch.tags = all;
        }
        Ok(Xml::response("CreateTags", |xml| xml.text("return", "true")))
    }

    fn reservation(&self, made: &[usize]) -> String {
        let first = made.first().and_then(|&index| self.instances.get(index));
        Xml::response("RunInstances", |xml| {
            xml.text("reservationId", first.map_or("", |instance| &instance.reservation));
            xml.text("ownerId", OWNER);
            xml.within("instancesSet", |xml| {
                for instance in made.iter().filter_map(|&index| self.instances.get(index)) {
                    xml.within("item", |xml| instance.write_xml(xml));
                }
            });
        })
    }

    fn describe(&mut self, call: &Call<'_>) -> Result<String, ApiError> {
        call.params.only(&["InstanceId.", "Filter.", "MaxResults", "NextToken"])?;
        let ids = call.params.list("InstanceId");
        let limit = call.params.number("MaxResults", 5..=PAGE)?;
        if !ids.is_empty() && limit.is_some() {
            return Err(ApiError::new(
                "InvalidParameterCombination",
                "The parameter instancesSet cannot be used with the parameter maxResults",
            ));
        }
        let filters = filters(call.params)?;
        let named: HashSet<&str> = ids.iter().copied().collect();
        let start = call.params.get("NextToken").map(page_start).transpose()?;
        if start.is_none() {
            for instance in self.instances.iter_mut().filter(|instance| instance.region == call.region) {
                instance.advance(&self.options, call.now);
            }
        }
        self.positions(call.region, &ids, Instance::listed)?;
        let start = start.unwrap_or(0);
        let mut chosen = self.instances.iter().enumerate().skip(start).filter(|(_, instance)| {
            instance.region == call.region
                && instance.listed()
                && (named.is_empty() || named.contains(instance.id.as_str()))
                && filters.iter().all(|filter| filter.matches(instance))
        });
        let page: Vec<&Instance> =
            chosen.by_ref().take(limit.unwrap_or(PAGE)).map(|(_, instance)| instance).collect();
        let next = chosen.next().map(|(index, _)| format!("page-{index}"));
        Ok(describe_answer(&page, next.as_deref()))
    }

    fn terminate(&mut self, call: &Call<'_>) -> Result<String, ApiError> {
        call.params.only(&["InstanceId."])?;
        call.params.require("InstanceId.1")?;
        let ids = call.params.list("InstanceId");
        let positions = self.positions(call.region, &ids, |instance| !instance.forgotten)?;
        let mut changes = Vec::new();
        for position in positions {
            let instance = &mut self.instances[position];
            let before = instance.state.clone();
            instance.terminate(&self.options, call.now);
            changes.push((instance.id.clone(), before, instance.state.clone()));
        }
        Ok(Xml::response("TerminateInstances", |xml| {
            xml.within("instancesSet", |xml| {
                for (id, before, after) in &changes {
                    xml.within("item", |xml| {
                        xml.text("instanceId", id);
                        write_state(xml, "currentState", after);
                        write_state(xml, "previousState", before);
                    });
                }
            });
        }))
    }

    fn console(&self, call: &Call<'_>) -> Result<String, ApiError> {
        call.params.only(&["InstanceId", "Latest"])?;
        let instance = self.one(call)?;
        let output = match instance.state.as_str() {
            "pending" => String::new(),
            _ => BASE64.encode(format!("booting {}\nlogin:\n", instance.id)),
        };
        Ok(Xml::response("GetConsoleOutput", |xml| {
            xml.text("instanceId", &instance.id);
            xml.text("timestamp", "2026-01-01T00:00:00.000Z");
            xml.text("output", &output);
        }))
    }

    fn attribute(&self, call: &Call<'_>) -> Result<String, ApiError> {
        call.params.only(&["InstanceId", "Attribute"])?;
        let attribute = call.params.require("Attribute")?;
        if attribute != "userData" {
            return Err(ApiError::value(format!("The attribute {attribute} is not supported")));
        }
        let instance = self.one(call)?;
        Ok(Xml::response("DescribeInstanceAttribute", |xml| {
            xml.text("instanceId", &instance.id);
            xml.within("userData", |xml| {
                if let Some(user_data) = &instance.launch.user_data {
                    xml.text("value", user_data);
                }
            });
        }))
    }

    /// The instance named by `InstanceId`.
    fn one(&self, call: &Call<'_>) -> Result<&Instance, ApiError> {
        let id = call.params.require("InstanceId")?;
        let positions = self.positions(call.region, &[id], |instance| !instance.forgotten)?;
        positions.first().and_then(|&index| self.instances.get(index)).ok_or_else(|| unknown(&[id]))
    }

    /// Where the instances `ids` are; one that is malformed or unknown fails them all.
    fn positions(
        &self,
        region: &str,
        ids: &[&str],
        visible: impl Fn(&Instance) -> bool,
    ) -> Result<Vec<usize>, ApiError> {
        if let Some(id) = ids.iter().find(|id| !is_id(id, "i-")) {
            return Err(ApiError::new("InvalidInstanceID.Malformed", format!("Invalid id: \"{id}\"")));
        }
        let position = |id: &str| {
            let position = self.places.get(id).copied()?;
            let instance = self.instances.get(position)?;
            (instance.region == region && visible(instance)).then_some(position)
        };
        let missing: Vec<&str> = ids.iter().copied().filter(|id| position(id).is_none()).collect();
        if missing.is_empty() {
            Ok(ids.iter().filter_map(|id| position(id)).collect())
        } else {
            Err(unknown(&missing))
        }
    }
}

fn unknown(ids: &[&str]) -> ApiError {
    ApiError::new("InvalidInstanceID.NotFound", format!("The instance IDs '{}' do not exist", ids.join(", ")))
}

/// Whether `text` is an identifier such as `i-0123abcd` or one of the long form.
pub(crate) fn is_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| {
        matches!(rest.len(), 8 | 17)
            && rest.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    })
}

fn page_start(token: &str) -> Result<usize, ApiError> {
    token
        .strip_prefix("page-")
        .and_then(|index| index.parse().ok())
        .ok_or_else(|| ApiError::new("InvalidPaginationToken", "The pagination token is not valid"))
}

fn describe_answer(page: &[&Instance], next: Option<&str>) -> String {
    Xml::response("DescribeInstances", |xml| {
        xml.within("reservationSet", |xml| {
            for together in page.chunk_by(|one, next| one.reservation == next.reservation) {
                xml.within("item", |xml| {
                    xml.text("reservationId", together.first().map_or("", |first| &first.reservation));
                    xml.text("ownerId", OWNER);
                    xml.within("instancesSet", |xml| {
                        together
                            .iter()
                            .for_each(|instance| xml.within("item", |xml| instance.write_xml(xml)));
                    });
                });
            }
        });
        if let Some(next) = next {
            xml.text("nextToken", next);
        }
    })
}

/// A filter of a listing; one of its values must match exactly.
struct Filter<'a> {
    name: &'a str,
    values: Vec<String>,
}

impl Filter<'_> {
    fn matches(&self, instance: &Instance) -> bool {
        let is_value = |text: &str| self.values.iter().any(|value| value == text);
        match self.name.strip_prefix("tag:") {
            Some(key) => instance.launch.tags.get(key).is_some_and(|value| is_value(value)),
            None => match self.name {
                "instance-id" => is_value(&instance.id),
                "instance-state-name" => is_value(&instance.state),
                "client-token" => instance.launch.token.as_deref().is_some_and(is_value),
                "tag-key" => instance.launch.tags.keys().any(|key| is_value(key)),
                _ => is_value(&instance.launch.image),
            },
        }
    }
}

const FILTERS: [&str; 5] = ["instance-id", "instance-state-name", "client-token", "tag-key", "image-id"];

fn filters(params: &Params) -> Result<Vec<Filter<'_>>, ApiError> {
    let mut filters = Vec::new();
    for (index, group) in params.groups("Filter").into_iter().enumerate() {
        let name = params.require(&format!("Filter.{}.Name", index + 1))?;
        if !name.starts_with("tag:") && !FILTERS.contains(&name) {
            return Err(ApiError::value(format!("The filter '{name}' is invalid")));
        }
        let values = group.list("Value").into_iter().map(str::to_owned).collect();
        filters.push(Filter { name, values });
    }
    if filters.iter().map(|filter| filter.values.len()).sum::<usize>() > FILTER_VALUES {
        let message = "The maximum number of filter values specified on a single call is 200";
        return Err(ApiError::new("FilterLimitExceeded", message));
    }
    Ok(filters)
}
