//! One instance: its life and its appearance in answers.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::{Value, json};

use crate::answer::Xml;
use crate::lag::{Countdown, Lag};
use crate::options::Options;

/// One virtual machine.
#[derive(Debug, Clone)]
pub(crate) struct Instance {
    pub(crate) id: String,
    /// Number in order of creation; addresses derive from it.
    pub(crate) number: u32,
    pub(crate) region: String,
    /// The call that made it, and its number in it.
    pub(crate) reservation: String,
    pub(crate) launch_index: usize,
    pub(crate) launch: Launch,
    pub(crate) state: String,
    /// No longer listed, like a terminated instance after about an hour.
    pub(crate) forgotten: bool,
    hidden: Option<Countdown>,
    countdown: Countdown,
}

/// What an instance was launched with.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    /// Least and most instances.
    pub(crate) count: (usize, usize),
    pub(crate) image: String,
    pub(crate) kind: String,
    pub(crate) key: Option<String>,
    pub(crate) subnet: Option<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) user_data: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) volume_tags: BTreeMap<String, String>,
}

impl Instance {
    pub(crate) fn new(
        (id, number): (String, u32),
        region: &str,
        (reservation, launch_index): (&str, usize),
        launch: Launch,
        options: &Options,
        now: Instant,
    ) -> Self {
        Self {
            id,
            number,
            region: region.to_owned(),
            reservation: reservation.to_owned(),
            launch_index,
            launch,
            state: "pending".to_owned(),
            forgotten: false,
            hidden: Some(Countdown::new(options.hidden, now)),
            countdown: Countdown::new(options.pending, now),
        }
    }

    /// Lets one listing pass: states that have lasted long enough give way to the next one.
    pub(crate) fn advance(&mut self, options: &Options, now: Instant) {
        if let Some(hidden) = &mut self.hidden {
            if !hidden.listing(now) {
                return;
            }
            self.hidden = None;
        }
        if !self.countdown.listing(now) {
            return;
        }
        match self.state.as_str() {
            "pending" => self.enter("running", options.pending, now),
            "shutting-down" => self.enter("terminated", options.terminated, now),
            "terminated" => self.forgotten = true,
            _ => {}
        }
    }

    /// Whether listings show it.
    pub(crate) fn listed(&self) -> bool {
        self.hidden.is_none() && !self.forgotten
    }

    /// Whether it takes room.
    pub(crate) fn exists(&self) -> bool {
        !matches!(self.state.as_str(), "shutting-down" | "terminated")
    }

    pub(crate) fn terminate(&mut self, options: &Options, now: Instant) {
        if self.exists() {
            self.enter("shutting-down", options.shutting_down, now);
        }
    }

    /// Enters `state`, which lasts for `lag` if it is one that passes.
    pub(crate) fn enter(&mut self, state: &str, lag: Lag, now: Instant) {
        state.clone_into(&mut self.state);
        self.countdown = Countdown::new(lag, now);
    }

    fn private_address(&self) -> String {
        let [_, high, middle, low] = self.number.to_be_bytes();
        format!("10.{high}.{middle}.{low}")
    }

    /// Given while it runs. From the range for benchmarks, which nobody routes.
    fn public_address(&self) -> Option<String> {
        let [_, high, middle, low] = self.number.to_be_bytes();
        (self.state == "running").then(|| format!("198.{}.{middle}.{low}", 18 + (high & 1)))
    }

    pub(crate) fn write_xml(&self, xml: &mut Xml) {
        xml.text("instanceId", &self.id);
        xml.text("imageId", &self.launch.image);
        xml.text("amiLaunchIndex", &self.launch_index.to_string());
        write_state(xml, "instanceState", &self.state);
        xml.text("instanceType", &self.launch.kind);
        if let Some(public) = self.public_address() {
            xml.text("dnsName", &format!("ec2-{}.stub.example", public.replace('.', "-")));
            xml.text("ipAddress", &public);
        } else {
            xml.text("dnsName", "");
        }
        if self.state != "terminated" {
            xml.text("privateIpAddress", &self.private_address());
        }
        for (name, value) in [
            ("keyName", &self.launch.key),
            ("subnetId", &self.launch.subnet),
            ("clientToken", &self.launch.token),
        ] {
            if let Some(value) = value {
                xml.text(name, value);
            }
        }
        xml.within("tagSet", |xml| {
            for (key, value) in &self.launch.tags {
                xml.within("item", |xml| {
                    xml.text("key", key);
                    xml.text("value", value);
                });
            }
        });
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "region": self.region,
            "reservation": self.reservation,
            "launch_index": self.launch_index,
            "state": self.state,
            "listed": self.listed(),
            "image_id": self.launch.image,
            "instance_type": self.launch.kind,
            "key_name": self.launch.key,
            "subnet_id": self.launch.subnet,
            "security_group_ids": self.launch.groups,
            "user_data": self.launch.user_data,
            "client_token": self.launch.token,
            "tags": self.launch.tags,
            "volume_tags": self.launch.volume_tags,
        })
    }
}

/// Writes a state with its number.
pub(crate) fn write_state(xml: &mut Xml, element: &str, state: &str) {
    let code = match state {
        "pending" => "0",
        "running" => "16",
        "shutting-down" => "32",
        "terminated" => "48",
        "stopping" => "64",
        "stopped" => "80",
        _ => "255",
    };
    xml.within(element, |xml| {
        xml.text("code", code);
        xml.text("name", state);
    });
}
