//! `ibget`: the queries of Occopus 1.10 that say where other instances are.

use minijinja::value::Kwargs;
use minijinja::{Error, Value};

use crate::error::Refusal;
use crate::functions::{Directory, Known, Which};

const KEYS: &str = "node.find, node.find_one, node.address, node.resource.address, node.resource.ip_address and \
                    infrastructure.name";

/// Answers `ibget(key, …)`.
pub(crate) fn answer(directory: &Directory, arguments: &[Value], kwargs: &Kwargs) -> Result<Value, Error> {
    let key = arguments.first().and_then(Value::as_str).unwrap_or_default();
    let rest = arguments.get(1..).unwrap_or_default();
    let answer = match key {
        "infrastructure.name" => {
            this_infrastructure(directory, &argument(rest, kwargs, 0, "infra_id")?)?;
            directory.infrastructure().1.into()
        }
        "node.find" => found(directory, rest, kwargs)?.into_iter().map(|known| known.record).collect(),
        "node.find_one" => first(directory, rest, kwargs)?.record,
        "node.address" => directory.address(&first(directory, rest, kwargs)?, Which::Primary)?.into(),
        "node.resource.address" => {
            directory.address(&of_record(directory, rest, kwargs)?, Which::Primary)?.into()
        }
        "node.resource.ip_address" => {
            directory.address(&of_record(directory, rest, kwargs)?, Which::Private)?.into()
        }
        "backends.auth_data" => {
            return Err(refusal(
                "ibget('backends.auth_data') is refused: templates cannot read credentials; put what the node \
                 needs into a variable"
                    .to_owned(),
            ));
        }
        other => return Err(refusal(format!("ibget('{other}') is not supported; there are {KEYS}"))),
    };
    kwargs.assert_all_used()?;
    Ok(answer)
}

fn refusal(text: String) -> Error {
    Refusal(text).into()
}

/// The argument `name`, at `position` or by keyword; undefined if there is none.
fn argument(rest: &[Value], kwargs: &Kwargs, position: usize, name: &str) -> Result<Value, Error> {
    match rest.get(position) {
        Some(value) => Ok(value.clone()),
        None if kwargs.has(name) => kwargs.get(name),
        None => Ok(Value::UNDEFINED),
    }
}

/// The text of a criterion; `None` if it does not matter.
fn criterion(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

fn this_infrastructure(directory: &Directory, infra_id: &Value) -> Result<(), Error> {
    match criterion(infra_id) {
        // A trial has no identifier yet.
        Some(id) if id != directory.infrastructure().0 && !directory.is_trial() => Err(refusal(
            "ibget() answers about the infrastructure of this node only; leave infra_id out".to_owned(),
        )),
        _ => Ok(()),
    }
}

/// The instances that fit the criteria infra_id, node_id and name.
fn found(directory: &Directory, rest: &[Value], kwargs: &Kwargs) -> Result<Vec<Known>, Error> {
    this_infrastructure(directory, &argument(rest, kwargs, 0, "infra_id")?)?;
    let node_id = argument(rest, kwargs, 1, "node_id")?;
    let name = argument(rest, kwargs, 2, "name")?;
    Ok(directory.find(criterion(&name), criterion(&node_id)))
}

fn first(directory: &Directory, rest: &[Value], kwargs: &Kwargs) -> Result<Known, Error> {
    let found = found(directory, rest, kwargs)?.into_iter().next();
    found.ok_or_else(|| {
        refusal("ibget() found no instance; let this node depend on the one that it looks for".to_owned())
    })
}

/// The instance of the record `instance_data`, as node.find gives it.
fn of_record(directory: &Directory, rest: &[Value], kwargs: &Kwargs) -> Result<Known, Error> {
    let record = argument(rest, kwargs, 0, "instance_data")?;
    let node_id = record.get_attr("node_id").unwrap_or_default();
    let found = directory.find(None, Some(criterion(&node_id).unwrap_or_default())).into_iter().next();
    found.ok_or_else(|| {
        refusal("ibget() needs the record of an instance, as ibget('node.find_one') gives it".to_owned())
    })
}
