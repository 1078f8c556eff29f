//! Values as Python prints them: `True`, `None`, `3.0`, `['a', 1]`, `{'k': 'v'}`.

use std::fmt::Write;

use minijinja::Value;
use minijinja::value::ValueKind;

/// `str(value)`.
pub(crate) fn text(value: &Value) -> String {
    match value.kind() {
        ValueKind::String | ValueKind::Undefined => value.to_string(),
        _ => representation(value),
    }
}

/// `repr(value)`.
fn representation(value: &Value) -> String {
    match value.kind() {
        ValueKind::Number if !value.is_integer() => {
            f64::try_from(value.clone()).map_or_else(|_| value.to_string(), float)
        }
        ValueKind::Map => mapping(value),
        ValueKind::Seq if value.is_tuple() && value.len() == Some(1) => sequence(value, "(", ",)"),
        ValueKind::Seq if value.is_tuple() => sequence(value, "(", ")"),
        ValueKind::Seq | ValueKind::Iterable => sequence(value, "[", "]"),
        _ => format!("{value:?}"),
    }
}

fn mapping(value: &Value) -> String {
    let entries = value.try_iter().into_iter().flatten().map(|key| {
        let item = value.get_item(&key).unwrap_or_default();
        format!("{}: {}", representation(&key), representation(&item))
    });
    format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
}

fn sequence(value: &Value, open: &str, close: &str) -> String {
    let items = value.try_iter().into_iter().flatten().map(|item| representation(&item));
    format!("{open}{}{close}", items.collect::<Vec<_>>().join(", "))
}

/// Shortest form that reads back as the same number; with an exponent from 1e16 on and below 1e-4.
pub(crate) fn float(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{number:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if number == 0.0 || (-4..16).contains(&exponent) {
        return format!("{number:?}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    let mut text = mantissa.to_owned();
    // Writing to a string cannot fail.
    let _ = write!(text, "e{sign}{:02}", exponent.abs());
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn printed(value: serde_json::Value) -> String {
        text(&crate::engine::value(&value))
    }

    #[test]
    fn scalars_print_like_python() {
        assert_eq!(printed(json!(true)), "True");
        assert_eq!(printed(json!(null)), "None");
        assert_eq!(printed(json!(5)), "5");
        assert_eq!(printed(json!("it's")), "it's");
        assert_eq!(printed(json!(u64::MAX)), "18446744073709551615");
    }

    #[test]
    fn floats_print_like_python() {
        for (number, expected) in [
            (3.2, "3.2"),
            (1.0, "1.0"),
            (0.0, "0.0"),
            (1e20, "1e+20"),
            (1.5e300, "1.5e+300"),
            (1e-7, "1e-07"),
            (0.0001, "0.0001"),
            (1e15, "1000000000000000.0"),
            (-2.5e-5, "-2.5e-05"),
        ] {
            assert_eq!(printed(json!(number)), expected);
        }
        assert_eq!(float(f64::NEG_INFINITY), "-inf");
        assert_eq!(float(f64::NAN), "nan");
    }

    #[test]
    fn collections_print_as_representation_with_sorted_keys() {
        assert_eq!(printed(json!(["a", 1, 1e20, null])), "['a', 1, 1e+20, None]");
        assert_eq!(printed(json!({"k": "v", "B": [true]})), "{'B': [True], 'k': 'v'}");
        assert_eq!(printed(json!(["b'c", "d\"e\n", "'\""])), r#"["b'c", 'd"e\n', '\'"']"#);
        assert_eq!(printed(json!([])), "[]");
        assert_eq!(printed(json!({})), "{}");
    }

    #[test]
    fn tuples_keep_their_parentheses() {
        use minijinja::value::Tuple;
        assert_eq!(text(&Value::from(Tuple::from([Value::from(1), Value::from("a")]))), "(1, 'a')");
        assert_eq!(text(&Value::from(Tuple::from([Value::from(1)]))), "(1,)");
    }
}
