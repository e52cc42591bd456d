//! A section as Traefik prints it: what was written, in its spelling and with its defaults. Secrets are `xxxx`, as in
//! Traefik's own dumps (its API shows them).

mod duration;
mod secrets;

use rollgate_config::Written;
use serde_json::{Map, Number, Value};

pub(super) use self::duration::{duration, milliseconds};
use super::shape::{Key, Kind, Or};

/// What an object is made of.
pub(super) type Object = Map<String, Value>;

/// The keys of a section that are to be seen. `written`: what stands there, if anything does.
pub(super) fn section(keys: &[Key], written: Option<Written<'_>>) -> Object {
    let seen = keys.iter().filter_map(|key| {
        let value = value(key, written.and_then(|written| written.key(key.name)))?;
        Some((key.name.to_owned(), value))
    });
    seen.collect()
}

/// A list of texts.
pub(super) fn texts<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Value {
    texts.into_iter().map(|text| text.as_ref().to_owned()).collect()
}

fn value(key: &Key, written: Option<Written<'_>>) -> Option<Value> {
    match key.kind {
        Kind::Section(keys) => match written {
            Some(written) => (!written.is_off()).then(|| section(keys, Some(written)).into()),
            None => matches!(key.or, Or::Section).then(|| section(keys, None).into()),
        },
        Kind::Sections(keys) => {
            let sections: Vec<Value> = written?.items().map(|item| section(keys, Some(item)).into()).collect();
            (!sections.is_empty()).then(|| sections.into())
        }
        Kind::Texts => {
            let found = match (written, key.or) {
                (Some(written), _) => texts(written.texts()),
                (None, Or::Texts(or)) => texts(or),
                _ => return None,
            };
            found.as_array().is_some_and(|found| !found.is_empty()).then_some(found)
        }
        Kind::Secrets => {
            let hidden = written?.texts().len();
            (hidden > 0).then(|| vec![secrets::HIDDEN; hidden].into())
        }
        Kind::Pairs => names(written?, |_, value| value.text().map(Into::into)),
        Kind::Sent => names(written?, |name, value| value.text().map(|text| secrets::of_header(name, text).into())),
        Kind::Numbers => names(written?, |_, value| value.integer().map(Into::into)),
        Kind::Text | Kind::Secret | Kind::Url | Kind::Boolean | Kind::Integer | Kind::Decimal | Kind::Duration => {
            let value = written.and_then(|written| scalar(key.kind, written)).or_else(|| default(key.or))?;
            (key.kept || !is_zero(&value)).then_some(value)
        }
    }
}

fn scalar(kind: Kind, written: Written<'_>) -> Option<Value> {
    match kind {
        Kind::Boolean => written.boolean().map(Into::into),
        Kind::Integer => written.integer().map(Into::into),
        Kind::Decimal => decimal(written),
        Kind::Duration => written.nanoseconds().map(|nanoseconds| duration(nanoseconds).into()),
        Kind::Secret => written.text().map(|text| if text.is_empty() { "" } else { secrets::HIDDEN }.into()),
        Kind::Url => written.text().map(|text| secrets::of_url(text).into()),
        _ => written.text().map(Into::into),
    }
}

fn default(or: Or) -> Option<Value> {
    match or {
        Or::Text(text) => Some(text.into()),
        Or::Boolean(boolean) => Some(boolean.into()),
        Or::Integer(integer) => Some(integer.into()),
        Or::Milliseconds(number) => Some(milliseconds(number).into()),
        Or::Nothing | Or::Texts(_) | Or::Section => None,
    }
}

/// A whole number where it is one.
fn decimal(written: Written<'_>) -> Option<Value> {
    let number: f64 = written.text()?.trim().parse().ok()?;
    if number.fract() == 0.0 && number.abs() < WHOLE {
        return Some((number as i64).into());
    }
    Number::from_f64(number).map(Into::into)
}

fn names(written: Written<'_>, value: impl Fn(&str, Written<'_>) -> Option<Value>) -> Option<Value> {
    let pairs: Object =
        written.entries().filter_map(|(name, written)| Some((name.to_owned(), value(name, written)?))).collect();
    (!pairs.is_empty()).then(|| pairs.into())
}

/// What Go leaves out.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(boolean) => !boolean,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty() || text == "0s",
        Value::Array(_) | Value::Object(_) => false,
    }
}

/// Up to here a float is exact.
const WHOLE: f64 = 9_007_199_254_740_992.0;

#[cfg(test)]
mod tests;
