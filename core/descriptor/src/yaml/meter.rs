//! How far the parser may read ahead.
//!
//! It reads a flow collection (`[…]`, `{…}`) to its end before it gives its first event, and keeps a
//! token of a hundred bytes for every comma. The reader below ends the text when too many have gone by.

use std::cell::Cell;
use std::rc::Rc;
use std::str::Chars;

/// Most indicators between two events; a quote counts for half.
const MAX_AHEAD: usize = 500_000;

/// Counts the indicators that were read since the last event.
#[derive(Clone, Default)]
pub(super) struct Meter(Rc<Cell<usize>>);

impl Meter {
    /// Begins to count anew.
    pub(super) fn reset(&self) {
        self.0.set(0);
    }

    /// Whether the text was cut short.
    pub(super) fn is_spent(&self) -> bool {
        self.0.get() > 2 * MAX_AHEAD
    }
}

/// The characters of a text, until the meter is spent.
pub(super) struct Metered<'input> {
    characters: Chars<'input>,
    meter: Meter,
}

impl<'input> Metered<'input> {
    pub(super) fn new(text: &'input str, meter: Meter) -> Self {
        Self { characters: text.chars(), meter }
    }
}

impl Iterator for Metered<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        let character = self.characters.next()?;
        let weight = match character {
            ',' | ':' | '[' | ']' | '{' | '}' | '?' | '&' | '*' | '!' => 2,
            '\'' | '"' => 1,
            _ => return Some(character),
        };
        self.meter.0.set(self.meter.0.get() + weight);
        (!self.meter.is_spent()).then_some(character)
    }
}
