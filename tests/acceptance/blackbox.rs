//! Probes of Prometheus' blackbox_exporter as dial tests. The exporter here answers as the real one does; a real
//! one is asked by `tests/blackbox`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrysalis::probes::ProbeConfig;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::engine::Engine;

/// An exporter that answers whether the target is well; returns its address.
async fn exporter(is_well: Arc<AtomicBool>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let is_well = is_well.clone();
            tokio::spawn(async move {
                let mut head = [0; 1024];
                while stream.read(&mut head).await.is_ok_and(|read| read > 0) {
                    let is_well = is_well.load(Ordering::Relaxed);
                    let (success, status) = if is_well { (1, 200) } else { (0, 503) };
                    let body = format!(
                        "# TYPE probe_success gauge\nprobe_duration_seconds 1.5\nprobe_http_status_code {status}\nprobe_success {success}\n"
                    );
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}

fn probe(name: &str, url: String) -> ProbeConfig {
    let config = json!({"name": name, "url": url, "service": "web_hall", "step": "page", "city": "长沙", "interval_s": 1});
    serde_json::from_value(config).unwrap()
}

const BY_PROBE: &str = "
kqis:
  - {id: by_probe, name: n, layer: experience, stream: dial_test, filter: source == 'blackbox', good: ok, aggregate: ratio, unit: percent, group_by: [probe, code, city], window: 1d}
";

#[tokio::test(flavor = "multi_thread")]
async fn c2_an_exporters_probes_are_dial_tests_and_its_silence_is_no_failed_one() {
    let is_well = Arc::new(AtomicBool::new(true));
    let address = exporter(is_well.clone()).await;
    let rules = [("by_probe.yaml", BY_PROBE)];
    let engine = Engine::with(&rules, |config| {
        config.blackbox = vec![
            probe(
                "portal",
                format!("http://{address}/probe?module=http_2xx&target=x"),
            ),
            // Nobody listens there.
            probe("gone", "http://127.0.0.1:1/probe".to_owned()),
        ];
    })
    .await;
    let row = |answer: &Value, group: &str| {
        let mut rows = answer["windows"].as_array().unwrap().iter();
        rows.find(|row| row["group"] == group).cloned()
    };
    let path = "/v1/kqis/by_probe/windows";
    let told = "probe=portal;code=;city=长沙";
    let has_two =
        |answer: &Value| row(answer, told).is_some_and(|row| row["count"].as_i64() >= Some(2));
    let answer = engine.until(path, has_two).await;
    assert_eq!(row(&answer, told).unwrap()["value"], 100.0);
    is_well.store(false, Ordering::Relaxed);
    let failed = "probe=portal;code=http_error;city=长沙";
    let answer = engine
        .until(path, |answer| row(answer, failed).is_some())
        .await;
    assert_eq!(row(&answer, failed).unwrap()["value"], 0.0);
    let groups = answer["windows"].as_array().unwrap().iter();
    let groups: Vec<&str> = groups.map(|row| row["group"].as_str().unwrap()).collect();
    assert!(
        groups.iter().all(|group| !group.contains("gone")),
        "{groups:?}"
    );
    let (_, metrics) = engine.ask("/metrics").await;
    let counted = |probe: &str, outcome: &str| {
        let series =
            format!("chrysalis_blackbox_scrapes_total{{outcome=\"{outcome}\",probe=\"{probe}\"}}");
        metrics.lines().any(|line| line.starts_with(&series))
    };
    assert!(counted("portal", "told"), "{metrics}");
    assert!(counted("gone", "no_answer"));
    assert!(!counted("gone", "told"));
    engine.stop().await;
}
