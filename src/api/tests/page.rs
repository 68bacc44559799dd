//! The status page: says what is wrong, escapes what it was told.

use crate::api::testing::{Harness, T0, minute};
use crate::event::Stream;

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_engine_does_not_look_healthy() {
    let harness = Harness::new();
    let reply = harness.get("/").await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.headers["content-type"], "text/html; charset=utf-8");
    let page = reply.text;
    assert!(page.contains("尚未收到数据"));
    assert!(page.contains("无业务量，无法判断"));
    assert!(!page.contains("class=\"chip ok \">正常"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_stands_on_the_page() {
    let harness = Harness::new();
    let body = minute("news", "<b>长沙</b>", T0, 3, 4) + &minute("news", "永州", T0 + 60_000, 0, 4);
    assert_eq!(harness.events(&[], body).await.json()["accepted"], 8);
    harness.until(|snapshot| !snapshot.triggers.is_empty());
    let page = harness.get("/").await.text;
    for words in [
        "1 个告警",
        "拨测成功率",
        "25%",
        "≥ 95%",
        "网络部",
        "/triggers/T-000001",
        "&lt;b&gt;长沙&lt;",
        "异常（紧急）",
    ] {
        assert!(page.contains(words), "{words}\n{page}");
    }
    assert!(!page.contains("<b>长沙"));

    harness.pass_time(600_000);
    harness.until(|snapshot| snapshot.watermarks.is_silent(Stream::DialTest));
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let page = harness.get("/").await.text;
    assert!(page.contains("数据源静默，无法判断"), "{page}");
    assert!(page.contains("静默<small>silent"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_has_a_page_that_says_why_what_and_who() {
    let harness = Harness::new();
    let body = minute("news", "<b>长沙</b>", T0, 3, 4) + &minute("news", "永州", T0 + 60_000, 0, 4);
    harness.events(&[], body).await;
    harness.until(|snapshot| !snapshot.triggers.is_empty());
    let reply = harness.get("/triggers/T-000001").await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.headers["content-type"], "text/html; charset=utf-8");
    let page = reply.text;
    for words in [
        "T-000001 待受理",
        "满意度影响 <small>impact on satisfaction",
        "关键性 <small>key-ness of the service",
        "易处理 <small>simplicity",
        "迫切性 <small>pressing",
        "加权合计",
        "拨测成功率",
        "25%",
        "&lt;b&gt;长沙&lt;",
        "网络部",
        "目前异常",
        "经过 <small>history",
        "规则 rules ",
        "尚未处理完毕",
    ] {
        assert!(page.contains(words), "{words}\n{page}");
    }
    assert!(!page.contains("<b>长沙"));
    let reply = harness.get("/triggers/T-000099%3Cb%3E").await;
    assert_eq!(reply.status, 404);
    assert!(
        reply.text.contains("没有您能查看的触发单"),
        "{}",
        reply.text
    );
    assert!(!reply.text.contains("<b>"), "escaped: {}", reply.text);
}
