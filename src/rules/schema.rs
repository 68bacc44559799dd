//! The JSON Schema (2020-12) of rule files, for editors: completion, hovers, red lines while typing.
//!
//! Made from the same tables that judge the files. It cannot say what only `check` knows
//! (references, CEL, windows against panes), so a file an editor likes may still be refused.

use serde_json::{Map, Value, json};

use crate::rules::duration::{CLOCK_PATTERN, DURATION_PATTERN};
use crate::rules::grammar::BOOK;
use crate::rules::shape::{Record, Shape};

/// The schema of any one file of a rule book.
pub fn json_schema() -> Value {
    let mut schema = record_schema(&BOOK);
    if let Value::Object(fields) = &mut schema {
        fields.insert(
            "$schema".to_owned(),
            json!("https://json-schema.org/draft/2020-12/schema"),
        );
    }
    schema
}

fn record_schema(record: &Record) -> Value {
    let mut properties = Map::new();
    for field in record.fields {
        let mut property = shape_schema(&field.shape);
        if let Value::Object(fields) = &mut property {
            fields.insert("description".to_owned(), json!(field.doc));
        }
        properties.insert(field.name.to_owned(), property);
    }
    let required: Vec<&str> = record
        .fields
        .iter()
        .filter(|field| field.required)
        .map(|field| field.name)
        .collect();
    json!({
        "type": "object",
        "title": record.name,
        "description": record.doc,
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn shape_schema(shape: &Shape) -> Value {
    match shape {
        Shape::Text => json!({"type": "string", "minLength": 1}),
        Shape::Id => json!({"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_.-]{0,99}$"}),
        Shape::Flag => json!({"type": "boolean"}),
        Shape::Number => json!({"type": "number"}),
        Shape::Natural => json!({"type": "integer", "minimum": 0}),
        Shape::Numbers(count) => json!({
            "type": "array",
            "items": {"type": "number"},
            "minItems": count,
            "maxItems": count,
        }),
        Shape::Duration => json!({"type": "string", "pattern": DURATION_PATTERN}),
        Shape::Clock => json!({"type": "string", "pattern": CLOCK_PATTERN}),
        Shape::Word(words) => json!({"type": "string", "enum": words}),
        Shape::List(item) => json!({"type": "array", "items": shape_schema(item)}),
        Shape::Table(value) => {
            json!({"type": "object", "additionalProperties": shape_schema(value)})
        }
        Shape::Record(record) => record_schema(record),
        Shape::Either(shapes) => {
            let options: Vec<Value> = shapes.iter().map(shape_schema).collect();
            json!({"anyOf": options})
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    fn rules() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("rules")
    }

    /// Set this variable to write the file instead of comparing it.
    const BLESS: &str = "CHRYSALIS_BLESS";

    #[test]
    fn the_shipped_schema_is_the_one_we_judge_by() {
        let mut want = serde_json::to_string_pretty(&json_schema()).unwrap();
        want.push('\n');
        let path = rules().join("schema.json");
        if std::env::var_os(BLESS).is_some() {
            std::fs::write(&path, &want).unwrap();
        }
        let got = std::fs::read_to_string(&path).unwrap();
        assert!(
            got == want,
            "rules/schema.json is stale: run this test with {BLESS}=1"
        );
    }

    /// The part of JSON Schema that ours uses, patterns excepted.
    fn accepts(schema: &Value, value: &Value) -> Result<(), String> {
        if let Some(options) = schema["anyOf"].as_array() {
            return match options.iter().any(|option| accepts(option, value).is_ok()) {
                true => Ok(()),
                false => Err(format!("{value} is none of {options:?}")),
            };
        }
        let fits = match schema["type"].as_str().unwrap() {
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "number" => value.is_number(),
            "integer" => value.as_u64().is_some(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            other => panic!("type {other}"),
        };
        if !fits {
            return Err(format!("{value} is not of type {}", schema["type"]));
        }
        if let Some(words) = schema["enum"].as_array()
            && !words.contains(value)
        {
            return Err(format!("{value} is not one of {words:?}"));
        }
        for item in value.as_array().into_iter().flatten() {
            accepts(&schema["items"], item)?;
        }
        for (name, value) in value.as_object().into_iter().flatten() {
            let schema = match schema["properties"].get(name) {
                Some(schema) => schema,
                None if schema["additionalProperties"].is_object() => {
                    &schema["additionalProperties"]
                }
                None => return Err(format!("field {name:?}")),
            };
            accepts(schema, value).map_err(|reason| format!("{name}: {reason}"))?;
        }
        for name in schema["required"].as_array().into_iter().flatten() {
            if value.get(name.as_str().unwrap()).is_none() {
                return Err(format!("no field {name}"));
            }
        }
        Ok(())
    }

    #[test]
    fn the_schema_accepts_every_shipped_file() {
        let bench = rules().join("bench/kqi-1.yaml");
        let files = [
            crate::rules::read_files(&rules()).unwrap(),
            crate::rules::read_files(&bench).unwrap(),
        ];
        for (path, text) in files.concat() {
            let value: Value = serde_saphyr::from_str(&text).unwrap();
            accepts(&json_schema(), &value).unwrap_or_else(|reason| panic!("{path}: {reason}"));
        }
    }

    #[test]
    fn the_schema_refuses_what_we_refuse() {
        for text in [
            "treshold: 1",
            "book: {name: x}",
            "alerts: [{id: 1, kqi: x}]",
        ] {
            let value: Value = serde_saphyr::from_str(text).unwrap();
            assert!(accepts(&json_schema(), &value).is_err(), "{text}");
        }
    }
}
