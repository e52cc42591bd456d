//! A weight in a body: exact as text, or a number.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr,
        schema::{ObjectBuilder, OneOfBuilder, Schema, Type},
    },
};

/// A weight as it is sent. Text is exact; a number is rounded to six places.
#[derive(Debug, Clone)]
pub enum SentWeight {
    Text(String),
    Number(f64),
}

impl<'de> Deserialize<'de> for SentWeight {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self::Text(text)),
            Value::Number(number) => Ok(Self::Number(number.as_f64().unwrap_or(f64::INFINITY))),
            _ => Err(D::Error::custom("expected a decimal, as text or as a number")),
        }
    }
}

impl PartialSchema for SentWeight {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(r"^[0-9]{1,6}(\.[0-9]{1,6})?$"));
        let number = ObjectBuilder::new().schema_type(Type::Number).minimum(Some(0)).maximum(Some(1_000_000));
        let description =
            "A decimal from 0 to 1,000,000: text with at most six places, or a number, which is rounded to them.";
        OneOfBuilder::new().item(text).item(number).description(Some(description)).into()
    }
}

impl ToSchema for SentWeight {
    fn name() -> Cow<'static, str> {
        "SentWeight".into()
    }
}
