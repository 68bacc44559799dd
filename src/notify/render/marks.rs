//! What is marked in a chart: when an alert fired and ended, and, once an effect was measured, the mend and both periods.

use super::chart::{AFTER, BEFORE, ENDED, FIRED, MENDED};
use super::correction;
use crate::alerting::Notice;

/// A moment with its flag.
pub(super) struct Moment {
    pub(super) at_ms: i64,
    /// What the legend calls it, in Chinese and English.
    pub(super) name: (&'static str, &'static str),
    pub(super) colour: [u8; 3],
}

/// A period with its bar on the axis.
pub(super) struct Period {
    pub(super) from_ms: i64,
    pub(super) to_ms: i64,
    pub(super) name: (&'static str, &'static str),
    pub(super) colour: [u8; 3],
}

/// All of it.
pub(super) struct Marks {
    pub(super) moments: Vec<Moment>,
    pub(super) periods: Vec<Period>,
}

impl Marks {
    /// What a notice has to mark. Periods are those of the KQI that the chart shows.
    pub(super) fn of(notice: &Notice) -> Marks {
        let report = notice.demand.as_ref();
        let report = report.and_then(|demand| demand.effect.as_deref());
        let [fired_ms, ended_ms] = correction::moments(notice);
        let mended_ms = report.map(|report| report.mend.mended_ms);
        let moments = [
            (fired_ms, ("触发", "fired"), FIRED),
            (ended_ms, ("恢复", "ended"), ENDED),
            (mended_ms, ("处理完毕", "mended"), MENDED),
        ];
        let moments = moments.into_iter().filter_map(|(at_ms, name, colour)| {
            Some(Moment {
                at_ms: at_ms?,
                name,
                colour,
            })
        });
        let indicator = report.and_then(|report| {
            let mut all = report.indicators.iter();
            all.find(|of| Some(&of.kqi) == notice.alert.kqi.as_ref())
        });
        let periods = indicator.map(|indicator| indicator.periods);
        let periods = periods.into_iter().flat_map(|of| {
            [
                (of.before_ms, ("处理前", "before"), BEFORE),
                (of.after_ms, ("处理后", "after"), AFTER),
            ]
            .map(|(from_ms, name, colour)| Period {
                from_ms,
                to_ms: from_ms + of.length_ms,
                name,
                colour,
            })
        });
        Marks {
            moments: moments.collect(),
            periods: periods.collect(),
        }
    }
}
