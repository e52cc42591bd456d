use std::{net::IpAddr, sync::Arc};

use http::header::COOKIE;
use rollgate_config::{Allow, Document, Format};

use super::*;
use crate::{compile::Compiler, entry_point, metrics::Metrics, snapshot::ServiceKind};

/// The load balancer that this `loadBalancer` describes.
fn balancer(text: &str) -> Arc<LoadBalancer> {
    let text = format!("{{http: {{services: {{pro: {{loadBalancer: {text}}}}}}}}}");
    let document = Document::parse("test.yml", &text, Format::Yaml).unwrap();
    let statics =
        rollgate_config::read_static(&Document::parse("s.yml", "{}", Format::Yaml).unwrap(), &Allow::default());
    let statics = statics.value.unwrap();
    let read = rollgate_config::read_dynamic(&[document], "file", Some(&statics), &Allow::default());
    assert_eq!(read.problems, []);
    let metrics = Arc::new(Metrics::new(None).unwrap());
    let entry_points = entry_point::unbound(&statics, &metrics);
    let mut compiler = Compiler::new(statics, entry_points, metrics, 1).unwrap();
    let snapshot = compiler.compile(&read.value.unwrap()).ok().unwrap().snapshot;
    let found = snapshot.services.iter().find_map(|service| match &service.kind {
        ServiceKind::LoadBalancer(balancer) => Some(balancer.clone()),
        _ => None,
    });
    found.unwrap()
}

const THREE: &str = "servers: [{url: 'http://10.0.0.1:80'}, {url: 'http://10.0.0.2:80', weight: 2}, {url: 'http://10.0.0.3:80', weight: 0}]";

/// A client's way to a load balancer.
struct Client {
    rounds: Rounds,
    headers: HeaderMap,
    address: IpAddr,
    tried: Vec<u64>,
    random: fastrand::Rng,
}

impl Client {
    fn new() -> Self {
        let random = fastrand::Rng::with_seed(5);
        let address = [10, 9, 8, 7].into();
        Self { rounds: Rounds::default(), headers: HeaderMap::new(), address, tried: Vec::new(), random }
    }

    fn pick(&mut self, balancer: &LoadBalancer) -> Option<usize> {
        let client = &(self.address, 4000).into();
        let asking = Asking { client, troubles: false, tried: &self.tried, now: || 0 };
        pick(&self.rounds, balancer, &asking, &mut || self.random.u64(..))
    }

    fn pick_sticky(&mut self, balancer: &LoadBalancer) -> Option<Picked> {
        let (sticky, client) = (balancer.sticky.as_ref().unwrap(), &(self.address, 4000).into());
        let asking = Asking { client, troubles: false, tried: &self.tried, now: || 0 };
        pick_sticky(sticky, &self.headers, &self.rounds, balancer, &asking, &mut || self.random.u64(..))
    }

    fn servers(&mut self, balancer: &LoadBalancer, count: usize) -> Vec<usize> {
        (0..count).map(|_| self.pick(balancer).unwrap()).collect()
    }

    fn counts(&mut self, balancer: &LoadBalancer, count: usize) -> [usize; 3] {
        let servers = self.servers(balancer, count);
        [0, 1, 2].map(|server| servers.iter().filter(|picked| **picked == server).count())
    }
}

#[test]
fn each_strategy_reaches_all_servers_but_those_without_weight() {
    for (strategy, ones) in [("wrr", 100..101), ("p2c", 130..170), ("leasttime", 100..101)] {
        let balancer = balancer(&format!("{{strategy: {strategy}, {THREE}}}"));
        let [first, second, third] = Client::new().counts(&balancer, 300);
        assert!(ones.contains(&first), "{strategy}: {first}");
        assert_eq!((first + second, third), (300, 0), "{strategy}");
    }
}

#[test]
fn hrw_keeps_a_client_with_its_server_and_gives_each_server_its_share_of_the_clients() {
    let balancer = balancer(&format!("{{strategy: hrw, {THREE}}}"));
    let mut counts = [0; 3];
    for number in 0..3000u32 {
        let mut client = Client::new();
        client.address = IpAddr::from(number.to_be_bytes());
        let servers = client.servers(&balancer, 3);
        assert!(servers.iter().all(|server| *server == servers[0]));
        counts[servers[0]] += 1;
    }
    assert!((900..1100).contains(&counts[0]), "{counts:?}");
    assert_eq!((counts[0] + counts[1], counts[2]), (3000, 0));
}

#[test]
fn a_server_that_was_tried_is_avoided_where_there_is_another_one() {
    for strategy in ["wrr", "p2c", "leasttime", "hrw"] {
        let balancer = balancer(&format!("{{strategy: {strategy}, {THREE}}}"));
        let mut client = Client::new();
        client.tried = vec![balancer.servers[1].target.unique];
        assert_eq!(client.servers(&balancer, 20), [0; 20], "{strategy}");
        // All of them were: better one of these than none. One without weight is still none.
        client.tried.push(balancer.servers[0].target.unique);
        assert!(client.servers(&balancer, 20).iter().all(|server| *server < 2), "{strategy}");
    }
    let lone = balancer("{servers: [{url: 'http://10.0.0.1:80'}]}");
    let mut client = Client::new();
    client.tried = vec![lone.servers[0].target.unique];
    assert_eq!(client.servers(&lone, 2), [0; 2]);
}

#[test]
fn a_sticky_client_comes_back_unless_its_server_was_tried() {
    let balancer = balancer(&format!("{{sticky: {{cookie: {{name: at}}}}, {THREE}}}"));
    let mut client = Client::new();
    let first = client.pick_sticky(&balancer).unwrap();
    assert_eq!(first.assignment, Assignment::Issued);
    let line = first.cookie.unwrap();
    // printf http://10.0.0.1:80 | sha256sum, and so on.
    let expected = ["at=df5bd2f9c0180410; Path=/", "at=e0c6f0ca44f87f06; Path=/"];
    assert_eq!(line, expected[first.server]);
    client.headers.insert(COOKIE, line.to_str().unwrap().split(';').next().unwrap().parse().unwrap());
    for _ in 0..10 {
        let back = client.pick_sticky(&balancer).unwrap();
        assert_eq!((back.server, back.assignment, back.cookie), (first.server, Assignment::Kept, None));
    }
    client.tried = vec![balancer.servers[first.server].target.unique];
    let moved = client.pick_sticky(&balancer).unwrap();
    assert_eq!((moved.server, moved.assignment), (1 - first.server, Assignment::Lost));
    assert_eq!(moved.cookie.unwrap(), expected[moved.server]);
}

#[test]
fn a_draining_server_keeps_its_clients() {
    let text = format!("{{sticky: {{cookie: {{name: at}}, drain: true}}, {THREE}}}");
    let balancer = balancer(&text);
    let mut client = Client::new();
    client.headers.insert(COOKIE, "at=http://10.0.0.3:80".parse().unwrap());
    let back = client.pick_sticky(&balancer).unwrap();
    assert_eq!((back.server, back.assignment), (2, Assignment::Kept));
    assert!(back.cookie.is_some_and(|line| line != "at=http://10.0.0.3:80; Path=/"), "an old value is rewritten");
}

#[test]
fn what_is_in_flight_and_how_long_answers_take_decides_where_the_strategy_says_so() {
    let two = "servers: [{url: 'http://10.0.0.1:80'}, {url: 'http://10.0.0.2:80'}]";
    let by_count = balancer(&format!("{{strategy: p2c, {two}}}"));
    let held = InFlight::enter(&by_count, &by_count.servers[0]);
    assert_eq!(Client::new().servers(&by_count, 5), [1; 5]);
    drop(held);
    let [first, second, _] = Client::new().counts(&by_count, 100);
    assert!(first > 20 && second > 20, "{first} {second}");

    let by_time = balancer(&format!("{{strategy: leasttime, {two}}}"));
    let held = [0, 0, 1].map(|server| InFlight::enter(&by_time, &by_time.servers[server]).unwrap());
    assert_eq!(by_time.servers[0].load.in_flight(), 2);
    held.iter().for_each(InFlight::answered);
    assert!(by_time.servers[0].load.standing(0, 1).average.is_some(), "an answer is a sample");
    drop(held);
    assert_eq!(by_time.servers[0].load.in_flight(), 0);

    let by_turn = balancer(&format!("{{{two}}}"));
    assert!(InFlight::enter(&by_turn, &by_turn.servers[0]).is_none());
}

#[test]
fn without_a_server_with_weight_none_is_picked() {
    for servers in [
        "[]",
        "[{url: 'http://10.0.0.1:80', weight: 0}]",
        "[{url: 'http://a', weight: 0}, {url: 'http://b', weight: 0}]",
    ] {
        for strategy in ["wrr", "p2c", "leasttime", "hrw"] {
            let balancer = balancer(&format!("{{strategy: {strategy}, servers: {servers}}}"));
            assert!(Client::new().pick(&balancer).is_none(), "{strategy} {servers}");
        }
    }
}
