use proptest::prelude::*;

use super::*;

/// The canonical text of a rule.
fn canonical(text: &str) -> String {
    match Rule::parse(text) {
        Ok(rule) => {
            assert_eq!(rule.text, text);
            rule.expression.to_string()
        }
        Err(error) => panic!("{text}: {error}"),
    }
}

#[test]
fn every_matcher_reads() {
    for (text, expected) in [
        ("Host(`Pro.Coding.`)", "Host(`pro.coding`)"),
        ("Host(`*`)", "Host(`*`)"),
        ("Host(`*.Coding`)", "Host(`*.coding`)"),
        (r"HostRegexp(`^.+\.coding$`)", r"HostRegexp(`^.+\.coding$`)"),
        ("Path(`/a b%20`)", "Path(`/a b%20`)"),
        ("PathPrefix(`/`)", "PathPrefix(`/`)"),
        (r"PathRegexp(`\.(jpe?g|png)$`)", r"PathRegexp(`\.(jpe?g|png)$`)"),
        ("Method(`get`)", "Method(`GET`)"),
        ("Header(`X-Version`, `Canary`)", "Header(`x-version`, `Canary`)"),
        ("HeaderRegexp(`Cookie`,`(^|; )ab=1`)", "HeaderRegexp(`cookie`, `(^|; )ab=1`)"),
        ("Query(`k`, `v`)", "Query(`k`, `v`)"),
        ("Query(`k`)", "Query(`k`)"),
        ("Query(`k`, ``)", "Query(`k`)"),
        ("QueryRegexp(`k`, `^a+$`)", "QueryRegexp(`k`, `^a+$`)"),
        ("QueryRegexp(`k`)", "QueryRegexp(`k`, `^$`)"),
        ("ClientIP(`10.1.2.3/8`)", "ClientIP(`10.0.0.0/8`)"),
        ("ClientIP(`10.1.2.3`)", "ClientIP(`10.1.2.3/32`)"),
        ("ClientIP(`::1`)", "ClientIP(`::1/128`)"),
    ] {
        assert_eq!(canonical(text), expected, "{text}");
    }
}

#[test]
fn names_are_written_in_four_ways() {
    for name in ["PathPrefix", "pathprefix", "PATHPREFIX", "Pathprefix"] {
        assert_eq!(canonical(&format!("{name}(`/`)")), "PathPrefix(`/`)");
    }
    for name in ["clientip", "CLIENTIP", "Clientip", "ClientIP"] {
        assert_eq!(canonical(&format!("{name}(`::1`)")), "ClientIP(`::1/128`)");
    }
    assert_eq!(Rule::parse("pathPrefix(`/`)").unwrap_err().allowed, "did you mean PathPrefix?");
}

#[test]
fn and_binds_tighter_than_or_and_not_tightest() {
    for (text, expected) in [
        ("Host(`a`)||Host(`b`)&&Path(`/`)", "Host(`a`) || Host(`b`) && Path(`/`)"),
        ("(Host(`a`)||Host(`b`))&&Path(`/`)", "(Host(`a`) || Host(`b`)) && Path(`/`)"),
        ("!Host(`a`)&&Path(`/`)", "!Host(`a`) && Path(`/`)"),
        ("!(Host(`a`)&&Path(`/`))", "!(Host(`a`) && Path(`/`))"),
        ("! ! Host(`a`)", "!!Host(`a`)"),
        ("((Host(`a`)))", "Host(`a`)"),
        ("Host(`a`) && (Path(`/`) && Method(`GET`))", "Host(`a`) && Path(`/`) && Method(`GET`)"),
        ("Host(`a`) || (Host(`b`) || Host(`c`))", "Host(`a`) || Host(`b`) || Host(`c`)"),
        ("\n Host(`a`)\n  || Host(`b`)\t", "Host(`a`) || Host(`b`)"),
    ] {
        assert_eq!(canonical(text), expected, "{text}");
    }
    let Expression::Or(branches) = Rule::parse("Host(`a`) || Host(`b`) && Path(`/`)").unwrap().expression else {
        panic!("a disjunction");
    };
    assert!(matches!(branches[..], [Expression::Matcher(_), Expression::And(_)]));
}

#[test]
fn strings_are_gos() {
    for (text, value) in [
        (r#""a""#, "a"),
        (r#""\"\\\t\x41\101\u00e9\U0001f600""#, "\"\\\tAAé😀"),
        (r#""\xc3\xa9""#, "é"),
        (r"`\n`", r"\n"),
        ("`a\r\nb`", "a\nb"),
        ("\"`\"", "`"),
    ] {
        let rule = Rule::parse(&format!("Header(`K`, {text})")).unwrap();
        let Expression::Matcher(Matcher::Header { value: read, .. }) = rule.expression else { panic!("a header") };
        assert_eq!(read, value, "{text}");
    }
}

#[test]
fn each_mistake_is_told_with_its_place() {
    let deep = format!("{}Host(`a`){}", "(".repeat(65), ")".repeat(65));
    let rules = [
        "",
        " ",
        "Host",
        "Host(",
        "Host()",
        "Host(`a`",
        "Host(`a`))",
        "(Host(`a`)",
        "Host(`a` `b`)",
        "Host(`a`,)",
        "Host(a)",
        "Host('a')",
        "Host(`a",
        "Host(\"a",
        "Host(\"\\q\")",
        "Host(\"\\xff\")",
        "Host(`a`, `b`)",
        "Host(`a`) & Path(`/`)",
        "Host(`a`) Path(`/`)",
        "Host(`a`) &&",
        "|| Host(`a`)",
        "Host(`a`) && Hots(`x`)",
        "Elephant(`x`)",
        "Headers(`a`, `b`)",
        "HostHeader(`a`)",
        "Host(`bücher.example`)",
        "Host(``)",
        "Path(`x`)",
        "PathPrefix(``)",
        "Method(`A B`)",
        "Header(`K`)",
        "Header(`a b`, `c`)",
        "Header(`K`, `a`, `b`)",
        "Query()",
        "HeaderRegexp(`K`, `(`)",
        "HostRegexp(`{sub:[a-z]+}.example`)",
        r"PathRegexp(`(a{1,1000}){1,1000}`)",
        "ClientIP(`10.0.0.0/33`)",
        "ClientIP(`example.com`)",
        "Host(`a`) == Host(`b`)",
        "Host(`a`)\n  && Pth(`/`)",
        &deep,
    ];
    let told = rules.map(|text| {
        let error = Rule::parse(text).expect_err(text);
        format!("{error}\n{}\n", error.pointer(text))
    });
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn the_bounds_hold() {
    let long = format!("Path(`/{}`)", "a".repeat(64 << 10));
    assert_eq!(Rule::parse(&long).unwrap_err().allowed, "at most 64 KiB");
    let wide = vec!["Host(`a`)"; 5_000].join("||");
    assert!(matches!(Rule::parse(&wide).unwrap().expression, Expression::Or(branches) if branches.len() == 5_000));
    let negations = format!("{}Host(`a`)", "!".repeat(65));
    assert_eq!(Rule::parse(&negations).unwrap_err().allowed, "at most 64 levels");
}

fn matcher() -> impl Strategy<Value = Expression> {
    let text = "[ -~é\n]{0,8}";
    prop_oneof![
        "[a-z*]{1,3}([.][a-z*]{1,3}){0,2}".prop_map(Matcher::Host),
        text.prop_map(|path| Matcher::Path(format!("/{path}"))),
        text.prop_map(|path| Matcher::PathPrefix(format!("/{path}"))),
        "[a-z]{1,5}".prop_map(|regex| Matcher::HostRegexp(Regex::new(&regex).unwrap())),
        "[A-Z]{1,5}".prop_map(Matcher::Method),
        ("[a-z-]{1,5}", text).prop_map(|(name, value)| Matcher::Header { name, value }),
        (text, text).prop_map(|(key, value)| Matcher::Query { key, value }),
    ]
    .prop_map(Expression::Matcher)
}

fn expression() -> impl Strategy<Value = Expression> {
    matcher().prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expression::all),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expression::any),
            inner.prop_map(|inner| Expression::Not(Box::new(inner))),
        ]
    })
}

proptest! {
    #[test]
    fn the_canonical_text_reads_back_as_the_same_tree(expression in expression()) {
        let text = expression.to_string();
        let read = Rule::parse(&text).map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        prop_assert_eq!(read.expression.to_string(), text);
        prop_assert_eq!(format!("{:?}", read.expression), format!("{expression:?}"));
    }

    #[test]
    fn no_text_is_too_strange(text in "(Host|Path|Header|!|&&|\\|\\||\\(|\\)|,|`[^`]{0,4}`|\"[^\"]{0,4}\"|\\PC|\n| ){0,24}") {
        if let Err(error) = Rule::parse(&text) {
            prop_assert!(error.offset <= text.len());
            prop_assert!(error.pointer(&text).ends_with('^'));
        }
    }
}
