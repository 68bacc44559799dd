//! The settings of the journal's thread.

use super::epochs::EpochConfig;
use super::error::JournalError;
use super::record::Position;

/// Settings of the writer.
#[derive(Debug, Clone)]
pub struct WriterConfig {
    /// Epochs with records close this far apart.
    pub epoch_interval_ms: u64,
    /// Epochs without records close this far apart.
    pub idle_tick_ms: u64,
    /// How epochs close by size.
    pub epoch: EpochConfig,
    /// Submissions that may wait for their answer. More are refused as busy.
    pub queue_requests_max: usize,
    /// Weight of the records that have not been handed over yet. More are refused as busy.
    pub queue_bytes_max: usize,
    /// Weight of the records that are committed at once.
    pub group_bytes_max: usize,
    /// Closed epochs that may wait for the next stage; with one more the journal's thread waits, which is counted.
    pub epochs_ahead_max: usize,
    /// Batches are refused while the file system has fewer bytes free than this; 0 never does.
    pub disk_free_bytes_min: u64,
    /// How many are told apart by what they have written once room runs out; whoever comes beyond them shares one share.
    pub disk_holders_max: usize,
    /// Where to begin handing over: where an epoch begins, or `None` for the oldest record kept.
    pub replay_from: Option<Position>,
    /// Nothing is handed over before [`Writer::hand_over`](super::writer::Writer::hand_over): the next stage is not there
    /// yet. What comes in meanwhile is durable and answered, and read back from the disk in its turn; where nothing
    /// comes, nothing is written.
    pub held: bool,
}

impl Default for WriterConfig {
    fn default() -> Self {
        Self {
            epoch_interval_ms: 200,
            idle_tick_ms: 1000,
            epoch: EpochConfig::default(),
            queue_requests_max: 10_000,
            queue_bytes_max: 128 << 20,
            group_bytes_max: 16 << 20,
            epochs_ahead_max: 4,
            disk_free_bytes_min: 0,
            // Judgement: more than the producers of one engine, and small beside its memory where names are made up.
            disk_holders_max: 1_024,
            replay_from: None,
            held: false,
        }
    }
}

/// Refuses settings with which the writer could not go on.
///
/// # Errors
/// [`JournalError::Setting`].
pub(super) fn check(config: &WriterConfig, record_bytes_max: usize) -> Result<(), JournalError> {
    // Otherwise the largest record would find the queue busy for ever. Twice, because a record's
    // weight is a little more than its text.
    let queue_bytes_min = record_bytes_max.saturating_mul(2);
    let wrong = |name, value: u64, rule: &str| JournalError::Setting {
        name,
        value,
        rule: rule.to_owned(),
    };
    if config.queue_bytes_max < queue_bytes_min {
        let rule = format!("at least twice record_bytes_max, {queue_bytes_min}");
        return Err(wrong(
            "queue_bytes_max",
            config.queue_bytes_max as u64,
            &rule,
        ));
    }
    for (name, value) in [
        ("epoch_interval_ms", config.epoch_interval_ms),
        ("idle_tick_ms", config.idle_tick_ms),
        ("queue_requests_max", config.queue_requests_max as u64),
        ("epoch_events_max", config.epoch.epoch_events_max),
        ("epochs_ahead_max", config.epochs_ahead_max as u64),
        ("disk_holders_max", config.disk_holders_max as u64),
    ] {
        if value == 0 {
            return Err(wrong(name, value, "more than 0"));
        }
    }
    Ok(())
}
