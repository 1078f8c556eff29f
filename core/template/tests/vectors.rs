//! The vectors recorded from the original, and what each contextualisation type renders.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use common::{Bench, NODE_ID, parsed, rendered};
use serde_json::{Value, json};

fn variables() -> Value {
    json!({"n": 5, "b": true, "l": ["a", 1], "nl": "l1\nl2\n", "v": "l1\n\nl2"})
}

/// The resource section under cloudinit.
fn resource(section: Value) -> Value {
    let sections =
        json!({"resource": section, "contextualisation": {"type": "cloudinit", "context_template": null}});
    let resource = Bench::new(variables(), sections).render().unwrap().resource;
    json!(resource)
}

fn context(template: Value) -> String {
    Bench::context(variables(), template).text()
}

#[test]
fn a_resource_value_that_starts_with_a_template_stays_text() {
    assert_eq!(resource(json!({"a": "{{variables.n}}"})), json!({"a": "5"}));
    assert_eq!(resource(json!({"a": "{{variables.b}}"})), json!({"a": "True"}));
    assert_eq!(resource(json!({"a": "{{undefined_name}}"})), json!({"a": ""}));
}

#[test]
fn a_resource_value_that_ends_with_a_template_is_typed_beside_a_collection_only() {
    assert_eq!(resource(json!({"a": "1{{variables.n}}"})), json!({"a": "15"}));
    assert_eq!(resource(json!({"a": "1{{variables.n}}", "l": ["x"]})), json!({"a": 15, "l": ["x"]}));
    let name = resource(json!({"server_name": "name-{{cut(infra_id,0,1)}}", "l": [1]}));
    assert_eq!(name, json!({"server_name": "name-I", "l": [1]}));
}

#[test]
fn line_breaks_in_a_resource_value_are_folded() {
    assert_eq!(resource(json!({"a": "{{variables.nl}}"})), json!({"a": "l1 l2 "}));
}

#[test]
fn resource_values_without_templates_survive_unchanged() {
    let section = json!({
        "type": "nova", "flavor": 3, "version": 3.10, "on": true, "none": null, "mode": "0644", "yes": "yes",
        "quote": "it's", "text": "a: b #c\n\ttab ü \\", "empty": "", "list": [[], {}, [1, ["x"]], {"k": "v, w"}],
        "tags": {"a b": "c", "#": "-", "1": "~"}, "big": 18_446_744_073_709_551_615_u64, "small": 1e-7, "huge": 1e20
    });
    assert_eq!(resource(section.clone()), section);
    let flat = json!({"a": "x, y", "b": "{z}", "c": "[", "d": 1, "e": null, "f": "0x1F", "g": "true"});
    assert_eq!(resource(flat.clone()), flat);
}

#[test]
fn nested_keys_of_a_resource_are_templates() {
    let section = json!({"tags": {"k{{variables.n}}": "v"}, "l": [1]});
    assert_eq!(resource(section), json!({"tags": {"k5": "v"}, "l": [1]}));
}

#[test]
fn values_that_would_break_the_text_of_a_resource_are_inserted_verbatim() {
    let variables =
        json!({"q": "a\"b'c", "c": "x: y #z", "f": "1, 2]", "s": "back\\slash", "t": "two\nlines"});
    let section = json!({
        "q1": "{{variables.q}}", "q2": "it's {{variables.q}}", "c": "see {{variables.c}}", "s": "it's {{variables.s}}",
        "f": ["p {{variables.f}}"], "t": "- {{variables.t}}", "p": "plain {{variables.t}}"
    });
    let sections =
        json!({"resource": section, "contextualisation": {"type": "cloudinit", "context_template": ""}});
    let resource = Bench::new(variables, sections).render().unwrap().resource;
    assert_eq!(
        json!(resource),
        json!({
            "q1": "a\"b'c", "q2": "it's a\"b'c", "c": "see x: y #z", "s": "it's back\\slash",
            "f": ["p 1, 2]"], "t": "- two\nlines", "p": "plain two\nlines"
        })
    );
}

#[test]
fn a_plain_value_with_special_characters_does_not_change_how_its_neighbours_are_read() {
    let template = json!({"a": "see {{variables.c}}", "k": "{{variables.v}}"});
    let bench = Bench::context(json!({"c": "x: y #z\nw", "v": "l1\n\nl2"}), template);
    assert_eq!(parsed(&bench.text()), json!({"a": "see x: y #z\nw", "k": "l1\nl2"}));
}

#[test]
fn a_text_context_loses_one_newline() {
    assert_eq!(context(json!("plain {{variables.n}}\n")), "plain 5");
    assert_eq!(context(json!("plain {{variables.n}}\n\n")), "plain 5\n");
    assert_eq!(context(json!("a\r\nb\r\n")), "a\nb");
}

#[test]
fn a_mapping_context_becomes_a_cloud_config_with_sorted_keys() {
    assert_eq!(context(json!({})), "#cloud-config\n{}");
    let template = json!({"b": 1, "a": null, "c": true, "d": "yes", "e": "0644"});
    assert_eq!(context(template), "#cloud-config\na: null\nb: 1\nc: true\nd: yes\ne: '0644'");
}

#[test]
fn blank_lines_of_a_variable_in_a_mapping_context_are_folded() {
    assert_eq!(parsed(&context(json!({"k": "{{variables.v}}"}))), json!({"k": "l1\nl2"}));
}

/// Tutorials keep their SSH keys with a blank line after every line, for the folding to restore them.
#[test]
fn a_key_with_blank_lines_is_restored_deep_inside_a_mapping_context() {
    let variables = json!({"key": "-----BEGIN\n\nabc\n\n---\n\n-----END\n\n"});
    let template = json!({"write_files": [{"content": "{{variables.key}}\n", "path": "/k", "deep": [["{{variables.key}}"]]}]});
    let text = Bench::context(variables, template).text();
    let key = "-----BEGIN\nabc\n---\n-----END\n";
    assert_eq!(
        parsed(&text),
        json!({"write_files": [{"content": format!("{key}\n"), "path": "/k", "deep": [[key]]}]})
    );
}

#[test]
fn a_mapping_context_that_breaks_as_text_is_rendered_string_by_string() {
    let variables = json!({"q": "say \"hi\"\n", "v": "l1\n\nl2"});
    let template =
        json!({"a": "x\n{{ variables.q }}\n", "b": "{{variables.v}}", "c{{1 + 1}}": "tail\n", "e": "5"});
    let text = Bench::context(variables, template).text();
    assert!(text.starts_with("#cloud-config\n"));
    assert_eq!(parsed(&text), json!({"a": "x\nsay \"hi\"\n\n", "b": "l1\n\nl2", "c2": "tail\n", "e": "5"}));
}

#[test]
fn a_set_in_one_value_is_seen_by_the_next() {
    let template = json!({"a": "x{% set y = 7 %}", "b": "y is {{ y }}"});
    assert_eq!(parsed(&context(template)), json!({"a": "x", "b": "y is 7"}));
}

#[test]
fn cloud_config_text_must_be_yaml_and_the_error_counts_lines_from_one() {
    let error = Bench::context(json!({}), json!("#cloud-config\na: b\nfoo: 'x\n")).error();
    assert!(error.contains("Schema error in context of node definition at line 3."), "{error}");
    let error = Bench::context(json!({}), json!("#cloud-config\nfoo: [")).error();
    assert!(error.contains("Schema error in context of node definition at line 2."), "{error}");
    for accepted in ["#cloud-configc\nfoo: bar", "#!/bin/sh\nfoo: [", " #cloud-config\nfoo: ["] {
        assert_eq!(context(json!(accepted)), accepted);
    }
}

#[test]
fn a_context_that_is_neither_text_nor_mapping_is_refused() {
    for template in [json!([1]), json!(5)] {
        let error = Bench::context(json!({}), template).error();
        assert!(error.contains("contextualisation.context_template"), "{error}");
    }
    assert_eq!(Bench::context(json!({}), json!(null)).render().unwrap().context, None);
}

#[test]
fn attributes_are_rendered_value_by_value() {
    let sections = json!({"contextualisation": {
        "type": "basic", "attributes": {"{{k}}": "{{variables.n}}", "l": ["{{variables.n}}", 3]}
    }});
    let rendered = Bench::new(variables(), sections).render().unwrap();
    assert_eq!(json!(rendered.attributes), json!({"{{k}}": "5", "l": ["5", 3], "connections": []}));
    assert_eq!(rendered.context, None);
}

#[test]
fn a_node_without_contextualisation_is_created_as_written() {
    let sections = json!({"resource": {"type": "ec2", "image_id": "{{variables.n}}"}});
    let rendered = Bench::new(variables(), sections).render().unwrap();
    assert_eq!(json!(rendered.resource), json!({"type": "ec2", "image_id": "{{variables.n}}"}));
    assert_eq!(json!(rendered.attributes), json!({"connections": []}));
}

#[test]
fn inbound_mappings_become_connections() {
    let bench = Bench::new(
        json!({}),
        json!({"contextualisation": {"type": "basic", "attributes": {"connections": 1}}}),
    )
    .depends("worker", json!([]))
    .depends("db", json!([{"attributes": ["fqdn", "wp.host"], "synch": true}]));
    assert_eq!(
        json!(bench.render().unwrap().attributes),
        json!({"connections": [
            {"source_role": "I1_db", "source_attribute": "fqdn", "destination_attribute": "wp.host"}
        ]})
    );
}

fn container(kind: &str, section: Value) -> Result<Value, String> {
    let mut section = section;
    section["type"] = json!(kind);
    let bench = Bench::new(variables(), json!({"contextualisation": section}));
    bench.render().map(|rendered| json!(rendered.attributes)).map_err(|error| error.to_string())
}

#[test]
fn context_variables_are_names_of_their_own_below_all_others() {
    let section = json!({
        "context_variables": {"p": "{{variables.n}}", "name": "shadow"},
        "env": ["{{p}} {{name}} {{context_variables.name}}"]
    });
    for kind in ["docker", "process"] {
        let expected = json!({"env": ["5 node shadow"], "command": null, "connections": []});
        assert_eq!(container(kind, section.clone()).unwrap(), expected);
    }
}

#[test]
fn context_variables_may_be_yaml_text() {
    let section = json!({"context_variables": "p: {{variables.n}}\nq: [a]\n", "env": [], "command": "{{p + 1}} {{q}}\n"});
    let expected = json!({"env": [], "command": "6 ['a']", "connections": []});
    assert_eq!(container("docker", section).unwrap(), expected);
    let error = container("docker", json!({"context_variables": "[1]", "env": []})).unwrap_err();
    assert!(error.contains("contextualisation.context_variables: must give a mapping"), "{error}");
}

#[test]
fn env_and_command_keep_their_shape() {
    let section =
        json!({"env": {"A": "{{node_id}}", "B": 1}, "command": ["sh", "-c", "echo {{variables.l}}"]});
    let expected =
        json!({"env": {"A": NODE_ID, "B": 1}, "command": ["sh", "-c", "echo ['a', 1]"], "connections": []});
    assert_eq!(container("process", section).unwrap(), expected);
}

#[test]
fn an_unknown_contextualisation_type_names_the_known_ones() {
    let error = container("cooked", json!({})).unwrap_err();
    assert!(error.contains("use cloudinit, docker, process or basic"), "{error}");
}

#[test]
fn puppet_lists_are_joined() {
    let bench = |config_management: Value, template: &str| {
        let contextualisation = json!({"type": "cloudinit", "context_template": template});
        let sections =
            json!({"contextualisation": contextualisation, "config_management": config_management});
        Bench::new(variables(), sections)
    };
    let manager = json!({
        "type": "puppet_solo", "manifests": ["v", "b c"], "modules": [{"k": "x{{variables.n}}"}, {"j": 1}],
        "attributes": {"a": 1, "b": 2}
    });
    let template = "{{puppet.manifests}}|{{puppet.modules}}|{{puppet.attributes}}";
    assert_eq!(bench(manager, template).text(), "v b c|{'k': 'x5'} {'j': 1}|a b");
    let chef = json!({"type": "chef", "endpoint": "e", "run_list": []});
    assert_eq!(bench(chef.clone(), "{{puppet}}").text(), "");
    assert!(bench(chef, template).error().contains("`puppet` is undefined"));
}

#[test]
fn later_sections_see_the_rendered_resource() {
    let sections = json!({
        "resource": {"type": "ec2", "name": "x{{variables.n}}"},
        "contextualisation": {"type": "cloudinit", "context_template": "{{resource.name}}",
            "attributes": {"a": "{{resource.name}}"}}
    });
    let rendered = Bench::new(variables(), sections).render().unwrap();
    assert_eq!(rendered.context.as_deref(), Some("x5"));
    assert_eq!(rendered.attributes["a"], json!("x5"));
}

#[test]
fn all_names_of_the_instance_are_there() {
    let template = "{{infra_id}} {{infra_name}} {{node_id}} {{name}} {{type}} {{user_id}} {{mappings}} \
        {{contextualisation.type}} {{scaling is defined}} {{n}}";
    let expected = "I1 i n-1 node t u {'inbound': {}, 'outbound': {}} cloudinit False ";
    assert_eq!(rendered(variables(), template), expected);
}

#[test]
fn health_checks_see_the_instance_and_the_variables_only() {
    let check = json!({
        "urls": ["http://{{ip}}:{{variables.n}}/{{node_id}}/{{infra_id}}{{name}}", "{{instance_data.instance_id}}"],
        "mysqldbs": [{"name": "d{{variables.n}}", "user": "u", "pass": 1234}]
    });
    let health = Bench::new(variables(), json!({"health_check": check})).health().unwrap();
    assert_eq!(health.urls, ["http://10.0.0.9:5/n-1/", "cloud-1"]);
    assert_eq!(health.mysqldbs, [("d5".to_owned(), "u".to_owned(), "1234".to_owned())]);
    let error = Bench::new(json!({}), json!({"health_check": {"urls": ["x", "{{getip('db')}}"]}})).health();
    assert!(
        error.unwrap_err().to_string().contains("health_check.urls[1], line 1, column 3: unknown function")
    );
}

#[test]
fn line_ends_inside_a_mapping_context_are_no_white_space_for_tags() {
    let template = json!({"a": "x\n{%- if true -%}\ny{% endif %}\n", "b": ["z {%- if true %} w{% endif %}"]});
    assert_eq!(parsed(&context(template)), json!({"a": "x\n\ny\n", "b": ["z w"]}));
}

#[test]
fn double_quotes_in_expressions_work_on_one_line_and_on_several() {
    let template = json!({"one": "ping {{ \"a b\"|upper }}", "more": "x\nping {{ \"a b\"|upper }}\n"});
    assert_eq!(parsed(&context(template)), json!({"one": "ping A B", "more": "x\nping A B\n"}));
}

#[test]
fn long_lines_are_not_folded_inside_expressions() {
    let words = "word ".repeat(30);
    let template = json!({"a": format!("'{words}{{{{ variables.n   ~   'x' }}}} {words}'\n")});
    assert_eq!(parsed(&context(template)), json!({"a": format!("'{words}5x {words}'\n")}));
}

#[test]
fn keys_of_a_mapping_context_and_of_context_variables_are_templates() {
    assert_eq!(parsed(&context(json!({"k{{variables.n}}": {"{{name}}": 1}}))), json!({"k5": {"node": 1}}));
    let section = json!({"context_variables": {"v{{variables.n}}": 1}, "env": ["{{v5}}"]});
    assert_eq!(container("docker", section).unwrap()["env"], json!(["1"]));
    for nothing in [json!(null), json!(""), json!({})] {
        let section = json!({"context_variables": nothing, "env": {"A": "x\n"}, "command": null});
        assert_eq!(container("process", section).unwrap()["env"], json!({"A": "x"}));
    }
}

#[test]
fn anything_that_starts_like_a_cloud_config_must_be_yaml_with_the_rules_of_descriptors() {
    for broken in ["#cloud-configuration\n[", "#cloud-config\na: 1\na: 2", "#cloud-config\na: !unknown x"] {
        let error = Bench::context(json!({}), json!(broken)).error();
        assert!(error.contains("Schema error in context of node definition"), "{error}");
    }
}
