//! Importing an image from an archive of a root filesystem, which streams through this process: the
//! engine may run on a machine that cannot reach the source.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use occopus_engine::clock::Clock;
use occopus_engine::handler::{ErrorKind, HandlerError, Progress};
use reqwest::{StatusCode, Url};
use tokio::sync::OnceCell;
use tokio_util::io::ReaderStream;

use super::client::Engine;
use super::image::{FETCH_TIMEOUT, import_options};
use super::request::Image;

/// Largest archive that is imported, so that a wrong URL cannot fill the engine's disk.
const MAX_BYTES: u64 = 16 << 30;

/// Limits for reaching a web server and for its silence in the middle of a download.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
const SILENCE_TIMEOUT: Duration = Duration::from_secs(60);

/// How often the progress of an import is reported.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// Imports archives. The web client is made at its first use: reading the trusted certificates takes
/// a while.
pub(super) struct Archives {
    clock: Arc<dyn Clock>,
    web: OnceCell<reqwest::Client>,
}

impl Archives {
    /// Nothing is set up yet; `clock` paces the progress reports.
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, web: OnceCell::new() }
    }

    /// Imports the archive at `path` on this machine as `image`.
    pub(super) async fn import_file(
        &self,
        engine: &Engine,
        image: &Image,
        path: &Path,
        progress: &dyn Progress,
    ) -> Result<(), HandlerError> {
        let origin = format!("file://{}", path.display());
        let wrong = |error: &dyn std::fmt::Display| {
            let what = format!("cannot read the origin {origin} of image {image}: {error}");
            HandlerError::new(ErrorKind::Invalid, format!("docker: {what}"))
        };
        let file = tokio::fs::File::open(path).await.map_err(|error| wrong(&error))?;
        let about = file.metadata().await.map_err(|error| wrong(&error))?;
        if !about.is_file() {
            return Err(wrong(&"it is no file; name an archive of a root filesystem"));
        }
        let transfer = Transfer::new(origin, Some(about.len()))?;
        self.import(engine, image, &transfer, ReaderStream::new(file), progress).await
    }

    /// Imports the archive at `url` as `image`.
    pub(super) async fn import_url(
        &self,
        engine: &Engine,
        image: &Image,
        url: &Url,
        progress: &dyn Progress,
    ) -> Result<(), HandlerError> {
        let origin = printable(url);
        let failed = |kind, why: String| {
            let what = format!("docker: cannot download the origin {origin} of image {image}: {why}");
            HandlerError::new(kind, what)
        };
        let web = self.web.get_or_try_init(web_client).await?;
        let response = web
            .get(url.clone())
            .send()
            .await
            .map_err(|error| failed(ErrorKind::Transient, root_cause(&error.without_url())))?;
        if !response.status().is_success() {
            let kind = answer_kind(response.status());
            return Err(failed(kind, format!("the server answered {}", response.status())));
        }
        let transfer = Transfer::new(origin.clone(), response.content_length())?;
        let body =
            response.bytes_stream().map_err(|error| io::Error::other(root_cause(&error.without_url())));
        self.import(engine, image, &transfer, body, progress).await
    }

    async fn import(
        &self,
        engine: &Engine,
        image: &Image,
        transfer: &Arc<Transfer>,
        archive: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
        progress: &dyn Progress,
    ) -> Result<(), HandlerError> {
        let docker = engine.docker.clone().with_timeout(FETCH_TIMEOUT);
        let body = bollard::body_try_stream(transfer.watch(archive));
        let importing =
            docker.create_image(Some(import_options(image)), Some(body), None).try_collect::<Vec<_>>();
        let reporting = async {
            loop {
                progress.report(&format!("importing {image}: {}", transfer.progress()));
                self.clock.sleep(REPORT_INTERVAL).await;
            }
        };
        let outcome = tokio::select! {
            outcome = importing => outcome,
            () = reporting => return Ok(()),
        };
        match (outcome, transfer.failure.get()) {
            (Ok(_), _) => Ok(()),
            // The engine only saw its input end; why, is known on this side alone.
            (Err(_), Some(failure)) => Err(failure.clone()),
            (Err(error), None) => {
                Err(engine.fetch_error(&format!("import image {image} from {}", transfer.origin), &error))
            }
        }
    }
}

/// One archive on its way.
#[derive(Debug)]
struct Transfer {
    /// Where it comes from, as it may be shown.
    origin: String,
    /// Its size in bytes, if the source tells.
    size: Option<u64>,
    /// Bytes passed on so far.
    passed: AtomicU64,
    /// Why the source failed.
    failure: OnceLock<HandlerError>,
}

impl Transfer {
    fn new(origin: String, size: Option<u64>) -> Result<Arc<Self>, HandlerError> {
        match size {
            Some(size) if size > MAX_BYTES => Err(too_large(&origin)),
            size => Ok(Arc::new(Self { origin, size, passed: AtomicU64::new(0), failure: OnceLock::new() })),
        }
    }

    /// Passes `archive` on, counting its bytes and keeping its failure.
    fn watch<S>(self: &Arc<Self>, archive: S) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static
    where
        S: Stream<Item = io::Result<Bytes>> + Send + 'static,
    {
        let transfer = Arc::clone(self);
        archive.map(move |chunk| {
            let result = chunk
                .map_err(|error| {
                    let what = format!("docker: reading {} broke off: {error}", transfer.origin);
                    HandlerError::new(ErrorKind::Transient, what)
                })
                .and_then(|chunk| transfer.count(chunk));
            result.inspect_err(|error| _ = transfer.failure.set(error.clone())).map_err(io::Error::other)
        })
    }

    fn count(&self, chunk: Bytes) -> Result<Bytes, HandlerError> {
        let length = chunk.len() as u64;
        let passed = self.passed.fetch_add(length, Ordering::Relaxed) + length;
        if passed > MAX_BYTES { Err(too_large(&self.origin)) } else { Ok(chunk) }
    }

    fn progress(&self) -> String {
        let megabytes = |bytes: u64| bytes / 1_000_000;
        let passed = megabytes(self.passed.load(Ordering::Relaxed));
        match self.size {
            Some(size) => format!("{passed} of {} MB", megabytes(size)),
            None => format!("{passed} MB"),
        }
    }
}

fn too_large(origin: &str) -> HandlerError {
    let limit = MAX_BYTES >> 30;
    let what = format!("docker: {origin} is larger than {limit} GiB; is it an archive of a root filesystem?");
    HandlerError::new(ErrorKind::Invalid, what)
}

async fn web_client() -> Result<reqwest::Client, HandlerError> {
    let build = || {
        // Whoever set a provider before has the same one: the workspace uses ring alone.
        let _ = rustls::crypto::ring::default_provider().install_default();
        reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(SILENCE_TIMEOUT).build()
    };
    let built = tokio::task::spawn_blocking(build).await.map_err(|error| error.to_string());
    built.and_then(|client| client.map_err(|error| error.to_string())).map_err(|error| {
        HandlerError::new(ErrorKind::Transient, format!("docker: cannot set up the web client: {error}"))
    })
}

fn answer_kind(status: StatusCode) -> ErrorKind {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ErrorKind::Auth,
        StatusCode::NOT_FOUND | StatusCode::GONE => ErrorKind::NotFound,
        StatusCode::TOO_MANY_REQUESTS => ErrorKind::Throttled,
        status if status.is_server_error() => ErrorKind::Transient,
        _ => ErrorKind::Invalid,
    }
}

/// `url` without what may be secret: password and query (signed links).
fn printable(url: &Url) -> String {
    let mut url = url.clone();
    // These fail only for URLs without a host, which have no such parts.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.to_string()
}

fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_a_url_are_not_shown() {
        let url = Url::parse("https://user:hunter2@example.org/a/b.tar?signature=hunter2").unwrap();
        assert_eq!(printable(&url), "https://example.org/a/b.tar");
    }

    #[test]
    fn an_archive_of_absurd_size_is_refused_before_and_during_the_transfer() {
        let error = Transfer::new("file:///x".to_owned(), Some(MAX_BYTES + 1)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        let transfer = Transfer::new("http://x/".to_owned(), None).unwrap();
        transfer.passed.store(MAX_BYTES, Ordering::Relaxed);
        assert_eq!(transfer.count("x".into()).unwrap_err().kind, ErrorKind::Invalid);
    }

    #[tokio::test]
    async fn a_source_that_breaks_off_keeps_its_reason() {
        let transfer = Transfer::new("http://x/".to_owned(), None).unwrap();
        let parts = vec![Ok("abc".into()), Err(io::Error::other("reset by peer"))];
        let passed: Vec<_> = transfer.watch(futures::stream::iter(parts)).collect().await;
        assert!(passed[0].is_ok() && passed[1].is_err());
        assert_eq!(transfer.progress(), "0 MB");
        let failure = transfer.failure.get().unwrap();
        assert_eq!(failure.kind, ErrorKind::Transient);
        assert!(failure.message.contains("reset by peer"), "{failure}");
    }
}
