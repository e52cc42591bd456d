//! A changed file goes live without a lost request; a broken one changes nothing and is told of.

#![cfg(test)]

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use rollgate_testkit::{Backend, Gateway, Launch, RawConnection, tls::Authority, wait::eventually};
use tokio::task::JoinHandle;

const STATIC: &str = "entryPoints:
  web: {address: '127.0.0.1:0'}
  traefik: {address: '127.0.0.1:0'}
metrics: {prometheus: {}}
log: {level: INFO}
";

fn weighted(old: &Backend, new: &Backend, weights: [u32; 2]) -> String {
    format!(
        "http:
  routers:
    r: {{rule: 'Host(`pro.coding`)', service: pro}}
  services:
    pro: {{weighted: {{services: [{{name: old, weight: {}}}, {{name: new, weight: {}}}]}}}}
    old: {}
    new: {}
",
        weights[0],
        weights[1],
        old.load_balancer(),
        new.load_balancer()
    )
}

fn start(dynamic: &str) -> Gateway {
    let config = format!("{STATIC}providers: {{file: {{filename: '@DIR@/dynamic.yml'}}}}\n");
    Launch::new(&config).file("dynamic.yml", dynamic).start()
}

async fn name(gateway: &Gateway) -> String {
    let reply = gateway.get("http://pro.coding/").await;
    reply.header("x-backend").unwrap_or_else(|| panic!("{}", reply.status)).to_owned()
}

async fn becomes(gateway: &Gateway, backend: &str) {
    eventually(&format!("{backend} answers"), async || (name(gateway).await == backend).then_some(())).await;
}

async fn problems(gateway: &Gateway) -> f64 {
    gateway.metrics().await.sum("rollgate_config_problems", &[("provider", "file")])
}

/// Clients that ask without pause, each on one connection, and count; any error or other status panics.
struct Traffic {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    clients: Vec<JoinHandle<()>>,
}

impl Traffic {
    fn begin(gateway: &Gateway) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let clients = (0..4).map(|_| {
            let (stop, answered, address) = (Arc::clone(&stop), Arc::clone(&answered), gateway.web());
            tokio::spawn(async move {
                let mut client = RawConnection::open(address).await;
                while !stop.load(Ordering::SeqCst) {
                    let reply = client.exchange("GET / HTTP/1.1\r\nHost: pro.coding\r\n\r\n").await;
                    assert_eq!(reply.status(), 200, "{reply:?}");
                    assert_eq!(reply.header("connection"), None, "the connection is kept");
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            })
        });
        Self { clients: clients.collect(), stop, answered }
    }

    /// Waits until some more were answered.
    async fn flows(&self) {
        let before = self.answered.load(Ordering::SeqCst);
        eventually("traffic flows", async || (self.answered.load(Ordering::SeqCst) >= before + 50).then_some(())).await;
    }

    async fn end(self) {
        self.stop.store(true, Ordering::SeqCst);
        for client in self.clients {
            client.await.expect("no client saw an error");
        }
    }
}

#[tokio::test]
async fn new_weights_go_live_and_no_request_is_lost() {
    let (old, new) = (Backend::echo("old"), Backend::echo("new"));
    let gateway = start(&weighted(&old, &new, [1, 0]));
    assert_eq!(name(&gateway).await, "old");
    let traffic = Traffic::begin(&gateway);
    for (weights, wins) in [([0, 1], "new"), ([1, 0], "old"), ([0, 5], "new"), ([5, 0], "old"), ([0, 1], "new")] {
        traffic.flows().await;
        gateway.rewrite("dynamic.yml", &weighted(&old, &new, weights));
        becomes(&gateway, wins).await;
    }
    traffic.flows().await;
    traffic.end().await;
    let before = old.requests();
    for _ in 0..20 {
        assert_eq!(name(&gateway).await, "new");
    }
    assert_eq!(old.requests(), before, "weight 0 receives nothing");
}

#[tokio::test]
async fn a_file_written_in_place_goes_live() {
    let (old, new) = (Backend::echo("old"), Backend::echo("new"));
    let gateway = start(&weighted(&old, &new, [1, 0]));
    assert_eq!(name(&gateway).await, "old");
    std::fs::write(gateway.directory().join("dynamic.yml"), weighted(&old, &new, [0, 1])).unwrap();
    becomes(&gateway, "new").await;
}

#[tokio::test]
async fn a_mounted_volume_that_swaps_its_link_goes_live() {
    let (old, new) = (Backend::echo("old"), Backend::echo("new"));
    let config = format!("{STATIC}providers: {{file: {{directory: '@DIR@/mount'}}}}\n");
    let launch = Launch::new(&config)
        .file("mount/..2001/dynamic.yml", &weighted(&old, &new, [1, 0]))
        .file("mount/..2002/dynamic.yml", &weighted(&old, &new, [0, 1]))
        .link("mount/..data", "..2001")
        .link("mount/dynamic.yml", "..data/dynamic.yml");
    let gateway = launch.start();
    assert_eq!(name(&gateway).await, "old");
    let mount = gateway.directory().join("mount");
    std::os::unix::fs::symlink("..2002", mount.join("..data_tmp")).unwrap();
    std::fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    becomes(&gateway, "new").await;
}

#[tokio::test]
async fn a_broken_file_changes_nothing_and_is_told_of() {
    let (old, new) = (Backend::echo("old"), Backend::echo("new"));
    let gateway = start(&weighted(&old, &new, [1, 0]));
    assert_eq!(problems(&gateway).await, 0.0);
    let traffic = Traffic::begin(&gateway);
    let good = weighted(&old, &new, [0, 1]);
    for (broken, told) in [
        (good.replace("routers:", "ruters:"), "ruters"),
        (good.replace("Host(`pro.coding`)", "Hots(`pro.coding`)"), "Hots"),
        (good.replace("service: pro", "service: nobody"), "nobody"),
        (good[..good.len() / 2].to_owned(), "dynamic.yml"),
        (String::new(), "empty"),
    ] {
        let before = gateway.stderr().len();
        gateway.rewrite("dynamic.yml", &broken);
        eventually("the problem is counted", async || (problems(&gateway).await > 0.0).then_some(())).await;
        eventually(&format!("the log tells of {told}"), async || {
            gateway.stderr()[before..].contains(told).then_some(())
        })
        .await;
        assert_eq!(name(&gateway).await, "old", "the last good configuration stays");
        gateway.rewrite("dynamic.yml", &weighted(&old, &new, [1, 0]));
        eventually("the problem is gone", async || (problems(&gateway).await == 0.0).then_some(())).await;
    }
    gateway.rewrite("dynamic.yml", &good);
    becomes(&gateway, "new").await;
    traffic.end().await;
}

#[tokio::test]
async fn fifty_changes_for_better_and_worse_cost_no_request() {
    let (old, new) = (Backend::echo("old"), Backend::echo("new"));
    let config = format!("{STATIC}providers: {{file: {{directory: '@DIR@/conf'}}}}\n");
    let gateway = Launch::new(&config).file("conf/dynamic.yml", &weighted(&old, &new, [1, 0])).start();
    let traffic = Traffic::begin(&gateway);
    let path = |name: &str| gateway.directory().join("conf").join(name);
    let beside = |host: &str| format!("http: {{routers: {{{host}: {{rule: 'Host(`{host}`)', service: pro}}}}}}\n");
    for round in 0..10 {
        let weights = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        let text = weighted(&old, &new, weights);
        // What is wrong beside must hold nothing back.
        std::fs::write(path("broken.yml"), &text[..text.len() - 1 - round]).unwrap();
        std::fs::write(path("beside.yml"), beside(&format!("host{round}"))).unwrap();
        gateway.rewrite("conf/dynamic.yml", &text);
        becomes(&gateway, if round % 2 == 0 { "new" } else { "old" }).await;
        std::fs::write(path("dynamic.yml"), text.replace("service: pro", "service: nobody")).unwrap();
        eventually("the problem is counted", async || (problems(&gateway).await > 1.0).then_some(())).await;
        std::fs::remove_file(path("broken.yml")).unwrap();
        gateway.rewrite("conf/dynamic.yml", &text);
        eventually("nothing is wrong", async || (problems(&gateway).await == 0.0).then_some(())).await;
        let host = format!("http://host{round}/");
        eventually("the file beside is live", async || (gateway.get(&host).await.status == 200).then_some(())).await;
    }
    traffic.flows().await;
    traffic.end().await;
}

#[tokio::test]
async fn lines_that_move_change_nothing_for_the_connections_to_servers() {
    let authority = Authority::new("ours");
    let identity = authority.issue(&["127.0.0.1"]);
    let secure = Backend::tls("secure", identity.server(&["http/1.1"]));
    let dynamic = format!(
        "http:
  routers: {{r: {{rule: 'Host(`pro.coding`)', service: s}}}}
  services: {{s: {{loadBalancer: {{serversTransport: t, servers: [{{url: '{}'}}]}}}}}}
  serversTransports:
    t: {{serverName: 127.0.0.1, rootCAs: ['@DIR@/ca.crt'], certificates: [{{certFile: '@DIR@/c.crt', keyFile: '@DIR@/c.key'}}]}}
",
        secure.url_as("https")
    );
    let config = format!("{STATIC}providers: {{file: {{filename: '@DIR@/dynamic.yml'}}}}\n");
    let launch = Launch::new(&config).file("ca.crt", &authority.pem);
    let launch = launch.file("c.crt", &identity.cert_pem).file("c.key", &identity.key_pem);
    let gateway = launch.file("dynamic.yml", &dynamic).start();
    let mut client = RawConnection::open(gateway.web()).await;
    let ask = "GET / HTTP/1.1\r\nHost: pro.coding\r\n\r\n";
    assert_eq!(client.exchange(ask).await.status(), 200);
    let more = "    more: {rule: 'Host(`more.coding`)', service: s}\n  services:";
    let moved = dynamic.replace("routers: {r:", "routers:\n    r:").replace("service: s}}", "service: s}");
    gateway.rewrite("dynamic.yml", &format!("# a line more\n\n{}", moved.replace("  services:", more)));
    eventually("the new router is live", async || {
        (gateway.get("http://more.coding/").await.status == 200).then_some(())
    })
    .await;
    let connections = secure.connections();
    assert_eq!(client.exchange(ask).await.status(), 200);
    assert_eq!(secure.connections(), connections, "the pooled connection outlives the configuration");
    assert!(connections <= 2, "{connections}: one for each worker that was asked");
}

#[tokio::test]
async fn files_come_and_go_in_a_directory() {
    let (one, two) = (Backend::echo("one"), Backend::echo("two"));
    let config = format!("{STATIC}providers: {{file: {{directory: '@DIR@/conf'}}}}\n");
    let route = |host: &str, backend: &Backend| {
        format!(
            "http:\n  routers: {{{host}: {{rule: 'Host(`{host}`)', service: {host}}}}}\n  services: {{{host}: {}}}\n",
            backend.load_balancer()
        )
    };
    let gateway = Launch::new(&config).file("conf/one.yml", &route("one", &one)).start();
    let status = async |host: &str| gateway.get(&format!("http://{host}/")).await.status;
    assert_eq!((status("one").await, status("two").await), (200, 404));
    std::fs::write(gateway.directory().join("conf/two.yml"), route("two", &two)).unwrap();
    eventually("the new file is live", async || (status("two").await == 200).then_some(())).await;
    assert_eq!(status("one").await, 200);
    std::fs::remove_file(gateway.directory().join("conf/one.yml")).unwrap();
    eventually("the old file is gone", async || (status("one").await == 404).then_some(())).await;
    assert_eq!(status("two").await, 200);
}

#[tokio::test]
async fn a_request_under_way_ends_on_the_configuration_it_began_with() {
    let (old, new) = (Backend::echo("old"), Backend::echo("new"));
    let gateway = start(&weighted(&old, &new, [1, 0]));
    let mut client = RawConnection::open(gateway.web()).await;
    client.write("POST / HTTP/1.1\r\nHost: pro.coding\r\nContent-Length: 10\r\n\r\nhalf-").await;
    eventually("the request arrives", async || (old.requests() == 1).then_some(())).await;
    gateway.rewrite("dynamic.yml", &weighted(&old, &new, [0, 1]));
    becomes(&gateway, "new").await;
    client.write("other").await;
    let reply = client.read_reply().await;
    assert_eq!((reply.status(), reply.header("x-backend")), (200, Some("old")));
    let next = client.exchange("GET / HTTP/1.1\r\nHost: pro.coding\r\n\r\n").await;
    assert_eq!((next.status(), next.header("x-backend")), (200, Some("new")));
}

#[tokio::test]
async fn a_reload_keeps_the_upstream_connections() {
    let (old, new) = (Backend::echo("old"), Backend::echo("new"));
    let gateway = start(&weighted(&old, &new, [1, 0]));
    let mut client = RawConnection::open(gateway.web()).await;
    let ask = "GET / HTTP/1.1\r\nHost: pro.coding\r\n\r\n";
    assert_eq!(client.exchange(ask).await.status(), 200);
    assert_eq!(old.connections(), 1);
    let more = weighted(&old, &new, [1, 0])
        .replace("  services:\n", "    more: {rule: 'Host(`more.coding`)', service: new}\n  services:\n");
    gateway.rewrite("dynamic.yml", &more);
    eventually("the new router is live", async || {
        (gateway.get("http://more.coding/").await.status == 200).then_some(())
    })
    .await;
    assert_eq!(client.exchange(ask).await.status(), 200);
    assert_eq!(old.connections(), 1, "the pooled connection outlives the configuration");
}
