//! What an operator may have meant.

/// The longest name that is compared: a hint is for slips of the fingers.
const MAX_LENGTH: usize = 64;

/// `did you mean "x"?` for the nearest of some names, if one is near.
pub(crate) fn did_you_mean<'n>(name: &str, names: impl IntoIterator<Item = &'n str>) -> Option<String> {
    if name.len() > MAX_LENGTH {
        return None;
    }
    let folded = name.to_ascii_lowercase();
    let near = names.into_iter().filter(|other| other.len().abs_diff(name.len()) <= 3).map(|other| {
        let distance = strsim::damerau_levenshtein(&folded, &other.to_ascii_lowercase());
        (distance, other)
    });
    let (distance, nearest) = near.min_by_key(|&(distance, _)| distance)?;
    let bound = (name.len().max(nearest.len()) / 3).clamp(1, 3);
    (distance <= bound).then(|| format!("did you mean {nearest:?}?"))
}

/// The nearest of some choices, or all of them.
pub(crate) fn of_choices(name: &str, choices: &[&str]) -> String {
    did_you_mean(name, choices.iter().copied())
        .unwrap_or_else(|| if choices.is_empty() { "no keys".to_owned() } else { choices.join(", ") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        for (name, hint) in [
            ("adress", Some("address")),
            ("Adres", Some("address")),
            ("prot", Some("port")),
            ("x", None),
            ("elephant", None),
        ] {
            let expected = hint.map(|hint| format!("did you mean {hint:?}?"));
            assert_eq!(did_you_mean(name, ["address", "port", "weight"]), expected, "{name}");
        }
    }
}
