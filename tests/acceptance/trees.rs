//! Complaint trees: seven levels and five, codes, and what a ticket has by its node (S2, S3).

use serde_json::{Value, json};

use crate::engine::{DAY, Engine, HOUR, MINUTE, MONDAY, SECOND, near, series};

const NINE: i64 = MONDAY + 9 * HOUR;

#[tokio::test(flavor = "multi_thread")]
async fn g2_g3_h6_h9_two_trees_are_navigated_down_to_forms() {
    let engine = Engine::start().await;
    let answer = engine.get("/v1/complaints/trees").await;
    let trees = answer["trees"].as_array().unwrap();
    let levels = |tree: &Value| tree["levels"].as_array().unwrap().len();
    let of = |id: &str| trees.iter().find(|tree| tree["tree"] == id).unwrap();
    assert_eq!(
        (levels(of("seven_levels")), levels(of("five_levels"))),
        (7, 5)
    );
    // S2's tree is at most seven levels deep, every last-level node of S3's has exactly five.
    let nodes = |tree: &str| of(tree)["nodes"].as_array().unwrap().clone();
    for node in nodes("five_levels") {
        assert_eq!(node["is_leaf"], node["level"] == 5, "{node}");
    }
    let login = nodes("five_levels")
        .into_iter()
        .find(|node| node["code"] == "O010104");
    assert_eq!(login.unwrap()["service"], "mobile_mail");
    // Every node but the root has the one above it: one can walk down.
    let seven = nodes("seven_levels");
    let paths: Vec<&str> = seven
        .iter()
        .map(|node| node["path"].as_str().unwrap())
        .collect();
    for path in &paths {
        let above = path.rsplit_once('/');
        assert!(
            above.is_none_or(|(above, _)| paths.contains(&above)),
            "{path}"
        );
    }
    let leaf = seven.iter().find(|node| node["name"] == "没有收到手机报");
    let form = leaf.unwrap()["form"].as_str().unwrap();
    let form = engine.get(&format!("/v1/complaints/forms/{form}")).await;
    assert_eq!(form["service"], "mobile_newspaper");
    // Forms are found by the codes of nodes too, in either tree; every leaf has one.
    for node in nodes("five_levels").iter().chain(&seven) {
        let Some(code) = node["code"].as_str() else {
            assert_eq!(node["is_leaf"], false, "{node}");
            continue;
        };
        let form = engine.get(&format!("/v1/complaints/forms/{code}")).await;
        assert_eq!(
            (&form["leaf"], &form["path"], &form["node"]),
            (&node["form"], &node["path"], &node["code"])
        );
        assert!(!form["questions"].as_array().unwrap().is_empty(), "{form}");
    }
    let contact = json!({"leaf": "O010104", "serial": "five", "city": "永州", "ts": "2026-03-02T09:00:00+08:00", "answers": {}});
    let (status, answer) = engine.post("/v1/complaints", contact.to_string()).await;
    assert!(status.is_success(), "{answer}");
    let is_there = |answer: &Value| !answer["tickets"].as_array().unwrap().is_empty();
    engine.until("/v1/complaints/sample", is_there).await;
    let ticket = engine.get("/v1/complaints/tickets/five").await;
    assert_eq!(
        ticket["path"],
        "数据业务/手机邮箱/软件原因/全部品牌/无法登录"
    );
    assert_eq!(ticket["filed_ms"], NINE, "{ticket}");
    let contact = json!({"leaf": "O010104", "serial": "six", "ts": "nine", "answers": {}});
    let (status, _) = engine.post("/v1/complaints", contact.to_string()).await;
    assert_eq!(status.as_u16(), 400);
    let (status, _) = engine.ask("/v1/complaints/trees/nine").await;
    assert_eq!(status.as_u16(), 404);
    engine.stop().await;
}

/// Every level by itself, as a rule author counts it.
fn levels() -> String {
    let mut text = "kqis:\n".to_owned();
    for level in 1..=7 {
        let above: Vec<String> = (1..=level).map(|level| format!("level_{level}")).collect();
        let above = above.join(", ");
        text += &format!(
            "  - {{id: by_{level}, name: n, layer: experience, stream: complaint, aggregate: count, group_by: [{above}], window: 1d, unit: count}}\n"
        );
    }
    text
}

/// What every level says of the day now, by the path of its node.
async fn counts(engine: &Engine, level: usize) -> Vec<(String, i64)> {
    let path = format!(
        "/v1/kqis/by_{level}/windows?from={MONDAY}&to={}",
        MONDAY + DAY
    );
    let answer = engine.get(&path).await;
    let rows = answer["windows"].as_array().unwrap();
    let path = |row: &Value| {
        let group = row["group"].as_str().unwrap();
        let names = group.split(';').map(|part| part.split_once('=').unwrap().1);
        names.collect::<Vec<_>>().join("/")
    };
    let rows = rows.iter();
    rows.map(|row| (path(row), row["count"].as_i64().unwrap()))
        .collect()
}

/// Holds each node against those below it, once all levels have seen `total`.
async fn check_sums(engine: &Engine, total: i64) {
    let began = std::time::Instant::now();
    let mut all = Vec::new();
    while all.len() < 7 {
        all.clear();
        for level in 1..=7 {
            let of_level = counts(engine, level).await;
            if of_level.iter().map(|(_, count)| count).sum::<i64>() == total {
                all.push(of_level);
            }
        }
        assert!(began.elapsed().as_secs() < 30, "never {total}: {all:?}");
    }
    for pair in all.windows(2) {
        for (path, count) in &pair[0] {
            let below = format!("{path}/");
            let of_node = pair[1].iter().filter(|(path, _)| path.starts_with(&below));
            let sum: i64 = of_node.map(|(_, count)| count).sum();
            assert_eq!(sum, *count, "{path} of {total}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h9_all_seven_levels_are_sums_at_every_instant_also_while_the_day_is_open() {
    let engine = Engine::with_rules(&[("levels.yaml", &levels())]).await;
    let base = "投诉/数据业务/自有业务";
    let ticket = |serial: &str, state: &str, leaf: &str| {
        let path = format!("{base}/{leaf}");
        json!({"type": "complaint", "serial": serial, "state": state, "city": "永州", "path": path})
    };
    let missing = "手机报/使用/接收异常/没有收到手机报";
    let late = "手机报/使用/接收异常/接收时间不合理";
    let login = "手机邮箱/使用/登录/无法登录";
    let mut total = 0;
    for (serial, leaf, count) in [("a {n}", missing, 30), ("b {n}", login, 12)] {
        engine
            .tell(&series(NINE, MINUTE, count, &ticket(serial, "filed", leaf)))
            .await;
        total += count;
        check_sums(&engine, total).await;
    }
    // Filed again under a neighbour, and in another branch; excluded; withdrawn; filed late; repeated.
    let changes = [
        ("a {n}", "reclassified", late, 4, 0),
        ("b {n}", "reclassified", missing, 3, 0),
        ("a {n}", "excluded", late, 2, -2),
        ("b {n}", "withdrawn", login, 5, -5),
        ("late {n}", "filed", login, 6, 6),
        ("a {n}", "filed", missing, 30, 0),
    ];
    for (serial, state, leaf, count, more) in changes {
        let at = if state == "filed" { NINE } else { NINE + HOUR };
        engine
            .tell(&series(at, SECOND, count, &ticket(serial, state, leaf)))
            .await;
        total += more;
        check_sums(&engine, total).await;
    }
    engine.pass(MONDAY + DAY).await;
    // Sealed, and corrected afterwards.
    engine
        .tell(&series(
            NINE,
            SECOND,
            3,
            &ticket("later {n}", "filed", missing),
        ))
        .await;
    check_sums(&engine, total + 3).await;
    // The shipped engine says the same without a rule for it, of the tickets themselves.
    let path = "/v1/complaints/trees/seven_levels/counts?day=2026-03-02";
    let counts = engine.get(path).await;
    assert_eq!(counts["total"], total + 3, "{counts:#}");
    let nodes = counts["nodes"].as_array().unwrap();
    let tickets = |node: &Value| node["tickets"].as_i64().unwrap();
    for node in nodes {
        let inside = format!("{}/", node["path"].as_str().unwrap());
        let just_below = nodes.iter().filter(|of| {
            let below = of["path"].as_str().unwrap().strip_prefix(&inside);
            below.is_some_and(|rest| !rest.contains('/'))
        });
        let below: i64 = just_below.map(tickets).sum();
        let own = node["own"].as_i64().unwrap();
        assert_eq!(tickets(node), own + below, "{node:#}");
    }
    let of_leaf = nodes
        .iter()
        .find(|node| node["path"].as_str() == Some(&format!("{base}/{missing}")));
    // Thirty less four that were filed again elsewhere, and three late; those that came from another branch were taken back.
    assert_eq!(of_leaf.map(tickets), Some(30 - 4 + 3));
    let other = engine.get(&path.replace("03-02", "03-03")).await;
    assert_eq!((&other["total"], &other["nodes"]), (&json!(0), &json!([])));
    engine.stop().await;
}

const BY_LEAF: &str = "
kqis:
  - {id: by_leaf, name: n, layer: experience, stream: complaint, aggregate: count, group_by: [tree, leaf], window: 1d, unit: count}
  - {id: by_service, name: n, layer: experience, stream: complaint, aggregate: count, group_by: [service], window: 1d, unit: count}
";

#[tokio::test(flavor = "multi_thread")]
async fn g3_a_ticket_filed_by_code_counts_at_its_node_and_for_its_service() {
    let engine = Engine::with_rules(&[("by_leaf.yaml", BY_LEAF)]).await;
    let by_code = |serial: &str, node: &str| json!({"type": "complaint", "serial": serial, "state": "filed", "node": node, "channel": "10086", "city": "广州"});
    let events = [
        series(NINE, MINUTE, 7, &by_code("c {n}", "O010104")),
        series(NINE, MINUTE, 50, &by_code("u {n}", "O770000")),
        series(
            NINE,
            MINUTE,
            3,
            &json!({"type": "complaint", "serial": "p {n}", "path": "新业务/别的", "channel": "10086"}),
        ),
    ];
    engine.tell(&events.concat()).await;
    engine.pass(MONDAY + 7 * DAY).await;
    let end = MONDAY + DAY;
    let login = engine
        .window("by_leaf", "tree=five_levels;leaf=无法登录", end)
        .await;
    assert_eq!(login["count"], 7);
    let mail = engine
        .window("by_service", "service=mobile_mail", end)
        .await;
    assert_eq!(mail["count"], 7);
    let share = engine.window(
        "complaint_unclassified_ratio",
        "channel=10086",
        MONDAY + 7 * DAY,
    );
    near(&share.await["value"], 100.0 * 53.0 / 60.0, 1e-9);
    // A tree that has the code later has the history too.
    let more = "trees:\n  - {id: later, name: n, levels: [一, 二], nodes: [{path: 一/新, code: O770000, service: gprs}]}\n";
    engine.reload_with("later.yaml", more).await;
    let path = format!("/v1/kqis/by_leaf/windows?from={}&to={end}", end - MINUTE);
    let is_there = |answer: &Value| {
        let mut rows = answer["windows"].as_array().unwrap().iter();
        rows.any(|row| row["group"] == "tree=later;leaf=新" && row["count"] == 50)
    };
    let began = std::time::Instant::now();
    loop {
        // While the book comes into force, readers are told to ask again.
        let (status, text) = engine.ask(&path).await;
        if status.is_success() && is_there(&serde_json::from_str(&text).unwrap()) {
            break;
        }
        assert!(began.elapsed().as_secs() < 30, "{path} stays {text}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    // A code that no tree and no list has is refused only where it is no code.
    let (_, answer) = engine
        .post(
            "/v1/events",
            json!({"type": "complaint", "ts": NINE, "serial": "x", "node": "10104"}).to_string(),
        )
        .await;
    assert!(
        answer.contains("a letter and three groups of two digits"),
        "{answer}"
    );
    engine.stop().await;
}

/// A newer version says where a ticket is by code or by path, whichever its writer has, and it is there alone.
#[tokio::test(flavor = "multi_thread")]
async fn g3_a_ticket_filed_again_by_code_or_by_path_moves_with_its_service() {
    let engine = Engine::with_rules(&[("by_leaf.yaml", BY_LEAF)]).await;
    let missing = "投诉/数据业务/自有业务/手机报/使用/接收异常/没有收到手机报";
    let login = "数据业务/手机邮箱/软件原因/全部品牌/无法登录";
    let filed = |serial: &str| json!({"type": "complaint", "serial": serial, "state": "filed", "path": missing, "service": "mobile_newspaper", "city": "永州"});
    let again = |serial: &str, version: i64, more: Value| {
        let mut line = json!({"type": "complaint", "serial": serial, "state": "reclassified", "version": version});
        let more = more.as_object().unwrap().clone();
        line.as_object_mut().unwrap().extend(more);
        line
    };
    let by_code = json!({"node": "O500102"});
    let by_path = json!({"path": login});
    // What only says again where it is moves nothing, also of what was said beside it.
    let repeated = json!({"path": login, "node": "O010104", "service": "mms"});
    let half = json!({"node": "O010104"});
    let events = [
        series(NINE, MINUTE, 12, &filed("k{n}")),
        series(NINE + HOUR, MINUTE, 1, &again("k{n}", 2, by_code)),
        series(NINE, MINUTE, 5, &filed("p{n}")),
        series(NINE + HOUR, MINUTE, 5, &again("p{n}", 2, by_path)),
        series(NINE, MINUTE, 3, &filed("h{n}")),
        series(NINE + HOUR, MINUTE, 3, &again("h{n}", 2, repeated)),
        series(NINE + 2 * HOUR, MINUTE, 3, &again("h{n}", 3, half)),
    ];
    engine.tell(&events.concat()).await;
    engine.pass(MONDAY + DAY).await;
    let rows = [
        ("by_leaf", "tree=seven_levels;leaf=没有收到手机报", 11),
        ("by_leaf", "tree=seven_levels;leaf=接收时间不合理", 1),
        ("by_leaf", "tree=five_levels;leaf=无法登录", 8),
        ("by_service", "service=mobile_newspaper", 12),
        ("by_service", "service=mobile_mail", 5),
        ("by_service", "service=mms", 3),
    ];
    for (kqi, group, count) in rows {
        let row = engine.window(kqi, group, MONDAY + DAY).await;
        assert_eq!(row["count"], count, "{group}");
    }
    let ticket = engine.get("/v1/complaints/tickets/p1").await;
    assert_eq!(
        (&ticket["path"], &ticket["service"]),
        (&json!(login), &json!("mobile_mail")),
        "{ticket}"
    );
    engine.stop().await;
}

/// Too coarse, or under a leaf that nobody named: it is a complaint about the newspaper all the same. What is deeper than
/// any tree is refused with its reason.
#[tokio::test(flavor = "multi_thread")]
async fn h6_a_ticket_above_the_leaves_counts_at_its_node_and_for_its_service() {
    const BY_SERVICE: &str = "kqis:
  - {id: by_service, name: n, layer: experience, stream: complaint, aggregate: count, group_by: [service], window: 1d, unit: count}
";
    let engine = Engine::with_rules(&[("count.yaml", BY_SERVICE)]).await;
    let stage = "投诉/数据业务/自有业务/手机报/使用/接收异常";
    let odd = format!("{stage}/别的");
    let paths = [stage, odd.as_str(), "投诉/别的"];
    let tickets: Vec<Value> = paths
        .iter()
        .enumerate()
        .map(|(at, path)| json!({"type": "complaint", "ts": NINE, "serial": format!("s{at}"), "state": "filed", "city": "长沙", "path": path}))
        .collect();
    engine.tell(&tickets).await;
    engine.pass(MONDAY + 2 * DAY).await;
    let end = MONDAY + DAY;
    let news = engine
        .window("by_service", "service=mobile_newspaper", end)
        .await;
    assert_eq!(news["count"], 2);
    let counts = engine
        .get("/v1/complaints/trees/seven_levels/counts?day=2026-03-02")
        .await;
    assert_eq!(
        (&counts["total"], &counts["elsewhere"]),
        (&json!(3), &json!(0)),
        "{counts}"
    );
    let mut nodes = counts["nodes"].as_array().unwrap().iter();
    let node = nodes.find(|node| node["path"] == stage).unwrap();
    assert_eq!((&node["tickets"], &node["own"]), (&json!(2), &json!(1)));
    let deep = json!({"type": "complaint", "ts": NINE, "serial": "deep", "state": "filed", "path": "a/b/c/d/e/f/g/h"});
    let (_, answer) = engine.post("/v1/events", deep.to_string()).await;
    assert!(answer.contains("a path of 8 levels"), "{answer}");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn x9_a_sample_is_drawn_by_its_seed_and_only_of_what_counts() {
    let engine = Engine::start().await;
    let ticket = json!({"type": "complaint", "serial": "S-{n}", "state": "filed", "city": "永州", "service": "mms", "path": "投诉/彩信/别的"});
    engine.tell(&series(NINE, SECOND, 300, &ticket)).await;
    let withdrawn = json!({"type": "complaint", "serial": "S-{n}", "state": "withdrawn"});
    engine
        .tell(&series(NINE + HOUR, SECOND, 200, &withdrawn))
        .await;
    let sample = async |query: &str| {
        let path = format!("/v1/complaints/sample?{query}");
        let answer = engine.get(&path).await;
        let tickets = answer["tickets"].as_array().unwrap().iter();
        tickets
            .map(|ticket| ticket["serial"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let path = "/v1/complaints/sample?size=1000&service=mms";
    let hundred = |answer: &Value| answer["tickets"].as_array().unwrap().len() == 100;
    engine.until(path, hundred).await;
    let first = sample("seed=7&size=10").await;
    assert_eq!(first, sample("seed=7&size=10").await);
    assert_eq!(first[..5], sample("seed=7&size=5").await[..]);
    assert_ne!(first, sample("seed=8&size=10").await);
    let is_left = |serial: &String| serial[2..].parse::<i64>().unwrap() > 200;
    assert!(first.iter().all(is_left), "{first:?}");
    assert_eq!(sample("city=长沙").await.len(), 0);
    let to = format!("size=1000&to={}", NINE + 250 * SECOND);
    assert_eq!(sample(&to).await.len(), 50);
    // As a file for whoever inspects.
    let (status, csv) = engine
        .ask("/v1/complaints/sample?seed=7&size=10&format=csv")
        .await;
    assert!(status.is_success());
    assert_eq!(csv.lines().count(), 11);
    assert!(csv.lines().nth(1).unwrap().starts_with(&first[0]), "{csv}");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn x11_a_post_that_listening_calls_negative_is_a_complaint_event_and_an_empty_one_is_none() {
    let engine = Engine::with_rules(&[("by_leaf.yaml", BY_LEAF)]).await;
    let post = json!({"type": "complaint", "serial": "weibo-{n}", "channel": "social", "path": "投诉/数据业务/自有业务/飞信/使用/登录/飞信无法登录", "text": "飞信又登不上了"});
    engine.tell(&series(NINE, MINUTE, 8, &post)).await;
    // What listening could not place says nothing to count: it is refused, and seen in the quarantine.
    let empty = json!({"type": "complaint", "ts": NINE, "serial": "weibo-9", "channel": "social", "text": ""});
    let (_, answer) = engine.post("/v1/events", empty.to_string()).await;
    assert!(answer.contains("needs `path` or `node`"), "{answer}");
    engine.pass(MONDAY + DAY).await;
    let row = engine.window(
        "by_leaf",
        "tree=seven_levels;leaf=飞信无法登录",
        MONDAY + DAY,
    );
    assert_eq!(row.await["count"], 8);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h33_churn_is_a_gauge_among_the_kqis() {
    let engine = Engine::start().await;
    let churn = |value: f64| json!({"type": "gauge", "name": "churn_rate", "value": value, "dims": {"service": "mobile_newspaper", "city": "长沙"}});
    engine.tell(&series(NINE, 0, 1, &churn(4.0))).await;
    engine
        .tell(&series(NINE + 30 * DAY, 0, 1, &churn(3.6)))
        .await;
    let end = MONDAY + 31 * DAY;
    engine.pass(end).await;
    let row = engine
        .window(
            "mnews_churn_rate",
            "service=mobile_newspaper;city=长沙",
            end,
        )
        .await;
    near(&row["value"], 3.6, 1e-9);
    engine.stop().await;
}
