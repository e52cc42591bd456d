//! Prefixes that come and go, targets that are replaced, and paths that are not let through.

use rollgate_config::static_config::EncodedCharacters;

use super::*;

/// What becomes of a target: the new one and the value of a field that tells of the old one, or a status.
fn rewritten(middleware: &Middleware, target: &str, field: &str) -> Result<(String, String), u16> {
    let mut parts = get("h", target);
    match run(middleware, &mut parts) {
        Some(answer) => Err(answer.status.as_u16()),
        None => Ok((parts.uri.to_string(), lines(&parts, field).join(", "))),
    }
}

type Rewrite<'a> = (&'a str, Result<(&'a str, &'a str), u16>);

#[track_caller]
fn expect_rewrites<const N: usize>(kind: MiddlewareKind, field: &str, cases: [Rewrite<'_>; N]) {
    let middleware = compiled(kind);
    assert!(!middleware.has_response_half() && !middleware.looks_ahead());
    for (target, expected) in cases {
        let found = rewritten(&middleware, target, field);
        let found = found.as_ref().map(|(target, told)| (target.as_str(), told.as_str())).map_err(|status| *status);
        assert_eq!(found, expected, "{target:.80}");
    }
}

fn strings(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

fn regexes(items: &[&str]) -> Vec<Regex> {
    items.iter().map(|item| Regex::new(item).unwrap()).collect()
}

#[test]
fn add_prefix_comes_before_the_path() {
    expect_rewrites(
        MiddlewareKind::AddPrefix("/a".to_owned()),
        "x-none",
        [
            ("/", Ok(("/a/", ""))),
            ("/b", Ok(("/a/b", ""))),
            ("/b/?q=1&r", Ok(("/a/b/?q=1&r", ""))),
            ("/b%2Fc", Ok(("/a/b%2Fc", ""))),
            ("http://h:81/b?q", Ok(("http://h:81/a/b?q", ""))),
        ],
    );
    expect_rewrites(MiddlewareKind::AddPrefix("/f\u{f6} o?".to_owned()), "x", [("/b", Ok(("/f%C3%B6%20o%3F/b", "")))]);
    expect_rewrites(MiddlewareKind::AddPrefix("a/".to_owned()), "x", [("/b", Ok(("/a/b", "")))]);
    let long = format!("/{}", "x".repeat(65_533));
    expect_rewrites(
        MiddlewareKind::AddPrefix("/0123456789/0123456789/0123456789".to_owned()),
        "x",
        [(&long, Err(414))],
    );
}

#[test]
fn strip_prefix_removes_the_first_that_fits() {
    expect_rewrites(
        MiddlewareKind::StripPrefix(strings(&["/stat", " /api/v1 ", "/api", "/foo bar"])),
        "x-forwarded-prefix",
        [
            ("/", Ok(("/", ""))),
            ("/other", Ok(("/other", ""))),
            ("/stat", Ok(("/", "/stat"))),
            ("/stat/", Ok(("/", "/stat"))),
            ("/stat/us", Ok(("/us", "/stat"))),
            ("/status", Ok(("/us", "/stat"))),
            ("/stat?q=1", Ok(("/?q=1", "/stat"))),
            ("/api/v1/x", Ok(("/x", "/api/v1"))),
            ("/api/v2/x/?q", Ok(("/v2/x/?q", "/api"))),
            ("/%61pi/x%2Fy", Ok(("/x%2Fy", "/api"))),
            ("/foo%20bar/x", Ok(("/x", "/foo bar"))),
            ("/a/stat", Ok(("/a/stat", ""))),
            ("/sta", Ok(("/sta", ""))),
            ("*", Ok(("*", ""))),
        ],
    );
}

#[test]
fn what_is_left_of_a_stripped_path_must_be_clean() {
    for kind in [MiddlewareKind::StripPrefix(strings(&["/api"])), MiddlewareKind::StripPrefixRegex(regexes(&["^/api"]))]
    {
        expect_rewrites(
            kind,
            "x-forwarded-prefix",
            [
                ("/api../admin", Err(400)),
                ("/api%2e%2e/admin", Err(400)),
                ("/api/../admin", Err(400)),
                ("/api./x", Err(400)),
                ("/api//x", Err(400)),
                ("/api%2F..%2Fx", Err(400)),
                ("/api%2fx", Err(400)),
                ("/api/x/..", Err(400)),
                ("/api.../x", Ok(("/.../x", "/api"))),
                ("/api/.x", Ok(("/.x", "/api"))),
            ],
        );
    }
}

#[test]
fn a_stripped_prefix_is_added_to_those_told_before() {
    let mut parts = get("h", "/b/c");
    parts.headers.insert("x-forwarded-prefix", HeaderValue::from_static("/a"));
    assert_eq!(run(&compiled(MiddlewareKind::StripPrefix(strings(&["/b"]))), &mut parts), None);
    assert_eq!(lines(&parts, "x-forwarded-prefix"), ["/a", "/b"]);
}

#[test]
fn strip_prefix_regex_matches_at_the_start_of_the_decoded_path() {
    expect_rewrites(
        MiddlewareKind::StripPrefixRegex(regexes(&["/a/api/", "^/b/([a-z0-9]+)/", "/c/[a-z ]+", "^/z*"])),
        "x-forwarded-prefix",
        [
            ("/a/api/test", Ok(("/test", "/a/api/"))),
            ("/a/api", Ok(("/a/api", "/"))),
            ("/b/id9/x?q", Ok(("/x?q", "/b/id9/"))),
            ("/c/a%20b/x", Ok(("/x", "/c/a b"))),
            ("/c/a%20b/x%2Fy", Ok(("/x%2Fy", "/c/a b"))),
            ("/zz", Ok(("/", "/zz"))),
        ],
    );
    expect_rewrites(
        MiddlewareKind::StripPrefixRegex(regexes(&["(?s)^/[^/]+", "x"])),
        "x-forwarded-prefix",
        [
            ("/a%0d%0aX-Evil:1/x", Err(400)),
            ("/a%00/x", Err(400)),
            ("/%FF/x", Ok(("/x", "/%FF"))),
            ("//x", Ok(("//x", ""))),
        ],
    );
}

#[test]
fn replace_path_keeps_the_query() {
    expect_rewrites(
        MiddlewareKind::ReplacePath("/new".to_owned()),
        "x-replaced-path",
        [
            ("/", Ok(("/new", "/"))),
            ("/a%20b/?q=1", Ok(("/new?q=1", "/a%20b/"))),
            ("http://h/a", Ok(("http://h/new", "/a"))),
        ],
    );
    expect_rewrites(MiddlewareKind::ReplacePath("a b?c#d%2F".to_owned()), "x", [("/", Ok(("/a%20b%3Fc%23d%2F", "")))]);
    let refused = compile(&MiddlewareKind::ReplacePath("/%zz".to_owned()));
    assert_eq!(refused.map(|_| ()), Err(CompileError::Path("/%zz".to_owned())));
}

fn replace_regex(regex: &str, replacement: &str) -> MiddlewareKind {
    MiddlewareKind::ReplacePathRegex { regex: Regex::new(regex).unwrap(), replacement: replacement.to_owned() }
}

#[test]
fn replace_path_regex_rewrites_what_matches() {
    expect_rewrites(
        replace_regex("^/who/(\\d+)/(.*)$", "/am/${2}/${1}"),
        "x-replaced-path",
        [
            ("/who/7/x", Ok(("/am/x/7", "/who/7/x"))),
            ("/who/7/x?q=1", Ok(("/am/x/7?q=1", "/who/7/x"))),
            ("/who/x", Ok(("/who/x", ""))),
            ("/who/7/a%20b", Ok(("/am/a%20b/7", "/who/7/a%20b"))),
            ("/who/7/..", Err(400)),
            ("/who/7//x", Err(400)),
        ],
    );
    // Pieces of the client's put together: an encoding that was none, dots that were none.
    expect_rewrites(
        replace_regex("^/(.*)-(.*)$", "/%$1$2/${1}${2}/x"),
        "x-none",
        [("/2-e", Err(400)), ("/6-1", Err(400)), ("/2-f", Err(400)), ("/2-F", Ok(("/%2F/2F/x", "")))],
    );
    expect_rewrites(
        replace_regex("^/(.*)-(.*)$", "/$1$2/x"),
        "x-none",
        [("/.-.", Err(400)), ("/a-", Ok(("/a/x", "")))],
    );
    expect_rewrites(replace_regex("^.*$", ""), "x-replaced-path", [("/a?q", Ok(("/?q", "/a")))]);
    expect_rewrites(replace_regex("^/a", "b ?#"), "x-none", [("/a", Ok(("/b%20%3F%23", "")))]);
    expect_rewrites(replace_regex("a", "%"), "x-none", [("/a", Err(500)), ("/b", Ok(("/b", "")))]);
    expect_rewrites(replace_regex("a", "bb"), "x-none", [("/aa/a", Ok(("/bbbb/bb", "")))]);
}

#[test]
fn a_target_without_a_path_is_left_alone() {
    let kinds = [
        MiddlewareKind::AddPrefix("/a".to_owned()),
        MiddlewareKind::StripPrefix(strings(&[""])),
        MiddlewareKind::StripPrefixRegex(regexes(&[".*"])),
        MiddlewareKind::ReplacePath("/a".to_owned()),
        replace_regex("^", "/a"),
        MiddlewareKind::RedirectScheme { scheme: "https".to_owned(), port: None, permanent: false },
        MiddlewareKind::RedirectRegex {
            regex: Regex::new(".*").unwrap(),
            replacement: "/".to_owned(),
            permanent: false,
        },
    ];
    for kind in kinds {
        let mut parts = get("h:443", "h:443");
        parts.method = Method::CONNECT;
        assert_eq!(run(&compiled(kind.clone()), &mut parts), None, "{kind:?}");
        assert_eq!(parts.uri.to_string(), "h:443", "{kind:?}");
        assert_eq!(parts.headers.len(), 1, "{kind:?}");
    }
}

#[test]
fn encoded_characters_are_let_through_one_by_one() {
    let none = EncodedCharacters::NONE;
    // As in Traefik's own test, and both cases of the digits.
    for (path, allowing) in [
        ("/foo%2Fbar", EncodedCharacters { slash: true, ..none }),
        ("/foo%5cbar", EncodedCharacters { back_slash: true, ..none }),
        ("/foo%00bar", EncodedCharacters { null_character: true, ..none }),
        ("/foo%3Bbar", EncodedCharacters { semicolon: true, ..none }),
        ("/foo%25bar", EncodedCharacters { percent: true, ..none }),
        ("/foo%3fbar", EncodedCharacters { question_mark: true, ..none }),
        ("/foo%23bar", EncodedCharacters { hash: true, ..none }),
    ] {
        let answered = |allowed| {
            let middleware = compiled(MiddlewareKind::EncodedCharacters(allowed));
            run(&middleware, &mut get("a.test", path)).map(|answer| answer.status)
        };
        assert_eq!(answered(none), Some(StatusCode::BAD_REQUEST), "{path}");
        assert_eq!(answered(allowing), None, "{path}");
        assert_eq!(answered(EncodedCharacters::ALL), None, "{path}");
    }
    let strict = compiled(MiddlewareKind::EncodedCharacters(none));
    for (path, passes) in [
        ("/", true),
        ("/foo;bar", true),
        ("/foo%20bar%C3%A4", true),
        ("/foo?a=%2F%00%25", true),
        // Twice encoded: it is the percent sign that is.
        ("/foo%252Fbar", false),
        ("/a%20b%C3%A4/%2F", false),
        ("/%", false),
        ("/%2", false),
        ("/%zz", false),
    ] {
        assert_eq!(run(&strict, &mut get("a.test", path)).is_none(), passes, "{path}");
    }
}
