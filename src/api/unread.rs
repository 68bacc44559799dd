//! A refusal that comes before all of the body was read ends the connection, and says so: the rest of the body
//! would be read as the next request. A client that is told does not send its next one into a closed connection.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

/// Knows of one request whether its body was read to its end.
pub(super) struct Reading(Arc<AtomicBool>);

impl Reading {
    /// Watches the body of a request.
    pub(super) fn watch(request: Request) -> (Request, Reading) {
        let ended = Arc::new(AtomicBool::new(request.body().is_end_stream()));
        let reading = Reading(Arc::clone(&ended));
        let request = request.map(|body| Body::new(Watched { body, ended }));
        (request, reading)
    }

    /// Says of a refusal that the connection ends with it, where a part of the body is left.
    pub(super) fn tell(&self, response: &mut Response) {
        let status = response.status();
        let is_refusal = status.is_client_error() || status.is_server_error();
        if is_refusal && !self.0.load(Ordering::Relaxed) {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
    }
}

struct Watched {
    body: Body,
    ended: Arc<AtomicBool>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if matches!(polled, Poll::Ready(None)) || self.body.is_end_stream() {
            self.ended.store(true, Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
