//! An exporter's answer (Prometheus' text format) → whether the probe succeeded, and how long it took.

/// What a probe found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Probed {
    /// `probe_success`.
    pub success: bool,
    /// `probe_duration_seconds`, where it is told.
    pub duration_s: Option<f64>,
    /// `probe_http_status_code`, where there is one.
    pub http_status: Option<u16>,
    /// Whether `probe_failed_due_to_regex` says that the content was not the expected one.
    pub content_ok: Option<bool>,
}

/// Reads an answer; none where it does not say whether the probe succeeded.
///
/// ```
/// let text = "# TYPE probe_success gauge\nprobe_success 1\nprobe_duration_seconds 0.25\n";
/// let probed = chrysalis::probes::read(text).unwrap();
/// assert!(probed.success && probed.duration_s == Some(0.25));
/// ```
pub fn read(text: &str) -> Option<Probed> {
    let mut success = None;
    let mut probed = Probed {
        success: false,
        duration_s: None,
        http_status: None,
        content_ok: None,
    };
    for line in text.lines() {
        let Some((name, value)) = sample(line) else {
            continue;
        };
        match name {
            "probe_success" => success = Some(value == 1.0),
            "probe_duration_seconds" if value >= 0.0 => probed.duration_s = Some(value),
            // Zero is what it says where no answer came.
            "probe_http_status_code" if (100.0..=999.0).contains(&value) => {
                probed.http_status = Some(value as u16);
            }
            "probe_failed_due_to_regex" => probed.content_ok = Some(value == 0.0),
            _ => {}
        }
    }
    probed.success = success?;
    Some(probed)
}

/// Name and value of a sample without labels: the metrics that are wanted have none.
fn sample(line: &str) -> Option<(&str, f64)> {
    let mut words = line.split_ascii_whitespace();
    let name = words.next().filter(|name| !name.starts_with('#'))?;
    let value: f64 = words.next()?.parse().ok()?;
    value.is_finite().then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `blackbox_exporter` 0.25 answers, shortened.
    const ANSWER: &str = "\
# HELP probe_dns_lookup_time_seconds Returns the time taken for probe dns lookup in seconds
# TYPE probe_dns_lookup_time_seconds gauge
probe_dns_lookup_time_seconds 0.000166
# TYPE probe_duration_seconds gauge
probe_duration_seconds 0.008112
# TYPE probe_failed_due_to_regex gauge
probe_failed_due_to_regex 0
# TYPE probe_http_duration_seconds gauge
probe_http_duration_seconds{phase=\"connect\"} 0.0003
probe_http_status_code 200
# TYPE probe_success gauge
probe_success 1
";

    #[test]
    fn an_answer_is_one_test() {
        let probed = Probed {
            success: true,
            duration_s: Some(0.008112),
            http_status: Some(200),
            content_ok: Some(true),
        };
        assert_eq!(read(ANSWER), Some(probed));
        let failed = ANSWER
            .replace("probe_success 1", "probe_success 0")
            .replace("status_code 200", "status_code 0")
            .replace("regex 0", "regex 1");
        let probed = read(&failed).unwrap();
        assert!(!probed.success && probed.http_status.is_none());
        assert_eq!(probed.content_ok, Some(false));
    }

    #[test]
    fn what_says_nothing_of_success_is_no_test() {
        for text in [
            "",
            "probe_duration_seconds 1\n",
            "<html>probe_success</html>",
            "probe_success NaN",
            "# probe_success 1",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        let odd = read("probe_success 1\nprobe_duration_seconds -1\nprobe_duration_seconds +Inf\n");
        assert_eq!(odd.unwrap().duration_s, None);
    }
}
