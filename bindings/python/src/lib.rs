//! Python extension module `occopus._native`.
