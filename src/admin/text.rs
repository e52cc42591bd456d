//! Text from elsewhere made harmless: what a name, a reason or a cause holds neither ends a line nor moves the cursor nor
//! turns the direction of writing.

use std::{borrow::Cow, fmt::Write};

/// For a terminal: what is not shown as a character of its own is, as `\u{1b}`.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\n' | '\t' | '\r' => shown.extend(character.escape_default()),
            _ if is_harmful(character) => shown.extend(character.escape_unicode()),
            _ => shown.push(character),
        }
    }
    Cow::Owned(shown)
}

/// For a script: JSON as `serde_json` writes it, with the rest of what is harmful as `\u009b` too. The line ends between
/// its values stay.
pub(super) fn shown_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for character in json.chars() {
        if character != '\n' && is_harmful(character) {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                write!(shown, "\\u{unit:04x}").expect("a string takes all");
            }
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Control characters, the line separators of Unicode, and what turns or hides text.
fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_a_line_or_reaches_the_terminal_as_a_command() {
        for (text, expected) in [
            ("pro@file", "pro@file"),
            ("größer als 日本", "größer als 日本"),
            ("one\r\ntwo\tthree", "one\\r\\ntwo\\tthree"),
            ("\u{1b}[31mred\u{7f}", "\\u{1b}[31mred\\u{7f}"),
            ("\u{9b}2J", "\\u{9b}2J"),
            ("a\u{202e}b\u{2028}c\u{200b}d", "a\\u{202e}b\\u{2028}c\\u{200b}d"),
        ] {
            assert_eq!(shown(text), expected);
        }
    }

    #[test]
    fn json_stays_the_same_json() {
        for text in ["a\u{9b}2J\u{202e}\n\u{1b}\u{7f}", "\u{e0041} \u{2028}", "plain \\ \"text\""] {
            let json = shown_json(&serde_json::to_string_pretty(&[text]).unwrap());
            assert!(!json.contains(|character| character != '\n' && is_harmful(character)), "{json:?}");
            assert_eq!(serde_json::from_str::<Vec<String>>(&json).unwrap(), [text]);
        }
    }
}
