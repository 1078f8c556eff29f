//! What texts must look like to be of use.

/// Whether `text` has the form `SCHEME://REST`; whether its host exists is for the user to know.
pub(crate) fn looks_like_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let mut letters = scheme.chars();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
        && !rest.is_empty()
        && !rest.contains(char::is_whitespace)
}

/// Whether `text` is `KEY=VALUE` with a key; the value may be empty.
pub(crate) fn env_entry(text: &str) -> bool {
    text.split_once('=').is_some_and(|(key, _)| !key.trim().is_empty())
}
