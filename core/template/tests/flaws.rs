//! Templates that can never be rendered are found before anything is created, with their place.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use common::Bench;
use serde_json::{Value, json};

fn flaws(sections: Value) -> Vec<String> {
    Bench::new(json!({}), sections).flaws()
}

fn context(template: Value) -> Vec<String> {
    flaws(json!({"contextualisation": {"type": "cloudinit", "context_template": template}}))
}

#[test]
fn wrong_syntax_is_shown_where_it_stands() {
    let found = context(json!({"write_files": [{"content": "a\n  {{ x y }}\n"}]}));
    assert_eq!(found.len(), 1);
    let place = "contextualisation.context_template.write_files[0].content, line 2, column ";
    assert!(found[0].starts_with(place), "{}", found[0]);
    let found = context(json!("a\n{% for %}"));
    assert!(found[0].starts_with("contextualisation.context_template, line 2"), "{}", found[0]);
    assert_eq!(context(json!("${#x}")).len(), 1, "opens a comment that nothing closes");
}

#[test]
fn unknown_filters_and_tests_are_found_even_where_they_are_never_reached() {
    assert_eq!(
        context(json!("{% if false %}ü {{ x|uper }}{% endif %}")),
        ["contextualisation.context_template, line 1, column 22: unknown filter: filter uper is unknown"]
    );
    assert!(context(json!({"a": ["{{ x is evn }}"]}))[0].contains("unknown test: test evn is unknown"));
}

#[test]
fn every_rendered_part_is_looked_at_and_nothing_else() {
    let bad = "{{";
    let cloudinit = json!({
        "resource": {"type": "ec2", "name": bad, "tags": {bad: "v"}},
        "contextualisation": {"type": "cloudinit", "context_template": null, "attributes": {"a": {"b": bad}, bad: 1}},
        "config_management": {"type": "chef", "run_list": [bad]},
        "health_check": {"urls": ["x", bad], "mysqldbs": [{"pass": bad}]}
    });
    let places: Vec<String> =
        flaws(cloudinit).iter().map(|text| text.split(',').next().unwrap().to_owned()).collect();
    assert_eq!(
        places,
        [
            "resource.name",
            "resource.tags.{{",
            "config_management.run_list[0]",
            "contextualisation.attributes.a.b",
            "health_check.urls[1]",
            "health_check.mysqldbs[0].pass"
        ]
    );
    let docker = json!({
        "resource": {"type": "docker", "image": bad},
        "contextualisation": {"type": "docker", "context_variables": {"a": bad}, "env": [bad], "command": bad}
    });
    assert_eq!(flaws(docker).len(), 3, "the resource section is not rendered");
}

#[test]
fn a_block_may_reach_over_several_values_of_a_mapping() {
    assert!(context(json!({"a": "x{% if true %}", "b": "y{% endif %}"})).is_empty());
    let env = json!({"contextualisation": {"type": "docker", "env": ["{% if true %}", "{% endif %}"]}});
    assert_eq!(flaws(env).len(), 2, "each text of a list is rendered on its own");
}

#[test]
fn what_may_work_is_no_flaw() {
    for template in [
        "{{ variables.a.b.c }} {{ getip('nobody') }} {{ nothing + 1 }}",
        "{% raw %}{{ x|nofilter }}{% endraw %}{{ x|d(1)|upper is string }}",
        "{% if x is not none and y is divisibleby 3 %}{% endif %}{% filter upper %}x{% endfilter %}",
    ] {
        assert_eq!(context(json!(template)), Vec::<String>::new());
        assert_eq!(Bench::context(json!({}), json!(template)).unknown_function(), None);
    }
}

#[test]
fn an_unknown_function_is_found_where_it_is_called() {
    let unknown = |template: &str| Bench::context(json!({"on": true}), json!(template)).unknown_function();
    let text = unknown("{% if variables.on %}\n {{ getpi('db') }}{% endif %}").unwrap();
    assert!(text.contains("line 2") && text.contains("getpi"), "{text}");
    assert_eq!(unknown("{% if not variables.on %}{{ getpi('db') }}{% endif %}"), None);
    assert_eq!(unknown("{% macro m() %}1{% endmacro %}{{ m() }}{{ range(3) }}"), None);
}
