//! Machines of the simulated cloud.

use std::collections::BTreeMap;
use std::time::Duration;

use occopus_engine::handler::{Identity, ResourceState};

/// A machine that was ever made. Times are the cloud's own, since its start.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The cloud's name for it.
    pub id: String,
    /// Where it is.
    pub endpoint: String,
    /// Whose it is.
    pub identity: Identity,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Its number in the call that made it.
    pub launch_index: usize,
    /// When the create call arrived.
    pub requested_at: Duration,
    /// When it came into being.
    pub exists_from: Duration,
    /// When answers start to show it.
    pub visible_from: Duration,
    /// When it has booted.
    pub boots_at: Duration,
    /// When it ceased to exist, or will.
    pub gone_at: Option<Duration>,
    /// Since when it is stopped.
    pub stopped_at: Option<Duration>,
    /// Whether it vanished behind everybody's back.
    pub killed: bool,
    /// Whether it passes health checks.
    pub healthy: bool,
    /// Whether it ever passed them since it has booted, or would have.
    pub ever_healthy: bool,
    /// Its address.
    pub address: String,
}

impl Machine {
    /// Whether it exists, or is certain to come into being.
    pub fn is_alive(&self, now: Duration) -> bool {
        self.gone_at.is_none_or(|gone| gone > now)
    }

    /// Whether it runs, has booted and is healthy.
    pub fn serves(&self, now: Duration) -> bool {
        self.state(now) == ResourceState::Running && self.healthy
    }

    /// Whether something happened to it that nobody asked for.
    pub(crate) fn had_accident(&self) -> bool {
        self.killed || self.stopped_at.is_some() || !self.healthy
    }

    /// Whether it may have been seen ready before `now`.
    pub fn was_ready_before(&self, now: Duration) -> bool {
        let ended = [self.gone_at, self.stopped_at].into_iter().flatten().min();
        self.ever_healthy && self.boots_at <= now && ended.is_none_or(|ended| ended >= self.boots_at)
    }

    /// A repeated request arrived, and may have overtaken the first: it is the one that makes the machine.
    pub(crate) fn arrive_by(&mut self, at: Duration) {
        let earlier = self.exists_from.saturating_sub(at);
        self.exists_from -= earlier;
        self.visible_from -= earlier;
        self.boots_at -= earlier;
    }

    /// Whether it exists at `now` and answers do not show it yet.
    pub(crate) fn is_hidden(&self, now: Duration) -> bool {
        self.exists_from <= now && now < self.visible_from && self.is_alive(now)
    }

    /// Its state as an answer gives it that is up to date at `now`.
    pub(crate) fn state(&self, now: Duration) -> ResourceState {
        if now < self.visible_from || !self.is_alive(now) {
            ResourceState::Missing
        } else if self.stopped_at.is_some() || self.gone_at.is_some() {
            ResourceState::Stopped
        } else if now < self.boots_at {
            ResourceState::Pending
        } else {
            ResourceState::Running
        }
    }
}
