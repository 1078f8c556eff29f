//! The original's test vectors and the deliberate differences from it.

use std::path::Path;

use serde_json::{Value, json};

use super::levels;
use crate::codes::{self, Code};
use crate::diagnostic::Diagnostics;
use crate::model::Infrastructure;
use crate::{Overrides, infrastructure_from_text};

const TWO: &str = "user_id: u\ninfra_name: i\nnodes:\n- &A {name: a, type: t}\n- &B {name: b, type: t}\n";
const FOUR: &str = "user_id: u\ninfra_name: i\nnodes:\n- &A {name: a, type: t}\n- &B {name: b, type: t}\n\
                    - &C {name: c, type: t}\n- &D {name: d, type: t}\n";

fn load(text: &str) -> Result<(Infrastructure, Diagnostics), Diagnostics> {
    infrastructure_from_text("infra.yaml", text, Path::new(""), &Overrides::default())
}

fn accepted(text: &str) -> Infrastructure {
    load(text).unwrap_or_else(|problems| panic!("{text}\n{problems}")).0
}

/// The only error, which has a place in the file.
fn error(text: &str) -> (Code, String, Option<String>) {
    let problems = load(text).expect_err(text);
    let errors: Vec<_> = problems.errors().collect();
    let [error] = errors.as_slice() else { panic!("{text}\n{problems}") };
    assert!(error.location.is_some(), "{problems}");
    (error.code, error.message.clone(), error.legacy.clone())
}

fn legacy(text: &str) -> String {
    error(text).2.expect(text)
}

fn two(dependencies: &str) -> String {
    format!("{TWO}dependencies: {dependencies}\n")
}

/// A description whose node has the further keys `keys`.
fn one(keys: &str) -> String {
    format!("user_id: u\ninfra_name: i\nnodes: [{{name: a, type: t{keys}}}]\ndependencies: []\n")
}

fn named(name: &str) -> String {
    format!("user_id: u\ninfra_name: {name}\nnodes: []\n")
}

#[test]
fn a_minimal_description_gets_the_two_warnings() {
    let (_, warnings) = load("user_id: u\ninfra_name: i\nnodes: [{name: a, type: t}]\n").unwrap();
    let texts: Vec<&str> = warnings.iter().filter_map(|warning| warning.legacy.as_deref()).collect();
    assert_eq!(
        texts,
        [
            "[SchemaCheck] WARNING: missing \"scaling\" parameter in node 'a', using default scaling (single instance)",
            "[SchemaCheck] WARNING: no dependencies specified - using sequential ordering",
        ]
    );
}

#[test]
fn a_missing_user_id_is_a_warning_only() {
    let (infrastructure, warnings) = load("infra_name: i\nnodes: []\ndependencies: []\n").unwrap();
    assert_eq!(infrastructure.user_id, Value::Null);
    let texts: Vec<_> = warnings.iter().map(|warning| warning.legacy.as_deref()).collect();
    assert_eq!(texts, [Some("[SchemaCheck] WARNING: user_id is not defined in infrastructure description")]);
    assert_eq!(accepted("user_id: 5\ninfra_name: i\nnodes: []\n").user_id, json!(5));
}

#[test]
fn names_keep_the_rule() {
    for name in ["i", "'-'", "UPPER-9", &"x".repeat(63)] {
        assert_eq!(accepted(&named(name)).name, name.trim_matches('\''));
    }
    let cases = [
        ("a.b", "cannot contain '.' character"),
        (&"x".repeat(65), "is too long"),
        (&"x".repeat(64), "may contain only [a-z,0-9,-] characters"),
        ("a_b", "may contain only [a-z,0-9,-] characters"),
        ("''", "may contain only [a-z,0-9,-] characters"),
        ("\"a\\n\"", "may contain only [a-z,0-9,-] characters"),
        ("\u{212a}", "may contain only [a-z,0-9,-] characters"),
        ("5", "must be a string"),
    ];
    for (name, reason) in cases {
        assert!(legacy(&named(name)).ends_with(reason), "{name}");
    }
    let text = "user_id: u\ninfra_name: i\nnodes: [{name: a_b, type: t}]\n";
    assert_eq!(legacy(text), "[SchemaCheck] ERROR: node \"a_b\" may contain only [a-z,0-9,-] characters");
}

#[test]
fn required_keys_are_asked_for() {
    let cases = [
        ("user_id: u\nnodes: []\n", "infra_name must be defined in infrastructure description"),
        ("user_id: u\ninfra_name: i\n", "nodes section must be defined in infrastructure description"),
        ("user_id: u\ninfra_name: i\nnodes: [{type: t}]\n", "missing key \"name\" in node"),
        ("user_id: u\ninfra_name: i\nnodes: [{name: a}]\n", "missing key \"type\" in node 'a'"),
    ];
    for (text, expected) in cases {
        assert_eq!(legacy(text), format!("[SchemaCheck] ERROR: {expected}"));
    }
}

#[test]
fn unknown_keys_are_refused_with_a_suggestion() {
    assert_eq!(
        legacy(&one(", attributes: {}")),
        "[SchemaCheck] ERROR: unknown key \"'attributes'\" in node 'a'"
    );
    let expected = "[SchemaCheck] ERROR: unknown key \"'foo'\" in scaling of node 'a'";
    assert_eq!(legacy(&one(", scaling: {min: 1, foo: 2}")), expected);
    let expected = "[SchemaCheck] ERROR: unknown key 'init_suspended' in infastructure description";
    assert_eq!(legacy(&format!("{TWO}init_suspended: true\n")), expected);
    let shown = load(&format!("{TWO}dependancies: []\n")).unwrap_err().to_string();
    assert!(shown.contains("did you mean 'dependencies'?"), "{shown}");
    assert!(shown.contains("--> infra.yaml:6:1"), "{shown}");
}

#[test]
fn scaling_is_clamped_as_before() {
    let limits = |text: &str| {
        let scaling = accepted(&one(text)).nodes[0].scaling;
        (scaling.min, scaling.max)
    };
    assert_eq!(limits(""), (1, 1));
    assert_eq!(limits(", scaling: {}"), (1, 1));
    assert_eq!(limits(", scaling: "), (1, 1));
    assert_eq!(limits(", scaling: {min: 2}"), (2, 2));
    assert_eq!(limits(", scaling: {min: 0, max: 5}"), (1, 5));
    assert_eq!(limits(", scaling: {min: 3, max: 2}"), (3, 3));
    assert_eq!(limits(", scaling: {max: 4}"), (1, 4));
}

#[test]
fn scaling_limits_are_whole_numbers() {
    for value in ["1.5", "two", "'2'", "", "[1]", "1000001"] {
        assert_eq!(error(&one(&format!(", scaling: {{min: {value}}}"))).0, codes::BAD_SCALING, "{value}");
    }
    for value in ["3", "x", "[min, max]"] {
        assert_eq!(error(&one(&format!(", scaling: {value}"))).0, codes::WRONG_KIND, "{value}");
    }
}

#[test]
fn doubtful_scaling_limits_are_warnings() {
    let limits = |limits: &str| {
        let text = one(&format!(", scaling: {{{limits}}}"));
        let (infrastructure, warnings) = load(&text).unwrap_or_else(|problems| panic!("{problems}"));
        let codes: Vec<Code> = warnings.iter().map(|warning| warning.code).collect();
        let scaling = infrastructure.nodes[0].scaling;
        (scaling.min, scaling.max, codes.iter().filter(|code| **code == codes::BAD_SCALING).count())
    };
    assert_eq!(limits("min: 0, max: 0"), (1, 1, 2));
    assert_eq!(limits("min: -1"), (1, 1, 1));
    assert_eq!(limits("min: true, max: 10000"), (1, 10_000, 1));
    assert_eq!(limits("max: 10001"), (1, 10_001, 1));
    assert_eq!(limits("max: 99999999999"), (1, u32::MAX, 1));
    assert_eq!(limits("max: 99999999999999999999999999999999999999999999"), (1, u32::MAX, 1));
    assert_eq!(limits("min: 5, max: 2"), (5, 5, 1));
    assert_eq!(limits("min: 2, max: 5"), (2, 5, 0));
}

#[test]
fn a_filter_is_a_mapping() {
    let expected = "[SchemaCheck] ERROR: unknown type of filter in node 'a' - has to be a dict!";
    assert_eq!(legacy(&one(", filter: foo")), expected);
    assert_eq!(legacy(&one(", filter: ")), expected);
    let filter = accepted(&one(", filter: {type: ec2}")).nodes[0].filter.clone();
    assert_eq!(json!(filter), json!({"type": "ec2"}));
}

#[test]
fn variables_are_merged_into_each_node() {
    let text = "user_id: u\ninfra_name: i\nvariables: {x: {p: 1, q: 2}, l: [1, 2], s: 1}\n\
                nodes: [{name: a, type: t, variables: {x: {q: 3}, l: [3], s: {k: v}}}, {name: b, type: t}]\n";
    let infrastructure = accepted(text);
    let own = json!({"x": {"p": 1, "q": 3}, "l": [3], "s": {"k": "v"}});
    let shared = json!({"x": {"p": 1, "q": 2}, "l": [1, 2], "s": 1});
    assert_eq!(Value::Object(infrastructure.nodes[0].variables.clone()), own);
    assert_eq!(Value::Object(infrastructure.nodes[1].variables.clone()), shared);
    assert_eq!(Value::Object(infrastructure.variables), shared);
    assert!(accepted(&one(", variables: ")).nodes[0].variables.is_empty());
    assert_eq!(error(&one(", variables: [1]")).0, codes::WRONG_KIND);
    assert_eq!(error(&format!("{TWO}variables: text\n")).0, codes::WRONG_KIND);
}

#[test]
fn many_copies_of_large_variables_are_refused() {
    let nodes: String = (0..2000).map(|index| format!("- {{name: n{index}, type: t}}\n")).collect();
    let variables = vec!["x"; 1000].join(", ");
    let text = format!("user_id: u\ninfra_name: i\nnodes:\n{nodes}variables: {{l: [{variables}]}}\n");
    assert_eq!(error(&text).0, codes::TOO_LARGE);
}

#[test]
fn two_nodes_of_one_name_are_refused() {
    let text = "user_id: u\ninfra_name: i\nnodes:\n- {name: a, type: t}\n- {name: a, type: s}\n";
    assert_eq!(error(text).0, codes::DUPLICATE_NODE);
}

#[test]
fn wrong_shapes_are_named_instead_of_crashing() {
    for text in ["", "5", "[]", "text"] {
        assert_eq!(error(text).0, codes::BAD_ROOT, "{text}");
    }
    let nodes = |nodes: &str| format!("user_id: u\ninfra_name: i\nnodes: {nodes}\n");
    for text in [nodes(""), nodes("{}"), nodes("[text]"), two("x"), two("{a: b}")] {
        assert_eq!(error(&text).0, codes::WRONG_KIND, "{text}");
    }
    let cases = ["[x]", "[[*A]]", "[[*A, *B, *A]]", "[{connection: x}]", "[[1, *A]]", "[5]"];
    for text in cases {
        assert_eq!(error(&two(text)).0, codes::BAD_DEPENDENCY, "{text}");
    }
    let cases = ["x", "[x]", "[[x]]", "[{synch: true}]", "[[1, 2]]"];
    for text in cases {
        let text = two(&format!("[{{connection: [*B, *A], mappings: {text}}}]"));
        assert_eq!(error(&text).0, codes::BAD_MAPPING, "{text}");
    }
    let pair = error(&two("[{connection: [*B, *A], mappings: [[x, 2]]}]"));
    assert!(pair.1.ends_with("but it is a list with a string and an integer"), "{}", pair.1);
    assert_eq!(legacy(&two("[{mappings: []}]")), "[SchemaCheck] ERROR: undefined connection ");
}

#[test]
fn what_the_original_ran_in_an_odd_shape_is_accepted() {
    for mappings in ["", "[]", "{}"] {
        let text = two(&format!("[{{connection: [*B, *A], mappings: {mappings}}}]"));
        assert!(accepted(&text).dependencies[0].mappings.is_empty(), "{mappings}");
    }
    let typed = |kind: &str| format!("user_id: u\ninfra_name: i\nnodes:\n- {{name: a, type: {kind}}}\n");
    for (kind, name) in [("2020", "2020"), ("'2020'", "2020"), ("2020-01-01", "2020-01-01")] {
        assert_eq!(accepted(&typed(kind)).nodes[0].definition, name);
    }
    for kind in ["", "[a]", "{a: b}"] {
        assert_eq!(error(&typed(kind)).0, codes::WRONG_KIND, "{kind}");
    }
}

#[test]
fn levels_follow_the_dependencies_in_file_order() {
    assert!(levels(&accepted(&named("i"))).is_empty());
    for text in ["", "{}", "[]"] {
        assert_eq!(levels(&accepted(&two(text))), [["a", "b"]]);
    }
    assert_eq!(levels(&accepted(&two("[[*B, *A]]"))), [["a"], ["b"]]);
    let diamond = "[[*D, *C], [*D, *B], [*B, *A], {connection: [*C, *A]}]";
    let expected: [&[&str]; 3] = [&["a"], &["b", "c"], &["d"]];
    assert_eq!(levels(&accepted(&format!("{FOUR}dependencies: {diamond}\n"))), expected);
}

#[test]
fn nodes_can_be_named_aliased_or_retyped() {
    for edge in ["[*B, *A]", "[b, a]", "[*B, a]", "[{name: b, type: t}, {name: a}]"] {
        let edges = accepted(&two(&format!("[{edge}]"))).dependencies;
        assert_eq!((edges[0].dependent.as_str(), edges[0].dependee.as_str()), ("b", "a"), "{edge}");
    }
}

#[test]
fn an_unknown_node_is_not_called_a_cycle() {
    for edge in ["[b, aa]", "[aa, b]", "[*B, {name: aa}]"] {
        let (code, message, _) = error(&two(&format!("[{edge}]")));
        assert_eq!(code, codes::UNKNOWN_NODE);
        assert!(message.contains("'aa'"), "{message}");
    }
}

#[test]
fn cycles_are_reported_with_their_path() {
    for (edges, path) in [
        ("[[*B, *A], [*A, *B]]", "a -> b -> a"),
        ("[[*A, *A]]", "a -> a"),
        ("[[a, b], [b, c], [c, b]]", "b -> c -> b"),
    ] {
        let (code, message, legacy) = error(&format!("{FOUR}dependencies: {edges}\n"));
        assert_eq!((code, legacy.as_deref()), (codes::CYCLE, Some("Cycle detected.")));
        assert!(message.ends_with(&format!(": {path}")), "{message}");
    }
}

#[test]
fn mappings_are_kept_and_those_of_one_pair_joined() {
    let text = two("[{connection: [*B, *A], mappings: [[x, y], {attributes: [p, q], synch: true, z: 1}]}, \
                    {connection: [*B, *A], mappings: [[v, w]], other: 1}]");
    let edges = accepted(&text).dependencies;
    assert_eq!(edges.len(), 1);
    assert_eq!(
        serde_json::to_value(&edges[0].mappings).unwrap(),
        json!([
            {"attributes": ["x", "y"], "synch": false},
            {"attributes": ["p", "q"], "synch": true, "z": 1},
            {"attributes": ["v", "w"], "synch": false},
        ])
    );
}

#[test]
fn all_problems_are_reported_in_the_original_order() {
    let text = "infra_name: a.b\nnodes: [{name: x_y, scaling: {foo: 1}, bar: 1}]\nbaz: 1\n";
    let problems = load(text).unwrap_err();
    let codes: Vec<&str> = problems.iter().map(|problem| problem.code.id()).collect();
    assert_eq!(
        codes,
        ["OCC0101", "OCC0103", "OCC0103", "OCC0102", "OCC0104", "OCC0104", "OCC0109", "OCC0104"]
    );
    assert_eq!(
        problems.legacy_text(),
        Some("[SchemaCheck] ERROR: infra_name \"a.b\" cannot contain '.' character")
    );
}

#[test]
fn a_node_says_how_it_is_looked_after() {
    use crate::model::{Care, Heal, ScaleDown, Share};
    let text = |keys: &str| format!("infra_name: i\nuser_id: u\nnodes:\n- {{name: a, type: t{keys}}}\n");
    let care = |keys: &str| accepted(&text(keys)).nodes[0].care;
    assert_eq!(care(""), Care::default());
    let written = Care {
        heal: Heal::Report,
        max_unhealthy: Some(Share::Percent(30)),
        scale_down: ScaleDown::Oldest,
        max_unavailable: Some(Share::Percent(50)),
        max_surge: Some(Share::Count(1)),
    };
    let keys = ", heal: report, max_unhealthy: 30%, scale_down: oldest, max_unavailable: 50%, max_surge: 1";
    assert_eq!(care(keys), written);
    assert_eq!(care(", max_unhealthy: 2").max_unhealthy, Some(Share::Count(2)));
    for wrong in ["heal: never", "max_unhealthy: 101%", "max_unhealthy: -1", "scale_down: [a]"] {
        let (code, message, _) = error(&text(&format!(", {wrong}")));
        let key = wrong.split(':').next().unwrap();
        assert_eq!(code, codes::WRONG_KIND);
        assert!(message.starts_with(&format!("{key} of node 'a' must be")), "{message}");
    }
}
