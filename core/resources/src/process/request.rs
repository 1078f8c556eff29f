//! From a rendered request to what is to be run. Pure, but for the look whether the program exists.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use occopus_engine::handler::{CreateRequest, ErrorKind, HandlerError};
use rustix::fs::{Access, access};
use serde_json::Value;

use crate::words;

/// Where programs are looked for, unless the declared environment says otherwise.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Used where the node definition says nothing.
pub(super) const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// What an instance runs.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Program {
    /// The program and its arguments.
    pub(super) command: Vec<String>,
    /// The declared variables.
    pub(super) environment: BTreeMap<String, String>,
    /// How long it may take to end when asked to.
    pub(super) stop_timeout: Duration,
}

// Arguments and variables may hold secrets.
impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program").field("stop_timeout", &self.stop_timeout).finish_non_exhaustive()
    }
}

impl Program {
    /// Reads the fields of `request`.
    pub(super) fn of(request: &CreateRequest) -> Result<Self, HandlerError> {
        let program = Self {
            command: command(request.attributes.get("command"))?,
            environment: environment(request.attributes.get("env"))?,
            stop_timeout: stop_timeout(request)?,
        };
        let has_nul = |text: &String| text.contains('\0');
        if program.command.iter().any(has_nul) || program.environment.values().any(has_nul) {
            return Err(invalid("'command' and 'env' must not contain NUL characters"));
        }
        Ok(program)
    }

    /// The whole environment of the process but for the variables of Occopus itself; nothing of the
    /// caller's own environment is in it.
    pub(super) fn full_environment(&self, home: &Path) -> BTreeMap<String, String> {
        let mut all: BTreeMap<String, String> = [
            ("PATH", PATH.to_owned()),
            ("HOME", home.to_string_lossy().into_owned()),
            ("LANG", "C.UTF-8".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        all.extend(self.environment.clone());
        all
    }

    /// Checks that the program can be run, as far as that can be seen without running it.
    pub(super) fn check_runnable(&self) -> Result<(), HandlerError> {
        let name = self.command.first().map(String::as_str).unwrap_or_default();
        let path = self.environment.get("PATH").map_or(PATH, String::as_str);
        let runnable = |file: &PathBuf| file.is_file() && access(file, Access::EXEC_OK).is_ok();
        if name.starts_with('/') {
            return if runnable(&PathBuf::from(name)) {
                Ok(())
            } else {
                Err(invalid(format!("'{name}' is no program that this user can run on this machine")))
            };
        }
        if name.contains('/') {
            return Err(invalid(format!(
                "'{name}' would be looked for in the instance's own, empty folder; write an absolute path"
            )));
        }
        if path.split(':').any(|folder| folder.starts_with('/') && runnable(&Path::new(folder).join(name))) {
            return Ok(());
        }
        Err(invalid(format!(
            "no program '{name}' in {path}; install it, write an absolute path, or set PATH in 'env'"
        )))
    }
}

fn command(value: Option<&Value>) -> Result<Vec<String>, HandlerError> {
    let words = words::of_command(value, |item| scalar("command", item), invalid)?;
    if words.first().is_none_or(String::is_empty) {
        return Err(invalid("a process needs a 'command', such as `command: python3 -m http.server`"));
    }
    Ok(words)
}

fn environment(value: Option<&Value>) -> Result<BTreeMap<String, String>, HandlerError> {
    let mut variables = BTreeMap::new();
    match value {
        None | Some(Value::Null) => {}
        Some(Value::Array(items)) => {
            for (index, item) in items.iter().enumerate() {
                let text = scalar("env", item)?;
                // The item stays out of the error: it may be a secret.
                let (name, value) = text.split_once('=').ok_or_else(|| {
                    invalid(format!("entry {} of 'env' has no '='; write NAME=VALUE", index + 1))
                })?;
                variables.insert(checked_name(name)?, value.to_owned());
            }
        }
        Some(Value::Object(entries)) => {
            for (name, value) in entries.iter().filter(|(_, value)| !value.is_null()) {
                variables.insert(checked_name(name)?, scalar("env", value)?);
            }
        }
        Some(_) => return Err(invalid("'env' must be a list of NAME=VALUE or a mapping")),
    }
    Ok(variables)
}

/// A name that a shell hands on, and none of Occopus' own.
fn checked_name(name: &str) -> Result<String, HandlerError> {
    let usable = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(usable) {
        return Err(invalid(format!(
            "'{name}' in 'env' is no name of a variable: use letters, digits and underscores"
        )));
    }
    if name.to_ascii_uppercase().starts_with("OCCOPUS_") {
        return Err(invalid(format!("'{name}' in 'env' is reserved: choose a name without OCCOPUS_")));
    }
    Ok(name.to_owned())
}

fn stop_timeout(request: &CreateRequest) -> Result<Duration, HandlerError> {
    let Some(text) = request.resource_text("stop_timeout") else { return Ok(STOP_TIMEOUT) };
    text.trim()
        .parse()
        .ok()
        .filter(|seconds| (0.0..=86_400.0).contains(seconds))
        .map(Duration::from_secs_f64)
        .ok_or_else(|| invalid("'stop_timeout' must be a number of seconds between 0 and 86400"))
}

/// A scalar as text; numbers and booleans print as in YAML.
fn scalar(key: &str, value: &Value) -> Result<String, HandlerError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        _ => Err(invalid(format!("'{key}' holds something else than text; quote or flatten it"))),
    }
}

fn invalid(message: impl Into<String>) -> HandlerError {
    HandlerError::new(ErrorKind::Invalid, message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn program(attributes: Value, resource: Value) -> Result<Program, HandlerError> {
        let mut request = crate::stub::request();
        request.attributes = attributes.as_object().unwrap().clone();
        request.resource = resource.as_object().unwrap().clone();
        Program::of(&request)
    }

    #[test]
    fn command_as_text_and_as_list() {
        for command in [json!("sh -c 'exec sleep 5'"), json!(["sh", "-c", "exec sleep 5"])] {
            let program = program(json!({"command": command}), json!({})).unwrap();
            assert_eq!(program.command, ["sh", "-c", "exec sleep 5"]);
            assert_eq!(program.stop_timeout, Duration::from_secs(10));
        }
    }

    #[test]
    fn environment_as_list_and_as_mapping() {
        for env in [json!(["A=1", "B=x=y"]), json!({"A": 1, "B": "x=y", "C": null})] {
            let program = program(json!({"command": "true", "env": env}), json!({})).unwrap();
            let expected =
                [("A", "1"), ("B", "x=y")].map(|(name, value)| (name.to_owned(), value.to_owned()));
            assert_eq!(program.environment, expected.into());
        }
    }

    #[test]
    fn declared_variables_win_over_the_minimal_ones() {
        let program = program(json!({"command": "true", "env": ["LANG=hu_HU.UTF-8"]}), json!({})).unwrap();
        let all = program.full_environment(Path::new("/instance/work"));
        assert_eq!(all["LANG"], "hu_HU.UTF-8");
        assert_eq!(all["HOME"], "/instance/work");
        assert_eq!(all.keys().collect::<Vec<_>>(), ["HOME", "LANG", "PATH"]);
    }

    #[test]
    fn wrong_fields_are_refused_with_what_to_do_and_without_values() {
        for (attributes, resource, expected) in [
            (json!({}), json!({}), "needs a 'command'"),
            (json!({"command": ""}), json!({}), "needs a 'command'"),
            (json!({"command": []}), json!({}), "needs a 'command'"),
            (json!({"command": "sh -c 'secret"}), json!({}), "quote it"),
            (json!({"command": {"secret": 1}}), json!({}), "text or a list"),
            (json!({"command": "a\0b"}), json!({}), "NUL"),
            (json!({"command": "a", "env": ["secret"]}), json!({}), "entry 1"),
            (json!({"command": "a", "env": ["a.b=secret"]}), json!({}), "'a.b'"),
            (json!({"command": "a", "env": ["OCCOPUS_NODE_ID=secret"]}), json!({}), "reserved"),
            (json!({"command": "a", "env": {"A": ["secret"]}}), json!({}), "quote or flatten"),
            (json!({"command": "a", "env": "secret"}), json!({}), "a mapping"),
            (json!({"command": "a"}), json!({"stop_timeout": -1}), "between 0 and 86400"),
            (json!({"command": "a"}), json!({"stop_timeout": "secret"}), "between 0 and 86400"),
        ] {
            let error = program(attributes.clone(), resource).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Invalid);
            assert!(error.message.contains(expected), "{attributes}: {error}");
            assert!(!error.message.contains("secret"), "{error}");
        }
    }

    #[test]
    fn programs_that_cannot_run_are_told_before_anything_is_started() {
        for (command, env, expected) in [
            ("sh", json!([]), None),
            ("/bin/sh", json!([]), None),
            ("no-such-program-here", json!([]), Some("install it")),
            ("sh", json!(["PATH=/nowhere"]), Some("/nowhere")),
            ("/etc/passwd", json!([]), Some("/etc/passwd")),
            ("/etc", json!([]), Some("/etc")),
            ("./run.sh", json!([]), Some("absolute path")),
        ] {
            let program = program(json!({"command": command, "env": env}), json!({})).unwrap();
            match (program.check_runnable(), expected) {
                (Ok(()), None) => {}
                (Err(error), Some(expected)) => assert!(error.message.contains(expected), "{error}"),
                (answer, _) => panic!("{command}: {answer:?}"),
            }
        }
    }
}
