//! Turns a scenario into events in the order of their delivery.
//!
//! * The same scenario, seed, start and size give the same bytes.
//! * Lines come in order of `due_ms`, the moment of delivery on the event-time
//!   axis; `due_ms - ts_ms` is at most the scenario's disorder, except for late
//!   lines.
//! * Memory holds what is under way (delayed lines, messages without a final
//!   receipt), never the whole output.

mod boss_call;
mod boss_connection;
mod complaint;
mod dial_test;
mod disturb;
mod mms;
mod size;
mod strike;
mod timetable;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::pending::Pending;
use crate::scenario::Scenario;
use crate::truth::{GroundTruth, IncidentTruth};
use disturb::Disturbance;

pub use size::nominal_events;

/// How to generate; the default is seed 0, the scenario's own start and size.
#[derive(Debug, Clone, Copy, Default)]
pub struct GenerateOptions {
    /// Seed of every random choice.
    pub seed: u64,
    /// Start in event time, milliseconds since the epoch, instead of the scenario's.
    pub start_ms: Option<i64>,
    /// How much traffic.
    pub size: Size,
}

/// How much traffic to make of a scenario, over the same stretch of event time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Size {
    /// The rates as the scenario states them.
    #[default]
    Natural,
    /// Rates scaled to this number of lines: exactly, where a scenario has dial
    /// tests alone and no duplicates or broken lines; nearly, elsewhere. Only
    /// machines are scaled: complaints, gauges and annotations stay as they are.
    Events(u64),
    /// Rates of machines multiplied by this factor.
    Scale(f64),
}

/// When a line happened and when it is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// Event time, milliseconds since the epoch.
    pub ts_ms: i64,
    /// Moment of delivery on the same axis; never before `ts_ms`.
    pub due_ms: i64,
    /// Whether a correct receiver refuses the line.
    pub broken: bool,
}

/// One line with its times, for callers that want an iterator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratedEvent {
    /// When it happened and when it is delivered.
    pub delivery: Delivery,
    /// The JSON line without a newline.
    pub line: String,
}

/// Generates the events of one scenario.
///
/// ```
/// use loadgen::{GenerateOptions, Generator, Scenario};
/// let scenario = Scenario::bundled("experience-card").unwrap()?;
/// let mut generator = Generator::new(&scenario, GenerateOptions { seed: 7, ..Default::default() });
/// let first = generator.next().unwrap();
/// assert!(first.line.starts_with("{\"type\":"));
/// # Ok::<(), loadgen::ScenarioError>(())
/// ```
pub struct Generator {
    streams: Vec<Stream>,
    held: Pending<HeldLine>,
    disturbance: Disturbance,
    truth: GroundTruth,
}

/// A line on its way: delayed, repeated or broken.
struct HeldLine {
    ts_ms: i64,
    broken: bool,
    line: Vec<u8>,
}

/// What every stream is built from.
#[derive(Clone, Copy)]
struct Frame<'a> {
    scenario: &'a Scenario,
    start_ms: i64,
    end_ms: i64,
    /// Factor on all rates.
    scale: f64,
}

enum Stream {
    DialTests(dial_test::DialTests),
    Mms(mms::Mms),
    BossCalls(boss_call::BossCalls),
    BossConnections(boss_connection::Connections),
    Complaints(complaint::Tickets),
    Timetable(timetable::Timetable),
}

impl Generator {
    /// Prepares to generate `scenario`.
    pub fn new(scenario: &Scenario, options: GenerateOptions) -> Self {
        let start_ms = options.start_ms.unwrap_or(scenario.start.0);
        let end_ms = start_ms + scenario.duration.0;
        let sizes = size::plan(scenario, options.size);
        let frame = Frame {
            scenario,
            start_ms,
            end_ms,
            scale: sizes.scale,
        };

        // Each stream draws from its own sequence: changing one part of a
        // scenario leaves the events of the others as they were.
        let mut sequence = 0;
        let mut rng = || {
            let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
            rng.set_stream(sequence);
            sequence += 1;
            rng
        };
        let disturbance = Disturbance::new(scenario, rng());
        let mut streams = Vec::new();
        for (fleet, tests) in scenario.dial_tests.iter().zip(sizes.dial_tests) {
            streams.push(Stream::DialTests(dial_test::DialTests::new(
                frame,
                fleet,
                tests,
                rng(),
            )));
        }
        for traffic in &scenario.mms {
            streams.push(Stream::Mms(mms::Mms::new(frame, traffic, rng())));
        }
        for callers in &scenario.boss_calls {
            streams.push(Stream::BossCalls(boss_call::BossCalls::new(
                frame,
                callers,
                rng(),
            )));
        }
        for connections in &scenario.boss_connections {
            streams.push(Stream::BossConnections(boss_connection::Connections::new(
                frame,
                connections,
                rng(),
            )));
        }
        for tickets in &scenario.complaints {
            streams.push(Stream::Complaints(complaint::Tickets::new(
                frame,
                tickets,
                rng(),
            )));
        }
        streams.push(Stream::Timetable(timetable::Timetable::new(frame, rng())));

        Self {
            streams,
            held: Pending::default(),
            disturbance,
            truth: GroundTruth::planned(scenario, options.seed, start_ms),
        }
    }

    /// The ground truth: the incidents from the start on, their counts and the
    /// counts of lines as far as generated.
    pub fn truth(&self) -> &GroundTruth {
        &self.truth
    }

    /// Appends the next line (without newline) to `buffer`; `None` when the
    /// scenario is over. The fast way: it allocates only for lines held up.
    pub fn next_into(&mut self, buffer: &mut Vec<u8>) -> Option<Delivery> {
        loop {
            let mut first: Option<(i64, usize)> = None;
            for (index, stream) in self.streams.iter().enumerate() {
                if let Some(at_ms) = stream.next_ms()
                    && at_ms < self.truth.end_ms
                    && first.is_none_or(|(earliest, _)| at_ms < earliest)
                {
                    first = Some((at_ms, index));
                }
            }
            let held_first = match (self.held.next_ms(), first) {
                (Some(held_ms), Some((at_ms, _))) => held_ms <= at_ms,
                (held, _) => held.is_some(),
            };
            if held_first {
                let (due_ms, held) = self.held.pop()?;
                buffer.extend_from_slice(&held.line);
                return Some(self.delivered(Delivery {
                    ts_ms: held.ts_ms,
                    due_ms,
                    broken: held.broken,
                }));
            }
            let (due_ms, index) = first?;
            let mark = buffer.len();
            let ts_ms = self.streams[index].write(buffer, &mut self.truth.incidents);
            let line = &buffer[mark..];
            let hold_ms =
                self.disturbance
                    .treat(ts_ms, due_ms, line, &mut self.held, &mut self.truth.lines);
            match hold_ms {
                None => {
                    return Some(self.delivered(Delivery {
                        ts_ms,
                        due_ms,
                        broken: false,
                    }));
                }
                Some(hold_ms) => {
                    let line = buffer.split_off(mark);
                    self.held.push(
                        due_ms + hold_ms,
                        HeldLine {
                            ts_ms,
                            broken: false,
                            line,
                        },
                    );
                }
            }
        }
    }

    fn delivered(&mut self, delivery: Delivery) -> Delivery {
        self.truth.lines.total += 1;
        self.truth.lines.broken += u64::from(delivery.broken);
        delivery
    }
}

impl Iterator for Generator {
    type Item = GeneratedEvent;

    fn next(&mut self) -> Option<GeneratedEvent> {
        let mut buffer = Vec::with_capacity(256);
        let delivery = self.next_into(&mut buffer)?;
        Some(GeneratedEvent {
            delivery,
            line: String::from_utf8_lossy(&buffer).into_owned(),
        })
    }
}

impl Stream {
    /// When its next event is delivered; `None` when there are no more.
    fn next_ms(&self) -> Option<i64> {
        match self {
            Self::DialTests(stream) => stream.next_ms(),
            Self::Mms(stream) => stream.next_ms(),
            Self::BossCalls(stream) => stream.next_ms(),
            Self::BossConnections(stream) => stream.next_ms(),
            Self::Complaints(stream) => stream.next_ms(),
            Self::Timetable(stream) => stream.next_ms(),
        }
    }

    /// Writes the next event and returns its event time.
    fn write(&mut self, buffer: &mut Vec<u8>, truth: &mut [IncidentTruth]) -> i64 {
        match self {
            Self::DialTests(stream) => stream.write(buffer, truth),
            Self::Mms(stream) => stream.write(buffer, truth),
            Self::BossCalls(stream) => stream.write(buffer, truth),
            Self::BossConnections(stream) => stream.write(buffer, truth),
            Self::Complaints(stream) => stream.write(buffer, truth),
            Self::Timetable(stream) => stream.write(buffer),
        }
    }
}
