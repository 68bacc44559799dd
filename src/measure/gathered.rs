//! Measures in the making: what facts say of many panes is listed as it comes, and sorted once.

use crate::measure::{Extremes, Histogram, Measure, Parts, bucket_of, to_fixed};

/// Facts gathered for panes, each of which has a number.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    panes: Vec<Pane>,
    /// Buckets of the histograms as they came, each with its pane.
    buckets: Vec<(u32, i32)>,
    /// Room to put them in order.
    spare: Vec<(u32, i32)>,
    /// The same as `buckets` of the values of which extremes are kept.
    values: Vec<(u32, i64)>,
}

/// What is known of one pane besides what is listed.
#[derive(Clone, Debug, Default)]
struct Pane {
    count: i64,
    valued: i64,
    sum: i128,
    /// How many buckets are listed.
    buckets: u32,
    /// How many values are listed.
    values: u32,
}

impl Gathered {
    /// Begins a pane; tells its number.
    pub fn begin(&mut self) -> u32 {
        self.panes.push(Pane::default());
        self.panes.len() as u32 - 1
    }

    /// Adds one fact to a pane that was begun; NaN stands for no measured value.
    pub fn add(&mut self, number: u32, value: f64, parts: Parts) {
        let pane = &mut self.panes[number as usize];
        pane.count += 1;
        if value.is_nan() {
            return;
        }
        let fixed = to_fixed(value);
        pane.valued += 1;
        pane.sum += i128::from(fixed);
        if parts.histogram {
            pane.buckets += 1;
            self.buckets.push((number, bucket_of(value)));
        }
        if parts.extremes {
            pane.values += 1;
            self.values.push((number, fixed));
        }
    }

    /// Reads panes that will be added to, all at once; numbers of none are passed over. It changes nothing.
    pub fn read_ahead(&self, numbers: &[u32]) {
        let panes = numbers.iter().filter_map(|at| self.panes.get(*at as usize));
        std::hint::black_box(panes.fold(0, |seen, pane| seen ^ pane.count));
    }

    /// The measures of all panes by their numbers; begins anew.
    pub fn measures(&mut self) -> Vec<Measure> {
        order_by_bucket(&mut self.buckets, &mut self.spare);
        let mut buckets = by_pane(
            &mut self.buckets,
            self.panes.iter().map(|pane| pane.buckets),
        );
        let mut values = by_pane(&mut self.values, self.panes.iter().map(|pane| pane.values));
        let (mut buckets, mut values) = (buckets.as_mut_slice(), values.as_mut_slice());
        let measure = |pane: Pane| {
            let own_buckets;
            let own_values;
            (own_buckets, buckets) =
                std::mem::take(&mut buckets).split_at_mut(pane.buckets as usize);
            (own_values, values) = std::mem::take(&mut values).split_at_mut(pane.values as usize);
            Measure {
                count: pane.count,
                good: 0,
                valued: pane.valued,
                sum: pane.sum,
                histogram: Histogram::from_buckets(own_buckets),
                extremes: extremes_of(own_values),
            }
        };
        self.panes.drain(..).map(measure).collect()
    }
}

/// Puts buckets in order, where they lie close: those of a pane, which stay in this order, need no sorting then.
fn order_by_bucket(listed: &mut Vec<(u32, i32)>, spare: &mut Vec<(u32, i32)>) {
    let buckets = || listed.iter().map(|(_, bucket)| *bucket);
    let (Some(least), Some(most)) = (buckets().min(), buckets().max()) else {
        return;
    };
    let width = most.abs_diff(least) as usize + 1;
    // Else there is more to count than to sort.
    if width > listed.len() {
        return;
    }
    let place = |bucket: i32| bucket.abs_diff(least) as usize;
    let mut next = vec![0; width];
    buckets().for_each(|bucket| next[place(bucket)] += 1);
    let mut end = 0;
    for count in &mut next {
        let begin = end;
        end += *count;
        *count = begin;
    }
    spare.clear();
    spare.resize(listed.len(), (0, 0));
    for item in listed.iter() {
        let at: &mut usize = &mut next[place(item.1)];
        spare[*at] = *item;
        *at += 1;
    }
    std::mem::swap(listed, spare);
}

/// What was listed, pane by pane; the list is empty then, and keeps its memory.
fn by_pane<T: Copy + Default>(
    listed: &mut Vec<(u32, T)>,
    lengths: impl Iterator<Item = u32>,
) -> Vec<T> {
    let mut sorted = vec![T::default(); listed.len()];
    if listed.is_empty() {
        return sorted;
    }
    let mut end = 0;
    let begin = |length| {
        let begin = end;
        end += length as usize;
        begin
    };
    let mut next: Vec<usize> = lengths.map(begin).collect();
    for (number, item) in listed.drain(..) {
        let at = &mut next[number as usize];
        sorted[*at] = item;
        *at += 1;
    }
    sorted
}

fn extremes_of(values: &mut [i64]) -> Option<Box<Extremes>> {
    values.sort_unstable();
    let counted = values.chunk_by(|a, b| a == b);
    let counted = counted.map(|equal| (equal[0], equal.len() as i64));
    (!values.is_empty()).then(|| Box::new(Extremes(counted.collect())))
}

#[cfg(test)]
mod tests {
    use differential_dataflow::difference::Semigroup;

    use super::*;

    #[test]
    fn gathering_equals_adding_one_by_one() {
        let parts = Parts {
            histogram: true,
            extremes: true,
        };
        let far = [3.0, 1.0, 3.0, f64::NAN, -2.5, 1.0, 7.0, 3.0].repeat(2);
        // So many that they are put in order before they are dealt out.
        let close: Vec<f64> = (0..400).map(|at| f64::from(at * 7 % 41 + 60)).collect();
        let mut gathered = Gathered::default();
        // Its memory is used again.
        for values in [&far, &close, &far] {
            let mut added = [Measure::default(), Measure::default(), Measure::default()];
            added.iter().for_each(|_| {
                gathered.begin();
            });
            for (at, value) in values.iter().copied().enumerate() {
                let pane = at % 2;
                gathered.add(pane as u32, value, parts);
                let value = (!value.is_nan()).then_some(value);
                added[pane].plus_equals(&Measure::of(value, 1, parts));
            }
            assert_eq!(gathered.measures(), added);
        }
    }
}
