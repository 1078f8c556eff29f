//! Values as Python prints them: `True`, `None`, `3.0`, `['a', 1]`, `{'k': 'v'}`.

use std::fmt::Write;

use minijinja::Value;
use minijinja::value::ValueKind;

use crate::error::Refusal;

/// Most bytes and deepest nesting of a printed value. A template can build lists without end that cost
/// nothing until they are printed.
const MAX_BYTES: usize = 1 << 20;
const MAX_DEPTH: usize = 100;

/// `str(value)`.
///
/// # Errors
/// The value is too large or too deep to print.
pub(crate) fn text(value: &Value) -> Result<String, Refusal> {
    if matches!(value.kind(), ValueKind::String | ValueKind::Undefined) {
        return Ok(value.to_string());
    }
    representation(value)
}

/// `repr(value)`.
///
/// # Errors
/// The value is too large or too deep to print.
pub(crate) fn representation(value: &Value) -> Result<String, Refusal> {
    let mut printer = Printer { output: String::new(), depth: 0 };
    let printed = printer.representation(value);
    printed.map_err(|_| {
        Refusal("a list or mapping is too large to be printed; print a part of it".to_owned())
    })?;
    Ok(printer.output)
}

/// Prints values as `repr(value)` does.
struct Printer {
    output: String,
    depth: usize,
}

impl Write for Printer {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        if self.output.len() + text.len() > MAX_BYTES {
            return Err(std::fmt::Error);
        }
        self.output.push_str(text);
        Ok(())
    }
}

impl Printer {
    fn representation(&mut self, value: &Value) -> std::fmt::Result {
        match value.kind() {
            ValueKind::Number if !value.is_integer() => {
                let text = f64::try_from(value.clone()).map_or_else(|_| value.to_string(), float);
                self.write_str(&text)
            }
            ValueKind::Map => self.collection(value, "{", "}", Self::entry),
            ValueKind::Seq if value.is_tuple() => {
                let close = if value.len() == Some(1) { ",)" } else { ")" };
                self.collection(value, "(", close, Self::item)
            }
            ValueKind::Seq | ValueKind::Iterable => self.collection(value, "[", "]", Self::item),
            _ => write!(self, "{value:?}"),
        }
    }

    fn collection(
        &mut self,
        value: &Value,
        open: &str,
        close: &str,
        print: fn(&mut Self, &Value, &Value) -> std::fmt::Result,
    ) -> std::fmt::Result {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(std::fmt::Error);
        }
        self.write_str(open)?;
        for (number, item) in value.try_iter().into_iter().flatten().enumerate() {
            self.write_str(if number == 0 { "" } else { ", " })?;
            print(self, value, &item)?;
        }
        self.depth -= 1;
        self.write_str(close)
    }

    fn item(&mut self, _list: &Value, item: &Value) -> std::fmt::Result {
        self.representation(item)
    }

    fn entry(&mut self, mapping: &Value, key: &Value) -> std::fmt::Result {
        self.representation(key)?;
        self.write_str(": ")?;
        self.representation(&mapping.get_item(key).unwrap_or_default())
    }
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
        text(&crate::engine::value(&value)).unwrap()
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
        assert_eq!(text(&Value::from(Tuple::from([Value::from(1), Value::from("a")]))).unwrap(), "(1, 'a')");
        assert_eq!(text(&Value::from(Tuple::from([Value::from(1)]))).unwrap(), "(1,)");
    }
}
