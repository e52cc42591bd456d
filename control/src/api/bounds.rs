//! How much of what is done at once. Whoever only looks has bounds of his own, so that he keeps nobody from changing
//! something.

use std::{sync::Arc, time::Duration};

use axum::http::{Method, Request};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::problem::{Code, Problem};

/// The bounds of an API.
#[derive(Debug)]
pub struct Bounds {
    looking: Arc<Semaphore>,
    changing: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    heavy: Arc<Semaphore>,
    /// How long what is heavy waits for its turn.
    patience: Duration,
}

/// Held as long as it lasts.
pub type Place = OwnedSemaphorePermit;

impl Default for Bounds {
    fn default() -> Self {
        let of = |places| Arc::new(Semaphore::new(places));
        Self {
            looking: of(LOOKING),
            changing: of(CHANGING),
            streams: of(STREAMS),
            heavy: of(HEAVY),
            patience: PATIENCE,
        }
    }
}

impl Bounds {
    /// A place for a request until its answer's head.
    pub fn request<B>(&self, request: &Request<B>) -> Result<Place, Problem> {
        let looks = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS)
            || matches!(request.uri().path(), "/api/v1/explain" | "/api/v1/check" | "/kayenta/judge")
            || request.uri().path().starts_with("/prometheus/");
        let (places, most) = if looks { (&self.looking, LOOKING) } else { (&self.changing, CHANGING) };
        place(places, &format!("{most} requests are under way"))
    }

    /// A place for a stream of events.
    pub fn stream(&self) -> Result<Place, Problem> {
        place(&self.streams, &format!("{STREAMS} streams of events are open"))
    }

    /// Does what takes a core for some time, on a thread of its own.
    pub async fn heavy<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        let busy = || Problem::new(Code::Busy, "others are being answered who ask for much; try again");
        let place = timeout(self.patience, self.heavy.clone().acquire_owned()).await.map_err(|_| busy())?;
        let work = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(place);
            done
        });
        work.await.map_err(|error| Problem::new(Code::ControlUnavailable, format!("it could not be done: {error}")))
    }
}

fn place(places: &Arc<Semaphore>, what: &str) -> Result<Place, Problem> {
    let place = places.clone().try_acquire_owned();
    place.map_err(|_| Problem::new(Code::Busy, format!("{what}, which is as many as there may be; try again")))
}

/// Requests that look at something, at once.
const LOOKING: usize = 128;
/// Requests that change something, at once.
const CHANGING: usize = 1024;
/// Streams of events.
const STREAMS: usize = 100;
/// What takes a core, at once: the others are requests'.
const HEAVY: usize = 1;
/// How long it waits for that.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn request(method: &str, path: &str) -> Request<()> {
        Request::builder().method(method).uri(path).body(()).unwrap()
    }

    #[test]
    fn whoever_looks_takes_no_place_of_a_change() {
        let bounds = Bounds::default();
        let held: Vec<_> = (0..LOOKING).map(|_| bounds.request(&request("GET", "/api/v1/audit")).unwrap()).collect();
        for (method, path) in [
            ("GET", "/api/v1/services"),
            ("POST", "/api/v1/check"),
            ("POST", "/api/v1/explain"),
            ("POST", "/kayenta/judge"),
            ("POST", "/prometheus/api/v1/query"),
        ] {
            let problem = bounds.request(&request(method, path)).unwrap_err();
            assert_eq!((problem.status, problem.detail.contains("128 requests")), (503, true), "{path}");
        }
        let brake = request("PUT", "/api/v1/services/pro/brake/canary");
        let changes: Vec<_> = (0..CHANGING).map(|_| bounds.request(&brake).unwrap()).collect();
        assert_eq!(bounds.request(&brake).unwrap_err().status, 503);
        drop((held, changes));
        assert!(bounds.request(&request("GET", "/")).is_ok() && bounds.request(&brake).is_ok());
    }

    #[test]
    fn streams_have_a_bound() {
        let bounds = Bounds::default();
        let held: Vec<_> = (0..STREAMS).map(|_| bounds.stream().unwrap()).collect();
        assert_eq!(bounds.stream().unwrap_err().status, 503);
        drop(held);
        assert!(bounds.stream().is_ok());
    }

    #[tokio::test]
    async fn what_takes_a_core_waits_for_its_turn_and_not_for_long() {
        let bounds = Bounds { patience: Duration::from_millis(20), ..Bounds::default() };
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let mut first = Box::pin(bounds.heavy(move || gone.recv().is_err()));
        assert!(first.as_mut().now_or_never().is_none());
        assert_eq!(bounds.heavy(|| ()).await.unwrap_err().status, 503);
        drop(go);
        assert!(first.await.unwrap());
        assert_eq!(bounds.heavy(|| 7).await.unwrap(), 7);
    }
}
