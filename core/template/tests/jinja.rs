//! The parts of Jinja2 that descriptors use behave as in the original.

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
