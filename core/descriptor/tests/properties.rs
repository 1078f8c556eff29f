//! What holds for every text.

use std::path::Path;

use occopus_descriptor::yaml::{Dialect, MAX_WEIGHT, Node, load_text};
use occopus_descriptor::{Overrides, Rules, definitions_from_text, infrastructure_from_text, levels};
use proptest::prelude::*;

fn load(text: &str) -> Option<Node> {
    load_text("text", text, Path::new("/nonexistent"), Dialect::default()).ok()
}

/// Text that looks more like YAML than arbitrary characters do.
fn yaml_like() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
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
        "infra_name: i\nnodes:\n",
        "dependencies:\n",
        "'node_def:x':\n",
        "resource:\n",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn loading_never_panics_and_is_bounded(text in prop_oneof![any::<String>(), yaml_like()]) {
        if let Some(node) = load(&text) {
            prop_assert!(node.weight() <= MAX_WEIGHT + 1);
            node.to_json();
        }
    }

    #[test]
    fn checking_never_panics(text in yaml_like()) {
        let base = Path::new("/nonexistent");
        if let Err(problems) = infrastructure_from_text("text", &text, base, &Overrides::default()) {
            prop_assert!(problems.has_errors());
            prop_assert!(!problems.to_string().is_empty());
        }
        if let Err(problems) = definitions_from_text("text", &text, base, &Rules::builtin()) {
            prop_assert!(problems.has_errors());
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
