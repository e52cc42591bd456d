//! What oxy, the library that is Traefik's circuit breaker, says of itself in its documentation and its tests, as a table. The
//! rows are those of `docs/circuit-breakers.md`.

use super::{
    tests::{Lab, TRAEFIK},
    *,
};

/// One thing that oxy says.
struct Row {
    /// As the documentation has it.
    says: &'static str,
    expression: &'static str,
    settings: Settings,
    steps: &'static [Step],
}

/// What happens, and what must come of it.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// So many milliseconds pass.
    After(u64),
    /// So many answers of a status, after none of which the condition is evaluated.
    Had(u16, usize),
    /// A request is let through and answered with a status.
    Passes(u16),
    /// The same, and the answer takes so many milliseconds.
    Takes(u64, u16),
    /// A request is not let through.
    Denied,
    /// So many of a hundred requests are let through and answered with a status.
    OfHundred(usize, u16),
    Is(Phase),
}

use Phase::{Recovering, Standby, Tripped};
use Step::{After, Denied as Refused, Had, Is, OfHundred, Passes, Takes};

const ERRORS: &str = "NetworkErrorRatio() > 0.5";

/// Short enough for the counts of before to be within their ten seconds still.
const BRIEF: Settings = Settings { fallback: Duration::from_secs(1), recovery: Duration::from_secs(1), ..TRAEFIK };

const fn row(says: &'static str, expression: &'static str, steps: &'static [Step]) -> Row {
    Row { says, expression, settings: TRAEFIK, steps }
}

const TABLE: &[Row] = &[
    row(
        "starts in standby: everything is let through, answers are observed",
        ERRORS,
        &[Is(Standby), Passes(200), Had(502, 1), Had(200, 50), After(101), Passes(502), Is(Standby)],
    ),
    row(
        "the condition is evaluated when an answer has ended, not more often than every `checkPeriod`",
        ERRORS,
        &[
            Passes(200),
            After(99),
            Passes(502),
            Passes(502),
            Is(Standby),
            After(1),
            Is(Standby),
            Passes(502),
            Is(Tripped),
        ],
    ),
    row(
        "once it holds, the breaker is tripped: no request is let through for `fallbackDuration`",
        ERRORS,
        &[
            Passes(200),
            Had(504, 60),
            Had(200, 38),
            After(101),
            Passes(200),
            Is(Tripped),
            After(9_999),
            Refused,
            Is(Tripped),
        ],
    ),
    Row {
        settings: BRIEF,
        ..row(
            "a trip resets what was counted",
            ERRORS,
            &[Passes(200), Had(504, 60), After(101), Passes(200), Is(Tripped), After(2_000), Passes(200), Is(Standby)],
        )
    },
    row(
        "after that it recovers, and the first request is not let through",
        ERRORS,
        &[Passes(504), After(10_001), Refused, Is(Recovering)],
    ),
    row(
        "while it recovers the share let through is at most half of elapsed / `recoveryDuration`",
        ERRORS,
        // Of 100, 200, 300 and 400 requests in all: an eighth, a quarter, three eighths, a half, and each time less than that.
        &[
            Passes(504),
            After(10_000),
            After(2_500),
            OfHundred(12, 200),
            After(2_500),
            OfHundred(37, 200),
            After(2_500),
            OfHundred(63, 200),
            After(2_499),
            OfHundred(87, 200),
            Is(Recovering),
        ],
    ),
    row(
        "the condition holds while it recovers: it is tripped again for a whole `fallbackDuration`",
        ERRORS,
        &[
            Passes(504),
            After(10_001),
            Refused,
            After(5_000),
            OfHundred(1, 504),
            Is(Tripped),
            After(9_999),
            Refused,
            Is(Tripped),
            After(1),
            Is(Recovering),
        ],
    ),
    row(
        "the condition does not hold until `recoveryDuration` is over: it is in standby and lets everything through",
        ERRORS,
        &[Passes(504), After(10_001), Refused, After(10_000), Is(Standby), OfHundred(100, 200)],
    ),
    row(
        "`NetworkErrorRatio()`: answers of 502 and 504 by all answers",
        ERRORS,
        &[
            Passes(200),
            Had(502, 25),
            Had(504, 25),
            Had(500, 24),
            Had(503, 24),
            After(101),
            Passes(499),
            Is(Standby),
            After(101),
            Had(504, 2),
            Passes(504),
            Is(Tripped),
        ],
    ),
    row(
        "`ResponseCodeRatio(a, b, c, d)`: answers from `a` to below `b` by those from `c` to below `d`",
        "ResponseCodeRatio(500, 600, 200, 300) >= 2.0",
        &[
            Passes(200),
            Had(200, 1),
            Had(500, 2),
            Had(600, 9),
            Had(404, 9),
            After(101),
            Passes(599),
            Is(Standby),
            After(101),
            Passes(599),
            Is(Tripped),
        ],
    ),
    row(
        "`ResponseCodeRatio` is 0 without any answer to divide by",
        "ResponseCodeRatio(500, 600, 700, 800) > 0.0",
        &[Passes(500), Had(500, 99), After(101), Passes(500), Is(Standby)],
    ),
    row(
        "`LatencyAtQuantileMS(50.0)`: whole milliseconds that half of the answers did not exceed",
        "LatencyAtQuantileMS(50.0) > 50",
        &[
            Takes(50, 200),
            Is(Standby),
            After(101),
            Takes(60, 200),
            Is(Standby),
            After(101),
            Takes(60, 200),
            Is(Tripped),
        ],
    ),
    row(
        "`RequestThreshold()`: how many answers there were",
        "NetworkErrorRatio() > 0.5 && RequestThreshold() >= 20",
        &[Passes(504), Had(504, 17), After(101), Passes(504), Is(Standby), After(101), Passes(504), Is(Tripped)],
    ),
    row(
        "and binds tighter than or",
        "RequestThreshold() >= 2 || RequestThreshold() >= 1 && NetworkErrorRatio() > 0.5",
        &[Passes(200), Is(Standby), After(101), Passes(200), Is(Tripped)],
    ),
    row("the first answer ever may trip it", ERRORS, &[Passes(502), Is(Tripped)]),
];

#[test]
fn it_does_what_oxy_says() {
    for Row { says, expression, settings, steps } in TABLE {
        let mut lab = Lab::new(expression, *settings);
        for (place, step) in steps.iter().enumerate() {
            let context = format!("{says}: step {place}, {step:?}");
            match *step {
                After(milliseconds) => lab.advance(milliseconds),
                Had(status, count) => lab.record(&[(status, count)]),
                Passes(status) => assert!(lab.answer(status), "{context}"),
                Takes(milliseconds, status) => {
                    let ticket = lab.begin(0).unwrap_or_else(|_| panic!("{context}"));
                    lab.advance(milliseconds);
                    lab.end(ticket, status);
                }
                Refused => assert!(!lab.answer(200), "{context}"),
                OfHundred(count, status) => assert_eq!(lab.allowed(status), count, "{context}"),
                Is(phase) => assert_eq!(lab.phase(), phase, "{context}"),
            }
        }
    }
}

#[test]
fn the_documentation_has_the_same_rows() {
    let documented = include_str!("../../../docs/circuit-breakers.md");
    let (_, table) = documented.split_once("\n| oxy says | here |\n|---|---|\n").expect("there is a table");
    let rows = table.lines().map_while(|line| line.strip_prefix("| ")?.split_once(" | "));
    let rows: Vec<&str> = rows.map(|(says, _)| says).collect();
    let tested: Vec<&str> = TABLE.iter().map(|row| row.says).collect();
    assert_eq!(rows, tested);
}
