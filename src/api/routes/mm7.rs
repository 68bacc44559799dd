//! `POST /mm7`: delivery reports of MMSCs over SOAP.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::api::router::{Server, now_ms};
use crate::api::{Inlet, Lifecycle};
use crate::event::{SourceId, Stream};
use crate::ingest::{IngestError, Sender};
use crate::mm7::{self, MESSAGE_BYTES_MAX, Request, Status};

/// Takes one delivery report (3GPP TS 23.140, MM7, releases 5 and 6).
///
/// The report becomes a line of type `mms_receipt` and goes the way of every event: journaled first,
/// then answered. `StatusCode` 1000 means that it is durable. Everything else says why not: 2007 for
/// what is no SOAP, 4003 for other operations (both as a SOAP fault), 4004 for fields that are missing
/// or cannot be read, 4006 for "not now, send it again". Sending a report twice changes nothing.
#[utoipa::path(
    post,
    path = "/mm7",
    tag = "events",
    request_body(content = String, content_type = "text/xml", description = "a SOAP 1.1 envelope with a `DeliveryReportReq`, at most 64 KiB"),
    responses(
        (status = 200, description = "`DeliveryReportRsp`; its StatusCode says whether the report was taken", body = String, content_type = "text/xml"),
        (status = 413, description = "the message is larger than 64 KiB", body = String, content_type = "text/xml"),
        (status = 500, description = "a SOAP fault: the message is not a delivery report", body = String, content_type = "text/xml"),
        (status = 503, description = "stopping or behind; Retry-After says when to come back", body = String, content_type = "text/xml"),
    )
)]
pub(in crate::api) async fn post(
    State(server): State<Arc<Server>>,
    sender: Sender,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let stops = server.state.health.now().lifecycle == Lifecycle::Stopping;
    answer(&server.inlet, stops, sender, &headers, body).await
}

/// The answer to a request by way of an inlet, also where there is no engine yet. `stops`: nothing is taken any more.
pub(in crate::api) async fn answer(
    inlet: &Inlet,
    stops: bool,
    sender: Sender,
    headers: &HeaderMap,
    body: Body,
) -> Response {
    let Ok(bytes) = to_bytes(body, MESSAGE_BYTES_MAX).await else {
        let words =
            format!("the message is not readable, or larger than {MESSAGE_BYTES_MAX} bytes");
        let nothing = mm7::read(b"");
        let status = Status::MessageFormatCorrupt;
        return reply(
            StatusCode::PAYLOAD_TOO_LARGE,
            &nothing,
            status,
            Some(&words),
        );
    };
    let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::to_str);
    let content_type = content_type.and_then(Result::ok).unwrap_or_default();
    // No report has attachments; what has some is told by its name what it is refused for.
    let request = mm7::read(mm7::document(content_type, &bytes));
    let taken = match stops {
        true => Err((
            Status::ServiceUnavailable,
            "the engine is stopping".to_owned(),
        )),
        false => take(inlet, sender, &request, &bytes).await,
    };
    let (status, words) = match taken {
        Ok(()) => (Status::Success, None),
        Err((status, words)) => (status, Some(words)),
    };
    let code = match status {
        Status::ServiceUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        // SOAP 1.1: faults are 500.
        status if status.is_fault() => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::OK,
    };
    reply(code, &request, status, words.as_deref())
}

/// Journals a request's report.
async fn take(
    inlet: &Inlet,
    sender: Sender,
    request: &Request,
    bytes: &[u8],
) -> Result<(), (Status, String)> {
    let line = line_of(inlet, request).inspect_err(|(_, words)| {
        inlet.intake.refuse("mm7", bytes, words, now_ms());
    })?;
    // The headers are the envelope's, not the line's.
    let no_headers = HeaderMap::new();
    let taken = inlet
        .intake
        .take(sender, &no_headers, Body::from(line), now_ms());
    match taken.await {
        Ok(receipt) => match receipt.refused.into_iter().next() {
            None => {
                note_long(inlet, request, bytes);
                Ok(())
            }
            Some(refusal) => Err((Status::ValidationError, refusal.reason)),
        },
        Err(error @ IngestError::LineTooLong { .. }) => {
            Err((Status::ValidationError, error.to_string()))
        }
        Err(error) => Err((Status::ServiceUnavailable, error.to_string())),
    }
}

fn line_of(inlet: &Inlet, request: &Request) -> Result<String, (Status, String)> {
    let report = request.report.as_ref().map_err(Clone::clone)?;
    let plan = &inlet.snapshot().plan;
    let config = &inlet.config;
    let (skew_ms, text_max) = (config.clock_skew_ms_max, config.text_bytes_max);
    let of_relay = |stream| SourceId {
        stream,
        name: report.relay.as_deref().map(Into::into),
    };
    // A report without a time of its own is of when it came.
    let own = [Stream::MmsSubmit, Stream::MmsReceipt].map(of_relay);
    mm7::line(
        report,
        &plan.book.mms,
        &plan.zone,
        now_ms(),
        || inlet.stamp_ms(&own),
        skew_ms,
        text_max,
    )
}

/// Says of a report that was taken that its remark was cut.
fn note_long(inlet: &Inlet, request: &Request, bytes: &[u8]) {
    let text_max = inlet.config.text_bytes_max;
    let report = request.report.as_ref().ok();
    if let Some(long) = report.and_then(|report| report.long_remark(text_max)) {
        let words = format!(
            "the remark StatusText of {long} bytes was cut to {text_max}, and the report taken"
        );
        inlet.intake.doubt("mm7", bytes, &words, now_ms());
    }
}

fn reply(code: StatusCode, request: &Request, status: Status, words: Option<&str>) -> Response {
    let body = mm7::answer(request, status, words);
    let mut response = (code, [(CONTENT_TYPE, "text/xml; charset=utf-8")], body).into_response();
    if status == Status::ServiceUnavailable {
        let value = HeaderValue::from_static("1");
        response.headers_mut().insert(RETRY_AFTER, value);
    }
    response
}
