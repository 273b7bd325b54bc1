//! Conditions on parameters and metrics, as a person types them: `lr<0.01 loss<0.3 opt=adam`. All of them have to hold.

use std::str::FromStr;

use serde_json::Value;

use super::spec::sweep::same;
use super::spec::{sweep_file, token};

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// The same.
    Is,
    /// Another one.
    IsNot,
    /// Smaller.
    Below,
    /// Smaller, or the same.
    AtMost,
    /// Larger.
    Above,
    /// Larger, or the same.
    AtLeast,
}

/// One condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// What is compared.
    pub name: String,
    /// How.
    pub compare: Compare,
    /// With what.
    pub value: Value,
}

/// In an order in which none begins with one that stands before it.
const SIGNS: [(&str, Compare); 7] = [
    ("<=", Compare::AtMost),
    (">=", Compare::AtLeast),
    ("!=", Compare::IsNot),
    ("==", Compare::Is),
    ("<", Compare::Below),
    (">", Compare::Above),
    ("=", Compare::Is),
];

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let at = text.find(['<', '>', '=', '!']).filter(|at| *at > 0);
        let bad =
            || format!("`{}` is no condition: the forms are lr<0.01, loss>=0.3, opt=adam, seed!=7", text.escape_debug());
        let (name, rest) = text.split_at(at.ok_or_else(bad)?);
        let (sign, compare) = SIGNS.iter().find(|(sign, _)| rest.starts_with(sign)).ok_or_else(bad)?;
        let value = &rest[sign.len()..];
        if value.trim().is_empty() {
            return Err(bad());
        }
        Ok(Self { name: name.trim().to_owned(), compare: *compare, value: sweep_file::scalar(value) })
    }
}

impl Condition {
    /// Says whether a value fits. A number that is not one (NaN) fits nothing but `!=`.
    pub fn fits(&self, value: &Value) -> bool {
        match (value.as_f64(), self.value.as_f64()) {
            (Some(one), Some(other)) => match self.compare {
                Compare::Is => same(value, &self.value),
                Compare::IsNot => !same(value, &self.value),
                Compare::Below => one < other,
                Compare::AtMost => one <= other,
                Compare::Above => one > other,
                Compare::AtLeast => one >= other,
            },
            (_, _) => {
                let (one, other) = (token::text(value), token::text(&self.value));
                match self.compare {
                    Compare::Is => one.eq_ignore_ascii_case(&other),
                    Compare::IsNot => !one.eq_ignore_ascii_case(&other),
                    // Between a text and a number there is no order.
                    Compare::Below | Compare::AtMost | Compare::Above | Compare::AtLeast => false,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn conditions_fit_values() {
        for (text, value, fits) in [
            ("lr<0.01", json!(0.001), true),
            ("lr<0.01", json!(0.01), false),
            ("lr<=1e-2", json!(0.01), true),
            ("lr=0.1", json!(0.1), true),
            ("n==3", json!(3.0), true),
            ("n!=3", json!(4), true),
            ("opt=Adam", json!("adam"), true),
            ("opt!=adam", json!("sgd"), true),
            ("opt<3", json!("sgd"), false),
            ("on=true", json!(true), true),
            ("loss>=-1", json!(-1), true),
            ("loss<1", json!("NaN"), false),
        ] {
            assert_eq!(text.parse::<Condition>().unwrap().fits(&value), fits, "{text} {value}");
        }
        for text in ["lr", "<3", "lr<", "", "lr ~ 3"] {
            assert!(text.parse::<Condition>().is_err(), "{text}");
        }
    }
}
