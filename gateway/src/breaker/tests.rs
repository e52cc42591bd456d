use rollgate_config::condition::Condition;

use super::*;

const TEN_SECONDS: Duration = Duration::from_secs(10);

/// Traefik's defaults, and no least number of requests, which Traefik has not.
pub(super) const TRAEFIK: Settings = Settings {
    check_period: Duration::from_millis(100),
    fallback: TEN_SECONDS,
    recovery: TEN_SECONDS,
    min_requests: 0,
};

/// A breaker of two workers, in a time of its own: a thousand seconds after the start, so that seconds begin where
/// milliseconds do.
pub(super) struct Lab {
    pub(super) breaker: Arc<Breaker>,
    troubles: Troubles,
    milliseconds: u64,
}

impl Lab {
    pub(super) fn new(expression: &str, settings: Settings) -> Self {
        let troubles = Troubles::default();
        let around = Around { troubles: troubles.clone(), ..Around::default() };
        let name = Name { middleware: "cb@file".into(), place: BreakerPlace::Router("pro@file".into()) };
        let plan = Plan::new(&Condition::parse(expression).unwrap().expression);
        let breaker = Breaker::new(name, Arc::new(plan), settings, 2, around);
        Self { breaker: Arc::new(breaker), troubles, milliseconds: 0 }
    }

    pub(super) fn now(&self) -> Instant {
        clock::at(Duration::from_millis(1_000_000 + self.milliseconds))
    }

    pub(super) fn advance(&mut self, milliseconds: u64) {
        self.milliseconds += milliseconds;
    }

    /// A request that is let through, on one of the workers.
    pub(super) fn begin(&self, worker: usize) -> Result<Ticket, Denied> {
        let epoch = self.breaker.ask(self.now())?;
        Ok(self.breaker.ticket(worker, epoch, || self.now()))
    }

    /// A request with its answer; whether it was let through.
    pub(super) fn answer(&self, status: u16) -> bool {
        let Ok(ticket) = self.begin(0) else { return false };
        self.end(ticket, status);
        true
    }

    pub(super) fn end(&self, mut ticket: Ticket, status: u16) {
        ticket.learns(status);
        ticket.finish(self.now());
    }

    /// So many answers of each status, without a check in between.
    pub(super) fn record(&self, answers: &[(u16, usize)]) {
        let due = self.breaker.shared.due.swap(u64::MAX, Relaxed);
        for (status, count) in answers {
            (0..*count).for_each(|_| assert!(self.answer(*status)));
        }
        self.breaker.shared.due.store(due, Relaxed);
    }

    fn status(&self) -> BreakerStatus {
        self.breaker.shared.status(self.now())
    }

    pub(super) fn phase(&self) -> Phase {
        self.status().phase
    }

    /// Requests let through, of a hundred.
    pub(super) fn allowed(&self, status: u16) -> usize {
        (0..100).filter(|_| self.answer(status)).count()
    }
}

#[test]
fn without_enough_requests_it_does_not_trip() {
    let mut lab = Lab::new("NetworkErrorRatio() > 0.0", Settings { min_requests: 10, ..TRAEFIK });
    for _ in 0..9 {
        assert!(lab.answer(502));
        lab.advance(101);
    }
    assert_eq!(lab.phase(), Phase::Standby);
    assert!(lab.answer(200), "the tenth");
    assert_eq!(lab.phase(), Phase::Tripped);
    let lab = Lab::new("NetworkErrorRatio() > 0.0", TRAEFIK);
    assert!(lab.answer(502));
    assert_eq!(lab.phase(), Phase::Tripped, "with none, the first request ever trips it, as in Traefik");
}

#[test]
fn requests_of_long_ago_are_not_enough() {
    let mut lab = Lab::new("NetworkErrorRatio() > 0.0", Settings { min_requests: 10, ..TRAEFIK });
    for _ in 0..100 {
        lab.advance(1_112);
        assert!(lab.answer(502));
    }
    assert_eq!(lab.phase(), Phase::Standby, "nine in ten seconds");
}

#[test]
fn it_is_evaluated_at_an_answers_end_and_not_more_often_than_the_period_says() {
    let mut lab = Lab::new("NetworkErrorRatio() > 0.5", TRAEFIK);
    assert!(lab.answer(200));
    for _ in 0..50 {
        assert!(lab.answer(502));
    }
    lab.advance(99);
    assert!(lab.answer(502));
    assert_eq!(lab.phase(), Phase::Standby);
    lab.advance(1);
    assert_eq!(lab.phase(), Phase::Standby, "time alone does not evaluate");
    assert!(lab.answer(502));
    assert_eq!(lab.phase(), Phase::Tripped);
}

#[test]
fn an_answer_whose_request_began_before_the_trip_does_not_count() {
    let mut lab = Lab::new("NetworkErrorRatio() > 0.5", TRAEFIK);
    let slow: Vec<Ticket> = (0..40).map(|_| lab.begin(1).unwrap()).collect();
    assert!(lab.answer(502));
    assert_eq!(lab.phase(), Phase::Tripped);
    let mut slow = slow.into_iter();
    for (after, phase) in [(1_000, Phase::Tripped), (9_500, Phase::Recovering), (10_000, Phase::Standby)] {
        lab.advance(after);
        slow.by_ref().take(10).for_each(|ticket| lab.end(ticket, 502));
        assert_eq!(lab.phase(), phase, "{after} ms later");
    }
    assert!(lab.answer(200));
    assert_eq!(lab.phase(), Phase::Standby, "nor does it count with one that does");
    let seats = [lab.breaker.seat(0).clone(), lab.breaker.seat(1).clone()];
    let measured = lab.breaker.shared.measure(&seats, Epoch(1), clock::elapsed(lab.now()));
    assert_eq!(measured.answers, 1);
}

#[test]
fn what_was_let_through_while_it_recovered_counts_in_standby() {
    let mut lab = Lab::new("NetworkErrorRatio() > 0.5", Settings { min_requests: 3, ..TRAEFIK });
    lab.record(&[(502, 2)]);
    assert!(lab.answer(502));
    lab.advance(19_900);
    assert_eq!(lab.phase(), Phase::Recovering);
    let early = (0..20).find_map(|_| lab.begin(0).ok()).expect("one of twenty is let through by now");
    lab.advance(200);
    assert_eq!(lab.phase(), Phase::Standby);
    lab.end(early, 502);
    assert!(lab.answer(502) && lab.phase() == Phase::Standby);
    lab.advance(100);
    assert!(lab.answer(502));
    assert_eq!(lab.phase(), Phase::Tripped, "the third");
}

#[test]
fn a_client_that_goes_away_is_no_error_of_the_backend() {
    let lab = Lab::new("NetworkErrorRatio() > 0.0 || ResponseCodeRatio(500, 600, 0, 600) > 0.0", TRAEFIK);
    drop(lab.begin(0).unwrap());
    assert_eq!(lab.phase(), Phase::Standby);
    let lab = Lab::new("ResponseCodeRatio(499, 500, 0, 600) >= 1.0", TRAEFIK);
    lab.begin(0).unwrap().finish(lab.now());
    assert_eq!(lab.phase(), Phase::Tripped, "it counts as 499");
}

#[test]
fn latencies_count_for_a_minute_and_answers_for_ten_seconds() {
    let mut lab = Lab::new("LatencyAtQuantileMS(50.0) >= 200", Settings { min_requests: 2, ..TRAEFIK });
    let slow: Vec<Ticket> = (0..3).map(|_| lab.begin(0).unwrap()).collect();
    lab.advance(200);
    // Only the first of them is evaluated: one is not enough.
    slow.into_iter().for_each(|ticket| lab.end(ticket, 200));
    assert_eq!(lab.phase(), Phase::Standby);
    lab.advance(40_000);
    assert!(lab.answer(200));
    assert_eq!(lab.phase(), Phase::Standby, "one in ten seconds is too few");
    lab.advance(100);
    assert!(lab.answer(200));
    assert_eq!(lab.phase(), Phase::Tripped, "two are enough, and the slow ones are remembered");
}

#[test]
fn other_settings_hold_for_the_state_that_is_there() {
    let mut lab = Lab::new("NetworkErrorRatio() > 0.5", Settings { check_period: TEN_SECONDS * 6, ..TRAEFIK });
    assert!(lab.answer(200));
    lab.breaker.configure(TRAEFIK, lab.now());
    lab.advance(100);
    assert!(lab.answer(502) && lab.answer(502));
    lab.advance(100);
    assert!(lab.answer(502));
    assert_eq!(lab.phase(), Phase::Tripped, "a shorter period holds at once");
    lab.advance(2_000);
    lab.breaker.configure(Settings { fallback: Duration::from_secs(5), ..TRAEFIK }, lab.now());
    assert_eq!(lab.status().ends_in, Some(Duration::from_secs(3)));
    assert_eq!(lab.begin(0).unwrap_err().for_now, Duration::from_secs(3));
    lab.breaker.configure(Settings { fallback: Duration::from_secs(1), ..TRAEFIK }, lab.now());
    assert_eq!((lab.phase(), lab.status().ends_in), (Phase::Recovering, Some(TEN_SECONDS)));
}

#[test]
fn it_is_a_trouble_as_long_as_it_is_not_in_standby() {
    let mut lab = Lab::new("NetworkErrorRatio() > 0.5", TRAEFIK);
    assert!(lab.answer(200) && !lab.troubles.any());
    lab.advance(100);
    lab.record(&[(502, 5)]);
    assert!(lab.answer(502) && lab.troubles.any());
    for (after, any) in [(9_999, true), (1, true), (9_999, true), (1, false)] {
        lab.advance(after);
        lab.phase();
        assert_eq!(lab.troubles.any(), any, "at {}", lab.milliseconds);
    }
    lab.advance(100);
    lab.record(&[(502, 50)]);
    assert!(lab.answer(502) && lab.troubles.any());
    let troubles = lab.troubles.clone();
    drop(lab);
    assert!(!troubles.any(), "one that is gone is none");
}

#[test]
fn it_tells_its_state_by_time_and_what_tripped_it() {
    let reports = Reports::default();
    let mut lab = Lab::new("NetworkErrorRatio() > 0.5", TRAEFIK);
    reports.add(&lab.breaker);
    let of = |lab: &Lab| reports.all(lab.now()).remove(0);
    assert_eq!(of(&lab).phase, Phase::Standby);
    lab.record(&[(502, 2), (200, 1)]);
    assert!(lab.answer(502) && !lab.answer(200));
    lab.breaker.count_denied(0, false);
    lab.breaker.count_denied(1, true);
    lab.advance(10_000);
    let status = of(&lab);
    assert_eq!((status.phase, status.ends_in), (Phase::Recovering, Some(TEN_SECONDS)));
    lab.advance(10_000);
    let status = of(&lab);
    assert_eq!((status.phase, status.ends_in), (Phase::Standby, None));
    assert_eq!(status.transitions, [(Phase::Standby, 1), (Phase::Tripped, 1), (Phase::Recovering, 1)]);
    assert_eq!((status.answered, status.redistributed), (1, 1));
    assert_eq!(status.cause, Some(("NetworkErrorRatio() = 0.75".to_owned(), 4)));
    let now = lab.now();
    drop(lab);
    assert_eq!(reports.all(now), [], "one that is gone is not told of");
}

#[test]
fn of_two_of_one_name_the_newer_is_told_of() {
    let reports = Reports::default();
    let (older, newer) =
        (Lab::new("NetworkErrorRatio() > 0.5", TRAEFIK), Lab::new("NetworkErrorRatio() > 0.6", TRAEFIK));
    reports.add(&older.breaker);
    reports.add(&newer.breaker);
    assert!(older.answer(502));
    let told = reports.all(older.now());
    assert_eq!((told.len(), told[0].phase), (1, Phase::Standby));
    drop(newer);
    assert_eq!(reports.all(older.now())[0].phase, Phase::Tripped);
}

#[test]
fn who_was_let_through_before_a_trip_has_to_ask_again() {
    let lab = Lab::new("NetworkErrorRatio() > 0.5", TRAEFIK);
    let said = || vec![Verdict::new(&lab.breaker, lab.breaker.ask(lab.now()))];
    let (mut before, mut kept) = (said(), said());
    assert!(matches!(Verdict::take(&mut before, &lab.breaker), Some(Ok(_))));
    assert!(Verdict::take(&mut before, &lab.breaker).is_none(), "it was taken");
    assert!(lab.answer(502));
    assert!(Verdict::take(&mut kept, &lab.breaker).is_none(), "it tripped in between");
    assert!(matches!(Verdict::take(&mut said(), &lab.breaker), Some(Err(_))), "a denial stays one");
}

/// What 10,000 of them cost: 4 MB where they have not been used, and 120 MB more for each worker that measures latencies.
#[test]
fn memory_goes_with_what_the_condition_needs() {
    let plain = Lab::new("NetworkErrorRatio() > 0.5", TRAEFIK);
    assert!(plain.breaker.bytes() < 1024, "{} bytes unused", plain.breaker.bytes());
    let latency = Lab::new("LatencyAtQuantileMS(50.0) > 100000", TRAEFIK);
    assert!(latency.breaker.bytes() < 1024, "{} bytes unused, with latencies", latency.breaker.bytes());
    for mut lab in [plain, latency] {
        let before = lab.breaker.bytes();
        for second in 0..60 {
            for worker in 0..2 {
                let answers: Vec<Ticket> = (0..50).map(|_| lab.begin(worker).unwrap()).collect();
                for ticket in answers {
                    lab.advance(1 + second % 3);
                    lab.end(ticket, 200);
                }
            }
        }
        let used = (lab.breaker.bytes() - before) / 2;
        let bound = if lab.breaker.shared.plan.wants_latency() { 32 * 1024 } else { 512 };
        assert!(used < bound, "{used} bytes for each worker");
        println!("{before} bytes unused, {used} more for each worker");
    }
}

#[test]
fn workers_count_beside_each_other_and_one_of_them_trips_it() {
    const EACH: usize = 20_000;
    let lab = Lab::new("RequestThreshold() >= 40000", TRAEFIK);
    std::thread::scope(|scope| {
        for worker in 0..2 {
            let lab = &lab;
            scope.spawn(move || {
                for _ in 0..EACH {
                    if let Ok(ticket) = lab.begin(worker) {
                        lab.end(ticket, 200);
                    }
                }
            });
        }
    });
    let seats: Vec<Arc<Seat>> = (0..2).map(|worker| lab.breaker.seat(worker).clone()).collect();
    let measured = lab.breaker.shared.measure(&seats, Epoch(0), clock::elapsed(lab.now()));
    assert_eq!((measured.answers, lab.phase()), (2 * EACH as u64, Phase::Standby), "not one is lost");
    let mut lab = lab;
    lab.advance(100);
    std::thread::scope(|scope| {
        for worker in 0..2 {
            let lab = &lab;
            scope.spawn(move || {
                for _ in 0..EACH {
                    if let Ok(ticket) = lab.begin(worker) {
                        lab.end(ticket, 200);
                    }
                }
            });
        }
    });
    assert_eq!(lab.status().transitions[1], (Phase::Tripped, 1), "once, whoever evaluates");
}
