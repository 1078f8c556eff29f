//! The forms in which a secret turns up: as it is, and as other programs write it.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Lines of a secret with fewer characters are not hidden on their own.
const SHORTEST_LINE: usize = 8;
/// Pieces of base64 with fewer characters are not hidden.
const SHORTEST_PIECE: usize = 4;

/// Every text that gives `secret` away: all forms of the whole, and of each longer line of one that has
/// several, because indenting and logs take them apart.
pub(super) fn of(secret: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    add_forms(secret, &mut all);
    if secret.contains('\n') {
        let lines = secret.lines().map(str::trim);
        // The frame of a key is the same for all keys.
        let lines = lines.filter(|line| line.chars().count() >= SHORTEST_LINE && !line.starts_with("-----"));
        lines.for_each(|line| add_forms(line, &mut all));
    }
    all
}

fn add_forms(text: &str, all: &mut BTreeSet<String>) {
    let json = json(text);
    all.insert(json_in_ascii(text));
    all.insert(self::json(&json));
    all.insert(json);
    all.insert(unquoted(format!("{text:?}")));
    all.insert(percent(text, "%20"));
    all.insert(percent(text, "+"));
    all.insert(xml(text));
    all.insert(STANDARD.encode(text));
    all.extend(base64_pieces(text.as_bytes()));
    all.insert(text.to_owned());
}

/// The inside of a text in quotes.
fn unquoted(quoted: String) -> String {
    quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).map(str::to_owned).unwrap_or(quoted)
}

fn json(text: &str) -> String {
    unquoted(serde_json::Value::from(text).to_string())
}

/// As writers of JSON do it that use ASCII only, such as Python's.
fn json_in_ascii(text: &str) -> String {
    let mut units = [0; 2];
    json(text)
        .chars()
        .map(|c| match c {
            c if c.is_ascii() => c.to_string(),
            c => c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
        })
        .collect()
}

fn percent(text: &str, blank: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            b' ' => blank.to_owned(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// What `bytes` look like inside base64 of a longer text, wherever they begin in it: the characters that
/// depend on nothing else.
fn base64_pieces(bytes: &[u8]) -> Vec<String> {
    let mut pieces = Vec::new();
    for before in 0..3 {
        let mut padded = vec![0; before];
        padded.extend(bytes);
        let whole = (before * 8).div_ceil(6)..padded.len() * 8 / 6;
        for encoded in [STANDARD_NO_PAD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)] {
            if let Some(piece) = encoded.get(whole.clone()).filter(|piece| piece.len() >= SHORTEST_PIECE) {
                // As a form of the web carries it.
                pieces.push(percent(piece, "+"));
                pieces.push(piece.to_owned());
            }
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_recognised_inside_base64_wherever_it_begins() {
        let forms = of("p@ss wörd/1");
        for before in ["", "a", "ab", "abc", "user:"] {
            let text = STANDARD.encode(format!("{before}p@ss wörd/1 and more"));
            assert!(forms.iter().any(|form| text.contains(form)), "{before}");
        }
    }

    #[test]
    fn forms_of_other_programs() {
        let forms = of("a\"b\\c é&<\n");
        for form in [
            "a\\\"b\\\\c é&<\\n",
            "a\\\"b\\\\c \\u00e9&<\\n",
            "a%22b%5Cc%20%C3%A9%26%3C%0A",
            "a&quot;b\\c é&amp;&lt;\n",
        ] {
            assert!(forms.contains(form), "{form}");
        }
    }

    #[test]
    fn longer_lines_count_on_their_own_but_not_the_frame_of_a_key() {
        let forms = of("-----BEGIN KEY-----\n  MIIBVgIBADANBg\nshort\n-----END KEY-----");
        assert!(forms.contains("MIIBVgIBADANBg"));
        assert!(!forms.contains("short") && !forms.contains("-----BEGIN KEY-----"));
    }
}
