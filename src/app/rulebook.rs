//! Where the rule book comes from: a path that the operator gave, or the book shipped in the binary.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use crate::rules::{Lineage, Plan, Problem, ProblemSeverity, RuleBook, parse, read_files};

/// The shipped book, for a binary that stands alone.
const SHIPPED: [(&str, &str); 40] = [
    (
        "rules/alerting.yaml",
        include_str!("../../rules/alerting.yaml"),
    ),
    (
        "rules/anchors.yaml",
        include_str!("../../rules/anchors.yaml"),
    ),
    ("rules/book.yaml", include_str!("../../rules/book.yaml")),
    ("rules/boss.yaml", include_str!("../../rules/boss.yaml")),
    (
        "rules/complaints.yaml",
        include_str!("../../rules/complaints.yaml"),
    ),
    (
        "rules/departments.yaml",
        include_str!("../../rules/departments.yaml"),
    ),
    (
        "rules/knowledge.yaml",
        include_str!("../../rules/knowledge.yaml"),
    ),
    (
        "rules/knowledge_halls.yaml",
        include_str!("../../rules/knowledge_halls.yaml"),
    ),
    (
        "rules/knowledge_services.yaml",
        include_str!("../../rules/knowledge_services.yaml"),
    ),
    (
        "rules/dial_tests.yaml",
        include_str!("../../rules/dial_tests.yaml"),
    ),
    ("rules/leaves.yaml", include_str!("../../rules/leaves.yaml")),
    (
        "rules/leaves_charges.yaml",
        include_str!("../../rules/leaves_charges.yaml"),
    ),
    (
        "rules/leaves_halls.yaml",
        include_str!("../../rules/leaves_halls.yaml"),
    ),
    (
        "rules/leaves_mail.yaml",
        include_str!("../../rules/leaves_mail.yaml"),
    ),
    (
        "rules/leaves_use.yaml",
        include_str!("../../rules/leaves_use.yaml"),
    ),
    ("rules/mms.yaml", include_str!("../../rules/mms.yaml")),
    ("rules/places.yaml", include_str!("../../rules/places.yaml")),
    (
        "rules/sources.yaml",
        include_str!("../../rules/sources.yaml"),
    ),
    ("rules/codes.yaml", include_str!("../../rules/codes.yaml")),
    ("rules/health.yaml", include_str!("../../rules/health.yaml")),
    (
        "rules/reports.yaml",
        include_str!("../../rules/reports.yaml"),
    ),
    (
        "rules/services/crbt.yaml",
        include_str!("../../rules/services/crbt.yaml"),
    ),
    (
        "rules/services/experience_card.yaml",
        include_str!("../../rules/services/experience_card.yaml"),
    ),
    (
        "rules/services/fetion.yaml",
        include_str!("../../rules/services/fetion.yaml"),
    ),
    (
        "rules/services/gprs.yaml",
        include_str!("../../rules/services/gprs.yaml"),
    ),
    (
        "rules/services/hotline.yaml",
        include_str!("../../rules/services/hotline.yaml"),
    ),
    (
        "rules/services/mms.yaml",
        include_str!("../../rules/services/mms.yaml"),
    ),
    (
        "rules/services/mobile_game.yaml",
        include_str!("../../rules/services/mobile_game.yaml"),
    ),
    (
        "rules/services/mobile_mail.yaml",
        include_str!("../../rules/services/mobile_mail.yaml"),
    ),
    (
        "rules/services/mobile_newspaper.yaml",
        include_str!("../../rules/services/mobile_newspaper.yaml"),
    ),
    (
        "rules/services/mobile_stock.yaml",
        include_str!("../../rules/services/mobile_stock.yaml"),
    ),
    (
        "rules/services/monternet_sms.yaml",
        include_str!("../../rules/services/monternet_sms.yaml"),
    ),
    (
        "rules/services/sms.yaml",
        include_str!("../../rules/services/sms.yaml"),
    ),
    (
        "rules/services/sms_hall.yaml",
        include_str!("../../rules/services/sms_hall.yaml"),
    ),
    (
        "rules/services/wap.yaml",
        include_str!("../../rules/services/wap.yaml"),
    ),
    (
        "rules/services/wap_hall.yaml",
        include_str!("../../rules/services/wap_hall.yaml"),
    ),
    (
        "rules/services/web_hall.yaml",
        include_str!("../../rules/services/web_hall.yaml"),
    ),
    (
        "rules/triggers.yaml",
        include_str!("../../rules/triggers.yaml"),
    ),
    (
        "rules/tree_five.yaml",
        include_str!("../../rules/tree_five.yaml"),
    ),
    (
        "rules/tree_seven.yaml",
        include_str!("../../rules/tree_seven.yaml"),
    ),
];

/// Where to read the rule book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleSource {
    /// A folder or a file.
    Path(PathBuf),
    /// The shipped book.
    Shipped,
}

/// Texts of a rule book, as the journal keeps them: path and content.
pub type RuleFiles = Vec<(String, String)>;

/// A rule book cannot be used.
#[derive(Clone, Debug, Error)]
#[error(
    "the rule book has {} problem{}",
    problems.len(),
    if problems.len() == 1 { "" } else { "s" }
)]
pub struct RuleBookError {
    /// Every problem, errors and warnings, in file order.
    pub problems: Vec<Problem>,
}

impl RuleSource {
    /// The path if one is given, or else `rules` in the working folder, or else the shipped book.
    pub fn find(given: Option<&Path>) -> RuleSource {
        match given {
            Some(path) => RuleSource::Path(path.to_owned()),
            None if Path::new("rules/book.yaml").exists() => RuleSource::Path("rules".into()),
            None => RuleSource::Shipped,
        }
    }

    /// Reads the texts.
    ///
    /// # Errors
    /// The path cannot be read.
    pub fn read(&self) -> Result<RuleFiles, RuleBookError> {
        match self {
            RuleSource::Path(path) => {
                read_files(path).map_err(|problems| RuleBookError { problems })
            }
            RuleSource::Shipped => {
                let own = |(path, text): (&str, &str)| (path.to_owned(), text.to_owned());
                Ok(SHIPPED.into_iter().map(own).collect())
            }
        }
    }
}

/// Checks texts; warnings do not matter here.
///
/// # Errors
/// The book has errors.
pub fn book_of(files: &[(String, String)]) -> Result<RuleBook, RuleBookError> {
    let (book, problems) = parse(files);
    let has_errors = problems
        .iter()
        .any(|problem| problem.severity == ProblemSeverity::Error);
    book.filter(|_| !has_errors)
        .ok_or(RuleBookError { problems })
}

/// Makes the plan of checked texts, as the successor of `previous`.
///
/// # Errors
/// The book has errors, or its zone is not known.
pub fn plan_of(
    files: &[(String, String)],
    previous: Option<&Plan>,
) -> Result<Arc<Plan>, RuleBookError> {
    plan_after(files, &previous.map(Plan::lineage).unwrap_or_default())
}

/// Makes the plan of checked texts again, as its lineage says.
///
/// # Errors
/// As [`plan_of`].
pub(super) fn plan_after(
    files: &[(String, String)],
    lineage: &Lineage,
) -> Result<Arc<Plan>, RuleBookError> {
    let book = Arc::new(book_of(files)?);
    // `check` has looked the zone up already.
    Plan::after(book, lineage)
        .map(Arc::new)
        .map_err(|_| RuleBookError {
            problems: Vec::new(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_book_is_the_one_in_the_repository() {
        let repository = RuleSource::Path(concat!(env!("CARGO_MANIFEST_DIR"), "/rules").into());
        let texts = |files: RuleFiles| {
            let mut texts: Vec<String> = files.into_iter().map(|(_, text)| text).collect();
            texts.sort();
            texts
        };
        let shipped = RuleSource::Shipped.read().unwrap();
        assert!(plan_of(&shipped, None).is_ok());
        assert_eq!(texts(shipped), texts(repository.read().unwrap()));
    }
}
