//! Legacy list.
