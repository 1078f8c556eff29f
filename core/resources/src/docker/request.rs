//! From a rendered request to what the engine is asked for. Pure.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;

use bollard::models::ContainerCreateBody;
use occopus_engine::handler::{CreateRequest, ErrorKind, HandlerError};
use reqwest::Url;
use serde_json::Value;

use crate::words;

/// An image and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Image {
    /// Repository name, such as `busybox` or `registry.example.com/team/web`.
    pub(super) name: String,
    /// Tag.
    pub(super) tag: String,
    /// Where it comes from.
    pub(super) origin: Origin,
}

/// Where an image comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// Pulled from its registry.
    Registry,
    /// Already on the engine.
    Local,
    /// Imported from a root filesystem archive on this machine.
    File(PathBuf),
    /// Imported from a root filesystem archive on the web.
    Web(Url),
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.tag)
    }
}

impl Image {
    /// The image `request` asks for.
    pub(super) fn of(request: &CreateRequest) -> Result<Self, HandlerError> {
        let text = |key: &str| request.resource_text(key).map(|text| text.trim().to_owned());
        let name = text("image").filter(|name| !name.is_empty()).ok_or_else(|| {
            invalid("the resource section has no 'image'; name one, such as `image: busybox`")
        })?;
        let tag = text("tag").filter(|tag| !tag.is_empty()).unwrap_or_else(|| "latest".to_owned());
        Ok(Self { name, tag, origin: origin(&text("origin").unwrap_or_default())? })
    }
}

fn origin(text: &str) -> Result<Origin, HandlerError> {
    match text {
        "" | "dockerhub" => return Ok(Origin::Registry),
        "local" => return Ok(Origin::Local),
        _ => {}
    }
    let url = Url::parse(text).ok();
    match url.as_ref().map(Url::scheme) {
        Some("http" | "https") => Ok(url.map_or(Origin::Registry, Origin::Web)),
        Some("file") => {
            let path = url.and_then(|url| url.to_file_path().ok());
            path.map(Origin::File).ok_or_else(|| {
                invalid(format!("the origin '{text}' names no file on this machine; write file:///PATH"))
            })
        }
        // Not printed: what is no URL may still hold a password.
        _ => Err(invalid(
            "the origin is not understood; write dockerhub (or leave it empty), local, or the URL of \
             a root filesystem archive (http://, https:// or file:///)",
        )),
    }
}

/// The name of the container: derived from the attempt alone, so that a replay meets its own
/// container and the engine itself refuses a second one.
pub(super) fn container_name(request: &CreateRequest) -> String {
    format!("occopus-{}", request.token())
}

/// The container `request` asks for.
pub(super) fn container(request: &CreateRequest, image: &Image) -> Result<ContainerCreateBody, HandlerError> {
    let mut labels: HashMap<String, String> = request.identity.tags().into_iter().collect();
    labels.insert("occopus.infra-name".to_owned(), request.infra_name.clone());
    let name = request.resource_text("name").unwrap_or_else(|| request.unique_name());
    labels.insert("occopus.name".to_owned(), name);
    Ok(ContainerCreateBody {
        image: Some(image.to_string()),
        env: environment(request.attributes.get("env"))?,
        cmd: command(request.attributes.get("command"))?,
        labels: Some(labels),
        ..ContainerCreateBody::default()
    })
}

/// `env` as a list of `K=V`, or as a mapping in which null unsets a variable of the image.
/// `None` if absent or empty: the image's own environment.
fn environment(value: Option<&Value>) -> Result<Option<Vec<String>>, HandlerError> {
    let variables: Vec<String> = match value {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) => {
            items.iter().map(|item| scalar("env", item)).collect::<Result<_, _>>()?
        }
        Some(Value::Object(entries)) => entries
            .iter()
            .map(|(key, value)| match value {
                Value::Null => Ok(key.clone()),
                value => Ok(format!("{key}={}", scalar("env", value)?)),
            })
            .collect::<Result<_, HandlerError>>()?,
        Some(_) => return Err(invalid("'env' must be a list of NAME=VALUE or a mapping")),
    };
    Ok((!variables.is_empty()).then_some(variables))
}

/// `command` as text, split as a shell does, or as a list. `None` if absent or empty: the image's own.
fn command(value: Option<&Value>) -> Result<Option<Vec<String>>, HandlerError> {
    let words = words::of_command(value, |item| scalar("command", item), invalid)?;
    Ok((!words.is_empty()).then_some(words))
}

/// A scalar as text; numbers and booleans print as in YAML. The value stays out of the error: it may
/// be a secret.
fn scalar(key: &str, value: &Value) -> Result<String, HandlerError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err(invalid(format!("'{key}' holds a value that is neither text, number nor boolean")))
        }
    }
}

fn invalid(why: impl fmt::Display) -> HandlerError {
    HandlerError::new(ErrorKind::Invalid, format!("docker: {why}"))
}

#[cfg(test)]
mod tests {
    use occopus_engine::handler::Identity;
    use occopus_engine::ids::Slot;
    use serde_json::json;

    use super::*;

    fn request(resource: Value, attributes: Value) -> CreateRequest {
        CreateRequest {
            identity: Identity {
                store: "store-1".into(),
                infra: "infra-1".into(),
                slot: Slot::new("worker", 2),
                node_id: "node-1".into(),
                attempt: "attempt-1".into(),
            },
            infra_name: "demo".to_owned(),
            resource: resource.as_object().unwrap().clone(),
            context: None,
            attributes: attributes.as_object().unwrap().clone(),
        }
    }

    fn body(attributes: Value) -> Result<ContainerCreateBody, HandlerError> {
        let request = request(json!({"image": "busybox", "tag": 1.36}), attributes);
        container(&request, &Image::of(&request).unwrap())
    }

    fn image(resource: Value) -> Result<Image, HandlerError> {
        Image::of(&request(resource, json!({})))
    }

    #[test]
    fn tags_print_as_in_yaml_and_default_to_latest() {
        assert_eq!(image(json!({"image": "ubuntu", "tag": 18.04})).unwrap().to_string(), "ubuntu:18.04");
        assert_eq!(image(json!({"image": "ubuntu", "tag": 20})).unwrap().to_string(), "ubuntu:20");
        assert_eq!(image(json!({"image": "ubuntu", "tag": null})).unwrap().to_string(), "ubuntu:latest");
    }

    #[test]
    fn origins() {
        let origin = |value: Value| image(json!({"image": "x", "origin": value})).map(|image| image.origin);
        assert_eq!(origin(json!(null)).unwrap(), Origin::Registry);
        assert_eq!(origin(json!("")).unwrap(), Origin::Registry);
        assert_eq!(origin(json!("dockerhub")).unwrap(), Origin::Registry);
        assert_eq!(origin(json!("local")).unwrap(), Origin::Local);
        assert_eq!(origin(json!("file:///a/b%20c.tar")).unwrap(), Origin::File("/a/b c.tar".into()));
        assert!(matches!(origin(json!("https://example.org/x.tar")), Ok(Origin::Web(_))));
        for wrong in ["file://host/x.tar", "/a/b.tar", "Dockerhub", "ftp://example.org/x.tar"] {
            assert_eq!(origin(json!(wrong)).unwrap_err().kind, ErrorKind::Invalid, "{wrong}");
        }
    }

    #[test]
    fn an_absent_image_is_refused() {
        assert!(image(json!({})).unwrap_err().message.contains("no 'image'"));
        assert!(image(json!({"image": " "})).is_err());
    }

    #[test]
    fn absent_and_empty_fields_leave_the_image_its_own() {
        for attributes in [
            json!({}),
            json!({"env": null, "command": null}),
            json!({"env": [], "command": ""}),
            json!({"env": {}, "command": []}),
        ] {
            let body = body(attributes.clone()).unwrap();
            assert_eq!((body.env, body.cmd), (None, None), "{attributes}");
        }
    }

    #[test]
    fn environment_and_command_in_both_forms() {
        let list = body(json!({"env": ["A=1", "B=x y"], "command": ["sh", "-c", "exit 3", 5]})).unwrap();
        assert_eq!(list.env.unwrap(), ["A=1", "B=x y"]);
        assert_eq!(list.cmd.unwrap(), ["sh", "-c", "exit 3", "5"]);
        let map = body(json!({"env": {"A": 1, "B": true, "C": null}, "command": "sh -c 'exit 3'"})).unwrap();
        assert_eq!(map.env.unwrap(), ["A=1", "B=true", "C"]);
        assert_eq!(map.cmd.unwrap(), ["sh", "-c", "exit 3"]);
    }

    #[test]
    fn wrong_fields_are_refused_without_showing_values() {
        for attributes in [
            json!({"env": "SECRET=hunter2"}),
            json!({"env": [["hunter2"]]}),
            json!({"env": {"SECRET": {"x": "hunter2"}}}),
            json!({"command": "echo 'hunter2"}),
            json!({"command": 7}),
        ] {
            let error = body(attributes.clone()).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Invalid, "{attributes}");
            assert!(!error.message.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn identity_can_be_read_back_from_the_labels() {
        let labels = body(json!({})).unwrap().labels.unwrap();
        assert_eq!(labels["occopus.infra-name"], "demo");
        assert_eq!(labels["occopus.name"], "occopus-demo-infra-1-worker-node-1");
        let identity = Identity::from_tags(&labels.into_iter().collect()).unwrap();
        assert_eq!(identity, request(json!({}), json!({})).identity);
    }
}
