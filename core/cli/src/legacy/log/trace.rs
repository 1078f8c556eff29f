//! Records of the program's parts, under the logger names of Occopus 1.10.

use std::fmt::{Debug, Write};
use std::sync::Arc;

use occopus::descriptor::configuration::Level;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::Console;

/// Sends the records of this process to `console`.
pub(super) fn install(console: Arc<Console>) {
    let subscriber = tracing_subscriber::registry().with(Forward(console));
    // A program that calls several commands in one process keeps the first subscriber.
    drop(tracing::subscriber::set_global_default(subscriber));
}

struct Forward(Arc<Console>);

impl<S: Subscriber> Layer<S> for Forward {
    fn enabled(&self, metadata: &tracing::Metadata<'_>, _: Context<'_, S>) -> bool {
        // Libraries may log requests with all their headers.
        let limit = if is_ours(metadata.target()) { tracing::Level::DEBUG } else { tracing::Level::WARN };
        *metadata.level() <= limit
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        let metadata = event.metadata();
        self.0.trace(&logger(metadata.target()), level(*metadata.level()), &text.whole());
    }
}

fn is_ours(target: &str) -> bool {
    target.starts_with("occopus")
}

fn level(level: tracing::Level) -> Level {
    match level {
        tracing::Level::ERROR => Level::ERROR,
        tracing::Level::WARN => Level::WARNING,
        tracing::Level::INFO => Level::INFO,
        _ => Level::DEBUG,
    }
}

/// What the part of the program was called in Occopus 1.10.
fn logger(target: &str) -> String {
    const NAMES: [(&str, &str); 7] = [
        ("occopus_engine", "occo.infraprocessor"),
        ("occopus_health", "occo.infraprocessor.synchronization"),
        ("occopus_template", "occo.infraprocessor.node_resolution"),
        ("occopus_store", "occo.infobroker.kvstore"),
        ("occopus_resource_ec2", "occo.resourcehandler.ec2"),
        ("occopus_resources::docker", "occo.resourcehandler.docker"),
        ("occopus_resources", "occo.resourcehandler"),
    ];
    let known = NAMES.iter().find(|(part, _)| target.starts_with(part)).map(|(_, name)| (*name).to_owned());
    known.unwrap_or_else(|| if is_ours(target) { "occo".to_owned() } else { target.replace("::", ".") })
}

/// Message and fields of a record.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Text {
    fn whole(self) -> String {
        format!("{}{}", self.message, self.fields)
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a String cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::logger;

    #[test]
    fn parts_have_the_names_that_users_configure() {
        assert_eq!(logger("occopus_resources::docker::pull"), "occo.resourcehandler.docker");
        assert_eq!(logger("occopus_engine::control"), "occo.infraprocessor");
        assert_eq!(logger("occopus_cli::legacy"), "occo");
        assert_eq!(logger("hyper::client"), "hyper.client");
    }
}
