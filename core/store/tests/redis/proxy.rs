//! A bad network between a store and its Redis.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, Notify};

/// What the proxy does to requests that carry a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The next one arrives; its answer does not, and the connection breaks.
    LoseAnswer,
    /// The next one does not arrive, and the connection breaks.
    LoseRequest,
    /// All are held back until [`Proxy::release`].
    HoldBack,
}

/// Forwards to a Redis and does what it is told to do.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    fault: Mutex<Option<Fault>>,
    /// Requests that met the fault.
    struck: AtomicUsize,
    held: AtomicUsize,
    released: Notify,
    delivered: Notify,
}

impl Proxy {
    /// A proxy before the Redis at `port`.
    pub(crate) async fn before(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let serving = shared.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, port, serving.clone()));
            }
        });
        Self { port: own, shared }
    }

    /// From now on, batches meet `fault`.
    pub(crate) async fn set(&self, fault: Option<Fault>) {
        *self.shared.fault.lock().await = fault;
    }

    /// How many requests met a fault so far.
    pub(crate) fn struck(&self) -> usize {
        self.shared.struck.load(Ordering::SeqCst)
    }

    /// Delivers what was held back, and waits until the server has dealt with all of it.
    pub(crate) async fn release(&self) {
        self.shared.released.notify_waiters();
        while self.shared.held.load(Ordering::SeqCst) > 0 {
            self.shared.delivered.notified().await;
        }
    }
}

impl Shared {
    /// What happens to `request`.
    async fn meet(&self, request: &[u8]) -> Option<Fault> {
        if !request.windows(6).any(|bytes| bytes == b"batch:") {
            return None;
        }
        let mut fault = self.fault.lock().await;
        let met = *fault;
        if met != Some(Fault::HoldBack) {
            *fault = None;
        }
        self.struck.fetch_add(usize::from(met.is_some()), Ordering::SeqCst);
        met
    }
}

/// Ends, and with it both connections, when one side is closed or a fault breaks them.
async fn forward(mut client: TcpStream, port: u16, shared: Arc<Shared>) {
    // A server that is down closes the connection of its client, too.
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let (mut request, mut answer) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            read = client.read(&mut request) => {
                let Ok(length @ 1..) = read else { return };
                let request = &request[..length];
                let fault = shared.meet(request).await;
                if fault == Some(Fault::HoldBack) {
                    shared.held.fetch_add(1, Ordering::SeqCst);
                    shared.released.notified().await;
                }
                if fault == Some(Fault::LoseRequest) || server.write_all(request).await.is_err() {
                    return;
                }
                if fault.is_some() {
                    drop(server.read(&mut answer).await);
                }
                if fault == Some(Fault::HoldBack) {
                    shared.held.fetch_sub(1, Ordering::SeqCst);
                    shared.delivered.notify_one();
                }
                if fault.is_some() {
                    return;
                }
            }
            read = server.read(&mut answer) => {
                let Ok(length @ 1..) = read else { return };
                if client.write_all(&answer[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}
