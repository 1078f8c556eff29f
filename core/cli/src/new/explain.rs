//! `occopus explain`.

use occopus::Error;
use occopus::descriptor::explain::{self, Explanation};
use serde_json::{Value, json};

use super::Session;
use crate::DONE;
use crate::words::table;

pub(super) fn run(session: &Session, code: Option<&str>) -> Result<u8, Error> {
    let output = &session.output;
    let chosen = match code {
        Some(code) => vec![explain::explain(code).map_err(|error| Error::Usage(error.to_string()))?],
        None => explain::all().collect(),
    };
    if output.is_json() {
        chosen.iter().for_each(|page| output.json(&object(page)));
    } else if code.is_some() {
        chosen.iter().for_each(|page| output.result(&text(page)));
    } else {
        let rows = chosen.iter().map(|page| [page.code.id().to_owned(), page.code.title().to_owned()]);
        output.result(&table(&rows.collect::<Vec<_>>(), |_, _, cell| cell.to_owned()).join("\n"));
    }
    Ok(DONE)
}

fn object(page: &Explanation) -> Value {
    json!({
        "schema": 1,
        "code": page.code,
        "title": page.code.title(),
        "cause": page.cause,
        "example": page.example,
        "remedy": page.remedy,
    })
}

fn text(page: &Explanation) -> String {
    let Explanation { code, cause, example, remedy } = page;
    let [cause, example, remedy] = [cause, example, remedy].map(|part| plain(part));
    format!("{code}: {}\n\n{cause}\n\nExample\n\n{example}\n\nRemedy\n\n{remedy}", code.title())
}

/// Markdown for a terminal: code blocks are indented and begin with the name of their file.
fn plain(markdown: &str) -> String {
    let mut lines = Vec::new();
    let mut inside = false;
    for line in markdown.lines() {
        match line.strip_prefix("```") {
            Some(information) => {
                inside = !inside;
                let file = information.split(' ').find_map(|word| word.strip_prefix("file="));
                lines.extend(file.map(|file| format!("    # {file}")));
            }
            None if inside && !line.is_empty() => lines.push(format!("    {line}")),
            None => lines.push(line.to_owned()),
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_indented_below_the_name_of_its_file() {
        let markdown =
            "Use `max`.\n\n```yaml right file=infra.yaml\nnodes:\n\n  - {}\n```\n\n```text\nx\n```";
        let shown = "Use `max`.\n\n    # infra.yaml\n    nodes:\n\n      - {}\n\n    x";
        assert_eq!(plain(markdown), shown);
    }
}
