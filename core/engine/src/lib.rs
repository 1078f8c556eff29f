//! The Occopus engine: model, plan, observe, enact, journal and recovery.
//!
//! The engine knows no concrete back-end. It works on the traits [`store::Store`],
//! [`handler::ResourceHandler`], [`context::Contextualiser`], [`health::HealthChecker`],
//! [`credentials::CredentialSource`] and [`clock::Clock`].

pub mod batch;
pub mod clock;
pub mod context;
pub mod control;
pub mod credentials;
pub mod difference;
pub mod drift;
pub mod enact;
pub mod engine;
pub mod error;
pub mod event;
pub mod handler;
pub mod health;
pub mod hold;
pub mod ids;
pub mod journal;
pub mod judge;
pub mod lease;
pub mod moves;
pub mod names;
pub mod observe;
pub mod plan;
pub mod record;
pub mod remember;
pub mod scaling;
pub mod secret;
pub mod store;
pub mod topology;

#[cfg(test)]
mod sample;
