//! Loads, checks and orders the infrastructure description in a file, and prints what it found and the
//! memory it took: the work that `benches/descriptor.py` measures.
//!
//! `load FILE` does all of it; `load --events FILE` only runs the YAML parser below, for comparison.

#![allow(clippy::print_stdout)]

use std::path::Path;
use std::process::ExitCode;

use occopus_descriptor::{Overrides, levels, load_infrastructure};
use saphyr_parser::Parser;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--events", path] => events(Path::new(path)),
        [path] => load(Path::new(path)),
        _ => Err("usage: load [--events] FILE".to_owned()),
    };
    match outcome {
        Ok(found) => println!("{found}"),
        Err(problem) => println!("{problem}"),
    }
    ExitCode::SUCCESS
}

fn load(path: &Path) -> Result<String, String> {
    let (infrastructure, _) =
        load_infrastructure(path, &Overrides::default()).map_err(|problems| problems.to_string())?;
    let levels = levels(&infrastructure);
    let (nodes, edges) = (infrastructure.nodes.len(), infrastructure.dependencies.len());
    Ok(format!("{nodes} nodes, {edges} dependencies, {} levels, peak memory {} kB", levels.len(), peak()))
}

/// The largest amount of memory this process had at once, in kB; 0 where the system does not tell.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn events(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let mut count = 0_usize;
    for event in Parser::new_from_str(&text) {
        event.map_err(|error| error.to_string())?;
        count += 1;
    }
    Ok(format!("{count} events"))
}
