//! What is tried again, and when: functions of what has happened.

use std::time::Duration;

use http::{Method, StatusCode};
use rollgate_config::dynamic::middleware::Retry as Config;

use crate::error::Error;

/// How an attempt went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nobody was there: no server has heard of the request.
    Unreached,
    /// Nothing of an answer has come. `sent`: the server may have seen something of the request.
    Network { sent: bool, status: StatusCode },
    /// There is an answer.
    Answer(StatusCode),
}

impl Failure {
    /// `None`: the client's own fault, or nothing that another attempt would change.
    pub(super) fn of(error: &Error, sent: bool) -> Option<Self> {
        let status = error.status();
        match error {
            Error::Connect(_) => Some(Self::Unreached),
            Error::ConnectTimeout
            | Error::UpstreamTls(_)
            | Error::Upstream(_)
            | Error::Vanished(_)
            | Error::ResponseTimeout => Some(Self::Network { sent, status }),
            // Something of an answer has come, or nobody was asked.
            Error::BadAnswer(_)
            | Error::UnaskedUpgrade
            | Error::NoServer
            | Error::LongAnswer
            | Error::Unforwardable(_) => Some(Self::Answer(status)),
            Error::Refused(_)
            | Error::NoRouter
            | Error::SlowBody
            | Error::LongBody
            | Error::Overloaded
            | Error::ClientGone
            | Error::Disk(_)
            | Error::NoSpace
            | Error::RequestTimeout => None,
        }
    }

    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Unreached => StatusCode::BAD_GATEWAY,
            Self::Network { status, .. } | Self::Answer(status) => status,
        }
    }

    /// Whether another attempt is paid for: not if it is the first that a server would see.
    pub(super) fn costs(self) -> bool {
        self != Self::Unreached
    }
}

/// Whether what went wrong is tried again, if there are attempts left.
///
/// Where nothing was sent, any method is; where something may have been done, only methods that may be repeated (RFC 9110
/// section 9.2.2). By its status an answer is tried again unless the method is POST, PATCH or LOCK, as in Traefik.
pub(super) fn is_retried(config: &Config, failure: Failure, method: &Method) -> bool {
    let any_method = config.retry_non_idempotent_method;
    let harmless = match failure {
        Failure::Unreached => true,
        Failure::Network { sent, .. } => !sent || any_method || method.is_idempotent(),
        Failure::Answer(_) => false,
    };
    if harmless && !config.disable_retry_on_network_error {
        return true;
    }
    let unsafe_method = *method == Method::POST || *method == Method::PATCH || method.as_str() == "LOCK";
    (any_method || !unsafe_method) && config.status.contains(failure.status().as_u16())
}

/// How long to wait after so many attempts: the interval grows to twice its length by the last one, and is up to a half
/// shorter or longer by chance.
pub(super) fn pause(config: &Config, attempts_made: u32, random: u64) -> Duration {
    if config.initial_interval.is_zero() || config.attempts < 2 {
        return Duration::ZERO;
    }
    let growth = 2_f64.powf(f64::from(attempts_made - 1) / f64::from(config.attempts - 1));
    let chance = 0.5 + random as f64 / u64::MAX as f64;
    config.initial_interval.mul_f64(growth * chance)
}

/// Whether another attempt may begin after the pause.
pub(super) fn is_in_time(config: &Config, elapsed: Duration, pause: Duration) -> bool {
    config.timeout.is_zero() || elapsed + pause < config.timeout
}

#[cfg(test)]
mod tests {
    use rollgate_config::scalar::StatusRanges;

    use super::*;

    fn config(attempts: u32) -> Config {
        Config::new(attempts)
    }

    fn method(name: &str) -> Method {
        Method::from_bytes(name.as_bytes()).unwrap()
    }

    const ALL: [&str; 9] = ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "POST", "PATCH", "LOCK", "PURGE"];

    fn retried(config: &Config, failure: Failure) -> Vec<&'static str> {
        ALL.into_iter().filter(|name| is_retried(config, failure, &method(name))).collect()
    }

    #[test]
    fn what_may_have_been_done_is_repeated_only_where_that_does_no_harm() {
        let network = |sent| Failure::Network { sent, status: StatusCode::BAD_GATEWAY };
        let idempotent = ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"];
        assert_eq!(retried(&config(2), Failure::Unreached), ALL);
        assert_eq!(retried(&config(2), network(false)), ALL);
        assert_eq!(retried(&config(2), network(true)), idempotent);
        let any = Config { retry_non_idempotent_method: true, ..config(2) };
        assert_eq!(retried(&any, network(true)), ALL);
        let status =
            Config { disable_retry_on_network_error: true, status: StatusRanges(vec![(503, 503)]), ..config(2) };
        assert_eq!(retried(&status, network(false)), [""; 0]);
        assert_eq!(retried(&status, Failure::Unreached), [""; 0]);
        // As in Traefik, the gateway's own 502 is a status too.
        let status = Config { status: StatusRanges(vec![(500, 599)]), ..status };
        assert_eq!(retried(&status, network(true)), ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PURGE"]);
    }

    #[test]
    fn answers_are_tried_again_by_their_status() {
        let config = Config { status: StatusRanges(vec![(404, 404), (500, 502)]), ..config(2) };
        for (status, again) in [(200, false), (404, true), (405, false), (500, true), (502, true), (503, false)] {
            let failure = Failure::Answer(StatusCode::from_u16(status).unwrap());
            assert_eq!(is_retried(&config, failure, &Method::GET), again, "{status}");
        }
        let failure = Failure::Answer(StatusCode::NOT_FOUND);
        assert_eq!(retried(&config, failure), ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PURGE"]);
        let any = Config { retry_non_idempotent_method: true, ..config };
        assert_eq!(retried(&any, failure), ALL);
    }

    #[test]
    fn the_clients_own_faults_are_not_tried_again() {
        for error in [Error::SlowBody, Error::LongBody, Error::ClientGone, Error::RequestTimeout, Error::Overloaded] {
            assert_eq!(Failure::of(&error, false), None, "{error}");
        }
        assert_eq!(Failure::of(&Error::NoServer, false), Some(Failure::Answer(StatusCode::SERVICE_UNAVAILABLE)));
        let timeout = Failure::Network { sent: true, status: StatusCode::GATEWAY_TIMEOUT };
        assert_eq!(Failure::of(&Error::ResponseTimeout, true), Some(timeout));
    }

    #[test]
    fn pauses_grow_to_twice_the_interval_and_vary_by_a_half() {
        let four = Config { initial_interval: Duration::from_millis(100), ..config(4) };
        let middle = u64::MAX / 2;
        let pauses: Vec<u128> = (1..=4).map(|made| pause(&four, made, middle).as_millis()).collect();
        assert_eq!(pauses, [100, 125, 158, 200]);
        assert_eq!(pause(&four, 1, 0), Duration::from_millis(50));
        assert_eq!(pause(&four, 1, u64::MAX), Duration::from_millis(150));
        assert_eq!(pause(&config(4), 1, middle), Duration::ZERO);
    }

    #[test]
    fn nothing_begins_after_the_timeout() {
        let second = Duration::from_secs(1);
        let limited = Config { timeout: second, ..config(2) };
        assert!(is_in_time(&limited, second / 2, Duration::ZERO));
        assert!(!is_in_time(&limited, second / 2, second / 2));
        assert!(is_in_time(&config(2), 100 * second, second));
    }
}
