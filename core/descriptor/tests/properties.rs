//! What holds for every text.

use std::path::{Path, PathBuf};

use occopus_descriptor::configuration::Configuration;
use occopus_descriptor::credentials::CredentialsFile;
use occopus_descriptor::yaml::{Dialect, MAX_WEIGHT, Node, load_text};
use occopus_descriptor::{
    Diagnostics, Overrides, Rules, definitions_from_text, infrastructure_from_text, levels, print,
};
use proptest::prelude::*;
use serde_json::Value as Json;

fn load(text: &str) -> Option<Node> {
    load_text("text", text, Path::new("/nonexistent"), Dialect::default()).ok()
}

/// What looks like YAML, and what is special in it.
const PIECES: &[&str] = &[
    "a",
    "b:",
    ": ",
    "- ",
    "\n",
    "\n  ",
    "\n    ",
    "&x ",
    "*x",
    "<<: ",
    "[",
    "]",
    "{",
    "}",
    ", ",
    "'",
    "\"",
    "|",
    ">",
    "\t",
    "#",
    "!!str ",
    "!!int ",
    "!foo ",
    "!yaml_import ",
    "!text_import {url: file://x}",
    "!secret env:X",
    "? ",
    "%YAML 1.1\n---\n",
    "---",
    "...",
    "\\",
    "0x",
    "2020-01-01",
    " 12:00:00 é",
    "1e9",
    "_",
    "\u{feff}",
    "é",
    "nodes",
    "name",
    "\r",
    "\u{85}",
    "\u{2028}",
    "\0",
    "infra_name: i\nnodes:\n",
    "dependencies:\n",
    "'node_def:x':\n",
    "resource:\n",
    "{{",
    "}}",
    "{%",
    "null",
    "true",
    "-1",
    "99999999999999999999999999999999999999999",
    ".inf",
    "~",
];

fn yaml_like() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(PIECES), 0..60).prop_map(|pieces| pieces.concat())
}

/// Descriptors of all kinds that use what there is to use.
const SAMPLES: &[&str] = &[
    "user_id: u\ninfra_name: i\nvariables: &v {x: {p: 1}, l: [1, 2.5, 2020-01-01], big: 123456789012345678901234567890}\n\
     nodes:\n- &A {name: a, type: t, filter: {type: ec2}, variables: {<<: *v, y: \"\\x7f\\u2028\\U0001F600\"}}\n\
     - &B\n  name: b\n  type: t\n  scaling: {min: 2, max: 5}\n  heal: report\n  max_unhealthy: 30%\n  scale_down: oldest\n\
     - {name: c, type: t, variables: {s: !secret env:TOKEN, f: [.inf, -0.0, 1e-7]}}\n\
     dependencies:\n- [*B, *A]\n- connection: [c, a]\n  mappings:\n  - [x.y, z]\n  - {attributes: [p, q], synch: true, n: 1}\n",
    "'node_def:t':\n- resource: {type: process}\n  contextualisation:\n    type: cloudinit\n    context_template: |\n\
     \x20     #cloud-config\n      a: {{variables.x}}\n  health_check: {ping: false, ports: [80], timeout: 10}\n\
     - resource: {type: ec2, endpoint: e, regionname: r, image_id: i, instance_type: t, key_name: null}\n\
     - resource: {type: docker, endpoint: e, origin: o, image: i, tag: '3.10'}\n  contextualisation:\n    type: docker\n\
     \x20   env: [\"A={{getip('b')}}\"]\n    command: x\n'node_def:u': [{resource: {type: process}}]\n",
    "resource:\n- type: ec2\n  auth_data: &d {accesskey: a, secretkey: b}\n- {type: nova, endpoint: x, auth_data: {<<: *d, \
     username: u, password: !secret file:pw}}\nconfig_management:\n- type: chef\n  auth_data: {client_name: c, client_key: k}\n",
    "plugins: !python_import\n- occo.infobroker\ncomponents:\n  uds: !UDS {protocol: redis, host: h, port: '6380', \
     altdbs: {infra: 10}}\n  infobroker: !InfoRouter\n    sub_providers:\n    - !DynamicStateProvider\n  rest: {port: 5000}\n\
     logging: {version: 1, handlers: {f: {class: logging.FileHandler, filename: x}}}\n",
];

/// The texts of the corpus, where it is present.
fn corpus() -> Vec<String> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus")];
    let mut texts = Vec::new();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = folder.read_dir() else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                texts.extend(std::fs::read_to_string(path));
            }
        }
    }
    texts.sort();
    texts
}

/// A change to a text; places are parts of its length.
#[derive(Debug, Clone)]
enum Change {
    Cut(f64, usize),
    Insert(f64, &'static str),
    Duplicate(f64, usize, f64),
    SwapLines(f64, f64),
    Indent(f64),
}

fn change() -> impl Strategy<Value = Change> {
    let at = || 0.0..1.0_f64;
    prop_oneof![
        (at(), 1..40_usize).prop_map(|(from, length)| Change::Cut(from, length)),
        (at(), prop::sample::select(PIECES)).prop_map(|(from, piece)| Change::Insert(from, piece)),
        (at(), 1..80_usize, at()).prop_map(|(from, length, to)| Change::Duplicate(from, length, to)),
        (at(), at()).prop_map(|(one, other)| Change::SwapLines(one, other)),
        at().prop_map(Change::Indent),
    ]
}

/// The index at the part `part` of `length`.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]
fn place(part: f64, length: usize) -> usize {
    (part * length as f64) as usize
}

fn changed(text: &str, change: &Change) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    let length = characters.len();
    let range = |from: f64, count: usize| place(from, length)..(place(from, length) + count).min(length);
    let mut lines: Vec<&str> = text.split('\n').collect();
    let rows = lines.len();
    match *change {
        Change::Cut(from, count) => drop(characters.drain(range(from, count))),
        Change::Insert(from, piece) => {
            let from = place(from, length);
            characters.splice(from..from, piece.chars());
        }
        Change::Duplicate(from, count, to) => {
            let copy = characters[range(from, count)].to_vec();
            let to = place(to, length);
            characters.splice(to..to, copy);
        }
        Change::SwapLines(one, other) => {
            lines.swap(place(one, rows), place(other, rows));
            return lines.join("\n");
        }
        Change::Indent(at) => {
            let line = format!(" {}", lines[place(at, rows)]);
            lines[place(at, rows)] = &line;
            return lines.join("\n");
        }
    }
    characters.into_iter().collect()
}

/// Real descriptors with a few changes.
fn mutated() -> impl Strategy<Value = String> {
    let mut texts = corpus();
    // Twice as often as a file of the corpus: they use more.
    texts.extend(SAMPLES.iter().chain(SAMPLES).map(|text| (*text).to_owned()));
    (prop::sample::select(texts), prop::collection::vec(change(), 0..6))
        .prop_map(|(text, changes)| changes.iter().fold(text, |text, change| changed(&text, change)))
}

fn any_text() -> impl Strategy<Value = String> {
    let bytes = prop::collection::vec(any::<u8>(), 0..200);
    prop_oneof![
        1 => bytes.prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        1 => any::<String>(),
        3 => yaml_like(),
        5 => mutated(),
    ]
}

/// Problems have an error among them, can be shown, and stand inside their text.
fn check_problems<T>(result: Result<T, Diagnostics>, text: &str) -> Result<Option<T>, TestCaseError> {
    let problems = match result {
        Ok(value) => return Ok(Some(value)),
        Err(problems) => problems,
    };
    prop_assert!(problems.has_errors());
    prop_assert!(!problems.to_string().is_empty());
    let lines = text.split(['\n', '\r']).count() + 1;
    for location in problems.iter().filter_map(|problem| problem.location.as_ref()) {
        prop_assert!((1..=lines).contains(&location.line), "{problems}");
        prop_assert!(location.column >= 1 && location.length >= 1, "{problems}");
    }
    Ok(None)
}

/// The configuration `text`, which can only be read from a file.
fn configuration(text: &str) -> Option<Result<(Configuration, Diagnostics), Diagnostics>> {
    let folder = tempfile::tempdir().ok()?;
    let path: PathBuf = folder.path().join("occopus_config.yaml");
    std::fs::write(&path, text).ok()?;
    Some(Configuration::load(&path))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn loading_never_panics_and_is_bounded(text in any_text()) {
        if let Some(node) = load(&text) {
            prop_assert!(node.weight() <= MAX_WEIGHT + 1);
            node.to_json();
        }
    }

    #[test]
    fn checking_never_panics_and_printing_is_undone_by_reading(text in any_text()) {
        let base = Path::new("/nonexistent");
        let infrastructure = |text: &str| infrastructure_from_text("text", text, base, &Overrides::default());
        if let Some((found, _)) = check_problems(infrastructure(&text), &text)? {
            let printed = print::infrastructure(&found);
            let again = infrastructure(&printed).map(|(again, _)| again);
            prop_assert_eq!(again, Ok(found), "{}", printed);
        }
        let definitions = |text: &str| definitions_from_text("text", text, base, &Rules::builtin());
        if let Some((found, _)) = check_problems(definitions(&text), &text)? {
            let printed = print::definitions(&found);
            let again = definitions(&printed).map(|(again, _)| again);
            prop_assert_eq!(again, Ok(found), "{}", printed);
        }
        check_problems(CredentialsFile::from_text("text", &text, base), &text)?;
    }

    #[test]
    fn what_is_given_from_outside_never_panics(text in any_text(), name in "[a-z.=]{0,5}") {
        let mut overrides = Overrides::default();
        let assigned = overrides.assign(&format!("{name}{text}"));
        prop_assert_eq!(assigned.is_ok(), !overrides.is_empty());
    }

    #[test]
    fn every_value_is_read_back_from_what_is_printed(value in json()) {
        let mut overrides = Overrides::default();
        overrides.set("v", value.clone());
        let text = "user_id: u\ninfra_name: i\nnodes: [{name: a, type: t}]\ndependencies: []\n";
        let base = Path::new("");
        let Ok((found, _)) = infrastructure_from_text("text", text, base, &overrides) else { return Ok(()) };
        prop_assert_eq!(&found.nodes[0].variables["v"], &value);
        let printed = print::infrastructure(&found);
        let again = infrastructure_from_text("text", &printed, base, &Overrides::default());
        prop_assert_eq!(again.map(|(again, _)| again), Ok(found), "{}", printed);
    }
}

/// Any JSON value, with text that is special in YAML more often than chance would have it.
fn json() -> impl Strategy<Value = Json> {
    let text = prop_oneof![any::<String>(), yaml_like()];
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        text.clone().prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 30, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
            prop::collection::btree_map(text.clone(), inner, 0..5)
                .prop_map(|entries| Json::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    // Each case writes a file.
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reading_a_configuration_never_panics(text in any_text()) {
        if let Some(result) = configuration(&text) {
            check_problems(result, &text)?;
        }
    }

    #[test]
    fn every_text_in_double_quotes_is_that_text(text in any::<String>()) {
        let quoted = serde_json::to_string(&text.replace(|c: char| c.is_control(), " ")).unwrap_or_default();
        let read = load(&quoted).map(|node| node.to_json().to_string());
        prop_assert_eq!(read, Some(quoted));
    }

    #[test]
    fn levels_respect_every_dependency(edges in prop::collection::vec((0..8_usize, 0..8_usize), 0..12)) {
        let mut text = "user_id: u\ninfra_name: i\nnodes:\n".to_owned();
        for index in 0..8 {
            text += &format!("- {{name: n{index}, type: t}}\n");
        }
        let pairs: Vec<String> = edges.iter().map(|(from, to)| format!("[n{from}, n{to}]")).collect();
        text += &format!("dependencies: [{}]\n", pairs.join(", "));
        let acyclic_by_order = edges.iter().all(|(from, to)| from > to);
        match infrastructure_from_text("text", &text, Path::new(""), &Overrides::default()) {
            Ok((infrastructure, _)) => {
                let levels = levels(&infrastructure);
                let level = |node: usize| levels.iter().position(|level| level.contains(&format!("n{node}")));
                prop_assert_eq!(levels.iter().map(Vec::len).sum::<usize>(), 8);
                prop_assert!(edges.iter().all(|(from, to)| level(*from) > level(*to)));
            }
            Err(problems) => {
                prop_assert!(!acyclic_by_order);
                prop_assert_eq!(problems.legacy_text(), Some("Cycle detected."));
            }
        }
    }
}

#[test]
fn the_samples_are_valid() {
    let base = Path::new("/");
    let infrastructure = infrastructure_from_text("1", SAMPLES[0], base, &Overrides::default());
    assert_eq!(infrastructure.map(|_| ()), Ok(()));
    assert_eq!(definitions_from_text("2", SAMPLES[1], base, &Rules::builtin()).map(|_| ()), Ok(()));
    assert_eq!(CredentialsFile::from_text("3", SAMPLES[2], base).map(|_| ()), Ok(()));
    assert_eq!(configuration(SAMPLES[3]).map(|result| result.map(|_| ())), Some(Ok(())));
}
