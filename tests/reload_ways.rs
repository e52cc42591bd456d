//! Every way in which a file changes is seen and goes live, and soon.

#![cfg(test)]

use std::{
    fs,
    io::Write,
    os::unix::fs::symlink,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use rollgate_testkit::{Backend, Gateway, Launch, wait::eventually};
use rustix::process::Signal;

const STATIC: &str = "entryPoints:
  web: {address: '127.0.0.1:0'}
  traefik: {address: '127.0.0.1:0'}
metrics: {prometheus: {}}
log: {level: INFO}
";

/// Below the 2 s at which files are looked at in any case, and far above what is promised, for the machine that runs many
/// tests at once: what is later than this was not noticed.
const NOTICED: Duration = Duration::from_millis(1_500);

/// A configuration that sends everything to a backend.
fn to(backend: &Backend) -> String {
    format!(
        "http:\n  routers: {{r: {{rule: 'PathPrefix(`/`)', service: s}}}}\n  services: {{s: {}}}\n",
        backend.load_balancer()
    )
}

/// A gateway that follows `conf/dynamic.yml` by its own name, and two backends, of which the first is configured.
struct Scene {
    gateway: Gateway,
    backends: [Backend; 2],
    current: usize,
}

impl Scene {
    fn of_file() -> Self {
        Self::start("filename: '@DIR@/conf/dynamic.yml'", |launch, text| launch.file("conf/dynamic.yml", text))
    }

    fn of_folder() -> Self {
        Self::start("directory: '@DIR@/conf'", |launch, text| launch.file("conf/dynamic.yml", text))
    }

    fn start(provider: &str, prepare: impl FnOnce(Launch, &str) -> Launch) -> Self {
        let backends = [Backend::echo("one"), Backend::echo("two")];
        let launch = Launch::new(&format!("{STATIC}providers: {{file: {{{provider}}}}}\n"));
        let gateway = prepare(launch, &to(&backends[0])).start();
        Self { gateway, backends, current: 0 }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.gateway.directory().join(name)
    }

    /// The text that is to come next.
    fn next(&self) -> String {
        to(&self.backends[1 - self.current])
    }

    /// After a change to what [`Scene::next`] said: it is live, sooner than by the clock.
    async fn goes_live(&mut self, how: &str) {
        let changed = Instant::now();
        self.current = 1 - self.current;
        let name = ["one", "two"][self.current];
        eventually(&format!("{how}: {name} answers"), async || (self.answers().await == name).then_some(())).await;
        let took = changed.elapsed();
        assert!(took < NOTICED, "{how}: took {took:?}; it was only found by the clock");
    }

    async fn answers(&self) -> String {
        let reply = self.gateway.get("http://any.test/").await;
        reply.header("x-backend").unwrap_or_else(|| panic!("{}", reply.status)).to_owned()
    }

    async fn problems(&self) -> f64 {
        self.gateway.metrics().await.sum("rollgate_config_problems", &[("provider", "file")])
    }

    /// After a change for the worse: it is told of, and what was live serves on.
    async fn is_refused(&self, how: &str) {
        eventually(&format!("{how}: it is told of"), async || (self.problems().await > 0.0).then_some(())).await;
        assert_eq!(self.answers().await, ["one", "two"][self.current], "{how}");
    }

    async fn is_mended(&self, how: &str) {
        eventually(&format!("{how}: nothing is wrong"), async || (self.problems().await == 0.0).then_some(())).await;
    }
}

fn rename_over(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    fs::write(&beside, text).unwrap();
    fs::rename(beside, path).unwrap();
}

#[tokio::test]
async fn a_file_that_is_written_replaced_or_made_again_goes_live() {
    for mut scene in [Scene::of_file(), Scene::of_folder()] {
        let path = scene.path("conf/dynamic.yml");
        // Twice: what is watched after a change is another file.
        for _ in 0..2 {
            fs::write(&path, scene.next()).unwrap();
            scene.goes_live("written in place").await;
            rename_over(&path, &scene.next());
            scene.goes_live("renamed over").await;
            fs::remove_file(&path).unwrap();
            fs::write(&path, scene.next()).unwrap();
            scene.goes_live("deleted and made again").await;
            let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
            file.write_all(b"# and a line more\n").unwrap();
            fs::write(&path, scene.next()).unwrap();
            scene.goes_live("while another has it open").await;
        }
        assert_eq!(scene.problems().await, 0.0);
    }
}

#[tokio::test]
async fn a_file_that_is_missing_for_a_while_serves_on() {
    let mut scene = Scene::of_file();
    let path = scene.path("conf/dynamic.yml");
    fs::remove_file(&path).unwrap();
    scene.is_refused("deleted").await;
    fs::write(&path, scene.next()).unwrap();
    scene.goes_live("made again").await;
    scene.is_mended("made again").await;
}

#[tokio::test]
async fn half_a_file_is_never_live() {
    let mut scene = Scene::of_file();
    let path = scene.path("conf/dynamic.yml");
    let text = scene.next();
    // The half of it would be a good configuration, but without the router.
    let half = text.find("  routers").unwrap();
    let mut file = fs::File::create(&path).unwrap();
    file.write_all(&text.as_bytes()[..half]).unwrap();
    file.flush().unwrap();
    file.write_all(&text.as_bytes()[half..]).unwrap();
    drop(file);
    scene.goes_live("written in two steps").await;
    for broken in [&text[..text.len() - 5], "", "\n", "{"] {
        fs::write(&path, broken).unwrap();
        scene.is_refused(&format!("{broken:?}")).await;
        rename_over(&path, &to(&scene.backends[scene.current]));
        scene.is_mended("whole again").await;
    }
}

#[tokio::test]
async fn a_volume_that_swaps_its_link_goes_live_again_and_again() {
    let providers = ["directory: '@DIR@/conf'", "filename: '@DIR@/conf/dynamic.yml'"];
    for provider in providers {
        let mut scene = Scene::start(provider, |launch, text| {
            let launch = launch.file("conf/..0/dynamic.yml", text);
            launch.link("conf/..data", "..0").link("conf/dynamic.yml", "..data/dynamic.yml")
        });
        for version in 1..4 {
            // As Kubernetes' AtomicWriter does it.
            let folder = scene.path(&format!("conf/..{version}"));
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("dynamic.yml"), scene.next()).unwrap();
            symlink(format!("..{version}"), scene.path("conf/..data_tmp")).unwrap();
            fs::rename(scene.path("conf/..data_tmp"), scene.path("conf/..data")).unwrap();
            fs::remove_dir_all(scene.path(&format!("conf/..{}", version - 1))).unwrap();
            scene.goes_live(&format!("{provider}: version {version}")).await;
        }
        assert_eq!(scene.problems().await, 0.0);
    }
}

#[tokio::test]
async fn a_file_behind_links_goes_live_when_its_target_changes() {
    let mut scene = Scene::start("filename: '@DIR@/conf/dynamic.yml'", |launch, text| {
        let launch = launch.file("elsewhere/real.yml", text).file("conf/.keep", "");
        launch.link("through", "elsewhere").link("conf/dynamic.yml", "../through/real.yml")
    });
    let real = scene.path("elsewhere/real.yml");
    fs::write(&real, scene.next()).unwrap();
    scene.goes_live("the target is written in place").await;
    rename_over(&real, &scene.next());
    scene.goes_live("the target is renamed over").await;
    fs::create_dir(scene.path("other")).unwrap();
    fs::write(scene.path("other/real.yml"), scene.next()).unwrap();
    symlink("other", scene.path("through.new")).unwrap();
    fs::rename(scene.path("through.new"), scene.path("through")).unwrap();
    scene.goes_live("a link on the way leads elsewhere").await;
    fs::write(scene.path("other/real.yml"), scene.next()).unwrap();
    scene.goes_live("the new target is written in place").await;
}

#[tokio::test]
async fn a_folder_that_is_made_again_or_swapped_is_followed_on() {
    let mut scene = Scene::of_folder();
    let folder = scene.path("conf");
    fs::remove_dir_all(&folder).unwrap();
    scene.is_refused("the folder is gone").await;
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("dynamic.yml"), scene.next()).unwrap();
    scene.goes_live("it is made again").await;
    fs::write(folder.join("dynamic.yml"), scene.next()).unwrap();
    scene.goes_live("and watched").await;
    let new = scene.path("conf.new");
    fs::create_dir(&new).unwrap();
    fs::write(new.join("dynamic.yml"), scene.next()).unwrap();
    fs::rename(&folder, scene.path("conf.old")).unwrap();
    fs::rename(&new, &folder).unwrap();
    scene.goes_live("another takes its place").await;
    fs::write(folder.join("dynamic.yml"), scene.next()).unwrap();
    scene.goes_live("and is watched").await;
    fs::create_dir_all(folder.join("below/further")).unwrap();
    fs::rename(folder.join("dynamic.yml"), folder.join("below/further/dynamic.yml")).unwrap();
    fs::write(folder.join("below/further/dynamic.yml"), scene.next()).unwrap();
    scene.goes_live("moved into a folder below").await;
    fs::write(folder.join("below/further/dynamic.yml"), scene.next()).unwrap();
    scene.goes_live("where it is watched too").await;
}

/// Docker's `-v ./dynamic.yml:/conf/dynamic.yml`: nothing is ever written in the folder that the gateway sees. Wants to mount,
/// in a mount namespace of the gateway's own; where that is not allowed, this promise is not kept by anybody's word, so the
/// test fails.
#[tokio::test]
async fn a_single_file_that_is_bind_mounted_goes_live_when_it_is_written_through_its_other_name() {
    let backends = [Backend::echo("one"), Backend::echo("two")];
    let may_mount = Command::new("unshare").args(["-m", "true"]).status().expect("unshare is installed");
    assert!(may_mount.success(), "this test must be run by root, or with CAP_SYS_ADMIN");
    let script = "mount --bind \"$1\" \"$2\" && shift 2 && exec \"$@\"";
    let launch = Launch::new(&format!("{STATIC}providers: {{file: {{filename: '@DIR@/inside/dynamic.yml'}}}}\n"));
    let launch = launch.file("inside/dynamic.yml", "{}").file("outside/dynamic.yml", &to(&backends[0]));
    let binary = rollgate_testkit::command::binary();
    let binary = binary.to_str().expect("a path of text");
    let gateway = launch
        .program("/usr/bin/unshare")
        .arguments(&[
            "-m",
            "sh",
            "-c",
            script,
            "sh",
            "@DIR@/outside/dynamic.yml",
            "@DIR@/inside/dynamic.yml",
            binary,
            "run",
            "--config",
            "@DIR@/rollgate.yml",
        ])
        .start();
    let mut scene = Scene { gateway, backends, current: 0 };
    assert_eq!(scene.answers().await, "one");
    for _ in 0..2 {
        fs::write(scene.path("outside/dynamic.yml"), scene.next()).unwrap();
        scene.goes_live("written through its other name").await;
    }
}

#[tokio::test]
async fn without_watching_only_sighup_reads() {
    let mut scene = Scene::start("watch: false, filename: '@DIR@/conf/dynamic.yml'", |launch, text| {
        launch.file("conf/dynamic.yml", text)
    });
    fs::write(scene.path("conf/dynamic.yml"), scene.next()).unwrap();
    // Longer than a watcher or the clock would take.
    let deadline = Instant::now() + Duration::from_secs(3);
    while Instant::now() < deadline {
        assert_eq!(scene.answers().await, "one");
    }
    scene.gateway.signal(Signal::HUP);
    scene.goes_live("SIGHUP").await;
}

#[tokio::test]
async fn sighup_reads_what_is_watched_at_once() {
    let mut scene = Scene::of_file();
    fs::write(scene.path("conf/dynamic.yml"), scene.next()).unwrap();
    scene.gateway.signal(Signal::HUP);
    scene.goes_live("SIGHUP").await;
}

/// The promise is 200 ms from the last write, on every worker; measured, and asserted with room for a machine that is busy.
#[tokio::test]
async fn a_change_is_live_within_200_ms() {
    let mut scene = Scene::of_file();
    let path = scene.path("conf/dynamic.yml");
    let mut took = Vec::new();
    for round in 0..30 {
        let text = scene.next();
        let changed = if round % 2 == 0 {
            let beside = path.with_extension("new");
            fs::write(&beside, text).unwrap();
            let changed = Instant::now();
            fs::rename(beside, &path).unwrap();
            changed
        } else {
            fs::write(&path, text).unwrap();
            Instant::now()
        };
        scene.current = 1 - scene.current;
        let name = ["one", "two"][scene.current];
        while scene.answers().await != name {
            assert!(changed.elapsed() < NOTICED, "round {round}: not live after {NOTICED:?}");
        }
        took.push(changed.elapsed());
    }
    took.sort();
    let (median, last) = (took[took.len() / 2], took[took.len() - 1]);
    eprintln!("from the last write to live: median {median:?}, largest of {} {last:?}", took.len());
    assert!(median < Duration::from_millis(200), "{took:?}");
}
