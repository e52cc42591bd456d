//! Middlewares that wrap the call: they run what is left of the way, once, several times or not at all.

use super::{Middleware, content_type};
use crate::{
    call::{Answered, Call, Way},
    error::Error,
    snapshot::Step,
};

/// Runs a step that wraps what is left of the way.
pub(crate) async fn run<'s>(call: &mut Call<'s>, step: &'s Step, way: Way<'s>) -> Result<Answered, Error> {
    match &*step.middleware {
        Middleware::Retry(retry) => retry.run(call, way).await,
        Middleware::Errors(pages) => pages.run(call, way).await,
        Middleware::Buffering(buffering) => buffering.run(call, way).await,
        Middleware::GrpcWeb(web) => web.run(call, step, way).await,
        Middleware::Compress(compress) => compress.run(call, way).await,
        Middleware::ContentType(_) => content_type::run(call, way).await,
        _ => call.run(way).await,
    }
}
