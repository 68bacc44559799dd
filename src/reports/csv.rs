//! A table as CSV (RFC 4180) that spreadsheets open by a click: UTF-8 with its mark, because Excel takes a
//! file without one for the local code page.

use crate::reports::report::{Table, Value};
use crate::reports::show::Reader;

const MARK: &str = "\u{feff}";

/// A table in the reader's language, all columns and rows.
pub fn csv(table: &Table, reader: &Reader) -> String {
    let mut csv = MARK.to_owned();
    let names = table.columns.iter();
    line(
        names.map(|column| quoted(reader.words(&column.name))),
        &mut csv,
    );
    for row in &table.rows {
        let cells = row.iter().map(|value| match value {
            Value::Number { .. } => reader.cell(value),
            words => quoted(&harmless(reader.cell(words))),
        });
        line(cells, &mut csv);
    }
    csv
}

/// Texts in columns, each as it is.
pub fn csv_of_texts<'a>(columns: &[&str], rows: impl Iterator<Item = Vec<&'a str>>) -> String {
    let mut csv = MARK.to_owned();
    line(columns.iter().map(|column| quoted(column)), &mut csv);
    for row in rows {
        let cells = row.iter();
        line(
            cells.map(|cell| quoted(&harmless((*cell).to_owned()))),
            &mut csv,
        );
    }
    csv
}

/// One row of texts, with its end; what reads as a number stays as it is.
pub fn csv_row(cells: &[&str]) -> String {
    let mut row = String::new();
    let cells = cells.iter().map(|cell| match cell.parse::<f64>() {
        Ok(_) => (*cell).to_owned(),
        Err(_) => quoted(&harmless((*cell).to_owned())),
    });
    line(cells, &mut row);
    row
}

fn line(cells: impl Iterator<Item = String>, csv: &mut String) {
    for (at, cell) in cells.enumerate() {
        if at > 0 {
            csv.push(',');
        }
        csv.push_str(&cell);
    }
    csv.push_str("\r\n");
}

/// In quotes where the text would break the line into other cells.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// Names come from events: none may become a formula of the spreadsheet that opens it.
fn harmless(text: String) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::facts::text;
    use crate::reports::report::Shown;
    use crate::reports::testing;
    use crate::rules::Language;

    #[test]
    fn cells_are_quoted_and_no_name_becomes_a_formula() {
        let columns = [
            ("a", "甲", "a, b", Shown::Everywhere),
            ("b", "乙", "b", Shown::Files),
        ];
        let mut table = Table::new("t", text("表", "Table"), &columns);
        table.push([Value::name("=1+1"), Value::number(-1_234.5, 1, "s")]);
        table.push([Value::name("say \"no\""), Value::Empty]);
        let report = testing::report();
        let csv = csv(&table, &Reader::of(&report, Language::En));
        assert_eq!(
            csv,
            "\u{feff}\"a, b\",b\r\n'=1+1,-1234.5\r\n\"say \"\"no\"\"\",\r\n"
        );
    }
}
