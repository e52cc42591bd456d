//! A rule is read or refused at a place; its display is a rule of the same meaning.

use rollgate_config::rule::Rule;

/// The bytes are a rule's text.
pub fn rule(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let rule = match Rule::parse(&text) {
        Ok(rule) => rule,
        Err(error) => {
            assert!(error.offset <= text.len(), "{error:?} is outside {text:?}");
            let pointer = error.pointer(&text);
            assert_eq!(pointer.lines().count(), 2, "a line and its caret: {pointer:?}");
            return;
        }
    };
    let shown = rule.expression.to_string();
    if shown.len() > LONGEST {
        return;
    }
    let again = Rule::parse(&shown).unwrap_or_else(|error| panic!("{text:?} is shown as {shown:?}: {error}"));
    assert_eq!(format!("{:?}", again.expression), format!("{:?}", rule.expression), "{text:?} is shown as {shown:?}");
    assert_eq!(again.expression.to_string(), shown, "one spelling for one meaning");
}

/// Quotes and names that are written out may make a rule longer than a rule may be.
const LONGEST: usize = 32 << 10;
