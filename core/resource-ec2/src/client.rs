//! Clients of the service, one per place.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_credential_types::Credentials as Keys;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::retry::RetryConfig;
use aws_sdk_ec2::config::timeout::TimeoutConfig;
use aws_sdk_ec2::config::{BehaviorVersion, Config, Region, SharedHttpClient};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use occopus_engine::handler::{Access, Credentials, ErrorKind, HandlerError, Place};

/// A cloud that does not accept a connection within this time is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Makes clients and keeps them, so that connections are used again.
pub(crate) struct Clients {
    https: SharedHttpClient,
    http: SharedHttpClient,
    call_timeout: Duration,
    /// With the credentials each was made with: edited ones replace the client.
    cached: Mutex<HashMap<Place, (Credentials, Client)>>,
}

impl Clients {
    /// No call of a client lasts longer than `call_timeout`.
    pub(crate) fn new(call_timeout: Duration) -> Self {
        Self {
            https: Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https(),
            // Apart from the other one, so that plain endpoints need no certificates on the machine.
            http: Builder::new().build_http(),
            call_timeout,
            cached: Mutex::new(HashMap::new()),
        }
    }

    /// The client for `access`.
    pub(crate) fn get(&self, access: &Access) -> Result<Client, HandlerError> {
        let place = &access.place;
        let credentials = access.credentials.as_ref().ok_or_else(|| no_credentials(place))?;
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, client)) = cached.get(place)
            && known == credentials
        {
            return Ok(client.clone());
        }
        let client = self.make(place, credentials)?;
        cached.insert(place.clone(), (credentials.clone(), client.clone()));
        Ok(client)
    }

    fn make(&self, place: &Place, credentials: &Credentials) -> Result<Client, HandlerError> {
        let accesskey = field(place, credentials, "accesskey")?;
        let secretkey = field(place, credentials, "secretkey")?;
        let is_plain = place.endpoint.starts_with("http://");
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT.min(self.call_timeout))
            .operation_timeout(self.call_timeout)
            .build();
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(if is_plain { self.http.clone() } else { self.https.clone() })
            .endpoint_url(&place.endpoint)
            .region(place.region.clone().map(Region::new))
            .credentials_provider(Keys::new(accesskey, secretkey, None, None, "occopus"))
            // The engine retries; two layers of retries would hide each other's limits.
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .build();
        Ok(Client::from_conf(config))
    }
}

fn no_credentials(place: &Place) -> HandlerError {
    let message = format!("Cannot find credentials for \"{}\". Please, specify!", place.endpoint);
    HandlerError::new(ErrorKind::Auth, message)
}

fn field(place: &Place, credentials: &Credentials, key: &str) -> Result<String, HandlerError> {
    credentials.text(key).filter(|text| !text.is_empty()).ok_or_else(|| {
        let message = format!(
            "{place}: the credentials have no '{key}'; an entry for ec2 needs accesskey and secretkey as texts"
        );
        HandlerError::new(ErrorKind::Auth, message)
    })
}
