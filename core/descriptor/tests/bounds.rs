//! What is too large, too deep or endless is refused where it becomes so, without reading on: the place
//! of the problem shows how far the text was read, and mistakes behind that place are not reported.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use occopus_descriptor::codes::{self, Code};
use occopus_descriptor::yaml::{Dialect, MAX_DEPTH, MAX_FILE_BYTES, MAX_WEIGHT, Node, load_file, load_text};
use occopus_descriptor::{Diagnostics, Overrides, infrastructure_from_text};

/// Longer than anything here takes on a slow machine: whoever needs it hangs.
const WATCHDOG: Duration = Duration::from_secs(60);

/// The result of `work`, which must not hang.
fn bounded<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(work()));
    receiver.recv_timeout(WATCHDOG).expect("it hangs")
}

fn load(text: impl Into<String>) -> Result<Node, Diagnostics> {
    let text = text.into();
    bounded(move || load_text("text", &text, Path::new(""), Dialect::default()))
}

/// Code, line and column of the only problem.
fn refused(text: impl Into<String>) -> (Code, usize, usize) {
    let problems = load(text).expect_err("it is accepted");
    let [only] = problems.iter().collect::<Vec<_>>()[..] else { panic!("{problems}") };
    let place = only.location.as_ref().expect("a place");
    assert!(problems.to_string().len() < 4096, "the text shown is short");
    (only.code, place.line, place.column)
}

/// A mistake that is reported only by those who read on.
const LATER: &str = "\nlater: !unknown x\n";

fn folder(files: &[(&str, String)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// Code and message of the only problem of a file.
fn refused_file(path: PathBuf) -> (Code, String) {
    let problems = bounded(move || load_file(&path, Dialect::default())).expect_err("it is accepted");
    let [only] = problems.iter().collect::<Vec<_>>()[..] else { panic!("{problems}") };
    (only.code, only.message.clone())
}

#[test]
fn ten_megabytes_of_garbage() {
    let size = 10 << 20;
    let bytes: Vec<u8> =
        (0..size).map(|index: u32| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("garbage");
    std::fs::write(&path, bytes).unwrap();
    let (code, message) = refused_file(path);
    assert_eq!(code, codes::UNREADABLE);
    assert!(message.contains("UTF-8"), "{message}");
    let printable = |seed: usize| char::from(b'!' + u8::try_from(seed * 31 % 93).unwrap());
    let text: String = (0..10 << 20).map(|index: usize| printable(index / 7 + index % 11)).collect();
    assert_eq!(refused(text).1, 1);
    for character in ["[", "\"", "*", "%\n"] {
        assert!(load(character.repeat((10 << 20) / character.len())).is_err(), "{character:?}");
    }
}

#[test]
fn a_bomb_of_aliases() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let alias = format!("*a{}", level - 1);
        bomb += &format!("a{level}: &a{level} [{}]\n", vec![alias; 10].join(", "));
    }
    let (code, line, _) = refused(bomb + LATER);
    assert_eq!((code, line), (codes::TOO_LARGE, 6), "the sixth level has a million values");
    let text = "y".repeat(100_000);
    let (code, line, _) = refused(format!("a: &a {text}\nb: [{}]{LATER}", vec!["*a"; 10_000].join(", ")));
    assert_eq!((code, line), (codes::TOO_LARGE, 2));
}

#[test]
fn ten_thousand_levels_of_nesting() {
    let lines: String = (0..3000).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    assert_eq!(refused(lines), (codes::TOO_LARGE, MAX_DEPTH + 1, MAX_DEPTH + 1));
    for (opening, width) in [("- ", 2), ("? ", 2), ("[", 1), ("{a: ", 4), ("{", 1)] {
        let (code, line, column) = refused(opening.repeat(10_000));
        assert_eq!((code, line), (codes::TOO_LARGE, 1), "{opening}");
        // The parser itself counts brackets up to 255.
        assert!(column <= 256 * width, "{opening}: column {column}");
    }
    let closed = |depth: usize| format!("{}x{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(refused(closed(10_000) + LATER).0, codes::TOO_LARGE);
    assert!(load(closed(90)).is_ok());
}

#[test]
fn levels_that_aliases_hide() {
    let chain: String = (1..10_000).map(|n| format!("a{n}: &a{n} [*a{}]\n", n - 1)).collect();
    let (code, line, _) = refused(format!("a0: &a0 x\n{chain}{LATER}"));
    assert_eq!(code, codes::TOO_LARGE);
    assert!(line <= MAX_DEPTH + 1, "line {line}");
    let merges: String = (1..10_000).map(|n| format!("m{n}: &m{n} {{<<: *m{}, k{n}: 1}}\n", n - 1)).collect();
    let (code, line, _) = refused(format!("m0: &m0 {{a: 1}}\n{merges}{LATER}"));
    assert_eq!(code, codes::TOO_LARGE);
    assert!(line <= MAX_DEPTH + 1, "line {line}");
}

#[test]
fn bombs_of_merge_keys() {
    let keys: Vec<String> = (0..1000).map(|n| format!("k{n}: 1")).collect();
    let base = format!("m: &m {{{}}}\n", keys.join(", "));
    let list = format!("{base}x: {{<<: [{}]}}{LATER}", vec!["*m"; 100_000].join(", "));
    assert_eq!(refused(list).0, codes::TOO_LARGE);
    let many: String = (0..100_000).map(|n| format!("x{n}: {{<<: *m}}\n")).collect();
    let (code, line, _) = refused(format!("{base}{many}{LATER}"));
    assert_eq!(code, codes::TOO_LARGE);
    assert!(line < MAX_WEIGHT / 1000, "line {line}");
}

#[test]
fn a_million_keys() {
    let text: String = (0..1_000_000).map(|n| format!("k{n}: 1\n")).collect();
    let (code, line, _) = refused(text + LATER);
    assert_eq!((code, line), (codes::TOO_LARGE, MAX_WEIGHT / 2 + 1));
}

#[test]
fn a_collection_in_brackets_that_fills_memory_with_tokens() {
    for (begin, item, end) in [("[", "a,", "]"), ("{", "a: 1,", "}"), ("[", ",", "]"), ("[\n", "'a'\n", "]")]
    {
        let size = usize::try_from(MAX_FILE_BYTES).unwrap() - 64;
        let (code, _, column) = refused(format!("{begin}{}{end}", item.repeat(size / item.len())));
        assert_eq!(code, codes::TOO_LARGE, "{item}");
        assert!(column < size / 4, "{item}: column {column}");
    }
    let items = "a, ".repeat(100_000);
    assert!(load(format!("[{items}]")).is_ok());
    assert!(
        load(format!("a: |\n{}", "  {\"a\": [1, '2', *]}\n".repeat(50_000))).is_ok(),
        "text is no collection"
    );
}

#[test]
fn a_line_and_a_key_without_end() {
    let line = "b ".repeat(5 << 20);
    let infrastructure = format!("infra_name: {line}\n");
    let problems = bounded(move || {
        infrastructure_from_text("text", &infrastructure, Path::new(""), &Overrides::default()).unwrap_err()
    });
    assert!(problems.errors().any(|problem| problem.code == codes::BAD_NAME));
    let key = "k".repeat(1 << 20);
    for text in [format!("{key}: 1\n"), format!("\"{key}\": 1\n"), format!("- {key}: 1\n")] {
        let problems = load(text).unwrap_err();
        let shown = problems.to_string();
        assert!(shown.contains("longer than 1024 characters") && shown.len() < 4096, "{}", shown.len());
    }
}

#[test]
fn keys_that_are_lists_of_lists() {
    let nested = format!("? {}a{}\n: 1\n", "[".repeat(90), "]".repeat(90));
    assert_eq!(load(&nested).unwrap().as_map().map(<[_]>::len), Some(1));
    assert_eq!(refused(format!("{nested}{nested}")).0, codes::DUPLICATE_KEY);
    let apart = load("{[a, [b]]: 1, [[a], b]: 2, [a, b]: 3, ['1:s', a]: 4}").unwrap();
    assert_eq!(apart.as_map().map(<[_]>::len), Some(4));
}

#[test]
fn problems_without_end() {
    let problems = load("a: 1\n".repeat(100_000)).unwrap_err();
    let last = problems.iter().last().and_then(|problem| problem.location.clone()).unwrap();
    assert_eq!((problems.iter().count(), last.line), (100, 101));
    let problems = load("- !unknown x\n".repeat(100_000)).unwrap_err();
    assert_eq!(problems.iter().count(), 100);
}

#[test]
fn anchors_without_end() {
    let again = load("- &a 1\n- *a\n".repeat(50_000)).unwrap();
    assert_eq!(again.as_seq().map(<[_]>::len), Some(100_000));
    let names: String = (0..20_000).map(|n| format!("- &a{n} 1\n- *a{n}\n")).collect();
    assert_eq!(load(names).unwrap().as_seq().map(<[_]>::len), Some(40_000));
}

#[test]
fn numbers_without_end() {
    let digits = "9".repeat(1 << 20);
    let root =
        load(format!("[{digits}, 1.{digits}, 1e{digits}, -.{digits}, 0x{digits}, 1:{digits}]")).unwrap();
    assert_eq!(root.as_seq().map(<[_]>::len), Some(6));
}

#[test]
fn a_file_over_the_size_limit() {
    let size = usize::try_from(MAX_FILE_BYTES).unwrap() + 1;
    let main = "a: !text_import {url: file://big}\nb: !unknown x\n".to_owned();
    let folder = folder(&[("big", "#".repeat(size)), ("main.yaml", main)]);
    let (code, message) = refused_file(folder.path().join("big"));
    assert_eq!(code, codes::TOO_LARGE);
    assert!(message.contains("16 MiB"), "{message}");
    assert_eq!(refused_file(folder.path().join("main.yaml")).0, codes::TOO_LARGE);
    assert_eq!(refused_file("/dev/zero".into()).0, codes::TOO_LARGE, "it ends nowhere");
    let problems = load_text("text", &"#".repeat(size), Path::new(""), Dialect::default()).unwrap_err();
    assert_eq!(problems.iter().next().map(|problem| problem.code), Some(codes::TOO_LARGE));
}

#[test]
fn imports_of_what_is_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for target in [pipe.as_path(), Path::new("/dev/zero"), Path::new("/dev/stdin"), folder.path()] {
        for tag in ["!yaml_import", "!text_import"] {
            let text = format!("a: {tag} {{url: 'file://{}'}}\n", target.display());
            let (code, line, _) = refused(text);
            assert_eq!((code, line), (codes::BAD_IMPORT, 1), "{}", target.display());
        }
    }
}

fn import(file: &str) -> String {
    format!("a: !yaml_import {{url: file://{file}}}\n")
}

#[test]
fn files_that_import_themselves() {
    let alone = folder(&[("main.yaml", import("main.yaml"))]);
    let (code, message) = refused_file(alone.path().join("main.yaml"));
    assert_eq!(code, codes::BAD_IMPORT);
    assert!(message.contains("imports itself"), "{message}");
    let files = [("1.yaml", import("2.yaml")), ("2.yaml", import("3.yaml")), ("3.yaml", import("1.yaml"))];
    let circle = folder(&files);
    std::os::unix::fs::symlink(circle.path().join("1.yaml"), circle.path().join("link.yaml")).unwrap();
    for start in ["1.yaml", "link.yaml"] {
        let (code, message) = refused_file(circle.path().join(start));
        assert_eq!(code, codes::BAD_IMPORT);
        assert!(message.contains("1.yaml' imports itself"), "{message}");
    }
}

#[test]
fn chains_and_bombs_of_imports() {
    let names: Vec<String> = (0..30).map(|n| format!("{n}.yaml")).collect();
    let write = |text: &dyn Fn(&str) -> String| {
        let folder = tempfile::tempdir().unwrap();
        for pair in names.windows(2) {
            std::fs::write(folder.path().join(&pair[0]), text(&pair[1])).unwrap();
        }
        folder
    };
    let chain = write(&|next| import(next));
    let (code, message) = refused_file(chain.path().join("0.yaml"));
    assert_eq!(code, codes::BAD_IMPORT);
    assert!(message.contains("deeper than 16 files"), "{message}");
    // Each file twice the next: without a limit 2^15 files would be read.
    let bomb = write(&|next| import(next) + &import(next).replace("a:", "b:"));
    std::fs::write(bomb.path().join("15.yaml"), "x").unwrap();
    let (code, message) = refused_file(bomb.path().join("0.yaml"));
    assert_eq!(code, codes::TOO_LARGE);
    assert!(message.contains("more than 1000 files"), "{message}");
}
