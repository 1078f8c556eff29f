//! Configuration files: the one that came with Occopus 1.10, and what its logging section means.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test fails")]

use std::path::{Path, PathBuf};

use occopus_descriptor::Diagnostics;
use occopus_descriptor::configuration::{Configuration, Level, Logging, Target};

fn load(text: &str) -> Result<(Configuration, Diagnostics), Diagnostics> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("occopus_config.yaml");
    std::fs::write(&path, text).unwrap();
    Configuration::load(&path)
}

/// The logging section with the lines `text`, and the texts of the warnings.
fn logging(text: &str) -> (Logging, Vec<String>) {
    let section: String = text.lines().map(|line| format!("  {line}\n")).collect();
    let (configuration, warnings) =
        load(&format!("logging:\n  version: 1\n{section}")).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(warnings.iter().all(|warning| warning.location.is_some()));
    (configuration.logging.unwrap(), warnings.iter().map(|warning| warning.message.clone()).collect())
}

#[test]
fn the_shipped_configuration_is_accepted_unchanged() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/occopus_config.yaml");
    let (configuration, warnings) =
        Configuration::load(&path).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(warnings.is_empty(), "{warnings}");
    let redis = configuration.redis.unwrap();
    assert_eq!((redis.host.as_str(), redis.port, redis.db), ("localhost", 6379, 0));
    assert_eq!(redis.altdbs, [("node_def".to_owned(), 1), ("infra".to_owned(), 10)]);
    assert_eq!(configuration.rest, Some(("127.0.0.1".to_owned(), 5000)));
    assert!(!configuration.dry_run);
    assert!(configuration.plugins.is_empty());
    let logging = configuration.logging.unwrap();
    let routes = |name: &str, level| logging.route(name, level);
    assert_eq!(routes("occo", Level::INFO), ["console", "file"]);
    assert_eq!(routes("occo.upkeep", Level::DEBUG), ["file"]);
    assert_eq!(routes("occo.eventlog", Level::INFO), ["events"]);
    assert_eq!(routes("occo.data.node", Level::DEBUG), ["datafile"]);
    assert_eq!(routes("occo.util", Level::DEBUG), [""; 0]);
    assert_eq!(routes("occo.utility", Level::DEBUG), ["file"], "a name is no prefix");
    assert_eq!(routes("pika.adapters", Level::WARNING), [""; 0]);
    assert_eq!(routes("other", Level::DEBUG), ["file"]);
    let file = |name: &str| Target::File { path: PathBuf::from(name), append: false };
    assert_eq!(logging.handlers["events"].target, file("occopus-events.log"));
    assert_eq!(logging.handlers["console"].target, Target::Stdout);
}

#[test]
fn records_pass_loggers_and_handlers_as_in_python() {
    let (logging, warnings) = logging(
        "handlers:
  err: {class: logging.StreamHandler, level: ERROR}
  all: {class: logging.FileHandler, filename: all.log}
  none: {class: logging.NullHandler}
root: {handlers: [all]}
loggers:
  a: {level: 15, handlers: [err, all]}
  a.b: {level: NOTSET, propagate: true, handlers: [none]}
",
    );
    assert_eq!(warnings, [""; 0]);
    assert_eq!(logging.handlers["err"].target, Target::Stderr);
    assert_eq!(logging.handlers["all"].target, Target::File { path: "all.log".into(), append: true });
    assert_eq!(logging.route("a.b.c", Level(15)), ["none", "all"]);
    assert_eq!(logging.route("a.b.c", Level::CRITICAL), ["none", "err", "all"]);
    assert_eq!(logging.route("a", Level::DEBUG), [""; 0]);
    assert_eq!(logging.route("z", Level::INFO), [""; 0], "root is at WARNING unless told otherwise");
    assert_eq!(logging.route("z", Level::WARNING), ["all"]);
}

#[test]
fn what_cannot_be_used_is_a_warning_with_its_place() {
    for (text, expected) in [
        (
            "handlers: {h: {class: logging.handlers.SysLogHandler}}",
            "handler class 'logging.handlers.SysLogHandler'",
        ),
        ("handlers: {h: {level: INFO}}", "without class"),
        ("handlers: {h: {class: logging.FileHandler}}", "without filename"),
        ("handlers: {h: {class: logging.StreamHandler, formatter: f}}", "formatter of 'h' 'f' is not usable"),
        ("handlers: {h: {class: logging.StreamHandler, level: LOUD}}", "'level' should be"),
        ("formatters: {f: {format: '%(massage)s'}}", "no attribute 'massage'"),
        ("root: {handlers: [h]}", "handler 'h' is not usable"),
        ("loggers: {occo: {handlers: [h]}}", "handler 'h' is not usable"),
        ("loggers: [occo]", "'loggers' should be a mapping"),
    ] {
        let (_, warnings) = logging(text);
        assert!(warnings.iter().any(|warning| warning.contains(expected)), "{text}: {warnings:?}");
    }
    assert!(load("logging: all").is_err());
    assert_eq!(load("logging:").unwrap().0.logging, None);
}
