//! A look at the source of a template before it is rendered.
//!
//! `getip(master)` without quotes passes an undefined value, which no longer knows its name. Users write
//! it nevertheless, so the name is handed over beside the value: `getip(master, _name='master')`.

/// Name of the hidden argument.
pub(crate) const NAME_ARGUMENT: &str = "_name";

/// The functions whose first argument is the name of a node.
pub(crate) const ADDRESS_FUNCTIONS: [&str; 4] = ["getip", "getprivip", "getipall", "find_node_id"];

/// `source` with the hidden argument added to every address function that is called with nothing but an
/// identifier. Text outside tags, comments and raw blocks stay untouched, and so does the number of lines.
pub(crate) fn name_arguments(source: &str) -> String {
    let mut output = String::with_capacity(source.len());
    let mut copied = 0;
    for (start, tag) in tags(source) {
        output.push_str(&source[copied..start]);
        name_in_tag(tag, &mut output);
        copied = start + tag.len();
    }
    output.push_str(&source[copied..]);
    output
}

/// The inverse of [`name_arguments`], for a part of its result.
pub(crate) fn without_names(named: &str) -> String {
    let hidden = format!(", {NAME_ARGUMENT}='");
    let mut parts = named.split(hidden.as_str());
    let mut output = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        output.push_str(part.split_once('\'').map_or("", |(_, after)| after));
    }
    output
}

/// What a name in an expression operates as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Filter,
    Test,
}

/// The use of a filter or a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Operator<'a> {
    pub(crate) kind: Kind,
    pub(crate) name: &'a str,
    /// First byte of the name.
    pub(crate) start: usize,
}

/// The filters and tests of `source` with names, in the order in which they stand there.
pub(crate) fn operators(source: &str) -> Vec<Operator<'_>> {
    let mut operators = Vec::new();
    for (start, tag) in tags(source) {
        let is_block = is_tag(tag, "filter");
        let (mut expects, mut previous) = (None, "");
        for (at, token) in tokens(tag) {
            let is_name = token.starts_with(|first: char| is_word(first) && !first.is_ascii_digit());
            match (expects, token) {
                (Some(Kind::Test), "not") => {}
                (None, "filter") if is_block && ["%", "-", "+"].contains(&previous) => {
                    expects = Some(Kind::Filter);
                }
                (Some(kind), name) if is_name => {
                    operators.push(Operator { kind, name, start: start + at });
                    expects = None;
                }
                (_, "|") => expects = Some(Kind::Filter),
                (_, "is") if previous != "." => expects = Some(Kind::Test),
                _ => expects = None,
            }
            previous = token;
        }
    }
    operators
}

/// The names that are called in `source` as functions, not as methods, filters or tests.
pub(crate) fn calls(source: &str) -> Vec<&str> {
    let operators = operators(source);
    let mut calls = Vec::new();
    for (start, tag) in tags(source) {
        let (mut name, mut previous) = (None, "");
        for (at, token) in tokens(tag) {
            if token == "(" {
                calls.extend(name.take());
            }
            let is_name = token.starts_with(|first: char| is_word(first) && !first.is_ascii_digit());
            let operates = operators.iter().any(|operator| operator.start == start + at);
            name = (is_name && previous != "." && !operates).then_some(token);
            previous = token;
        }
    }
    calls
}

/// The tags of `source` with their first byte; no comments, no raw blocks.
fn tags(source: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let (offset, kind) = next_tag(&source[from..])?;
            let start = from + offset;
            let tag = &source[start..];
            let is_raw = kind == b'%' && is_tag(tag, "raw");
            let length = match kind {
                b'#' => tag.find("#}").map_or(tag.len(), |end| end + 2),
                _ if is_raw => raw_length(tag),
                close => tag_length(tag, close),
            };
            from = start + length;
            if kind != b'#' && !is_raw {
                return Some((start, &tag[..length]));
            }
        }
    })
}

/// The words, string literals and other characters of a tag with their first byte; no blanks.
fn tokens(tag: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let start = from;
            let first = tag[start..].chars().next()?;
            from += match first {
                '\'' | '"' => literal_length(&tag.as_bytes()[start..]),
                _ if is_word(first) => word_length(&tag[start..]),
                _ => first.len_utf8(),
            };
            if !first.is_whitespace() {
                return Some((start, &tag[start..from]));
            }
        }
    })
}

/// Start of the next tag and the character that closes it together with `}`.
pub(crate) fn next_tag(text: &str) -> Option<(usize, u8)> {
    text.as_bytes().windows(2).enumerate().find_map(|(start, pair)| match pair {
        b"{{" => Some((start, b'}')),
        b"{%" => Some((start, b'%')),
        b"{#" => Some((start, b'#')),
        _ => None,
    })
}

/// Whether `tag` begins with a statement called `name`.
pub(crate) fn is_tag(tag: &str, name: &str) -> bool {
    tag.strip_prefix("{%").is_some_and(|body| {
        let body = body.trim_start_matches(['-', '+']).trim_start();
        body.strip_prefix(name).is_some_and(|after| !after.starts_with(is_word))
    })
}

/// Length of a raw block with both of its tags.
pub(crate) fn raw_length(tag: &str) -> usize {
    let mut start = 2;
    while let Some(offset) = tag[start..].find("{%") {
        start += offset;
        if is_tag(&tag[start..], "endraw") {
            return tag[start..].find("%}").map_or(tag.len(), |end| start + end + 2);
        }
        start += 2;
    }
    tag.len()
}

/// Length of a tag whose end is `close` and `}`; a string literal may hold the same characters.
pub(crate) fn tag_length(tag: &str, close: u8) -> usize {
    let bytes = tag.as_bytes();
    let mut at = 2;
    while at < bytes.len() {
        match bytes[at] {
            b'\'' | b'"' => at += literal_length(&bytes[at..]),
            byte if byte == close && bytes.get(at + 1) == Some(&b'}') => return at + 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Length of the string literal at the start of `bytes`, with its quotes.
pub(crate) fn literal_length(bytes: &[u8]) -> usize {
    let mut at = 1;
    while at < bytes.len() && bytes[at] != bytes[0] {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

fn name_in_tag(tag: &str, output: &mut String) {
    let (mut copied, mut previous) = (0, "");
    for (at, token) in tokens(tag) {
        let end = at + token.len();
        if ADDRESS_FUNCTIONS.contains(&token)
            && previous != "."
            && let Some((call, name)) = bare_argument(&tag[end..])
        {
            let close = end + call.len() - 1;
            output.push_str(&tag[copied..close]);
            output.push_str(&format!(", {NAME_ARGUMENT}='{name}'"));
            copied = close;
        }
        previous = token;
    }
    output.push_str(&tag[copied..]);
}

/// `(name)` at the start of `text`, and the name.
fn bare_argument(text: &str) -> Option<(&str, &str)> {
    let inner = text.trim_start().strip_prefix('(')?.trim_start();
    let (name, after) = inner.split_at(word_length(inner));
    let end = after.trim_start().strip_prefix(')')?;
    let is_identifier = name.starts_with(|first: char| is_word(first) && !first.is_ascii_digit());
    is_identifier.then(|| (&text[..text.len() - end.len()], name))
}

pub(crate) fn word_length(text: &str) -> usize {
    text.find(|character| !is_word(character)).unwrap_or(text.len())
}

pub(crate) fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_identifier_is_named() {
        assert_eq!(name_arguments("a {{ getip(master) }}\n"), "a {{ getip(master, _name='master') }}\n");
        assert_eq!(name_arguments("{{getipall( m )|join}}"), "{{getipall( m , _name='m')|join}}");
        assert_eq!(
            name_arguments("{% for i in getipall(db) %}{{ i }}{% endfor %}"),
            "{% for i in getipall(db, _name='db') %}{{ i }}{% endfor %}"
        );
    }

    #[test]
    fn names_are_taken_out_again() {
        for source in ["{{ getip(master) }} {{ getipall( db )|first }}", "{{ x }}", ""] {
            assert_eq!(without_names(&name_arguments(source)), source);
        }
        assert_eq!(without_names("{{ getip(a, _name='a"), "{{ getip(a");
    }

    #[test]
    fn filters_and_tests_are_found_by_name() {
        let found =
            |source| operators(source).iter().map(|o| (o.kind, o.name.to_owned())).collect::<Vec<_>>();
        let (filter, test) = (Kind::Filter, Kind::Test);
        assert_eq!(
            found("{{ a|upper | join('|lower') }}{% if x is not defined and y is even %}"),
            [
                (filter, "upper".to_owned()),
                (filter, "join".to_owned()),
                (test, "defined".to_owned()),
                (test, "even".to_owned())
            ]
        );
        assert_eq!(
            found("{% filter upper|trim %}"),
            [(filter, "upper".to_owned()), (filter, "trim".to_owned())]
        );
        assert_eq!(found("{%- filter filter %}").len(), 1);
        for none in [
            "a|b is c",
            "{# a|b #}",
            "{% raw %}{{ a|b }}{% endraw %}",
            "{{ v.is }}",
            "{{ 'a is b' }}",
            "{{ 1 | 2 }}",
        ] {
            assert_eq!(found(none), [], "{none}");
        }
        let [one] = operators("ü {{ a|b }}").try_into().unwrap();
        assert_eq!(one.start, "ü {{ a|".len());
    }

    #[test]
    fn only_functions_are_calls() {
        assert_eq!(calls("f(a) {{ g (1) + x.m(2)|h(3) }}{% if k() is t(4) %}{{ 'n()' }}"), ["g", "k"]);
    }

    #[test]
    fn everything_else_stays() {
        for source in [
            "getip(master)",
            "{{ getip('master') }}",
            "{{ getip(variables.node) }}",
            "{{ getip(1) }} {{ getip() }}",
            "{{ x.getip(master) }}",
            "{{ 'getip(master)' }} {{ \"a }} getip(b)\" }}",
            "{# getip(master) #}",
            "{% raw %}{{ getip(master) }}{% endraw %}",
            "{%- raw -%}{% x %}{{ getip(master) }}{%- endraw -%}",
            "{{ getip(master",
            "{{ 'open",
            "ü {{ ü }} {",
        ] {
            assert_eq!(name_arguments(source), source);
        }
    }

    #[test]
    fn text_after_a_raw_block_is_read_again() {
        assert_eq!(
            name_arguments("{% raw %}getip(a){% endraw %}{{ getip(b) }}"),
            "{% raw %}getip(a){% endraw %}{{ getip(b, _name='b') }}"
        );
    }
}
