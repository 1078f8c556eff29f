//! The functions of templates, their warnings and their refusals; what the trial rendering finds.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use std::sync::Arc;

use common::{Bench, instance, rendered};
use occopus_engine::context::Contextualiser;
use occopus_template::{CommandRunner, Templates};
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
        "node 'node' (docker), contextualisation.context_template, line 2, column 3: No node exists with the given \
         name 'worker'; add the dependency [node, worker] so that 'worker' is ready first; in: {{getip('worker')}}"
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
fn what_reads_files_or_credentials_is_refused() {
    for (template, reason) in [
        ("{{ibget('backends.auth_data', 'x')}}", "templates cannot read credentials"),
        ("{{ibget('node.state')}}", "ibget('node.state') is not supported; there are node.find"),
        ("{% include '/etc/passwd' %}", "include, import and extends are not available"),
        ("{{getip()}}", "getip() needs the name of a node"),
        ("{{getip('db', 'worker')}}", "takes 1 argument"),
    ] {
        let error = bench(template).error();
        assert!(error.contains(reason), "{error}");
    }
}

/// Remembers the commands it is asked to run.
#[derive(Default)]
struct Runner(std::sync::Mutex<Vec<String>>);

impl CommandRunner for Runner {
    fn run(&self, words: &[&str]) -> Result<String, String> {
        self.0.lock().unwrap().push(words.join("|"));
        if words[0] == "false" { Err("exit code 1".to_owned()) } else { Ok("out\n".to_owned()) }
    }
}

#[test]
fn commands_run_only_where_they_are_allowed() {
    let error = bench("{{cmd('date -u')}}").error();
    assert!(error.contains("templates: {cmd: true}"), "{error}");
    let runner = Arc::new(Runner::default());
    let templates = Templates::new().with_commands(runner.clone());
    let rendered = bench("[{{cmd(' date  -u \n')}}]").render_by(&templates, Templates::render).unwrap();
    assert_eq!(rendered.context.as_deref(), Some("[out\n]"));
    assert_eq!(*runner.0.lock().unwrap(), ["date|-u"], "split at white space, run once");
}

#[test]
fn a_command_that_fails_is_told_and_does_not_end_the_rendering() {
    let templates = Templates::new().with_commands(Arc::new(Runner::default()));
    for template in ["{{cmd('false secret')}}", "{{cmd('')}}"] {
        let rendered = bench(template).render_by(&templates, Templates::render).unwrap();
        let expected = "Command in cloud-init failed. See Occopus log for details!";
        assert_eq!(rendered.context.as_deref(), Some(expected));
        assert!(rendered.warnings.iter().any(|text| text.contains("failed: ") && !text.contains("secret")));
    }
}

#[test]
fn trying_a_template_out_runs_no_command() {
    let runner = Arc::new(Runner::default());
    let templates = Templates::new().with_commands(runner.clone());
    let bench = bench("{{cmd('date')}}{{getip('db')}}");
    let rendered = bench.render_by(&templates, Templates::try_out).unwrap();
    assert_eq!(rendered.context.as_deref(), Some("<output of date>10.0.0.1"));
    let nodes =
        templates.references(&bench.infrastructure, &bench.infrastructure.nodes[0], &bench.implementation);
    assert!(nodes.contains("db"));
    assert!(runner.0.lock().unwrap().is_empty());
}

#[test]
fn queries_find_instances_of_this_infrastructure() {
    let ask = |template: &str| bench(template).text();
    assert_eq!(ask("{{ibget('infrastructure.name', infra_id)}} {{ibget('infrastructure.name')}}"), "i i");
    assert_eq!(
        ask("{{ibget('node.find', infra_id=infra_id, name='db')|map(attribute='node_id')|join(' ')}}"),
        "id-1 id-2"
    );
    assert_eq!(ask("{{ibget('node.find', name='nobody')}}"), "[]");
    assert_eq!(ask("{{ibget('node.find_one', infra_id, 'id-2').instance_id}}"), "cloud-id-2");
    assert_eq!(ask("{{ibget('node.address', name='db')}}"), "10.0.0.1");
    let record = "{% set r = ibget('node.find_one', node_id='id-2') %}";
    assert_eq!(
        ask(&format!(
            "{record}{{{{ibget('node.resource.address', r)}}}} {{{{ibget('node.resource.ip_address', instance_data=r)}}}}"
        )),
        "10.0.0.2 10.0.0.2"
    );
    for (template, reason) in [
        ("{{ibget('node.find', infra_id='other')}}", "the infrastructure of this node only"),
        ("{{ibget('node.find_one', name='nobody')}}", "found no instance"),
        ("{{ibget('node.resource.address', {})}}", "needs the record of an instance"),
        ("{{ibget('node.find', nodename='db')}}", "nodename"),
    ] {
        let error = bench(template).error();
        assert!(error.contains(reason), "{error}");
    }
    let sections =
        json!({"contextualisation": {"type": "docker", "env": ["{{ibget('node.address', name='worker')}}"]}});
    assert_eq!(references(sections), ["worker"]);
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
