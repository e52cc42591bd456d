//! The admin API of a gateway, as a script uses it.

use std::net::SocketAddr;

use serde_json::Value;

use crate::{Ask, Gateway, Reply};

/// Asks the admin API.
#[derive(Debug, Clone)]
pub struct Admin {
    address: SocketAddr,
    token: Option<String>,
}

/// What it answered.
#[derive(Debug, Clone)]
pub struct Told {
    /// The status.
    pub status: u16,
    /// The body; null if there is none.
    pub body: Value,
    /// The whole answer.
    pub reply: Reply,
}

impl Admin {
    /// Of this gateway.
    pub fn of(gateway: &Gateway) -> Self {
        Self::at(gateway.address("traefik"))
    }

    /// At this address.
    pub fn at(address: SocketAddr) -> Self {
        Self { address, token: None }
    }

    /// With this token from now on.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// Asks for something below `/api/v1`.
    pub async fn get(&self, path: &str) -> Told {
        self.send(self.ask("GET", path)).await
    }

    /// Changes something below `/api/v1`.
    pub async fn change(&self, method: &str, path: &str, body: &Value) -> Told {
        self.send(self.ask(method, path).header("content-type", "application/json").body(body.to_string())).await
    }

    /// A question that may be added to.
    pub fn ask(&self, method: &str, path: &str) -> Ask {
        let ask = Ask::new(method, &format!("http://{}/api/v1{path}", self.address));
        match &self.token {
            Some(token) => ask.header("authorization", &format!("Bearer {token}")),
            None => ask,
        }
    }

    /// Asks.
    pub async fn send(&self, ask: Ask) -> Told {
        let reply = ask.send(self.address).await;
        Told { status: reply.status, body: serde_json::from_slice(&reply.body).unwrap_or_default(), reply }
    }
}

impl Told {
    /// The body of an answer that is 200; panics with another one.
    pub fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.reply.text());
        self.body
    }

    /// A problem's status and code.
    pub fn problem(&self) -> (u16, &str) {
        let kind = self.reply.header("content-type").unwrap_or_default();
        assert_eq!(kind, "application/problem+json", "{} {}", self.status, self.reply.text());
        assert_eq!(self.body["status"], self.status);
        let code = self.body["type"].as_str().and_then(|kind| kind.strip_prefix("urn:rollgate:problem:"));
        (self.status, code.expect("the type is one of ours"))
    }
}
