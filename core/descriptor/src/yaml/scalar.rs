//! What a plain scalar means. YAML 1.2 with the leftovers of the original's loader, not YAML 1.1:
//! `yes` is text, `010` is ten, `1:30` is text. A `%YAML 1.1` directive brings the old rules back.

use std::sync::Arc;

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use super::node::Value;

/// The rules by which plain scalars are typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// Asked for by `%YAML 1.1`.
    V1_1,
    /// The default.
    V1_2,
}

/// The value of a plain scalar without a tag.
pub(super) fn plain(text: &str, version: Version) -> Value {
    if null(text) {
        return Value::Null;
    }
    boolean(text, version)
        .map(Value::Bool)
        .or_else(|| integer(text, version))
        .or_else(|| float(text, version).map(Value::Float))
        .or_else(|| timestamp(text).map(|text| Value::Date(text.into())))
        .unwrap_or_else(|| Value::Str(text.into()))
}

/// Whether the text means "nothing".
pub(super) fn null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// The boolean of a plain scalar.
pub(super) fn boolean(text: &str, version: Version) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ if version == Version::V1_1 => word(text),
        _ => None,
    }
}

/// The boolean of YAML 1.1 words; also what the tag `!!bool` takes.
pub(super) fn word(text: &str) -> Option<bool> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// The integer of a plain scalar, of any size.
pub(super) fn integer(text: &str, version: Version) -> Option<Value> {
    let (sign, digits) = split_sign(text);
    // An underscore in front is text, only digits may be followed by underscores.
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let (radix, digits) = match digits.get(..2) {
        Some("0x") => (16, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        Some("0o") if version == Version::V1_2 => (8, &digits[2..]),
        Some(_) if version == Version::V1_1 && digits.contains(':') => {
            return sexagesimal(sign, digits).map(Value::Int);
        }
        Some(prefix) if version == Version::V1_1 && prefix.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    let bare = digits.replace('_', "");
    if bare.is_empty() || !bare.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let value = i128::from_str_radix(&format!("{sign}{bare}"), radix);
    Some(value.map_or_else(|_| Value::BigInt(big(text, sign, &bare, radix)), Value::Int))
}

/// Splits the sign off; a plus disappears.
fn split_sign(text: &str) -> (&'static str, &str) {
    match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    }
}

fn big(text: &str, sign: &str, digits: &str, radix: u32) -> Arc<str> {
    if radix == 10 { format!("{sign}{}", digits.trim_start_matches('0')).into() } else { text.into() }
}

/// `1:30` as 90: YAML 1.1 only.
fn sexagesimal(sign: &str, text: &str) -> Option<i128> {
    let mut total: i128 = 0;
    for part in text.split(':') {
        let digits = part.replace('_', "");
        let digit = digits.parse::<u32>().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit()))?;
        total = total.checked_mul(60)?.checked_add(i128::from(digit))?;
    }
    Some(if sign == "-" { -total } else { total })
}

/// The floating-point number of a plain scalar.
pub(super) fn float(text: &str, version: Version) -> Option<f64> {
    let (sign, rest) = split_sign(text);
    let factor = if sign == "-" { -1.0 } else { 1.0 };
    match rest {
        ".inf" | ".Inf" | ".INF" => return Some(factor * f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" if rest == text => return Some(f64::NAN),
        _ => {}
    }
    let (mantissa, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let starts = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
    let shape = digits(whole)
        && fraction.is_none_or(digits)
        && (starts(whole) || whole.is_empty() && fraction.is_some_and(starts))
        && (fraction.is_some() || exponent.is_some() && version == Version::V1_2);
    // The original wants a sign in the exponent where no digit stands before the point.
    let signed = whole.is_empty() || version == Version::V1_1;
    if !shape || !exponent.is_none_or(|part| exponent_shape(part, signed)) {
        return None;
    }
    rest.replace('_', "").parse::<f64>().ok().map(|value| factor * value)
}

fn exponent_shape(text: &str, must_be_signed: bool) -> bool {
    let digits = text.strip_prefix(['+', '-']);
    if must_be_signed && digits.is_none() {
        return false;
    }
    let digits = digits.unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

/// The ISO text of a date or of a point in time, the latter in UTC and without a zone, as Python
/// prints it. `None` if the text is neither, or names a day that does not exist.
pub(super) fn timestamp(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    // Cheap rejection of what is clearly something else.
    if bytes.len() < 8 || bytes[4] != b'-' || !bytes[..4].iter().all(u8::is_ascii_digit) {
        return None;
    }
    if bytes.len() == 10 && bytes[7] == b'-' {
        let date = text.parse::<jiff::civil::Date>().ok()?;
        return Some(date.to_string());
    }
    let (date, rest) = text.split_at(text.find(['T', 't', ' ', '\t'])?);
    let clock = rest.strip_prefix(['T', 't']).unwrap_or_else(|| rest.trim_start_matches([' ', '\t']));
    let zone_at = clock.find(['Z', '+', '-', ' ', '\t']).unwrap_or(clock.len());
    let (time, zone) = clock.split_at(zone_at);
    let local = DateTime::from_parts(civil_date(date)?, civil_time(time)?);
    let offset = zone_offset(zone.trim_start_matches([' ', '\t']))?;
    let utc = offset.to_timestamp(local).ok()?.to_zoned(TimeZone::UTC).datetime();
    let micros = utc.subsec_nanosecond() / 1000;
    let base = utc.strftime("%Y-%m-%d %H:%M:%S").to_string();
    Some(if micros == 0 { base } else { format!("{base}.{micros:06}") })
}

/// A number of `least` to `most` digits.
fn number(text: &str, least: usize, most: usize) -> Option<i8> {
    let fits = (least..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if fits { text.parse().ok() } else { None }
}

fn civil_date(text: &str) -> Option<jiff::civil::Date> {
    let mut parts = text.splitn(3, '-');
    let year = parts.next()?.parse().ok()?;
    let (month, day) = (number(parts.next()?, 1, 2)?, number(parts.next()?, 1, 2)?);
    jiff::civil::Date::new(year, month, day).ok()
}

fn civil_time(text: &str) -> Option<jiff::civil::Time> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.splitn(3, ':');
    let hour = number(parts.next()?, 1, 2)?;
    let (minute, second) = (number(parts.next()?, 2, 2)?, number(parts.next()?, 2, 2)?);
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let micros: i32 = format!("{fraction:0<6}")[..6].parse().ok()?;
    jiff::civil::Time::new(hour, minute, second, micros * 1000).ok()
}

fn zone_offset(text: &str) -> Option<Offset> {
    if matches!(text, "" | "Z") {
        return Some(Offset::UTC);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let digits = text.strip_prefix(['+', '-'])?;
    let (hours, minutes) = digits.split_once(':').unwrap_or((digits, "00"));
    let (hours, minutes) = (number(hours, 1, 2)?, number(minutes, 2, 2)?);
    Offset::from_seconds(sign * (i32::from(hours) * 3600 + i32::from(minutes) * 60)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, version: Version) -> String {
        match plain(text, version) {
            Value::Null => "null".into(),
            Value::Bool(flag) => format!("bool {flag}"),
            Value::Int(number) => format!("int {number}"),
            Value::BigInt(text) => format!("big {text}"),
            Value::Float(number) => format!("float {number:?}"),
            Value::Str(text) => format!("str {text}"),
            Value::Date(text) => format!("date {text}"),
            Value::Secret(_) | Value::Seq(_) | Value::Map(_) => unreachable!(),
        }
    }

    fn all(texts: &[&str], expected: impl Fn(&str) -> String) {
        for text in texts {
            assert_eq!(shown(text, Version::V1_2), expected(text), "{text}");
        }
    }

    #[test]
    fn words_are_typed_as_in_yaml_1_2() {
        all(&["true", "True", "TRUE"], |_| "bool true".into());
        all(&["false", "False", "FALSE"], |_| "bool false".into());
        all(&["", "~", "null", "Null", "NULL"], |_| "null".into());
        all(&["yes", "no", "on", "off", "Y", "n", "tRue", "nUll"], |text| format!("str {text}"));
    }

    #[test]
    fn integers_are_decimal_unless_prefixed() {
        let cases = [
            ("5", 5),
            ("+1", 1),
            ("-3", -3),
            ("08", 8),
            ("010", 10),
            ("0755", 755),
            ("1_000", 1000),
            ("1__0", 10),
            ("0o17", 15),
            ("0x1F", 31),
            ("0b11", 3),
            ("-0x10", -16),
        ];
        for (text, value) in cases {
            assert_eq!(shown(text, Version::V1_2), format!("int {value}"), "{text}");
        }
        let large = "1".repeat(60);
        assert_eq!(shown(&large, Version::V1_2), format!("big {large}"));
    }

    #[test]
    fn what_only_resembles_a_number_is_text() {
        let texts = [
            "0x",
            "0b2",
            "0o9",
            "1e",
            ".5e3",
            "3.10.2",
            "5:20.10.2~3-0~ubuntu",
            "1:30",
            "12:30:45",
            "190:20:30.15",
            "a:1",
            "_1",
            "-",
            "+",
            ".",
            "-_",
            "--1",
            "+-1",
            "1e+",
            "0o_",
            "._1",
            "+.nan",
        ];
        all(&texts, |text| format!("str {text}"));
    }

    #[test]
    fn floats_need_a_point_or_an_exponent() {
        let cases = [
            ("1.", "1.0"),
            ("1.0", "1.0"),
            (".5", "0.5"),
            ("+.5", "0.5"),
            ("1e3", "1000.0"),
            ("1E5", "100000.0"),
            ("1e+5", "100000.0"),
            ("1.5E+3", "1500.0"),
            ("685_230.15", "685230.15"),
            ("1.10", "1.1"),
            (".5e+3", "500.0"),
            (".inf", "inf"),
            ("-.inf", "-inf"),
            (".nan", "NaN"),
        ];
        for (text, value) in cases {
            assert_eq!(shown(text, Version::V1_2), format!("float {value}"), "{text}");
        }
    }

    #[test]
    fn dates_are_dates_and_times_are_in_utc() {
        let cases = [
            ("2020-01-01", "date 2020-01-01"),
            ("2001-12-14t21:59:43.10-05:00", "date 2001-12-15 02:59:43.100000"),
            ("2001-12-14 21:59:43", "date 2001-12-14 21:59:43"),
            ("2001-1-4T1:59:43Z", "date 2001-01-04 01:59:43"),
            ("2001-12-14 21:59:43 +2", "date 2001-12-14 19:59:43"),
            ("2020-13-01", "str 2020-13-01"),
            ("2020-1-1", "str 2020-1-1"),
            ("2020-01-01T", "str 2020-01-01T"),
            ("2020-01-01 12:00", "str 2020-01-01 12:00"),
        ];
        for (text, value) in cases {
            assert_eq!(shown(text, Version::V1_2), value, "{text}");
        }
    }

    #[test]
    fn the_directive_brings_yaml_1_1_back() {
        let cases = [
            ("yes", "bool true"),
            ("Off", "bool false"),
            ("010", "int 8"),
            ("1:30", "int 90"),
            ("9", "int 9"),
        ];
        for (text, value) in cases {
            assert_eq!(shown(text, Version::V1_1), value, "{text}");
        }
    }
}
