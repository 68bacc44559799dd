//! `chrysalis backup` and `chrysalis restore`: a copy of everything that a start needs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chrysalis::app::{Copied, backup, restore};
use chrysalis::config::Config;

/// `chrysalis backup`.
pub(crate) fn take(
    config: Option<&Path>,
    data: Option<PathBuf>,
    to: &Path,
) -> anyhow::Result<ExitCode> {
    let config = match config {
        Some(path) => Config::read(path)?,
        None => Config::default(),
    };
    let data = data.unwrap_or(config.data);
    let kept_bytes = config.journal.disk_free_bytes_min;
    let copied = crate::serve::runtime()?.block_on(backup(&data, to, kept_bytes))?;
    say("backed up", &data, to, copied);
    Ok(ExitCode::SUCCESS)
}

/// `chrysalis restore`.
pub(crate) fn put_back(from: &Path, data: &Path) -> anyhow::Result<ExitCode> {
    let copied = restore(from, data)?;
    say("restored", from, data, copied);
    Ok(ExitCode::SUCCESS)
}

fn say(what: &str, from: &Path, to: &Path, copied: Copied) {
    let begin = match copied.checkpoint {
        Some(epoch) => format!("the checkpoint of epoch {epoch}"),
        None => "no checkpoint".to_owned(),
    };
    println!(
        "{what} {} to {}: {begin}, {} journal segments ({} records to replay), {} KiB; read through and whole",
        from.display(),
        to.display(),
        copied.segments,
        copied.records,
        copied.bytes.div_ceil(1024)
    );
}
