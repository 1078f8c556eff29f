//! The tables of the built-in types.

use super::health;
use super::rules::{Section, SectionCheck, SectionRules};
use crate::codes;
use crate::yaml::{Node, Value};

/// The rules of all built-in types.
pub(super) fn all() -> Vec<SectionRules> {
    let mut rules = resources();
    rules.extend(contextualisations());
    rules.extend([
        SectionRules::new(Section::ConfigManagement, "chef").required(&["endpoint", "run_list"]),
        SectionRules::new(Section::ConfigManagement, "puppet_solo")
            .required(&["manifests"])
            .optional(&["modules", "attributes"]),
        SectionRules::new(Section::ConfigManagement, "dummy"),
        health::rules(),
    ]);
    rules
}

fn resource(kind: &str) -> SectionRules {
    SectionRules::new(Section::Resource, kind)
}

fn resources() -> Vec<SectionRules> {
    vec![
        resource("process").optional(&["endpoint", "name", "stop_timeout"]).check_values(process),
        resource("docker").required(&["endpoint", "origin", "image", "tag"]).optional(&["name"]),
        resource("ec2").required(&["endpoint", "regionname", "image_id", "instance_type"]).optional(&[
            "key_name",
            "security_group_ids",
            "subnet_id",
            "name",
            "tags",
        ]),
        nova(),
        azure_vm(),
        azure_aci(),
        resource("cloudsigma")
            .required(&["endpoint", "libdrive_id", "description"])
            .optional(&["name"])
            .check_keys(|check| description(check, &["cpu", "mem", "vnc_password"])),
        resource("cloudbroker")
            .required(&["endpoint", "description"])
            .optional(&["name", "start_in_vpc"])
            .check_keys(|check| description(check, &["deployment_id", "instance_type_id"])),
    ]
}

fn nova() -> SectionRules {
    resource("nova")
        .required(&["endpoint", "image_id", "flavor_name", "project_id"])
        .optional(&[
            "server_name",
            "key_name",
            "security_groups",
            "floating_ip",
            "name",
            "tenant_name",
            "user_domain_name",
            "network_id",
            "floating_ip_pool",
            "region_name",
            "volume_size",
            "volume_persist",
        ])
        .booleans(&["volume_persist"])
        .check_values(|check| {
            volume_size(check);
            ignored(check, "tenant_name");
            if let Some(value) = check.get("floating_ip").cloned() {
                let negative = super::boolean_word(value.as_str()) == Some(false)
                    || matches!(value.value, Value::Bool(false) | Value::Null);
                if negative {
                    check.warning(&value, "floating_ip asks for a floating address whatever its value; remove the key to have none");
                }
            }
        })
}

fn azure_vm() -> SectionRules {
    resource("azure_vm")
        .required(&[
            "endpoint",
            "resource_group",
            "location",
            "vm_size",
            "publisher",
            "offer",
            "sku",
            "version",
            "username",
        ])
        .optional(&[
            "password",
            "ssh_key_data",
            "public_ip_needed",
            "vnet_name",
            "subnet_name",
            "customdata",
            "server_name",
        ])
        .booleans(&["public_ip_needed"])
        .check_keys(|check| {
            if check.get("password").is_none() && check.get("ssh_key_data").is_none() {
                let text = "Missing key(s): either \"password\" or \"ssh_key_data\" must be defined";
                check.error(codes::MISSING_SECTION_KEYS, check.node, text);
            }
        })
        .check_values(|check| {
            ignored(check, "customdata");
            subnet_needs_network(check);
        })
}

fn azure_aci() -> SectionRules {
    resource("azure_aci")
        .required(&[
            "endpoint",
            "resource_group",
            "location",
            "cpu_cores",
            "memory",
            "image",
            "os_type",
            "network_type",
        ])
        .optional(&["gpu_type", "gpu_count", "ports", "vnet_name", "subnet_name"])
        .check_values(subnet_needs_network)
}

fn contextualisations() -> [SectionRules; 4] {
    let context = |kind: &str| SectionRules::new(Section::Contextualisation, kind);
    [
        context("cloudinit").required(&["context_template"]).optional(&["attributes"]),
        context("docker").required(&["env"]).optional(&["context_variables", "command"]),
        context("process").optional(&["env", "context_variables", "command"]),
        context("basic").required(&["attributes"]),
    ]
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

/// The required keys inside `description`, which is free below them.
fn description(check: &mut SectionCheck<'_>, required: &[&str]) {
    let Some(node) = check.get("description").cloned() else { return };
    if node.as_map().is_none() {
        let text = format!("description must be a mapping, but it is {}", node.value.kind());
        return check.error(codes::BAD_VALUE, &node, &text);
    }
    let missing: Vec<&str> = required.iter().copied().filter(|key| node.get(key).is_none()).collect();
    if !missing.is_empty() {
        let text = format!("Missing key(s) in description: {}", missing.join(", "));
        check.error(codes::MISSING_SECTION_KEYS, &node, &text);
    }
}

/// Whether a value becomes known only when it is rendered.
fn is_template(node: &Node) -> bool {
    node.as_str().is_some_and(|text| text.contains("{{") || text.contains("{%"))
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
