//! Whatever a template says, rendering ends, and its work, memory and output are bounded.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::sync::mpsc;
use std::time::Duration;

use common::Bench;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Longer than any rendering takes on a slow machine: whoever needs it hangs.
const WATCHDOG: Duration = Duration::from_secs(60);
/// The most that a rendering can give, in bytes: two values of 1 MiB and what stands around them.
const MOST: usize = (2 << 20) + 1024;

fn variables() -> Value {
    json!({
        "n": 5, "big": u64::MAX, "low": i64::MIN, "b": true, "f": 3.2, "inf": 1e308, "l": ["a", 1, null], "e": "",
        "m": {"k": "v", "x": {"y": [1]}}, "s": "Hello, Wörld \u{1f600}\n{{ variables.n }}", "none": null
    })
}

/// The template as a text, and as part of a mapping.
fn both(template: &str) -> [Value; 2] {
    [json!(template), json!({"k": template, "l": [template]})]
}

/// Renders `context` and gives the size of the user data, or the error. It must neither hang nor panic.
fn bounded(context: Value) -> Result<usize, String> {
    let shown = context.to_string();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let rendered = Bench::context(variables(), context).render();
        let size = rendered.map(|rendered| rendered.context.unwrap_or_default().len());
        sender.send(size.map_err(|error| error.to_string()))
    });
    receiver.recv_timeout(WATCHDOG).unwrap_or_else(|_| panic!("it hangs or panics: {shown:.200}"))
}

/// Templates that grow, repeat or nest without end.
const BOMBS: &[&str] = &[
    "{{ 'a' * 1000000000 }}",
    "{{ 'a' * 10**9 }}",
    "{{ 'a' * 10**18 }}",
    "{{ [0] * 10**9 }}",
    "{{ ([0] * 10**9)|length }}",
    "{{ 10**10**10 }}",
    "{{ 2**100000000 }}",
    "{{ range(1000000000)|list|length }}",
    "{{ range(1000000000)|join }}",
    "{% for i in range(1000000000) %}{% endfor %}",
    "{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}",
    "{% for i in range(90000) %}{{ 'x' * 10000 }}{% endfor %}",
    "{% set x = 'x' * 100000 %}{% for i in range(9000) %}{{ x }}{% endfor %}",
    "{% macro m(n) %}{{ m(n) }}{% endmacro %}{{ m(1) }}",
    "{% macro m(n) %}{{ m(n + 1) }}{{ m(n + 1) }}{% endmacro %}{{ m(1) }}",
    "{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}{% call m() %}{{ m() }}{% endcall %}{% endcall %}",
    "{% for x in [[[1]]] recursive %}{{ loop(x) }}{{ loop(x) }}{% endfor %}",
    "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}",
    "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s|length }}",
    "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s * 10 %}{% endfor %}{{ ns.s|length }}",
    "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s.replace('x', 'xx') %}{% endfor %}{{ ns.s|length }}",
    "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s|replace('x', 'xxxxx') %}{% endfor %}",
    "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s.join(ns.s) %}{% endfor %}{{ ns.s|length }}",
    "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = [ns.s, ns.s]|join %}{% endfor %}",
    "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = '%s%s'|format(ns.s, ns.s) %}{% endfor %}",
    "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = '%s%s' % (ns.s, ns.s) %}{% endfor %}",
    "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = '{}{}'.format(ns.s, ns.s) %}{% endfor %}",
    "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s %}{{ ns.s }}{{ ns.s }}{% endset %}{% endfor %}",
    "{% set ns = namespace(s=[1]) %}{% for i in range(60) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
    "{% set ns = namespace(s=[1]) %}{% for i in range(60) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s|tojson }}",
    "{% set ns = namespace(s=[1]) %}{% for i in range(60) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s == ns.s }}",
    "{% set ns = namespace(s=[1]) %}{% for i in range(60) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s|string|length }}",
    "{% set ns = namespace(s=[1]) %}{% for i in range(20000) %}{% set ns.s = [ns.s] %}{% endfor %}{{ ns.s }}",
    "{% set ns = namespace(s=[1]) %}{% for i in range(20000) %}{% set ns.s = [ns.s] %}{% endfor %}{{ ns.s == [1] }}",
    "{% set ns = namespace(s=[1]) %}{% for i in range(20000) %}{% set ns.s = [ns.s] %}{% endfor %}{{ ns.s|tojson }}",
    "{% set ns = namespace(s='x') %}{% for i in range(100000) %}{% set ns.s = ns.s ~ 'x' %}{% endfor %}{{ ns.s|length }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ '%1000000000s'|format('a') }}",
    "{{ '%.1000000000f' % 1.5 }}",
    "{{ '{:1000000000}'.format(1) }}",
    "{{ '{:>1000000000}'.format('a') }}",
    "{{ '{:.1000000000f}'.format(1.5) }}",
    "{{ '%.1000000000f'|format(1.5) }}",
    "{{ '%*d'|format(1000000000, 1) }}",
    "{{ '{:{}}'.format(1, 1000000000) }}",
    "{{ ('{0}' * 100000).format('x' * 100000)|length }}",
    "{{ ('%(a)s' * 100000)|format(a='x' * 100000)|length }}",
    "{{ 'a'|center(1000000000) }}",
    "{{ 'a'.center(1000000000) }}{{ 'a'.ljust(10**12) }}{{ 'a'.rjust(10**12) }}{{ 'a'.zfill(10**12) }}",
    "{{ ('a\\n' * 10000)|indent(1000000) }}",
    "{{ 'a\\nb'|indent(1000000000) }}",
    "{{ ('a ' * 100000)|wordwrap(1, wrapstring='x' * 100000) }}",
    "{{ 'a'.expandtabs(1000000000) }}{{ '\\t'.expandtabs(1000000000) }}",
    "{{ ('ab' * 100000).replace('', 'x' * 100000)|length }}",
    "{{ (('ab' * 100000).replace('a', 'x' * 100000))|length }}",
    "{{ ('x' * 100000)|replace('', 'y' * 100000)|length }}",
    "{{ range(100000)|join('x' * 100000)|length }}",
    "{{ ('x' * 100000).join(['a'] * 100000)|length }}",
    "{{ range(99999)|batch(1)|list|length }}{{ [1]|batch(1000000000, 0)|list|length }}",
    "{{ [1]|slice(1000000000)|list|length }}{{ [1]|batch(10**12, 'x')|list }}",
    "{{ cut('abc', 9223372036854775807, -9223372036854775807) }}",
    "{{ 'abc'|cut(-10**18, 10**18) }}{{ cut('abc', 1, 2) }}",
    "{{ 'abc'[-10**18:10**18:10**18] }}{{ 'abc'[::-1][::0] }}",
    "{{ 1 // 0 }}{{ 1 % 0 }}{{ variables.low // -1 }}{{ -variables.low }}{{ variables.low|abs }}",
    "{{ variables.big * variables.big * variables.big * variables.big }}{{ variables.big ** 99 }}",
    "{{ 1.5|round(1000000000) }}{{ 1.5|round(-1000000000) }}",
    "{{ lipsum(1000000000) }}",
    "{{ ('a' * 100000)|urlencode|urlencode|urlencode|length }}",
    "{{ ('&' * 100000)|e|e|e|e|length }}{{ ('<' * 100000)|forceescape|forceescape }}",
    "{{ ('a' * 200000)|list|tojson }}",
    "{{ (('a' * 1000) ~ ',') * 1000 }}",
    "{{ dict(a='x' * 100000)|xmlattr }}{{ variables|pprint }}",
    "{{ ('a' * 100000)|b64encode|b64encode|b64encode|length }}",
    "{% for i in range(30000) %}{% set x = ('ab' * 30000).replace('a', 'b') %}{% endfor %}",
    "{% for i in range(30000) %}{% set x = ('ab' * 30000).upper() %}{% endfor %}",
    "{% for i in range(30000) %}{% set x = range(90000)|list %}{% endfor %}",
    "{% for i in range(30000) %}{% set x = range(90000)|sum %}{% endfor %}",
    "{% for i in range(30000) %}{% set x = range(90000)|sort %}{% endfor %}",
    "{% for i in range(30000) %}{% set x = -1 in range(90000) %}{% endfor %}",
    "{% for i in range(30000) %}{% set x = 'c' in 'ab' * 90000 %}{% endfor %}",
    "{% for i in range(30000) %}{% set x = ('ab' * 90000)|length %}{% endfor %}",
];

#[test]
fn bombs_go_off_without_harm() {
    for bomb in BOMBS {
        let size = bounded(json!(bomb)).unwrap_or_default();
        assert!(size <= MOST, "{bomb}");
    }
}

#[test]
fn a_result_over_the_limit_is_an_error_that_says_so() {
    let text = bounded(json!("{% for i in range(100) %}{{ 'x' * 20000 }}{% endfor %}"));
    assert!(text.unwrap_err().contains("the result is larger than"));
    let replaced = bounded(json!("{{ ('ab' * 100000).replace('a', 'x' * 100000)|length }}"));
    assert!(replaced.unwrap_err().contains("replace() would give more than 16 MiB"));
}

/// Text that looks more like a template than arbitrary characters do.
fn template_like() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{{ ",
        " }}",
        "{% ",
        " %}",
        "{#",
        "#}",
        "{%- ",
        " -%}",
        "x",
        " in ",
        "for x",
        "endfor",
        "if ",
        "else",
        "endif",
        "set y = ",
        "set y",
        "endset",
        "macro m(a)",
        "endmacro",
        "m(1)",
        "call m()",
        "endcall",
        "filter upper",
        "endfilter",
        "raw",
        "endraw",
        "variables",
        ".",
        ".l",
        ".m",
        ".s",
        ".n",
        "[",
        "]",
        "(",
        ")",
        "{",
        "}",
        ",",
        ":",
        "'",
        "\"",
        "~",
        "+",
        "-",
        "*",
        "**",
        "/",
        "//",
        "%",
        "==",
        "<",
        "not ",
        "is ",
        "defined",
        "|",
        "join",
        "list",
        "length",
        "sort",
        "replace('l', 'm')",
        "round(9)",
        "tojson",
        "indent(3)",
        "format",
        "int",
        "float",
        "items()",
        "split()",
        "center(9)",
        "getip('db')",
        "getprivip(node)",
        "find_node_id('x')",
        "cut(",
        "cmd('x')",
        "range(",
        "9999999999",
        "1.5",
        "0",
        "-1",
        "'a'",
        "none",
        "true",
        "loop",
        "loop.index",
        "namespace(a=1)",
        "recursive",
        "\n",
        "\r\n",
        "é",
        "\u{1f600}",
        "\0",
        "#cloud-config\n",
        "- a\n",
        "k: ",
        "include 'x'",
        "extends 'x'",
        "import 'x' as y",
        "block b",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_template_ends_within_bounds(template in prop_oneof![1 => any::<String>(), 4 => template_like()]) {
        for context in both(&template) {
            prop_assert!(bounded(context).unwrap_or_default() <= MOST);
        }
    }

    #[test]
    fn text_without_a_template_stays_what_it_is(text in "[a-zé \\n.:'\"\\[\\]<>&$()-]{0,80}") {
        let template = format!("{text}.");
        let rendered = Bench::context(variables(), json!(template)).render();
        prop_assert_eq!(rendered.map(|rendered| rendered.context).ok().flatten(), Some(template));
    }
}
