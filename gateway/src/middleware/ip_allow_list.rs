//! `ipAllowList`: only clients in some networks.

use std::ops::ControlFlow;

use http::StatusCode;
use ipnet::IpNet;
use rollgate_config::scalar::IpStrategy;

use super::{Answer, ClientAddress, CompileError, Head};
use crate::networks::Networks;

/// Refuses clients outside the networks, and those whose address cannot be told.
#[derive(Debug, Clone)]
pub(crate) struct IpAllowList {
    allowed: Networks,
    client: ClientAddress,
    reject: StatusCode,
}

impl IpAllowList {
    pub(super) fn compile(allowed: &[IpNet], strategy: &IpStrategy, reject: u16) -> Result<Self, CompileError> {
        let status = StatusCode::from_u16(reject).ok().filter(|status| (200..600).contains(&status.as_u16()));
        Ok(Self {
            allowed: Networks::new(allowed),
            client: ClientAddress::compile(strategy),
            reject: status.ok_or(CompileError::Status(reject))?,
        })
    }

    pub(super) fn request(&self, head: &Head<'_>) -> ControlFlow<Answer> {
        match self.client.of(&head.parts.headers, head.client) {
            Some(address) if self.allowed.contains(address) => ControlFlow::Continue(()),
            _ => ControlFlow::Break(Answer::status(self.reject)),
        }
    }
}
