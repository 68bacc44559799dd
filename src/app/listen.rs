//! The HTTP server's connections: taken within a limit, and cut off while they do not finish a head.
//!
//! A body has limits of its own (`ingest`); what comes before and after it has these:
//! * a head must be complete within `http.head_timeout_ms`; a connection that is idle between requests
//!   is closed after as long;
//! * an answer must be taken: one of which too little moves for `http.write_timeout_ms` ends its connection
//!   (`stalls`);
//! * an address has at most `http.connections_per_peer_max` connections, and once more than half of all are open no more
//!   than are left; the next is told so with 429, and closed (`peers`);
//! * beyond `http.connections_max` nobody is accepted: who comes waits in the system's queue.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

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

use super::peers::{Peers, TurnedAway};
use super::stalls::Stalls;
use crate::config::Config;
use crate::metrics::{EdgeLimit, Metrics};

/// After a connection could not be accepted, for instance for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How connections are taken.
pub(super) struct Listening {
    listener: TcpListener,
    router: Router,
    head_timeout: Duration,
    write_timeout: Duration,
    connections_max: usize,
    connections_per_peer_max: usize,
    /// Connections that are open now.
    connections: Arc<AtomicU64>,
    metrics: Arc<Metrics>,
}

impl Listening {
    /// Takes connections of `listener` under the limits of the configuration.
    pub(super) fn new(
        listener: std::net::TcpListener,
        router: Router,
        config: &Config,
        connections: Arc<AtomicU64>,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<Listening> {
        let http = &config.http;
        Ok(Listening {
            listener: TcpListener::from_std(listener)?,
            router,
            head_timeout: Duration::from_millis(http.head_timeout_ms.max(1)),
            write_timeout: Duration::from_millis(http.write_timeout_ms.max(1)),
            connections_max: http.connections_max,
            connections_per_peer_max: http.connections_per_peer_max,
            connections,
            metrics,
        })
    }

    /// Serves until it is told to stop, and then until the requests under way are answered.
    pub(super) async fn serve(self, mut stop: watch::Receiver<bool>) {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(self.head_timeout);
        let graceful = GracefulShutdown::new();
        let places = Arc::new(Semaphore::new(self.connections_max.max(1)));
        let peers = Peers::new(self.connections_per_peer_max, self.connections_max);
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
            let of_peer = match peers.one_more(peer.ip()) {
                Ok(of_peer) => of_peer,
                Err(why) => {
                    self.metrics.went_over(match why {
                        TurnedAway::Each => EdgeLimit::ConnectionsPerPeer,
                        TurnedAway::Share => EdgeLimit::Connections,
                    });
                    turn_away(&stream);
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
            let metrics = Arc::clone(&self.metrics);
            let stream = Stalls::new(stream, self.write_timeout, move || {
                metrics.went_over(EdgeLimit::WriteTimeout);
            });
            let connection = http.serve_connection(TokioIo::new(stream), service);
            let connection = graceful.watch(connection);
            let open = Open::count(&self.connections, place);
            tokio::spawn(async move {
                // Who hangs up half-way is no news; what it asked for is measured where it is answered.
                if let Err(error) = connection.await {
                    tracing::debug!(%error, %peer, "a connection ended early");
                }
                drop((open, of_peer));
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

/// What one is told who has as many connections as one may have.
const TURNED_AWAY: &str = "{\"error\":{\"code\":\"too_many_connections\",\"message\":\"this address has as many \
                           connections open as it may: close some, or come back later\",\"problems\":[]}}";

/// Best effort, for nothing waits for it: a stream that is not writable yet is closed without a word.
fn turn_away(stream: &TcpStream) {
    let answer = format!(
        "HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{TURNED_AWAY}",
        TURNED_AWAY.len()
    );
    let _ = stream.try_write(answer.as_bytes());
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
