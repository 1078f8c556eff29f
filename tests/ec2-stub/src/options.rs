//! What the stub knows and how slow it is.

use std::time::Duration;

use crate::lag::Lag;

/// What the stub accepts and how long things take.
#[derive(Debug, Clone)]
pub struct Options {
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Seed of the instance identifiers; `None` makes them differ from run to run.
    pub seed: Option<u64>,
    /// How long a new instance is missing from listings.
    pub hidden: Lag,
    /// How long an instance is `pending`.
    pub pending: Lag,
    /// How long an instance is `shutting-down`.
    pub shutting_down: Lag,
    /// How long a terminated instance is still listed.
    pub terminated: Lag,
    /// How many instances may exist at the same time.
    pub capacity: usize,
    /// Whether the instances of one call are numbered, as the service does it.
    pub numbered: bool,
    /// Access key ids that are let in.
    pub access_keys: Vec<String>,
    /// Images that exist.
    pub images: Vec<String>,
    /// Instance types that exist.
    pub types: Vec<String>,
    /// Key pairs that exist.
    pub keys: Vec<String>,
    /// Subnets that exist.
    pub subnets: Vec<String>,
    /// Security groups that exist.
    pub groups: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        let texts = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
        Self {
            port: 0,
            seed: None,
            hidden: Lag::Calls(0),
            pending: Lag::Calls(1),
            shutting_down: Lag::Calls(1),
            terminated: Lag::Time(Duration::from_secs(60)),
            capacity: usize::MAX,
            numbered: true,
            access_keys: texts(&["AKIDSTUB"]),
            images: texts(&["ami-12345678", "ami-0123456789abcdef0"]),
            types: texts(&["t2.micro", "t3.micro", "t3.small", "m5.large"]),
            keys: texts(&["stub-key"]),
            subnets: texts(&["subnet-12345678"]),
            groups: texts(&["sg-12345678", "sg-87654321"]),
        }
    }
}
