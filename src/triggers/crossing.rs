//! What complaints and KQIs of one service and place say of each other.

use serde::{Deserialize, Serialize};

use crate::rules::Text;

/// Complaints set against the KQIs of the same service, place and time. Where one side says nothing there is
/// no crossing: no data is neither red nor green.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Crossing {
    /// A KQI is abnormal, and nobody complains: less urgent.
    SilentDegradation,
    /// People complain, and every KQI is normal: something is not measured.
    BlindSpot,
    /// Both are red.
    Confirmed,
}

impl Crossing {
    /// All, as metrics list them.
    pub const ALL: [Crossing; 3] = [
        Crossing::Confirmed,
        Crossing::BlindSpot,
        Crossing::SilentDegradation,
    ];

    /// The name in the API and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Crossing::Confirmed => "confirmed",
            Crossing::BlindSpot => "blind_spot",
            Crossing::SilentDegradation => "silent_degradation",
        }
    }

    /// What people read.
    pub fn text(self) -> Text {
        let (zh, en) = match self {
            Crossing::Confirmed => (
                "投诉与指标互相印证",
                "complaints and KQIs confirm each other",
            ),
            Crossing::BlindSpot => (
                "盲点：投诉上升，指标正常",
                "blind spot: complaints are up, KQIs are normal",
            ),
            Crossing::SilentDegradation => (
                "隐性劣化：指标异常，尚无投诉",
                "silent degradation: a KQI is abnormal, nobody complains",
            ),
        };
        Text {
            zh: zh.to_owned(),
            en: en.to_owned(),
        }
    }
}
