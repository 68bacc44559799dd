//! A checked golden case: every time absolute, every KQI and alert known.

/// Events and what must come of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// File it stands in.
    pub file: String,
    /// Line it begins at.
    pub line: u64,
    /// What it shows.
    pub name: String,
    /// Time that its times count from, ms.
    pub start_ms: i64,
    /// Events in order of arrival.
    pub events: Vec<TimedEvent>,
    /// What must come of them.
    pub expect: Expectation,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimedEvent {
    /// When it arrives, ms.
    pub arrives_ms: i64,
    /// Its line on the wire.
    pub line: String,
    /// Line in the file of cases.
    pub case_line: u64,
}

/// What must come of the events, after every correction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expectation {
    /// Windows that must be there.
    pub windows: Vec<ExpectedWindow>,
    /// What must not be there.
    pub absences: Vec<Absence>,
    /// Transitions of alerts that must be there.
    pub transitions: Vec<ExpectedTransition>,
    /// Alerts may fire that are not listed.
    pub others_allowed: bool,
    /// Lines that the decoder must refuse.
    pub refused: usize,
}

/// A number that is expected; `None` expects that there is none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExpectedNumber {
    /// The number.
    pub number: Option<f64>,
    /// How far off it may be, in its own unit.
    pub tolerance: f64,
}

/// One window of one KQI; what is `None` is not compared.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedWindow {
    /// Line in the file.
    pub line: u64,
    /// Index of the KQI in the book.
    pub kqi: usize,
    /// Label of the group.
    pub group: String,
    /// End, ms.
    pub end_ms: i64,
    /// Value.
    pub value: Option<ExpectedNumber>,
    /// Score.
    pub score: Option<ExpectedNumber>,
    /// Name of the verdict.
    pub verdict: Option<String>,
    /// Facts in the window.
    pub count: Option<i64>,
    /// Facts behind the value.
    pub samples: Option<i64>,
}

/// A KQI that must be empty; what is `None` stands for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absence {
    /// Line in the file.
    pub line: u64,
    /// Index of the KQI in the book.
    pub kqi: usize,
    /// Label of the group.
    pub group: Option<String>,
    /// End of the window, ms.
    pub end_ms: Option<i64>,
}

/// A transition of an alert; what is `None` is not compared.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedTransition {
    /// Line in the file.
    pub line: u64,
    /// Alert.
    pub alert: String,
    /// Label of the group.
    pub group: String,
    /// Name of the state.
    pub state: String,
    /// End of the window that decides, ms.
    pub at_ms: Option<i64>,
    /// Name of the severity.
    pub severity: Option<String>,
    /// Name of the reason.
    pub reason: Option<String>,
    /// Value of that window.
    pub value: Option<ExpectedNumber>,
}

impl ExpectedNumber {
    /// Whether a number will do.
    pub fn holds(&self, came: Option<f64>) -> bool {
        match (self.number, came) {
            (None, None) => true,
            (Some(want), Some(came)) => (came - want).abs() <= self.tolerance,
            _ => false,
        }
    }
}
