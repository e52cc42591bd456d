use proptest::prelude::*;

use super::*;

const ALL: EncodedCharacters = EncodedCharacters::ALL;
const NONE: EncodedCharacters = EncodedCharacters::NONE;
const SANITISED: PathRules = PathRules { sanitize: true, encoded: ALL };
const AS_SENT: PathRules = PathRules { sanitize: false, encoded: ALL };

#[test]
fn dot_segments_and_doubled_slashes_are_resolved() {
    let cases = [
        ("", "/"),
        ("*", "*"),
        ("/", "/"),
        ("//", "/"),
        ("/a", "/a"),
        ("/a/", "/a/"),
        ("//a//b//", "/a/b/"),
        ("/a/./b", "/a/b"),
        ("/a/.", "/a"),
        ("/a/./", "/a/"),
        ("/a/b/..", "/a"),
        ("/a/b/../", "/a/"),
        ("/a/..", "/"),
        ("/..", "/"),
        ("/../../etc/passwd", "/etc/passwd"),
        ("/a/../../b", "/b"),
        ("/a/%2e%2e/b", "/b"),
        ("/a/%2E./b", "/b"),
        ("/a/.%2e", "/"),
        ("/a/%2e/b", "/a/b"),
        ("/a/...", "/a/..."),
        ("/a/..b/.c", "/a/..b/.c"),
        ("/a/..;/b", "/a/..;/b"),
        ("/a%2F..%2Fb", "/a%2F..%2Fb"),
        ("/a%2f../b", "/a%2F../b"),
        ("/a%2f/../b", "/b"),
    ];
    for (raw, expected) in cases {
        assert_eq!(normalise(&SANITISED, raw).as_deref(), Ok(expected), "{raw}");
    }
}

#[test]
fn encodings_are_normalised_whether_sanitised_or_not() {
    let cases = [
        ("/%41%7a%2D%5f%7E%30", "/Az-_~0"),
        ("/foo%20bar", "/foo%20bar"),
        ("/%c3%a9", "/%C3%A9"),
        ("/\u{e9}", "/%C3%A9"),
        ("/{a}|\"<>^`\\", "/%7Ba%7D%7C%22%3C%3E%5E%60%5C"),
        ("/%2541", "/%2541"),
        ("/%3b%3F%23", "/%3B%3F%23"),
        ("/a:@!$&'()*+,;=[]", "/a:@!$&'()*+,;=[]"),
        ("/%ff", "/%FF"),
    ];
    for (raw, expected) in cases {
        assert_eq!(normalise(&SANITISED, raw).as_deref(), Ok(expected), "{raw}");
        assert_eq!(normalise(&AS_SENT, raw).as_deref(), Ok(expected), "{raw}");
    }
}

#[test]
fn without_sanitising_segments_stay() {
    for path in ["/a/../b", "//a//b/.", "/a/..", "/./"] {
        assert!(matches!(normalise(&AS_SENT, path), Ok(Cow::Borrowed(found)) if found == path), "{path}");
    }
    assert_eq!(normalise(&AS_SENT, "/a/%2e%2e/b").as_deref(), Ok("/a/../b"));
}

#[test]
fn a_path_in_normal_form_is_borrowed() {
    for path in ["/", "/api/v1/users", "/a/.well-known/x..y/...", "/foo%20bar/%C3%A9", "/a%2Fb", "*"] {
        assert!(matches!(normalise(&SANITISED, path), Ok(Cow::Borrowed(found)) if found == path), "{path}");
    }
}

#[test]
fn bad_paths_are_refused() {
    let cases = [
        ("a", PathRefusal::NotAbsolute),
        ("**", PathRefusal::NotAbsolute),
        ("/%", PathRefusal::BadEncoding),
        ("/%4", PathRefusal::BadEncoding),
        ("/%4g", PathRefusal::BadEncoding),
        ("/%+1", PathRefusal::BadEncoding),
        ("/%%34%31", PathRefusal::BadEncoding),
        ("/%\u{e9}", PathRefusal::BadEncoding),
        ("/a b", PathRefusal::BadCharacter(' ')),
        ("/a#b", PathRefusal::BadCharacter('#')),
        ("/a?b", PathRefusal::BadCharacter('?')),
        ("/a\r\n", PathRefusal::BadCharacter('\r')),
        ("/\u{7f}", PathRefusal::BadCharacter('\u{7f}')),
    ];
    for (raw, refusal) in cases {
        assert_eq!(normalise(&SANITISED, raw), Err(refusal), "{raw:?}");
        assert_eq!(normalise(&AS_SENT, raw), Err(refusal), "{raw:?}");
    }
}

#[test]
fn encoded_characters_that_are_not_allowed_are_refused_by_name() {
    let cases = [
        ("/a%2Fb", "the path has an encoded slash (%2F)"),
        ("/a%2fb", "the path has an encoded slash (%2F)"),
        ("/a%5Cb", "the path has an encoded back slash (%5C)"),
        ("/a\\b", "the path has an encoded back slash (%5C)"),
        ("/a%00", "the path has an encoded null character (%00)"),
        ("/a%3b", "the path has an encoded semicolon (%3B)"),
        ("/a%25", "the path has an encoded percent (%25)"),
        ("/a%3F", "the path has an encoded question mark (%3F)"),
        ("/a%23", "the path has an encoded hash (%23)"),
    ];
    for (raw, message) in cases {
        let refusal = normalise(&PathRules { sanitize: true, encoded: NONE }, raw).unwrap_err();
        assert_eq!(refusal.to_string(), message, "{raw}");
        assert!(normalise(&SANITISED, raw).is_ok(), "{raw}");
    }
    let rules = PathRules { sanitize: true, encoded: NONE };
    assert_eq!(normalise(&rules, "/a%20b;c/%41").as_deref(), Ok("/a%20b;c/A"));
}

#[test]
fn rules_see_decoded_characters_that_are_not_reserved() {
    let cases = [
        ("/foo%20bar", "/foo bar"),
        ("/%7Bpath:css%7D/", "/{path:css}/"),
        ("/caf%C3%A9/x", "/caf\u{e9}/x"),
        ("/a%2Fb%20c", "/a%2Fb c"),
        ("/%C3", "/%C3"),
        ("/%C3%A9%FF%20%41", "/\u{e9}%FF A"),
        ("/%5C", "/\\"),
        ("/%2541%20", "/%2541 "),
        ("/%20%", "/ %"),
    ];
    for (path, expected) in cases {
        assert_eq!(routing_path(path), expected, "{path}");
    }
}

#[test]
fn a_path_without_decodable_characters_is_its_own_routing_path() {
    for path in ["/", "/api/v1", "/a%2Fb%25%3A%40", "*", "/%"] {
        assert!(matches!(routing_path(path), Cow::Borrowed(found) if found == path), "{path}");
    }
}

#[test]
fn clean_paths_are_known() {
    for path in ["/", "", "/a", "/a/", "/a/...", "/.a/b..", "/%2e%2e%2e", "/%41"] {
        assert!(is_clean(path), "{path}");
    }
    for path in ["//", "//a", "/a//b", "/.", "/..", "/../a", "/a/./b", "/a/..", "/%2e", "/a/.%2E/b", "/a//"] {
        assert!(!is_clean(path), "{path}");
    }
}

fn paths() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        prop_oneof![
            Just("/".to_owned()),
            Just(".".to_owned()),
            Just("..".to_owned()),
            Just("%2e".to_owned()),
            Just("%2F".to_owned()),
            Just("%25".to_owned()),
            Just("%4".to_owned()),
            Just("1".to_owned()),
            Just("{".to_owned()),
            "[a-c%/.]{0,3}",
            "\\PC",
        ],
        0..12,
    )
    .prop_map(|parts| format!("/{}", parts.concat()))
}

proptest! {
    #[test]
    fn normalising_twice_is_normalising_once(raw in paths(), sanitize in any::<bool>()) {
        let rules = PathRules { sanitize, encoded: ALL };
        if let Ok(once) = normalise(&rules, &raw) {
            let twice = normalise(&rules, &once);
            prop_assert!(matches!(&twice, Ok(Cow::Borrowed(same)) if *same == once), "{} {:?}", once, twice);
            prop_assert!(once.starts_with('/') && once.is_ascii());
            prop_assert!(!sanitize || is_clean(&once), "{}", once);
            prop_assert!(http::Uri::try_from(&*once).is_ok());
        }
    }

    #[test]
    fn a_later_look_finds_what_the_first_one_would_have_found(
        raw in paths(),
        [slash, back_slash, null_character, semicolon, percent, question_mark, hash] in any::<[bool; 7]>(),
    ) {
        let encoded = EncodedCharacters { slash, back_slash, null_character, semicolon, percent, question_mark, hash };
        let all = PathRules { sanitize: false, encoded: EncodedCharacters::ALL };
        if let Ok(path) = normalise(&all, &raw) {
            let first = normalise(&PathRules { sanitize: false, encoded }, &raw).map(|_| ());
            prop_assert_eq!(check_encoded(&encoded, &path), first);
        }
    }

    #[test]
    fn routing_paths_of_any_text_do_not_panic(raw in "\\PC{0,24}|[%0-9A-F/]{0,24}") {
        let _ = routing_path(&raw);
    }
}
