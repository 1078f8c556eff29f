//! Jinja2-compatible rendering and contextualisation.
//!
//! [`Templates`] turns a node description and its implementation into what an instance is created with:
//! the `resource` section, the user data (`context`) and the attributes. Rendering is pure: no clock, no
//! randomness, no IO, so that the same input always gives the same request. The one exception are the commands of
//! templates, which a [`CommandRunner`] runs where the user allows it.

mod command;
mod engine;
mod error;
mod filters;
mod flaws;
mod functions;
mod guard;
mod ibget;
mod methods;
mod names;
mod printing;
mod scan;
mod section;
mod templates;
mod uses;
mod yaml;

pub use command::CommandRunner;
pub use names::mappings;
pub use templates::Templates;
pub use yaml::{read_yaml, to_yaml};
