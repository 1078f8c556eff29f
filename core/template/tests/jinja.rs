//! The parts of Jinja2 that descriptors use behave as in the original.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use common::{Bench, rendered};
use serde_json::json;

fn check(cases: &[(&str, &str)]) {
    let variables = json!({
        "n": 5, "b": true, "f": 3.2, "l": ["a", 1, null], "m": {"k": "v", "B": [true], "items": 1},
        "s": "Hello, World", "app": {"in": "inside", "is": "been"}, "none": null, "one": 1.0
    });
    for (template, expected) in cases {
        assert_eq!(rendered(variables.clone(), template), *expected, "{template}");
    }
}

#[test]
fn values_print_like_python() {
    check(&[
        ("{{variables.b}} {{false}} {{variables.none}} {{None}} {{none}}", "True False None None None"),
        ("{{variables.f}} {{variables.one}} {{variables.l}}", "3.2 1.0 ['a', 1, None]"),
        ("{{variables.m}}", "{'B': [True], 'items': 1, 'k': 'v'}"),
        ("{{variables.l|string}} {{variables.f ~ variables.b}}", "['a', 1, None] 3.2True"),
        ("{{variables.l|join('-')}}", "a-1-None"),
        ("{{variables.m.items()|list}}", "[('B', [True]), ('items', 1), ('k', 'v')]"),
    ]);
}

#[test]
fn undefined_is_lenient() {
    check(&[
        ("a{{nothing}}b{{variables.nothing}}c{{variables['nothing']}}", "abc"),
        ("{% for x in nothing %}x{% else %}none{% endfor %}{{nothing|length}}", "none0"),
        ("{{'a' ~ nothing}}{{nothing|default('d')}}{{variables.nothing|d(1)}}", "ad1"),
        ("{% if nothing %}1{% endif %}{{nothing is defined}} {{variables.b is defined}}", "False True"),
    ]);
    for template in ["{{nothing.more}}", "{{nothing['x']}}", "{{nothing()}}", "{{nothing + 1}}"] {
        assert!(Bench::context(json!({}), json!(template)).render().is_err(), "{template}");
    }
    let error = Bench::context(json!({}), json!("\n\n{{ variables.app.deep.er }}")).error();
    assert!(error.contains("line 3, column 13: undefined value: `variables.app` is undefined"), "{error}");
}

#[test]
fn keywords_and_methods_after_a_dot() {
    check(&[
        ("{{variables.app.in}} {{variables.app.is}}", "inside been"),
        ("{{variables.m.get('k')}} {{variables.m.get('x','d')}} {{variables.m['items']}}", "v d 1"),
        ("{% for k, v in variables.m.items() %}{{k}}={{v}};{% endfor %}", "B=[True];items=1;k=v;"),
        ("{{variables.s.upper()}} {{variables.s.split(', ')}}", "HELLO, WORLD ['Hello', 'World']"),
        ("{{variables.s.replace('l','L')}} {{variables.s.startswith('He')}}", "HeLLo, WorLd True"),
        ("{{variables.s[1:3]}} {{variables.s[::-1]}} {{variables.l[0]}}", "el dlroW ,olleH a"),
        (
            "{{'7'.zfill(3)}} {{'-7'.zfill(3)}} [{{'a'.center(4)}}] [{{'ab'.center(5)}}]",
            "007 -07 [ a  ] [  ab ]",
        ),
        (
            "{{'a.b.c'.rsplit('.', 1)}} {{' a  b '.rsplit()}} {{'a=b=c'.partition('=')}}",
            "['a.b', 'c'] ['a', 'b'] ('a', '=', 'b=c')",
        ),
        ("{{'{}-{}'.format(1, 'x')}} {{'%s/%d'|format('a', 3)}}", "1-x a/3"),
        ("{{variables.l.index(1)}} {{'abc'.index('c')}}", "1 2"),
    ]);
}

#[test]
fn arithmetic_and_operators() {
    check(&[
        ("{{4/2}} {{7//2}} {{ -7//2}} {{2**10}} {{7%3}}", "2.0 3 -4 1024 1"),
        ("{{'a'*3}} {{[1]+[2]}} {{'a' 'b'}} {{1 if variables.n > 4 else 2}}", "aaa [1, 2] ab 1"),
        ("{{'a' in variables.l}} {{not true}} {{1 < 2 and 3}}", "True False 3"),
    ]);
}

#[test]
fn statements() {
    check(&[
        ("{% set x = 1 %}{% for i in range(3) %}{% set x = 9 %}{{loop.index}}{% endfor %}{{x}}", "1231"),
        ("{% raw %}{{ x }}{% endraw %}{{'{{'}}{{'}}'}}", "{{ x }}{{}}"),
        ("{% macro m(a, b=2) %}{{a}}{{b}}{% endmacro %}{{m(1)}}", "12"),
        ("{% with a = 3 %}{{a}}{% endwith %}{% filter upper %}x{% endfilter %}{# no #}", "3X"),
        ("a  {{- 1 -}}  b\n{%- if true %}\n c\n{%- endif %}", "a1b\n c"),
    ]);
}

#[test]
fn filters() {
    check(&[
        ("{{'hello'|b64encode}} {{5|b64encode}}", "aGVsbG8= NQ=="),
        (
            "{{'a b c'|wordcount}} {{'abcdefgh ijk'|truncate(8, true, '', 0)}} {{'abcdefgh ijk'|truncate(8)}} {{'a b'|wordwrap(1, wrapstring='+')}}",
            "3 abcdefgh abcdefgh ijk a+b",
        ),
        ("{{[3,1,2]|sort}} {{[1,2]|sum}} {{'x'|upper}} {{' x '|trim}} {{3.7|int}}", "[1, 2, 3] 3 X x 3"),
        (
            "{{[1,2,3]|first}}{{[1,2,3]|last}} {{[1,1,2]|unique|list}} {{variables.m|dictsort|first}}",
            "13 [1, 2] ('B', [True])",
        ),
        (
            "{{'a/b c'|urlencode}} {{'<'|e}} {{'x'|center(5)}}|{{'<b>x</b>'|striptags}}",
            "a/b%20c &lt;   x  |x",
        ),
        ("{{variables.m|tojson}}", "{\"B\": [true], \"items\": 1, \"k\": \"v\"}"),
        ("{{1000|filesizeformat}} {{'ab'|list}} {{[1,2]|map('string')|join(',')}}", "1.0 kB ['a', 'b'] 1,2"),
    ]);
}

/// What Jinja2 2.11 knows is never reported as unknown.
#[test]
fn every_filter_test_and_global_of_jinja_is_known() {
    const FILTERS: &str = "abs attr batch capitalize center count d default dictsort e escape filesizeformat first \
        float forceescape format groupby indent int join last length list lower map max min pprint random reject \
        rejectattr replace reverse round safe select selectattr slice sort string striptags sum title tojson trim \
        truncate unique upper urlencode urlize wordcount wordwrap xmlattr";
    const TESTS: &str = "boolean callable defined divisibleby eq equalto escaped even false float ge gt in integer \
        iterable le lower lt mapping ne none number odd sameas sequence string true undefined upper greaterthan \
        lessthan";
    let uses = |names: &str, operator: &str| -> String {
        names.split_whitespace().map(|name| format!("{{{{ x {operator} {name} }}}}")).collect()
    };
    for template in [uses(FILTERS, "|"), uses(TESTS, "is")] {
        assert_eq!(Bench::context(json!({}), json!(template)).flaws(), Vec::<String>::new());
    }
    check(&[
        ("{{lipsum(2, false)|wordcount > 10}} {{range(3)|list}} {{dict(a=1)}}", "True [0, 1, 2] {'a': 1}"),
        // Mappings of the description are sorted; those that a template makes keep their order.
        (
            "{{variables.m}} {{ {'b': 1, 'a': 2} }} {{dict(b=1, a=2)}} {{ {'b': 1, 'a': 2}|tojson }}",
            "{'B': [True], 'items': 1, 'k': 'v'} {'b': 1, 'a': 2} {'b': 1, 'a': 2} {\"a\": 2, \"b\": 1}",
        ),
        ("{% set j = joiner('|') %}{% for i in range(2) %}{{j()}}{{i}}{% endfor %}", "0|1"),
        ("{% set c = cycler('a', 'b') %}{{c.next()}}{{c.next()}}{{c.next()}}", "aba"),
    ]);
}

#[test]
fn numbers_are_read_and_rounded_as_in_python() {
    check(&[
        (
            "{{'7'|int}} {{' -7 '|int}} {{'1.9'|int}} {{ -1.9|int}} {{'x'|int}} {{'x'|int(9)}} {{none|int(default=3)}}",
            "7 -7 1 -1 0 9 3",
        ),
        (
            "{{'ff'|int(base=16)}} {{'0x1f'|int(0, 16)}} {{true|int}} {{nothing|int}} {{10**20|int}}",
            "255 31 1 0 100000000000000000000",
        ),
        ("{{'1.5'|float}} {{5|float}} {{'x'|float}} {{'x'|float(2.5)}}", "1.5 5.0 0.0 2.5"),
        (
            "{{2.5|round}} {{3.5|round}} {{2.675|round(2)}} {{1234.5|round(-2)}} {{2.1|round(method='ceil')}} {{2.567|round(2, 'floor')}}",
            "2.0 4.0 2.67 1200.0 3.0 2.56",
        ),
    ]);
}

#[test]
fn lines_are_indented_as_in_jinja() {
    let variables = json!({"key": "a\n\nb\n"});
    for (template, expected) in [
        ("{{variables.key|indent(2)}}|", "a\n\n  b\n|"),
        ("{{variables.key|indent}}|", "a\n\n    b\n|"),
        ("{{variables.key|indent(2, true)}}|", "  a\n\n  b\n|"),
        ("{{variables.key|indent(width='> ', first=True, blank=True)}}|", "> a\n> \n> b\n> |"),
    ] {
        assert_eq!(rendered(variables.clone(), template), expected, "{template}");
    }
}

#[test]
fn filters_for_markup() {
    check(&[
        (
            "{{'<it\\'s \"a/b\" &>'|e}} {{'<'|e|e}} {{'<'|e|forceescape}}",
            "&lt;it&#39;s &#34;a/b&#34; &amp;&gt; &lt; &amp;lt;",
        ),
        (
            "{{variables.l|pprint}} {{'x'|pprint}} {{'é😀'|tojson}}",
            "['a', 1, None] 'x' \"\\u00e9\\ud83d\\ude00\"",
        ),
        ("{{ {'a': 'x<', 'b': none}|xmlattr }}|{{ {}|xmlattr }}", " a=\"x&lt;\"|"),
        (
            "{{'see (http://a.b/c), www.d.e or me@f.org.'|urlize}}",
            "see (<a href=\"http://a.b/c\" rel=\"noopener\">http://a.b/c</a>), \
             <a href=\"http://www.d.e\" rel=\"noopener\">www.d.e</a> or \
             <a href=\"mailto:me@f.org\" rel=\"noopener\">me@f.org</a>.",
        ),
    ]);
}

#[test]
fn a_random_item_is_the_same_whenever_the_same_instance_is_rendered() {
    let draw = || rendered(json!({}), "{{ range(1000)|list|random }}");
    assert_eq!(draw(), draw());
    assert!((0..1000).contains(&draw().parse().unwrap()));
    check(&[("{{ []|random }}", "")]);
}

#[test]
fn the_operator_that_fills_in_texts_is_answered_with_the_filter_that_does() {
    let error = Bench::context(json!({"n": 5}), json!("{{ '%05d' % variables.n }}")).error();
    assert!(error.contains("TEXT|format(VALUE)"), "{error}");
    check(&[("{{ '%05d'|format(variables.n) }}", "00005")]);
}
