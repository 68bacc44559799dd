//! `limits`: bounds of the state, of the dataflow and the engine, and of what is handed to files and listeners.

use serde::{Deserialize, Serialize};

use crate::bounded::{at_least, between};
use crate::dataflow::Limits;
use crate::engine::EngineLimits;

/// Makes the section of the parts that it is handed to, so that a bound is named once: its key, its kind, and what may be
/// given. `serde(flatten)` would do as well, were it not that it cannot refuse unknown keys.
macro_rules! limit_settings {
    (
        dataflow { $($of_dataflow:ident: $dataflow_kind:ty, $dataflow_check:tt;)* }
        engine { $($of_engine:ident: $engine_kind:ty, $engine_check:tt;)* }
        app { $($(#[$doc:meta])* $of_app:ident: $app_kind:ty = $app_default:expr, $app_check:tt;)* }
    ) => {
        /// Bounds of the state. A change applies from the restart on.
        #[derive(Clone, Copy, Debug, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct LimitSettings {
            $(
                #[doc = concat!("See [`Limits::", stringify!($of_dataflow), "`].")]
                #[serde(deserialize_with = $dataflow_check)]
                pub $of_dataflow: $dataflow_kind,
            )*
            $(
                #[doc = concat!("See [`EngineLimits::", stringify!($of_engine), "`].")]
                #[serde(deserialize_with = $engine_check)]
                pub $of_engine: $engine_kind,
            )*
            $(
                $(#[$doc])*
                #[serde(deserialize_with = $app_check)]
                pub $of_app: $app_kind,
            )*
        }

        impl Default for LimitSettings {
            fn default() -> Self {
                let (dataflow, engine) = (Limits::default(), EngineLimits::default());
                LimitSettings {
                    $($of_dataflow: dataflow.$of_dataflow,)*
                    $($of_engine: engine.$of_engine,)*
                    $($of_app: $app_default,)*
                }
            }
        }

        impl LimitSettings {
            /// The dataflow's.
            pub fn dataflow(&self) -> Limits {
                Limits { $($of_dataflow: self.$of_dataflow,)* }
            }

            /// The engine's.
            pub fn engine(&self) -> EngineLimits {
                EngineLimits {
                    $($of_engine: self.$of_engine,)*
                    // Both keep them, the engine for readers.
                    annotations_max: self.annotations_max,
                }
            }
        }
    };
}

limit_settings! {
    dataflow {
        entities_max: usize, "at_least::<1, _, _>";
        records_max: usize, "at_least::<1, _, _>";
        tuples_max: usize, "at_least::<1, _, _>";
        groups_max: usize, "at_least::<1, _, _>";
        heard_hours: usize, "at_least::<1, _, _>";
        // Judgement: a scrape of `/metrics` asks several questions, and one is done when all workers have let go of it;
        // with fewer places its next one would find none.
        questions_max: usize, "at_least::<4, _, _>";
        sources_max: usize, "at_least::<1, _, _>";
        base_series_max: usize, "at_least::<1, _, _>";
        annotations_max: usize, "at_least::<1, _, _>";
        message_receipts_max: usize, "at_least::<1, _, _>";
        // A submission and its report.
        message_records_max: usize, "at_least::<2, _, _>";
        delivery_parts_max: usize, "at_least::<2, _, _>";
        // The filing, and what became of it.
        ticket_versions_max: usize, "at_least::<2, _, _>";
        // A hold has a beginning and an end.
        connection_changes_max: usize, "at_least::<2, _, _>";
        base_readings_max: usize, "at_least::<1, _, _>";
        // Room for as many is made at the start.
        epochs_in_flight_max: usize, "between::<1, 1_000, _, _>";
    }
    engine {
        open_triggers_max: usize, "at_least::<1, _, _>";
        final_triggers_max: usize, "at_least::<1, _, _>";
        ended_alerts_max: usize, "at_least::<1, _, _>";
        complaint_counts_max: usize, "at_least::<1, _, _>";
        waiting_tickets_max: usize, "at_least::<1, _, _>";
        linked_tickets_max: usize, "at_least::<1, _, _>";
        past_series_max: usize, "at_least::<1, _, _>";
        mends_max: usize, "at_least::<1, _, _>";
        // None behind what can be corrected is a past, too.
        past_days: u32, "at_least::<0, _, _>";
        hold_pairs_max: usize, "at_least::<1, _, _>";
        reports_max: usize, "at_least::<1, _, _>";
        alert_subjects_max: usize, "at_least::<1, _, _>";
        process_samples_max: usize, "at_least::<1, _, _>";
        pair_holds_max: usize, "at_least::<1, _, _>";
        withdrawn_episodes_max: usize, "at_least::<1, _, _>";
        crossing_named_max: usize, "at_least::<1, _, _>";
        report_rows_max: usize, "at_least::<1, _, _>";
        trigger_tickets_max: usize, "at_least::<1, _, _>";
        // The first, both ends of one KQI, and its newest.
        trigger_windows_max: usize, "at_least::<4, _, _>";
        trigger_sources_max: usize, "at_least::<1, _, _>";
        trigger_told_max: usize, "at_least::<1, _, _>";
        trigger_moves_max: usize, "at_least::<1, _, _>";
        // The first and the newest.
        trigger_explanations_max: usize, "at_least::<2, _, _>";
        effect_kqis_max: usize, "at_least::<1, _, _>";
        blind_sources_max: usize, "at_least::<1, _, _>";
    }
    app {
        /// Periods of one report whose files stay; the oldest go. Judgement: a year of a daily report, and a month to look
        /// back from.
        report_periods_max: usize = 400, "at_least::<1, _, _>";
        /// Epochs' effects that are kept for who listens within the process (`chrysalis demo`), in powers of two; who is
        /// further behind misses some, and knows it. Judgement: minutes of a busy engine.
        // Room for as many is made at the start.
        effects_max: usize = 4_096, "between::<1, 65_536, _, _>";
    }
}
