//! Errors as JSON: `{"error":{"code":"…","message":"…"}}`, whatever went wrong.

use axum::Json;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::api::HealthNow;
use crate::api::views::{ErrorBody, ErrorView};
use crate::ingest::IngestError;
use crate::journal::writer::SubmitError;
use crate::triggers::MoveError;

/// An answer that says what went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    /// Lines of detail, for problems that come in lists.
    problems: Vec<String>,
    retry: bool,
}

impl ApiError {
    pub(super) fn new(
        status: StatusCode,
        code: &'static str,
        message: impl Into<String>,
    ) -> ApiError {
        ApiError {
            status,
            code,
            message: message.into(),
            problems: Vec::new(),
            retry: false,
        }
    }

    pub(super) fn bad_request(code: &'static str, message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// For now: the answer carries `Retry-After: 1`.
    pub(super) fn retry_later(
        status: StatusCode,
        code: &'static str,
        message: impl Into<String>,
    ) -> ApiError {
        ApiError {
            retry: true,
            ..ApiError::new(status, code, message)
        }
    }

    /// A worker has not answered in time.
    pub(crate) fn workers_late() -> ApiError {
        let words = "the workers do not answer now, try again";
        ApiError::retry_later(StatusCode::SERVICE_UNAVAILABLE, "workers_late", words)
    }

    /// The workers read the journal back, and are asked nothing meanwhile.
    pub(crate) fn starting(health: &HealthNow, now_ms: i64) -> ApiError {
        let percent = health.replay.percent();
        let left = match health.starting_left_ms(now_ms) {
            Some(left_ms) => format!("about {} s are left", left_ms / 1_000 + 1),
            None => "how long that takes is not known yet".to_owned(),
        };
        let words = format!(
            "starting: {percent} % of the journal is read back, {left}; windows are told when all of it is, \
             /v1/status says how far it is"
        );
        ApiError::retry_later(StatusCode::SERVICE_UNAVAILABLE, "starting", words)
    }

    pub(crate) fn internal(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }

    /// What it is told with.
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// What went wrong, in words.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    pub(super) fn with_problems(mut self, problems: Vec<String>) -> ApiError {
        self.problems = problems;
        self
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = ErrorBody {
            error: ErrorView {
                code: self.code.to_owned(),
                message: self.message,
                problems: self.problems,
            },
        };
        let mut response = (self.status, Json(body)).into_response();
        if self.retry {
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<IngestError> for ApiError {
    fn from(error: IngestError) -> ApiError {
        let message = error.to_string();
        let (status, code) = match error {
            IngestError::Encoding(_) => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding")
            }
            IngestError::BodyTooLarge { .. }
            | IngestError::PlainTooLarge { .. }
            | IngestError::TooManyLines { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            IngestError::LineTooLong { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "line_too_long"),
            IngestError::BodyLate { .. } => {
                return ApiError::retry_later(StatusCode::REQUEST_TIMEOUT, "body_timeout", message);
            }
            IngestError::Unpack { .. } => (StatusCode::BAD_REQUEST, "bad_encoding"),
            IngestError::Read(_) => (StatusCode::BAD_REQUEST, "body_unreadable"),
            IngestError::Header(_) => (StatusCode::BAD_REQUEST, "bad_header"),
            IngestError::Crowded { .. } => {
                return ApiError::retry_later(StatusCode::TOO_MANY_REQUESTS, "busy", message);
            }
            IngestError::Share { .. } => {
                return ApiError::retry_later(StatusCode::TOO_MANY_REQUESTS, "over_share", message);
            }
            IngestError::Submit(error) => return error.into(),
            IngestError::Stopping => {
                return ApiError::retry_later(StatusCode::SERVICE_UNAVAILABLE, "stopping", message);
            }
        };
        ApiError::new(status, code, message)
    }
}

impl From<SubmitError> for ApiError {
    fn from(error: SubmitError) -> ApiError {
        let message = error.to_string();
        match error {
            SubmitError::Busy { .. } => {
                ApiError::retry_later(StatusCode::TOO_MANY_REQUESTS, "busy", message)
            }
            SubmitError::Share { .. } => {
                ApiError::retry_later(StatusCode::TOO_MANY_REQUESTS, "over_share", message)
            }
            SubmitError::Full(_) => ApiError::retry_later(
                StatusCode::INSUFFICIENT_STORAGE,
                "disk_full",
                // The path is the operator's business; it is in the log.
                "the journal's disk is full: nothing was kept, try again when there is space",
            ),
            SubmitError::Low { .. } => {
                ApiError::retry_later(StatusCode::INSUFFICIENT_STORAGE, "disk_low", message)
            }
            SubmitError::DiskShare { .. } => {
                ApiError::retry_later(StatusCode::INSUFFICIENT_STORAGE, "disk_share", message)
            }
            SubmitError::TooLarge(_) => {
                ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
            }
            SubmitError::SequenceBack(_) => {
                ApiError::new(StatusCode::CONFLICT, "sequence_back", message)
            }
            SubmitError::ProducerTaken(_) => {
                ApiError::new(StatusCode::CONFLICT, "producer_taken", message)
            }
            SubmitError::ProducersFull(_) => {
                ApiError::retry_later(StatusCode::TOO_MANY_REQUESTS, "producers_full", message)
            }
            SubmitError::Failed(_) => ApiError::retry_later(
                StatusCode::SERVICE_UNAVAILABLE,
                "journal_failed",
                "the journal has failed: whether the batch is kept shows after a restart, \
                 retry it with the same Chrysalis-Sequence",
            ),
            SubmitError::Closed => {
                ApiError::retry_later(StatusCode::SERVICE_UNAVAILABLE, "stopping", message)
            }
            SubmitError::Tick => ApiError::internal(message),
        }
    }
}

impl From<MoveError> for ApiError {
    fn from(error: MoveError) -> ApiError {
        let message = error.to_string();
        match error {
            MoveError::Unknown { .. } => ApiError::not_found(message),
            MoveError::Illegal { .. } => {
                ApiError::new(StatusCode::CONFLICT, "illegal_move", message)
            }
            MoveError::LinkOver { .. } => ApiError::new(StatusCode::CONFLICT, "link_over", message),
            MoveError::HistoryFull { .. } => {
                ApiError::new(StatusCode::CONFLICT, "history_full", message)
            }
            MoveError::NotAtWork { .. } => {
                ApiError::new(StatusCode::CONFLICT, "illegal_move", message)
            }
            MoveError::ReasonMissing { .. } => {
                ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "reason_missing", message)
            }
            MoveError::KindMissing { .. } => {
                ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "kind_missing", message)
            }
            MoveError::UnknownDesk { .. } => {
                ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "unknown_desk", message)
            }
            MoveError::UnknownRemedy { .. } => {
                ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "unknown_remedy", message)
            }
        }
    }
}
