//! What templates ask for, told without rendering them: for the lints of descriptors.

use std::ops::Range;

use occopus_descriptor::lint::{Flaw, LookUp, NodeArgument, TemplateScanner, Use, Uses};
use occopus_descriptor::model::Implementation;

use crate::Templates;
use crate::functions::is_function;
use crate::scan::{
    ADDRESS_FUNCTIONS, is_tag, is_word, literal_length, next_tag, raw_length, tag_length, word_length,
};

/// Words of the language inside expressions and statements.
const KEYWORDS: [&str; 22] = [
    "and",
    "or",
    "not",
    "in",
    "is",
    "if",
    "else",
    "recursive",
    "as",
    "with",
    "without",
    "context",
    "ignore",
    "missing",
    "scoped",
    "true",
    "True",
    "false",
    "False",
    "none",
    "None",
    "required",
];
/// Names that the language defines.
const GLOBALS: [&str; 12] = [
    "range",
    "dict",
    "lipsum",
    "cycler",
    "joiner",
    "namespace",
    "loop",
    "caller",
    "self",
    "super",
    "varargs",
    "kwargs",
];

impl TemplateScanner for Templates {
    fn uses(&self, text: &str) -> Uses {
        let mut uses = Uses::default();
        let mut at = 0;
        while let Some((start, kind)) = next_tag(&text[at..]) {
            let start = at + start;
            let tag = &text[start..];
            let raw = kind == b'%' && is_tag(tag, "raw");
            let length = match kind {
                b'#' => tag.find("#}").map_or(tag.len(), |end| end + 2),
                b'%' if raw => raw_length(tag),
                close => tag_length(tag, close),
            };
            if kind != b'#' && !raw {
                Tag::new(&tag[..length], start, kind == b'%').read(&mut uses);
            }
            at = start + length;
        }
        uses
    }

    fn flaws(&self, implementation: &Implementation) -> Vec<Flaw> {
        Self::flaws(self, implementation)
    }
}

/// A part of a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'t> {
    Word(&'t str),
    Number,
    Literal(&'t str),
    Sign(char),
}

/// The tokens of one tag with their places in the whole text.
struct Tag<'t> {
    tokens: Vec<(Token<'t>, Range<usize>)>,
    /// Whether what is read here may well be absent.
    guarded: bool,
    /// Position of the first token that may read something.
    first: usize,
    statement: &'t str,
}

/// A name with what follows it: attributes and literal subscripts.
struct Chain {
    path: Vec<String>,
    /// Position of the token behind it.
    end: usize,
    /// Whether it goes on in a way that is only known when it is rendered.
    open: bool,
    /// Whether it ended in `get('…')`, which provides for absence.
    optional: bool,
}

impl<'t> Tag<'t> {
    /// The tag `text`, which begins at `offset` of the whole text.
    fn new(text: &'t str, offset: usize, is_statement: bool) -> Self {
        let end = text.len().saturating_sub(2).max(2);
        let inner = text.get(2..end).unwrap_or_default();
        let tokens = tokens(inner, offset + 2);
        let first = tokens.iter().position(|(token, _)| matches!(token, Token::Word(_)));
        let statement = match first.filter(|_| is_statement).map(|first| tokens[first].0) {
            Some(Token::Word(word)) => word,
            _ => "",
        };
        let filter = |pair: &[(Token<'_>, Range<usize>)]| {
            pair[0].0 == Token::Sign('|') && matches!(pair[1].0, Token::Word("default" | "d"))
        };
        let guards =
            |token: &Token<'_>| matches!(token, Token::Word("if" | "elif" | "defined" | "undefined"));
        let guarded = tokens.windows(2).any(filter) || tokens.iter().any(|(token, _)| guards(token));
        let first = if is_statement { first.map_or(tokens.len(), |first| first + 1) } else { 0 };
        Self { tokens, guarded, first, statement }
    }

    fn token(&self, position: usize) -> Option<Token<'t>> {
        self.tokens.get(position).map(|(token, _)| *token)
    }

    fn read(&self, uses: &mut Uses) {
        let from = match self.statement {
            "block" | "endblock" | "endmacro" | "endcall" | "import" | "include" | "from" | "extends" => {
                return;
            }
            "filter" => self.first + 1,
            _ => self.first,
        };
        let targets = self.targets();
        uses.defined.extend(targets.iter().filter_map(|position| match self.token(*position) {
            Some(Token::Word(word)) => Some(word.to_owned()),
            _ => None,
        }));
        let mut position = from;
        while position < self.tokens.len() {
            position = match self.token(position) {
                Some(Token::Word(word)) if !targets.contains(&position) && self.reads(position, word) => {
                    self.name(position, word, uses)
                }
                _ => position + 1,
            };
        }
    }

    /// Positions of the names that a statement defines.
    fn targets(&self) -> Vec<usize> {
        let is_equals = |position: usize| self.token(position) == Some(Token::Sign('='));
        let position_of =
            |wanted: Token<'_>| (self.first..self.tokens.len()).find(|at| self.token(*at) == Some(wanted));
        let all = || self.first..self.tokens.len();
        let range = match self.statement {
            "for" => self.first..position_of(Token::Word("in")).unwrap_or(self.tokens.len()),
            "set" => self.first..position_of(Token::Sign('=')).unwrap_or(self.tokens.len()),
            "macro" => all(),
            "call" if self.token(self.first) == Some(Token::Sign('(')) => {
                self.first..position_of(Token::Sign(')')).unwrap_or(self.tokens.len())
            }
            "with" => return all().filter(|at| is_equals(at + 1)).collect(),
            _ => return Vec::new(),
        };
        range.filter(|at| matches!(self.token(*at), Some(Token::Word(_)))).collect()
    }

    /// Whether the word at `position` is the name of something that is read.
    fn reads(&self, position: usize, word: &str) -> bool {
        let before = |distance: usize| position.checked_sub(distance).and_then(|at| self.token(at));
        let is_test = before(1) == Some(Token::Word("is"))
            || before(1) == Some(Token::Word("not")) && before(2) == Some(Token::Word("is"));
        let is_argument_name = self.token(position + 1) == Some(Token::Sign('='))
            && self.token(position + 2) != Some(Token::Sign('='));
        !KEYWORDS.contains(&word)
            && !is_test
            && !is_argument_name
            && !matches!(before(1), Some(Token::Sign('.' | '|')))
    }

    /// Records the name at `position`; gives the position to go on from.
    fn name(&self, position: usize, word: &str, uses: &mut Uses) -> usize {
        if ADDRESS_FUNCTIONS.contains(&word) && self.token(position + 1) == Some(Token::Sign('(')) {
            return self.look_up(position, word, uses);
        }
        let chain = self.chain(position + 1);
        let at = self.tokens[position].1.start..self.tokens[chain.end - 1].1.end;
        let guarded = self.guarded || chain.optional;
        if word != "variables" {
            if !GLOBALS.contains(&word) && !is_function(word) {
                uses.names.push(Use {
                    path: vec![word.to_owned()],
                    at: self.tokens[position].1.clone(),
                    guarded,
                });
            }
        } else if chain.path.is_empty() {
            uses.all_variables = true;
        } else {
            uses.variables.push(Use { path: chain.path, at, guarded });
        }
        chain.end
    }

    /// What follows a name, from the token at `position` on.
    fn chain(&self, position: usize) -> Chain {
        let mut chain = Chain { path: Vec::new(), end: position, open: false, optional: false };
        loop {
            let next = |distance: usize| self.token(chain.end + distance);
            match (next(0), next(1), next(2), next(3)) {
                (
                    Some(Token::Sign('.')),
                    Some(Token::Word("get")),
                    Some(Token::Sign('(')),
                    Some(Token::Literal(key)),
                ) => {
                    chain.path.push(key.to_owned());
                    chain.end += 4;
                    (chain.open, chain.optional) = (true, true);
                    return chain;
                }
                // A method is no part of the path.
                (Some(Token::Sign('.')), Some(Token::Word(_)), Some(Token::Sign('(')), _) => {
                    chain.open = true;
                    return chain;
                }
                (Some(Token::Sign('.')), Some(Token::Word(name)), ..) => {
                    chain.path.push(name.to_owned());
                    chain.end += 2;
                }
                (Some(Token::Sign('[')), Some(Token::Literal(name)), Some(Token::Sign(']')), _) => {
                    chain.path.push(name.to_owned());
                    chain.end += 3;
                }
                (Some(Token::Sign('[' | '(' | '.')), ..) => {
                    chain.open = true;
                    return chain;
                }
                _ => return chain,
            }
        }
    }

    /// Records a call of an address function; its argument is read as any other, unless it is bare.
    fn look_up(&self, position: usize, function: &str, uses: &mut Uses) -> usize {
        let argument = position + 2;
        let ends = |at: usize| matches!(self.token(at), Some(Token::Sign(')' | ',')));
        let (node, end) = match self.token(argument) {
            Some(Token::Literal(name)) if ends(argument + 1) => {
                (NodeArgument::Literal(name.to_owned()), argument + 1)
            }
            Some(Token::Word("variables")) => {
                let chain = self.chain(argument + 1);
                if chain.open || chain.path.is_empty() || !ends(chain.end) {
                    return argument;
                }
                (NodeArgument::Variable(chain.path), chain.end)
            }
            Some(Token::Word(name)) if ends(argument + 1) && !KEYWORDS.contains(&name) => {
                (NodeArgument::Bare(name.to_owned()), argument + 1)
            }
            _ => return argument,
        };
        // The closing bracket belongs to what is marked, further arguments do not.
        let closing = if self.token(end) == Some(Token::Sign(')')) { end } else { end - 1 };
        let at = self.tokens[position].1.start..self.tokens[closing].1.end;
        let is_variable = matches!(node, NodeArgument::Variable(_));
        uses.nodes.push(LookUp { function: function.to_owned(), node, at });
        if is_variable { argument } else { end }
    }
}

fn tokens(text: &str, offset: usize) -> Vec<(Token<'_>, Range<usize>)> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let (token, length) = match first {
            '\'' | '"' => {
                let length = literal_length(rest.as_bytes());
                let inner = rest.get(1..length.saturating_sub(1).max(1)).unwrap_or_default();
                (Some(Token::Literal(inner)), length)
            }
            _ if is_word(first) => {
                let length = word_length(rest);
                let token = if first.is_ascii_digit() { Token::Number } else { Token::Word(&rest[..length]) };
                (Some(token), length)
            }
            _ if first.is_whitespace() => (None, first.len_utf8()),
            _ => (Some(Token::Sign(first)), first.len_utf8()),
        };
        tokens.extend(token.map(|token| (token, offset + at..offset + at + length)));
        at += length;
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses(text: &str) -> Uses {
        Templates::new().uses(text)
    }

    /// The paths of the variables and whether they are guarded.
    fn variables(text: &str) -> Vec<(String, bool)> {
        uses(text).variables.into_iter().map(|read| (read.path.join("."), read.guarded)).collect()
    }

    fn names(text: &str) -> Vec<String> {
        uses(text).names.into_iter().map(|read| read.path.concat()).collect()
    }

    #[test]
    fn variables_are_told_by_path_and_place() {
        let text = "a {{ variables.app.in }} {{variables['x y'].z|upper}}";
        let found = uses(text);
        let shown: Vec<_> =
            found.variables.iter().map(|read| (&text[read.at.clone()], read.path.join("/"))).collect();
        let expected = [("variables.app.in", "app/in"), ("variables['x y'].z", "x y/z")];
        assert!(shown.iter().map(|(at, path)| (*at, path.as_str())).eq(expected), "{shown:?}");
        assert!(!found.all_variables);
    }

    #[test]
    fn methods_and_subscripts_end_a_path() {
        assert_eq!(variables("{{ variables.x.split(',')[0] }}"), [("x".to_owned(), false)]);
        assert_eq!(variables("{{ variables.l[0].name }}"), [("l".to_owned(), false)]);
        assert_eq!(variables("{{ variables.get('x') }}"), [("x".to_owned(), true)]);
    }

    #[test]
    fn what_hands_all_variables_on_is_seen() {
        for text in [
            "{{ variables }}",
            "{% set v = variables %}",
            "{% for k, v in variables.items() %}{% endfor %}",
            "{{ variables[name] }}",
            "{{ f(variables) }}",
        ] {
            assert!(uses(text).all_variables, "{text}");
        }
    }

    #[test]
    fn guards_are_seen() {
        for text in [
            "{{ variables.x | default('y') }}",
            "{% if variables.x %}{% endif %}",
            "{% if variables.x is not defined %}{% endif %}",
            "{{ variables.x if variables.y else 'z' }}",
        ] {
            assert!(variables(text).iter().all(|(_, guarded)| *guarded), "{text}");
        }
        assert_eq!(variables("{{ variables.default }}"), [("default".to_owned(), false)]);
    }

    #[test]
    fn other_names_are_those_that_are_read() {
        assert_eq!(names("{{ message }} {{ cut(infra_id, 0, 7) }}"), ["message", "infra_id"]);
        assert_eq!(names("{{ a.b.c }} {{ 'd' }} {{ x|join(sep) }} {{ y is odd }}"), ["a", "x", "sep", "y"]);
        let text = "{% for k, v in x.items() %}{{ k }}{% endfor %}{% set s = 1 %}{% macro m(p, q=1) %}{% endmacro %}";
        assert_eq!(names(text), ["x", "k"]);
        assert_eq!(uses(text).defined, ["k", "v", "s", "m", "p", "q"]);
        assert!(names("{{ range(3) }} {{ loop.index }} {{ true and none }}").is_empty());
        assert!(names("{# a #}{% raw %}{{ b }}{% endraw %} {{ dict(c=1) }}").is_empty());
    }

    #[test]
    fn look_ups_tell_how_the_node_is_named() {
        let text = "{{ getip('a') }}{{ getipall(variables.peer) }}{{ getprivip(b) }}{{ find_node_id('c', allnodes=True) }}";
        let found = uses(text);
        let nodes: Vec<_> = found.nodes.iter().map(|asked| asked.node.clone()).collect();
        let expected = [
            NodeArgument::Literal("a".to_owned()),
            NodeArgument::Variable(vec!["peer".to_owned()]),
            NodeArgument::Bare("b".to_owned()),
            NodeArgument::Literal("c".to_owned()),
        ];
        assert_eq!(nodes, expected);
        assert_eq!(&text[found.nodes[0].at.clone()], "getip('a')");
        assert_eq!(found.variables.len(), 1, "the argument is read");
        assert!(found.names.is_empty());
        let other = uses("{{ getip(item.node) }} {{ getip('a' ~ b) }} {{ x.getip('c') }} getip('d')");
        assert!(other.nodes.is_empty());
    }

    #[test]
    fn broken_templates_are_read_as_far_as_they_go() {
        for text in
            ["{{", "{{ variables.", "{% for", "{{ getip(", "{{ 'x", "{%%}", "{{}}", "{%-", "{{ ü.ö }} {"]
        {
            let _ = uses(text);
        }
    }
}
