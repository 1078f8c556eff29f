//! Tests of projects; those of the lints stand beside the reader of templates.

use super::*;
use crate::lint::{Flaw, Uses};
use crate::model::Implementation;

/// Sees no templates.
struct Blind;

impl TemplateScanner for Blind {
    fn uses(&self, _: &str) -> Uses {
        Uses::default()
    }

    fn flaws(&self, _: &Implementation) -> Vec<Flaw> {
        Vec::new()
    }
}

fn findings(files: &[(&str, &str)]) -> Findings {
    let folder = tempfile::tempdir().unwrap();
    let write = |(name, text): &(&str, &str)| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let paths: Vec<PathBuf> = files.iter().map(write).collect();
    let surroundings = Surroundings { imported: None, credentials: None, scanner: &Blind };
    Project::load(&paths, &Rules::builtin(), Overrides::default()).finish(surroundings)
}

/// File name, line and code of every problem.
fn places(findings: &Findings) -> Vec<(String, usize, &'static str)> {
    let place = |problem: &Diagnostic| {
        let location = problem.location.as_ref().unwrap();
        let name = Path::new(&location.file).file_name().unwrap().to_string_lossy().into_owned();
        (name, location.line, problem.code.id())
    };
    findings.problems.iter().map(place).collect()
}

#[test]
fn problems_stand_in_the_order_of_the_files_and_of_their_lines() {
    let infra = "infra_name: a_b\nuser_id: u\nnodes:\n- {name: n, type: t, scaling: {}, extra: 1}\ndependencies: []\n";
    let nodes = "'node_def:t':\n- resource: {type: nothing}\n'x': []\n";
    let found = findings(&[("nodes.yaml", nodes), ("infra.yaml", infra)]);
    let expected = [
        ("nodes.yaml".to_owned(), 2, "OCC0206"),
        ("nodes.yaml".to_owned(), 3, "OCC0201"),
        ("infra.yaml".to_owned(), 1, "OCC0103"),
        ("infra.yaml".to_owned(), 4, "OCC0104"),
    ];
    assert_eq!(places(&found), expected);
    assert_eq!(
        found.files.iter().map(|file| file.kind).collect::<Vec<_>>(),
        [Some(Kind::NodeDefinitions), Some(Kind::Infrastructure)]
    );
}

#[test]
fn a_file_of_no_kind_is_told_what_was_expected() {
    for text in ["hello: world\n", "", "- a\n", "text"] {
        let found = findings(&[("a.yaml", text)]);
        assert_eq!(places(&found), [("a.yaml".to_owned(), 1, "OCC0500")], "{text}");
        assert!(found.problems[0].help.as_deref().unwrap().contains("--vars-file"));
    }
}

#[test]
fn a_folder_or_a_missing_file_hides_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad.yaml");
    std::fs::write(&bad, "infra_name: a_b\nuser_id: u\nnodes: []\ndependencies: []\n").unwrap();
    let files = [folder.path().to_owned(), folder.path().join("none.yaml"), bad];
    let surroundings = Surroundings { imported: None, credentials: None, scanner: &Blind };
    let found = Project::load(&files, &Rules::builtin(), Overrides::default()).finish(surroundings);
    let codes: Vec<&str> = found.problems.iter().map(|problem| problem.code.id()).collect();
    assert_eq!(codes, ["OCC0001", "OCC0001", "OCC0103"]);
}

#[test]
fn nothing_of_credentials_is_quoted_however_broken_they_are() {
    for text in [
        "resource:\n- type: ec2\n  auth_data: {secretkey: hush\n",
        "resource:\n- type: ec2\n  auth_data: hush\n",
        "{resource: [{type: ec2, auth_data: hush}]}\n",
        "unknown:\n- auth_data: {a: hush}\n",
    ] {
        let found = findings(&[("auth.yaml", text)]);
        assert!(!found.problems.is_empty(), "{text}");
        assert!(!serde_json::to_string(&found).unwrap().contains("hush"), "{text}");
    }
}

#[test]
fn definitions_are_needed_only_beside_descriptions_without_any() {
    let load = |files: &[(&str, &str)]| {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = files.iter().map(|(name, _)| folder.path().join(name)).collect();
        files.iter().zip(&paths).for_each(|((_, text), path)| std::fs::write(path, text).unwrap());
        Project::load(&paths, &Rules::builtin(), Overrides::default()).needs_definitions()
    };
    let infra = ("i.yaml", "infra_name: a\nnodes: []\n");
    let nodes = ("n.yaml", "'node_def:t': []\n");
    assert!(load(&[infra]));
    assert!(!load(&[infra, nodes]));
    assert!(!load(&[nodes]));
}

#[test]
fn imported_definitions_count_where_none_are_given() {
    let infra = "infra_name: a\nuser_id: u\nnodes: [{name: n, type: t, scaling: {}}]\ndependencies: []\n";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("infra.yaml");
    std::fs::write(&path, infra).unwrap();
    let codes = |imported: Option<&[NodeDefinition]>| {
        let surroundings = Surroundings { imported, credentials: None, scanner: &Blind };
        let project = Project::load(std::slice::from_ref(&path), &Rules::builtin(), Overrides::default());
        project.finish(surroundings).problems.iter().map(|problem| problem.code.id()).collect::<Vec<_>>()
    };
    assert!(codes(None).is_empty(), "nothing is known");
    assert_eq!(codes(Some(&[])), ["OCC0501"]);
    let known = NodeDefinition { name: "t".to_owned(), implementations: Vec::new() };
    assert!(codes(Some(&[known])).is_empty());
}
