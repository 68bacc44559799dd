//! Records and frames: what goes in comes out, and nothing else comes out.

use bytes::Bytes;
use proptest::prelude::*;

use crate::journal::frame::{self, Frame, Parsed};
use crate::journal::{
    JournalError, LineFormat, Lines, Position, RECORD_BYTES_MAX, Record, encode, record,
};

fn any_record() -> impl Strategy<Value = Record> {
    let lines = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..300),
        // Repetitive enough for lz4 to win.
        (0..200usize).prop_map(|n| b"{\"type\":\"dial_test\"}\n".repeat(n)),
    ];
    let producer = proptest::option::of((".{0,8}", any::<u64>()));
    let sender = proptest::option::of(".{0,8}");
    let decoded = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..50));
    prop_oneof![
        (producer, sender, any::<i64>(), any::<u64>(), lines, decoded).prop_map(
            |(producer, sender, received_ms, events, lines, decoded)| Record::Batch {
                producer,
                sender,
                received_ms,
                format: LineFormat::Ndjson,
                events,
                lines: Lines::from(lines),
                decoded: decoded.map(Bytes::from),
            }
        ),
        (
            any::<i64>(),
            ".{0,8}",
            proptest::collection::vec(any::<u8>(), 0..50)
        )
            .prop_map(|(at_ms, actor, body)| Record::Command { at_ms, actor, body }),
        (
            any::<i64>(),
            proptest::collection::vec((".{0,8}", ".{0,40}"), 0..4)
        )
            .prop_map(|(at_ms, files)| Record::RuleBook { at_ms, files }),
        (any::<u64>(), any::<i64>()).prop_map(|(epoch, now_ms)| Record::Tick { epoch, now_ms }),
    ]
}

proptest! {
    #[test]
    fn a_record_comes_back_as_it_was(record in any_record(), at in any::<u64>()) {
        let body = encode(&record, usize::MAX).unwrap().body;
        prop_assert_eq!(record::peek(&body).unwrap().summary.events, record.events());
        prop_assert_eq!(record::decode(&body.clone().into()).unwrap(), record);
        let mut bytes = Vec::new();
        let written = Frame { position: Position(at), durable_below: Position(at / 2), body: &body };
        frame::push(&mut bytes, written);
        prop_assert_eq!(frame::needed(&bytes), bytes.len());
        prop_assert_eq!(frame::parse(&bytes), Parsed::Whole(written));
        prop_assert_eq!(frame::parse(&bytes[..bytes.len() - 1]), Parsed::Cut);
    }

    #[test]
    fn any_bytes_decode_or_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(Record::Batch { lines, .. }) = record::decode(&bytes.clone().into()) {
            let _ = lines.plain();
        }
        let _ = record::peek(&bytes);
        let _ = frame::parse(&bytes);
        let _ = frame::find_proof_of_damage(&bytes, Position(3));
    }
}

#[test]
fn lines_that_repeat_are_stored_small() {
    let text = "{\"type\":\"dial_test\",\"ok\":true}\n".repeat(1000);
    let body = encode(&super::batch(&text), usize::MAX).unwrap().body;
    assert!(
        body.len() < text.len() / 20,
        "{} of {} bytes",
        body.len(),
        text.len()
    );
}

#[test]
fn what_lines_were_decoded_to_never_makes_a_record_unreadable() {
    let mut record = super::batch("x");
    if let Record::Batch { decoded, .. } = &mut record {
        *decoded = Some(vec![7; RECORD_BYTES_MAX].into());
    }
    let body = encode(&record, usize::MAX).unwrap().body;
    let mut bytes = Vec::new();
    let written = Frame {
        position: Position(0),
        durable_below: Position(0),
        body: &body,
    };
    frame::push(&mut bytes, written);
    assert_eq!(frame::parse(&bytes), Parsed::Whole(written));
    assert_eq!(
        record::decode(&body.clone().into()).unwrap(),
        super::batch("x")
    );
}

#[test]
fn a_lying_length_takes_no_memory() {
    let mut body = encode(&super::batch(&"x".repeat(1000)), usize::MAX)
        .unwrap()
        .body;
    // variant, no producer, received 1, format, events: then the length, two bytes for 1000.
    assert_eq!(&body[..7], [0, 0, 2, 0, 1, 0xe8, 0x07]);
    body.splice(5..7, [0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    let refusal = record::decode(&body.into()).unwrap_err();
    assert!(
        refusal.contains("bytes of lines are over 67108864"),
        "{refusal}"
    );
}

#[test]
fn a_record_over_the_limit_is_refused_with_both_numbers() {
    let error = encode(&super::batch("12345678"), 7).unwrap_err();
    assert!(matches!(
        error,
        JournalError::TooLarge {
            bytes: 8,
            bytes_max: 7
        }
    ));
    assert_eq!(
        error.to_string(),
        "a record of 8 bytes is over the limit of 7"
    );
}
