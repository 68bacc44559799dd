//! A table as Apache Parquet, for whoever computes on: one file for all languages, with types that stay the same
//! from issue to issue.
//!
//! * a column keeps the key that it has in the API; numbers are doubles, instants are timestamps in UTC;
//! * words are two columns, `<key>_zh` and `<key>_en`; names, which no language changes, are one;
//! * what is not known is null. The same table gives the same bytes.

use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{Type, TypePtr};

use crate::reports::report::{Table, Value};
use crate::rules::Text;

/// Columns of instants.
const TIMES: [&str; 8] = [
    "at", "closed", "due", "fired", "mended", "opened", "resolved", "since",
];
/// Columns of names, identifiers and what else reads the same in every language.
const NAMES: [&str; 9] = [
    "ever",
    "incident",
    "kqi",
    "limit",
    "person",
    "place",
    "recurrence_of",
    "trigger",
    "unit",
];
/// Columns of words.
const WORDS: [&str; 20] = [
    "best",
    "cause",
    "department",
    "grounds",
    "limit_source",
    "name",
    "overdue",
    "places",
    "problem",
    "remedy",
    "role",
    "say",
    "service",
    "severity",
    "state",
    "suggestion",
    "title",
    "unheard",
    "verdict",
    "worked",
];

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Number,
    Time,
    Name,
    Words,
}

impl Kind {
    /// By its key, so that an issue in which it is empty has the same type; words hold whatever else comes.
    fn of(key: &str, table: &Table, at: usize) -> Kind {
        let kind = match key {
            key if TIMES.contains(&key) => Kind::Time,
            key if NAMES.contains(&key) => Kind::Name,
            key if WORDS.contains(&key) => Kind::Words,
            _ => Kind::Number,
        };
        let fits = |value: &Value| match value {
            Value::Empty => true,
            Value::Number { .. } => kind == Kind::Number,
            Value::Time(_) => kind == Kind::Time,
            Value::Name(_) => matches!(kind, Kind::Name | Kind::Words),
            Value::Text(_) => kind == Kind::Words,
        };
        let mut values = table.rows.iter().filter_map(|row| row.get(at));
        let is_told = values.all(fits);
        debug_assert!(
            is_told,
            "{}: {key} holds what its list does not say",
            table.key
        );
        if is_told { kind } else { Kind::Words }
    }
}

/// The file's bytes.
///
/// # Errors
/// The table cannot be written.
pub fn parquet(table: &Table) -> Result<Vec<u8>, ParquetError> {
    let kinds: Vec<Kind> = table
        .columns
        .iter()
        .enumerate()
        .map(|(at, column)| Kind::of(&column.key, table, at))
        .collect();
    let mut fields = Vec::new();
    for (column, kind) in table.columns.iter().zip(&kinds) {
        let key = &column.key;
        match kind {
            Kind::Number => fields.push(field(key, Physical::DOUBLE, None)?),
            Kind::Time => fields.push(field(key, Physical::INT64, Some(instant()))?),
            Kind::Name => fields.push(words(key)?),
            Kind::Words => {
                fields.push(words(&format!("{key}_zh"))?);
                fields.push(words(&format!("{key}_en"))?);
            }
        }
    }
    let schema = Type::group_type_builder(&table.key).with_fields(fields);
    let properties = WriterProperties::builder()
        .set_compression(Compression::UNCOMPRESSED)
        // The library's version would make other bytes of the same table.
        .set_created_by("chrysalis".to_owned())
        .build();
    let mut bytes = Vec::new();
    let mut file =
        SerializedFileWriter::new(&mut bytes, Arc::new(schema.build()?), Arc::new(properties))?;
    let mut group = file.next_row_group()?;
    for (at, kind) in kinds.iter().enumerate() {
        let values = || table.rows.iter().map(|row| row.get(at));
        match kind {
            Kind::Number => column::<DoubleType>(&mut group, values().map(number))?,
            Kind::Time => column::<Int64Type>(&mut group, values().map(time))?,
            Kind::Name => column::<ByteArrayType>(&mut group, values().map(|of| said(of, zh)))?,
            Kind::Words => {
                column::<ByteArrayType>(&mut group, values().map(|of| said(of, zh)))?;
                column::<ByteArrayType>(&mut group, values().map(|of| said(of, en)))?;
            }
        }
    }
    group.close()?;
    file.close()?;
    Ok(bytes)
}

fn field(
    name: &str,
    physical: Physical,
    logical: Option<LogicalType>,
) -> Result<TypePtr, ParquetError> {
    let field = Type::primitive_type_builder(name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(logical);
    Ok(Arc::new(field.build()?))
}

fn words(name: &str) -> Result<TypePtr, ParquetError> {
    field(name, Physical::BYTE_ARRAY, Some(LogicalType::String))
}

fn instant() -> LogicalType {
    LogicalType::timestamp(true, TimeUnit::MILLIS)
}

/// One column: a level of 1 where there is a value, of 0 where there is none, and the values that there are.
fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, &mut Vec<u8>>,
    values: impl Iterator<Item = Option<T::T>>,
) -> Result<(), ParquetError> {
    let values: Vec<Option<T::T>> = values.collect();
    let levels: Vec<i16> = values.iter().map(|value| value.is_some().into()).collect();
    let known: Vec<T::T> = values.into_iter().flatten().collect();
    let Some(mut writer) = group.next_column()? else {
        return Err(ParquetError::General("a column too many".to_owned()));
    };
    writer
        .typed::<T>()
        .write_batch(&known, Some(&levels), None)?;
    writer.close()
}

fn number(value: Option<&Value>) -> Option<f64> {
    match value {
        Some(Value::Number { value, digits, .. }) => {
            // With the digits that it is told with, as in every other form of the report.
            let power = 10_f64.powi(i32::from(*digits));
            Some((value * power).round() / power)
        }
        _ => None,
    }
}

fn time(value: Option<&Value>) -> Option<i64> {
    match value {
        Some(Value::Time(at_ms)) => Some(*at_ms),
        _ => None,
    }
}

fn zh(text: &Text) -> &str {
    &text.zh
}

fn en(text: &Text) -> &str {
    &text.en
}

fn said(value: Option<&Value>, language: fn(&Text) -> &str) -> Option<ByteArray> {
    match value? {
        Value::Empty => None,
        Value::Text(text) => Some(language(text).into()),
        Value::Name(name) => Some(name.as_str().into()),
        Value::Number { value, .. } => Some(value.to_string().as_str().into()),
        Value::Time(at_ms) => Some(at_ms.to_string().as_str().into()),
    }
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;

    use super::*;
    use crate::reports::facts::text;
    use crate::reports::report::Shown;

    fn table() -> Table {
        let columns = [
            ("service", "业务", "Service", Shown::Everywhere),
            ("place", "地点", "Place", Shown::Everywhere),
            ("score", "得分", "Score", Shown::Everywhere),
            ("since", "自", "Since", Shown::Everywhere),
        ];
        let mut table = Table::new("t", text("表", "Table"), &columns);
        table.push([
            Value::Text(text("彩信", "MMS")),
            Value::name("长沙"),
            Value::number(1.5, 2, ""),
            Value::Time(1_772_380_800_000),
        ]);
        table.push([
            Value::name("news"),
            Value::Empty,
            Value::Empty,
            Value::Empty,
        ]);
        table
    }

    #[test]
    fn a_table_comes_back_with_its_types_and_nulls() {
        let bytes = parquet(&table()).unwrap();
        assert_eq!(bytes, parquet(&table()).unwrap());
        let file = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
        let rows: Vec<_> = file
            .get_row_iter(None)
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let read: Vec<Vec<(String, Field)>> = rows
            .iter()
            .map(|row| {
                let columns = row.get_column_iter();
                columns
                    .map(|(name, field)| (name.clone(), field.clone()))
                    .collect()
            })
            .collect();
        let said = |text: &str| Field::Str(text.to_owned());
        let names = ["service_zh", "service_en", "place", "score", "since"];
        let first = [
            said("彩信"),
            said("MMS"),
            said("长沙"),
            Field::Double(1.5),
            Field::TimestampMillis(1_772_380_800_000),
        ];
        let second = [
            said("news"),
            said("news"),
            Field::Null,
            Field::Null,
            Field::Null,
        ];
        for (row, wanted) in read.iter().zip([first, second]) {
            let wanted: Vec<_> = names.map(str::to_owned).into_iter().zip(wanted).collect();
            assert_eq!(*row, wanted);
        }
        assert_eq!(read.len(), 2);
    }

    #[test]
    fn a_table_without_rows_keeps_its_types() {
        let mut empty = table();
        empty.rows.clear();
        let schema = |table: &Table| {
            let bytes = bytes::Bytes::from(parquet(table).unwrap());
            let file = SerializedFileReader::new(bytes).unwrap();
            file.metadata().file_metadata().schema().clone()
        };
        assert_eq!(schema(&empty), schema(&table()));
    }
}
