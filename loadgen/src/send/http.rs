//! One request after another in a lane, with retries.

use std::io::Write as _;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::StatusCode;
use reqwest::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER,
};
use serde::Deserialize;
use tokio::time::Instant;

use super::SendOptions;
use crate::source::SourceError;

/// Longest wait for one answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// First pause after a failure that names none; it doubles up to the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Longest part of a foreign answer that is repeated to people.
const REASON_CHARS: usize = 200;

/// Why sending could not go on.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The target's address is unusable.
    #[error("`{0}` is not a usable target; give a URL such as http://127.0.0.1:8080")]
    Target(String),
    /// The client could not be set up.
    #[error("cannot set up an HTTP client")]
    Client(#[source] reqwest::Error),
    /// The token cannot be sent.
    #[error("the token has characters that no header may have")]
    Token,
    /// There is no memory to record latencies in.
    #[error("cannot record latencies")]
    Recorder(#[from] hdrhistogram::CreationError),
    /// The events could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// What became of one batch.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Lines that the target took.
    pub(crate) accepted: u64,
    /// Lines that it refused, with the reasons it gave.
    pub(crate) refused: u64,
    /// Reasons, as far as given.
    pub(crate) reasons: Vec<String>,
    /// Whether the target knew the batch already.
    pub(crate) repeated: bool,
    /// Requests made.
    pub(crate) requests: u64,
    /// Answers 429 or 503 among them.
    pub(crate) throttled: u64,
    /// Lines given up because no answer could be had.
    pub(crate) lost: u64,
}

/// A producer with one request at a time.
pub(super) struct Lane {
    client: reqwest::Client,
    url: reqwest::Url,
    producer: String,
    sequence: u64,
    gzip: bool,
    retry_for: Duration,
}

/// The lanes of one run.
pub(super) fn lanes(options: &SendOptions) -> Result<Vec<Lane>, SendError> {
    let url = endpoint(&options.target, "/v1/events")?;
    let client = client(options.token.as_deref(), ANSWER_TIMEOUT)?;
    Ok((0..options.in_flight.max(1))
        .map(|lane| Lane {
            client: client.clone(),
            url: url.clone(),
            producer: format!("{}-{lane}", options.producer),
            sequence: 0,
            gzip: options.gzip,
            retry_for: options.retry_for,
        })
        .collect())
}

/// A client that says the token with every request, and shows it to nobody.
pub(crate) fn client(
    token: Option<&str>,
    answer_timeout: Duration,
) -> Result<reqwest::Client, SendError> {
    let mut headers = HeaderMap::new();
    if let Some(token) = token {
        let value = HeaderValue::from_str(&format!("Bearer {token}"));
        let mut value = value.map_err(|_| SendError::Token)?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    reqwest::Client::builder()
        .timeout(answer_timeout)
        .default_headers(headers)
        .build()
        .map_err(SendError::Client)
}

/// The address of one of the target's routes.
pub(crate) fn endpoint(target: &str, route: &str) -> Result<reqwest::Url, SendError> {
    let url = format!("{}{route}", target.trim_end_matches('/'));
    match url.parse::<reqwest::Url>() {
        // The client is built without TLS: the target is on this machine or behind a proxy.
        Ok(url) if url.scheme() == "http" && url.has_host() => Ok(url),
        _ => Err(SendError::Target(target.to_owned())),
    }
}

#[derive(Deserialize)]
struct Answer {
    accepted: u64,
    /// The first refusals.
    #[serde(default)]
    refused: Vec<Refusal>,
    /// How many there were, where not all of them are listed.
    #[serde(default)]
    refused_total: Option<u64>,
    #[serde(default)]
    duplicate: bool,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    reason: String,
}

enum Try {
    Settled(Outcome),
    /// Ask again, after a pause if one was asked for.
    Again {
        throttled: bool,
        pause: Option<Duration>,
        reason: String,
    },
}

impl Lane {
    /// Sends one batch until it is answered or given up.
    pub(super) async fn deliver(&mut self, body: &Bytes, lines: u64) -> Outcome {
        self.sequence += 1;
        // To try again shares the bytes: who measures a target on the same cores must not copy every one twice.
        let packed = match self.gzip {
            true => pack(body).into(),
            false => body.clone(),
        };
        let given_up = Instant::now() + self.retry_for;
        let (mut requests, mut throttled) = (0, 0);
        let mut pause_next = PAUSE_FIRST;
        loop {
            requests += 1;
            let outcome = match self.attempt(packed.clone(), lines).await {
                Try::Settled(outcome) => outcome,
                Try::Again {
                    throttled: busy,
                    pause,
                    reason,
                } => {
                    throttled += u64::from(busy);
                    let pause = pause.unwrap_or(pause_next);
                    pause_next = (pause_next * 2).min(PAUSE_MAX);
                    if Instant::now() + pause < given_up {
                        tokio::time::sleep(pause).await;
                        continue;
                    }
                    Outcome {
                        lost: lines,
                        reasons: vec![reason],
                        ..Outcome::default()
                    }
                }
            };
            return Outcome {
                requests,
                throttled,
                ..outcome
            };
        }
    }

    async fn attempt(&self, body: Bytes, lines: u64) -> Try {
        let mut request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/x-ndjson")
            .header("Chrysalis-Producer", &self.producer)
            .header("Chrysalis-Sequence", self.sequence)
            .body(body);
        if self.gzip {
            request = request.header(CONTENT_ENCODING, "gzip");
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return again(root_cause(&error)),
        };
        let status = response.status();
        let pause = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse::<f64>().ok())
            .filter(|seconds| seconds.is_finite() && *seconds >= 0.0)
            .map(|seconds| Duration::from_secs_f64(seconds.min(3_600.0)));
        let text = match response.text().await {
            Ok(text) => text,
            Err(error) => return again(root_cause(&error)),
        };
        if status.is_success() {
            return settle(&text, lines);
        }
        let reason = format!(
            "{status}: {}",
            text.chars().take(REASON_CHARS).collect::<String>()
        );
        if matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        ) {
            Try::Again {
                throttled: true,
                pause,
                reason,
            }
        } else if status.is_server_error() {
            Try::Again {
                throttled: false,
                pause,
                reason,
            }
        } else {
            // The target understood and will not have it: asking again changes nothing.
            Try::Settled(Outcome {
                refused: lines,
                reasons: vec![reason],
                ..Outcome::default()
            })
        }
    }
}

fn again(reason: String) -> Try {
    Try::Again {
        throttled: false,
        pause: None,
        reason,
    }
}

fn settle(text: &str, lines: u64) -> Try {
    let outcome = match serde_json::from_str::<Answer>(text) {
        Ok(answer) => Outcome {
            accepted: answer.accepted,
            refused: answer.refused_total.unwrap_or(answer.refused.len() as u64),
            reasons: answer
                .refused
                .into_iter()
                .map(|refusal| refusal.reason)
                .collect(),
            repeated: answer.duplicate,
            ..Outcome::default()
        },
        // Another server, such as a stub, may just say 200.
        Err(_) => Outcome {
            accepted: lines,
            ..Outcome::default()
        },
    };
    Try::Settled(outcome)
}

fn pack(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    // Writing into a Vec cannot fail; an empty body would be refused by name anyway.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default()
}

/// The innermost cause says what happened ("connection refused"), the outer
/// ones only where.
pub(crate) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
