//! The tables of the history, as values: what is written, read and documented comes from here.

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// Text.
    Text,
    /// A whole number; times are epoch milliseconds.
    Integer,
    /// A number.
    Real,
    /// A JSON document as text.
    Document,
}

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: ColumnKind,
}

/// A table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name, also in the API.
    pub name: &'static str,
    /// What a row is.
    pub about: &'static str,
    /// Its columns, in order.
    pub columns: &'static [Column],
    /// Columns that tell rows apart.
    pub key: &'static [&'static str],
    /// Whether a row with a known key takes the place of the one there; otherwise that stays.
    pub replaces: bool,
}

/// A value in a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// Text or a document.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number.
    Real(f64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Integer(number)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Value {
        Value::Real(number)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}

/// A row of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryRow {
    /// Its table.
    pub table: &'static Table,
    /// One value a column, in their order, but for `epoch`, which the history sets itself.
    pub values: Vec<Value>,
}

impl Table {
    /// The table of that name.
    pub fn named(name: &str) -> Option<&'static Table> {
        TABLES.into_iter().find(|table| table.name == name)
    }

    /// A row; values by column, in any order. Columns that are not named hold nothing.
    pub fn row<const N: usize>(&'static self, values: [(&str, Value); N]) -> HistoryRow {
        let mut row = vec![Value::Null; self.columns.len()];
        for (name, value) in values {
            let at = self.columns.iter().position(|column| column.name == name);
            debug_assert!(at.is_some(), "{} has no column {name}", self.name);
            if let Some(at) = at {
                row[at] = value;
            }
        }
        HistoryRow {
            table: self,
            values: row,
        }
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&'static Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

const fn text(name: &'static str) -> Column {
    let kind = ColumnKind::Text;
    Column { name, kind }
}

const fn integer(name: &'static str) -> Column {
    let kind = ColumnKind::Integer;
    Column { name, kind }
}

const fn real(name: &'static str) -> Column {
    let kind = ColumnKind::Real;
    Column { name, kind }
}

const fn document(name: &'static str) -> Column {
    let kind = ColumnKind::Document;
    Column { name, kind }
}

/// Every change of an alert's state.
pub static ALERT_TRANSITIONS: Table = Table {
    name: "alert_transitions",
    about: "Every change of an alert's state, corrections included; at_ms is event time.",
    columns: &[
        integer("epoch"),
        integer("ordinal"),
        integer("at_ms"),
        integer("decided_at_ms"),
        text("alert"),
        text("object"),
        text("state"),
        text("severity"),
        text("reason"),
        real("value"),
    ],
    key: &["epoch", "ordinal"],
    replaces: false,
};

/// What was decided to be told, to whom.
pub static NOTICES: Table = Table {
    name: "notices",
    about: "What was decided to be told, to whom and why; a report's identifier is in `alert`, and it has no severity. Whether it left is in the delivery ledger.",
    columns: &[
        text("id"),
        integer("epoch"),
        integer("at_ms"),
        text("thread"),
        integer("revision"),
        text("reason"),
        text("recipient"),
        text("alert"),
        text("severity"),
    ],
    key: &["id"],
    replaces: false,
};

/// Optimization triggers as they are now.
pub static TRIGGERS: Table = Table {
    name: "triggers",
    about: "Optimization triggers as they are now, also those that the engine has forgotten; at_ms is when one opened.",
    columns: &[
        text("id"),
        integer("epoch"),
        integer("at_ms"),
        text("state"),
        text("severity"),
        text("service"),
        text("kqi"),
        text("object"),
        text("department"),
        text("effect"),
        document("document"),
    ],
    key: &["id"],
    replaces: true,
};

/// Every move of every trigger.
pub static TRIGGER_MOVES: Table = Table {
    name: "trigger_moves",
    about: "Every move and remark of every trigger: who, when and why.",
    columns: &[
        text("trigger_id"),
        integer("ordinal"),
        integer("epoch"),
        integer("at_ms"),
        text("from_state"),
        text("to_state"),
        text("actor"),
        text("reason"),
    ],
    key: &["trigger_id", "ordinal"],
    replaces: false,
};

/// What the front line was told.
pub static FEEDBACK: Table = Table {
    name: "feedback",
    about: "What the front line was told to say, by service and city.",
    columns: &[
        text("trigger_id"),
        integer("ordinal"),
        integer("epoch"),
        integer("at_ms"),
        text("service"),
        text("city"),
        text("text_zh"),
        text("text_en"),
    ],
    key: &["trigger_id", "ordinal"],
    replaces: false,
};

/// Measured effects, each time that they were measured.
pub static EFFECTS: Table = Table {
    name: "effects",
    about: "Measured effects of mends, each time that one was measured.",
    columns: &[
        text("trigger_id"),
        integer("at_ms"),
        integer("epoch"),
        text("verdict"),
        document("document"),
    ],
    key: &["trigger_id", "at_ms"],
    replaces: false,
};

/// Commands of operators.
pub static AUDIT: Table = Table {
    name: "audit",
    about: "Commands of operators and what came of them; position is that in the journal.",
    columns: &[
        integer("position"),
        integer("epoch"),
        integer("at_ms"),
        text("actor"),
        document("command"),
        document("outcome"),
    ],
    key: &["position"],
    replaces: false,
};

/// Every table.
pub static TABLES: [&Table; 7] = [
    &ALERT_TRANSITIONS,
    &NOTICES,
    &TRIGGERS,
    &TRIGGER_MOVES,
    &FEEDBACK,
    &EFFECTS,
    &AUDIT,
];
