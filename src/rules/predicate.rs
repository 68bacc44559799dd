//! Filter and good-conditions: CEL expressions over a fact's dimensions.
//!
//! They run once per distinct dimension tuple, never per event, so their speed does not matter and
//! the whole of CEL is allowed. An expression that fails on a tuple counts as *false* there and the
//! failure is counted; it cannot stop anything.

use std::fmt;
use std::sync::Arc;

use cel::{Context, Program, Value};
use thiserror::Error;

use crate::event::DimensionValue;

/// Why an expression is not a predicate.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PredicateError {
    /// It does not parse.
    #[error("expression {expression:?} does not parse: {reason}")]
    Syntax {
        /// The expression as written.
        expression: String,
        /// The parser's words.
        reason: String,
    },
}

thread_local! {
    /// The functions of CEL. Listing them takes several microseconds, which a thousand rules over a
    /// hundred thousand tuples would pay each time.
    static FUNCTIONS: Context<'static, 'static> = Context::default();
}

/// A compiled condition over dimensions.
#[derive(Clone)]
pub struct Predicate {
    source: Arc<str>,
    program: Arc<Program>,
    variables: Arc<[String]>,
}

impl Predicate {
    /// Compiles an expression.
    ///
    /// ```
    /// use chrysalis::{event::DimensionValue, rules::Predicate};
    /// let predicate = Predicate::compile("step == 'query' && ok").unwrap();
    /// let holds = predicate.holds(&mut |name| match name {
    ///     "step" => DimensionValue::Text("query".into()),
    ///     _ => DimensionValue::Flag(true),
    /// });
    /// assert_eq!(holds, Ok(true));
    /// ```
    ///
    /// # Errors
    /// The expression does not parse.
    pub fn compile(expression: &str) -> Result<Predicate, PredicateError> {
        let program = Program::compile(expression).map_err(|error| PredicateError::Syntax {
            expression: expression.to_owned(),
            reason: error
                .to_string()
                .lines()
                .next()
                .unwrap_or_default()
                .trim()
                .to_owned(),
        })?;
        let mut names: Vec<String> = program
            .references()
            .variables()
            .iter()
            .map(|name| (*name).to_owned())
            .collect();
        names.sort_unstable();
        names.dedup();
        Ok(Predicate {
            source: expression.into(),
            program: Arc::new(program),
            variables: names.into(),
        })
    }

    /// The expression as written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Names of the dimensions that the expression reads, sorted.
    pub fn variables(&self) -> Vec<String> {
        self.variables.to_vec()
    }

    /// Whether a tuple satisfies the condition.
    ///
    /// # Errors
    /// The expression has no boolean value for this tuple; the words say why.
    pub fn holds(&self, value_of: &mut dyn FnMut(&str) -> DimensionValue) -> Result<bool, String> {
        FUNCTIONS.with(|functions| self.holds_among(functions, value_of))
    }

    fn holds_among(
        &self,
        functions: &Context<'_, '_>,
        value_of: &mut dyn FnMut(&str) -> DimensionValue,
    ) -> Result<bool, String> {
        let mut context = functions.new_inner_scope();
        for name in &*self.variables {
            let value = match value_of(name) {
                DimensionValue::Null => Value::Null,
                DimensionValue::Flag(flag) => Value::Bool(flag),
                DimensionValue::Integer(number) => Value::Int(number),
                DimensionValue::Text(text) => Value::String(Arc::new(text.as_ref().to_owned())),
            };
            context.add_variable_from_value(name.as_str(), value);
        }
        match self.program.execute(&context) {
            Ok(Value::Bool(answer)) => Ok(answer),
            Ok(other) => Err(format!(
                "{:?} gives {other:?}, not true or false",
                self.source
            )),
            Err(error) => Err(format!("{:?}: {error}", self.source)),
        }
    }
}

impl fmt::Debug for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Predicate({:?})", self.source)
    }
}

impl PartialEq for Predicate {
    fn eq(&self, other: &Predicate) -> bool {
        self.source == other.source
    }
}

impl Eq for Predicate {}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expression: &str, want: Result<bool, &str>) {
        let predicate = Predicate::compile(expression).unwrap();
        let got = predicate.holds(&mut |name| match name {
            "ok" => DimensionValue::Flag(true),
            "tperrno" => DimensionValue::Integer(11),
            "city" => DimensionValue::Text("长沙".into()),
            _ => DimensionValue::Null,
        });
        match (got, want) {
            (Ok(got), Ok(want)) => assert_eq!(got, want, "{expression}"),
            (Err(got), Err(want)) => assert!(got.contains(want), "{expression}: {got}"),
            (got, want) => panic!("{expression}: {got:?}, wanted {want:?}"),
        }
    }

    #[test]
    fn conditions_over_every_kind() {
        check("ok && city == '长沙'", Ok(true));
        check("tperrno in [5, 6, 12]", Ok(false));
        check("tperrno != 11", Ok(false));
        check("city.startsWith('长')", Ok(true));
    }

    #[test]
    fn absent_dimensions_compare_unequal_and_never_panic() {
        check("content_ok == true", Ok(false));
        check("content_ok == false", Ok(false));
        check("content_ok != null", Ok(false));
        check("content_ok && ok", Err("content_ok"));
    }

    #[test]
    fn a_value_that_is_not_a_truth_is_an_error() {
        check("tperrno + 1", Err("not true or false"));
    }

    #[test]
    fn variables_are_listed_without_functions() {
        let predicate = Predicate::compile("path.startsWith('a') && city in ['x'] && !ok").unwrap();
        assert_eq!(predicate.variables(), ["city", "ok", "path"]);
    }

    #[test]
    fn syntax_errors_name_the_expression() {
        let error = Predicate::compile("ok &&").unwrap_err();
        assert!(error.to_string().contains("ok &&"), "{error}");
    }
}
