//! The rules of the built-in types: their tables, and the checks beyond these.

use super::health;
use super::rules::{Section, SectionCheck, SectionRules};
use crate::codes;
use crate::fields::{self, Field, is_template};
use crate::yaml::{Node, Value};

/// The rules of all built-in types.
pub(super) fn all() -> Vec<SectionRules> {
    let mut rules = Vec::from(resources());
    rules.extend(contextualisations());
    rules.extend([
        SectionRules::new(Section::ConfigManagement, "chef").fields(fields::CHEF),
        SectionRules::new(Section::ConfigManagement, "puppet_solo").fields(fields::PUPPET_SOLO),
        SectionRules::new(Section::ConfigManagement, "dummy"),
        health::rules(),
    ]);
    rules
}

fn resource(kind: &str, fields: &'static [Field]) -> SectionRules {
    SectionRules::new(Section::Resource, kind).fields(fields)
}

fn resources() -> [SectionRules; 8] {
    [
        resource("process", fields::PROCESS).check_values(process),
        resource("docker", fields::DOCKER),
        resource("ec2", fields::EC2),
        resource("nova", fields::NOVA).check_values(nova),
        resource("azure_vm", fields::AZURE_VM).one_of(&["password", "ssh_key_data"]).check_values(|check| {
            ignored(check, "customdata");
            subnet_needs_network(check);
        }),
        resource("azure_aci", fields::AZURE_ACI).check_values(|check| {
            subnet_needs_network(check);
            network_type(check);
        }),
        resource("cloudsigma", fields::CLOUDSIGMA),
        resource("cloudbroker", fields::CLOUDBROKER),
    ]
}

fn contextualisations() -> [SectionRules; 4] {
    let context = |kind: &str, fields: &'static [Field]| {
        SectionRules::new(Section::Contextualisation, kind).fields(fields)
    };
    [
        context("cloudinit", fields::CONTEXT_CLOUDINIT).check_values(context_template),
        context("docker", fields::CONTEXT_DOCKER),
        context("process", fields::CONTEXT_PROCESS),
        context("basic", fields::CONTEXT_BASIC),
    ]
}

fn nova(check: &mut SectionCheck<'_>) {
    volume_size(check);
    ignored(check, "tenant_name");
    if let Some(value) = check.get("floating_ip").cloned() {
        let negative = super::boolean_word(value.as_str()) == Some(false)
            || matches!(value.value, Value::Bool(false) | Value::Null);
        if negative {
            let text =
                "floating_ip asks for a floating address whatever its value; remove the key to have none";
            check.warning(&value, text);
        }
    }
}

/// Occopus 1.10 took any value and failed when it created the container.
fn network_type(check: &mut SectionCheck<'_>) {
    let Some(node) = given(check, "network_type").filter(|node| !is_template(node)) else { return };
    let fits = node.as_str().is_some_and(|kind| ["public", "private"].contains(&&*kind.to_lowercase()));
    if !fits {
        let shown = node.to_text();
        let text =
            format!("Network type \"{shown}\" is not supported. Please use either \"Public\" or \"Private\"");
        check.warning(&node, &text);
    }
}

/// Occopus 1.10 took any value and failed when it created the instance.
fn context_template(check: &mut SectionCheck<'_>) {
    let Some(node) = given(check, "context_template") else { return };
    if !matches!(node.value, Value::Str(_) | Value::Map(_) | Value::Secret(_)) {
        let help = format!("context_template must be a text or a mapping, but it is {}", node.value.kind());
        check.error_with_help(codes::BAD_VALUE, &node, "Can't compile non template nodes", Some(help));
    }
}

/// The node at `key` unless it is absent or empty.
fn given(check: &SectionCheck<'_>, key: &str) -> Option<Node> {
    check.get(key).filter(|value| !value.is_null()).cloned()
}

fn ignored(check: &mut SectionCheck<'_>, key: &str) {
    if let Some(value) = given(check, key) {
        check.warning(&value, &format!("{key} is accepted but has no effect"));
    }
}

fn subnet_needs_network(check: &mut SectionCheck<'_>) {
    if let (Some(subnet), None) = (given(check, "subnet_name"), given(check, "vnet_name")) {
        let text = "subnet_name needs vnet_name: a new network has no such subnet";
        check.error(codes::BAD_VALUE, &subnet, text);
    }
}

/// What Python's `int()` takes, not negative; a template is checked when it is rendered.
fn volume_size(check: &mut SectionCheck<'_>) {
    let Some(node) = given(check, "volume_size").filter(|node| !is_template(node)) else { return };
    let negative = match &node.value {
        Value::Int(number) => Some(*number < 0),
        Value::Float(number) if number.is_finite() => Some(*number <= -1.0),
        Value::Bool(_) => Some(false),
        Value::Str(text) => text.trim().parse::<i128>().ok().map(|number| number < 0),
        _ => None,
    };
    match negative {
        Some(false) => {}
        Some(true) => {
            check.error(codes::BAD_VALUE, &node, "Negative numbers for volume_size are prohibited!");
        }
        None => {
            let text = format!("Could not convert volume_size value \"{}\" to integer!", node.to_text());
            check.error(codes::BAD_VALUE, &node, &text);
        }
    }
}

fn process(check: &mut SectionCheck<'_>) {
    if let Some(node) =
        given(check, "endpoint").filter(|node| !is_template(node) && node.as_str() != Some("local"))
    {
        let help = Some("remove endpoint, or write endpoint: local".to_owned());
        check.error_with_help(codes::BAD_VALUE, &node, "processes run on this machine only", help);
    }
    if let Some(node) = given(check, "stop_timeout").filter(|node| !is_template(node)) {
        let usable = match node.value {
            Value::Int(seconds) => (0..=86_400).contains(&seconds),
            Value::Float(seconds) => (0.0..=86_400.0).contains(&seconds),
            _ => false,
        };
        if !usable {
            let text = "stop_timeout must be a number of seconds between 0 and 86400";
            check.error(codes::BAD_VALUE, &node, text);
        }
    }
}
