//! `errors`: a page in place of an answer, with the answer's status; and the answer itself where there is no page.

#![cfg(test)]

use std::sync::{Arc, Mutex};

use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use rollgate_testkit::{
    Ask, Backend, Connection, Gateway, HostileBackend, RawConnection,
    backend::Protocol,
    client::{Body, channel, full, zeros},
    wait::{eventually, within},
};

/// A router behind `errors`, a service that answers as it is asked, and one that has pages.
fn gateway(errors: &str, service: &Backend, pages: &str) -> Gateway {
    Gateway::with(&format!(
        "http:
  routers: {{r: {{rule: 'PathPrefix(`/`)', service: s, middlewares: [outer, pages]}}}}
  middlewares:
    pages: {{errors: {errors}}}
    outer: {{headers: {{customResponseHeaders: {{X-Outer: 'yes'}}}}}}
    inner: {{headers: {{customResponseHeaders: {{X-Inner: 'yes'}}}}}}
    of-pages: {{headers: {{customResponseHeaders: {{X-Of-Pages: 'yes'}}}}}}
  services:
    s: {{middlewares: [inner], loadBalancer: {{servers: [{{url: '{}'}}]}}}}
    pages: {{middlewares: [of-pages], loadBalancer: {{servers: [{{url: '{pages}'}}]}}}}
    none: {{loadBalancer: {{servers: []}}}}
",
        service.url()
    ))
}

/// Answers 404 itself when asked for `/missing`, and with its path otherwise.
fn pages() -> Backend {
    Backend::serve("pages", Protocol::Http1, |request: Request<Incoming>| async move {
        let mut response: Response<Body> = Response::new(full(format!("page of {}", request.uri())));
        if request.uri().path() == "/missing" {
            *response.status_mut() = http::StatusCode::NOT_FOUND;
        }
        response.headers_mut().insert("content-type", "text/html".parse().unwrap());
        response
    })
}

fn failing(status: &str) -> Ask {
    Ask::get("http://a.test/x?q=1").header("echo-status", status)
}

#[tokio::test]
async fn the_page_stands_for_the_answer_and_has_its_status() {
    let (service, pages) = (Backend::echo("s"), pages());
    let errors = "{status: ['418', '500-503'], service: pages, query: '/{status}.html'}";
    let gateway = gateway(errors, &service, &pages.url());
    for (status, replaced) in
        [("418", true), ("500", true), ("503", true), ("200", false), ("499", false), ("504", false)]
    {
        let reply = gateway.ask(failing(status)).await;
        assert_eq!(reply.status.to_string(), status);
        let of_page = reply.text() == format!("page of /{status}.html");
        assert_eq!(of_page, replaced, "{status}: {}", reply.text());
        // What stands around both, what belongs to the answer alone, and what to the page alone.
        assert_eq!(reply.header("x-outer"), Some("yes"), "{status}");
        assert_eq!(reply.header("x-inner").is_some(), !replaced, "{status}");
        assert_eq!(reply.header("x-of-pages").is_some(), replaced, "{status}");
        assert_eq!(reply.header("x-backend").is_some(), !replaced, "{status}");
        assert_eq!(reply.header("content-type").unwrap(), if replaced { "text/html" } else { "application/json" });
    }
    let metrics = gateway.metrics().await;
    let counted =
        |service, code| metrics.sum("traefik_service_requests_total", &[("service", service), ("code", code)]);
    assert_eq!((counted("s@file", "500"), counted("pages@file", "200"), counted("pages@file", "500")), (1.0, 3.0, 0.0));
    assert_eq!(metrics.sum("traefik_router_requests_total", &[]), 6.0);
}

#[tokio::test]
async fn the_query_says_what_it_is_about_and_the_status_may_be_another() {
    let (service, pages) = (Backend::echo("s"), pages());
    let errors = "{status: ['400-599'], statusRewrites: {'418': 404, '400-499': 400, '502-504': 500}, service: pages,
        query: 'p/{status}?was={originalStatus}&of={url}'}";
    let gateway = gateway(errors, &service, &pages.url());
    let url = "http%3A%2F%2Fa.test%2Fx%3Fq%3D1";
    for (status, shown) in [("418", 404), ("410", 400), ("503", 500), ("599", 599)] {
        let reply = gateway.ask(failing(status)).await;
        assert_eq!((reply.status, reply.text()), (shown, format!("page of /p/{shown}?was={status}&of={url}")));
    }
}

#[tokio::test]
async fn the_pages_request_is_a_get_with_the_clients_fields() {
    let service = Backend::echo("s");
    let seen_by_pages = |errors: &str| {
        let pages = Backend::echo("pages");
        let gateway = gateway(errors, &service, &pages.url());
        async move {
            let ask = Ask::new("POST", "http://a.test/x").body("hello").header("echo-status", "500");
            let ask = ask.header("accept", "text/html").header("cookie", "a=b").header("x-mine", "1");
            let reply = gateway.ask(ask).await;
            drop(pages);
            assert_eq!(reply.status, 500);
            reply.seen()
        }
    };
    let seen = seen_by_pages("{status: ['500'], service: pages, query: /p}").await;
    assert_eq!((seen.backend.as_str(), seen.method.as_str(), seen.uri.as_str(), seen.body), ("pages", "GET", "/p", 0));
    assert_eq!(seen.header("host"), Some("a.test"));
    assert_eq!(
        (seen.header("cookie"), seen.header("x-mine"), seen.header("content-length")),
        (Some("a=b"), Some("1"), None)
    );
    let seen = seen_by_pages("{status: ['500'], service: pages, errorRequestHeaders: [Accept, X-Mine]}").await;
    assert_eq!(
        (seen.header("accept"), seen.header("x-mine"), seen.header("cookie")),
        (Some("text/html"), Some("1"), None)
    );
    assert_eq!((seen.uri.as_str(), seen.header("host")), ("/", Some("a.test")));
    let seen = seen_by_pages("{status: ['500'], service: pages, errorRequestHeaders: []}").await;
    assert_eq!((seen.header("accept"), seen.header("host")), (None, Some("a.test")));
}

#[tokio::test]
async fn where_the_page_cannot_be_had_the_answer_goes_on() {
    let service = Backend::echo("s");
    let gone = {
        let backend = Backend::echo("gone");
        backend.url()
    };
    for errors in [
        "{status: ['500'], statusRewrites: {'500': 503}, service: pages, query: /p}",
        "{status: ['500'], statusRewrites: {'500': 503}, service: none, query: /p}",
    ] {
        let gateway = gateway(errors, &service, &gone);
        let mut client = Connection::http1(gateway.web()).await;
        for _ in 0..3 {
            let reply = client.ask(failing("500")).await;
            assert_eq!((reply.status, reply.seen().backend.as_str()), (503, "s"), "{errors}");
            assert_eq!((reply.header("x-outer"), reply.header("x-inner")), (Some("yes"), Some("yes")));
        }
        assert_eq!(service.open(), 1, "the connection to its server is used again");
        drop(gateway);
        eventually("the gateway is gone", async || (service.open() == 0).then_some(())).await;
    }
    // A page of another status is a page.
    let pages = pages();
    let gateway = gateway("{status: ['500'], service: pages, query: /missing}", &service, &pages.url());
    let reply = gateway.ask(failing("500")).await;
    assert_eq!((reply.status, reply.text().as_str()), (500, "page of /missing"));
}

#[tokio::test]
async fn the_gateways_own_errors_have_pages_too() {
    let (service, pages) = (Backend::echo("s"), pages());
    let gateway = Gateway::with(&format!(
        "http:
  routers:
    none: {{rule: 'Host(`none`)', service: none, middlewares: [pages]}}
    refused: {{rule: 'Host(`refused`)', service: refused, middlewares: [pages]}}
    denied: {{rule: 'Host(`denied`)', service: s, middlewares: [pages, deny]}}
  middlewares:
    pages: {{errors: {{status: ['400-599'], service: pages, query: '/{{status}}'}}}}
    deny: {{ipAllowList: {{sourceRange: [192.0.2.1]}}}}
  services:
    s: {}
    none: {{loadBalancer: {{servers: []}}}}
    refused: {{loadBalancer: {{servers: [{{url: 'http://127.0.0.1:1'}}]}}}}
    pages: {}
",
        service.load_balancer(),
        pages.load_balancer()
    ));
    for (host, status) in [("none", 503), ("refused", 502), ("denied", 403)] {
        let reply = gateway.get(&format!("http://{host}/")).await;
        assert_eq!((reply.status, reply.text()), (status, format!("page of /{status}")), "{host}");
    }
}

#[tokio::test]
async fn a_version_that_fails_has_failed_whatever_its_clients_see() {
    let (service, pages) = (Backend::echo("s"), pages());
    let gateway = Gateway::with(&format!(
        "http:
  routers: {{r: {{rule: 'PathPrefix(`/`)', service: split, middlewares: [pages]}}}}
  middlewares: {{pages: {{errors: {{status: ['400-599'], statusRewrites: {{'400-599': 200}}, service: of-pages}}}}}}
  services:
    split: {{weighted: {{services: [{{name: s}}]}}}}
    s: {}
    of-pages: {{weighted: {{services: [{{name: p}}]}}}}
    p: {}
",
        service.load_balancer(),
        pages.load_balancer()
    ));
    for status in ["500", "404", "200"] {
        assert_eq!(gateway.ask(failing(status)).await.status, 200, "{status}");
    }
    let reads = async || {
        let metrics = gateway.metrics().await;
        let of = |outcome| {
            let labels = [("service", "split@file"), ("version", "s@file"), ("outcome", outcome)];
            metrics.sum("rollgate_version_requests_total", &labels)
        };
        let of_pages = metrics.sum("rollgate_version_requests_total", &[("service", "of-pages@file")]);
        let (errors, ok) = (of("error"), of("ok"));
        (errors + ok == 3.0).then_some((errors, of_pages))
    };
    assert_eq!(eventually("all are counted", reads).await, (1.0, 0.0));
}

#[tokio::test]
async fn a_stream_of_a_status_that_is_not_listed_goes_on_as_it_comes() {
    let (sender, body) = channel();
    let body = Arc::new(Mutex::new(Some(body)));
    let service = Backend::serve("stream", Protocol::Http1, move |_: Request<Incoming>| {
        let response = Response::new(body.lock().unwrap().take().expect("it answers once"));
        async move { response }
    });
    let gateway = gateway("{status: ['500'], service: pages}", &service, &pages().url());
    let mut client = Connection::http1(gateway.web()).await;
    let request = Request::get("/").header("host", "h").body(zeros(0)).unwrap();
    let mut body = client.try_send(request).await.unwrap().into_body();
    for piece in ["one", "two"] {
        sender.send(Frame::data(piece.into())).unwrap();
        let frame = within("the piece comes before the next one", body.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), piece);
    }
}

#[tokio::test]
async fn a_head_gets_the_pages_head_and_the_connection_serves_on() {
    let (service, pages) = (Backend::echo("s"), pages());
    let gateway = gateway("{status: ['500'], service: pages, query: /p}", &service, &pages.url());
    let mut client = RawConnection::open(gateway.web()).await;
    for _ in 0..3 {
        client.write("HEAD / HTTP/1.1\r\nHost: h\r\necho-status: 500\r\n\r\n").await;
        let head = client.read_head().await.unwrap().to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 500 ") && head.contains("content-length: 10\r\n"), "{head}");
        assert_eq!(client.exchange("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.status(), 200);
    }
    let reads = async || {
        let metrics = gateway.metrics().await;
        let ended = metrics.sum("traefik_entrypoint_requests_total", &[("code", "500"), ("method", "HEAD")]);
        (ended == 3.0).then_some(metrics)
    };
    eventually("all are counted", reads).await;
    assert_eq!((service.connections(), pages.connections()), (1, 1));
}

#[tokio::test]
async fn a_server_whose_answer_has_a_page_is_not_tried_again_and_its_service_pays() {
    let pages = pages();
    let [failing, well] = [("failing", 503), ("well", 200)].map(|(name, status)| {
        Backend::serve(name, Protocol::Http1, move |_: Request<Incoming>| async move {
            let mut response: Response<Body> = Response::new(full(name));
            *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
            response
        })
    });
    let gateway = Gateway::with(&format!(
        "http:
  routers: {{r: {{rule: 'PathPrefix(`/`)', service: s, middlewares: [again, pages]}}}}
  middlewares:
    again: {{retry: {{attempts: 2, status: ['503']}}}}
    pages: {{errors: {{status: ['503'], service: pages}}}}
  services:
    s: {{loadBalancer: {{servers: [{{url: '{}', weight: 1000}}, {{url: '{}', weight: 1}}]}}}}
    pages: {}
",
        failing.url(),
        well.url(),
        pages.load_balancer()
    ));
    for _ in 0..3 {
        assert_eq!(gateway.get("http://h/").await.text(), "well");
    }
    let metrics = gateway.metrics().await;
    let retried = |service| metrics.sum("rollgate_retries_total", &[("service", service)]);
    assert_eq!((retried("s@file"), retried("pages@file")), (3.0, 0.0));
}

#[tokio::test]
async fn what_a_server_may_have_done_is_not_done_twice_because_its_page_never_left() {
    let hostile = HostileBackend::start().await;
    let gateway = Gateway::with(&format!(
        "http:
  routers: {{r: {{rule: 'PathPrefix(`/`)', service: s, middlewares: [again, pages]}}}}
  middlewares:
    again: {{retry: {{attempts: 2}}}}
    pages: {{errors: {{status: ['502'], service: refused}}}}
  services:
    s: {{loadBalancer: {{servers: [{{url: '{}'}}]}}}}
    refused: {{loadBalancer: {{servers: [{{url: 'http://127.0.0.1:1'}}]}}}}
",
        hostile.url()
    ));
    let mut client = RawConnection::open(gateway.web()).await;
    client.write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello").await;
    let (mut peer, _) = hostile.request().await;
    assert_eq!(peer.body(5).await, b"hello");
    peer.reset();
    assert_eq!(client.read_reply().await.status(), 502);
    assert_eq!(gateway.metrics().await.sum("traefik_service_retries_total", &[]), 0.0);
}

#[tokio::test]
async fn a_page_that_does_not_come_is_not_waited_for_for_ever() {
    let service = Backend::echo("s");
    let silent = Backend::serve("silent", Protocol::Http1, |_: Request<Incoming>| std::future::pending());
    let errors = "{status: ['500'], statusRewrites: {'500': 503}, service: pages}";
    let gateway = gateway(errors, &service, &silent.url());
    let mut client = Connection::http1(gateway.web()).await;
    let began = std::time::Instant::now();
    let reply = within("the answer itself", client.ask(failing("500"))).await;
    assert_eq!((reply.status, reply.seen().backend.as_str()), (503, "s"));
    assert!(began.elapsed().as_secs() >= 5, "{:?}", began.elapsed());
    assert_eq!((client.ask(failing("200")).await.status, service.connections()), (200, 1));
    let metrics = gateway.metrics().await;
    let counted = metrics.sum("traefik_service_requests_total", &[("service", "pages@file"), ("code", "504")]);
    assert_eq!((counted, silent.requests()), (1.0, 1));
    eventually("its server is not held", async || (silent.open() == 0).then_some(())).await;
}
