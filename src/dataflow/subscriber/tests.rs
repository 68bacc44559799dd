use super::*;

#[test]
fn an_entity_is_listed_under_each_of_its_numbers_until_it_is_forgotten() {
    let mut subscribers = Subscribers::default();
    let key = Arc::new(EntityKey::Message("m".into()));
    for mark in [1, 2, 1] {
        subscribers.found(&key, mark);
    }
    assert_eq!(subscribers.by_number.len(), 2);
    for mark in [1, 2, 1] {
        subscribers.forgotten(&key, mark);
    }
    assert!(subscribers.by_number.is_empty());
}

#[test]
fn the_newest_are_told_and_the_rest_is_counted() {
    let detail = |ts_ms| MessageDetail {
        ts_ms,
        message_id: "m".into(),
        number: None,
        service: None,
        city: None,
        edition: None,
        submitted_ms: None,
        status: "Expired".into(),
        decided_ms: None,
        is_reported: true,
        is_early: false,
        on_time: None,
        delay_ms: None,
    };
    let part = |times: std::ops::Range<i64>| Found {
        messages: times.map(detail).collect(),
        ..Found::default()
    };
    let mut found = part(0..3);
    found.merge(part(10..13), 4);
    let times: Vec<i64> = found.messages.iter().map(|detail| detail.ts_ms).collect();
    assert_eq!((times, found.beyond), (vec![12, 11, 10, 2], 2));
}
