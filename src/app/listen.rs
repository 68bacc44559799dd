//! The HTTP server's connections: taken within a limit, and cut off while they do not finish a head.
//!
//! A body has limits of its own (`ingest`); what comes before it has these:
//! * a head must be complete within `http.head_timeout_ms`; a connection that is idle between requests
//!   is closed after as long;
//! * beyond `http.connections_max` nobody is accepted: who comes waits in the system's queue.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::metrics::{EdgeLimit, Metrics};
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// After a connection could not be accepted, for instance for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How connections are taken.
pub(super) struct Listening {
    pub(super) listener: TcpListener,
    pub(super) router: Router,
    pub(super) head_timeout: Duration,
    pub(super) connections_max: usize,
    /// Connections that are open now.
    pub(super) connections: Arc<AtomicU64>,
    pub(super) metrics: Arc<Metrics>,
}

impl Listening {
    /// Serves until it is told to stop, and then until the requests under way are answered.
    pub(super) async fn serve(self, mut stop: watch::Receiver<bool>) {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(self.head_timeout);
        let graceful = GracefulShutdown::new();
        let places = Arc::new(Semaphore::new(self.connections_max.max(1)));
        loop {
            let taken = tokio::select! {
                taken = self.take(&places) => taken,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            let (stream, peer, place) = match taken {
                Ok(taken) => taken,
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let router = TowerToHyperService::new(self.router.clone());
            // With the address of the peer: shares of unnamed producers are counted by it.
            let service = service_fn(move |request: hyper::Request<Incoming>| {
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(ConnectInfo(peer));
                router.call(request)
            });
            let connection = http.serve_connection(TokioIo::new(stream), service);
            let connection = graceful.watch(connection);
            let open = Open::count(&self.connections, place);
            tokio::spawn(async move {
                // Who hangs up half-way is no news; what it asked for is measured where it is answered.
                if let Err(error) = connection.await {
                    tracing::debug!(%error, %peer, "a connection ended early");
                }
                drop(open);
            });
        }
        drop(self.listener);
        graceful.shutdown().await;
    }

    async fn take(
        &self,
        places: &Arc<Semaphore>,
    ) -> std::io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        if places.available_permits() == 0 {
            self.metrics.went_over(EdgeLimit::Connections);
        }
        let place = Arc::clone(places).acquire_owned().await;
        let place = place.map_err(std::io::Error::other)?;
        let (stream, peer) = self.listener.accept().await?;
        // Answers are small and waited for.
        stream.set_nodelay(true)?;
        Ok((stream, peer, place))
    }
}

/// A connection that counts while it is open.
struct Open {
    connections: Arc<AtomicU64>,
    _place: OwnedSemaphorePermit,
}

impl Open {
    fn count(connections: &Arc<AtomicU64>, place: OwnedSemaphorePermit) -> Open {
        connections.fetch_add(1, Ordering::Relaxed);
        Open {
            connections: Arc::clone(connections),
            _place: place,
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
