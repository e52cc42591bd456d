//! The queries that Flagger sends, answered by two scrapes as Prometheus would answer them: these two shapes and no others.

use regex::Regex;
use rollgate_testkit::metrics::Metrics;

/// What Flagger asks for Traefik (fluxcd/flagger, pkg/metrics/observers/traefik.go).
pub const SUCCESS_RATE: &str = r#"
	sum(
		rate(
			traefik_service_request_duration_seconds_bucket{
				service=~"{{ namespace }}-{{ target }}-canary-[0-9a-zA-Z-]+@kubernetescrd",
				code!~"5..",
				le="+Inf"
			}[{{ interval }}]
		)
	)
	/
	sum(
		rate(
			traefik_service_request_duration_seconds_bucket{
				service=~"{{ namespace }}-{{ target }}-canary-[0-9a-zA-Z-]+@kubernetescrd",
				le="+Inf"
			}[{{ interval }}]
		)
	) * 100"#;

/// Likewise.
pub const DURATION: &str = r#"
	histogram_quantile(
		0.99,
		sum(
			rate(
				traefik_service_request_duration_seconds_bucket{
					service=~"{{ namespace }}-{{ target }}-canary-[0-9a-zA-Z-]+@kubernetescrd"
				}[{{ interval }}]
			)
		) by (le)
	) * 1000"#;

/// `name{label op "value", ...}`.
struct Selector {
    name: String,
    matchers: Vec<Matcher>,
}

/// Label, operator, value.
type Matcher = (String, String, String);

/// Two scrapes, of which the later one is some time after the other.
pub struct Scrapes<'m> {
    pub before: &'m Metrics,
    pub after: &'m Metrics,
}

/// The template with these variables.
pub fn rendered(template: &str, variables: &[(&str, &str)]) -> String {
    let render = |text: String, (name, value): &(&str, &str)| text.replace(&format!("{{{{ {name} }}}}"), value);
    let query = variables.iter().fold(template.to_owned(), render);
    assert!(!query.contains("{{"), "{query}");
    query
}

impl Scrapes<'_> {
    /// What a query says; `None`: no values.
    pub fn answer(&self, query: &str) -> Option<f64> {
        let (shape, selectors) = taken_apart(query);
        match (&*shape, &selectors[..]) {
            ("sum(rate(S[1m]))/sum(rate(S[1m]))*100", [some, all]) => {
                let all = self.rise(all, None)?;
                Some(self.rise(some, None).unwrap_or_default() / all * 100.0)
            }
            ("histogram_quantile(0.99,sum(rate(S[1m]))by(le))*1000", [all]) => Some(self.quantile(0.99, all)? * 1000.0),
            _ => panic!("another query: {shape}"),
        }
    }

    /// By how much a counter has risen.
    fn rise(&self, selector: &Selector, le: Option<&str>) -> Option<f64> {
        let sum = |metrics: &Metrics| {
            let found = metrics.select(&selector.name, |labels| {
                let is = |name: &str| labels.get(name).map_or("", String::as_str);
                let fits = |(label, operator, value): &Matcher| holds(operator, value, is(label));
                le.is_none_or(|le| is("le") == le) && selector.matchers.iter().all(fits)
            });
            (!found.is_empty()).then(|| found.iter().sum::<f64>())
        };
        Some(sum(self.after)? - sum(self.before).unwrap_or_default()).filter(|rise| *rise > 0.0)
    }

    /// As Prometheus: on a straight line within its bucket.
    fn quantile(&self, quantile: f64, selector: &Selector) -> Option<f64> {
        let mut bounds = self.after.values(&selector.name, "le");
        bounds.sort_by(|one, other| number(one).total_cmp(&number(other)));
        bounds.dedup();
        assert_eq!(bounds.last().map(String::as_str), Some("+Inf"), "{bounds:?}");
        let counts: Vec<f64> = bounds.iter().map(|le| self.rise(selector, Some(le)).unwrap_or_default()).collect();
        let rank = counts.last().filter(|count| **count > 0.0)? * quantile;
        let place = counts.iter().position(|count| *count >= rank)?;
        let below = |from: &dyn Fn(usize) -> f64| place.checked_sub(1).map_or(0.0, from);
        let (start, under) = (below(&|place| number(&bounds[place])), below(&|place| counts[place]));
        let end = number(&bounds[place]);
        if end.is_infinite() {
            return Some(start);
        }
        Some(start + (end - start) * (rank - under) / (counts[place] - under))
    }
}

fn number(le: &str) -> f64 {
    if le == "+Inf" { f64::INFINITY } else { le.parse().expect("a bound is a number") }
}

/// Its selectors, and what is left with `S` in their places.
fn taken_apart(query: &str) -> (String, Vec<Selector>) {
    let of_selector = Regex::new(r"([a-z_]+)\{([^}]*)\}").expect("it is one");
    let of_matcher = Regex::new(r#"([a-z_]+)(=~|!~|!=|=)"([^"]*)""#).expect("it is one");
    let selectors = of_selector.captures_iter(query).map(|found| {
        let matchers = of_matcher.captures_iter(&found[2]);
        let matchers = matchers.map(|found| (found[1].to_owned(), found[2].to_owned(), found[3].to_owned()));
        Selector { name: found[1].to_owned(), matchers: matchers.collect() }
    });
    let shape = of_selector.replace_all(query, "S");
    (shape.split_whitespace().collect(), selectors.collect())
}

fn holds(operator: &str, value: &str, is: &str) -> bool {
    let fits = || Regex::new(&format!("^(?:{value})$")).expect("it is one").is_match(is);
    match operator {
        "=" => is == value,
        "!=" => is != value,
        "=~" => fits(),
        _ => !fits(),
    }
}
