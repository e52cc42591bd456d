//! Builds the container image on a machine that has neither a container engine nor a registry, and starts it.
//!
//! `docker/Dockerfile` is built unchanged, by buildah, on local stand-ins for its two base images:
//!
//! - for the build stage, a shell and a `cargo` that puts this workspace's debug binary where a release build would put
//!   its own (the real image compiles; that takes a registry and ten minutes);
//! - for the final stage, the shared libraries that the binary asks for, which the real one has too.
//!
//! What is shown: that the Dockerfile builds, that the image holds all the binary needs, runs as another user than
//! root, accepts its own configuration, answers `/ping`, reports its health and ends in order.

mod root;

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Outcome,
    steps::{pass, read},
    workspace::Workspace,
};

/// Builds the image and starts its root file system.
pub fn check(workspace: &Workspace) -> Outcome {
    pass(workspace.cargo().args(["build", "--quiet", "--locked", "--bin", "rollgate"]))?;
    let work = Work::begin(workspace)?;
    let binary = work.folder.join("rollgate");
    let built = workspace.target.join("debug/rollgate");
    pass(Command::new("strip").arg("--strip-debug").arg("-o").arg(&binary).arg(built))?;
    work.make_build_image(&binary)?;
    work.make_final_image(&binary)?;
    work.build(&workspace.root)?;
    work.inspect()?;
    work.start()
}

/// A storage of our own below the target folder, so that the machine's images are left alone; gone when dropped.
struct Work {
    folder: PathBuf,
}

impl Work {
    fn begin(workspace: &Workspace) -> Result<Self, String> {
        let folder = workspace.target.join("image");
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(|why| format!("{}: {why}", folder.display()))?;
        }
        fs::create_dir_all(&folder).map_err(|why| format!("{}: {why}", folder.display()))?;
        Ok(Self { folder })
    }

    fn buildah(&self) -> Command {
        let mut buildah = Command::new("buildah");
        buildah.arg("--root").arg(self.folder.join("storage"));
        buildah.arg("--runroot").arg(self.folder.join("run"));
        buildah.args(["--storage-driver", "vfs"]);
        buildah
    }

    /// A shell, a `cargo` that only puts the binary into place, and the certificates that the final stage copies.
    fn make_build_image(&self, binary: &Path) -> Outcome {
        let context = self.folder.join("build-stand-in");
        let busybox = which("busybox")?;
        place(&busybox, &context.join("bin/busybox"))?;
        place(binary, &context.join("opt/rollgate"))?;
        write(&context.join("bin/cargo"), STAND_IN_CARGO, 0o755)?;
        write(&context.join("etc/ssl/certs/ca-certificates.crt"), "", 0o644)?;
        let dockerfile = "FROM scratch\nCOPY . /\nRUN [\"/bin/busybox\", \"--install\", \"/bin\"]\n";
        self.bud(&context, dockerfile, BUILD_IMAGE)
    }

    /// The shared libraries and the loader, at the places where the binary looks for them.
    fn make_final_image(&self, binary: &Path) -> Outcome {
        let context = self.folder.join("final-stand-in");
        let linked = read(Command::new("ldd").arg(binary))?;
        for library in linked.split_whitespace().filter(|word| word.starts_with('/')) {
            place(Path::new(library), &context.join(library.trim_start_matches('/')))?;
        }
        self.bud(&context, "FROM scratch\nCOPY . /\n", FINAL_IMAGE)
    }

    fn bud(&self, context: &Path, dockerfile: &str, tag: &str) -> Outcome {
        let file = context.with_extension("dockerfile");
        write(&file, dockerfile, 0o644)?;
        let mut build = self.buildah();
        build.args(["build", "--isolation", "chroot", "--quiet", "--tag", tag, "--file"]);
        read(build.arg(file).arg(context)).map(drop)
    }

    fn build(&self, root: &Path) -> Outcome {
        let mut build = self.buildah();
        build.args(["build", "--isolation", "chroot", "--format", "docker", "--quiet", "--tag", IMAGE]);
        build.arg("--build-arg").arg(format!("BUILD_IMAGE={BUILD_IMAGE}"));
        build.arg("--build-arg").arg(format!("FINAL_IMAGE={FINAL_IMAGE}"));
        read(build.arg("--file").arg(root.join("docker/Dockerfile")).arg(root)).map(drop)
    }

    /// What an orchestrator reads of the image.
    fn inspect(&self) -> Outcome {
        for (field, wanted) in INSPECTED {
            let mut inspect = self.buildah();
            inspect.args(["inspect", "--type", "image", "--format", &format!("{{{{.Docker.Config.{field}}}}}"), IMAGE]);
            let found = read(&mut inspect)?;
            if found != *wanted {
                return Err(format!("the image's {field} is `{found}`, not `{wanted}`"));
            }
        }
        Ok(())
    }

    fn start(&self) -> Outcome {
        let container = read(self.buildah().args(["from", "--pull-never", IMAGE]))?;
        let mounted = read(self.buildah().args(["mount", &container]))?;
        let outcome = root::check(Path::new(&mounted));
        read(self.buildah().args(["umount", &container]))?;
        outcome
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next run, which says why if it fails too.
        drop(fs::remove_dir_all(&self.folder));
    }
}

fn which(program: &str) -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates = std::env::split_paths(&path).map(|folder| folder.join(program));
    candidates.find(|candidate| candidate.is_file()).ok_or_else(|| format!("{program} is not on the path"))
}

fn place(from: &Path, to: &Path) -> Outcome {
    let folder = to.parent().unwrap_or(to);
    let copied = fs::create_dir_all(folder).and_then(|()| fs::copy(from, to));
    copied.map(drop).map_err(|why| format!("{} -> {}: {why}", from.display(), to.display()))
}

fn write(file: &Path, text: &str, mode: u32) -> Outcome {
    let folder = file.parent().unwrap_or(file);
    let written = fs::create_dir_all(folder)
        .and_then(|()| fs::File::create(file))
        .and_then(|mut opened| opened.write_all(text.as_bytes()))
        .and_then(|()| fs::set_permissions(file, fs::Permissions::from_mode(mode)));
    written.map_err(|why| format!("{}: {why}", file.display()))
}

const IMAGE: &str = "localhost/rollgate:check";
const BUILD_IMAGE: &str = "localhost/build-stand-in:latest";
const FINAL_IMAGE: &str = "localhost/final-stand-in:latest";

/// Takes the same arguments as cargo and heeds none.
const STAND_IN_CARGO: &str = "#!/bin/sh\nset -eu\nmkdir -p target/release\ncp /opt/rollgate target/release/rollgate\n";

const INSPECTED: &[(&str, &str)] = &[
    ("User", "65532:65532"),
    ("Entrypoint", "[/usr/local/bin/rollgate run]"),
    ("Healthcheck.Test", "[CMD /usr/local/bin/rollgate healthcheck]"),
];
