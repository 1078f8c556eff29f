//! Numbers, times and tables in words.

use jiff::Timestamp;
use occopus::engine::enact::Failed;

/// A length of time as people say it, in its largest unit: `42 s`, `5 min`, `3 h`, `2 d`.
pub(crate) fn span(seconds: i64) -> String {
    match seconds.max(0) {
        s @ 0..=119 => format!("{s} s"),
        s @ 120..=7199 => format!("{} min", s / 60),
        s @ 7200..=172_799 => format!("{} h", s / 3600),
        s => format!("{} d", s / 86_400),
    }
}

/// How long before `now` something happened.
pub(crate) fn ago(now: Timestamp, then: Timestamp) -> String {
    match now.duration_since(then).as_secs() {
        ..=1 => "just now".to_owned(),
        seconds => format!("{} ago", span(seconds)),
    }
}

/// `1 instance`, `2 instances`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Rows in columns, two blanks between them; the last column is as wide as it wants. Colour belongs
/// to a cell through `paint`, which is applied after the width is known.
pub(crate) fn table<const N: usize>(
    rows: &[[String; N]],
    paint: impl Fn(usize, usize, &str) -> String,
) -> Vec<String> {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |(number, row): (usize, &[String; N])| {
        let last = row.iter().rposition(|cell| !cell.is_empty()).unwrap_or(0);
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate().take(last + 1) {
            line.push_str(&paint(number, column, cell));
            if column < last {
                line.push_str(&" ".repeat(widths[column] - cell.chars().count() + 2));
            }
        }
        line
    };
    rows.iter().enumerate().map(line).collect()
}

/// `text` cut to at most `width` characters, on one line.
pub(crate) fn fit(text: &str, width: usize) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().count() <= width {
        return text;
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).take(width).collect()
}

/// One failure in one line.
pub(crate) fn failure(failed: &Failed) -> String {
    // The sweep reports places, which have no slots.
    let subject = if failed.slot.index == 0 { String::new() } else { failed.slot.to_string() };
    if subject.is_empty() || failed.reason.starts_with(&subject) {
        return failed.reason.clone();
    }
    format!("{subject}: {}", failed.reason)
}

#[cfg(test)]
mod tests {
    use occopus::engine::ids::Slot;

    use super::*;

    #[test]
    fn a_span_is_told_in_its_largest_sensible_unit() {
        let told: Vec<String> = [-5, 0, 119, 120, 7199, 7200, 172_800].into_iter().map(span).collect();
        assert_eq!(told, ["0 s", "0 s", "119 s", "2 min", "119 min", "2 h", "2 d"]);
    }

    #[test]
    fn the_present_is_just_now() {
        let now = Timestamp::from_second(1_000).expect("valid");
        assert_eq!(ago(now, now), "just now");
        assert_eq!(ago(now, Timestamp::from_second(988).expect("valid")), "12 s ago");
    }

    #[test]
    fn columns_align_and_lines_have_no_trailing_blanks() {
        let rows = [["a", "long", ""], ["long", "b", "c"]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&rows, |_, _, cell| cell.to_owned()), ["a     long", "long  b     c"]);
    }

    #[test]
    fn a_line_never_gets_wider_than_asked() {
        assert_eq!(fit("port 8080 closed", 8), "port 80…");
        assert_eq!(fit("two\nlines", 20), "two lines");
        assert_eq!(fit("x", 0), "");
    }

    #[test]
    fn a_failure_names_its_slot_once() {
        let told = |slot, text: &str| failure(&Failed { slot, reason: text.to_owned(), passing: false });
        assert_eq!(told(Slot::new("db", 1), "no such image"), "db/1: no such image");
        assert_eq!(told(Slot::new("db", 1), "db/1 exited with code 1"), "db/1 exited with code 1");
        assert_eq!(told(Slot::new("unix:///x", 0), "cannot tell"), "cannot tell");
    }
}
