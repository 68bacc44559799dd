use super::*;
use crate::event::{DimensionValue, Fact, StreamLayout};

fn layout() -> Arc<Layout> {
    let mut streams: [StreamLayout; Stream::ALL.len()] = Default::default();
    for (stream, dimensions) in [
        (Stream::DialTest, vec!["service", "city", "ok", "code"]),
        (Stream::BossCall, vec!["host", "tperrno"]),
        (Stream::Gauge, vec!["name", "city"]),
    ] {
        streams[stream.index()].dimensions = dimensions.into_iter().map(str::to_owned).collect();
    }
    streams[Stream::DialTest.index()].limits = vec![30_000.0];
    Arc::new(Layout {
        version: 1,
        streams,
        services: Some(["sms_hall".to_owned()].into_iter().collect()),
        references: ["subscriber_base".to_owned()].into_iter().collect(),
        statuses: ["retrieved", "third:user retrieved"]
            .map(str::to_owned)
            .into_iter()
            .collect(),
        failures: None,
        aliases: Default::default(),
    })
}

fn decode(input: &str) -> Decoded {
    let limits = DecodeLimits {
        line_bytes_max: 400,
        text_bytes_max: 200,
        ts_ms_max: Some(2_000_000_000_000),
    };
    Decoder::new(layout(), limits).decode(input.as_bytes())
}

#[track_caller]
fn refused(line: &str, class: RefusalReason, words: &str) {
    let decoded = decode(line);
    assert_eq!(decoded.batch.events, 0);
    let [refusal] = decoded.refused.as_slice() else {
        panic!("{:?}", decoded.refused)
    };
    assert_eq!((refusal.class, refusal.reason.as_str()), (class, words));
}

#[test]
fn a_dial_test_becomes_a_fact_of_its_tuple() {
    let decoded = decode(concat!(
        r#"{"type":"dial_test","ts":1000,"id":"a","service":"sms_hall","city":"长沙","ok":true,"latency_ms":30000}"#,
        "\n\n",
        r#"{"ts":"1970-01-01T08:00:02+08:00","type":"dial_test","service":"sms_hall","city":"\u957f沙","ok":true,"latency_ms":12.5,"code":null}"#,
        "\n",
        r#"{"type":"dial_test","ts":1000,"service":"sms_hall","city":"长沙","ok":true,"latency_ms":30000.5}"#,
    ));
    assert_eq!(decoded.refused, []);
    let facts = &decoded.batch.facts;
    assert_eq!(
        facts[0],
        Fact {
            ts_ms: 1000,
            value: 30_000.0,
            tuple: 0
        }
    );
    assert_eq!(
        facts[1],
        Fact {
            ts_ms: 2000,
            value: 12.5,
            tuple: 0
        }
    );
    assert_eq!(facts[2].tuple, 1, "beyond the limit is another tuple");
    let want = [
        DimensionValue::Text("sms_hall".into()),
        DimensionValue::Text("长沙".into()),
        DimensionValue::Flag(true),
        DimensionValue::Null,
    ];
    assert_eq!(*decoded.batch.tuples[0].values, want);
    assert_eq!(decoded.batch.events, 3);
    let progress: Vec<_> = decoded.batch.sources.values().copied().collect();
    assert_eq!(
        progress,
        [SourceProgress {
            ts_ms_max: 2000,
            events: 3
        }]
    );
}

#[test]
fn every_type_of_the_wire_table_is_taken() {
    let decoded = decode(
        r#"{"type":"boss_call","ts":1,"host":"h","interface":"ITF","client":"c","latency_ms":5,"tperrno":11,"wait_ms":3}
{"type":"gauge","ts":2,"name":"subscriber_base","value":1200000,"dims":{"city":"长沙","service":"sms_hall"}}
{"type":"mms_submit","ts":3,"message_id":17,"service":"sms_hall","city":"长沙","recipient":"138","valid_until":"2026-01-01T00:00:00Z"}
{"type":"mms_receipt","ts":4,"message_id":"17","status":"Retrieved"}
{"type":"boss_connection","ts":5,"host":"h","interface":"ITF","connection":"c1","state":"acquired"}
{"type":"complaint","ts":6,"serial":"S1","path":["投诉","数据业务"],"text":"…"}
{"type":"complaint","ts":7,"serial":"S1","state":"withdrawn"}
{"type":"annotation","start":1,"end":9999999999999,"kind":"planned_work","text":"割接","scope":{"city":"长沙"}}"#,
    );
    assert_eq!(decoded.refused, []);
    // The call's latency and its wait, and the gauge.
    assert_eq!((decoded.batch.events, decoded.batch.facts.len()), (8, 3));
    assert_eq!(decoded.batch.records.len(), 5);
    assert_eq!(decoded.batch.readings.len(), 1);
    assert_eq!(decoded.batch.annotations.len(), 1);
    assert_eq!(decoded.unknown_fields, BTreeMap::new());
    let Record::Submit(submit) = &decoded.batch.records[0] else {
        panic!()
    };
    assert_eq!(&*submit.message_id, "17");
    let Record::Complaint(complaint) = &decoded.batch.records[3] else {
        panic!()
    };
    assert_eq!(complaint.path.as_deref(), Some("投诉/数据业务"));
}

#[test]
fn a_base_of_rates_is_no_number_below_zero_and_other_gauges_may_be() {
    let gauge =
        |name: &str| format!(r#"{{"type":"gauge","ts":2,"name":"{name}","value":-5,"dims":{{}}}}"#);
    assert_eq!(decode(&gauge("temperature")).refused, []);
    let words = "field `value` is \"-5\", wanted a number from 0 to 9e12";
    refused(&gauge("subscriber_base"), RefusalReason::BadValue, words);
}

#[test]
fn gauges_and_annotations_are_narrowed_by_service_and_city_wherever_they_stand() {
    let decoded = decode(
        r#"{"type":"gauge","ts":2,"name":"subscriber_base","value":300000,"service":"sms_hall","city":"永州"}
{"type":"gauge","ts":2,"name":"subscriber_base","value":300000,"city":"永州","dims":{"service":"sms_hall","city":"永州"}}
{"type":"annotation","start":1,"end":9,"kind":"planned_work","city":"岳阳","service":"sms_hall"}
{"type":"annotation","start":1,"end":9,"kind":"planned_work","city":"岳阳","scope":{"host":"h"}}"#,
    );
    assert_eq!(decoded.refused, []);
    assert_eq!(decoded.unknown_fields, BTreeMap::new());
    let said = |dimensions: &BTreeMap<String, String>| format!("{dimensions:?}");
    for reading in &decoded.batch.readings {
        let words = r#"{"city": "永州", "service": "sms_hall"}"#;
        assert_eq!(said(&reading.dimensions), words);
    }
    assert_eq!(decoded.batch.readings.len(), 2);
    let tuples = &decoded.batch.tuples;
    assert_eq!(tuples.len(), 1, "one place, however it is written");
    assert_eq!(tuples[0].values[1], DimensionValue::Text("永州".into()));
    let scopes: Vec<String> = decoded
        .batch
        .annotations
        .iter()
        .map(|of| said(&of.scope))
        .collect();
    assert_eq!(
        scopes,
        [
            r#"{"city": "岳阳", "service": "sms_hall"}"#,
            r#"{"city": "岳阳", "host": "h"}"#
        ]
    );
    let words = r#"field `city` is "长沙", wanted "永州" as in `dims`"#;
    let line =
        r#"{"type":"gauge","ts":2,"name":"g","value":1,"city":"长沙","dims":{"city":"永州"}}"#;
    refused(line, RefusalReason::BadValue, words);
    let words = r#"field `city` is "长沙", wanted "永州" as in `scope`"#;
    let line = r#"{"type":"annotation","start":1,"end":9,"kind":"k","city":"长沙","scope":{"city":"永州"}}"#;
    refused(line, RefusalReason::BadValue, words);
    for line in [
        r#"{"type":"gauge","ts":2,"name":"g","value":1,"dims":{"service":"nope"}}"#,
        r#"{"type":"gauge","ts":2,"name":"g","value":1,"service":"nope"}"#,
        r#"{"type":"annotation","start":1,"end":9,"kind":"k","scope":{"service":"nope"}}"#,
    ] {
        let words = "service \"nope\" is not in the rule book";
        refused(line, RefusalReason::UnknownService, words);
    }
}

#[test]
fn unknown_fields_are_counted_by_name_and_the_line_is_taken() {
    let line = r#"{"type":"dial_test","ts":1,"service":"sms_hall","ok":true,"colour":"red"}"#;
    let decoded = decode(&format!("{line}\n{line}"));
    assert_eq!(decoded.batch.events, 2);
    assert_eq!(
        decoded.unknown_fields,
        BTreeMap::from([("colour".to_owned(), 2)])
    );
}

#[test]
fn refusals_name_the_line_and_the_value_and_the_rest_is_taken() {
    let good = r#"{"type":"dial_test","ts":1,"service":"sms_hall","ok":true}"#;
    let decoded = decode(&format!(
        "{good}\nnonsense\n\n{good}\n{{\"type\":\"nope\"}}"
    ));
    assert_eq!(decoded.batch.events, 2);
    let lines: Vec<String> = decoded.refused.iter().map(ToString::to_string).collect();
    assert!(lines[0].starts_with("line 2: not JSON: "), "{lines:?}");
    assert_eq!(lines[1], "line 5: unknown type \"nope\"");
}

#[test]
fn every_class_of_refusal_shows_its_message() {
    use RefusalReason::*;
    let no_object = "invalid type: sequence, expected a JSON object";
    refused("[1]", BadValue, no_object);
    refused(r#" ["dial_test"]"#, BadValue, no_object);
    refused(
        "[1",
        Syntax,
        "not JSON: EOF while parsing a list at line 1 column 2",
    );
    refused(r#"{"ts":1}"#, UnknownType, "field `type` is missing");
    refused(
        r#"{"type":"dial_test","ts":1,"ok":true}"#,
        MissingField,
        "field `service` is missing",
    );
    refused(
        r#"{"type":"dial_test","ts":1,"service":"fax","ok":true}"#,
        UnknownService,
        "service \"fax\" is not in the rule book",
    );
    refused(
        r#"{"type":"dial_test","ts":2000000010000,"service":"sms_hall","ok":true}"#,
        FutureTime,
        "ts 2033-05-18T03:33:30Z lies 10 s beyond the tolerance for clocks that run ahead",
    );
    refused(
        r#"{"type":"dial_test","ts":1,"service":"sms_hall","ok":"yes"}"#,
        BadValue,
        "field `ok`: invalid type: string \"yes\", expected a boolean",
    );
    refused(
        r#"{"type":"dial_test","ts":"yesterday","service":"sms_hall","ok":true}"#,
        BadValue,
        "field `ts`: time \"yesterday\" is not RFC 3339 with an offset",
    );
    refused(
        r#"{"type":"dial_test","ts":1,"service":"sms_hall","ok":true,"latency_ms":-5}"#,
        BadValue,
        "field `latency_ms` is \"-5\", wanted a number from 0 to 9e12",
    );
    refused(
        r#"{"type":"boss_connection","ts":1,"host":"h","interface":"i","connection":"c","state":"lost"}"#,
        BadValue,
        "field `state` is \"lost\", wanted acquired, active or released",
    );
    refused(
        r#"{"type":"complaint","ts":1,"serial":"S"}"#,
        MissingField,
        "a filed complaint needs `path` or `node`",
    );
    refused(
        r#"{"type":"complaint","ts":1,"serial":"S","path":[]}"#,
        MissingField,
        "a filed complaint needs `path` or `node`",
    );
    for code in ["BADCODE", "99.99.99", "o010104", "O01010", "O0101041"] {
        refused(
            &format!(r#"{{"type":"complaint","ts":1,"serial":"S","node":"{code}"}}"#),
            BadValue,
            &format!("field `node` is {code:?}, wanted a letter and three groups of two digits"),
        );
    }
    refused(
        r#"{"type":"annotation","start":5,"end":5,"kind":"k"}"#,
        BadValue,
        "field `end` is \"5\", wanted a time after `start`",
    );
    refused(
        &format!(r#"{{"type":"dial_test","code":"{}"}}"#, "x".repeat(400)),
        TooLong,
        "line of 430 bytes is longer than the limit of 400",
    );
    let long = "x".repeat(201);
    for (field, line) in [
        (
            "city",
            format!(
                r#"{{"type":"dial_test","ts":1,"service":"sms_hall","city":"{long}","ok":true}}"#
            ),
        ),
        (
            "city",
            format!(
                r#"{{"ts":1,"type":"dial_test","service":"sms_hall","city":"{long}","ok":true}}"#
            ),
        ),
        (
            "dims",
            format!(r#"{{"type":"gauge","ts":1,"name":"g","value":1,"dims":{{"{long}":"x"}}}}"#),
        ),
        (
            "path",
            format!(
                r#"{{"type":"complaint","ts":1,"serial":"S","path":["a","{}"]}}"#,
                &long[2..]
            ),
        ),
        (
            "source",
            format!(r#"{{"type":"mms_submit","ts":1,"message_id":"m","source":"{long}"}}"#),
        ),
    ] {
        let words =
            format!("field `{field}` has a text of 201 bytes, longer than the limit of 200");
        refused(&line, LongText, &words);
    }
    let longest = "长".repeat(66);
    let line = format!(
        r#"{{"type":"dial_test","ts":1,"service":"sms_hall","city":"{longest}","ok":true}}"#
    );
    assert_eq!(decode(&line).batch.events, 1, "as long as a text may be");
    refused(
        r#"{"type":"gauge","ts":1,"name":"g","value":9000000000001}"#,
        BadValue,
        "field `value` is \"9000000000001\", wanted a number within ±9e12",
    );
}

#[test]
fn a_receipt_with_an_unmapped_word_is_taken_and_shown() {
    let receipt = |status: &str| {
        format!(r#"{{"type":"mms_receipt","ts":1,"message_id":"m","status":{status}}}"#)
    };
    let lines = [
        "\"Retrieved\"",
        "\"Third:User RETRIEVED\"",
        "\"Gone fishing\"",
        "7",
    ];
    let decoded = decode(&lines.map(receipt).join("\n"));
    assert_eq!((decoded.batch.events, decoded.refused.len()), (4, 0));
    let told: Vec<String> = decoded.doubtful.iter().map(Refusal::to_string).collect();
    assert_eq!(
        told,
        [
            "line 3: status \"Gone fishing\" is not mapped by the rule book, taken as Indeterminate",
            "line 4: status \"7\" is not mapped by the rule book, taken as Indeterminate",
        ]
    );
    assert_eq!(decoded.doubtful[0].class, RefusalReason::UnknownStatus);
}

#[test]
fn numbers_are_read_to_their_last_bit() {
    // The explaining decoder must read what the fast one reads, and both what was meant.
    let mut state = 7u64;
    for _ in 0..20_000 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let value = (state >> 11) as f64 / 1e4;
        let text = value.to_string();
        assert_eq!(serde_json::from_str::<f64>(&text).unwrap(), value);
        assert_eq!(sonic_rs::from_str::<f64>(&text).unwrap(), value);
    }
}

#[test]
fn what_is_no_object_is_told_without_our_own_names() {
    for (line, words) in [
        ("1", "invalid type: integer `1`, expected a JSON object"),
        (
            "\"x\"",
            "invalid type: string \"x\", expected a JSON object",
        ),
    ] {
        refused(line, RefusalReason::BadValue, words);
    }
}

#[test]
fn garbage_never_panics() {
    let seeds = [
        r#"{"type":"dial_test","ts":1,"service":"sms_hall","ok":true,"latency_ms":1e999}"#,
        r#"{"type":"complaint","ts":1,"serial":{"a":[1]},"path":[1,[2]]}"#,
        r#"[{"type":"gauge"}]"#,
        "{\"type\":\"gauge\",\"dims\":{\"a\":null}}",
        "\u{feff}{}",
        "null",
        "{\"type\":\"dial_test\",\"ts\":\"\\ud800\"}",
    ];
    for seed in seeds {
        let bytes = seed.as_bytes();
        for cut in 0..=bytes.len() {
            for flip in [0x00, 0x20, 0x80] {
                let mut piece = bytes[..cut].to_vec();
                if let Some(last) = piece.last_mut() {
                    *last ^= flip;
                }
                let decoded = Decoder::new(layout(), DecodeLimits::default()).decode(&piece);
                assert!(decoded.batch.events + decoded.refused.len() as u64 <= 2);
            }
        }
    }
}

#[test]
fn a_line_of_two_types_is_refused_whichever_comes_first() {
    for first in ["", " "] {
        let line = r#"{"type":"dial_test","ts":1,"service":"news","ok":true,"type":"gauge"}"#;
        refused(
            &format!("{first}{line}"),
            RefusalReason::BadValue,
            "duplicate field `type`",
        );
    }
}

#[test]
fn there_is_one_zero() {
    let decoded = decode(r#"{"type":"gauge","ts":1,"name":"a","value":-0.0}"#);
    assert!(decoded.batch.facts[0].value.is_sign_positive());
}

#[test]
fn a_call_that_tells_its_wait_is_one_event_with_two_facts() {
    let decoded = decode(concat!(
        r#"{"type":"boss_call","ts":1000,"host":"h","interface":"i","latency_ms":90,"wait_ms":40,"source":"s"}"#,
        "\n",
        r#"{"type":"boss_call","ts":2000,"host":"h","interface":"i","latency_ms":80,"source":"s"}"#,
    ));
    assert_eq!((decoded.refused.len(), decoded.batch.events), (0, 2));
    let values: Vec<f64> = decoded.batch.facts.iter().map(|fact| fact.value).collect();
    assert_eq!(values, [90.0, 40.0, 80.0]);
    let reached = |stream| {
        let name = Some("s".into());
        decoded.batch.sources[&SourceId { stream, name }].ts_ms_max
    };
    assert_eq!(
        (reached(Stream::BossCall), reached(Stream::BossWait)),
        (2000, 1000)
    );
    refused(
        r#"{"type":"boss_call","ts":1000,"host":"h","interface":"i","latency_ms":1,"wait_ms":-1}"#,
        RefusalReason::BadValue,
        "field `wait_ms` is \"-1\", wanted a number from 0 to 9e12",
    );
}

#[test]
fn a_tickets_answers_are_kept_where_they_decide_and_its_class_is_one_of_nine() {
    let answers = r#"{"b":"no","a":"是","c":"unclear","d":7,"e":true,"b":"yes","f":["x"]}"#;
    let line = format!(
        r#"{{"type":"complaint","ts":1,"serial":"s","path":"a/b","class":"usage","answers":{answers}}}"#
    );
    let decoded = decode(&line);
    let [Record::Complaint(ticket)] = decoded.batch.records.as_slice() else {
        panic!("{decoded:?}");
    };
    let kept: Vec<(&str, bool)> = ticket
        .answers
        .iter()
        .map(|(question, said)| (&**question, *said))
        .collect();
    assert_eq!(kept, [("a", true), ("b", true), ("e", true)]);
    assert_eq!(ticket.class.as_deref(), Some("usage"));
    for odd in [r#""text""#, "[1,2]", "7", "-7", "1.5", "true", "null"] {
        let line =
            format!(r#"{{"type":"complaint","ts":1,"serial":"s","path":"a/b","answers":{odd}}}"#);
        assert_eq!(decode(&line).refused, [], "{odd}");
    }
    let decoded = decode(r#"{"type":"complaint","ts":1,"serial":"s","path":"a","class":"other"}"#);
    assert_eq!(decoded.refused[0].class, RefusalReason::BadValue);
}
