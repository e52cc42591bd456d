//! What is kept for a restart (`--state-dir`), and a folder of which some files are good and some are not.

#![cfg(test)]

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use rollgate_testkit::{
    Ask, Backend, Connection, Gateway, Launch, rollgate,
    tls::{Authority, unverified_client},
    wait::eventually,
};
use rustix::process::Signal;
use tempfile::TempDir;

const STATIC: &str = "entryPoints:
  web: {address: '127.0.0.1:0'}
  websecure: {address: '127.0.0.1:0'}
  traefik: {address: '127.0.0.1:0'}
metrics: {prometheus: {}}
log: {level: INFO}
";

/// One host, served by a backend.
fn route(host: &str, backend: &Backend) -> String {
    format!(
        "http:\n  routers: {{{host}: {{rule: 'Host(`{host}`)', service: {host}}}}}\n  services: {{{host}: {}}}\n",
        backend.load_balancer()
    )
}

/// A folder that outlives the gateways that are started in it.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(TempDir::with_prefix("rollgate-test-").unwrap());
        place.write("rollgate.yml", &format!("{STATIC}providers: {{file: {{directory: '@DIR@/conf'}}}}\n"));
        place
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let beside = path.with_extension("new");
        fs::write(&beside, text.replace("@DIR@", self.0.path().to_str().unwrap())).unwrap();
        fs::rename(beside, path).unwrap();
    }

    fn arguments(&self) -> [String; 5] {
        let path = |name| self.path(name).to_str().unwrap().to_owned();
        ["run".to_owned(), "--config".to_owned(), path("rollgate.yml"), "--state-dir".to_owned(), path("state")]
    }

    fn start(&self) -> Gateway {
        let arguments = self.arguments();
        Launch::empty().arguments(&arguments.each_ref().map(String::as_str)).start()
    }

    /// Starts it where it must not serve; what it wrote.
    fn is_refused(&self) -> String {
        let arguments = self.arguments();
        let output = rollgate(self.0.path(), &arguments.each_ref().map(String::as_str));
        assert_eq!(output.code, 1, "{}", output.stderr);
        output.stderr
    }

    /// Waits until a copy has been written that holds this.
    async fn has_kept(&self, what: &str) {
        let path = self.path("state/last-good");
        eventually(&format!("{what} is kept"), async || {
            fs::read_to_string(&path).is_ok_and(|kept| kept.contains(what)).then_some(())
        })
        .await;
    }
}

async fn status(gateway: &Gateway, host: &str) -> u16 {
    gateway.get(&format!("http://{host}/")).await.status
}

async fn serves(gateway: &Gateway, host: &str, backend: &str) {
    let reply = gateway.get(&format!("http://{host}/")).await;
    assert_eq!((reply.status, reply.header("x-backend")), (200, Some(backend)), "{host}");
}

async fn comes_to_serve(gateway: &Gateway, host: &str, backend: &str) {
    eventually(&format!("{host} is served by {backend}"), async || {
        let reply = gateway.get(&format!("http://{host}/")).await;
        (reply.header("x-backend") == Some(backend)).then_some(())
    })
    .await;
}

async fn ready(gateway: &Gateway) -> String {
    let reply = Ask::get("http://localhost/ready").send(gateway.address("traefik")).await;
    assert_eq!(reply.status, 200);
    reply.text()
}

async fn ready_tells(gateway: &Gateway, what: &str) {
    eventually(&format!("/ready tells of {what}"), async || ready(gateway).await.contains(what).then_some(())).await;
}

async fn metric(gateway: &Gateway, name: &str) -> f64 {
    gateway.metrics().await.sum(name, &[])
}

async fn nothing_is_wrong(gateway: &Gateway) {
    eventually("nothing is wrong", async || (ready(gateway).await == "OK").then_some(())).await;
    assert_eq!(metric(gateway, "rollgate_config_problems").await, 0.0);
    assert_eq!(metric(gateway, "rollgate_config_held_back").await, 0.0);
}

#[tokio::test]
async fn of_a_folder_only_the_files_at_fault_keep_their_last_good_text() {
    let [one, two, three] = ["one", "two", "three"].map(Backend::echo);
    let place = Place::new();
    for host in ["a", "b", "c"] {
        place.write(&format!("conf/{host}.yml"), &route(host, &one));
    }
    let gateway = place.start();
    place.write("conf/a.yml", &route("a", &two));
    place.write("conf/b.yml", &route("b", &two).replace("services", "servces"));
    place.write("conf/new.yml", "half: [");
    comes_to_serve(&gateway, "a", "two").await;
    ready_tells(&gateway, "servces").await;
    serves(&gateway, "b", "one").await;
    serves(&gateway, "c", "one").await;
    let told = ready(&gateway).await;
    assert!(told.starts_with("OK, with problems:\n"), "{told}");
    assert!(told.contains("b.yml: its last good text serves on, live since 20"), "{told}");
    assert!(told.contains("new.yml: is left out; no text of it was good yet"), "{told}");
    assert_eq!(metric(&gateway, "rollgate_config_held_back").await, 2.0);
    let problems = metric(&gateway, "rollgate_config_problems").await;
    assert!(problems >= 2.0, "{told}");
    // Another change meanwhile goes live, and what is wrong goes on being told of, in the log once.
    let logged = gateway.stderr().matches("servces").count();
    place.write("conf/c.yml", &route("c", &three));
    comes_to_serve(&gateway, "c", "three").await;
    assert_eq!(metric(&gateway, "rollgate_config_problems").await, problems);
    assert_eq!(gateway.stderr().matches("servces").count(), logged);
    place.write("conf/b.yml", &route("b", &three));
    fs::remove_file(place.path("conf/new.yml")).unwrap();
    comes_to_serve(&gateway, "b", "three").await;
    nothing_is_wrong(&gateway).await;
}

#[tokio::test]
async fn what_files_need_of_each_other_holds_back_the_one_that_took_it_away() {
    let [one, two] = ["one", "two"].map(Backend::echo);
    let place = Place::new();
    let router = "http: {routers: {r: {rule: 'Host(`r`)', service: shared}}}\n";
    place.write("conf/router.yml", router);
    place.write("conf/shared.yml", &route("shared", &one));
    place.write("conf/other.yml", &route("other", &one));
    let gateway = place.start();
    serves(&gateway, "r", "one").await;
    // Deleted though still needed, while another changes.
    fs::remove_file(place.path("conf/shared.yml")).unwrap();
    place.write("conf/other.yml", &route("other", &two));
    comes_to_serve(&gateway, "other", "two").await;
    ready_tells(&gateway, "shared.yml: its last good text serves on").await;
    ready_tells(&gateway, "unknown service \"shared\"").await;
    serves(&gateway, "r", "one").await;
    place.write("conf/shared.yml", &route("shared", &two));
    comes_to_serve(&gateway, "r", "two").await;
    nothing_is_wrong(&gateway).await;
    // A name given twice: the newcomer is left out, whatever its place in the order.
    place.write("conf/again.yml", &route("other", &one));
    ready_tells(&gateway, "again.yml: is left out").await;
    serves(&gateway, "other", "two").await;
    fs::remove_file(place.path("conf/again.yml")).unwrap();
    nothing_is_wrong(&gateway).await;
    // What cannot be compiled is found later than what cannot be read, and holds back as little.
    let header = "http: {middlewares: {m: {replacePathRegex: {regex: '(', replacement: x}}}}\n";
    place.write("conf/middleware.yml", header);
    place.write("conf/other.yml", &route("other", &one));
    comes_to_serve(&gateway, "other", "one").await;
    ready_tells(&gateway, "middleware.yml: is left out").await;
}

#[tokio::test]
async fn the_last_good_copy_serves_after_a_restart_with_bad_files() {
    let [one, two] = ["one", "two"].map(Backend::echo);
    let place = Place::new();
    place.write("conf/a.yml", &route("a", &one));
    place.write("conf/b.yml", &route("b", &one));
    let gateway = place.start();
    place.write("conf/b.yml", &route("b", &two));
    comes_to_serve(&gateway, "b", "two").await;
    assert!(gateway.terminate().success());
    let kept = fs::read_to_string(place.path("state/last-good")).unwrap();
    assert!(kept.contains("Host(`b`)"), "what was live at the end is kept: {kept}");
    let mode = |name: &str| fs::metadata(place.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("state"), mode("state/last-good")), (0o700, 0o600));

    place.write("conf/a.yml", &route("a", &two));
    place.write("conf/b.yml", "");
    let gateway = place.start();
    serves(&gateway, "a", "two").await;
    serves(&gateway, "b", "two").await;
    ready_tells(&gateway, "is empty").await;
    ready_tells(&gateway, "b.yml: its last good text serves on").await;
    assert!(metric(&gateway, "rollgate_config_problems").await > 0.0);
    for told in ["is empty", "b.yml: its last good text serves on", " s old"] {
        eventually(&format!("the log tells: {told}"), async || gateway.stderr().contains(told).then_some(())).await;
    }
    place.write("conf/b.yml", &route("b", &one));
    comes_to_serve(&gateway, "b", "one").await;
    nothing_is_wrong(&gateway).await;
}

#[tokio::test]
async fn the_copy_outlives_a_kill_and_a_folder_that_is_gone() {
    let one = Backend::echo("one");
    let place = Place::new();
    place.write("conf/a.yml", &route("a", &one));
    let mut gateway = place.start();
    place.has_kept("Host(`a`)").await;
    gateway.signal(Signal::KILL);
    gateway.wait();
    fs::remove_dir_all(place.path("conf")).unwrap();
    let gateway = place.start();
    serves(&gateway, "a", "one").await;
    ready_tells(&gateway, "conf: file: cannot read this folder").await;
}

#[tokio::test]
async fn certificates_are_kept_with_their_keys() {
    let (authority, one) = (Authority::new("ours"), Backend::echo("one"));
    let [old, new] = [0, 1].map(|_| authority.issue(&["a.test"]));
    let place = Place::new();
    let tls = "tls: {certificates: [{certFile: '@DIR@/certs/tls.crt', keyFile: '@DIR@/certs/tls.key'}]}\n";
    let router = route("a", &one).replace("service: a}", "service: a, tls: {}, entryPoints: [websecure]}");
    place.write("conf/a.yml", &format!("{router}{tls}"));
    place.write("certs/tls.crt", &old.cert_pem);
    place.write("certs/tls.key", &old.key_pem);
    let gateway = place.start();
    assert!(gateway.terminate().success());
    // A rotation that was cut short by the restart.
    place.write("certs/tls.crt", &new.cert_pem);
    let gateway = place.start();
    let address = gateway.address("websecure");
    let shown = async || Connection::tls(address, "a.test", unverified_client(&["h2"])).await.certificate;
    assert_eq!(shown().await, old.certificate.to_vec());
    ready_tells(&gateway, "do not go together").await;
    place.write("certs/tls.key", &new.key_pem);
    eventually("the new pair is shown", async || (shown().await == new.certificate.to_vec()).then_some(())).await;
    nothing_is_wrong(&gateway).await;
}

#[tokio::test]
async fn without_a_copy_or_with_wrong_static_configuration_nothing_is_served() {
    let one = Backend::echo("one");
    let place = Place::new();
    place.write("conf/a.yml", "");
    let told = place.is_refused();
    assert!(told.contains("is empty") && told.contains("nothing is served"), "{told}");
    place.write("conf/a.yml", &route("a", &one));
    assert!(place.start().terminate().success());
    // The copy is no help where the entry points are not known.
    place.write("rollgate.yml", "entryPoints: {web: {adress: ':0'}}\n");
    let told = place.is_refused();
    assert!(told.contains("adress"), "{told}");
}

#[tokio::test]
async fn a_damaged_copy_is_moved_aside_and_told_of() {
    let one = Backend::echo("one");
    let place = Place::new();
    place.write("conf/a.yml", &route("a", &one));
    assert!(place.start().terminate().success());
    let path = place.path("state/last-good");
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 3;
    bytes[last] ^= 1;
    fs::write(&path, &bytes).unwrap();
    // With good files it costs nothing.
    let gateway = place.start();
    serves(&gateway, "a", "one").await;
    eventually("the log tells of it", async || gateway.stderr().contains("is damaged; it is now").then_some(())).await;
    assert!(place.path("state/last-good.damaged").exists());
    place.has_kept("Host(`a`)").await;
    nothing_is_wrong(&gateway).await;
    drop(gateway);
    // With bad ones there is nothing to fall back to, and that is said.
    fs::write(&path, &bytes).unwrap();
    place.write("conf/a.yml", "");
    let told = place.is_refused();
    assert!(told.contains("is damaged; it is now") && told.contains("is empty"), "{told}");
}

/// Mounts a file system of 64 KiB in a mount namespace of the gateway's own; where that is not allowed the test fails.
#[tokio::test]
async fn a_full_disk_is_told_of_and_costs_nothing_else() {
    let [one, two] = ["one", "two"].map(Backend::echo);
    let place = Place::new();
    place.write("conf/a.yml", &route("a", &one));
    fs::create_dir(place.path("state")).unwrap();
    let may_mount = Command::new("unshare").args(["-m", "true"]).status().expect("unshare is installed");
    assert!(may_mount.success(), "this test must be run by root, or with CAP_SYS_ADMIN");
    let script =
        "mount -t tmpfs -o size=64k none \"$1\" && head -c 60000 /dev/zero >\"$1/ballast\" && shift && exec \"$@\"";
    let (state, binary) = (place.path("state"), rollgate_testkit::command::binary());
    let mut arguments = vec!["-m", "sh", "-c", script, "sh", text(&state), text(&binary)];
    let own = place.arguments();
    arguments.extend(own.iter().map(String::as_str));
    let big = format!("{}# {}\n", route("a", &one), "x".repeat(10_000));
    place.write("conf/a.yml", &big);
    let gateway = Launch::empty().program("/usr/bin/unshare").arguments(&arguments).start();
    serves(&gateway, "a", "one").await;
    ready_tells(&gateway, "last-good cannot be written: ").await;
    eventually("the log tells of it", async || gateway.stderr().contains("cannot be written: ").then_some(())).await;
    assert!(metric(&gateway, "rollgate_config_problems").await > 0.0);
    // What is small enough can be kept.
    place.write("conf/a.yml", &route("a", &two));
    comes_to_serve(&gateway, "a", "two").await;
    nothing_is_wrong(&gateway).await;
    assert_eq!(status(&gateway, "nobody").await, 404);
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of text")
}
