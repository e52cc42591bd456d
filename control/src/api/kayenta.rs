//! `POST /kayenta/judge`: Kayenta's remote judge.

use axum::{Json, body::Bytes, extract::State};

use super::{Shared, extract::parse, problem::Problem};
use crate::kayenta::{Judged, Request, Unfit, judge as judged};

/// Judges what is sent; it looks at nothing else.
pub async fn judge(State(shared): State<Shared>, body: Bytes) -> Result<Json<Judged>, Problem> {
    shared.bounds.heavy(move || answer(&body)).await?.map(Json)
}

fn answer(body: &[u8]) -> Result<Judged, Problem> {
    let request: Request = parse(body)?;
    judged(&request).map_err(|Unfit { field, what, allowed }| Problem::invalid(field, what, allowed))
}
