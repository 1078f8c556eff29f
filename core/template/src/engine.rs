//! The template engine: Jinja2's behaviour, bounded work, no loader.

use std::sync::Arc;

use minijinja::{Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value};
use serde_json::{Map, Value as Json};

use crate::error::{Fault, Spot};
use crate::functions::{self, Directory};
use crate::guard::guarded;
use crate::scan::{self, Kind, Operator};
use crate::{filters, methods, printing, section};

/// Work a single rendering may do: steps of the engine; the same budget bounds its memory to 64 MiB.
const FUEL: u64 = 1_000_000;

/// Most bytes a single rendering may give. No cloud takes user data of this size.
const MAX_OUTPUT: usize = 1 << 20;

/// Renders template texts.
#[derive(Debug, Clone)]
pub(crate) struct Engine {
    environment: Environment<'static>,
}

impl Engine {
    /// An engine with everything but the functions that look instances up.
    pub(crate) fn new() -> Self {
        let mut environment = Environment::new();
        minijinja_contrib::add_to_environment(&mut environment);
        methods::add(&mut environment);
        filters::add(&mut environment);
        functions::add_common(&mut environment);
        // Not Jinja2's, and it would print every variable.
        environment.remove_global("debug");
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_undefined_behavior(UndefinedBehavior::Lenient);
        environment.set_fuel(Some(FUEL));
        // Without it, errors do not say which name is undefined.
        environment.set_debug(true);
        environment.set_formatter(print);
        Self { environment }
    }

    /// The engine with the functions that look instances up in `directory`.
    pub(crate) fn with(&self, directory: &Arc<Directory>) -> Self {
        let mut engine = self.clone();
        functions::add_look_ups(&mut engine.environment, directory);
        engine
    }

    /// The engine for text that is YAML: line breaks of values are marked, see [`section`].
    pub(crate) fn for_yaml_text(&self) -> Self {
        let mut engine = self.clone();
        engine.environment.set_formatter(print_into_yaml);
        engine
    }

    /// Renders `source`, which loses one trailing newline as in Jinja2.
    pub(crate) fn render(&self, source: &str, names: &Value) -> Result<String, Fault> {
        let source = normalised(source);
        let named = scan::name_arguments(&source);
        let text = guarded(&named, || {
            // An error holds values of the template, which are dropped here.
            self.environment.render_str(&named, names).map_err(|error| Fault::of(&error, &source))
        })?;
        if text.len() > MAX_OUTPUT {
            return Err(Fault::new(format!(
                "the result is larger than {MAX_OUTPUT} bytes; shorten the template"
            )));
        }
        Ok(text)
    }

    /// Whether `source` is a template at all.
    pub(crate) fn verify_syntax(&self, source: &str) -> Result<(), Fault> {
        let source = normalised(source);
        guarded(&source, || {
            let parsed = self.environment.template_from_str(&source);
            parsed.map(drop).map_err(|error| Fault::of(&error, &source))
        })
    }

    /// Whether the filters and tests of `source` exist. In Jinja2 they must, even where they are never
    /// reached.
    pub(crate) fn verify_operators(&self, source: &str) -> Result<(), Fault> {
        let source = normalised(source);
        let mut state = self.environment.empty_state();
        for Operator { kind, name, start } in scan::operators(&source) {
            let (what, unknown) = match kind {
                Kind::Filter => ("filter", is(ErrorKind::UnknownFilter, state.apply_filter(name, &[]))),
                Kind::Test => ("test", is(ErrorKind::UnknownTest, state.perform_test(name, &[]))),
            };
            if unknown {
                return Err(Fault {
                    spot: Some(Spot::at(&source, start)),
                    certain: true,
                    ..Fault::new(format!("unknown {what}: {what} {name} is unknown"))
                });
            }
        }
        Ok(())
    }

    /// Whether `source` calls a function that the engine does not have.
    pub(crate) fn calls_unknown(&self, source: &str) -> bool {
        scan::calls(source).iter().any(|name| {
            !functions::is_function(name) && !self.environment.globals().any(|(known, _)| known == *name)
        })
    }

    /// Renders `source` and keeps its trailing newline.
    pub(crate) fn render_whole(&self, source: &str, names: &Value) -> Result<String, Fault> {
        if source.ends_with('\n') {
            self.render(&format!("{source}\n"), names)
        } else {
            self.render(source, names)
        }
    }
}

/// `source` with the line ends of Jinja2.
fn normalised(source: &str) -> String {
    source.replace("\r\n", "\n").replace('\r', "\n")
}

fn is<T>(kind: ErrorKind, result: Result<T, Error>) -> bool {
    result.is_err_and(|error| error.kind() == kind)
}

/// A JSON value as the engine takes it.
pub(crate) fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(flag) => Value::from(*flag),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(integer), _) => Value::from(integer),
            (None, Some(integer)) => Value::from(integer),
            (None, None) => Value::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => items.iter().map(value).collect(),
        Json::Object(entries) => mapping(entries),
    }
}

/// A JSON object as the engine takes it.
pub(crate) fn mapping(entries: &Map<String, Json>) -> Value {
    Value::from_pairs(entries.iter().map(|(key, item)| (key.as_str(), value(item))))
}

fn print(output: &mut Output, _state: &mut State, value: &Value) -> Result<(), Error> {
    output.write_str(&printing::text(value)?).map_err(Error::from)
}

fn print_into_yaml(output: &mut Output, _state: &mut State, value: &Value) -> Result<(), Error> {
    output.write_str(&section::mark_breaks(&printing::text(value)?)).map_err(Error::from)
}
