//! `encodedCharacters`: what a router's path may have in encoded form, where the entry point allows more.

#![cfg(test)]

use rollgate_testkit::{Ask, Backend, Gateway, RawConnection};

const CHARACTERS: [(&str, &str); 7] = [
    ("Slash", "%2f"),
    ("BackSlash", "%5C"),
    ("NullCharacter", "%00"),
    ("Semicolon", "%3b"),
    ("Percent", "%25"),
    ("QuestionMark", "%3F"),
    ("Hash", "%23"),
];

/// A router for each character that lets that one through, one for none of them, and one without the middleware.
fn gateway(backend: &Backend) -> Gateway {
    let (mut routers, mut middlewares) = (String::new(), String::new());
    for (name, _) in CHARACTERS {
        routers.push_str(&format!("    {name}: {{rule: 'Host(`{name}`)', service: s, middlewares: [{name}]}}\n"));
        middlewares.push_str(&format!("    {name}: {{encodedCharacters: {{allowEncoded{name}: true}}}}\n"));
    }
    Gateway::with(&format!(
        "http:
  routers:
    strict: {{rule: 'Host(`strict`)', service: s, middlewares: [strict]}}
    open: {{rule: 'Host(`open`)', service: s}}
    stripped: {{rule: 'Host(`stripped`)', service: s, middlewares: [strip, strict]}}
    marked: {{rule: 'Host(`marked`)', service: s, middlewares: [mark, strict]}}
{routers}  middlewares:
    strict: {{encodedCharacters: {{}}}}
    strip: {{stripPrefixRegex: {{regex: ['/%[a-z]+']}}}}
    mark: {{headers: {{customResponseHeaders: {{X-Mark: 'yes'}}}}}}
{middlewares}  services: {{s: {}}}
",
        backend.load_balancer()
    ))
}

#[tokio::test]
async fn a_router_lets_through_what_it_allows() {
    let backend = Backend::echo("s");
    let gateway = gateway(&backend);
    for (name, character) in CHARACTERS {
        for over_http2 in [false, true] {
            let ask = async |host: &str| {
                let ask = Ask::get(&format!("http://{host}/a{character}b?q={character}"));
                if over_http2 { ask.send_h2(gateway.web()).await } else { ask.send(gateway.web()).await }
            };
            let before = backend.requests();
            let refused = ask("strict").await;
            assert_eq!((refused.status, backend.requests()), (400, before), "{name}");
            for host in [name, "open"] {
                let reply = ask(host).await;
                assert_eq!(reply.status, 200, "{name} at {host}");
                let path = format!("/a{}b?q={character}", character.to_ascii_uppercase());
                assert_eq!(reply.seen().uri, path);
            }
            for (other, _) in CHARACTERS.iter().filter(|(other, _)| *other != name) {
                assert_eq!(ask(other).await.status, 400, "{name} at {other}");
            }
        }
    }
}

#[tokio::test]
async fn the_path_counts_as_it_is_at_that_place() {
    let backend = Backend::echo("s");
    let gateway = gateway(&backend);
    let stripped = gateway.ask(Ask::get("http://stripped/%25abc/x")).await;
    assert_eq!((stripped.status, &*stripped.seen().uri), (200, "/x"));
    assert_eq!(gateway.ask(Ask::get("http://stripped/%25abc/%25x")).await.status, 400);
    let marked = gateway.ask(Ask::get("http://marked/%2F")).await;
    assert_eq!((marked.status, marked.header("x-mark")), (400, Some("yes")));
}

#[tokio::test]
async fn what_clients_should_have_encoded_counts_as_encoded() {
    let backend = Backend::echo("s");
    let gateway = gateway(&backend);
    for (host, status) in [("strict", 400), ("BackSlash", 200)] {
        let mut client = RawConnection::open(gateway.web()).await;
        let reply = client.exchange(format!("GET /a\\b HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        assert_eq!(reply.status(), status, "{host}");
    }
}
