//! `!secret` in all kinds of files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use std::path::Path;

use occopus_descriptor::credentials::CredentialsFile;
use occopus_descriptor::definition::{Rules, Section};
use occopus_descriptor::diagnostic::Diagnostics;
use occopus_descriptor::overrides::Overrides;
use occopus_descriptor::secret::{self, SecretRef};
use occopus_descriptor::{Diagnostic, codes, definitions_from_text, infrastructure_from_text};
use serde_json::json;

const HEAD: &str = "user_id: me\ninfra_name: demo\n";

fn infrastructure(text: &str) -> Result<occopus_descriptor::model::Infrastructure, Diagnostics> {
    let text = format!("{HEAD}{text}");
    let loaded = infrastructure_from_text("infra.yaml", &text, Path::new("/site"), &Overrides::default());
    loaded.map(|(found, _)| found)
}

fn problems(result: Result<impl Sized, Diagnostics>) -> Vec<Diagnostic> {
    result.err().expect("there are problems").errors().cloned().collect()
}

#[test]
fn a_reference_in_variables_reaches_every_node_and_a_node_can_replace_it() {
    let text = "variables: {a: !secret env:A, b: {c: !secret file:c.txt}, d: !secret env:D}\n\
                nodes:\n- {name: n, type: t, variables: {a: !secret env:B, d: {x: 1}}}\n";
    let found = infrastructure(text).unwrap();
    let variables = json!(found.nodes[0].variables);
    let expected =
        json!({"a": {"!secret": "env:B"}, "b": {"c": {"!secret": "file:/site/c.txt"}}, "d": {"x": 1}});
    assert_eq!(variables, expected);
}

#[test]
fn both_spellings_mean_the_same() {
    let of =
        |value: &str| infrastructure(&format!("variables: {{a: {value}}}\nnodes: []\n")).unwrap().variables;
    for (tag, object) in
        [("!secret env:A", r#"{"!secret": "env:A"}"#), ("!secret file:x", r#"{"!secret": "file:x"}"#)]
    {
        assert_eq!(of(tag), of(object));
    }
}

#[test]
fn malformed_references_are_reported_where_they_stand_without_repeating_them() {
    for value in ["!secret hunter2", "!secret {a: b}", "!secret [a]", r#"{"!secret": "env:A", b: 1}"#] {
        let found = problems(infrastructure(&format!("nodes: []\nvariables:\n  a: {value}\n")));
        assert_eq!(found.len(), 1, "{value}: {found:?}");
        assert_eq!(found[0].code, codes::BAD_SECRET, "{value}");
        assert_eq!(found[0].location.as_ref().unwrap().line, 5, "{value}");
        assert!(!found[0].message.contains("hunter2"), "{found:?}");
    }
}

#[test]
fn what_decides_or_is_shown_cannot_be_secret() {
    let node = "nodes: [{name: n, type: t, filter: {type: !secret env:X}}]\n";
    let mapping = "nodes: [{name: a, type: t}, {name: b, type: t}]\n\
                   dependencies:\n- connection: [a, b]\n  mappings: [{attributes: [x, y], z: !secret env:X}]\n";
    for text in [node, mapping] {
        assert_eq!(problems(infrastructure(text))[0].code, codes::MISPLACED_SECRET, "{text}");
    }
    for (text, kind) in [
        ("nodes: [{name: !secret env:X, type: t}]\n", codes::BAD_NAME),
        ("nodes: [{name: n, type: !secret env:X}]\n", codes::WRONG_KIND),
        ("nodes: [{name: n, type: t, scaling: {min: !secret env:X}}]\n", codes::BAD_SCALING),
        ("nodes: []\nvariables: !secret env:X\n", codes::WRONG_KIND),
    ] {
        assert_eq!(problems(infrastructure(text))[0].code, kind, "{text}");
    }
}

#[test]
fn definitions_take_secrets_but_not_as_the_place_of_a_resource() {
    let load = |resource: &str| {
        let text = format!(
            "'node_def:n':\n- resource: {resource}\n  contextualisation:\n    type: docker\n    \
             env: {{PASSWORD: !secret env:P}}\n    command: [run]\n  health_check:\n    ping: false\n    \
             mysqldbs: [{{name: d, user: u, pass: !secret file:m}}]\n"
        );
        definitions_from_text("nodes.yaml", &text, Path::new("/site"), &Rules::builtin())
    };
    let good = "{type: docker, endpoint: 'unix:///d', origin: o, image: !secret env:I, tag: t}";
    let (definitions, _) = load(good).unwrap();
    let implementation = &definitions[0].implementations[0];
    let found = secret::of_instance(&node(), implementation);
    let expected = ["env:I", "env:P", "file:/site/m"].map(|text| text.parse::<SecretRef>().unwrap());
    assert_eq!(found, expected.into());
    let (_, filled) = secret::fill_instance(&node(), implementation, &|_| "filled".to_owned());
    assert_eq!(filled.health().mysqldbs[0].2, "filled");
    let bad = "{type: docker, endpoint: !secret env:E, origin: o, image: i, tag: t}";
    assert!(problems(load(bad)).iter().any(|problem| problem.code == codes::MISPLACED_SECRET));
}

fn node() -> occopus_descriptor::model::Node {
    infrastructure("nodes: [{name: n, type: t}]\n").unwrap().nodes.remove(0)
}

#[test]
fn credentials_take_secrets_but_not_in_their_filter() {
    let load =
        |entry: &str| CredentialsFile::from_text("auth", &format!("resource:\n- {entry}\n"), Path::new("/"));
    let good = "{type: ec2, auth_data: {accesskey: a, secretkey: !secret env:K}}";
    let chosen = load(good).unwrap().0.choose(Section::Resource, json!({"type": "ec2"}).as_object().unwrap());
    assert_eq!(chosen.unwrap().unwrap().auth_data["secretkey"], json!({"!secret": "env:K"}));
    let bad = "{type: ec2, endpoint: !secret env:E, auth_data: {accesskey: a, secretkey: b}}";
    assert!(problems(load(bad)).iter().any(|problem| problem.code == codes::MISPLACED_SECRET));
}

#[test]
fn places_tell_where_every_reference_stands() {
    let root = occopus_descriptor::yaml::load_text(
        "f",
        "a: 1\nb: [!secret env:X]\n",
        Path::new(""),
        occopus_descriptor::yaml::Dialect::default(),
    )
    .unwrap();
    let places = secret::places(&root);
    let [(reference, at)] = places.as_slice() else { panic!("{places:?}") };
    assert_eq!((reference.to_string().as_str(), at.span.line, at.span.column), ("env:X", 2, 5));
}
