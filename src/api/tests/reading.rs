//! KQIs, windows, services and metrics, as events come in and stop coming.

use serde_json::{Value, json};

use crate::api::testing::{Harness, T0, minute};
use crate::api::{HttpConfig, testing::BOOK};
use crate::event::Stream;
use crate::journal::JournalConfig;
use crate::journal::writer::WriterConfig;

const MINUTE: i64 = 60_000;

/// Five minutes of two cities; 永州 stops after the first one, 长沙 is bad in the second.
async fn fed(config: HttpConfig) -> Harness {
    let harness = Harness::with(
        BOOK,
        HttpConfig {
            current_max_age_ms: 0,
            ..config
        },
        JournalConfig::default(),
        WriterConfig::default(),
    );
    let mut body = minute("news", "永州", T0, 0, 4) + &minute("mail", "长沙", T0, 0, 2);
    for at in 0..5 {
        let bad = usize::from(at == 1);
        body += &minute("news", "长沙", T0 + at * MINUTE, bad, 4);
    }
    assert_eq!(harness.events(&[], body).await.status, 200);
    harness.until(|snapshot| snapshot.watermarks.of(Stream::DialTest) >= T0 + 4 * MINUTE);
    harness
}

fn groups(kqis: &Value, id: &str) -> Vec<Value> {
    let kqis = kqis["kqis"].as_array().unwrap();
    let kqi = kqis.iter().find(|kqi| kqi["id"] == id).unwrap();
    kqi["groups"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalogue_has_values_and_says_what_cannot_be_judged() {
    let harness = fed(HttpConfig::default()).await;
    let kqis = harness.get("/v1/kqis?service=news").await.json();
    assert_eq!(kqis["kqis"].as_array().unwrap().len(), 1);
    let kqi = &kqis["kqis"][0];
    assert_eq!(
        kqi["anchors"]["values"],
        json!([99.0, 97.0, 95.0, 90.0, 80.0])
    );
    assert_eq!(
        (&kqi["unit"], &kqi["window_ms"]),
        (&json!("%"), &json!(MINUTE))
    );
    assert_eq!(kqi["provenance"][0]["kind"], "judgement");
    let groups = groups(&kqis, "news_success");
    let (yong, chang) = (&groups[0], &groups[1]);
    assert_eq!(yong["group_label"], "service=news;city=永州");
    assert_eq!(yong["verdict"], "no_traffic");
    assert_eq!(yong["sealed"]["window_end_ms"], T0 + MINUTE);
    assert_eq!(chang["verdict"], "normal");
    assert_eq!(chang["sealed"]["value"], 100.0);
    assert_eq!(chang["sealed"]["score"], 5.0);
    assert_eq!(chang["provisional"]["window_end_ms"], T0 + 5 * MINUTE);
    let limited = harness
        .get("/v1/kqis?kqi=news_success&limit=1")
        .await
        .json();
    assert_eq!(limited["kqis"][0]["groups_total"], 2);
    assert_eq!(limited["kqis"][0]["groups"].as_array().unwrap().len(), 1);
    let services = harness.get("/v1/services").await.json();
    assert_eq!(services["services"][0]["verdict"], "no_traffic");
    assert_eq!(
        services["services"][0]["objects"],
        json!({"normal": 1, "no_traffic": 1})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_are_the_rows_of_the_csv() {
    let harness = fed(HttpConfig::default()).await;
    let all = harness.get("/v1/kqis/news_success/windows").await.json();
    let rows = all["windows"].as_array().unwrap();
    assert_eq!((rows.len(), &all["truncated"]), (6, &json!(false)));
    let bad = rows.iter().find(|row| row["value"] == 75.0).unwrap();
    assert_eq!(
        *bad,
        json!({
            "kqi": "news_success", "group": "service=news;city=长沙",
            "window_start_ms": T0 + MINUTE, "window_end_ms": T0 + 2 * MINUTE,
            "count": 4, "value": 75.0, "score": 1.0, "verdict": "abnormal_critical", "sealed": true,
        })
    );
    assert_eq!(rows[5]["sealed"], false);
    let of = |query: String| {
        let harness = &harness;
        async move {
            let path = format!("/v1/kqis/news_success/windows?{query}");
            let json = harness.get(&path).await.json();
            json["windows"].as_array().unwrap().len()
        }
    };
    assert_eq!(
        of("group=service=news%3Bcity=%E6%B0%B8%E5%B7%9E".to_owned()).await,
        1
    );
    let (from, to) = (T0 + MINUTE, T0 + 3 * MINUTE);
    assert_eq!(of(format!("from={from}&to={to}")).await, 2);
    let text = "from=2025-11-25T00:01:00%2B08:00&to=2025-11-24T16:03:00Z";
    assert_eq!(of(text.to_owned()).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn long_answers_are_cut_between_windows_and_go_on() {
    let harness = fed(HttpConfig {
        window_rows_max: 3,
        ..HttpConfig::default()
    })
    .await;
    let (mut from, mut starts) = (T0, Vec::new());
    for _ in 0..10 {
        let path = format!("/v1/kqis/news_success/windows?from={from}");
        let page = harness.get(&path).await.json();
        let rows = page["windows"].as_array().unwrap();
        assert!(rows.len() <= 3);
        starts.extend(
            rows.iter()
                .map(|row| row["window_start_ms"].as_i64().unwrap()),
        );
        match page["next_from_ms"].as_i64() {
            Some(next) => from = next,
            None => break,
        }
    }
    let want = [0, 0, 1, 2, 3, 4].map(|at| T0 + at * MINUTE);
    assert_eq!(starts, want);
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_that_make_no_sense_are_refused() {
    let harness = Harness::new();
    for (path, want) in [
        (
            "/v1/kqis?service=fax",
            (
                404,
                "not_found",
                "there is no service \"fax\" in the rule book",
            ),
        ),
        (
            "/v1/kqis?kqi=x",
            (404, "not_found", "there is no KQI \"x\" in the rule book"),
        ),
        (
            "/v1/kqis/x/windows",
            (404, "not_found", "there is no KQI \"x\" in the rule book"),
        ),
        (
            "/v1/kqis/news_success/windows?from=noon",
            (
                400,
                "bad_query",
                "from is \"noon\", wanted milliseconds or RFC 3339",
            ),
        ),
        (
            "/v1/kqis/news_success/windows?from=5&to=5",
            (400, "bad_query", "from 5 is not before to 5"),
        ),
        (
            "/v1/alerts?state=burning",
            (
                400,
                "bad_query",
                "state is \"burning\", wanted pending, firing, resolved",
            ),
        ),
        (
            "/v1/alerts?sate=firing",
            (
                400,
                "bad_query",
                "unknown query parameter \"sate\", known are state, service, severity",
            ),
        ),
        (
            "/v1/kqis/news_success/windows?From=5",
            (
                400,
                "bad_query",
                "unknown query parameter \"From\", known are from, to, group",
            ),
        ),
        (
            "/v1/kqis?limit=many",
            (
                400,
                "bad_query",
                "the query cannot be read: limit: invalid digit found in string",
            ),
        ),
        (
            "/v1/alerts/0000",
            (404, "not_found", "there is no alert \"0000\""),
        ),
        (
            "/v1/triggers/T-1",
            (404, "not_found", "there is no trigger \"T-1\""),
        ),
    ] {
        let (status, code, message) = want;
        assert_eq!(
            harness.get(path).await.error(),
            (status, code.to_owned(), message.to_owned())
        );
    }
    assert_eq!(harness.get("/v1/kqis?limit=many").await.error().0, 400);
}

/// The value of a series, by its beginning.
fn series(page: &str, start: &str) -> Option<f64> {
    let line = page.lines().find(|line| line.starts_with(start))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_in_base_units_and_do_not_freeze() {
    let harness = fed(HttpConfig::default()).await;
    let page = harness.get("/metrics").await.text;
    let object = |kqi: &str, service: &str, city: &str| {
        format!(
            "{{kqi=\"{kqi}\",service=\"{service}\",city=\"{city}\",channel=\"\",host=\"\",\
             interface=\"\",group=\"service={service};city={city}\"}}"
        )
    };
    let news = object("news_success", "news", "长沙");
    assert_eq!(
        series(&page, &format!("chrysalis_kqi_value{news}")),
        Some(1.0)
    );
    assert_eq!(
        series(&page, &format!("chrysalis_kqi_score{news}")),
        Some(5.0)
    );
    assert_eq!(
        series(&page, &format!("chrysalis_kqi_verdict{news}")),
        Some(0.0)
    );
    assert_eq!(
        series(&page, &format!("chrysalis_kqi_samples{news}")),
        Some(4.0)
    );
    assert_eq!(
        series(&page, &format!("chrysalis_kqi_good{news}")),
        Some(4.0)
    );
    let limit = "chrysalis_kqi_limit{kqi=\"news_success\",service=\"news\",bound=\"min\"}";
    assert_eq!(series(&page, limit), Some(0.95));
    let quiet = object("news_success", "news", "永州");
    assert_eq!(series(&page, &format!("chrysalis_kqi_value{quiet}")), None);
    assert_eq!(
        series(&page, &format!("chrysalis_kqi_verdict{quiet}")),
        Some(-2.0)
    );
    let alert = "chrysalis_alert_firing{alert=\"news_success\",service=\"news\",city=\"长沙\"";
    assert_eq!(
        series(&page, alert),
        Some(0.0),
        "it was over by the third minute"
    );
    let trigger = "chrysalis_triggers{state=\"dispatched\",department=\"NET\"}";
    assert_eq!(series(&page, trigger), Some(1.0));

    // Silence: the value goes, the verdict says why.
    harness.pass_time(600_000);
    harness.until(|snapshot| snapshot.watermarks.is_silent(Stream::DialTest));
    let page = harness.get("/metrics").await.text;
    assert_eq!(series(&page, &format!("chrysalis_kqi_value{news}")), None);
    assert_eq!(
        series(&page, &format!("chrysalis_kqi_provisional_value{news}")),
        None
    );
    assert_eq!(
        series(&page, &format!("chrysalis_kqi_samples{news}")),
        Some(0.0)
    );
    assert_eq!(
        series(&page, &format!("chrysalis_kqi_verdict{news}")),
        Some(-3.0)
    );
    assert_eq!(
        series(&page, "chrysalis_stream_silent{stream=\"dial_test\"}"),
        Some(1.0)
    );
    let kqis = harness.get("/v1/kqis").await.json();
    assert_eq!(groups(&kqis, "mail_latency")[0]["verdict"], "source_silent");
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_beyond_the_bound_are_counted() {
    let harness = fed(HttpConfig {
        kqi_objects_max: 1,
        ..HttpConfig::default()
    })
    .await;
    let page = harness.get("/metrics").await.text;
    let shown = page
        .lines()
        .filter(|line| line.starts_with("chrysalis_kqi_verdict{"));
    assert_eq!(shown.count(), 1);
    assert!(series(&page, "chrysalis_kqi_objects_left_out ").is_some_and(|count| count >= 2.0));
}
