//! What is given from outside, how it is typed, and what wins.

use serde_json::json;

use super::*;
use crate::infrastructure_from_text;
use crate::model::Infrastructure;

const INFRASTRUCTURE: &str = "user_id: u
infra_name: i
variables: {x: {p: 1, q: 2}, l: [1, 2], s: 1, open: {}}
nodes:
- {name: a, type: t, variables: {x: {q: 3}, own: 1}}
- {name: b, type: t}
dependencies: []
";

fn checked(overrides: &Overrides) -> (Infrastructure, Diagnostics) {
    infrastructure_from_text("infra.yaml", INFRASTRUCTURE, Path::new(""), overrides).unwrap()
}

fn assigned(texts: &[&str]) -> Overrides {
    Overrides::read(&[] as &[&Path], texts).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn an_assignment_is_typed_as_a_plain_scalar_and_taken_whole() {
    let cases = [
        ("5", json!(5)),
        ("010", json!(10)),
        ("1.10", json!(1.1)),
        ("true", json!(true)),
        ("yes", json!("yes")),
        ("null", json!(null)),
        ("", json!("")),
        ("a: b #c", json!("a: b #c")),
        ("@x", json!("@x")),
        (" 5", json!(" 5")),
        ("a=b", json!("a=b")),
        ("\"5\"", json!("5")),
        ("'5'", json!("5")),
        ("[80, '443']", json!([80, "443"])),
        ("{a: {b: 1}}", json!({"a": {"b": 1}})),
        ("!!str 5", json!("5")),
        ("!secret env:TOKEN", json!({"!secret": "env:TOKEN"})),
    ];
    for (value, expected) in cases {
        let given = assigned(&[&format!("s={value}")]);
        assert_eq!(checked(&given).0.variables["s"], expected, "{value}");
    }
}

#[test]
fn nodes_win_over_assignments_over_files_over_the_infrastructure() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let files = [file("1.yaml", "s: file\nx: {p: 10}\nl: [1]\n"), file("2.yaml", "s: later\nx: {q: 20}\n")];
    let given = Overrides::read(&files, &["x.p=100", "x.q=200", "x.q=201", "open.further=1"]).unwrap();
    let (infrastructure, warnings) = checked(&given);
    assert!(warnings.warnings().all(|warning| warning.code != codes::UNDECLARED_VARIABLE), "{warnings}");
    let merged = json!({"x": {"p": 100, "q": 201}, "l": [1], "s": "later", "open": {"further": 1}});
    assert_eq!(Json::Object(infrastructure.variables), merged);
    assert_eq!(infrastructure.nodes[0].variables["x"], json!({"p": 100, "q": 3}));
    assert_eq!(infrastructure.nodes[1].variables["x"], json!({"p": 100, "q": 201}));
}

#[test]
fn a_value_of_a_program_counts_as_an_assignment() {
    let mut given = Overrides::default();
    assert!(given.is_empty());
    given.set("l", json!({"a.b": 1}));
    assert!(!given.is_empty());
    assert_eq!(checked(&given).0.variables["l"], json!({"a.b": 1}));
}

#[test]
fn a_name_that_nothing_declares_is_a_warning() {
    let (_, warnings) = checked(&assigned(&["s=1", "own=2", "sx=3", "x.pw=4", "zzz=5"]));
    let found: Vec<_> =
        warnings.iter().filter(|warning| warning.code == codes::UNDECLARED_VARIABLE).collect();
    let places: Vec<_> = found
        .iter()
        .map(|warning| warning.location.as_ref().map(|place| (place.line, place.length)))
        .collect();
    assert_eq!(places, [Some((3, 2)), Some((4, 4)), Some((5, 3))]);
    let helps: Vec<&str> = found.iter().filter_map(|warning| warning.help.as_deref()).collect();
    assert!(helps[0].starts_with("did you mean 's'? declared: l, open, own, s, x;"), "{}", helps[0]);
    assert!(helps[1].starts_with("did you mean 'p'?"), "{}", helps[1]);
    assert!(helps[2].starts_with("declared: "), "{}", helps[2]);
}

#[test]
fn everything_malformed_is_reported_at_once_without_any_value() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("list.yaml");
    std::fs::write(&list, "- 1\n").unwrap();
    let deep = vec!["a"; 20].join(".");
    let texts = ["novalue", "=hush", "a..b=hush", "s=[hush", "s={{hush}}", &format!("{deep}=hush")];
    let problems = Overrides::read(&[&list, &folder.path().join("missing")], &texts).unwrap_err();
    let shown = problems.to_string();
    assert!(!shown.contains("hush"), "{shown}");
    let places: Vec<_> = problems
        .iter()
        .map(|problem| (problem.code.id(), problem.location.as_ref().map_or(0, |place| place.line)))
        .collect();
    assert_eq!(
        places,
        [
            ("OCC0011", 1),
            ("OCC0001", 0),
            ("OCC0011", 1),
            ("OCC0011", 2),
            ("OCC0011", 3),
            ("OCC0002", 4),
            ("OCC0007", 5),
            ("OCC0011", 6)
        ]
    );
    assert!(problems.iter().skip(2).all(|problem| problem.help.is_some()), "{shown}");
}

#[test]
fn large_values_for_many_nodes_are_refused() {
    let mut text = "user_id: u\ninfra_name: i\nnodes:\n".to_owned();
    for index in 0..2000 {
        text += &format!("- {{name: n{index}, type: t}}\n");
    }
    let given = assigned(&[&format!("x={}", "y".repeat(64 << 10))]);
    let problems = infrastructure_from_text("infra.yaml", &text, Path::new(""), &given).unwrap_err();
    assert!(problems.errors().any(|problem| problem.code == codes::TOO_LARGE), "{problems}");
}

#[test]
fn debugging_shows_names_only() {
    assert_eq!(format!("{:?}", assigned(&["a.b=hush"])), "[\"a.b\"]");
}
