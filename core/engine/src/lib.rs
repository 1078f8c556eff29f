//! The Occopus engine: model, plan, observe, enact, journal and recovery.
//!
//! The engine knows no concrete back-end. It works on the traits [`store::Store`],
//! [`handler::ResourceHandler`], [`context::Contextualiser`], [`health::HealthChecker`],
//! [`credentials::CredentialSource`] and [`clock::Clock`].

pub mod clock;
pub mod context;
pub mod credentials;
pub mod handler;
pub mod health;
pub mod ids;
pub mod store;
