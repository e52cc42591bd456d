//! An answer that goes to nobody: its connection serves another request if the rest of it is little and soon there, and is
//! closed otherwise.

use std::{rc::Rc, time::Duration};

use http_body::Body as _;
use http_body_util::BodyExt as _;

use crate::{body::AnswerBody, exchange::Lease, worker::Worker};

/// Reads the answer of a connection on loan to its end, in the background.
pub(crate) fn discard(worker: &Rc<Worker>, lease: Option<Lease>, body: AnswerBody) {
    // Over HTTP/2 dropping the answer resets its stream, and the connection is as good as before.
    let (Some(lease), AnswerBody::Upstream(_)) = (lease, &body) else { return };
    if body.is_end_stream() {
        return worker.pools.checkin(&lease.target, lease.connection);
    }
    if body.size_hint().lower() > MOST {
        return;
    }
    let worker = worker.clone();
    tokio::task::spawn_local(async move {
        if let Ok(true) = tokio::time::timeout(LONGEST, is_little(body)).await {
            worker.pools.checkin(&lease.target, lease.connection);
        }
    });
}

/// Whether it ends before it is too much.
async fn is_little(mut body: AnswerBody) -> bool {
    let mut read = 0;
    while !body.is_end_stream() {
        match body.frame().await {
            None => return true,
            Some(Ok(frame)) => read += frame.data_ref().map_or(0, |data| data.len() as u64),
            Some(Err(_)) => return false,
        }
        if read > MOST {
            return false;
        }
    }
    true
}

/// Bytes that are cheaper to read than a connection is to make.
const MOST: u64 = 64 * 1024;
/// Likewise.
const LONGEST: Duration = Duration::from_millis(200);
