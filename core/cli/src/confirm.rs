//! Questions before something is destroyed.

use std::io::{self, IsTerminal};

use crate::output::Output;

/// The answer to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Go on.
    Yes,
    /// Leave everything as it is.
    No,
    /// There is no terminal on which it could be asked.
    Unasked,
}

/// Asks `question` on the terminal. Anything but `y` or `yes` means no.
pub(crate) async fn ask(output: &Output, question: &str) -> Answer {
    read(output, &format!("{question} [y/N]"), is_yes).await
}

/// Asks `question` on the terminal, which only one of `words` answers with yes.
pub(crate) async fn ask_for(output: &Output, question: &str, words: &[&str]) -> Answer {
    read(output, question, |line| words.contains(&line.trim())).await
}

async fn read(output: &Output, question: &str, is_yes: impl Fn(&str) -> bool) -> Answer {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Answer::Unasked;
    }
    output.write_line(question);
    let line = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map(|_| line)
    });
    match line.await {
        Ok(Ok(line)) if is_yes(&line) => Answer::Yes,
        _ => Answer::No,
    }
}

fn is_yes(line: &str) -> bool {
    matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::is_yes;

    #[test]
    fn only_a_clear_yes_is_a_yes() {
        assert!(is_yes("y\n") && is_yes(" YES \n"));
        assert!(!is_yes("\n") && !is_yes("") && !is_yes("n\n") && !is_yes("yesterday\n"));
    }
}
