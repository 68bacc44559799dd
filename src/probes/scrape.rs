//! Asks exporters at their intervals. What comes of an answer is a `dial_test` line that the caller hands in
//! where every other line goes: durable before it counts.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::Uri;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::config::{ProbeConfig, ProbeConfigError, check};
use super::exposition::{Probed, read};

/// `source` of what probes find.
pub const SOURCE: &str = "blackbox";
/// Bytes of an answer that are read; a probe's has some thousands.
const ANSWER_BYTES_MAX: usize = 1 << 20;

type Web = Client<HttpConnector, Empty<Bytes>>;

/// How a question to an exporter ended; a label of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It became a dial test.
    Told,
    /// No answer, or one that is none of a probe.
    NoAnswer,
    /// The engine did not take the line now.
    Refused,
}

impl Outcome {
    /// The value of the label.
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Told => "told",
            Outcome::NoAnswer => "no_answer",
            Outcome::Refused => "refused",
        }
    }
}

/// One probe, ready to be asked.
#[derive(Clone, Debug)]
pub struct Probe {
    config: Arc<ProbeConfig>,
    url: Uri,
}

/// Every probe.
#[derive(Clone, Debug, Default)]
pub struct Probes(Vec<Probe>);

impl Probes {
    /// Checks the configuration.
    ///
    /// # Errors
    /// A probe cannot be asked as configured.
    pub fn open(configs: &[ProbeConfig]) -> Result<Probes, ProbeConfigError> {
        check(configs)?;
        let probe = |config: &ProbeConfig| {
            let url = config.url.parse().map_err(|_| ProbeConfigError::Url {
                name: config.name.clone(),
                url: config.url.clone(),
            })?;
            let config = Arc::new(config.clone());
            Ok(Probe { config, url })
        };
        configs
            .iter()
            .map(probe)
            .collect::<Result<_, _>>()
            .map(Probes)
    }

    /// Asks each at its interval until it is told to stop. `stamp_ms` gives the time of a question; `tell` takes a line in and says whether it was taken;
    /// `count` hears how each question ended.
    pub fn run<T, F>(
        self,
        stop: &watch::Receiver<bool>,
        stamp_ms: impl Fn() -> i64 + Clone + Send + 'static,
        tell: T,
        count: impl Fn(&str, Outcome) + Clone + Send + 'static,
    ) where
        T: Fn(String) -> F + Clone + Send + 'static,
        F: Future<Output = bool> + Send,
    {
        let client: Web = Client::builder(TokioExecutor::new()).build_http();
        for probe in self.0 {
            let (client, stamp_ms) = (client.clone(), stamp_ms.clone());
            let (tell, count) = (tell.clone(), count.clone());
            let mut stop = stop.clone();
            tokio::spawn(async move {
                let mut ticks = tokio::time::interval(Duration::from_secs(probe.config.interval_s));
                // A slow exporter is asked less often, never twice at once.
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                loop {
                    tokio::select! {
                        _ = ticks.tick() => {}
                        _ = stop.wait_for(|stop| *stop) => return,
                    }
                    let asked_at_ms = stamp_ms();
                    let outcome = match probe.ask(&client).await {
                        Err(error) => {
                            tracing::debug!(probe = probe.config.name, %error, "an exporter gives no answer");
                            Outcome::NoAnswer
                        }
                        Ok(probed) => {
                            let line = probe.line(&probed, asked_at_ms);
                            match tell(line).await {
                                true => Outcome::Told,
                                false => Outcome::Refused,
                            }
                        }
                    };
                    count(&probe.config.name, outcome);
                }
            });
        }
    }
}

impl Probe {
    async fn ask(&self, client: &Web) -> anyhow::Result<Probed> {
        let asking = async {
            let answer = client.get(self.url.clone()).await?;
            anyhow::ensure!(answer.status().is_success(), "status {}", answer.status());
            let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect();
            let body = body.await.map_err(|error| anyhow::anyhow!(error))?;
            let text = String::from_utf8(body.to_bytes().to_vec())?;
            read(&text).ok_or_else(|| anyhow::anyhow!("no probe_success in the answer"))
        };
        tokio::time::timeout(Duration::from_secs(self.config.timeout_s), asking).await?
    }

    /// The dial test that a probe found.
    fn line(&self, probed: &Probed, ts_ms: i64) -> String {
        let config = &self.config;
        let mut line = Map::new();
        let mut put = |name: &str, value: Value| line.insert(name.to_owned(), value);
        put("type", "dial_test".into());
        put("ts", ts_ms.into());
        put("service", config.service.as_str().into());
        put("probe", config.name.as_str().into());
        put("source", SOURCE.into());
        put("ok", probed.success.into());
        let optional = [
            ("step", &config.step),
            ("city", &config.city),
            ("channel", &config.channel),
            ("network", &config.network),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                put(name, value.as_str().into());
            }
        }
        if let Some(duration_s) = probed.duration_s {
            put("latency_ms", (duration_s * 1_000.0).into());
        }
        if let Some(content_ok) = probed.content_ok {
            put("content_ok", content_ok.into());
        }
        if !probed.success {
            let code = match (probed.http_status, probed.content_ok) {
                (Some(status), _) if status >= 400 => format!("http_{status}"),
                (_, Some(false)) => "wrong_content".to_owned(),
                (Some(status), _) => format!("http_{status}"),
                (None, _) => "no_connection".to_owned(),
            };
            put("code", code.into());
        }
        Value::Object(line).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_a_dial_test_of_its_service() {
        let config: ProbeConfig = serde_json::from_value(serde_json::json!({
            "name": "portal", "url": "http://127.0.0.1:9115/probe", "service": "wap_hall",
            "step": "page", "city": "长沙",
        }))
        .unwrap();
        let probes = Probes::open(&[config]).unwrap();
        let failed = Probed {
            success: false,
            duration_s: Some(1.5),
            http_status: Some(503),
            content_ok: None,
        };
        let line: Value = serde_json::from_str(&probes.0[0].line(&failed, 7)).unwrap();
        let want = serde_json::json!({
            "type": "dial_test", "ts": 7, "service": "wap_hall", "probe": "portal", "source": "blackbox",
            "ok": false, "step": "page", "city": "长沙", "latency_ms": 1500.0, "code": "http_503",
        });
        assert_eq!(line, want);
        let code = |http_status, content_ok| {
            let probed = Probed {
                http_status,
                content_ok,
                ..failed
            };
            let line: Value = serde_json::from_str(&probes.0[0].line(&probed, 7)).unwrap();
            line["code"].as_str().unwrap().to_owned()
        };
        assert_eq!(code(None, None), "no_connection");
        assert_eq!(code(Some(200), Some(false)), "wrong_content");
        assert_eq!(code(Some(404), Some(false)), "http_404");
    }
}
