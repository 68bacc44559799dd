//! Whole replays of small files: bad clocks, input that ends badly, output that cannot be written.

use std::io::Write as _;

use super::*;
use crate::rules::testing::plan;

/// Midnight in Shanghai, ms.
const T0: i64 = 1_764_000_000_000;

const BOOK: &str = "
book: {name: test, version: '1', time_zone: Asia/Shanghai}
streams:
  dial_test: {allowed_lateness: 0s, idle_timeout: 5m, retention: 1h}
services:
  - id: news
    name: {zh: 手机报, en: Newspaper}
    kqis:
      - id: news_latency
        name: {zh: 时延, en: Latency}
        layer: network
        stream: dial_test
        aggregate: mean
        unit: ms
        group_by: [city]
        window: 1m
        min_samples: 1
        interval: {max: 2000}
        provenance: [{of: limit, kind: standard, reference: 'a norm, 2009'}]
";

fn options(folder: &Path, inputs: Vec<PathBuf>) -> ReplayOptions {
    ReplayOptions {
        workers: 2,
        out: Some(folder.join("out")),
        alerts_only: false,
        now_ms: T0 + 86_400_000,
        inputs,
    }
}

fn line(ts_ms: i64) -> String {
    line_of("长沙", ts_ms)
}

fn line_of(city: &str, ts_ms: i64) -> String {
    format!(
        "{{\"type\":\"dial_test\",\"ts\":{ts_ms},\"service\":\"news\",\"city\":\"{city}\",\"ok\":true,\"latency_ms\":1}}"
    )
}

/// Names in the output folder, in order.
fn outputs(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder.join("out"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_line_of_the_far_future_is_refused_and_its_place_does_not_show() {
    let good: Vec<String> = (0..600).map(|at| line(T0 + at * 30_000)).collect();
    let bad = line(253_370_764_800_000);
    let mut seen = Vec::new();
    for at in [None, Some(0), Some(300), Some(600)] {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("in.ndjson");
        let mut lines = good.clone();
        if let Some(at) = at {
            lines.insert(at, bad.clone());
        }
        std::fs::write(&input, lines.join("\n")).unwrap();
        let summary = replay(&plan(BOOK), &options(folder.path(), vec![input])).unwrap();
        assert_eq!((summary.events, summary.too_late), (600, 0), "{at:?}");
        assert_eq!(summary.refused, u64::from(at.is_some()), "{at:?}");
        if let Some(at) = at {
            let refusal = summary.refusals[0].1.to_string();
            let words = format!("line {}: ts 9999-01-01T00:00:00Z lies ", at + 1);
            assert!(refusal.starts_with(&words), "{refusal}");
        }
        let read = |name| std::fs::read_to_string(folder.path().join("out").join(name)).unwrap();
        seen.push((read("windows.csv"), read("alerts.csv")));
    }
    assert!(seen[0].0.lines().count() > 100, "{}", seen[0].0);
    for other in &seen[1..] {
        assert_eq!(*other, seen[0]);
    }
}

#[test]
fn the_tolerance_for_clocks_that_run_ahead_is_that_of_ingest() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.ndjson");
    let now_ms = T0 + 86_400_000;
    let edge = now_ms + CLOCK_SKEW_MS_MAX;
    std::fs::write(&input, format!("{}\n{}\n", line(edge), line(edge + 1))).unwrap();
    let summary = replay(&plan(BOOK), &options(folder.path(), vec![input])).unwrap();
    assert_eq!((summary.events, summary.refused), (1, 1));
    assert_eq!(summary.refusals[0].1.line, 2);
}

#[test]
fn input_that_ends_badly_is_an_error_and_leaves_no_output() {
    let folder = tempfile::tempdir().unwrap();
    let good: String = (0..40_000).map(|at| line(T0 + at) + "\n").collect();
    let (first, second) = (
        folder.path().join("a.ndjson"),
        folder.path().join("b.ndjson.gz"),
    );
    std::fs::write(&first, &good).unwrap();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), Default::default());
    gz.write_all(good.as_bytes()).unwrap();
    let whole = gz.finish().unwrap();
    std::fs::write(&second, &whole[..whole.len() / 2]).unwrap();
    let options = options(folder.path(), vec![first, second.clone()]);
    let error = replay(&plan(BOOK), &options).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot read {}", second.display())
    );
    assert_eq!(outputs(folder.path()), [""; 0]);
}

#[test]
fn a_complete_replay_replaces_the_files_of_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.ndjson");
    std::fs::write(&input, line(T0)).unwrap();
    std::fs::create_dir(folder.path().join("out")).unwrap();
    std::fs::write(folder.path().join("out/windows.csv"), "of before").unwrap();
    replay(&plan(BOOK), &options(folder.path(), vec![input])).unwrap();
    assert_eq!(
        outputs(folder.path()),
        ["alerts.csv", "kqis.csv", "windows.csv"]
    );
    let read = |name: &str| std::fs::read_to_string(folder.path().join("out").join(name)).unwrap();
    let windows = read("windows.csv");
    assert!(windows.starts_with("kqi,group,"), "{windows}");
    assert_eq!(
        read("kqis.csv"),
        "kqi,service,unit,limit_min,limit_max,limit_source,rules\n\
         news_latency,news,ms,,2000,\"standard: a norm, 2009\",test 1\n"
    );
}

#[test]
fn an_output_that_cannot_be_written_ends_the_replay_though_the_input_goes_on() {
    // A pipe that nobody closes: the reader would wait for ever.
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let first = folder.path().join("a.ndjson");
    // More than one epoch, and far more rows than fit the writer's buffer.
    let minute = |at: i64| {
        let lines = (0..200).map(move |city| line_of(&format!("city-{city}"), T0 + at * 60_000));
        lines.collect::<Vec<_>>().join("\n") + "\n"
    };
    std::fs::write(&first, (0..2_400).map(minute).collect::<String>()).unwrap();
    let mut options = options(folder.path(), vec![first, pipe.clone()]);
    // Writing to it says that the disk is full.
    std::fs::create_dir(folder.path().join("out")).unwrap();
    std::os::unix::fs::symlink("/dev/full", folder.path().join("out/windows.csv.partial")).unwrap();
    options.workers = 1;
    let held = std::thread::spawn(move || std::fs::File::create(pipe));
    let error = replay(&plan(BOOK), &options).unwrap_err();
    let path = folder.path().join("out/windows.csv");
    assert_eq!(
        error.to_string(),
        format!("cannot write {}", path.display())
    );
    drop(held);
}

#[test]
fn an_output_folder_that_is_a_file_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (out, input) = (folder.path().join("out"), folder.path().join("in.ndjson"));
    std::fs::write(&out, "").unwrap();
    std::fs::write(&input, "").unwrap();
    let options = options(folder.path(), vec![input]);
    let error = replay(&plan(BOOK), &options).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot write {}", out.display()));
}

#[test]
fn a_replay_that_took_no_line_leaves_nothing_that_looks_like_a_result() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.ndjson");
    std::fs::write(&input, "{\"type\":\"nothing\"}\n{}\n").unwrap();
    let options = options(folder.path(), vec![input.clone()]);
    let summary = replay(&plan(BOOK), &options).unwrap();
    assert_eq!((summary.events, summary.refused), (0, 2));
    assert_eq!(outputs(folder.path()), [""; 0]);
    // Without any line there is nothing to say, and that is the result.
    std::fs::write(&input, "").unwrap();
    replay(&plan(BOOK), &options).unwrap();
    assert_eq!(
        outputs(folder.path()),
        ["alerts.csv", "kqis.csv", "windows.csv"]
    );
}
