//! Getting an image onto an engine: pulling, importing, or finding it there.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bollard::models::CreateImageInfo;
use bollard::query_parameters::{CreateImageOptions, CreateImageOptionsBuilder};
use futures::TryStreamExt;
use occopus_engine::clock::Clock;
use occopus_engine::handler::{ErrorKind, HandlerError, Progress};
use tokio::sync::Semaphore;

use super::archive::Archives;
use super::client::Engine;
use super::error::status;
use super::request::{Image, Origin};

/// Limit of one pull or import as a whole.
pub(super) const FETCH_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// Images that are fetched at the same time.
const FETCHES_AT_ONCE: usize = 10;

/// When a fetch ended, on the monotonic clock, and how. `None` until one has ended.
type Fetch = tokio::sync::Mutex<Option<(Duration, Result<(), HandlerError>)>>;

/// Gets images ready. Whoever wants an image that is being fetched already waits and shares the
/// outcome, so that a hundred containers started together pull it once.
pub(super) struct Images {
    clock: Arc<dyn Clock>,
    archives: Archives,
    fetches: Mutex<HashMap<String, Weak<Fetch>>>,
    turns: Semaphore,
}

impl Images {
    /// No image is being fetched yet.
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            archives: Archives::new(Arc::clone(&clock)),
            clock,
            fetches: Mutex::default(),
            turns: Semaphore::new(FETCHES_AT_ONCE),
        }
    }

    /// Makes sure that `image` is on `engine`.
    pub(super) async fn prepare(
        &self,
        engine: &Engine,
        image: &Image,
        progress: &dyn Progress,
    ) -> Result<(), HandlerError> {
        let asked = self.clock.monotonic();
        let fetch = self.fetch_of(&format!("{} {image}", engine.endpoint));
        let mut last = fetch.lock().await;
        match &*last {
            Some((ended, outcome)) if *ended >= asked => outcome.clone(),
            _ => {
                let _turn = self.turns.acquire().await;
                let outcome = self.fetch(engine, image, progress).await;
                *last = Some((self.clock.monotonic(), outcome.clone()));
                outcome
            }
        }
    }

    fn fetch_of(&self, key: &str) -> Arc<Fetch> {
        let mut fetches = self.fetches.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fetch) = fetches.get(key).and_then(Weak::upgrade) {
            return fetch;
        }
        fetches.retain(|_, fetch| fetch.strong_count() > 0);
        let fetch = Arc::new(Fetch::default());
        fetches.insert(key.to_owned(), Arc::downgrade(&fetch));
        fetch
    }

    async fn fetch(
        &self,
        engine: &Engine,
        image: &Image,
        progress: &dyn Progress,
    ) -> Result<(), HandlerError> {
        match &image.origin {
            Origin::Registry => pull_or_keep(engine, image, progress).await,
            _ if is_there(engine, image).await? => Ok(()),
            Origin::Local => Err(not_local(engine, image)),
            Origin::File(path) => self.archives.import_file(engine, image, path, progress).await,
            Origin::Web(url) => self.archives.import_url(engine, image, url, progress).await,
        }
    }
}

/// Whether the engine has `image`.
async fn is_there(engine: &Engine, image: &Image) -> Result<bool, HandlerError> {
    match engine.docker.inspect_image(&image.to_string()).await {
        Ok(_) => Ok(true),
        Err(error) if status(&error) == Some(404) => Ok(false),
        Err(error) => Err(engine.read_error(&format!("look for image {image}"), &error)),
    }
}

fn not_local(engine: &Engine, image: &Image) -> HandlerError {
    let what = format!(
        "there is no image {image}, and its origin is 'local'; load, build or tag it there \
         (`docker tag SOURCE {image}`), or set another origin"
    );
    engine.error(ErrorKind::Invalid, &what)
}

/// A registry that cannot be reached must not stop the repair of what already ran from this image.
async fn pull_or_keep(engine: &Engine, image: &Image, progress: &dyn Progress) -> Result<(), HandlerError> {
    let Err(error) = pull(engine, image, progress).await else { return Ok(()) };
    if !is_there(engine, image).await? {
        return Err(error);
    }
    tracing::warn!("{error}; using the image {image} that is already there");
    progress.report(&format!("cannot pull {image}; using the one that is already there"));
    Ok(())
}

async fn pull(engine: &Engine, image: &Image, progress: &dyn Progress) -> Result<(), HandlerError> {
    let options = CreateImageOptionsBuilder::new().from_image(&image.name).tag(&image.tag).build();
    let docker = engine.docker.clone().with_timeout(FETCH_TIMEOUT);
    let mut events = std::pin::pin!(docker.create_image(Some(options), None, None));
    let mut layers = Layers::default();
    let doing = format!("pull image {image}");
    while let Some(event) = events.try_next().await.map_err(|error| engine.fetch_error(&doing, &error))? {
        if let Some(line) = layers.note(&event) {
            progress.report(&format!("pulling {image}: {line}"));
        }
    }
    if is_there(engine, image).await? {
        return Ok(());
    }
    Err(engine.error(ErrorKind::Transient, &format!("the pull of {image} ended, but the image is not there")))
}

/// The options of an import of `image` from the body of the request.
pub(super) fn import_options(image: &Image) -> CreateImageOptions {
    CreateImageOptionsBuilder::new().from_src("-").repo(&image.name).tag(&image.tag).build()
}

/// How far a pull has come.
#[derive(Debug, Default)]
struct Layers {
    complete: BTreeMap<String, bool>,
    last: String,
}

impl Layers {
    /// Takes in `event`; a line for people, if it differs from the last one.
    fn note(&mut self, event: &CreateImageInfo) -> Option<String> {
        let (id, status) = (event.id.as_ref()?, event.status.as_deref()?);
        match status {
            "Already exists" | "Pull complete" => self.complete.insert(id.clone(), true),
            "Pulling fs layer" => self.complete.insert(id.clone(), false),
            _ => return None,
        };
        let done = self.complete.values().filter(|complete| **complete).count();
        let line = format!("{done} of {} layers", self.complete.len());
        if line == self.last {
            return None;
        }
        self.last.clone_from(&line);
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: &str, status: &str) -> CreateImageInfo {
        CreateImageInfo { id: Some(id.to_owned()), status: Some(status.to_owned()), ..Default::default() }
    }

    #[test]
    fn layers_are_counted_and_repetitions_dropped() {
        let mut layers = Layers::default();
        let mut note = |id: &str, status: &str| layers.note(&event(id, status));
        assert_eq!(note("latest", "Pulling from library/busybox"), None);
        assert_eq!(note("a", "Pulling fs layer").as_deref(), Some("0 of 1 layers"));
        assert_eq!(note("b", "Already exists").as_deref(), Some("1 of 2 layers"));
        assert_eq!(note("a", "Downloading"), None);
        assert_eq!(note("b", "Already exists"), None);
        assert_eq!(note("a", "Pull complete").as_deref(), Some("2 of 2 layers"));
    }
}
