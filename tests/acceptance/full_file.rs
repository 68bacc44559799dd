//! The full file of a day beside the stream (S3, G6): both sides' differences have names, and the totals are the same.

use serde_json::{Value, json};

use crate::engine::{DAY, Engine, HOUR, MINUTE, MONDAY, series};

const EIGHT: i64 = MONDAY + 8 * HOUR;
const PATH: &str = "投诉/数据业务/自有业务/飞信/使用/登录/飞信无法登录";

const COUNT: &str = "
kqis:
  - {id: filed, name: n, layer: experience, stream: complaint, aggregate: count, group_by: [city], window: 1d, unit: count}
";

fn tickets(prefix: &str, city: &str, from: i64, to: i64) -> Vec<Value> {
    let ticket = json!({"type": "complaint", "serial": format!("{prefix}{{n}}"), "city": city, "path": PATH});
    let all = series(EIGHT, MINUTE, to, &ticket);
    all.into_iter().skip(from as usize).collect()
}

const LOGIN: &str = "数据业务/手机邮箱/软件原因/全部品牌/无法登录";
const LATE: &str = "投诉/数据业务/自有业务/飞信/使用/消息/消息延迟";

fn ticket(serial: &str, path: &str, ts: i64, more: &Value) -> Value {
    let mut line = json!({
        "type": "complaint", "ts": ts, "serial": serial, "city": "长沙", "path": path, "state": "filed",
    });
    let more = more.as_object().unwrap().clone();
    line.as_object_mut().unwrap().extend(more);
    line
}

async fn full_file(engine: &Engine, query: &str, tickets: &[Value]) -> Value {
    let body: Vec<String> = tickets.iter().map(ToString::to_string).collect();
    let path = format!("/v1/complaints/full?day=2026-03-02{query}");
    let (status, answer) = engine.post(&path, body.join("\n")).await;
    assert!(status.is_success(), "{answer}");
    serde_json::from_str(&answer).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn g6_the_full_file_of_a_day_names_what_either_side_lacks_and_ends_with_its_totals() {
    let engine = Engine::with_rules(&[("count.yaml", COUNT)]).await;
    // The stream tells of 105 tickets; the file of 103: five of the stream's are not in it, three are new.
    engine.tell(&tickets("s", "长沙", 0, 105)).await;
    // Another city's day is another file's.
    engine.tell(&tickets("z", "株洲", 0, 7)).await;
    engine.pass(MONDAY + 20 * HOUR).await;
    let mut file = tickets("s", "长沙", 5, 105);
    file.extend(tickets("f", "长沙", 0, 3));
    let on_record = |answer: &Value| answer["tickets"].as_array().unwrap().len() == 112;
    engine
        .until("/v1/complaints/sample?size=1000", on_record)
        .await;
    let named = full_file(&engine, "&city=长沙", &file).await;
    assert_eq!(
        (&named["named"], &named["on_record"]),
        (&json!(103), &json!(105)),
        "{named}"
    );
    assert_eq!(named["only_in_file"], json!(["f1", "f2", "f3"]));
    assert_eq!(
        named["only_on_record"],
        json!(["s1", "s2", "s3", "s4", "s5"])
    );
    assert_eq!(
        (&named["withdrawn"], &named["whole"]),
        (&json!(0), &json!(true))
    );
    let on_record = |answer: &Value| answer["tickets"].as_array().unwrap().len() == 115;
    engine
        .until("/v1/complaints/sample?size=1000", on_record)
        .await;

    // What is no ticket is taken as what it is, and named: such a file is not the one that its writer meant.
    let mut mixed = file.clone();
    mixed.push(json!({"type": "dial_test", "ts": EIGHT, "service": "web_hall", "city": "长沙", "ok": true}));
    let kept = full_file(&engine, "&city=长沙&missing=withdraw", &mixed).await;
    let said =
        ["whole", "not_tickets", "refused_total", "withdrawn"].map(|name| kept[name].clone());
    assert_eq!(said, [json!(false), json!(1), json!(0), json!(0)], "{kept}");

    // A file of which a line is refused takes nothing back.
    let mut broken = file.clone();
    broken.push(json!({"type": "complaint", "ts": EIGHT, "serial": "odd", "city": "长沙"}));
    let kept = full_file(&engine, "&city=长沙&missing=withdraw", &broken).await;
    assert_eq!(
        (&kept["whole"], &kept["withdrawn"]),
        (&json!(false), &json!(0)),
        "{kept}"
    );
    assert_eq!(kept["only_on_record_total"], 5);

    // Once it is whole, what it does not name never was a complaint; sent again it changes nothing.
    let withdrawn = full_file(&engine, "&city=长沙&missing=withdraw", &file).await;
    assert_eq!(
        (&withdrawn["withdrawn"], &withdrawn["only_in_file_total"]),
        (&json!(5), &json!(0)),
        "{withdrawn}"
    );
    let settled = |answer: &Value| answer["tickets"].as_array().unwrap().len() == 110;
    engine
        .until("/v1/complaints/sample?size=1000", settled)
        .await;
    let again = full_file(&engine, "&city=长沙&missing=withdraw", &file).await;
    assert_eq!(again["only_on_record"], json!([]));
    engine.pass(MONDAY + DAY).await;
    for (city, count) in [("长沙", 103), ("株洲", 7)] {
        let row = engine
            .window("filed", &format!("city={city}"), MONDAY + DAY)
            .await;
        assert_eq!(row["count"], count, "{city}");
    }
    let (status, answer) = engine
        .post("/v1/complaints/full?day=someday", String::new())
        .await;
    assert_eq!(status.as_u16(), 400, "{answer}");
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_failed_takes_no_day_back() {
    let engine = Engine::with_rules(&[("count.yaml", COUNT)]).await;
    let day = tickets("s", "长沙", 0, 6);
    engine.tell(&day).await;
    engine.pass(MONDAY + 20 * HOUR).await;
    let sample = "/v1/complaints/sample?size=100";
    let on_record = |answer: &Value| answer["tickets"].as_array().unwrap().len() == 6;
    engine.until(sample, on_record).await;
    let cut: Vec<String> = day[..3].iter().map(ToString::to_string).collect();
    for (query, body) in [
        ("missing=withdraw", String::new()),
        ("missing=withdraw&tickets=6", cut.join("\n")),
        ("tickets=6", String::new()),
    ] {
        let path = format!("/v1/complaints/full?day=2026-03-02&{query}");
        let (status, answer) = engine.post(&path, body).await;
        assert_eq!(status.as_u16(), 422, "{query}: {answer}");
        assert!(answer.contains("incomplete_file"), "{answer}");
    }
    assert!(on_record(&engine.get(sample).await));
    // Who says that there were none means it.
    let none = full_file(&engine, "&missing=withdraw&tickets=0", &[]).await;
    assert_eq!(none["withdrawn"], 6, "{none}");
    engine.stop().await;
}

/// A full file of any day, with what it does not name withdrawn.
async fn of_day(engine: &Engine, day: &str, tickets: &[Value]) -> Value {
    let body: Vec<String> = tickets.iter().map(ToString::to_string).collect();
    let path = format!("/v1/complaints/full?day={day}&missing=withdraw");
    let (status, answer) = engine.post(&path, body.join("\n")).await;
    assert!(status.is_success(), "{answer}");
    serde_json::from_str(&answer).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn g6_a_ticket_near_midnight_that_one_file_took_back_counts_again_with_the_next_days() {
    let engine = Engine::with_rules(&[("count.yaml", COUNT)]).await;
    let midnight = MONDAY + DAY;
    let none = json!({});
    let one = |ts: i64| ticket("mid", PATH, ts, &json!({"version": 1}));
    let other = ticket("day", PATH, EIGHT, &none);
    // The stream has it two seconds before midnight, the complaint system five after.
    engine.tell(&[other.clone(), one(midnight - 2_000)]).await;
    engine.pass(midnight + HOUR).await;
    let state = async |serial: &str, state: &str| {
        let path = format!("/v1/complaints/tickets/{serial}");
        engine.until(&path, |of| of["state"] == state).await
    };
    state("mid", "filed").await;
    let monday = [other.clone()];
    let tuesday = [one(midnight + 5_000)];
    let taken = of_day(&engine, "2026-03-02", &monday).await;
    assert_eq!(
        (&taken["withdrawn"], &taken["agrees"]),
        (&json!(1), &json!(true)),
        "{taken}"
    );
    state("mid", "withdrawn").await;
    // Tuesday's file names it: it counts again, on Monday, and the answer says so.
    let back = of_day(&engine, "2026-03-03", &tuesday).await;
    assert_eq!(
        (&back["returned"], &back["agrees"]),
        (&json!(1), &json!(false)),
        "{back}"
    );
    assert_eq!(
        back["apart"],
        json!([{"serial": "mid", "why": "another_day", "day": "2026-03-02"}])
    );
    state("mid", "reclassified").await;
    // Whichever comes again, none takes it back: no file against file.
    let kept = of_day(&engine, "2026-03-02", &monday).await;
    assert_eq!(
        ["withdrawn", "kept", "agrees"].map(|name| kept[name].clone()),
        [json!(0), json!(1), json!(false)],
        "{kept}"
    );
    assert_eq!(kept["only_on_record"], json!(["mid"]));
    let again = of_day(&engine, "2026-03-03", &tuesday).await;
    assert_eq!(again["returned"], 0, "{again}");
    engine.pass(MONDAY + 2 * DAY).await;
    let row = engine.window("filed", "city=长沙", midnight).await;
    assert_eq!(row["count"], 2);
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g6_what_was_excluded_or_closed_on_record_is_as_the_rule_says_and_the_answer_tells() {
    let engine = Engine::with_rules(&[("count.yaml", COUNT)]).await;
    let none = json!({});
    engine
        .tell(&[
            ticket("same", PATH, EIGHT, &json!({"state": "excluded"})),
            ticket("later", PATH, EIGHT + HOUR, &json!({"state": "excluded"})),
            ticket("shut", PATH, EIGHT, &none),
            json!({"type": "complaint", "ts": EIGHT + HOUR, "serial": "shut", "city": "长沙", "state": "closed", "class": "usage"}),
        ])
        .await;
    engine.pass(MONDAY + 20 * HOUR).await;
    let state = async |serial: &str, state: &str| {
        let path = format!("/v1/complaints/tickets/{serial}");
        engine.until(&path, |of| of["state"] == state).await
    };
    state("shut", "closed").await;
    state("later", "excluded").await;
    let file = [
        ticket("same", PATH, EIGHT, &none),
        ticket("later", PATH, EIGHT, &none),
        ticket("shut", PATH, EIGHT, &json!({"version": 1})),
    ];
    let answer = full_file(&engine, "&missing=withdraw", &file).await;
    assert_eq!(
        answer["apart"],
        json!([{"serial": "later", "why": "excluded", "day": "2026-03-02"}])
    );
    assert_eq!(
        (&answer["whole"], &answer["agrees"]),
        (&json!(true), &json!(false))
    );
    // Neither is newer: as the file says. Closed is closed.
    state("same", "reclassified").await;
    let again = full_file(&engine, "&missing=withdraw", &file).await;
    assert_eq!(
        (&again["on_record"], &again["withdrawn"]),
        (&json!(2), &json!(0)),
        "{again}"
    );
    let shut = engine.get("/v1/complaints/tickets/shut").await;
    assert_eq!(
        (&shut["state"], &shut["class"]),
        (&json!("closed"), &json!("usage"))
    );
    engine.pass(MONDAY + DAY).await;
    let row = engine.window("filed", "city=长沙", MONDAY + DAY).await;
    assert_eq!(row["count"], 2);
    engine.stop().await;
}

const BY_PATH: &str = "
kqis:
  - {id: filed, name: n, layer: experience, stream: complaint, aggregate: count, group_by: [path], window: 1d, unit: count}
";

#[tokio::test(flavor = "multi_thread")]
async fn g6_what_both_sides_classify_differently_is_named_and_counts_as_the_newer_says_or_else_the_file()
 {
    let engine = Engine::with_rules(&[("count.yaml", BY_PATH)]).await;
    let none = json!({});
    // The stream has two the other way round than the file, and one that was moved after the file was written.
    engine
        .tell(&[
            ticket("g1", PATH, EIGHT, &none),
            ticket("g2", LATE, EIGHT, &none),
            ticket("g3", LATE, EIGHT, &none),
            ticket("g4", PATH, EIGHT, &none),
            ticket("g3", PATH, EIGHT + HOUR, &json!({"state": "reclassified"})),
        ])
        .await;
    engine.pass(MONDAY + 20 * HOUR).await;
    let count = |n: usize| move |answer: &Value| answer["tickets"].as_array().unwrap().len() == n;
    engine.until("/v1/complaints/sample", count(4)).await;
    let file = [
        ticket("g1", LATE, EIGHT, &none),
        ticket("g2", PATH, EIGHT, &none),
        ticket("g3", LATE, EIGHT, &none),
    ];
    // Cut short: the fourth is taken back.
    let answer = full_file(&engine, "&missing=withdraw", &file).await;
    assert_eq!(
        answer["differing"],
        json!([
            {"serial": "g1", "file": LATE, "record": PATH, "counts": "file"},
            {"serial": "g2", "file": PATH, "record": LATE, "counts": "file"},
            {"serial": "g3", "file": LATE, "record": PATH, "counts": "record"},
        ])
    );
    assert_eq!(answer["withdrawn"], 1);
    engine.until("/v1/complaints/sample", count(3)).await;
    // The whole file comes after it, twice: what was taken back counts again, and what it had said needs no word.
    let mut whole = file.to_vec();
    whole.push(ticket("g4", PATH, EIGHT, &none));
    let answer = full_file(&engine, "&missing=withdraw", &whole).await;
    assert_eq!(
        (&answer["returned"], &answer["differing_total"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(answer["only_in_file"], json!(["g4"]));
    engine.until("/v1/complaints/sample", count(4)).await;
    let answer = full_file(&engine, "&missing=withdraw", &whole).await;
    assert_eq!(
        (&answer["returned"], &answer["withdrawn"]),
        (&json!(0), &json!(0)),
        "{answer}"
    );
    engine.pass(MONDAY + DAY).await;
    for (path, count) in [(PATH, 3), (LATE, 1)] {
        let row = engine
            .window("filed", &format!("path={path}"), MONDAY + DAY)
            .await;
        assert_eq!(row["count"], count, "{path}");
    }
    engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g6_a_file_that_says_the_place_by_code_alone_moves_what_it_says_it_moves() {
    let engine = Engine::with_rules(&[("count.yaml", BY_PATH)]).await;
    let newer = |serial: &str, state: &str, node: &str| json!({"type": "complaint", "ts": EIGHT + HOUR, "serial": serial, "city": "长沙", "node": node, "state": state, "version": 2});
    let odd = "投诉/数据业务/自有业务/飞信/使用/登录/别的";
    engine
        .tell(&[
            ticket("n1", PATH, EIGHT, &json!({"version": 1})),
            // Its writer has a word of his own for the leaf of that code.
            ticket("n2", odd, EIGHT, &json!({"version": 1, "node": "O010104"})),
            ticket("n3", PATH, EIGHT, &json!({"version": 1})),
        ])
        .await;
    engine.pass(MONDAY + 20 * HOUR).await;
    let count = |n: usize| move |answer: &Value| answer["tickets"].as_array().unwrap().len() == n;
    engine.until("/v1/complaints/sample", count(3)).await;
    let file = [
        newer("n1", "reclassified", "O010104"),
        newer("n2", "reclassified", "O010104"),
        newer("n3", "excluded", "O010104"),
    ];
    let answer = full_file(&engine, "&city=长沙", &file).await;
    let differing = answer["differing"].as_array().unwrap();
    // The third is no complaint any more by the file, wherever it is.
    assert_eq!(differing.len(), 2, "{answer}");
    for of in differing {
        assert_eq!(
            (&of["file"], &of["counts"]),
            (&json!(LOGIN), &json!("file")),
            "{answer}"
        );
    }
    engine.until("/v1/complaints/sample", count(2)).await;
    engine.pass(MONDAY + DAY).await;
    let group = format!("path={LOGIN}");
    let row = engine.window("filed", &group, MONDAY + DAY).await;
    assert_eq!(row["count"], 2);
    let answer = full_file(&engine, "&city=长沙", &file).await;
    assert_eq!(answer["differing_total"], 0, "{answer}");
    engine.stop().await;
}
