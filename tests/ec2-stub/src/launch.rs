//! The checks of `RunInstances`.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::answer::ApiError;
use crate::cloud::is_id;
use crate::instance::Launch;
use crate::options::Options;
use crate::params::Params;

const USER_DATA_BYTES: usize = 16_384;
const TAGS: usize = 50;

/// Checks everything the service checks before it makes anything.
pub(crate) fn check(params: &Params, options: &Options) -> Result<Launch, ApiError> {
    params.only(&[
        "ImageId",
        "InstanceType",
        "MinCount",
        "MaxCount",
        "KeyName",
        "SecurityGroupId.",
        "SubnetId",
        "UserData",
        "ClientToken",
        "TagSpecification.",
    ])?;
    let count = count(params)?;
    let (tags, volume_tags) = tags(params)?;
    let launch = Launch {
        count,
        image: image(params.require("ImageId")?, options)?,
        kind: known(params, "InstanceType", &options.types, |value| {
            ApiError::value(format!("Invalid value '{value}' for InstanceType."))
        })?
        .unwrap_or_else(|| "m1.small".to_owned()),
        key: known(params, "KeyName", &options.keys, |value| {
            ApiError::new("InvalidKeyPair.NotFound", format!("The key pair '{value}' does not exist"))
        })?,
        subnet: known(params, "SubnetId", &options.subnets, |value| {
            ApiError::new("InvalidSubnetID.NotFound", format!("The subnet ID '{value}' does not exist"))
        })?,
        groups: groups(params, options)?,
        user_data: user_data(params)?,
        token: token(params)?,
        tags,
        volume_tags,
    };
    Ok(launch)
}

/// The least and the most instances that are asked for.
fn count(params: &Params) -> Result<(usize, usize), ApiError> {
    let number = |name| {
        params.require(name)?;
        Ok(params.number(name, 1..=2000)?.unwrap_or(1))
    };
    let (least, most) = (number("MinCount")?, number("MaxCount")?);
    if least > most {
        return Err(ApiError::value(format!("MinCount ({least}) is larger than MaxCount ({most})")));
    }
    Ok((least, most))
}

fn image(image: &str, options: &Options) -> Result<String, ApiError> {
    if !is_id(image, "ami-") {
        let message = format!("Invalid id: \"{image}\" (expecting \"ami-...\")");
        return Err(ApiError::new("InvalidAMIID.Malformed", message));
    }
    if !options.images.iter().any(|known| known == image) {
        let message = format!("The image id '[{image}]' does not exist");
        return Err(ApiError::new("InvalidAMIID.NotFound", message));
    }
    Ok(image.to_owned())
}

/// The value of `name`, which must be one of `list` if it is given.
fn known(
    params: &Params,
    name: &str,
    list: &[String],
    error: impl Fn(&str) -> ApiError,
) -> Result<Option<String>, ApiError> {
    match params.get(name) {
        Some(value) if !list.iter().any(|known| known == value) => Err(error(value)),
        value => Ok(value.map(str::to_owned)),
    }
}

fn groups(params: &Params, options: &Options) -> Result<Vec<String>, ApiError> {
    let groups = params.list("SecurityGroupId");
    match groups.iter().find(|group| !options.groups.iter().any(|known| known == *group)) {
        Some(group) => Err(ApiError::new(
            "InvalidGroup.NotFound",
            format!("The security group '{group}' does not exist"),
        )),
        None => Ok(groups.into_iter().map(str::to_owned).collect()),
    }
}

fn user_data(params: &Params) -> Result<Option<String>, ApiError> {
    let Some(text) = params.get("UserData") else { return Ok(None) };
    let data = BASE64
        .decode(text)
        .map_err(|_| ApiError::new("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data"))?;
    if data.len() > USER_DATA_BYTES {
        return Err(ApiError::value("User data is limited to 16384 bytes"));
    }
    Ok(Some(text.to_owned()))
}

fn token(params: &Params) -> Result<Option<String>, ApiError> {
    match params.get("ClientToken") {
        Some(token) if token.len() > 64 || !token.is_ascii() => {
            Err(ApiError::value("The client token may have at most 64 ASCII characters"))
        }
        token => Ok(token.map(str::to_owned)),
    }
}

pub(crate) type Tags = BTreeMap<String, String>;

/// The tags for the instance and for its volumes.
fn tags(params: &Params) -> Result<(Tags, Tags), ApiError> {
    let (mut instance, mut volume) = (Tags::new(), Tags::new());
    for group in params.groups("TagSpecification") {
        let target = match group.require("ResourceType")? {
            "instance" => &mut instance,
            "volume" => &mut volume,
            other => {
                return Err(ApiError::value(format!("'{other}' is not a valid taggable resource type")));
            }
        };
        for (key, value) in tag_list(&group)? {
            if target.insert(key.clone(), value).is_some() {
                return Err(duplicate(&key));
            }
        }
        check_number(target)?;
    }
    Ok((instance, volume))
}

fn duplicate(key: &str) -> ApiError {
    ApiError::value(format!("Duplicate tag key '{key}' specified."))
}

/// The tags `Tag.1.Key`, `Tag.1.Value`, …
pub(crate) fn tag_list(params: &Params) -> Result<Tags, ApiError> {
    let mut tags = Tags::new();
    for tag in params.groups("Tag") {
        let (key, value) = (tag.require("Key")?, tag.get("Value").unwrap_or_default());
        if key.starts_with("aws:") || key.chars().count() > 128 || value.chars().count() > 256 {
            return Err(ApiError::value(format!("Tag key or value of '{key}' is not allowed")));
        }
        if tags.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(duplicate(key));
        }
    }
    Ok(tags)
}

/// Refuses more tags than a resource may have.
pub(crate) fn check_number(tags: &Tags) -> Result<(), ApiError> {
    if tags.len() > TAGS {
        return Err(ApiError::new("TagLimitExceeded", "More than 50 tags"));
    }
    Ok(())
}
