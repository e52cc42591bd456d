use proptest::prelude::*;

use super::*;

/// The canonical text of a condition.
fn canonical(text: &str) -> String {
    match Condition::parse(text) {
        Ok(condition) => {
            assert_eq!(condition.text, text);
            condition.expression.to_string()
        }
        Err(error) => panic!("{text}: {error}"),
    }
}

#[test]
fn every_function_and_operator_reads() {
    for (text, expected) in [
        ("NetworkErrorRatio() > 0.5", "NetworkErrorRatio() > 0.5"),
        ("NetworkErrorRatio()>=.5", "NetworkErrorRatio() >= 0.5"),
        ("NetworkErrorRatio( ) < 1.", "NetworkErrorRatio() < 1.0"),
        ("NetworkErrorRatio() <= 5e-1", "NetworkErrorRatio() <= 0.5"),
        ("ResponseCodeRatio(500,600,0,600) == 0.25", "ResponseCodeRatio(500, 600, 0, 600) == 0.25"),
        ("ResponseCodeRatio(400, 1000, 0, 1000) != 0.0", "ResponseCodeRatio(400, 1000, 0, 1000) != 0.0"),
        ("LatencyAtQuantileMS(50.0) > 100", "LatencyAtQuantileMS(50.0) > 100"),
        ("LatencyAtQuantileMS(99.9) >= 0", "LatencyAtQuantileMS(99.9) >= 0"),
        ("RequestThreshold() >= 20", "RequestThreshold() >= 20"),
        ("\n RequestThreshold()\n\t>= 007 ", "RequestThreshold() >= 7"),
    ] {
        assert_eq!(canonical(text), expected, "{text}");
    }
}

#[test]
fn and_binds_tighter_than_or_and_not_tightest() {
    let [a, b, c] = ["NetworkErrorRatio() > 0.5", "RequestThreshold() > 1", "LatencyAtQuantileMS(50.0) > 2"];
    for (text, expected) in [
        (format!("{a}||{b}&&{c}"), format!("{a} || {b} && {c}")),
        (format!("({a}||{b})&&{c}"), format!("({a} || {b}) && {c}")),
        (format!("!({a})&&{b}"), format!("!({a}) && {b}")),
        (format!("!!(({a}))"), format!("!!({a})")),
        (format!("!({a}||{b})"), format!("!({a} || {b})")),
        (format!("(({a}))"), a.to_owned()),
        (format!("{a} && ({b} && {c})"), format!("{a} && {b} && {c}")),
        (format!("{a} || ({b} || {c})"), format!("{a} || {b} || {c}")),
    ] {
        assert_eq!(canonical(&text), expected, "{text}");
    }
    let Expression::Or(branches) = Condition::parse(&format!("{a} || {b} && {c}")).unwrap().expression else {
        panic!("a disjunction");
    };
    assert!(matches!(branches[..], [Expression::Comparison(_), Expression::And(_)]));
}

#[test]
fn an_expression_holds_as_its_comparisons_do() {
    let value = |term: &Term| match term {
        Term::NetworkErrorRatio => 0.5,
        Term::ResponseCodeRatio { counted, .. } if counted.contains(&500) => 0.25,
        Term::ResponseCodeRatio { .. } => 0.0,
        Term::LatencyAtQuantile(quantile) => quantile.floor(),
        Term::RequestThreshold => 10.0,
    };
    for (text, expected) in [
        ("NetworkErrorRatio() > 0.5", false),
        ("NetworkErrorRatio() >= 0.5", true),
        ("NetworkErrorRatio() < 0.5", false),
        ("NetworkErrorRatio() <= 0.5", true),
        ("NetworkErrorRatio() == 0.5", true),
        ("NetworkErrorRatio() != 0.5", false),
        ("NetworkErrorRatio() < 0.6", true),
        ("ResponseCodeRatio(500, 600, 0, 600) > 0.2", true),
        ("ResponseCodeRatio(400, 500, 0, 600) > 0.2", false),
        ("LatencyAtQuantileMS(50.5) == 50", true),
        ("RequestThreshold() > 10 || NetworkErrorRatio() > 0.4", true),
        ("RequestThreshold() > 10 && NetworkErrorRatio() > 0.4", false),
        ("RequestThreshold() > 10 || RequestThreshold() > 1 && RequestThreshold() < 5", false),
        ("!(RequestThreshold() > 10)", true),
        ("!!(RequestThreshold() > 10)", false),
        ("!(RequestThreshold() > 10 || NetworkErrorRatio() > 0.4)", false),
    ] {
        assert_eq!(Condition::parse(text).unwrap().expression.holds(&value), expected, "{text}");
    }
}

#[test]
fn each_mistake_is_told_with_its_place() {
    let deep = format!("{}RequestThreshold() > 1{}", "(".repeat(17), ")".repeat(17));
    let many = vec!["RequestThreshold() > 1"; 33].join(" || ");
    let conditions = [
        "",
        " ",
        "NetworkErrorRatio",
        "NetworkErrorRatio(",
        "NetworkErrorRatio()",
        "NetworkErrorRatio() >",
        "NetworkErrorRatio() > 1",
        "NetworkErrorRatio() > x",
        "NetworkErrorRatio() > -0.5",
        "NetworkErrorRatio() > 0.5 > 0.1",
        "NetworkErrorRatio() = 0.5",
        "NetworkErrorRatio() => 0.5",
        "NetworkErrorRatio() > 0.5)",
        "(NetworkErrorRatio() > 0.5",
        "NetworkErrorRatio() > 0.5 & RequestThreshold() > 1",
        "NetworkErrorRatio() > 0.5 RequestThreshold() > 1",
        "NetworkErrorRatio() > 0.5 &&",
        "|| NetworkErrorRatio() > 0.5",
        "!NetworkErrorRatio() > 0.5",
        "0.5 < NetworkErrorRatio()",
        "NetworkErrorRatio(1) > 0.5",
        "NetworkErorRatio() > 0.5",
        "networkErrorRatio() > 0.5",
        "ErrorBudget() > 0.5",
        "NetworkErrorRatio() > 0.5 || RequestTreshold() > 1",
        "ResponseCodeRatio() > 0.5",
        "ResponseCodeRatio(500, 600) > 0.5",
        "ResponseCodeRatio(600, 500, 0, 600) > 0.5",
        "ResponseCodeRatio(500, 600, 0, 0) > 0.5",
        "ResponseCodeRatio(500, 1001, 0, 600) > 0.5",
        "ResponseCodeRatio(500.0, 600, 0, 600) > 0.5",
        "ResponseCodeRatio(500, 600, 0, 600) > 1",
        "ResponseCodeRatio(500, 600, 0, 600 > 0.5",
        "ResponseCodeRatio(500 600, 0, 600) > 0.5",
        "ResponseCodeRatio(500, 600, 0,) > 0.5",
        "LatencyAtQuantileMS(50) > 100",
        "LatencyAtQuantileMS(0.0) > 100",
        "LatencyAtQuantileMS(100.1) > 100",
        "LatencyAtQuantileMS(50.0) > 100.0",
        "LatencyAtQuantileMS(`50`) > 100",
        "RequestThreshold() > 9007199254740993",
        "RequestThreshold() > 0x10",
        "NetworkErrorRatio() > 1e999",
        "NetworkErrorRatio() > 0.5\n  || RequestThreshold() > 1.5",
        &deep,
        &many,
    ];
    let told = conditions.map(|text| {
        let error = Condition::parse(text).expect_err(text);
        format!("{error}\n{}\n", error.pointer(text))
    });
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn a_long_text_is_refused_unread() {
    let long = format!("RequestThreshold() > {}", "1".repeat(4 << 10));
    assert_eq!(Condition::parse(&long).unwrap_err().allowed, "at most 4 KiB");
}

fn term() -> impl Strategy<Value = Term> {
    let statuses = (0u16..1000).prop_flat_map(|from| (Just(from), from + 1..=1000)).prop_map(|(from, to)| from..to);
    prop_oneof![
        Just(Term::NetworkErrorRatio),
        (statuses.clone(), statuses).prop_map(|(counted, among)| Term::ResponseCodeRatio { counted, among }),
        (1u32..=100_000).prop_map(|thousandths| Term::LatencyAtQuantile(f64::from(thousandths) / 1000.0)),
        Just(Term::RequestThreshold),
    ]
}

fn comparison() -> impl Strategy<Value = Expression> {
    use Operator::{AtLeast, AtMost, Equal, Greater, Less, Unequal};
    let operator = prop::sample::select(vec![Less, AtMost, Greater, AtLeast, Equal, Unequal]);
    (term(), operator, 0u64..1 << 53, 0.0..1e9).prop_map(|(term, operator, whole, decimal)| {
        let value = if term.is_whole() { whole as f64 } else { decimal };
        Expression::Comparison(Comparison { term, operator, value })
    })
}

fn expression() -> impl Strategy<Value = Expression> {
    comparison().prop_recursive(4, 16, 3, |inner| {
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
        let mut comparisons = 0;
        expression.for_each_comparison(&mut |_| comparisons += 1);
        prop_assume!(comparisons <= 32);
        let text = expression.to_string();
        let read = Condition::parse(&text).map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        prop_assert_eq!(read.expression, expression);
    }

    #[test]
    fn no_text_is_too_strange(
        text in "(NetworkErrorRatio\\(\\)|ResponseCodeRatio|LatencyAtQuantileMS|[><=!]=?|&&|\\|\\||[(),!]|[0-9.e+-]{1,4}|\\PC|\n| ){0,24}"
    ) {
        if let Err(error) = Condition::parse(&text) {
            prop_assert!(error.offset <= text.len());
            prop_assert!(error.pointer(&text).ends_with('^'));
        }
    }
}
