//! What is written and shown to nobody.

/// What stands in its place.
pub(super) const HIDDEN: &str = "xxxx";

/// A header's value that servers are sent, hidden if by its name it is a credential.
pub(super) fn of_header<'t>(name: &str, value: &'t str) -> &'t str {
    if value.is_empty() || !names_a_secret(name) { value } else { HIDDEN }
}

/// A URL or the part of one, without a user, and without the values of its query that by their names are credentials.
pub(super) fn of_url(url: &str) -> String {
    let (before, query) = url.split_once('?').map_or((url, None), |(before, query)| (before, Some(query)));
    let mut shown = match before.split_once("://") {
        Some((scheme, rest)) => {
            let host = rest.split('/').next().unwrap_or_default();
            match host.rsplit_once('@') {
                Some((user, _)) => format!("{scheme}://{HIDDEN}{}", &rest[user.len()..]),
                None => before.to_owned(),
            }
        }
        None => before.to_owned(),
    };
    let Some(query) = query else { return shown };
    for (index, pair) in query.split('&').enumerate() {
        shown.push(if index == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            Some((name, value)) if !value.is_empty() && names_a_secret(name) => {
                shown.push_str(name);
                shown.push('=');
                shown.push_str(HIDDEN);
            }
            _ => shown.push_str(pair),
        }
    }
    shown
}

fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET.iter().any(|word| name.contains(word))
}

/// Rather one too many.
const SECRET: [&str; 10] =
    ["auth", "cookie", "credential", "key", "pass", "pwd", "secret", "session", "signature", "token"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_carry_credentials_are_hidden() {
        for (name, value, expected) in [
            ("Authorization", "Bearer a", HIDDEN),
            ("X-API-Key", "a", HIDDEN),
            ("cookie", "a=b", HIDDEN),
            ("X-Gitlab-Token", "a", HIDDEN),
            ("Authorization", "", ""),
            ("X-Forwarded-Prefix", "/a", "/a"),
        ] {
            assert_eq!(of_header(name, value), expected, "{name}");
        }
    }

    #[test]
    fn urls_lose_users_and_credentials() {
        for (url, expected) in [
            ("https://auth.internal:8443/check", "https://auth.internal:8443/check"),
            ("http://u:p@a.internal/b@c", "http://xxxx@a.internal/b@c"),
            ("http://u:p@w@a", "http://xxxx@a"),
            ("/health?deep", "/health?deep"),
            ("/health?deep=1&access_token=abc&x", "/health?deep=1&access_token=xxxx&x"),
            ("http://a?token=", "http://a?token="),
            ("http://a?b=c?key=d", "http://a?b=c?key=d"),
            ("", ""),
        ] {
            assert_eq!(of_url(url), expected);
        }
    }
}
