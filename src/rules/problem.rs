//! What is wrong with a rule book, and where: problems are values, listed all together.
//!
//! Not here: finding them (`shape`, `check`) or printing them (the `check` command does).

use std::collections::BTreeSet;
use std::fmt;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProblemSeverity {
    /// The book cannot be used.
    Error,
    /// The book works, but something in it will surprise or cannot be defended.
    Warning,
}

/// One thing that is wrong with a rule book.
///
/// ```
/// use chrysalis::rules::parse;
/// let text = "book: {name: hunan, version: '1', time_zone: Asia/Shanghai, pnae: 1m}".to_owned();
/// let (book, problems) = parse(&[("book.yaml".to_owned(), text)]);
/// assert!(book.is_none());
/// assert_eq!(
///     problems[0].to_string(),
///     "book.yaml:1:61: unknown field \"pnae\", did you mean \"pane\"?"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Path of the file, as it was given to `load` or `parse`.
    pub file: String,
    /// Line, from 1; 0 where the problem is the file itself.
    pub line: u64,
    /// Column in characters, from 1; 0 where the problem is the file itself.
    pub column: u64,
    /// How bad it is.
    pub severity: ProblemSeverity,
    /// What is wrong: lower-case, quoting the offending value.
    pub message: String,
    /// What would cure it, as the end of a sentence.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        f.write_str(": ")?;
        if self.severity == ProblemSeverity::Warning {
            f.write_str("warning: ")?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, ", {hint}"),
            None => Ok(()),
        }
    }
}

/// A place in the texts of a book: which file, which line, which column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    /// Index of the file in the list given to `parse`.
    pub(crate) file: usize,
    pub(crate) line: u64,
    pub(crate) column: u64,
}

/// The problems found so far.
#[derive(Debug)]
pub(crate) struct Problems {
    files: Vec<String>,
    found: Vec<(Position, Problem)>,
    doubts: BTreeSet<Kind>,
}

/// Kinds of things that others refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Book,
    Stream,
    AnchorSet,
    Department,
    Role,
    Contact,
    Cause,
    Policy,
    Place,
    Service,
    Kqi,
}

impl Kind {
    pub(crate) const ALL: [Kind; 11] = [
        Kind::Book,
        Kind::Stream,
        Kind::AnchorSet,
        Kind::Department,
        Kind::Role,
        Kind::Contact,
        Kind::Cause,
        Kind::Policy,
        Kind::Place,
        Kind::Service,
        Kind::Kqi,
    ];

    /// What messages call one.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Kind::Book => "book",
            Kind::Stream => "stream",
            Kind::AnchorSet => "anchor set",
            Kind::Department => "department",
            Kind::Role => "role",
            Kind::Contact => "contact",
            Kind::Cause => "cause",
            Kind::Policy => "alert policy",
            Kind::Place => "place",
            Kind::Service => "service",
            Kind::Kqi => "kqi",
        }
    }
}

impl Problems {
    pub(crate) fn new(files: Vec<String>) -> Problems {
        Problems {
            files,
            found: Vec::new(),
            doubts: BTreeSet::new(),
        }
    }

    /// Some things of a kind could not be read: whoever refers to them is not to blame.
    pub(crate) fn doubt(&mut self, kind: Kind) {
        self.doubts.insert(kind);
    }

    /// Something could not be read, and it may have been of any kind.
    pub(crate) fn doubt_all(&mut self) {
        self.doubts.extend(Kind::ALL);
    }

    /// Whether there may be more things of a kind than were read.
    pub(crate) fn doubts(&self, kind: Kind) -> bool {
        self.doubts.contains(&kind)
    }

    /// Records something that makes the book unusable.
    pub(crate) fn error(&mut self, at: Position, message: impl Into<String>) {
        self.push(at, ProblemSeverity::Error, message.into(), None);
    }

    /// Records an error together with its cure.
    pub(crate) fn error_with(
        &mut self,
        at: Position,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        self.push(at, ProblemSeverity::Error, message.into(), hint);
    }

    /// Records something that deserves a look.
    pub(crate) fn warn(&mut self, at: Position, message: impl Into<String>, hint: Option<String>) {
        self.push(at, ProblemSeverity::Warning, message.into(), hint);
    }

    /// `file:line` of a place, for messages that point at a second one.
    pub(crate) fn place(&self, at: Position) -> String {
        let file = self.files.get(at.file).map_or("", String::as_str);
        format!("{file}:{}", at.line)
    }

    /// Takes over what another judge of the same files found.
    pub(crate) fn append(&mut self, mut other: Problems) {
        self.found.append(&mut other.found);
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.found
            .iter()
            .any(|(_, problem)| problem.severity == ProblemSeverity::Error)
    }

    /// All problems in reading order.
    pub(crate) fn into_list(mut self) -> Vec<Problem> {
        self.found.sort_by_key(|(at, _)| *at);
        // One cause can be met on two ways, for example through a YAML alias used twice.
        self.found.dedup();
        self.found.into_iter().map(|(_, problem)| problem).collect()
    }

    fn push(
        &mut self,
        at: Position,
        severity: ProblemSeverity,
        message: String,
        hint: Option<String>,
    ) {
        let problem = Problem {
            file: self.files.get(at.file).cloned().unwrap_or_default(),
            line: at.line,
            column: at.column,
            severity,
            message,
            hint,
        };
        self.found.push((at, problem));
    }
}

/// The hint for a word that is not on the list: the nearest one, if any is near.
pub(crate) fn did_you_mean<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    nearest(word, known).map(|candidate| format!("did you mean {candidate:?}?"))
}

/// The word of a list that was most likely meant, if any is near.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&lower, &candidate.to_lowercase());
            (distance, candidate)
        })
        // A third of the word may differ: more is a guess, not a hint.
        .filter(|(distance, candidate)| {
            *distance
                <= word
                    .chars()
                    .count()
                    .max(candidate.chars().count())
                    .div_ceil(3)
        })
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_near_or_absent() {
        let known = ["threshold", "window", "unit"];
        assert_eq!(
            did_you_mean("treshold", known).unwrap(),
            "did you mean \"threshold\"?"
        );
        assert_eq!(
            did_you_mean("Window", known).unwrap(),
            "did you mean \"window\"?"
        );
        assert_eq!(did_you_mean("department", known), None);
        assert_eq!(did_you_mean("", known), None);
    }
}
