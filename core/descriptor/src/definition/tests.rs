//! The original's test vectors and the deliberate differences from it.

use std::path::Path;

use serde_json::json;

use super::{Rules, Section, SectionRules};
use crate::codes::{self, Code};
use crate::definitions_from_text;
use crate::diagnostic::Diagnostics;
use crate::model::NodeDefinition;

const EC2: &str = "type: ec2, endpoint: http://e, regionname: r, image_id: i, instance_type: t";
const NOVA: &str = "type: nova, endpoint: http://e, image_id: i, flavor_name: 3, project_id: p";
const AZURE: &str = "type: azure_vm, endpoint: http://e, resource_group: g, location: l, vm_size: s, publisher: p, \
                     offer: o, sku: s, version: 1.10, username: u, password: p";
const DOCKER: &str = "type: docker, endpoint: tcp://e, origin: , image: i, tag: 1";

fn load(text: &str) -> Result<(Vec<NodeDefinition>, Diagnostics), Diagnostics> {
    definitions_from_text("nodes.yaml", text, Path::new(""), &Rules::builtin())
}

/// A definition with one implementation: a resource and further sections.
fn with(resource: &str, sections: &str) -> String {
    format!("'node_def:n':\n- resource: {{{resource}}}\n{sections}")
}

fn accepted(text: &str) -> (NodeDefinition, Diagnostics) {
    let (mut definitions, warnings) = load(text).unwrap_or_else(|problems| panic!("{text}\n{problems}"));
    (definitions.remove(0), warnings)
}

fn silent(text: &str) {
    let (_, warnings) = accepted(text);
    assert!(warnings.is_empty(), "{text}\n{warnings}");
}

fn warns(text: &str) -> NodeDefinition {
    let (definition, warnings) = accepted(text);
    assert!(!warnings.is_empty(), "{text}");
    definition
}

fn first_error(text: &str) -> (Code, String) {
    let problems = load(text).expect_err(text);
    let error = problems.errors().next().unwrap();
    assert!(error.location.is_some(), "{problems}");
    (error.code, error.legacy.clone().unwrap_or_default())
}

/// What the original said first about a resource section.
fn resource_error(resource: &str) -> String {
    let text = first_error(&with(resource, "")).1;
    text.strip_prefix("[SchemaCheck] ERROR in 'resource' section of node 'n'[0]: ").expect(&text).to_owned()
}

/// What the original said first about another section.
fn section_error(section: &str, content: &str) -> String {
    let text = first_error(&with(EC2, &format!("  {section}: {content}\n"))).1;
    let context = format!("[SchemaCheck] ERROR in '{section}' section of node 'n'[0]: ");
    text.strip_prefix(&context).expect(&text).to_owned()
}

#[test]
fn definitions_have_names_and_implementations() {
    let (definitions, _) = load(&format!("'node_def:a b:c':\n- resource: {{{EC2}}}\n")).unwrap();
    assert_eq!(definitions[0].name, "a b:c");
    let text = "Node definition must begin with 'node_def:<nodename>'!";
    for name in ["nodedef:n", "n"] {
        let (_, legacy) = first_error(&format!("'{name}': [{{resource: {{{EC2}}}}}]"));
        assert_eq!(legacy, format!("[SchemaCheck] ERROR in node '{name}': {text}"));
    }
    let (_, legacy) = first_error(&format!("'node_def:n': {{resource: {{{EC2}}}}}"));
    let text = "[SchemaCheck] ERROR in node 'n': Node definition has to be a list of dictionaries!";
    assert_eq!(legacy, text);
    for (text, code) in [
        ("'node_def:n': []", codes::BAD_IMPLEMENTATIONS),
        ("'node_def:n': [text]", codes::BAD_IMPLEMENTATIONS),
        ("'node_def:n': ", codes::BAD_IMPLEMENTATIONS),
        ("5: []", codes::BAD_DEFINITION_NAME),
        ("", codes::BAD_ROOT),
    ] {
        assert_eq!(first_error(text).0, code, "{text}");
    }
}

#[test]
fn sections_are_known_and_have_types() {
    let (_, legacy) = first_error(&with(EC2, "  implementation_type: x\n"));
    assert_eq!(legacy, "[SchemaCheck] ERROR in node 'n': Invalid section 'implementation_type'");
    let (_, legacy) = first_error("'node_def:n': [{health_check: {}}]");
    let text = "[SchemaCheck] ERROR in 'resource' section of node 'n'[0]: Missing 'resource' section!";
    assert_eq!(legacy, text);
    assert_eq!(resource_error("endpoint: e"), "Missing key 'type'");
    assert_eq!(section_error("contextualisation", "{}"), "Missing key 'type'!");
    assert_eq!(first_error(&with("type: ec3", "")).0, codes::UNKNOWN_TYPE);
    assert_eq!(first_error(&with("type: 5", "")).0, codes::UNKNOWN_TYPE);
    let shown = load(&with("type: docke", "")).unwrap_err().to_string();
    assert!(shown.contains("did you mean 'docker'?") && shown.contains("process"), "{shown}");
    assert_eq!(first_error("'node_def:n': [{resource: }]").0, codes::BAD_VALUE);
    warns(&with(EC2, "  contextualisation:\n"));
}

#[test]
fn the_index_of_a_broken_implementation_is_its_own() {
    let text = format!("'node_def:n': [{{resource: {{{EC2}}}}}, {{resource: {{type: ec2}}}}]");
    assert!(first_error(&text).1.contains("of node 'n'[1]: "));
}

#[test]
fn keys_of_resources_are_checked_by_table() {
    for resource in [EC2, NOVA, AZURE, DOCKER] {
        silent(&with(resource, ""));
    }
    let cases = [
        ("type: ec2", "Missing key(s): endpoint, regionname, image_id, instance_type"),
        ("type: ec2, foo: 1", "Missing key(s): endpoint, regionname, image_id, instance_type"),
        (&format!("{EC2}, foo: 1, bar: 2"), "Unknown key(s): foo, bar"),
        (&format!("{EC2}, security_group: x"), "Unknown key(s): security_group"),
        ("type: nova, endpoint: http://e, image_id: i, flavor_name: f", "Missing key(s): project_id"),
        (&format!("{AZURE}, nic_name: x"), "Unknown key(s): nic_name"),
        (&format!("{AZURE}, name: x"), "Unknown key(s): name"),
        (
            &AZURE.replace(", password: p", ""),
            "Missing key(s): either \"password\" or \"ssh_key_data\" must be defined",
        ),
        (
            "type: cloudsigma, endpoint: e, libdrive_id: l, description: {cpu: 1}",
            "Missing key(s) in description: mem, vnc_password",
        ),
        (
            "type: cloudbroker, endpoint: e, description: {}",
            "Missing key(s) in description: deployment_id, instance_type_id",
        ),
        (&format!("{DOCKER}, network_mode: x"), "Unknown key(s): network_mode"),
        ("type: docker, endpoint: e, image: i", "Missing key(s): origin, tag"),
        (
            "type: azure_aci",
            "Missing key(s): endpoint, resource_group, location, cpu_cores, memory, image, os_type, network_type",
        ),
    ];
    for (resource, expected) in cases {
        assert_eq!(resource_error(resource), expected);
    }
}

#[test]
fn a_volume_size_is_a_number_from_zero_up() {
    for value in ["5", "0", "'7'", "' 5 '", "1.5", "true", "", "'{{variables.x}}'"] {
        silent(&with(&format!("{NOVA}, volume_size: {value}"), ""));
    }
    for value in ["-1", "'-3'"] {
        let text = resource_error(&format!("{NOVA}, volume_size: {value}"));
        assert_eq!(text, "Negative numbers for volume_size are prohibited!");
    }
    for value in ["abc", "'1.5'", "[]"] {
        let text = resource_error(&format!("{NOVA}, volume_size: {value}"));
        assert!(text.starts_with("Could not convert volume_size value \""), "{text}");
    }
}

#[test]
fn booleans_written_as_words_are_booleans() {
    let definition = warns(&with(&format!("{NOVA}, volume_persist: no"), ""));
    assert_eq!(definition.implementations[0].resource["volume_persist"], json!(false));
    let definition = warns(&with(&format!("{AZURE}, public_ip_needed: yes"), ""));
    assert_eq!(definition.implementations[0].resource["public_ip_needed"], json!(true));
}

#[test]
fn what_has_another_effect_than_it_seems_is_a_warning() {
    warns(&with(&format!("{NOVA}, floating_ip: no"), ""));
    warns(&with(&format!("{NOVA}, tenant_name: t"), ""));
    warns(&with(&format!("{AZURE}, customdata: c"), ""));
    assert_eq!(first_error(&with(&format!("{AZURE}, subnet_name: s"), "")).0, codes::BAD_VALUE);
    silent(&with(&format!("{AZURE}, subnet_name: s, vnet_name: v"), ""));
}

#[test]
fn a_process_needs_nothing_but_its_type() {
    silent(&with("type: process", "  contextualisation: {type: process, command: x}\n"));
    let all = "type: process, endpoint: local, name: n, stop_timeout: 2.5";
    silent(&with(all, "  contextualisation: {type: process, env: [], context_variables: {}}\n"));
    for resource in ["endpoint: remote", "stop_timeout: -1", "stop_timeout: long"] {
        assert_eq!(
            first_error(&with(&format!("type: process, {resource}"), "")).0,
            codes::BAD_VALUE,
            "{resource}"
        );
    }
    assert_eq!(resource_error("type: process, image: x"), "Unknown key(s): image");
}

#[test]
fn contextualisation_and_config_management_are_checked_by_table() {
    let context = |content: &str| section_error("contextualisation", content);
    assert_eq!(context("{type: basic}"), "Missing key(s): attributes");
    assert_eq!(context("{type: docker, command: x}"), "Missing key(s): env");
    assert_eq!(context("{type: docker, env: [], attributes: {}}"), "Unknown key(s): attributes");
    assert_eq!(context("{type: cloudinit}"), "Missing key(s): context_template");
    assert_eq!(section_error("config_management", "{type: chef}"), "Missing key(s): endpoint, run_list");
    let manager = "{type: puppet_solo, manifests: [], name: x}";
    assert_eq!(section_error("config_management", manager), "Unknown key(s): name");
    silent(&with(EC2, "  config_management: {type: dummy}\n"));
}

#[test]
fn health_checks_are_checked() {
    let health = |content: &str| section_error("health_check", content);
    assert_eq!(health("{protocol: basic}"), "Unknown key(s): protocol");
    for key in ["mysqldbs", "urls", "ports"] {
        let text = format!("Invalid format of '{key}' section! Must be a list.");
        assert_eq!(health(&format!("{{{key}: x}}")), text);
        assert_eq!(health(&format!("{{{key}: }}")), text);
    }
    assert_eq!(health("{ports: [x]}"), "Invalid port 'x' - must be integer");
    for value in ["yes", "1", "'True'", ""] {
        let text = "Invalid value of 'ping' section! Must be True/False.";
        assert_eq!(health(&format!("{{ping: {value}}}")), text);
    }
    assert_eq!(health("{timeout: soon}"), "Invalid value of 'timeout' section! Must be integer.");
    assert_eq!(health("{mysqldbs: [{name: a}]}"), "Missing key(s) in mysqldbs: user, pass");
    let text = "{mysqldbs: [{name: a, user: b, pass: c, foo: d}]}";
    assert_eq!(health(text), "Unknown key(s) in mysqldbs: foo");
}

#[test]
fn doubtful_health_checks_are_warnings() {
    let health = |content: &str| warns(&with(EC2, &format!("  health_check: {content}\n")));
    for port in ["0", "65536", "-1", "99999999999999999999999999999999999999999"] {
        let definition = health(&format!("{{ports: [80, {port}]}}"));
        assert_eq!(definition.implementations[0].health().ports, [80], "{port} does not exist");
    }
    assert_eq!(health("{timeout: -1}").implementations[0].health().timeout, -1);
    for url in ["nowhere", "5", "ftp://h/", "'http://'", "'http://a b/'", "~"] {
        health(&format!("{{urls: [{url}]}}"));
    }
    for url in
        ["http://h", "HTTPS://h:8443/p?q=1", "'http://{{ip}}:{{variables.port}}/'", "'{{variables.url}}'"]
    {
        silent(&with(EC2, &format!("  health_check: {{urls: [{url}]}}\n")));
    }
    health("{mysqldbs: [{name: [], user: u, pass: p}]}");
}

#[test]
fn health_checks_get_the_original_defaults() {
    let health = |content: &str| {
        let (definition, _) = accepted(&with(EC2, &format!("  health_check: {content}\n")));
        definition.implementations[0].health()
    };
    assert!(health("{}").ping);
    assert_eq!(health("{}").timeout, 600);
    assert_eq!(health("{type: basic, ping: False, ports: [80], timeout: 0}").ports, [80]);
    assert_eq!(health("{timeout: true, ports: [true]}").timeout, 1);
    assert_eq!(health("{timeout: true, ports: [true]}").ports, [1]);
    assert!(health("{mysqldbs: []}").mysqldbs.is_empty());
    let definition =
        warns(&with(EC2, "  health_check: {mysqldbs: [{name: a}, {name: a, user: b, pass: 1}]}\n"));
    let health = definition.implementations[0].health();
    assert_eq!(health.mysqldbs[1], ("a".to_owned(), "b".to_owned(), "1".to_owned()));
}

#[test]
fn a_plug_in_brings_its_own_rules() {
    let text = with("type: toy, size: 0", "");
    assert_eq!(first_error(&text).0, codes::UNKNOWN_TYPE);
    let mut rules = Rules::builtin();
    rules.register(SectionRules::new(Section::Resource, "toy").required(&["size"]).check_values(|check| {
        if let Some(size) = check.get("size").cloned().filter(|size| size.to_json() == json!(0)) {
            check.error(codes::BAD_VALUE, &size, "size must not be 0");
        }
    }));
    let load = |text: &str| definitions_from_text("nodes.yaml", text, Path::new(""), &rules);
    assert!(load(&text).unwrap_err().to_string().contains("size must not be 0"));
    assert!(load(&with("type: toy, size: 1", "")).is_ok());
}

/// The texts of the warnings about one resource.
fn doubts(resource: &str, sections: &str) -> Vec<String> {
    let (_, warnings) = accepted(&with(resource, sections));
    warnings.iter().map(|warning| warning.message.split(" (").next().unwrap().to_owned()).collect()
}

#[test]
fn values_of_another_kind_are_warnings_as_long_as_the_original_took_them() {
    let endpoint = doubts(&EC2.replace("http://e", "here"), "");
    assert_eq!(endpoint, ["'endpoint' should be a URL such as https://HOST:PORT/PATH"]);
    let scheme = doubts(&DOCKER.replace("tcp://e", "ssh://e"), "");
    assert_eq!(
        scheme,
        ["'endpoint' should be a URL that begins with unix:// or tcp:// or http:// or https://"]
    );
    for resource in [
        format!("{EC2}, tags: [a, b]"),
        format!("{EC2}, security_group_ids: sg-1"),
        format!("{EC2}, key_name: {{}}"),
        format!("{NOVA}, volume_persist: 3"),
        DOCKER.replace("origin: ", "origin: hub"),
    ] {
        assert_eq!(doubts(&resource, "").len(), 1, "{resource}");
    }
    for resource in [
        format!("{EC2}, tags: {{a: 1}}, security_group_ids: [sg-1], key_name: "),
        EC2.replace("http://e", "'{{variables.endpoint}}'"),
        format!("{NOVA}, security_groups: , network_id: 5"),
        DOCKER.replace("origin: ", "origin: 'file:///image.tar'"),
    ] {
        assert_eq!(doubts(&resource, "").len(), 0, "{resource}");
    }
}

#[test]
fn values_that_broke_the_original_are_errors() {
    for section in [
        "contextualisation: {type: cloudinit, context_template: [a]}",
        "contextualisation: {type: cloudinit, context_template: 5}",
    ] {
        assert_eq!(first_error(&with(EC2, &format!("  {section}\n"))).0, codes::BAD_VALUE, "{section}");
    }
    assert_eq!(
        first_error(&with("type: cloudbroker, endpoint: http://e, description: x", "")).0,
        codes::BAD_VALUE
    );
}

#[test]
fn environment_entries_have_a_key() {
    let context = |env: &str| format!("  contextualisation: {{type: docker, env: {env}}}\n");
    for env in ["[]", "[A=1, 'B={{variables.b}}', '{{x}}', C=]", "{A: 1}", ""] {
        assert_eq!(doubts(DOCKER, &context(env)).len(), 0, "{env}");
    }
    for env in ["[A]", "[=1]", "[{A: 1}]", "[5]"] {
        let expected = ["a value inside 'env' should be KEY=VALUE"];
        assert!(doubts(DOCKER, &context(env))[0].starts_with(expected[0]), "{env}");
    }
}

#[test]
fn a_value_inside_another_is_named_by_its_key_and_told_once() {
    let sigma = "type: cloudsigma, endpoint: http://e, libdrive_id: l, \
                 description: {cpu: many, mem: 1, vnc_password: p}";
    assert!(doubts(sigma, "")[0].starts_with("'cpu' in 'description' should be an integer"));
    let container = |more: &str| {
        format!(
            "type: azure_aci, endpoint: http://e, resource_group: g, location: l, cpu_cores: 1, memory: 1, \
             image: i, os_type: linux, {more}"
        )
    };
    let open = doubts(&container("network_type: open"), "");
    assert!(open.len() == 1 && open[0].contains("\"Public\" or \"Private\""), "{open:?}");
    let ports = doubts(&container("network_type: Public, ports: [80, 53/udp, 70000]"), "");
    assert!(ports.len() == 1 && ports[0].starts_with("a value inside 'ports'"), "{ports:?}");
}
