//! Results: one line a window, one a change of an alert.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};

/// Bytes gathered before they are written.
const BUFFER_BYTES: usize = 256 * 1024;

/// Where results go.
pub(crate) struct Rows {
    windows: BufWriter<File>,
    alerts: BufWriter<File>,
    text: String,
    digits: itoa::Buffer,
    pub(crate) count: u64,
    pub(crate) transitions: u64,
    failed: Option<std::io::Error>,
}

impl Rows {
    pub(crate) fn create(folder: &Path) -> Result<Rows> {
        std::fs::create_dir_all(folder)?;
        let open = |name: &str| {
            let path = folder.join(name);
            File::create(&path).with_context(|| format!("cannot write {}", path.display()))
        };
        let mut windows = BufWriter::with_capacity(BUFFER_BYTES, open("windows.csv")?);
        let mut alerts = BufWriter::new(open("alerts.csv")?);
        windows.write_all(b"group,window_start_ms,window_end_ms,count,ratio,mean,p95\n")?;
        alerts.write_all(b"group,at_ms,state,ratio\n")?;
        Ok(Rows {
            windows,
            alerts,
            text: String::new(),
            digits: itoa::Buffer::new(),
            count: 0,
            transitions: 0,
            failed: None,
        })
    }

    #[expect(clippy::too_many_arguments, reason = "the columns of a row, once")]
    pub(crate) fn window(
        &mut self,
        label: &str,
        start_ms: i64,
        end_ms: i64,
        count: u32,
        ratio: f64,
        mean: Option<f64>,
        p95: Option<f64>,
    ) {
        self.count += 1;
        self.text.clear();
        self.text.push_str(label);
        for number in [start_ms, end_ms, i64::from(count)] {
            self.text.push(',');
            self.text.push_str(self.digits.format(number));
        }
        for value in [Some(ratio), mean, p95] {
            self.text.push(',');
            if let Some(value) = value {
                // Shortest digits that read back as the same number, as the engine writes them.
                let _ = write!(self.text, "{value}");
            }
        }
        self.text.push('\n');
        let written = self.windows.write_all(self.text.as_bytes());
        self.failed = self.failed.take().or(written.err());
    }

    pub(crate) fn transition(&mut self, label: &str, at_ms: i64, fires: bool, ratio: f64) {
        self.transitions += 1;
        let state = if fires { "firing" } else { "resolved" };
        let written = writeln!(self.alerts, "{label},{at_ms},{state},{ratio}");
        self.failed = self.failed.take().or(written.err());
    }

    /// Writes what is left; fails if anything could not be written.
    pub(crate) fn finish(mut self) -> Result<()> {
        if let Some(error) = self.failed {
            return Err(error.into());
        }
        self.windows.flush()?;
        self.alerts.flush()?;
        Ok(())
    }
}
