//! The functions of templates, their warnings and their refusals; what the trial rendering finds.

mod common;

use common::{Bench, instance, rendered};
use serde_json::{Value, json};

fn bench(template: &str) -> Bench {
    Bench::context(json!({"target": "db", "secret": "s3cret"}), json!(template))
        .with("db", vec![instance("id-1", &["10.0.0.1", "192.168.0.1"]), instance("id-2", &["10.0.0.2"])])
}

#[test]
fn addresses_of_other_nodes() {
    let mut bench =
        bench("{{getip('db')}} {{getip(variables.target)}} {{getipall('db')}} {{getprivip(node='db')}}");
    assert_eq!(bench.text(), "10.0.0.1 10.0.0.1 ['10.0.0.1', '10.0.0.2'] 10.0.0.1");
    bench.instances.get_mut("db").unwrap()[0].private_address = Some("192.168.0.9".to_owned());
    assert!(bench.text().ends_with(" 192.168.0.9"));
}

#[test]
fn the_oldest_of_several_instances_is_chosen_with_a_warning() {
    let warnings = bench("{{getip('db')}} {{getip('db')}}").render().unwrap().warnings;
    assert_eq!(
        warnings,
        ["There are multiple nodes with the same node name (db). Multiple nodes are id-1, id-2. \
          Choosing the first one as default (id-1)."]
    );
    assert!(bench("{{getipall('db')}}").render().unwrap().warnings.is_empty());
}

#[test]
fn find_node_id_gives_records() {
    let template = "{{find_node_id('db').instance_id}} {{find_node_id('db', True)|length}} \
        {% for r in find_node_id('db', allnodes=True) %}{{r.node_id}};{% endfor %}";
    assert_eq!(bench(template).text(), "cloud-id-1 2 id-1;id-2;");
}

#[test]
fn a_node_without_instances_is_an_error_that_names_the_remedy() {
    let error = bench("\n{{getip('worker')}}").error();
    assert_eq!(
        error,
        "node 'node' (docker), contextualisation.context_template, line 2: No node exists with the given name \
         'worker'; add the dependency [node, worker] so that 'worker' is ready first"
    );
    let error = bench("{{getip('wroker')}}").error();
    assert!(error.contains("the nodes of this infrastructure are: db, node, worker"), "{error}");
    assert!(bench("{{getipall('worker')}}").render().is_err());
}

#[test]
fn an_instance_without_address_is_an_error() {
    let mut bench = bench("{{getip('db')}}");
    bench.instances.insert("db".to_owned(), vec![instance("id-9", &[])]);
    let error = bench.error();
    assert!(error.contains("instance id-9 of node 'db' has no address yet"), "{error}");
}

#[test]
fn a_name_without_quotes_means_that_node() {
    for template in ["{{getip(db)}}", "{{ getip( db ) }}", "{% set ip = getip(db) %}{{ip}}"] {
        let rendered = bench(template).with("a", vec![instance("id-0", &["10.9.9.9"])]).render().unwrap();
        assert_eq!(rendered.context.as_deref(), Some("10.0.0.1"));
        assert!(rendered.warnings.iter().any(|text| text.contains("getip('db')")), "{:?}", rendered.warnings);
    }
    let template = "{% for db in ['worker'] %}{{getip(db)}}{% endfor %}";
    let bench = bench(template).with("worker", vec![instance("id-5", &["10.0.0.5"])]);
    assert_eq!(bench.text(), "10.0.0.5", "a name with a value keeps it");
}

#[test]
fn a_look_up_without_a_name_takes_any_node_with_a_warning() {
    for template in ["{{getip(master)}}", "{{getip('')}}", "{{getip(none)}}", "{{getip(variables.nothing)}}"]
    {
        let rendered = bench(template).render().unwrap();
        assert_eq!(rendered.context.as_deref(), Some("10.0.0.1"));
        assert!(
            rendered.warnings.iter().any(|text| text.contains("names no node")),
            "{:?}",
            rendered.warnings
        );
    }
}

#[test]
fn a_loopback_address_is_a_warning_except_for_processes() {
    let on = |resource: &str| {
        Bench::new(
            json!({}),
            json!({"resource": {"type": resource}, "contextualisation": {"type": "process", "env": ["{{getip('db')}}"]}}),
        )
        .with("db", vec![instance("id-1", &["127.0.0.5"])])
        .render()
        .unwrap()
        .warnings
    };
    assert_eq!(
        on("docker"),
        [
            "address 127.0.0.5 of node 'db' is a loopback address; instance of 'node' on docker cannot reach it"
        ]
    );
    assert!(on("process").is_empty());
}

#[test]
fn cut_follows_python_slices() {
    let template = "{{cut('abcdef',0,4)}} {{cut('abcdef',-2,none)}} {{cut('abcdef',None,-4)}} {{cut('abcdef',4,99)}} \
        {{cut('abcdef',3,1)}} {{cut([1,2,3],1,3)}}";
    assert_eq!(rendered(json!({}), template), "abcd ef ab ef  [2, 3]");
}

#[test]
fn commands_and_queries_are_refused() {
    for (template, reason) in [
        ("{{cmd('ls')}}", "cmd() is disabled"),
        ("{{ibget('backends.auth_data', 'x')}}", "templates cannot read credentials"),
        ("{{ibget('node.find', infra_id=infra_id)}}", "ibget() is not supported"),
        ("{% include '/etc/passwd' %}", "include, import and extends are not available"),
        ("{{getip()}}", "getip() needs the name of a node"),
        ("{{getip('db', 'worker')}}", "takes 1 argument"),
    ] {
        let error = bench(template).error();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn errors_never_show_values() {
    for template in [
        "{{variables.secret|int(none) + []}}",
        "{{variables.secret.nothing.more}}",
        "{{variables.secret + 1}}",
        "{{variables.secret % 2}}",
        "{{variables.secret()}}",
        "{{variables.secret|float / 0}}",
        "{{variables.secret|nofilter}}",
        "{{variables.secret.no_method()}}",
        "{{variables.secret.index('x')}}",
        "{{getip(variables.secret, 1)}}",
        "{{cut(1, variables.secret, 2)}}",
        "{{range(variables.secret)}}",
        "{{'%d'|format(variables.secret)}}",
        "{{variables.secret|batch(variables.secret)}}",
        "{{variables.secret|round(variables.secret)}}",
        "{% for a, b in [variables.secret] %}{{ a }}{% endfor %}{{ 1 / 0 }}",
        "#cloud-config\na: {{variables.secret}}\nb: [{{variables.secret}}\n",
        "#cloud-config\n\"{{variables.secret}}",
    ] {
        let Err(error) = bench(template).render() else { panic!("{template} is no error") };
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
    }
}

#[test]
fn endless_work_is_stopped() {
    let loops = "{% for a in range(9999) %}".repeat(4) + "x" + &"{% endfor %}".repeat(4);
    for template in [
        &*loops,
        "{{ 'x' * 100000000 }}",
        "{{ [1] * 100000000 }}",
        "{% for a in range(2000) %}{{ 'x' * 1000 }}{% endfor %}",
    ] {
        let error = bench(template).error();
        assert!(error.contains("context_template"), "{error}");
    }
    for template in [
        "{% set ns = namespace(x=1) %}{% for i in range(1000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}",
        "{{ ([1] * 100000000)|string }}",
    ] {
        assert!(bench(template).error().contains("too large to be printed"));
    }
    let error = bench("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}").error();
    assert!(error.contains("context_template"), "{error}");
}

fn references(sections: Value) -> Vec<String> {
    Bench::new(json!({"target": "db"}), sections).references().into_iter().collect()
}

#[test]
fn references_are_found_without_any_instance() {
    let sections = json!({"contextualisation": {
        "type": "process", "env": ["A={{getip(variables.target)}}", "B={{ broken.by.this }}{{getip('node')}}"],
        "command": ["{{find_node_id('worker').instance_id.missing}}"]
    }});
    assert_eq!(references(sections), ["db", "worker"]);
    let sections = json!({
        "resource": {"type": "ec2", "name": "{{getipall(worker)[0]}}"},
        "contextualisation": {"type": "cloudinit", "context_template": {"a": ["{{getprivip('db')}}"], "b": "{{ x.y }}"}}
    });
    assert_eq!(references(sections), ["db", "worker"]);
}

#[test]
fn references_follow_names_that_other_values_define() {
    let sections = json!({"contextualisation": {
        "type": "docker", "context_variables": {"peer": "{{variables.target}}"}, "env": ["A={{getip(peer)}}"]
    }});
    assert_eq!(references(sections), ["db"]);
    let sections = json!({"contextualisation": {
        "type": "cloudinit", "context_template": {"a": "x{% set peer = 'worker' %}", "b": "b {{getip(peer)}}"}
    }});
    assert_eq!(references(sections), ["worker"]);
}

#[test]
fn sections_that_are_not_rendered_ask_for_nothing() {
    let sections = json!({
        "resource": {"type": "docker", "image": "{{getip('db')}}"},
        "contextualisation": {"type": "docker", "env": ["{% raw %}{{getip('db')}}{% endraw %}"]}
    });
    assert_eq!(references(sections), Vec::<String>::new());
}
