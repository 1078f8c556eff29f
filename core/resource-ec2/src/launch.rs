//! From a rendered `resource` section to the parameters of `RunInstances`.

use std::collections::{BTreeMap, BTreeSet};

use aws_smithy_types::base64;
use occopus_engine::batch::CreateBatch;
use occopus_engine::handler::{CreateRequest, ErrorKind, HandlerError};
use serde_json::Value;

/// The service refuses more user data than this, before encoding.
const USER_DATA_BYTES: usize = 16_384;
/// Tags with this prefix say whose the instance is; a description cannot set them.
const OWN_TAGS: &str = "occopus.";

/// What is asked of the service for one instance, or for several that are alike. A function of the request alone, so that a replay asks
/// for exactly the same.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Launch {
    pub(crate) token: String,
    pub(crate) image_id: String,
    pub(crate) instance_type: String,
    pub(crate) key_name: Option<String>,
    pub(crate) security_group_ids: Vec<String>,
    pub(crate) subnet_id: Option<String>,
    /// Encoded as base64. May hold secrets.
    pub(crate) user_data: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
}

impl Launch {
    /// Checks and converts `request`.
    pub(crate) fn new(request: &CreateRequest) -> Result<Self, HandlerError> {
        Self::of(
            request,
            request.token().to_owned(),
            tags(request, request.unique_name(), request.identity.tags())?,
        )
    }

    /// The same for all instances of `batch`, of which `request` is one.
    pub(crate) fn of_batch(request: &CreateRequest, batch: &CreateBatch) -> Result<Self, HandlerError> {
        let own = batch.tags(&request.identity.store, &request.identity.infra);
        Self::of(request, batch.call_token(), tags(request, request.shared_name(), own)?)
    }

    fn of(
        request: &CreateRequest,
        token: String,
        tags: BTreeMap<String, String>,
    ) -> Result<Self, HandlerError> {
        Ok(Self {
            token,
            image_id: required(request, "image_id")?,
            instance_type: required(request, "instance_type")?,
            key_name: optional(request, "key_name"),
            security_group_ids: security_group_ids(request)?,
            subnet_id: optional(request, "subnet_id"),
            user_data: user_data(request)?,
            tags,
        })
    }
}

/// An error about the resource section of `request`.
fn invalid(request: &CreateRequest, problem: impl std::fmt::Display) -> HandlerError {
    let message = format!("ec2 resource of {}: {problem}", request.identity.slot);
    HandlerError::new(ErrorKind::Invalid, message)
}

fn optional(request: &CreateRequest, key: &str) -> Option<String> {
    request.resource_text(key).filter(|text| !text.is_empty())
}

fn required(request: &CreateRequest, key: &str) -> Result<String, HandlerError> {
    optional(request, key)
        .ok_or_else(|| invalid(request, format_args!("the key '{key}' is missing or empty; give it a value")))
}

fn security_group_ids(request: &CreateRequest) -> Result<Vec<String>, HandlerError> {
    let wrong =
        || invalid(request, "the key 'security_group_ids' must be a list of ids, such as [sg-0123abcd]");
    match request.resource.get("security_group_ids") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(ids)) => {
            ids.iter().map(|id| id.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
        }
        Some(_) => Err(wrong()),
    }
}

fn user_data(request: &CreateRequest) -> Result<Option<String>, HandlerError> {
    let Some(context) = request.context.as_deref().filter(|context| !context.is_empty()) else {
        return Ok(None);
    };
    if context.len() > USER_DATA_BYTES {
        let length = context.len();
        return Err(invalid(
            request,
            format_args!(
                "the context is {length} bytes long, and EC2 takes at most {USER_DATA_BYTES} bytes of user data; \
                 let the instance fetch large files itself, for example with curl in runcmd"
            ),
        ));
    }
    Ok(Some(base64::encode(context)))
}

/// The tags that an instance lacks which was launched with others.
pub(crate) fn label(request: &CreateRequest) -> Result<BTreeMap<String, String>, HandlerError> {
    let mut tags = tags(request, request.unique_name(), request.identity.tags())?;
    let users: BTreeSet<String> = user_tags(request)?.into_iter().map(|(key, _)| key).collect();
    tags.retain(|key, _| !users.contains(key));
    Ok(tags)
}

/// The user's tags, a `Name` (the user's, or one that Occopus 1.10 would give), and those that make it ours.
fn tags(
    request: &CreateRequest,
    name: String,
    own: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, HandlerError> {
    let mut tags = BTreeMap::from([("Name".to_owned(), name)]);
    for (key, value) in user_tags(request)? {
        if key.starts_with(OWN_TAGS) {
            let problem = format_args!("the tag '{key}' is reserved; choose a name without '{OWN_TAGS}'");
            return Err(invalid(request, problem));
        }
        tags.insert(key, value);
    }
    tags.extend(own);
    Ok(tags)
}

/// The tags of the description: a mapping, or, as the original's documentation has it, a list of pairs.
fn user_tags(request: &CreateRequest) -> Result<Vec<(String, String)>, HandlerError> {
    let parsed = match request.resource.get("tags") {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::Object(tags)) => {
            tags.iter().map(|(key, value)| Some((key.clone(), text(value)?))).collect()
        }
        Some(Value::Array(pairs)) => pairs.iter().map(pair).collect(),
        Some(_) => None,
    };
    parsed.ok_or_else(|| invalid(request, "the key 'tags' must map names to texts, such as {team: research}"))
}

/// One pair: `{name: value}`, `{Key: name, Value: value}` or `[name, value]`.
fn pair(value: &Value) -> Option<(String, String)> {
    match value {
        Value::Array(pair) => match pair.as_slice() {
            [key, value] => Some((text(key)?, text(value)?)),
            _ => None,
        },
        Value::Object(map) => {
            let field = |upper: &str, lower: &str| map.get(upper).or_else(|| map.get(lower));
            match (field("Key", "key"), field("Value", "value")) {
                (Some(key), Some(value)) if map.len() == 2 => Some((text(key)?, text(value)?)),
                _ if map.len() == 1 => {
                    map.iter().next().and_then(|(key, value)| Some((key.clone(), text(value)?)))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// A scalar as text; `None` for lists and mappings.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Null => Some(String::new()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests;
