//! What templates ask for. Templates are read by a [`TemplateScanner`], which the template engine
//! provides: this crate knows where templates stand, not how they are written.

use std::fmt;
use std::ops::Range;

use crate::model::Implementation;

/// Reads templates without rendering them.
pub trait TemplateScanner: Send + Sync {
    /// What `text` asks for. A text that cannot be parsed gives what was understood.
    fn uses(&self, text: &str) -> Uses;

    /// The templates of `implementation` that can never be rendered, whatever the values are.
    fn flaws(&self, implementation: &Implementation) -> Vec<Flaw>;
}

/// A template that can never be rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The way from the implementation to the text.
    pub path: Vec<Step>,
    /// Line inside the text, from 1, if it is known.
    pub line: Option<usize>,
    /// Column inside that line in characters, from 1, if it is known.
    pub column: Option<usize>,
    /// What is wrong.
    pub reason: String,
}

/// A step into a mapping or a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// To the value of this key.
    Key(String),
    /// To the item at this position, from 0.
    Index(usize),
}

impl From<&str> for Step {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// Where and what, in one line.
impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in self.path.iter().enumerate() {
            match step {
                Step::Key(key) if number == 0 => write!(f, "{key}")?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        if let Some(column) = self.column {
            write!(f, ", column {column}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// What one template text asks for. Ranges are in bytes of the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uses {
    /// What is read below `variables`.
    pub variables: Vec<Use>,
    /// Whether `variables` is used as a whole, so that any of them may be read.
    pub all_variables: bool,
    /// Other names that are read, unless the template language defines them.
    pub names: Vec<Use>,
    /// Names that the text itself defines, by `set`, `for`, `macro` or `with`.
    pub defined: Vec<String>,
    /// Nodes whose instances are looked up.
    pub nodes: Vec<LookUp>,
}

/// A value that a template reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The names from the outermost to the innermost, as far as they are literal; never empty.
    pub path: Vec<String>,
    /// Where the whole path stands.
    pub at: Range<usize>,
    /// Whether the template provides for its absence: by `default`, `is defined` or a condition.
    pub guarded: bool,
}

/// A call of a function that looks the instances of a node up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookUp {
    /// The function, such as `getip`.
    pub function: String,
    /// The node.
    pub node: NodeArgument,
    /// Where function and argument stand.
    pub at: Range<usize>,
}

/// How a template names a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeArgument {
    /// By a text: `getip('master')`.
    Literal(String),
    /// By a variable: `getip(variables.peer)`; the path below `variables`.
    Variable(Vec<String>),
    /// By an identifier that nothing defines: `getip(master)`.
    Bare(String),
}
