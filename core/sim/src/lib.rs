//! Simulated cloud, store faults and virtual time: the test bench of the engine.
