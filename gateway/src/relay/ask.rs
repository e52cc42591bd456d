//! A question of the gateway's own to a server, over the worker's pools: HTTP/1.1, and sent once more only where a
//! client's request would be.

use std::{rc::Rc, sync::Arc};

use http::{Request, Response};
use hyper::body::Incoming;

use super::{Attempt, Failed, answer, exchange_http1};
use crate::{
    body::RequestBody,
    error::Error,
    exchange::Lease,
    pool::{Checked, Target, dials},
    worker::Worker,
};

/// What came back.
pub(crate) struct Asked {
    pub(crate) response: Response<Incoming>,
    /// To be given back when the answer has been read to its end; dropped, the connection ends.
    pub(crate) lease: Lease,
}

/// Sends it, and waits for the head of the answer.
pub(crate) async fn ask(
    worker: &Rc<Worker>,
    target: &Arc<Target>,
    mut request: Request<RequestBody>,
) -> Result<Asked, Error> {
    let mut attempt = Attempt::First;
    loop {
        let pooled = if attempt == Attempt::Fresh { None } else { worker.pools.checkout(target) };
        let (connection, fresh) = match (pooled, attempt) {
            (Some(connection), _) => (connection, false),
            (None, Attempt::Fresh) => (dials::connect_counted(worker, target, None).await?, true),
            (None, Attempt::First | Attempt::Second) => dials::next(worker, target, None).await?,
        };
        let Checked::Http1(connection) = connection else {
            return Err(Error::Unforwardable("it was to be HTTP/1.1"));
        };
        match exchange_http1(target, connection, request, fresh).await {
            Ok((response, connection)) => {
                let lease = Lease { connection, target: target.clone() };
                return Ok(Asked { response: answer::check(response)?, lease });
            }
            Err(Failed::Unsent(again, _)) if !fresh => request = *again,
            Err(Failed::Unanswered(again, _)) if attempt == Attempt::First => {
                (request, attempt) = (*again, Attempt::Fresh);
            }
            Err(failed) => return Err(failed.into_error()),
        }
    }
}
