//! The words of a command: a list, or a line that is split as a shell does, without running one.

use occopus_engine::handler::HandlerError;
use serde_json::Value;

/// A quote is not closed, or a backslash is the last character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
struct SplitError(&'static str);

/// The words of a `command`, which is text or a list of scalars; none if it is absent. `scalar` reads an
/// item, and `invalid` makes the handler's error of what is wrong.
pub(crate) fn of_command(
    value: Option<&Value>,
    scalar: impl Fn(&Value) -> Result<String, HandlerError>,
    invalid: impl Fn(String) -> HandlerError,
) -> Result<Vec<String>, HandlerError> {
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => items.iter().map(scalar).collect(),
        Some(Value::String(line)) => split(line).map_err(|error| {
            invalid(format!("'command' cannot be split into words: {error}; quote it as for a shell"))
        }),
        Some(_) => Err(invalid("'command' must be text or a list of words".to_owned())),
    }
}

/// Splits `line` by the rules of a POSIX shell: white space separates, single quotes keep everything,
/// double quotes keep everything but a backslash before `"` or `\`, a backslash elsewhere keeps the
/// next character. Nothing is expanded, and `#` starts no comment, as in Occopus 1.10.
fn split(line: &str) -> Result<Vec<String>, SplitError> {
    let mut words = Vec::new();
    // `None` between words: an empty pair of quotes is a word, white space is not.
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_ascii_whitespace() => words.extend(word.take()),
            '\'' => quoted(&mut chars, word.get_or_insert_default())?,
            '"' => double_quoted(&mut chars, word.get_or_insert_default())?,
            '\\' => {
                let next = chars.next().ok_or(SplitError("it ends with a backslash"))?;
                word.get_or_insert_default().push(next);
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

fn quoted(chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), SplitError> {
    for c in chars {
        match c {
            '\'' => return Ok(()),
            c => word.push(c),
        }
    }
    Err(SplitError("a single quote is not closed"))
}

fn double_quoted(chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), SplitError> {
    const OPEN: SplitError = SplitError("a double quote is not closed");
    loop {
        match chars.next().ok_or(OPEN)? {
            '"' => return Ok(()),
            '\\' => match chars.next().ok_or(OPEN)? {
                c @ ('"' | '\\') => word.push(c),
                c => word.extend(['\\', c]),
            },
            c => word.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_like_a_shell_without_expanding_anything() {
        let cases: &[(&str, &[&str])] = &[
            ("", &[]),
            ("  \t\n ", &[]),
            ("sh -c /root/start.sh", &["sh", "-c", "/root/start.sh"]),
            ("sh -c 'echo \"a b\"; sleep 1'", &["sh", "-c", "echo \"a b\"; sleep 1"]),
            (r#"echo "a \"b\" \\ \n" c\ d"#, &["echo", r#"a "b" \ \n"#, "c d"]),
            ("echo '' \"\"", &["echo", "", ""]),
            ("a'b'\"c\"d", &["abcd"]),
            ("echo # $HOME * `id`", &["echo", "#", "$HOME", "*", "`id`"]),
            ("echo größe", &["echo", "größe"]),
        ];
        for (line, words) in cases {
            assert_eq!(split(line).unwrap(), *words, "{line}");
        }
    }

    #[test]
    fn unfinished_quoting_is_an_error() {
        for line in ["echo 'a", "echo \"a", "echo \"a\\", "echo \\"] {
            assert!(split(line).is_err(), "{line}");
        }
    }
}
