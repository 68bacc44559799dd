//! Tuples by their values: numbers, places, what is shared.

use super::*;

/// A batch of gauges, each with these values: the numbers of their tuples, and the tuples.
fn batch(table: &mut TupleTable, rows: &[&[Borrowed<'_>]]) -> (Vec<u32>, Vec<Arc<Tuple>>) {
    let of = (Stream::Gauge, Bound::UNLIMITED);
    let mut facts = Vec::new();
    for row in rows {
        table.add(of, row.iter().copied(), (7, 0.5), &mut facts);
    }
    let tuples = table.take(&mut facts);
    assert!(
        facts
            .iter()
            .all(|fact| (fact.ts_ms, fact.value) == (7, 0.5))
    );
    (facts.iter().map(|fact| fact.tuple).collect(), tuples)
}

#[test]
fn equal_values_have_one_number_and_come_back_as_they_were() {
    let mut table = TupleTable::default();
    let values = [
        Borrowed::Text("长沙"),
        Borrowed::Null,
        Borrowed::Flag(true),
        Borrowed::Flag(false),
        Borrowed::Integer(-7),
        Borrowed::Text(""),
    ];
    let mut facts = Vec::new();
    for of in [
        (Stream::DialTest, Bound::UNLIMITED),
        (Stream::DialTest, Bound::UNLIMITED),
        (Stream::DialTest, Bound::NO_VALUE),
        (Stream::BossCall, Bound::UNLIMITED),
    ] {
        table.add(of, values.into_iter(), (0, 1.0), &mut facts);
    }
    let tuples = table.take(&mut facts);
    let numbers: Vec<u32> = facts.iter().map(|fact| fact.tuple).collect();
    assert_eq!(numbers, [0, 0, 1, 2]);
    let of = |tuple: &Arc<Tuple>| (tuple.stream, tuple.bound);
    let wanted = [
        (Stream::DialTest, Bound::UNLIMITED),
        (Stream::DialTest, Bound::NO_VALUE),
        (Stream::BossCall, Bound::UNLIMITED),
    ];
    assert!(tuples.iter().map(of).eq(wanted));
    let want = [
        DimensionValue::Text("长沙".into()),
        DimensionValue::Null,
        DimensionValue::Flag(true),
        DimensionValue::Flag(false),
        DimensionValue::Integer(-7),
        DimensionValue::Text("".into()),
    ];
    assert_eq!(*tuples[0].values, want);
}

#[test]
fn a_later_batch_numbers_anew_and_shares_what_is_known() {
    let mut table = TupleTable::default();
    // Enough for the table to grow beyond the near cache, and no multiple of what is looked up together.
    let values: Vec<_> = (0..20_011)
        .map(|value| [Borrowed::Integer(value)])
        .collect();
    let rows: Vec<_> = values.iter().map(|row| &row[..]).collect();
    for _ in 0..2 {
        let (numbers, first) = batch(&mut table, &rows);
        assert!(numbers.iter().copied().eq(0..20_011));
        assert!(table.slots.len() > NEAR_SLOTS);
        let new = [Borrowed::Integer(-1)];
        assert!(table.places().1.iter().copied().eq(0..20_011));
        let (numbers, second) = batch(&mut table, &[rows[999], &new, rows[999], rows[5]]);
        assert_eq!(numbers, [0, 1, 0, 2]);
        assert_eq!(table.places(), (0, &[999, 20_011, 5][..]));
        assert_eq!(second.len(), 3);
        assert!(Arc::ptr_eq(&first[999], &second[0]) && Arc::ptr_eq(&first[5], &second[2]));
    }
}

#[test]
fn tuples_have_equal_texts_in_common() {
    let mut table = TupleTable::default();
    let row = |number| [Borrowed::Text("长沙"), Borrowed::Integer(number)];
    let (_, tuples) = batch(&mut table, &[&row(0), &row(1)]);
    let text = |tuple: &Tuple| match &tuple.values[0] {
        DimensionValue::Text(text) => text.clone(),
        other => panic!("{other:?}"),
    };
    assert!(Arc::ptr_eq(&text(&tuples[0]), &text(&tuples[1])));
}

#[test]
fn neighbouring_texts_do_not_run_together() {
    let mut table = TupleTable::default();
    let one = [Borrowed::Text("ab"), Borrowed::Text("c")];
    let two = [Borrowed::Text("a"), Borrowed::Text("bc")];
    let (numbers, _) = batch(&mut table, &[&one, &two]);
    assert_eq!(numbers, [0, 1]);
}

#[test]
fn a_table_that_is_full_begins_anew() {
    let mut table = TupleTable::default();
    let values: Vec<_> = (0..=REMEMBERED_MAX as i64)
        .map(|value| [Borrowed::Integer(value)])
        .collect();
    let rows: Vec<_> = values.iter().map(|row| &row[..]).collect();
    assert_eq!(batch(&mut table, &rows).1.len(), rows.len());
    assert!(table.slots.is_empty() && table.entries.is_empty());
    let (of, places) = table.places();
    assert_eq!((of, places.len()), (0, rows.len()), "of the table before");
    assert_eq!(batch(&mut table, &rows[3..5]).0, [0, 1]);
    assert_eq!(table.places(), (1, &[0, 1][..]));
    batch(&mut table, &[]);
    assert_eq!(table.places(), (1, &[][..]));
}
