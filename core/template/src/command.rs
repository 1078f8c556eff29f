//! `cmd`: commands that templates run on the machine of Occopus, where that is allowed.

use std::fmt;
use std::sync::Arc;

use crate::error::Refusal;

/// What `cmd` gives when its command failed, as in Occopus 1.10.
const FAILED: &str = "Command in cloud-init failed. See Occopus log for details!";

/// Runs the commands of templates. The renderer itself does no IO.
pub trait CommandRunner: Send + Sync {
    /// Runs the program `words[0]` with the arguments behind it, without a shell, and returns what it wrote
    /// to its standard output. It may block, for a bounded time.
    ///
    /// # Errors
    /// Why there is no output: for people, without what the command wrote, which may be secret.
    fn run(&self, words: &[&str]) -> Result<String, String>;
}

/// What becomes of commands.
#[derive(Clone)]
pub(crate) enum Commands {
    /// They are refused.
    Refused,
    /// They are not run; their output is a placeholder.
    Imagined,
    /// They are run.
    Run(Arc<dyn CommandRunner>),
}

impl fmt::Debug for Commands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "Refused",
            Self::Imagined => "Imagined",
            Self::Run(_) => "Run",
        })
    }
}

impl Commands {
    /// The output of the command `text`, split at white space; `warn` is told why a command failed, which
    /// does not end the rendering.
    pub(crate) fn output(&self, text: &str, warn: impl FnOnce(String)) -> Result<String, Refusal> {
        match self {
            Self::Refused => Err(Refusal(
                "cmd() is switched off: a template may run commands on the machine of Occopus only if the \
                 configuration file says 'templates: {cmd: true}'; or put the result into a variable"
                    .to_owned(),
            )),
            Self::Imagined => Ok(format!("<output of {text}>")),
            Self::Run(runner) => {
                let words: Vec<&str> = text.split_whitespace().collect();
                let program = words.first().copied().unwrap_or_default();
                let result =
                    if words.is_empty() { Err("it is empty".to_owned()) } else { runner.run(&words) };
                Ok(result.unwrap_or_else(|reason| {
                    warn(format!("the command '{program}' of a template failed: {reason}"));
                    FAILED.to_owned()
                }))
            }
        }
    }
}
