//! Thirty days of four streams in virtual time, with an incident every day and the ledger in the loop: what is
//! held, what a checkpoint and the ledger weigh, and what an epoch costs must not grow after the first day.
//! `SOAK_DAYS` makes it shorter or longer; the numbers of each day are printed. `SOAK_BOUNDS=shipped` runs it under the bounds and
//! retentions that are shipped, which are full only after tickets' two months: a hundred days then.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrysalis::dataflow::{Counts, Limits};
use chrysalis::engine::EngineLimits;
use chrysalis::journal::{Epoch, LineFormat, Position, Record, Seal};
use chrysalis::notify::{MailConfig, Mailer, Notifier, Told};
use chrysalis::store::Ledger;
use serde_json::{Value, json};

use crate::chance::Chance;
use crate::machine::{Gathered, Mind};
use crate::memory::live_bytes;
use crate::story::{self, BEGIN_MS};

const MINUTE_MS: i64 = 60_000;
const MINUTES_A_DAY: i64 = 24 * 60;
/// What is remembered, and for how long.
struct Bounds {
    /// Days of the run.
    days: i64,
    /// Days after which everything that is remembered for a while is full.
    full_after_days: usize,
    engine: EngineLimits,
    dataflow: Limits,
    mails_keep_days: u32,
    /// Of the streams, and of complaints, as the rule book says it.
    retention: &'static str,
    complaints_retention: &'static str,
}

/// Those under which a day shows everything, or those that are shipped (`rules/book.yaml`, and the defaults of the configuration).
fn bounds() -> Bounds {
    let shipped = match std::env::var("SOAK_BOUNDS").as_deref() {
        Ok("shipped") => true,
        Ok(other) => panic!("SOAK_BOUNDS={other}: there is only `shipped`"),
        Err(_) => false,
    };
    let mut bounds = if shipped {
        Bounds {
            days: 100,
            // Tickets are kept for 62 days, and weeks before for 42.
            full_after_days: 65,
            engine: EngineLimits::default(),
            dataflow: Limits::default(),
            mails_keep_days: MailConfig::default().keep_days,
            retention: "26h",
            complaints_retention: "62d",
        }
    } else {
        // Streams are kept for hours, mails for a day, and a day brings more ended alerts and triggers than are kept.
        Bounds {
            days: 30,
            full_after_days: 1,
            engine: LIMITS,
            dataflow: Limits {
                heard_hours: 20,
                ..Limits::default()
            },
            mails_keep_days: 1,
            retention: "2h",
            complaints_retention: "2h",
        }
    };
    if let Ok(days) = std::env::var("SOAK_DAYS") {
        bounds.days = days.parse().unwrap();
    }
    bounds
}

/// Bounds that a day's incident reaches, so that the days after show that they hold.
const LIMITS: EngineLimits = EngineLimits {
    open_triggers_max: 1_000,
    final_triggers_max: 3,
    ended_alerts_max: 5,
    complaint_counts_max: 20,
    waiting_tickets_max: 20,
    linked_tickets_max: 50,
    past_series_max: 1_000,
    mends_max: 10,
    past_days: 1,
    annotations_max: 100,
    hold_pairs_max: 1,
    reports_max: 2,
    alert_subjects_max: 2,
    process_samples_max: 20,
    pair_holds_max: 2,
    withdrawn_episodes_max: 4,
    crossing_named_max: 2,
    report_rows_max: 5,
    trigger_tickets_max: 10,
    trigger_windows_max: 10,
    trigger_sources_max: 2,
    trigger_told_max: 10,
    trigger_moves_max: 30,
    trigger_explanations_max: 4,
    effect_kqis_max: 3,
    blind_sources_max: 2,
};

/// One minute of all streams: an incident of two hours every day.
fn minute(chance: &mut Chance, minute: i64) -> Record {
    let ts = BEGIN_MS + minute * MINUTE_MS;
    let in_incident = (600..720).contains(&(minute % MINUTES_A_DAY));
    let mut lines = String::new();
    let mut say = |value: Value| lines.push_str(&format!("{value}\n"));
    for probe in 0..12 {
        let at = ts + probe * 5_000 - chance.below(15_000) as i64;
        let ok = chance.percent(if in_incident { 50 } else { 98 });
        let city = ["cs", "zz", "xt"][probe as usize % 3];
        say(
            json!({"type": "dial_test", "ts": at, "service": "news", "city": city, "ok": ok, "latency_ms": chance.below(600)}),
        );
    }
    for call in 0..6 {
        let latency_ms = chance.below(if in_incident { 9_000 } else { 900 });
        let host = ["10.0.0.1", "10.0.0.2"][call % 2];
        say(
            json!({"type": "boss_call", "ts": ts + call as i64 * 9_000, "host": host, "interface": "ITF_A", "client": "news", "latency_ms": latency_ms, "tperrno": 0}),
        );
    }
    for message in 0..4 {
        let id = format!("m{minute}-{message}");
        say(
            json!({"type": "mms_submit", "ts": ts, "message_id": id, "service": "news", "city": "cs"}),
        );
        if chance.percent(90) {
            let at = ts + chance.below(40_000) as i64;
            say(json!({"type": "mms_receipt", "ts": at, "message_id": id, "status": "Retrieved"}));
        }
    }
    if chance.percent(if in_incident { 90 } else { 5 }) {
        say(
            json!({"type": "complaint", "ts": ts, "serial": format!("t{minute}"), "version": 0, "state": "filed", "path": "数据业务/手机报", "service": "news", "city": "cs"}),
        );
    }
    Record::Batch {
        producer: None,
        sender: None,
        received_ms: ts,
        format: LineFormat::Ndjson,
        events: lines.lines().count() as u64,
        lines: lines.into(),
        decoded: None,
    }
}

/// The simulation's book, and a KQI of how fast BOSS replies.
fn book(bounds: &Bounds) -> Record {
    let files = story::files(80)
        .into_iter()
        .map(|(name, text)| {
            let text = text.replace(
                "kqis:\n",
                "kqis:\n  - {id: replies, name: Replies, layer: platform, stream: boss_call, aggregate: p95, group_by: [host], window: 5m, unit: ms, department: NET, interval: {max: 5000}}\n",
            );
            let complaints = format!("idle_timeout: 1h, retention: {}", bounds.complaints_retention);
            let text = text.replace("idle_timeout: 1h, retention: 2h", &complaints);
            let text = text.replace(
                "idle_timeout: 5m, retention: 2h",
                &format!("idle_timeout: 5m, retention: {}", bounds.retention),
            );
            (name, text)
        })
        .collect();
    let at_ms = BEGIN_MS;
    Record::RuleBook { at_ms, files }
}

/// What there is at the end of a day.
#[derive(Clone, Debug)]
struct Day {
    /// Keys in all, as a checkpoint counts them.
    keys: u64,
    /// By operator, the most of the day's hours: entities, tuples, tuple panes, groups, group panes.
    held: [u64; 5],
    checkpoint_bytes: u64,
    ledger_rows: u64,
    ledger_bytes: u64,
    /// Allocated, and resident.
    live_bytes: u64,
    resident_bytes: u64,
    /// Window updates of the day: what the operators told the engine.
    updates: u64,
    /// Processor time of the day's epochs, all threads, ms.
    cpu_ms: u64,
    notices: u64,
}

fn held(counts: &Counts) -> [u64; 5] {
    [
        counts.entities,
        counts.tuples,
        counts.tuple_panes,
        counts.groups,
        counts.group_panes,
    ]
}

/// Resident memory, bytes.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.unwrap().parse::<u64>().unwrap() * 1024
}

/// Processor time of this process so far, ms, of the kernel's hundredths.
fn cpu_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u64 = fields[11..13]
        .iter()
        .map(|ticks| ticks.parse::<u64>().unwrap())
        .sum();
    ticks * 10
}

fn bytes_of(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).unwrap().flatten();
    let ledger = files.filter(|file| file.file_name().to_string_lossy().starts_with(Ledger::FILE));
    ledger.map(|file| file.metadata().unwrap().len()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_held_does_not_grow_after_the_first_day() {
    let _alone = crate::ALONE.lock().await;
    let bounds = bounds();
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(folder.path()).await.unwrap();
    let mails = MailConfig {
        keep_days: bounds.mails_keep_days,
        per_recipient_minute_max: 1_000_000,
        ..MailConfig::default()
    };
    let clock = Arc::new(AtomicI64::new(BEGIN_MS));
    let reading = Arc::clone(&clock);
    let notifier = Notifier::start(
        ledger.clone(),
        Mailer::open(&mails, folder.path()).unwrap(),
        mails,
        Arc::new(move || reading.load(Ordering::SeqCst)),
    )
    .await
    .unwrap();
    let mut chance = Chance::new(7);
    let mut mind = Mind::limited(2, bounds.dataflow);
    mind.actor.engine_mut().set_limits(bounds.engine);
    let mut all: Vec<Day> = Vec::new();
    for day in 0..bounds.days {
        let (mut notices, updates, cpu) = (0, mind.actor.updates_total(), cpu_ms());
        let (mut size, mut most) = (None, [0; 5]);
        for of_day in 0..MINUTES_A_DAY {
            let at = day * MINUTES_A_DAY + of_day;
            let mut records = vec![minute(&mut chance, at)];
            if at == 0 {
                records.insert(0, book(&bounds));
            }
            let position = |record| (Position(at as u64), Arc::new(record), None);
            let epoch = Epoch {
                epoch: at as u64,
                now_ms: BEGIN_MS + (at + 1) * MINUTE_MS,
                records: records.into_iter().map(position).collect(),
                next: Position(at as u64 + 1),
                last: false,
                seal: Seal::default(),
                digest: None,
                is_followed: false,
            };
            clock.store(epoch.now_ms, Ordering::SeqCst);
            let number = epoch.epoch;
            let mut gathered = Gathered::default();
            assert!(mind.think(epoch, of_day + 1 == MINUTES_A_DAY, &mut gathered));
            let told = Told {
                notices: std::mem::take(&mut gathered.notices),
                ..Told::default()
            };
            size = gathered.state_size().or(size);
            notices += told.notices.len() as u64;
            if (of_day + 1) % 60 == 0 {
                let now = held(&mind.actor.counts());
                most = std::array::from_fn(|at| now[at].max(most[at]));
            }
            if !told.notices.is_empty() {
                notifier.tell(number, &told).await.unwrap();
            }
        }
        let cpu_ms = cpu_ms() - cpu;
        // Everybody is told before the day is over, and what is old is forgotten.
        let rows = loop {
            notifier.wake();
            tokio::time::sleep(Duration::from_millis(20)).await;
            let counts = ledger.counts().await.unwrap();
            assert_eq!(counts.dead, 0, "{counts:?}");
            if counts.queued + counts.sending == 0 {
                break counts.sent;
            }
        };
        let (keys, checkpoint_bytes) = size.unwrap();
        let of_day = Day {
            keys,
            held: most,
            checkpoint_bytes: checkpoint_bytes as u64,
            ledger_rows: rows,
            ledger_bytes: bytes_of(folder.path()),
            live_bytes: live_bytes(),
            resident_bytes: resident_bytes(),
            updates: mind.actor.updates_total() - updates,
            cpu_ms,
            notices,
        };
        println!(
            "day {:2}: {} keys {:?}, checkpoint {} KiB, ledger {} rows {} KiB, memory {} KiB (resident {}), {} window updates, \
             {:.2} ms of processor an epoch, {} notices",
            day + 1,
            of_day.keys,
            of_day.held,
            of_day.checkpoint_bytes / 1024,
            of_day.ledger_rows,
            of_day.ledger_bytes / 1024,
            of_day.live_bytes / 1024,
            of_day.resident_bytes / 1024,
            of_day.updates,
            of_day.cpu_ms as f64 / MINUTES_A_DAY as f64,
            of_day.notices
        );
        all.push(of_day);
    }
    assert!(
        all.iter().all(|day| day.notices > 0),
        "a day without an incident that was told"
    );
    assert!(mind.engine().snapshot().triggers.len() < 1_000);
    flat(&all, &bounds, |line| println!("{line}"));
}

/// The greatest of the last days is no more than that of the first full ones, and a tolerance.
fn flat(all: &[Day], bounds: &Bounds, say: impl Fn(String)) {
    let full_after = bounds.full_after_days;
    if all.len() <= full_after + 3 {
        say(format!(
            "{} days are too few to tell what is flat",
            all.len()
        ));
        return;
    }
    let check = |what: &str, of: &dyn Fn(&Day) -> u64, percent: u64, more: u64| {
        let most = |days: &[Day]| days.iter().map(of).max().unwrap_or(0);
        let (first, rest) = all.split_at(full_after);
        let (before, after) = (most(first), most(&rest[rest.len() / 2..]));
        say(format!(
            "{what}: at most {before} in the first {full_after} days, {after} in the last {}",
            rest.len() - rest.len() / 2
        ));
        assert!(
            after <= before + before * percent / 100 + more,
            "{what} grew from {before} to {after}"
        );
    };
    // What an incident leaves behind varies by chance from day to day.
    check("keys", &|day| day.keys, 10, 0);
    // Panes of tuples are rows of an arrangement, which the workers consolidate when they get to it.
    for (at, (what, percent)) in [
        ("entities", 10),
        ("tuples", 10),
        ("tuple panes", 30),
        ("groups", 10),
        ("group panes", 10),
    ]
    .into_iter()
    .enumerate()
    {
        check(what, &|day| day.held[at], percent, 0);
    }
    check("checkpoint bytes", &|day| day.checkpoint_bytes, 10, 0);
    // The days' mails that are kept, and those of the day under way.
    let mail_days = bounds.mails_keep_days as usize + 1;
    for (day, last) in all.windows(mail_days).zip(mail_days..) {
        let mailed: u64 = day.iter().map(|day| day.notices).sum();
        let rows = day[day.len() - 1].ledger_rows;
        assert!(
            rows <= mailed,
            "the ledger has {rows} rows on day {last}, of {mailed} mails"
        );
    }
    // Its file is as large as the most rows that it ever had, for days with more mails than others.
    let a_row = |days: &[Day]| {
        let rows = days.iter().map(|day| day.ledger_rows).max().unwrap_or(1);
        let bytes = days.iter().map(|day| day.ledger_bytes).max().unwrap_or(0);
        bytes / rows.max(1)
    };
    let (before, after) = (a_row(&all[..full_after]), a_row(all));
    say(format!(
        "bytes of the ledger a row, of the most that it had: {before} after {full_after} days, {after} after all"
    ));
    assert!(
        after <= before + before / 4,
        "the ledger grew from {before} to {after} bytes a row"
    );
    check("bytes of memory", &|day| day.live_bytes, 10, 0);
    check("resident bytes", &|day| day.resident_bytes, 50, 32 << 20);
    check("window updates", &|day| day.updates, 10, 0);
    // Processor time and not time on the clock; what grew with the days would be many times as much by now.
    check("processor time, ms", &|day| day.cpu_ms, 150, 0);
}
