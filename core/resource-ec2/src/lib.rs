//! Resource handler for EC2 and EC2-compatible clouds.
