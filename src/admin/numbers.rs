//! Shares for people.

/// A share from 0 to 1 in per cent, with at most so many places. What is more than nothing is never shown as nothing.
pub(super) fn percent(share: f64, places: usize) -> String {
    let text = format!("{:.places$}", share * 100.0);
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if share > 0.0 && text == "0" {
        return format!("<{:.places$}%", 10_f64.powi(-i32::try_from(places).unwrap_or(0)));
    }
    format!("{text}%")
}

/// Each of these weights' share of all of them; none if there is nothing to share.
pub(super) fn shares<'a>(weights: impl Iterator<Item = &'a String> + Clone) -> impl Iterator<Item = Option<f64>> {
    let weight = |text: &String| text.parse::<f64>().ok().filter(|weight| weight.is_finite() && *weight >= 0.0);
    let sum: f64 = weights.clone().filter_map(weight).sum();
    weights.map(move |text| weight(text).filter(|_| sum > 0.0).map(|weight| weight / sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_as_many_places_as_they_need() {
        for (share, places, expected) in [
            (0.95, 2, "95%"),
            (1.0 / 3.0, 2, "33.33%"),
            (1.0, 2, "100%"),
            (1.0, 0, "100%"),
            (0.0, 2, "0%"),
            (0.000_01, 2, "<0.01%"),
            (0.0004, 1, "<0.1%"),
            (0.001, 0, "<1%"),
        ] {
            assert_eq!(percent(share, places), expected, "{share} {places}");
        }
    }

    #[test]
    fn weights_share_what_there_is() {
        let of = |weights: &[&str]| {
            let weights: Vec<String> = weights.iter().map(ToString::to_string).collect();
            shares(weights.iter()).collect::<Vec<_>>()
        };
        assert_eq!(of(&["90", "10"]), [Some(0.9), Some(0.1)]);
        assert_eq!(of(&["0", "0.5"]), [Some(0.0), Some(1.0)]);
        assert_eq!(of(&["0", "0"]), [None, None]);
        assert_eq!(of(&["1", "many"]), [Some(1.0), None]);
    }
}
