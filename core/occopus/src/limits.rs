//! Numbers of the engine that settings and environment choose.

use std::time::Duration;

use occopus_engine::engine::{Handlers, Policy};

use crate::error::Error;
use crate::settings::Settings;

/// Seconds after which a lease that was not renewed can be taken over.
const LEASE_VARIABLE: &str = "OCCOPUS_LEASE";
/// Days for which events and journal records are kept.
const HISTORY_VARIABLE: &str = "OCCOPUS_HISTORY";

/// A lease must outlast any call by so much: to renew it takes time, too.
const MARGIN: Duration = Duration::from_secs(5);
const LONGEST_LEASE: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const LONGEST_HISTORY: Duration = Duration::from_secs(3650 * 24 * 3600);

/// The policy that `settings` and the environment ask for, for work with `handlers`.
pub(crate) fn policy(
    settings: &Settings,
    variable: impl Fn(&str) -> Option<String>,
    handlers: &Handlers,
) -> Result<Policy, Error> {
    let mut policy = Policy::default();
    if let Some(max_parallel) = settings.max_parallel {
        policy.max_parallel = max_parallel;
    }
    let number = |name: &str, unit: Duration| -> Result<Option<Duration>, Error> {
        let Some(text) = variable(name).filter(|text| !text.is_empty()) else { return Ok(None) };
        let number: u32 = text.parse().map_err(|_| {
            Error::Usage(format!("{name} is '{text}'; set it to a whole number, or not at all"))
        })?;
        Ok(Some(unit.saturating_mul(number)))
    };
    let lease = match settings.lease {
        None => number(LEASE_VARIABLE, Duration::from_secs(1))?,
        given => given,
    };
    if let Some(lease) = lease {
        check_lease(lease, handlers)?;
        policy.lease = lease;
    }
    let history = match settings.history {
        None => number(HISTORY_VARIABLE, DAY)?,
        given => given,
    };
    if let Some(history) = history {
        if !(DAY..=LONGEST_HISTORY).contains(&history) {
            let text = format!(
                "a history of {} days cannot be kept; {HISTORY_VARIABLE} is 1 to 3650 days",
                days(history)
            );
            return Err(Error::Usage(text));
        }
        policy.history = history;
    }
    Ok(policy)
}

fn days(duration: Duration) -> u64 {
    duration.as_secs() / DAY.as_secs()
}

/// A call starts only under a lease that outlasts it: with a shorter one nothing could ever be done.
fn check_lease(lease: Duration, handlers: &Handlers) -> Result<(), Error> {
    let deadline = |handler: &std::sync::Arc<dyn occopus_engine::handler::ResourceHandler>| {
        let capabilities = handler.capabilities();
        capabilities.create_deadline.max(capabilities.destroy_deadline)
    };
    let shortest = handlers.all().map(deadline).max().unwrap_or_default() + MARGIN;
    if (shortest..=LONGEST_LEASE).contains(&lease) {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "a lease of {} s is impossible, because it has to outlast every call; {LEASE_VARIABLE} is {} to {} s",
        lease.as_secs(),
        shortest.as_secs(),
        LONGEST_LEASE.as_secs()
    )))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use occopus_engine::clock::SystemClock;
    use occopus_resources::docker::DockerHandler;

    use super::*;

    fn chosen(lease: Option<&str>, history: Option<&str>) -> Result<Policy, String> {
        let mut handlers = Handlers::default();
        handlers.register(Arc::new(DockerHandler::new(Arc::new(SystemClock))));
        let variable = |name: &str| {
            let text = if name == LEASE_VARIABLE { lease } else { history };
            text.map(str::to_owned)
        };
        policy(&Settings::default(), variable, &handlers).map_err(|error| error.to_string())
    }

    #[test]
    fn a_lease_outlasts_every_call_or_is_refused() {
        assert_eq!(chosen(Some("45"), None).unwrap().lease, Duration::from_secs(45));
        assert_eq!(chosen(Some(""), None).unwrap().lease, Policy::default().lease);
        for wrong in ["44", "3601", "0", "-5", "soon", "99999999999"] {
            let refused = chosen(Some(wrong), None).unwrap_err();
            assert!(refused.contains(LEASE_VARIABLE), "{refused}");
        }
    }

    #[test]
    fn history_is_kept_for_days() {
        assert_eq!(chosen(None, Some("7")).unwrap().history, DAY * 7);
        for wrong in ["0", "3651", "1.5", "4294967295"] {
            assert!(chosen(None, Some(wrong)).unwrap_err().contains(HISTORY_VARIABLE), "{wrong}");
        }
    }

    #[test]
    fn what_the_caller_sets_goes_before_the_environment() {
        let settings = Settings { history: Some(DAY * 2), lease: Some(DAY / 48), ..Settings::default() };
        let policy = policy(&settings, |_| Some("9".to_owned()), &Handlers::default()).unwrap();
        assert_eq!((policy.history, policy.lease), (DAY * 2, DAY / 48));
    }
}
