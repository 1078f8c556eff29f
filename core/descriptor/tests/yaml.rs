//! YAML as the original read it: structure, imports, limits, places.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use occopus_descriptor::yaml::{Dialect, Node, load_file, load_text};
use occopus_descriptor::{Diagnostics, codes};
use serde_json::{Value, json};

fn load(text: &str) -> Result<Node, Diagnostics> {
    load_text("test.yaml", text, Path::new(""), Dialect::default())
}

fn value(text: &str) -> Value {
    load(text).unwrap_or_else(|problems| panic!("{text:?}:\n{problems}")).to_json()
}

fn problems(text: &str) -> Diagnostics {
    load(text).map(|node| node.to_json()).expect_err(text)
}

fn code(text: &str) -> codes::Code {
    problems(text).iter().next().unwrap().code
}

#[test]
fn quoted_and_block_scalars_are_text() {
    assert_eq!(value("['5', \"true\", '0644', '']"), json!(["5", "true", "0644", ""]));
    assert_eq!(value("a: |\n  5\nb: >\n  x\n  y\n"), json!({"a": "5\n", "b": "x y\n"}));
    assert_eq!(value("\"a\\tb\""), json!("a\tb"));
}

#[test]
fn core_tags_convert() {
    assert_eq!(
        value("[!!str 5, !!int '5', !!bool yes, !!float 1, !!null x]"),
        json!(["5", 5, true, 1.0, null])
    );
    assert_eq!(value("!!binary aGVs bG8="), json!("hello"));
    assert_eq!(value("!!set {a, b}"), json!({"a": null, "b": null}));
    assert_eq!(value("!!omap [a: 1, b: 2]"), json!({"a": 1, "b": 2}));
    assert_eq!(value("! 5"), json!("5"));
    assert_eq!(code("!!int x"), codes::BAD_SCALAR);
}

#[test]
fn python_and_unknown_tags_are_refused() {
    for text in
        ["!!python/object/apply:os.system ['x']", "!!python/name:os.system ''", "a: !!python/tuple [1]"]
    {
        let problems = problems(text);
        assert_eq!(problems.iter().next().unwrap().code, codes::UNKNOWN_TAG);
        assert!(problems.to_string().contains("Python"), "{problems}");
    }
    let problems = problems("a:\n  - !include x\n");
    let first = problems.iter().next().unwrap();
    assert_eq!(first.legacy.as_deref(), Some("could not determine a constructor for the tag '!include'"));
    assert_eq!(first.location.as_ref().map(|place| place.line), Some(2));
    assert_eq!(code("!ResourceHandler {protocol: null}"), codes::UNKNOWN_TAG);
}

#[test]
fn a_key_stands_once() {
    let problems = problems("a: 1\nb: 1\na: 2\n");
    let first = problems.iter().next().unwrap();
    let legacy = "found duplicate key \"a\" with value \"2\" (original value: \"1\")";
    assert_eq!(first.legacy.as_deref(), Some(legacy));
    assert_eq!(
        first.location.as_ref().map(|place| (place.line, place.column, place.length)),
        Some((3, 1, 1))
    );
    for text in ["{1: a, true: b}", "{1: a, 1.0: b}", "{a: 1, 'a': 2}", "{[1]: a, [1]: b}"] {
        assert_eq!(code(text), codes::DUPLICATE_KEY, "{text}");
    }
    assert_eq!(value("{1: a, '1': b}").as_object().unwrap().len(), 1, "as JSON they are one key");
}

#[test]
fn merge_keys_fill_what_is_not_written() {
    let base = "a: &A {x: 1, y: 1}\nb: &B {y: 2, z: 2}\n";
    assert_eq!(value(&format!("{base}c:\n  y: 3\n  <<: *A\n"))["c"], json!({"x": 1, "y": 3}));
    assert_eq!(value(&format!("{base}c: {{<<: [*A, *B]}}"))["c"], json!({"x": 1, "y": 1, "z": 2}));
    assert_eq!(value("'<<': 1"), json!({"<<": 1}));
    assert_eq!(code("<<: 1"), codes::BAD_MERGE);
    assert_eq!(code(&format!("{base}c: {{<<: *A, <<: *B}}")), codes::DUPLICATE_KEY);
    assert_eq!(code("a: <<"), codes::BAD_SCALAR);
    assert_eq!(code("a: ="), codes::BAD_SCALAR);
}

#[test]
fn an_alias_is_its_anchor_and_the_last_anchor_counts() {
    let root = load("a: &X {k: 1}\nb: *X\nc: {k: 1}\nd: &X 2\ne: *X\n").unwrap();
    let identity = |key: &str| root.get(key).unwrap().identity;
    assert_eq!(identity("a"), identity("b"));
    assert_ne!(identity("a"), identity("c"));
    assert_eq!(root.get("b").unwrap().span.line, 2, "an alias stands where it is written");
    assert_eq!(root.get("e").unwrap().to_json(), json!(2));
    assert_eq!(code("a: *nowhere"), codes::SYNTAX);
    assert_eq!(code("a: &A [*A]"), codes::SYNTAX);
}

#[test]
fn flow_collections_take_the_original_forms() {
    assert_eq!(value("{b: c, d}"), json!({"b": "c", "d": null}));
    assert_eq!(value("[a: b]"), json!([{"a": "b"}]));
    assert_eq!(value("[1, 2,]"), json!([1, 2]));
    assert_eq!(value("{\"a\":1}"), json!({"a": 1}));
    assert_eq!(value("a:\n- 1\n- 2\nb : x\n"), json!({"a": [1, 2], "b": "x"}));
}

/// Line and column of the only problem, its message and its help.
fn explained(text: &str) -> (usize, usize, String, String) {
    let problems = load(text).expect_err(text);
    assert_eq!(problems.iter().count(), 1, "{problems}");
    let first = problems.iter().next().unwrap();
    let place = first.location.clone().expect(text);
    (place.line, place.column, first.message.clone(), first.help.clone().expect(text))
}

#[test]
fn an_unquoted_template_is_explained() {
    let cases = [
        ("key: {{x}}", (1, 7)),
        ("key: {{ x.y }}/path", (1, 7)),
        ("key: {{x}} b", (1, 7)),
        ("a: 1\n- {{x}}", (2, 3)),
        ("- {{x}}", (1, 4)),
        ("a: {b: {{x}}}", (1, 9)),
        ("key: {% if x %}a{% endif %}", (1, 6)),
        ("- {% x %}", (1, 3)),
    ];
    for (text, place) in cases {
        let (line, column, message, help) = explained(text);
        assert_eq!((line, column), place, "{text}");
        assert!(message.contains("without quotes"), "{text}: {message}");
        assert!(help.contains("put the whole value in quotes"), "{text}: {help}");
    }
    let unhashable = problems("key: {{x}}");
    assert_eq!(unhashable.iter().next().unwrap().legacy.as_deref(), Some("found unhashable key"));
    let (_, _, message, _) = explained("? {a: b}\n: x");
    assert_eq!(message, "a mapping cannot be used as a key");
    assert_eq!(value("key: b {{x}}"), json!({"key": "b {{x}}"}));
    assert_eq!(value("key: \"{{x}}\""), json!({"key": "{{x}}"}));
    for text in [r#"{"a":"b, {{x}}","c":"\ud83d"}"#, r#"- 'it''s, {{x}}' b"#, r#"a: "\", {{x}}" b"#] {
        let (_, _, message, _) = explained(text);
        assert!(!message.contains("without quotes"), "the template is in quotes: {text}: {message}");
    }
}

#[test]
fn tabs_are_shown_where_they_stand() {
    let cases = [
        ("a:\n  b: 1\n\tc: 2", (3, 1)),
        ("a:\n  b: 1\n\n\tc: 2", (4, 1)),
        ("a:\n\t- b\n", (2, 1)),
        ("a:\n  - b\n  \t- c\n", (3, 3)),
        ("a:\tb", (1, 3)),
        ("{a:\tb}", (1, 4)),
    ];
    for (text, place) in cases {
        let (line, column, message, help) = explained(text);
        assert_eq!((line, column), place, "{text:?}");
        assert!(message.contains("tab") && help.contains("space"), "{text:?}: {message}; {help}");
    }
    let text = "a: \"x\ty\"\nb: 'x\ty'\nc: |\n  x\ty\n  \tz\n";
    assert_eq!(value(text), json!({"a": "x\ty", "b": "x\ty", "c": "x\ty\n\tz\n"}));
}

#[test]
fn bad_indentation_says_what_the_line_can_be_aligned_with() {
    let cases = [
        ("resource:\n- type: ec2\n  auth_data: x\n - type: nova", 4, "by 1, the lines above by 2 and 0"),
        ("resource:\n-\n  type: ec2\n   auth_data: x", 4, "by 3, the lines above by 2 and 0"),
        ("a:\n    b: 1\n  c: 2", 3, "by 2, the lines above by 4 and 0"),
        ("a: 1\n  b: 2\nc: 3", 2, "by 2, the lines above by 0"),
        ("a: b\n- c", 2, "a list lines '- ITEM' only"),
        ("a: 1\nfoo\nb: 2", 2, "write 'KEY: VALUE'"),
        ("foo\nb: 2", 1, "write 'KEY: VALUE'"),
        ("a: |\n x\ny", 3, "must be indented deeper than its key"),
    ];
    let private = Dialect { private: true, ..Dialect::default() };
    for (text, expected_line, expected) in cases {
        let (line, _, _, help) = explained(text);
        assert_eq!(line, expected_line, "{text}");
        assert!(help.contains(expected), "{text}: {help}");
        let shown = load_text("secrets", text, Path::new(""), private).unwrap_err().to_string();
        assert!(shown.contains(expected) && !shown.contains("auth_data"), "{shown}");
    }
}

#[test]
fn quotes_brackets_and_indicators_are_explained() {
    let cases = [
        ("a: b: c", "contains ': ' in quotes"),
        ("a: ::", "contains ': ' in quotes"),
        ("a: @b", "in quotes"),
        ("a: `b", "in quotes"),
        ("a: %b", "in quotes"),
        ("a: *b", "must come after its anchor"),
        ("a: *.example.com", "in quotes"),
        ("a: 'open\nb: 1", "close the quote"),
        ("a: \"open", "close the quote"),
        ("a: 'it's'", "or '' for a quote inside"),
        ("a: \"x\" y", "put the whole value in quotes"),
        ("a: \"\\q\"", "backslash"),
        ("a: [1, 2", "close every '['"),
        ("a: [1, 2\nb: 3", "close every '['"),
        ("a: {b: 1\nc: 2", "'{' with '}'"),
        ("a: ]", "remove the bracket"),
        ("a: [b] c", "put the whole value in quotes"),
        ("a: |x\n  b", "in the line after '|'"),
        ("a: =", "in quotes"),
        ("a: <<", "in quotes"),
    ];
    for (text, expected) in cases {
        let (line, _, _, help) = explained(text);
        assert!(help.contains(expected), "{text}: {help}");
        assert!(line <= text.lines().count(), "{text}: line {line}");
    }
}

#[test]
fn one_document_without_control_characters() {
    assert_eq!(value(""), json!(null));
    assert_eq!(value("# nothing\n"), json!(null));
    assert_eq!(value("\u{feff}a: 1"), json!({"a": 1}));
    assert_eq!(value("--- a\n...\n"), json!("a"));
    assert!(problems("a: 1\n---\nb: 2\n").to_string().contains("expected a single document in the stream"));
    for text in ["a: \0", "a: \u{1}", "a: '\u{7f}'"] {
        assert_eq!(code(text), codes::SYNTAX, "{text:?}");
    }
}

#[test]
fn a_directive_selects_yaml_1_1() {
    assert_eq!(value("%YAML 1.1\n---\n[yes, 010, 1:30]"), json!([true, 8, 90]));
    assert_eq!(value("%YAML 1.3\n---\n[yes, 010]"), json!(["yes", 10]), "1.10 crashed");
    assert_eq!(value("%YAML 1.2\n---\n[yes, 010, 1:30]"), json!(["yes", 10, "1:30"]));
}

#[test]
fn json_keeps_what_it_can_and_writes_the_rest_as_text() {
    let large = "123456789012345678901234567890";
    let text = format!("[{large}, .inf, .nan, 2020-01-01, 18446744073709551615, 3.0]");
    assert_eq!(value(&text), json!([large, "inf", "nan", "2020-01-01", u64::MAX, 3.0]));
    assert_eq!(value("{1: a, null: b, [x, 1]: c}"), json!({"1": "a", "null": "b", "[\"x\",1]": "c"}));
}

/// A folder with files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn load_main(files: &[(&str, &str)]) -> Result<Value, Diagnostics> {
    let folder = folder(files);
    load_file(&folder.path().join("main.yaml"), Dialect::default()).map(|node| node.to_json())
}

#[test]
fn imports_are_relative_to_the_importing_file() {
    let main =
        "a: !yaml_import {url: file://in/inner.yaml, extra: 1}\nb: !text_import\n  url: FILE://t.txt\n";
    let inner = "c: !yaml_import {url: file://../leaf.yaml}\n";
    let files =
        [("main.yaml", main), ("in/inner.yaml", inner), ("leaf.yaml", "5"), ("t.txt", "x: {{y}}\n\n")];
    assert_eq!(load_main(&files).unwrap(), json!({"a": {"c": 5}, "b": "x: {{y}}\n\n"}));
    assert_eq!(
        load_main(&[("main.yaml", "!yaml_import {url: file://x.yaml}"), ("x.yaml", "[1]")]),
        Ok(json!([1]))
    );
}

#[test]
fn an_absolute_import_is_absolute() {
    let folder = folder(&[("x.yaml", "7")]);
    let text = format!("!yaml_import {{url: 'file://{}/x.yaml'}}", folder.path().display());
    assert_eq!(value(&text), json!(7));
}

#[test]
fn an_anchored_import_can_be_aliased_and_merged() {
    let main = "a: &X !yaml_import {url: file://x.yaml}\nb: !yaml_import &Y {url: file://x.yaml}\n\
                c: {<<: *X, k: 2}\nd: *Y\n";
    let files = [("main.yaml", main), ("x.yaml", "{k: 1, t: !text_import {url: file://t}}"), ("t", "text")];
    let loaded = load_main(&files).unwrap();
    assert_eq!(loaded["c"], json!({"k": 2, "t": "text"}));
    assert_eq!(loaded["d"], json!({"k": 1, "t": "text"}));
}

#[test]
fn a_problem_in_an_import_names_the_imported_file() {
    let problems =
        load_main(&[("main.yaml", "!yaml_import {url: file://x.yaml}"), ("x.yaml", "a: 1\na: 2\n")]);
    let problems = problems.unwrap_err();
    let place = problems.iter().next().unwrap().location.clone().unwrap();
    assert!(place.file.ends_with("x.yaml"));
    assert_eq!(place.line, 2);
}

#[test]
fn imports_that_cannot_work_are_refused_at_their_place() {
    let cases = [
        "a: !yaml_import {url: http://x}",
        "a: !yaml_import {url: x.yaml}",
        "a: !yaml_import {url: file:x.yaml}",
        "a: !text_import {url: file://missing}",
        "a: !text_import {url: file:///dev/zero}",
        "a: !text_import {url: file://.}",
        "a: !text_import {}",
        "a: !yaml_import x.yaml",
        "a: !yaml_import [x.yaml]",
        "a: !yaml_import {url: file://main.yaml}",
    ];
    for text in cases {
        let problems = load_main(&[("main.yaml", text)]).unwrap_err();
        let first = problems.iter().next().unwrap();
        assert_eq!(first.code, codes::BAD_IMPORT, "{text}");
        assert_eq!(first.location.as_ref().map(|place| place.line), Some(1), "{text}");
    }
}

#[test]
fn imports_keep_the_words_of_the_original() {
    let cases = [
        ("!yaml_import {url: http://x}", "The backend 'http' does not exist"),
        ("!yaml_import {url: x.yaml}", "The backend '' does not exist"),
        ("!text_import {}", "'url'"),
        ("!text_import {url: 5}", "must be a string"),
        ("!text_import x", "expected a mapping node, but found scalar"),
    ];
    for (text, expected) in cases {
        let problems = problems(text).to_string();
        assert!(problems.contains(expected), "{text}: {problems}");
    }
}

#[test]
fn an_isolated_text_imports_nothing() {
    let folder = folder(&[("x.yaml", "5")]);
    let dialect = Dialect { isolated: true, ..Dialect::default() };
    for tag in ["!yaml_import", "!text_import"] {
        let text = format!("a: {tag} {{url: file://x.yaml}}\n");
        let problems = load_text("text", &text, folder.path(), dialect).unwrap_err();
        let first = problems.iter().next().unwrap();
        assert_eq!(first.code, codes::BAD_IMPORT, "{problems}");
        assert_eq!(first.location.as_ref().map(|place| place.line), Some(1), "{problems}");
    }
    let quoted = "a: '!yaml_import x'";
    assert!(load_text("text", quoted, folder.path(), dialect).is_ok(), "text about an import is text");
}

#[test]
fn all_problems_are_reported_at_once() {
    let problems = problems("a: 1\na: 2\nb: !foo 1\nc: !text_import {url: file:///does/not/exist}\n");
    let codes: Vec<&str> = problems.iter().map(|problem| problem.code.id()).collect();
    assert_eq!(codes, ["OCC0003", "OCC0004", "OCC0005"]);
}

#[test]
fn alias_bombs_and_deep_nesting_are_refused() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let alias = format!("*a{}", level - 1);
        bomb += &format!("a{level}: &a{level} [{}]\n", vec![alias; 10].join(", "));
    }
    assert_eq!(code(&bomb), codes::TOO_LARGE);
    let text = "y".repeat(100_000);
    let bomb = format!("a: &a {text}\nb: [{}]", vec!["*a"; 10_000].join(", "));
    assert_eq!(code(&bomb), codes::TOO_LARGE);
    let mut chain = "a0: &a0 x\n".to_owned();
    for level in 1..60 {
        chain += &format!("a{level}: &a{level} [[*a{}]]\n", level - 1);
    }
    assert_eq!(code(&chain), codes::TOO_LARGE);
    for deep in ["- ".repeat(100_000), "[".repeat(200), "{a: ".repeat(200)] {
        let code = code(&deep);
        assert!(code == codes::TOO_LARGE || code == codes::SYNTAX, "{code}");
    }
    assert!(load(&format!("{}x{}", "[".repeat(90), "]".repeat(90))).is_ok());
}

#[test]
fn a_marked_line_shows_the_place_but_no_password() {
    let shown = problems("resource:\n  kind: 1\n  kind: 2\n").to_string();
    assert!(shown.contains("--> test.yaml:3:3"), "{shown}");
    assert!(shown.contains("3 |   kind: 2\n  |   ^^^^"), "{shown}");
    let problems = problems("password: hush\npassword: hush\n");
    let shown = format!("{problems} {}", serde_json::to_string(&problems).unwrap());
    assert!(shown.contains("password: …") && !shown.contains("hush"), "{shown}");
}

/// A text import, or user data that lost its last line break, may end like this.
#[test]
fn a_block_scalar_that_ends_with_the_file_has_only_the_line_breaks_that_are_there() {
    for (text, expected) in [
        ("a: |\n  x", "x"),
        ("a: |\n  x\n  y", "x\ny"),
        ("a: >\n  x\n  y", "x y"),
        ("a: |+\n  x", "x"),
        ("a: |-\n  x", "x"),
        ("a: |\n  x\n  ", "x\n"),
        ("a: |\n  x\n", "x\n"),
        ("a: |\n  x\n# c", "x\n"),
    ] {
        let node = load_text("t", text, Path::new(""), Dialect::default()).unwrap();
        assert_eq!(node.get("a").unwrap().as_str(), Some(expected), "{text:?}");
    }
    let node = load_text("t", "b:\n  c: |\n    x\n  d: y", Path::new(""), Dialect::default()).unwrap();
    assert_eq!(node.to_json(), json!({"b": {"c": "x\n", "d": "y"}}));
}
