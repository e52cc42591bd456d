use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use http::{HeaderMap, Request, Response, header};
use rollgate_config::dynamic::middleware::{RateLimit as Config, SourceCriterion};

use super::*;
use crate::{compile::States, helper::Helper, metrics::Metrics, middleware::Answer, pool::Targets, troubles::Troubles};

/// What a process keeps for its middlewares.
struct Process {
    states: States,
    metrics: Arc<Metrics>,
    targets: Targets,
    helper: Helper,
    troubles: Troubles,
    began: Moment,
}

/// What became of a request.
#[derive(Debug)]
enum Met {
    Passed(Note),
    Held(Duration, Note),
    Refused(Box<Answer>),
}

impl Process {
    fn new() -> Self {
        Self {
            states: States::default(),
            metrics: Arc::new(Metrics::new(None).unwrap()),
            targets: Targets::default(),
            helper: Helper::default(),
            troubles: Troubles::default(),
            began: Moment::now(),
        }
    }

    fn making<'c>(&'c self, name: &'c str) -> Making<'c> {
        Making {
            name,
            states: &self.states,
            metrics: &self.metrics,
            targets: &self.targets,
            helper: &self.helper,
            troubles: &self.troubles,
            workers: 2,
        }
    }

    fn limit(&self, config: Config) -> RateLimit {
        RateLimit::compile(&config, &self.making("limit@file")).unwrap()
    }

    /// A request so many milliseconds after the beginning.
    fn ask(&self, limit: &RateLimit, milliseconds: u64, client: [u8; 4], key: &str) -> Met {
        let (mut parts, ()) = Request::builder().header("x-key", key).body(()).unwrap().into_parts();
        let plain = Head::plain(&mut parts, IpAddr::V4(Ipv4Addr::from(client)));
        let moment = Some(self.began + Duration::from_millis(milliseconds) + LATER);
        let mut head = Head { moment, ..plain };
        match limit.request(&mut head) {
            Ok(note) => Met::Passed(note),
            Err(Halt::Answer(answer)) => Met::Refused(answer),
            Err(Halt::Wait(wait)) => match *wait {
                Wait::Delay(delay, note) => Met::Held(delay, note),
                other => panic!("{other:?}"),
            },
        }
    }
}

/// A limiter's own time begins when it is made, which is after the process's.
const LATER: Duration = Duration::from_secs(1000);

const ONE: [u8; 4] = [192, 0, 2, 1];
const OTHER: [u8; 4] = [192, 0, 2, 2];

fn config(average: u64, burst: u64) -> Config {
    Config { average, burst, ..Config::default() }
}

#[test]
fn a_client_is_passed_held_and_refused() {
    let process = Process::new();
    let limit = process.limit(config(10, 1));
    assert!(matches!(process.ask(&limit, 0, ONE, ""), Met::Passed(Note::Nothing)));
    let Met::Refused(answer) = process.ask(&limit, 49, ONE, "") else { panic!("51 ms are too long") };
    assert_eq!((answer.status.as_u16(), &answer.headers["x-retry-in"]), (429, &"51ms".parse().unwrap()));
    assert_eq!(answer.headers[header::RETRY_AFTER], "1");
    let Met::Held(delay, Note::Nothing) = process.ask(&limit, 60, ONE, "") else { panic!("40 ms are not") };
    assert_eq!(delay, Duration::from_millis(40));
    assert!(matches!(process.ask(&limit, 60, OTHER, ""), Met::Passed(_)));
    assert!(!limit.has_response_half());
}

#[test]
fn an_average_of_none_is_no_limit() {
    let process = Process::new();
    let limit = process.limit(config(0, 1));
    assert!((0..1000).all(|_| matches!(process.ask(&limit, 0, ONE, ""), Met::Passed(_))));
}

#[test]
fn a_header_is_a_source() {
    let process = Process::new();
    let limit = process.limit(Config { source: SourceCriterion::Header("x-key".to_owned()), ..config(1, 1) });
    assert!(matches!(process.ask(&limit, 0, ONE, "a"), Met::Passed(_)));
    assert!(matches!(process.ask(&limit, 0, OTHER, "a"), Met::Refused(_)));
    assert!(matches!(process.ask(&limit, 0, ONE, "b"), Met::Passed(_)));
}

#[test]
fn the_same_middleware_compiled_again_has_the_same_buckets() {
    let process = Process::new();
    let before = process.limit(config(1, 2));
    (0..2).for_each(|_| drop(process.ask(&before, 0, ONE, "")));
    let faster = process.limit(config(10, 2));
    assert!(matches!(process.ask(&faster, 0, ONE, ""), Met::Refused(_)));
    assert!(matches!(process.ask(&faster, 100, ONE, ""), Met::Passed(_)));
    // Another meaning is another bucket.
    let by_key = process.limit(Config { source: SourceCriterion::Header("x-key".to_owned()), ..config(10, 2) });
    assert!(matches!(process.ask(&by_key, 100, ONE, "a"), Met::Passed(_)));
}

#[test]
fn each_router_has_its_own_buckets_if_it_is_to() {
    let process = Process::new();
    let making = process.making("limit@file");
    let shared = process.limit(config(1, 1));
    assert!(shared.placed(&Place::Router("a@file"), &making).is_none());
    let limit = process.limit(Config { scope: Scope::Router, ..config(1, 1) });
    let in_place = |place: Place<'_>| limit.placed(&place, &making).unwrap();
    let (one, other) = (in_place(Place::Router("a@file")), in_place(Place::Router("b@file")));
    let service = in_place(Place::Service("a@file"));
    for limit in [&one, &other, &service] {
        assert!(matches!(process.ask(limit, 0, ONE, ""), Met::Passed(_)));
        assert!(matches!(process.ask(limit, 0, ONE, ""), Met::Refused(_)));
    }
    assert!(matches!(process.ask(&in_place(Place::Router("a@file")), 0, ONE, ""), Met::Refused(_)));
}

#[test]
fn what_is_left_is_told_on_every_answer() {
    let process = Process::new();
    let limit = process.limit(Config { response_headers: true, ..config(1, 2) });
    let fields = |headers: &HeaderMap| {
        let [quota, policy] = ["ratelimit", "ratelimit-policy"].map(|name| headers[name].to_str().unwrap().to_owned());
        assert_eq!(policy, "\"limit\";q=2;w=2");
        quota
    };
    let told = |note: Note| {
        let Note::Quota(quota) = note else { panic!("{note:?}") };
        let (mut parts, ()) = Response::new(()).into_parts();
        limit.response(&quota, &mut parts);
        fields(&parts.headers)
    };
    let Met::Passed(note) = process.ask(&limit, 0, ONE, "") else { panic!("it is the first") };
    assert_eq!(told(note), "\"limit\";r=1;t=1");
    let Met::Passed(note) = process.ask(&limit, 0, ONE, "") else { panic!("it is the second") };
    assert_eq!(told(note), "\"limit\";r=0;t=1");
    let Met::Held(_, note) = process.ask(&limit, 600, ONE, "") else { panic!("400 ms are not too long") };
    assert_eq!(told(note), "\"limit\";r=0;t=2");
    let Met::Refused(answer) = process.ask(&limit, 600, ONE, "") else { panic!("it is one too many") };
    assert_eq!(fields(&answer.headers), "\"limit\";r=0;t=2");
    assert_eq!(answer.headers[header::RETRY_AFTER], "2");
    assert!(limit.has_response_half());
}

#[test]
fn what_was_decided_is_counted_by_middleware() {
    let process = Process::new();
    let limit = process.limit(Config { scope: Scope::Router, ..config(10, 1) });
    let making = process.making("limit@file");
    let mut routers: Vec<RateLimit> =
        ["a", "b"].map(|name| limit.placed(&Place::Router(name), &making).unwrap()).into();
    for limit in &routers {
        for milliseconds in [0, 10, 60] {
            process.ask(limit, milliseconds, ONE, "");
        }
    }
    let shown = || String::from_utf8(process.metrics.encode(0)).unwrap();
    let lines =
        |text: &str| text.lines().filter(|line| line.starts_with("rollgate_ratelimit")).collect::<Vec<_>>().join("\n");
    let all = "rollgate_ratelimit_sources{middleware=\"limit@file\"} 2\n\
               rollgate_ratelimit_total{decision=\"allowed\",middleware=\"limit@file\"} 2\n\
               rollgate_ratelimit_total{decision=\"delayed\",middleware=\"limit@file\"} 2\n\
               rollgate_ratelimit_total{decision=\"refused\",middleware=\"limit@file\"} 2";
    assert_eq!(lines(&shown()), all);
    // A router that is gone has been counted all the same.
    routers.pop();
    assert_eq!(
        lines(&shown()),
        all.replace(
            "} 2\nrollgate_ratelimit_total{decision=\"allowed\"",
            "} 1\nrollgate_ratelimit_total{decision=\"allowed\""
        )
    );
    drop((limit, routers));
    assert_eq!(lines(&shown()), "");
}
