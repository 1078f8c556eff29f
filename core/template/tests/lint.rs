//! The lints of descriptors, with the real reader of templates.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a panic is how a test fails"
)]

use std::path::{Path, PathBuf};

use occopus_descriptor::project::{Findings, Project, Surroundings};
use occopus_descriptor::{Diagnostic, Overrides, Rules};
use occopus_template::Templates;

/// Files that are validated together, in a folder of their own.
struct Files {
    folder: tempfile::TempDir,
    names: Vec<PathBuf>,
}

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |(name, text): &(&str, &str)| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let names = files.iter().map(write).collect();
        Self { folder, names }
    }

    fn findings(&self) -> Findings {
        findings(&self.names, None)
    }

    /// The warnings from `OCC0500` on, as `line:column code`.
    fn lints(&self) -> Vec<String> {
        lints(&self.findings()).iter().map(|problem| shown(problem)).collect()
    }
}

fn findings(files: &[PathBuf], credentials: Option<&Path>) -> Findings {
    let scanner = Templates::new();
    let surroundings = Surroundings { imported: None, credentials, scanner: &scanner };
    Project::load(files, &Rules::builtin(), Overrides::default()).finish(surroundings)
}

fn lints(findings: &Findings) -> Vec<&Diagnostic> {
    findings.problems.iter().filter(|problem| problem.code.id() >= "OCC0500").collect()
}

fn shown(problem: &Diagnostic) -> String {
    let location = problem.location.as_ref().expect("every lint has a place");
    format!("{}:{} {}", location.line, location.column, problem.code)
}

/// A description of a `client` of type c and a `server` of type s.
fn pair(more: &str) -> String {
    format!(
        "infra_name: i\nuser_id: u\nnodes:\n- {{name: client, type: c, scaling: {{}}}}\n\
         - {{name: server, type: s, scaling: {{}}}}\n{more}"
    )
}

/// Definitions of c, whose environment holds `template`, and of s.
fn definitions(template: &str) -> String {
    let docker = "resource: {type: docker, endpoint: 'unix:///d', origin: local, image: i, tag: t}";
    format!(
        "'node_def:c':\n- {docker}\n  contextualisation:\n    type: docker\n    env:\n    - \"A={template}\"\n\
         'node_def:s':\n- {docker}\n"
    )
}

fn lint_pair(more: &str, template: &str) -> Vec<String> {
    Files::new(&[("infra.yaml", &pair(more)), ("nodes.yaml", &definitions(template))]).lints()
}

#[test]
fn a_look_up_needs_a_dependency() {
    assert_eq!(lint_pair("dependencies: []", "{{ getip('server') }}"), ["6:13 OCC0503"]);
    assert!(lint_pair("dependencies: [[client, server]]", "{{ getip('server') }}").is_empty());
    let more = "variables: {peer: server}\ndependencies: []";
    assert_eq!(lint_pair(more, "{{ getip(variables.peer) }}"), ["6:13 OCC0503"]);
    assert!(lint_pair("dependencies: []", "{% raw %}{{ getip('server') }}{% endraw %}").is_empty());
}

#[test]
fn a_dependency_through_another_node_is_enough() {
    let infra = "infra_name: i\nuser_id: u\nnodes:\n- &C {name: client, type: c, scaling: {}}\n\
                 - &S {name: server, type: s, scaling: {}}\n- &M {name: middle, type: s, scaling: {}}\n\
                 dependencies: [[*C, *M], {connection: [*M, *S]}]\n";
    let files = Files::new(&[("infra.yaml", infra), ("nodes.yaml", &definitions("{{ getip('server') }}"))]);
    assert!(files.lints().is_empty(), "{:?}", files.lints());
}

#[test]
fn a_look_up_of_nobody_is_told_with_what_was_meant() {
    let files = Files::new(&[
        ("infra.yaml", &pair("dependencies: []")),
        ("nodes.yaml", &definitions("{{ getipall('sever') }}")),
    ]);
    let findings = files.findings();
    let [problem] = lints(&findings)[..] else { panic!("{:?}", findings.problems) };
    assert_eq!(shown(problem), "6:13 OCC0504");
    assert!(problem.to_string().contains("did you mean 'server'?"), "{problem}");
}

#[test]
fn a_node_without_quotes_is_told() {
    let linted = lint_pair("dependencies: [[client, server]]", "{{ getip(server) }}");
    assert_eq!(linted, ["6:13 OCC0505"]);
    let loops = "{% for peer in ['server'] %}{{ getip(peer) }}{% endfor %}";
    assert!(lint_pair("dependencies: [[client, server]]", loops).is_empty());
}

#[test]
fn variables_that_nobody_uses_are_told_at_their_key() {
    let used = "variables: {a: 1, b: {c: 2}}\ndependencies: []";
    assert!(lint_pair(used, "{{ variables.a }} {{ variables.b.c }}").is_empty());
    assert_eq!(lint_pair(used, "{{ variables.a }}"), ["6:19 OCC0507"]);
    for whole in [
        "{{ variables }}",
        "{{ variables[name] }}",
        "{% for k, v in variables.items() %}{{ k }}{% endfor %}",
        "{% set all = variables %}{{ all.a }}",
    ] {
        assert!(lint_pair(used, whole).is_empty(), "{whole}");
    }
}

#[test]
fn variables_are_not_called_unused_while_a_definition_is_unknown() {
    let infra = pair("variables: {a: 1}\ndependencies: []");
    assert!(Files::new(&[("infra.yaml", &infra)]).lints().is_empty());
    let known = definitions("").replace("node_def:s", "node_def:t");
    let files = Files::new(&[("infra.yaml", &infra), ("nodes.yaml", &known)]);
    assert_eq!(files.lints(), ["5:24 OCC0501"], "the unknown definition may use the variable");
}

#[test]
fn names_that_nothing_declares_are_told() {
    let more = "variables: {a: {b: 1}}\ndependencies: []";
    assert_eq!(lint_pair(more, "{{ variables.a.b }} {{ variables.c }}"), ["6:33 OCC0506"]);
    assert_eq!(lint_pair(more, "{{ variables.a.b }} {{ variables.a.x }}"), ["6:33 OCC0506"]);
    assert_eq!(lint_pair(more, "{{ variables.a.b }} {{ a }}"), ["6:33 OCC0506"]);
    for guarded in [
        "{{ variables.a.b }} {{ variables.c | default('d') }}",
        "{{ variables.a }} {% if variables.c is defined %}{{ variables.c }}{% endif %}",
        "{{ variables.a }} {% if variables.c %}{{ variables.c.d }}{% endif %}",
        "{{ variables.a }} {{ variables.get('c') }}",
        "{{ variables.a.b.upper() }} {{ infra_id }} {{ name }} {{ node_id }}",
        "{{ variables.a }} {% for i in range(3) %}{{ i }} {{ loop.index }}{% endfor %}",
    ] {
        assert!(lint_pair(more, guarded).is_empty(), "{guarded}: {:?}", lint_pair(more, guarded));
    }
}

#[test]
fn context_variables_are_names_of_their_own() {
    let text = definitions("{{ greeting }}")
        .replace("    env:", "    context_variables: {greeting: 'hello {{ variables.a }}'}\n    env:");
    let infra = pair("variables: {a: 1}\ndependencies: []");
    let files = Files::new(&[("infra.yaml", &infra), ("nodes.yaml", &text)]);
    assert!(files.lints().is_empty(), "{:?}", files.lints());
}

#[test]
fn a_use_inside_a_block_of_text_is_marked_on_its_own_line() {
    let text = "'node_def:c':\n- resource: {type: ec2, endpoint: 'https://e', regionname: r, image_id: i, \
                instance_type: t}\n  contextualisation:\n    type: cloudinit\n    context_template:\n      \
                write_files:\n      - path: /a\n        content: |\n          first {{ variables.a }}\n          \
                second {{ variables.x }} {{ variables.x }}\n";
    let infra = "infra_name: i\nuser_id: u\nvariables: {a: 1}\nnodes: [{name: n, type: c, scaling: {}}]\n\
                 dependencies: []\n";
    let files = Files::new(&[("infra.yaml", infra), ("nodes.yaml", text)]);
    assert_eq!(files.lints(), ["10:21 OCC0506", "10:39 OCC0506"]);
}

#[test]
fn a_use_inside_an_imported_text_is_marked_in_its_file() {
    let definitions = "'node_def:c':\n- resource: {type: ec2, endpoint: 'https://e', regionname: r, image_id: i, \
                       instance_type: t}\n  contextualisation:\n    type: cloudinit\n    \
                       context_template: !text_import {url: file://init.sh}\n";
    let infra = "infra_name: i\nuser_id: u\nnodes: [{name: n, type: c, scaling: {}}]\ndependencies: []\n";
    let text = "#!/bin/sh\necho {{ name }} {{ variables.x }}\n";
    let mut files = Files::new(&[("infra.yaml", infra), ("nodes.yaml", definitions), ("init.sh", text)]);
    files.names.pop();
    let findings = files.findings();
    let [problem] = lints(&findings)[..] else { panic!("{:?}", findings.problems) };
    assert_eq!(shown(problem), "2:20 OCC0506");
    assert!(problem.location.as_ref().unwrap().file.ends_with("init.sh"), "{problem}");
}

#[test]
fn a_use_behind_an_alias_is_marked_at_its_anchor() {
    let nodes = definitions("{{ variables.x }}").replace("- \"A=", "- &A \"A=")
        + "  contextualisation:\n    type: docker\n    env: [*A]\n";
    let infra = "infra_name: i\nuser_id: u\nnodes: [{name: n, type: s, scaling: {}}]\ndependencies: []\n";
    let files = Files::new(&[("infra.yaml", infra), ("nodes.yaml", &nodes)]);
    assert_eq!(files.lints(), ["6:16 OCC0506"]);
}

#[test]
fn a_template_that_can_never_be_rendered_is_an_error_at_its_place() {
    let text = "'node_def:c':\n- resource: {type: ec2, endpoint: 'https://e', regionname: r, image_id: i, \
                instance_type: t}\n  contextualisation:\n    type: cloudinit\n    context_template:\n      \
                write_files:\n      - path: /a\n        content: |\n          first\n          \
                second {{ name | uppper }}\n";
    let files = Files::new(&[("nodes.yaml", text)]);
    let findings = files.findings();
    let [problem] = lints(&findings)[..] else { panic!("{:?}", findings.problems) };
    assert_eq!(shown(problem), "10:28 OCC0510");
    assert_eq!(problem.severity, occopus_descriptor::Severity::Error);
}

#[test]
fn a_place_that_several_nodes_share_is_told_once() {
    let infra = "infra_name: i\nuser_id: u\nnodes:\n- {name: a, type: c, scaling: {}}\n\
                 - {name: b, type: c, scaling: {}}\ndependencies: []\n";
    let files = Files::new(&[("infra.yaml", infra), ("nodes.yaml", &definitions("{{ variables.x }}"))]);
    let findings = files.findings();
    let [problem] = lints(&findings)[..] else { panic!("{:?}", findings.problems) };
    assert!(problem.message.contains("'a' and 'b'"), "{problem}");
}

#[test]
fn a_filter_must_leave_an_implementation() {
    let infra = |filter: &str| {
        format!(
            "infra_name: i\nuser_id: u\nnodes:\n- {{name: n, type: s, scaling: {{}}, filter: {filter}}}\n\
             dependencies: []\n"
        )
    };
    let lint = |filter: &str| {
        Files::new(&[("infra.yaml", &infra(filter)), ("nodes.yaml", &definitions(""))]).findings()
    };
    assert!(lints(&lint("{type: docker, tag: t}")).is_empty());
    let findings = lint("{type: nova}");
    let [problem] = lints(&findings)[..] else { panic!("{:?}", findings.problems) };
    assert_eq!(shown(problem), "4:43 OCC0502");
    assert!(problem.to_string().contains("implementation 1: type is not \"nova\""), "{problem}");
    assert_eq!(lints(&lint("{tagg: t}")).len(), 1);
}

#[test]
fn credentials_must_fit_what_needs_them() {
    let machine = "'node_def:m':\n- resource: {type: ec2, endpoint: 'https://e', regionname: r, image_id: i, \
                   instance_type: t}\n";
    let auth =
        |filter: &str| format!("resource:\n- {{{filter}, auth_data: {{accesskey: a, secretkey: b}}}}\n");
    let lint = |auth: &str| Files::new(&[("nodes.yaml", machine), ("auth.yaml", auth)]).lints();
    assert!(lint(&auth("type: ec2")).is_empty());
    assert_eq!(lint(&auth("type: ec2, endpoint: 'https://f'")), ["2:20 OCC0508"]);
    let twice = format!("{}{}", auth("type: ec2"), auth("type: ec2").replace("resource:\n", ""));
    assert_eq!(lint(&twice), ["2:20 OCC0508"], "two entries fit equally well");
    assert!(Files::new(&[("nodes.yaml", machine)]).lints().is_empty(), "without a file nothing is known");
}

#[test]
fn the_credentials_that_commands_would_use_are_compared_unless_some_are_given() {
    let machine = "'node_def:m':\n- resource: {type: ec2, endpoint: 'https://e', regionname: r, image_id: i, \
                   instance_type: t}\n";
    let files = Files::new(&[("nodes.yaml", machine)]);
    let other = files.folder.path().join("auth.yaml");
    std::fs::write(&other, "resource: [{type: nova, auth_data: {username: a, password: b}}]").unwrap();
    let found = findings(&files.names, Some(&other));
    assert_eq!(lints(&found).len(), 1, "{:?}", found.problems);
}

#[test]
fn names_that_are_too_long_are_told() {
    let machine = |publisher: &str, name: &str| {
        format!(
            "'node_def:m':\n- resource: {{type: azure_vm, endpoint: e, resource_group: g, location: l, vm_size: v, \
             publisher: {publisher}, offer: o, sku: s, version: '1', username: u, password: p, \
             server_name: '{name}'}}\n"
        )
    };
    let lint =
        |publisher: &str, name: &str| Files::new(&[("nodes.yaml", &machine(publisher, name))]).lints().len();
    assert_eq!(lint("Canonical", &"n".repeat(64)), 0);
    assert_eq!(lint("Canonical", &"n".repeat(65)), 1);
    assert_eq!(lint("MicrosoftWindowsServer", &"n".repeat(16)), 1);
    assert_eq!(lint("MicrosoftWindowsServer", "web-{{ cut(node_id, 0, 8) }}"), 0, "templates print less");
}

#[test]
fn real_files_have_few_warnings_and_no_errors() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let Ok(folders) = std::fs::read_dir(&corpus) else {
        assert_ne!(
            std::env::var("CI").as_deref(),
            Ok("true"),
            "CI=true and there is no {}",
            corpus.display()
        );
        println!("skipped: there is no {}", corpus.display());
        return;
    };
    let mut checked = 0;
    for folder in folders.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        let mut files: Vec<PathBuf> = [folder.clone(), folder.join("nodes")]
            .iter()
            .flat_map(|folder| std::fs::read_dir(folder).unwrap())
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
            .collect();
        files.sort();
        let findings = findings(&files, None);
        assert!(findings.files.iter().all(|file| file.kind.is_some()), "{:?}", findings.files);
        for problem in &findings.problems {
            println!("{problem}\n");
            assert_eq!(problem.severity, occopus_descriptor::Severity::Warning, "{problem}");
        }
        checked += 1;
    }
    assert!(checked > 0, "{} is empty", corpus.display());
}
