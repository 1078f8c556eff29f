//! `occopus schema`.

use clap::ValueEnum;
use occopus::Error;
use occopus::descriptor::Rules;
use occopus::descriptor::schema::{SchemaFile, schema};

use super::Session;
use crate::DONE;

/// A kind of file that has a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Schema {
    /// Infrastructure descriptions
    Infrastructure,
    /// Node definitions
    NodeDefinitions,
    /// Credentials files
    AuthData,
    /// Configuration files
    Config,
}

impl From<Schema> for SchemaFile {
    fn from(schema: Schema) -> Self {
        match schema {
            Schema::Infrastructure => Self::Infrastructure,
            Schema::NodeDefinitions => Self::NodeDefinitions,
            Schema::AuthData => Self::AuthData,
            Schema::Config => Self::Config,
        }
    }
}

/// A schema is a file for other programs: it is the same in every output format.
pub(super) fn run(session: &Session, file: Schema) -> Result<u8, Error> {
    session.output.result(&format!("{:#}", schema(file.into(), &Rules::builtin())));
    Ok(DONE)
}
