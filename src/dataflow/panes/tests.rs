use std::collections::BTreeMap;

use differential_dataflow::difference::Abelian;
use proptest::prelude::*;

use super::*;
use crate::measure::Parts;

const PARTS: Parts = Parts {
    histogram: true,
    extremes: false,
};

#[derive(Clone, Debug)]
enum Act {
    Add(i64, f64, i64),
    Cancel(i64),
    Pack(i64),
    Retire(i64),
    Reload,
}

fn act() -> impl Strategy<Value = Act> {
    let pane = -2_i64..60;
    prop_oneof![
        12 => (pane.clone(), 1.0..1e4, 1_i64..4).prop_map(|(at, value, weight)| Act::Add(at, value, weight)),
        2 => pane.clone().prop_map(Act::Cancel),
        2 => pane.prop_map(Act::Pack),
        1 => (0_i64..20).prop_map(Act::Retire),
        1 => Just(Act::Reload),
    ]
}

proptest! {
    /// Whatever is packed when: panes read like a plain map.
    #[test]
    fn panes_are_a_map(acts in prop::collection::vec(act(), 1..200), from in -5_i64..60, size in 0_i64..70) {
        const MS: i64 = 60_000;
        let (mut panes, mut map) = (Panes::default(), BTreeMap::<i64, Measure>::new());
        for act in acts {
            match act {
                Act::Add(at, value, weight) => {
                    let measure = Measure::of(Some(value), weight, PARTS);
                    let at = at * MS;
                    let before = map.range(..at).next_back().map(|(at, _)| *at);
                    let after = map.range(at + 1..).next().map(|(at, _)| *at);
                    prop_assert_eq!(panes.neighbours(at), (before, after));
                    let is_new = match weight {
                        1 => panes.add_as(at, &measure, Measure::clone).is_new,
                        _ => panes.add(at, measure.clone()),
                    };
                    prop_assert_eq!(is_new, !map.contains_key(&at));
                    map.entry(at).or_default().plus_equals(&measure);
                }
                Act::Cancel(at) => {
                    if let Some(mut measure) = map.remove(&(at * MS)) {
                        measure.negate();
                        let change = panes.add_as(at * MS, &measure, Measure::clone);
                        prop_assert!(!change.is_new && !change.is_there);
                    }
                }
                Act::Pack(at) => panes.pack(at * MS),
                Act::Retire(at) => {
                    let kept = map.split_off(&(at * MS));
                    prop_assert_eq!(panes.retire(at * MS), map.len());
                    map = kept;
                }
                Act::Reload => {
                    let bytes = postcard::to_allocvec(&panes).unwrap();
                    prop_assert_eq!(&bytes, &postcard::to_allocvec(&map).unwrap());
                    panes = postcard::from_bytes(&bytes).unwrap();
                }
            }
            prop_assert_eq!(panes.is_empty(), map.is_empty());
            prop_assert_eq!(panes.first_ms(), map.keys().next().copied());
            prop_assert_eq!(panes.last_ms(), map.keys().next_back().copied());
        }
        prop_assert!(panes.starts().eq(map.keys().copied()));
        let mut shown = Vec::new();
        panes.for_each(|at, measure| shown.push((at, measure.clone())));
        prop_assert!(shown.iter().map(|(at, measure)| (at, measure)).eq(map.iter()));
        let span = from * MS..(from + size) * MS;
        let (mut got, mut want) = (Total::default(), Total::default());
        panes.sum(span.clone(), &mut got);
        map.range(span).for_each(|(_, measure)| want.add(measure));
        prop_assert_eq!((got.count, got.quantile(0.5)), (want.count, want.quantile(0.5)));
        prop_assert_eq!(got.latest(), want.latest());
    }
}

#[test]
fn panes_out_of_order_are_refused() {
    let bytes = postcard::to_allocvec(&vec![(7_i64, Measure::default()); 2]).unwrap();
    let error = postcard::from_bytes::<Panes>(&bytes).unwrap_err();
    assert_eq!(error, postcard::Error::SerdeDeCustom);
}
