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
    let mut rest = source;
    while let Some((start, kind)) = next_tag(rest) {
        output.push_str(&rest[..start]);
        let tag = &rest[start..];
        let length = match kind {
            b'#' => tag.find("#}").map_or(tag.len(), |end| end + 2),
            b'%' if is_tag(tag, "raw") => raw_length(tag),
            close => tag_length(tag, close),
        };
        let (tag, after) = tag.split_at(length);
        if kind == b'#' || is_tag(tag, "raw") {
            output.push_str(tag);
        } else {
            name_in_tag(tag, &mut output);
        }
        rest = after;
    }
    output.push_str(rest);
    output
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
    let mut at = 0;
    while let Some(first) = tag[at..].chars().next() {
        let token = match first {
            '\'' | '"' => literal_length(&tag.as_bytes()[at..]),
            _ if is_word(first) => word_length(&tag[at..]),
            _ => first.len_utf8(),
        };
        let (token, after) = tag[at..].split_at(token);
        output.push_str(token);
        at += token.len();
        let is_attribute = tag[..at - token.len()].trim_end().ends_with('.');
        if ADDRESS_FUNCTIONS.contains(&token)
            && !is_attribute
            && let Some((call, name)) = bare_argument(after)
        {
            output.push_str(&format!("{}, {NAME_ARGUMENT}='{name}')", &call[..call.len() - 1]));
            at += call.len();
        }
    }
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
