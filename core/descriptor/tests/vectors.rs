//! The recorded results of Occopus 1.10, row by row. Where this version decides otherwise, the row says
//! `decided`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test fails")]

use std::path::Path;

use occopus_descriptor::credentials::CredentialsFile;
use occopus_descriptor::definition::Section;
use occopus_descriptor::model::{Infrastructure, NodeDefinition};
use occopus_descriptor::{
    Diagnostics, Overrides, Rules, definitions_from_text, infrastructure_from_text, levels,
};
use serde_json::{Value, json};

fn infrastructure(text: &str) -> Result<(Infrastructure, Diagnostics), Diagnostics> {
    infrastructure_from_text("f", text, Path::new(""), &Overrides::default())
}

fn definitions(text: &str) -> Result<(Vec<NodeDefinition>, Diagnostics), Diagnostics> {
    definitions_from_text("f", text, Path::new(""), &Rules::builtin())
}

/// What the original said about the first error.
fn first(problems: &Diagnostics) -> String {
    let first = problems.errors().next().unwrap_or_else(|| panic!("no error:\n{problems}"));
    first.legacy.clone().unwrap_or_else(|| first.message.clone())
}

/// What becomes of an input.
enum Outcome {
    /// Accepted.
    Ok,
    /// Accepted with so many warnings.
    Warnings(usize),
    /// The first error of the original has this text in it.
    Error(&'static str),
}
use Outcome::{Error, Ok as Accepted, Warnings};

fn hold<T>(row: &str, outcome: &Outcome, found: Result<(T, Diagnostics), Diagnostics>) {
    match (outcome, found) {
        (Accepted, Ok(_)) => {}
        (Warnings(expected), Ok((_, warnings))) => {
            assert_eq!(warnings.iter().count(), *expected, "{row}\n{warnings}");
        }
        (Error(text), Err(problems)) => assert!(first(&problems).contains(text), "{row}\n{problems}"),
        (Accepted | Warnings(_), Err(problems)) => panic!("{row} is refused:\n{problems}"),
        (Error(text), Ok(_)) => panic!("{row} is accepted, without '{text}'"),
    }
}

const CHARSET: &str = "may contain only [a-z,0-9,-] characters";

#[test]
fn infrastructures() {
    let whole = |text: &str| infrastructure(text);
    let one = |keys: &str| {
        format!("user_id: u\ninfra_name: i\nnodes: [{{name: a, type: t{keys}}}]\ndependencies: []\n")
    };
    let named = |name: &str| format!("user_id: u\ninfra_name: {name}\nnodes: []\ndependencies: []\n");
    let two = |edges: &str| {
        format!(
            "user_id: u\ninfra_name: i\nnodes:\n- &A {{name: a, type: t, scaling: {{}}}}\n\
             - &B {{name: b, type: t, scaling: {{}}}}\n{edges}\n"
        )
    };
    let rows: Vec<(&str, String, Outcome)> = vec![
        ("minimal", "user_id: u\ninfra_name: i\nnodes: [{name: a, type: t}]".into(), Warnings(2)),
        (
            "without `user_id`: warning, then crash (decided: warning)",
            "infra_name: i\nnodes: []\ndependencies: []".into(),
            Warnings(1),
        ),
        ("`infra_name` of 63 characters", named(&"a".repeat(63)), Accepted),
        ("`infra_name` of 64 characters", named(&"a".repeat(64)), Error(CHARSET)),
        ("`infra_name` of 65 characters", named(&"a".repeat(65)), Error("is too long")),
        ("`infra_name: a.b`", named("a.b"), Error("cannot contain '.' character")),
        ("`infra_name: a_b`", named("a_b"), Error(CHARSET)),
        ("`infra_name: \"\"`", named("\"\""), Error(CHARSET)),
        ("`infra_name: -`", named("'-'"), Accepted),
        ("`nodes: []`", named("i"), Warnings(0)),
        (
            "node key `attributes: {}`",
            one(", attributes: {}"),
            Error("unknown key \"'attributes'\" in node 'a'"),
        ),
        (
            "`scaling: {min: 1, foo: 2}`",
            one(", scaling: {min: 1, foo: 2}"),
            Error("unknown key \"'foo'\" in scaling of node 'a'"),
        ),
        ("`scaling: {}`", one(", scaling: {}"), Warnings(0)),
        (
            "`filter: foo`",
            one(", filter: foo"),
            Error("unknown type of filter in node 'a' - has to be a dict!"),
        ),
        ("`filter:`", one(", filter: "), Error("unknown type of filter in node 'a' - has to be a dict!")),
        ("`dependencies: {}`", two("dependencies: {}"), Warnings(0)),
        ("`dependencies: []`", two("dependencies: []"), Warnings(0)),
        ("`[{mappings: []}]`", two("dependencies: [{mappings: []}]"), Error("undefined connection ")),
        ("`[[*B,*A],[*A,*B]]`", two("dependencies: [[*B,*A],[*A,*B]]"), Error("Cycle detected.")),
        ("`[[*A,*A]]`", two("dependencies: [[*A,*A]]"), Error("Cycle detected.")),
        (
            "extra top-level `init_suspended: true`",
            two("init_suspended: true"),
            Error("unknown key 'init_suspended' in infastructure description"),
        ),
        (
            "two nodes of one name are accepted (decided: an error)",
            "infra_name: i\nnodes: [{name: a, type: t}, {name: a, type: u}]".into(),
            Error("two nodes called 'a'"),
        ),
        (
            "dependencies by name have no effect (decided: they are honoured, with a warning)",
            two("dependencies: [[b, a]]"),
            Warnings(1),
        ),
    ];
    for (row, text, outcome) in rows {
        hold(row, &outcome, whole(&text));
    }
}

/// The attribute mappings of a node as the original stored them.
fn mappings(infrastructure: &Infrastructure, name: &str) -> Value {
    let mut result = json!({"inbound": {}, "outbound": {}});
    for edge in &infrastructure.dependencies {
        let stored = serde_json::to_value(&edge.mappings).unwrap();
        if edge.dependent == name {
            result["inbound"][&edge.dependee] = stored.clone();
        }
        if edge.dependee == name {
            result["outbound"][&edge.dependent] = stored;
        }
    }
    result
}

#[test]
fn levels_and_mappings() {
    let names = |count: usize| ["a", "b", "c", "d"][..count].to_vec();
    let described = |count: usize, edges: &str| {
        let nodes = names(count);
        let nodes: String =
            nodes.iter().map(|n| format!("- &{} {{name: {n}, type: t}}\n", n.to_uppercase())).collect();
        let text = format!("user_id: u\ninfra_name: i\nnodes:\n{nodes}dependencies: {edges}\n");
        infrastructure(&text).unwrap_or_else(|problems| panic!("{problems}")).0
    };
    // `nodes: []`: ok, no levels
    assert!(levels(&infrastructure("infra_name: i\nnodes: []").unwrap().0).is_empty());
    // `dependencies: [[*B, *A]]`
    let pair = described(2, "[[*B, *A]]");
    assert_eq!(json!(levels(&pair)), json!([["a"], ["b"]]));
    assert_eq!(mappings(&pair, "a")["outbound"], json!({"b": []}));
    assert_eq!(mappings(&pair, "b")["inbound"], json!({"a": []}));
    // `[*D,*C] [*D,*B] [*B,*A] {connection: [*C,*A]}`
    let diamond = described(4, "[[*D,*C], [*D,*B], [*B,*A], {connection: [*C,*A]}]");
    assert_eq!(json!(levels(&diamond)), json!([["a"], ["b", "c"], ["d"]]));
    // long edge with `mappings: [[x, y], {attributes: [p, q], synch: true, z: 1}]`
    let edge = "[{connection: [*B, *A], mappings: [[x, y], {attributes: [p, q], synch: true, z: 1}]}]";
    let mapped = described(2, edge);
    let stored = json!([
        {"attributes": ["x", "y"], "synch": false},
        {"attributes": ["p", "q"], "synch": true, "z": 1}
    ]);
    assert_eq!(mappings(&mapped, "a")["outbound"]["b"], stored);
    assert_eq!(mappings(&mapped, "b")["inbound"]["a"], stored);
    // decided: dependencies by name are honoured
    assert_eq!(json!(levels(&described(2, "[[b, a]]"))), json!([["a"], ["b"]]));
}

const EC2: &str = "type: ec2, endpoint: http://e, regionname: r, image_id: i, instance_type: t";
const NOVA: &str = "type: nova, endpoint: http://e, image_id: i, flavor_name: 3";
const AZURE: &str = "type: azure_vm, endpoint: http://e, resource_group: g, location: l, vm_size: s, \
                     publisher: p, offer: o, sku: s, version: v, username: u";

#[test]
fn resource_sections() {
    let negative = "Negative numbers for volume_size are prohibited!";
    let unusable = "Could not convert volume_size value";
    let aci = "type: azure_aci, endpoint: http://e, resource_group: g, location: l, cpu_cores: 1, memory: 1, \
               image: i, os_type: linux, network_type: Public";
    let volume = |size: &str| format!("{NOVA}, project_id: p, volume_size: {size}");
    let mut rows: Vec<(&str, String, Outcome)> = vec![
        (
            "ec2 with only `type`",
            "type: ec2".into(),
            Error("Missing key(s): endpoint, regionname, image_id, instance_type"),
        ),
        ("ec2 complete + `foo`, `bar`", format!("{EC2}, foo: 1, bar: 1"), Error("Unknown key(s): foo, bar")),
        (
            "ec2 `{type, foo}`: missing keys reported, not the unknown one",
            "type: ec2, foo: 1".into(),
            Error("Missing key(s): endpoint, regionname, image_id, instance_type"),
        ),
        ("nova without `project_id`", NOVA.into(), Error("Missing key(s): project_id")),
        (
            "azure_vm without password and key",
            AZURE.into(),
            Error("Missing key(s): either \"password\" or \"ssh_key_data\" must be defined"),
        ),
        (
            "azure_vm `nic_name`",
            format!("{AZURE}, password: p, nic_name: n"),
            Error("Unknown key(s): nic_name"),
        ),
        ("azure_* `name`", format!("{AZURE}, password: p, name: n"), Error("Unknown key(s): name")),
        ("azure_* `name`", format!("{aci}, name: n"), Error("Unknown key(s): name")),
        (
            "cloudsigma `description: {cpu: 1}`",
            "type: cloudsigma, endpoint: http://e, libdrive_id: l, description: {cpu: 1}".into(),
            Error("Missing key(s) in description: mem, vnc_password"),
        ),
        (
            "docker `network_mode`",
            "type: docker, endpoint: tcp://e, origin: dockerhub, image: i, tag: t, network_mode: m".into(),
            Error("Unknown key(s): network_mode"),
        ),
        (
            "docker without origin, tag",
            "type: docker, endpoint: tcp://e, image: i".into(),
            Error("Missing key(s): origin, tag"),
        ),
    ];
    for size in ["5", "0", "\"7\"", "1.5", "true", "null"] {
        rows.push(("nova `volume_size` 5, 0, \"7\", 1.5, true, null", volume(size), Warnings(0)));
    }
    for size in ["-1", "\"-3\""] {
        rows.push(("nova `volume_size` -1, \"-3\"", volume(size), Error(negative)));
    }
    for size in ["abc", "\"1.5\"", "[]"] {
        rows.push(("nova `volume_size` abc, \"1.5\", []", volume(size), Error(unusable)));
    }
    let template = "nova `volume_size` \"{{x}}\": conversion error (decided: checked when it is rendered)";
    rows.push((template, volume("\"{{x}}\""), Warnings(0)));
    for (row, resource, outcome) in rows {
        hold(row, &outcome, definitions(&format!("'node_def:n':\n- resource: {{{resource}}}\n")));
    }
}

#[test]
fn definitions_and_other_sections() {
    let whole: Vec<(&str, String, Outcome)> = vec![
        ("key `nodedef:n`", "'nodedef:n': []".into(), Error("must begin with")),
        ("key `n`", "n: []".into(), Error("must begin with")),
        (
            "`'node_def:n': {resource: …}`",
            format!("'node_def:n': {{resource: {{{EC2}}}}}"),
            Error("list of dictionaries"),
        ),
        (
            "an empty list cannot be stored (decided: an error)",
            "'node_def:n': []".into(),
            Error("no implementation"),
        ),
    ];
    for (row, text, outcome) in whole {
        hold(row, &outcome, definitions(&text));
    }
    let only_last = "`health_check: {mysqldbs: [{name: a}, {name: a, user: b, pass: c}]}`: ok, only the last is \
                     looked at (decided: with a warning)";
    let sections: Vec<(&str, &str, Outcome)> = vec![
        ("", "contextualisation: {type: basic}", Error("Missing key(s): attributes")),
        ("", "contextualisation: {type: docker, command: x}", Error("Missing key(s): env")),
        (
            "",
            "contextualisation: {type: docker, env: [], attributes: {}}",
            Error("Unknown key(s): attributes"),
        ),
        ("", "config_management: {type: chef}", Error("Missing key(s): endpoint, run_list")),
        ("", "health_check: {}", Warnings(0)),
        ("ping error (string)", "health_check: {ping: yes}", Error("Invalid value of 'ping' section!")),
        (only_last, "health_check: {mysqldbs: [{name: a}, {name: a, user: b, pass: c}]}", Warnings(1)),
        ("", "health_check: {protocol: basic}", Error("Unknown key(s): protocol")),
        ("the import crashes (decided: accepted)", "health_check: {mysqldbs: []}", Warnings(0)),
        ("the import crashes (decided: accepted)", "config_management: {type: dummy}", Warnings(0)),
    ];
    for (row, section, outcome) in sections {
        let text = format!("'node_def:n':\n- resource: {{{EC2}}}\n  {section}\n");
        hold(&format!("{section} {row}"), &outcome, definitions(&text));
    }
}

#[test]
fn words_for_booleans_are_booleans() {
    let stored = |resource: &str, key: &str| {
        let text = format!("'node_def:n':\n- resource: {{{resource}}}\n");
        let (definitions, warnings) = definitions(&text).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(warnings.iter().count(), 1, "{warnings}");
        definitions[0].implementations[0].resource[key].clone()
    };
    let nova = format!("{NOVA}, project_id: p, volume_persist: no");
    assert_eq!(stored(&nova, "volume_persist"), json!(false), "`volume_persist: no` (decided)");
    let azure = format!("{AZURE}, password: p, public_ip_needed: yes");
    assert_eq!(stored(&azure, "public_ip_needed"), json!(true), "`public_ip_needed: yes` (decided)");
}

#[test]
fn credentials() {
    let two = "- {type: ec2, auth_data: {n: 1}}\n- {type: nova, name: x, auth_data: {n: 2}}";
    let nested = "- {type: ec2, auth_data: {n: 1}}\n- {type: ec2, endpoint: e, auth_data: {n: 2}}";
    let equal = "- {type: ec2, endpoint: e, auth_data: {n: 1}}\n- {type: ec2, name: s, auth_data: {n: 2}}";
    let rows = [
        ("`{type: nova}` of `{type: ec2}`, `{type: nova, name: x}`", two, json!({"type": "nova"}), None),
        ("`{type: nova, name: x}` of the same", two, json!({"type": "nova", "name": "x"}), Some(2)),
        ("`{}` (only auth_data), anything", "- auth_data: {n: 1}", json!({"type": "any"}), Some(1)),
        ("ec2 at f", nested, json!({"type": "ec2", "endpoint": "f"}), Some(1)),
        (
            "ec2 at e: ambiguity error (decided: the more specific wins)",
            nested,
            json!({"type": "ec2", "endpoint": "e"}),
            Some(2),
        ),
        (
            "`{type: ec2, d: {x: 1}}` with `d: {x: 1, y: 2}`",
            "- {type: ec2, d: {x: 1}, auth_data: {n: 1}}",
            json!({"type": "ec2", "d": {"x": 1, "y": 2}}),
            None,
        ),
    ];
    let load =
        |entries: &str| CredentialsFile::from_text("auth", &format!("resource:\n{entries}\n"), Path::new(""));
    for (row, entries, section, expected) in rows {
        let file = load(entries).unwrap().0;
        let chosen = file.choose(Section::Resource, section.as_object().unwrap()).unwrap();
        assert_eq!(chosen.map(|chosen| chosen.auth_data["n"].clone()), expected.map(|n| json!(n)), "{row}");
    }
    let file = load(equal).unwrap().0;
    let section = json!({"type": "ec2", "endpoint": "e", "name": "s"});
    let error = file.choose(Section::Resource, section.as_object().unwrap()).unwrap_err();
    let text = "Cannot determine authorization information: auth_data filters result more than one possible \
                authorization section!";
    assert!(error.to_string().starts_with(text), "equally specific entries (decided)");
    // an entry without `auth_data`, anything: error
    assert!(first(&load("- {type: ec2}\n- auth_data: {n: 1}").unwrap_err()).contains("auth_data"));
}
