//! Errors of the facade, with the exit code that a command ends with.

use occopus_descriptor::diagnostic::Diagnostics;
use occopus_engine::error::EngineError;
use occopus_engine::handler::HandlerError;
use occopus_engine::store::StoreError;

/// Why an operation could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file is wrong; all its problems with their places.
    #[error("{0}")]
    Descriptor(Diagnostics),
    /// The request makes no sense as it is.
    #[error("{0}")]
    Usage(String),
    /// The engine stopped.
    #[error(transparent)]
    Engine(EngineError),
    /// A file cannot be read or written.
    #[error("{0}")]
    File(String),
}

impl Error {
    /// Exit code of the `occopus` command: 1 failed, 2 usage or invalid descriptor, 5 busy, 130
    /// interrupted.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Descriptor(_) | Self::Usage(_) => 2,
            Self::Engine(EngineError::Busy { .. }) => 5,
            Self::Engine(EngineError::Stopped { .. }) => 130,
            Self::Engine(EngineError::Description(_) | EngineError::UnknownInfrastructure { .. }) => 2,
            Self::Engine(_) | Self::File(_) => 1,
        }
    }

    /// A short machine-readable word for the kind of error.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Descriptor(_) => "descriptor",
            Self::Usage(_) | Self::Engine(EngineError::Description(_)) => "usage",
            Self::Engine(EngineError::UnknownInfrastructure { .. }) => "unknown_infrastructure",
            Self::Engine(EngineError::Busy { .. }) => "busy",
            Self::Engine(EngineError::Stopped { .. }) => "interrupted",
            Self::Engine(EngineError::LeaseLost(_)) => "lease_lost",
            Self::Engine(EngineError::Store(_) | EngineError::Record { .. }) => "store",
            Self::Engine(EngineError::Handler(_)) => "resource",
            Self::Engine(EngineError::Credentials(_)) => "credentials",
            Self::Engine(EngineError::Render(_)) => "template",
            Self::File(_) => "file",
        }
    }
}

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Engine(error.into())
    }
}

impl From<HandlerError> for Error {
    fn from(error: HandlerError) -> Self {
        Self::Engine(error.into())
    }
}

impl From<Diagnostics> for Error {
    fn from(diagnostics: Diagnostics) -> Self {
        Self::Descriptor(diagnostics)
    }
}
