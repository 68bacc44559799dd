//! What a mail that tells several notices has above their table: its subject and title, how many of what, columns.

use serde::Serialize;

use super::words::Label;
use crate::rules::Language;

/// The head of a digest or of a group.
#[derive(Debug, Serialize)]
pub(super) struct Head {
    pub(super) lang: &'static str,
    pub(super) subject: String,
    /// What an inbox shows beside the subject.
    pub(super) preheader: String,
    pub(super) title: String,
    /// How many of what.
    pub(super) summary: String,
    /// Its background, as a CSS colour: that of the most urgent row.
    pub(super) colour: &'static str,
    pub(super) columns: Vec<Label>,
}

/// The names of columns, given in Chinese and English.
pub(super) fn columns(
    language: Language,
    names: impl IntoIterator<Item = (&'static str, &'static str)>,
) -> Vec<Label> {
    let names = names.into_iter();
    names.map(|(zh, en)| Label::new(language, zh, en)).collect()
}
