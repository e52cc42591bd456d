//! `PUT /api/providers/rest`: Traefik's way to send a whole dynamic configuration. Unlike there, it is live when it is
//! answered, kept over a restart, and refused with everything that is wrong.

use axum::{Json, body::Bytes, extract::State};
use serde::Serialize;

use super::{
    Shared,
    extract::{By, Named},
    problem::{Code, Problem},
};
use crate::{
    file::REST,
    reconciler::{Applied, NotApplied},
};

/// What came of it.
#[derive(Debug, Serialize)]
pub struct Put {
    /// The generation that every worker has.
    generation: u64,
    /// It was not so before.
    changed: bool,
}

/// Puts the document in place of the one before.
pub async fn put(
    State(shared): State<Shared>,
    Named(provider): Named<String>,
    By(by): By,
    body: Bytes,
) -> Result<Json<Put>, Problem> {
    let rest = match &shared.rest {
        Some(rest) if provider == REST => rest,
        _ => return Err(Problem::new(Code::NotFound, format!("there is no provider {provider:?} to send to"))),
    };
    let text = String::from_utf8(body.into());
    let text = text.map_err(|_| Problem::new(Code::Malformed, "the body is not UTF-8"))?;
    let Applied { generation, changed } = rest.put(text, by).await?;
    Ok(Json(Put { generation, changed }))
}

impl From<NotApplied> for Problem {
    fn from(error: NotApplied) -> Self {
        match error {
            NotApplied::Problems(problems) => {
                let detail = match &problems[..] {
                    [only] => only.to_string(),
                    _ => format!("the configuration has {} problems", problems.len()),
                };
                Self { problems: problems.iter().map(Into::into).collect(), ..Self::new(Code::Invalid, detail) }
            }
            NotApplied::Store(error) => error.into(),
            NotApplied::Ending => Self::new(Code::ControlUnavailable, error.to_string()),
        }
    }
}
