//! Every message that Occopus 1.10 had for a mistake in a descriptor appears for the input that causes
//! it, with the place.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test fails")]

use std::path::Path;

use occopus_descriptor::credentials::CredentialsFile;
use occopus_descriptor::{
    Diagnostic, Diagnostics, Overrides, Rules, Severity, definitions_from_text, infrastructure_from_text,
};

/// A message of the original, the input that causes it, and the line and column it is about. `$` in the
/// input marks that place and is taken out.
struct Row(&'static str, &'static str);

fn infrastructure(text: &str) -> Diagnostics {
    let result = infrastructure_from_text("f", text, Path::new(""), &Overrides::default());
    result.map_or_else(|problems| problems, |(_, warnings)| warnings)
}

fn definitions(text: &str) -> Diagnostics {
    let result = definitions_from_text("f", text, Path::new(""), &Rules::builtin());
    result.map_or_else(|problems| problems, |(_, warnings)| warnings)
}

fn credentials(text: &str) -> Diagnostics {
    let result = CredentialsFile::from_text("f", text, Path::new(""));
    result.map_or_else(|problems| problems, |(_, warnings)| warnings)
}

fn said(problem: &Diagnostic) -> &str {
    problem.legacy.as_deref().unwrap_or(&problem.message)
}

/// Line and column of the mark, and the text without it.
fn marked(input: &str) -> (usize, usize, String) {
    let (before, after) = input.split_once('$').unwrap_or_else(|| panic!("no mark in {input}"));
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
    (line, column, format!("{before}{after}"))
}

fn check(check: impl Fn(&str) -> Diagnostics, severity: Severity, rows: &[Row]) {
    for Row(message, input) in rows {
        let (line, column, text) = marked(input);
        let problems = check(&text);
        let found = problems.iter().find(|problem| said(problem).starts_with(message));
        let found = found.unwrap_or_else(|| panic!("no '{message}' for\n{text}\nbut\n{problems}"));
        let location = found.location.as_ref().unwrap();
        assert_eq!((location.line, location.column), (line, column), "{message}\n{text}\n{problems}");
        assert_eq!(found.severity, severity, "{message}");
        assert_eq!(check(&text), problems, "the same problems in the same order each time");
    }
}

#[test]
fn warnings_about_infrastructures() {
    check(
        infrastructure,
        Severity::Warning,
        &[
            Row(
                "[SchemaCheck] WARNING: user_id is not defined in infrastructure description",
                "$infra_name: i\nnodes: []\n",
            ),
            Row(
                "[SchemaCheck] WARNING: missing \"scaling\" parameter in node 'a', using default scaling (single instance)",
                "infra_name: i\nnodes:\n- ${name: a, type: t}\n",
            ),
            Row(
                "[SchemaCheck] WARNING: no dependencies specified - using sequential ordering",
                "$infra_name: i\nnodes: []\n",
            ),
        ],
    );
}

#[test]
fn errors_in_infrastructures() {
    check(
        infrastructure,
        Severity::Error,
        &[
            Row(
                "[SchemaCheck] ERROR: infra_name must be defined in infrastructure description",
                "${nodes: []}",
            ),
            Row(
                "[SchemaCheck] ERROR: infra_name \"a.b\" cannot contain '.' character",
                "infra_name: $a.b\nnodes: []",
            ),
            Row(
                "[SchemaCheck] ERROR: infra_name \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" is too long",
                "infra_name: $aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\nnodes: []",
            ),
            Row(
                "[SchemaCheck] ERROR: infra_name \"a_b\" may contain only [a-z,0-9,-] characters",
                "infra_name: $a_b\nnodes: []",
            ),
            Row(
                "[SchemaCheck] ERROR: nodes section must be defined in infrastructure description",
                "$user_id: 1\ninfra_name: i\n",
            ),
            Row(
                "[SchemaCheck] ERROR: missing key \"name\" in node",
                "infra_name: i\nnodes:\n- {name: a, type: t}\n- ${type: t}\n",
            ),
            Row(
                "[SchemaCheck] ERROR: node \"CONCAT_A\" may contain only [a-z,0-9,-] characters",
                "infra_name: i\nnodes:\n- name: $CONCAT_A\n  type: t\n",
            ),
            Row(
                "[SchemaCheck] ERROR: missing key \"type\" in node 'a'",
                "infra_name: i\nnodes:\n- ${name: a}\n",
            ),
            Row(
                "[SchemaCheck] ERROR: unknown key \"'foo'\" in scaling of node 'a'",
                "infra_name: i\nnodes:\n- name: a\n  type: t\n  scaling:\n    min: 1\n    $foo: 2\n",
            ),
            Row(
                "[SchemaCheck] ERROR: unknown type of filter in node 'a' - has to be a dict!",
                "infra_name: i\nnodes: [{name: a, type: t, filter: $foo}]",
            ),
            Row(
                "[SchemaCheck] ERROR: unknown key \"'attributes'\" in node 'a'",
                "infra_name: i\nnodes: [{name: a, type: t, $attributes: {}}]",
            ),
            Row(
                "[SchemaCheck] ERROR: undefined connection ",
                "infra_name: i\nnodes: []\ndependencies:\n- ${mappings: []}\n",
            ),
            Row(
                "[SchemaCheck] ERROR: unknown key 'init_suspended' in infastructure description",
                "infra_name: i\nnodes: []\n$init_suspended: true\n",
            ),
            Row(
                "Cycle detected.",
                "infra_name: i\nnodes: [&A {name: a, type: t}]\ndependencies:\n- $[*A, *A]\n",
            ),
        ],
    );
}

/// Rows whose message is the original's context followed by the text.
fn section_rows(section: &str, severity: Severity, rows: &[(&str, &str)], around: impl Fn(&str) -> String) {
    for (text, input) in rows {
        let (line, column, yaml) = marked(&around(input));
        let problems = definitions(&yaml);
        let context = match severity {
            Severity::Error => format!("[SchemaCheck] ERROR in '{section}' section of node 'n'[0]: "),
            Severity::Warning => String::new(),
        };
        let expected = format!("{context}{text}");
        let found = problems.iter().find(|problem| said(problem).starts_with(&expected));
        let found = found.unwrap_or_else(|| panic!("no '{expected}' for\n{yaml}\nbut\n{problems}"));
        let location = found.location.as_ref().unwrap();
        assert_eq!((location.line, location.column), (line, column), "{expected}\n{yaml}\n{problems}");
        assert_eq!(found.severity, severity, "{expected}");
    }
}

#[test]
fn errors_in_the_shape_of_node_definitions() {
    let begins = "Node definition must begin with 'node_def:<nodename>'!";
    check(
        definitions,
        Severity::Error,
        &[
            Row("[SchemaCheck] ERROR in node 'n': Node definition must begin", "$n: []"),
            Row("[SchemaCheck] ERROR in node 'nodedef:n': Node definition must begin", "$'nodedef:n': []"),
            Row(
                "[SchemaCheck] ERROR in node 'n': Node definition has to be a list of dictionaries!",
                "'node_def:n': ${resource: {type: process}}",
            ),
            Row(
                "[SchemaCheck] ERROR in node 'n': Invalid section 'implementation_type'",
                "'node_def:n':\n- resource: {type: process}\n  $implementation_type: x\n",
            ),
            Row(
                "[SchemaCheck] ERROR in 'resource' section of node 'n'[1]: Missing 'resource' section!",
                "'node_def:n':\n- resource: {type: process}\n- $health_check: {}\n",
            ),
        ],
    );
    let problems = definitions("n: []").to_string();
    assert!(problems.contains(begins), "{problems}");
}

#[test]
fn errors_in_resource_sections() {
    let rows = [
        ("Missing key 'type'", "${endpoint: e}"),
        ("Missing key(s): endpoint, regionname, image_id, instance_type", "${type: ec2, foo: 1}"),
        (
            "Unknown key(s): foo, bar",
            "{type: ec2, endpoint: http://e, regionname: r, image_id: i, instance_type: t, $foo: 1, bar: 1}",
        ),
        (
            "Missing key(s) in description: mem, vnc_password",
            "{type: cloudsigma, endpoint: http://e, libdrive_id: l, description: ${cpu: 1}}",
        ),
        (
            "Missing key(s) in description: deployment_id, instance_type_id",
            "{type: cloudbroker, endpoint: http://e, description: ${}}",
        ),
        (
            "Missing key(s): either \"password\" or \"ssh_key_data\" must be defined",
            "${type: azure_vm, endpoint: http://e, resource_group: g, location: l, vm_size: s, publisher: p, \
             offer: o, sku: s, version: v, username: u}",
        ),
        (
            "Could not convert volume_size value \"abc\" to integer!",
            "{type: nova, endpoint: http://e, image_id: i, flavor_name: f, project_id: p, volume_size: $abc}",
        ),
        (
            "Negative numbers for volume_size are prohibited!",
            "{type: nova, endpoint: http://e, image_id: i, flavor_name: f, project_id: p, volume_size: $-1}",
        ),
    ];
    section_rows("resource", Severity::Error, &rows, |input| format!("'node_def:n':\n- resource: {input}\n"));
    let network = [(
        "Network type \"open\" is not supported. Please use either \"Public\" or \"Private\"",
        "{type: azure_aci, endpoint: http://e, resource_group: g, location: l, cpu_cores: 1, memory: 1, \
         image: i, os_type: linux, network_type: $open}",
    )];
    section_rows("resource", Severity::Warning, &network, |input| {
        format!("'node_def:n':\n- resource: {input}\n")
    });
}

#[test]
fn errors_in_other_sections() {
    let around = |section: &'static str| {
        move |input: &str| format!("'node_def:n':\n- resource: {{type: process}}\n  {section}: {input}\n")
    };
    let context = [
        ("Missing key 'type'!", "${}"),
        ("Missing key(s): context_template", "${type: cloudinit}"),
        ("Missing key(s): env", "${type: docker, command: x}"),
        ("Missing key(s): attributes", "${type: basic}"),
        ("Unknown key(s): attributes", "{type: docker, env: [], $attributes: {}}"),
        ("Can't compile non template nodes", "{type: cloudinit, context_template: $[a]}"),
    ];
    section_rows("contextualisation", Severity::Error, &context, around("contextualisation"));
    let manager = [
        ("Missing key 'type'!", "${endpoint: e}"),
        ("Missing key(s): endpoint, run_list", "${type: chef}"),
        ("Missing key(s): manifests", "${type: puppet_solo}"),
        ("Unknown key(s): name", "{type: chef, endpoint: http://e, run_list: [], $name: x}"),
    ];
    section_rows("config_management", Severity::Error, &manager, around("config_management"));
    let health = [
        ("Unknown key(s): protocol", "{$protocol: basic}"),
        ("Invalid format of 'mysqldbs' section! Must be a list.", "{mysqldbs: $x}"),
        ("Missing key(s) in mysqldbs: user, pass", "{mysqldbs: [${name: a}]}"),
        ("Unknown key(s) in mysqldbs: foo", "{mysqldbs: [{name: a, user: b, pass: c, $foo: d}]}"),
        ("Invalid format of 'urls' section! Must be a list.", "{urls: $http://h}"),
        ("Invalid format of 'ports' section! Must be a list.", "{ports: $80}"),
        ("Invalid port 'x' - must be integer", "{ports: [80, $x]}"),
        ("Invalid value of 'ping' section! Must be True/False.", "{ping: $yes}"),
        ("Invalid value of 'timeout' section! Must be integer.", "{timeout: $1.5}"),
    ];
    section_rows("health_check", Severity::Error, &health, around("health_check"));
}

#[test]
fn errors_in_credentials() {
    let rows = [Row("KeyError: 'auth_data'", "resource:\n- ${type: ec2}\n")];
    check(credentials, Severity::Error, &rows);
}

#[test]
fn all_problems_of_a_file_are_told_in_one_run_in_the_order_of_checking() {
    let text = "
user_ids: u
infra_name: a.b
nodes:
- &A {name: x_y, type: t, scaling: {foo: 1}, bar: 1}
- &B {name: b, typ: t}
- {name: b, type: t, filter: 5}
dependencies:
- [*A, nowhere]
- {mappings: []}
";
    let codes: Vec<&str> = infrastructure(text).iter().map(|problem| problem.code.id()).collect();
    let expected = [
        "OCC0101", "OCC0103", "OCC0103", "OCC0104", "OCC0104", "OCC0102", "OCC0106", "OCC0104", "OCC0106",
        "OCC0105", "OCC0108", "OCC0111", "OCC0110", "OCC0104",
    ];
    assert_eq!(codes, expected, "{}", infrastructure(text));
}

#[test]
fn suggestions_name_each_candidate_once() {
    let text = "infra_name: i\nnodes: [{name: ab, type: t}, {name: ab, type: t}]\ndependencies: [[ab, ac]]";
    let problems = infrastructure(text);
    let unknown = problems.iter().find(|problem| problem.code.id() == "OCC0111").unwrap();
    assert_eq!(unknown.help.as_deref(), Some("did you mean 'ab'? allowed: ab"));
}
