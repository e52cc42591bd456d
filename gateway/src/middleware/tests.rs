mod addresses;
mod paths;
mod redirects;

use std::sync::Arc;

use http::{HeaderValue, Method, Request, StatusCode, header, request::Parts};
use regex::Regex;
use rollgate_config::{dynamic::middleware as config, scalar::IpStrategy};

use super::*;
use crate::{compile::States, helper::Helper, metrics::Metrics, pool::Targets, troubles::Troubles};

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

pub(super) fn compile(kind: &MiddlewareKind) -> Result<Middleware, CompileError> {
    let (states, metrics) = (States::default(), Arc::new(Metrics::new(None).unwrap()));
    let (helper, troubles, targets) = (Helper::default(), Troubles::default(), Targets::default());
    let making = Making {
        name: "m@file",
        states: &states,
        metrics: &metrics,
        targets: &targets,
        helper: &helper,
        troubles: &troubles,
        workers: 1,
    };
    Middleware::compile(kind, &making)
}

fn compiled(kind: MiddlewareKind) -> Middleware {
    compile(&kind).unwrap()
}

fn get(host: &str, target: &str) -> Parts {
    let request = Request::builder().uri(target).header(header::HOST, host).body(()).unwrap();
    request.into_parts().0
}

fn run(middleware: &Middleware, parts: &mut Parts) -> Option<Answer> {
    run_over(middleware, parts, false)
}

fn run_over(middleware: &Middleware, parts: &mut Parts, tls: bool) -> Option<Answer> {
    run_for(middleware, parts, CLIENT, tls)
}

fn run_for(middleware: &Middleware, parts: &mut Parts, client: IpAddr, tls: bool) -> Option<Answer> {
    let mut head = Head { tls, ..Head::plain(parts, client) };
    match middleware.request(&mut head) {
        Ok(_) => None,
        Err(Halt::Answer(answer)) => Some(*answer),
        Err(Halt::Wait(wait)) => panic!("{wait:?}"),
    }
}

fn lines(parts: &Parts, name: &str) -> Vec<String> {
    parts.headers.get_all(name).iter().map(|line| line.to_str().unwrap().to_owned()).collect()
}

#[test]
fn a_chain_is_no_middleware_of_its_own() {
    let refused = compile(&MiddlewareKind::Chain(Vec::new())).map(|_| ());
    assert_eq!(refused, Err(CompileError::Chain));
}

#[test]
fn headers_that_cannot_be_are_refused() {
    let kind = |name: &str, value: &str| {
        let fields = vec![(name.to_owned(), value.to_owned())];
        MiddlewareKind::Headers(Box::new(config::Headers { custom_request_headers: fields, ..Default::default() }))
    };
    let refused = |name, value| compile(&kind(name, value)).map(|_| ()).unwrap_err();
    assert_eq!(refused("a b", "x"), CompileError::HeaderName("a b".to_owned()));
    assert_eq!(refused("a", "x\ny"), CompileError::HeaderValue("x\ny".to_owned()));
}
