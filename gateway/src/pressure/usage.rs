//! What is in use, and what there may be: of the cgroup (version 2, or 1), or of the process alone.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where it is read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Usage {
    /// The process's resident memory against so many bytes.
    Process(u64),
    /// What a cgroup counts and grants.
    Cgroup(PathBuf, &'static Files),
}

/// The names of a cgroup version's files.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Files {
    used: &'static str,
    limit: &'static str,
    /// Of the line in `memory.stat` that says how much of it is file pages that the kernel can take back at once.
    reclaimable: &'static str,
}

impl Usage {
    pub(super) fn of_process(limit: u64) -> Self {
        Self::Process(limit)
    }

    /// The narrowest bound of the process's cgroup and those above it; `None` if there is none.
    pub(super) fn of_cgroup() -> Option<Self> {
        let membership = fs::read_to_string("/proc/self/cgroup").ok()?;
        find(&membership, Path::new("/sys/fs/cgroup"))
    }

    /// Bytes in use, and the limit.
    pub(super) fn read(&self) -> Option<(u64, u64)> {
        match self {
            Self::Process(limit) => Some((resident()?, *limit)),
            Self::Cgroup(directory, files) => {
                let used = number(&directory.join(files.used))?;
                let stat = fs::read_to_string(directory.join("memory.stat")).unwrap_or_default();
                let reclaimable = entry(&stat, files.reclaimable).unwrap_or_default();
                Some((used.saturating_sub(reclaimable), limit(directory, files)?))
            }
        }
    }
}

/// `membership` is `/proc/self/cgroup` (cgroups(7)), `root` where the file systems are.
fn find(membership: &str, root: &Path) -> Option<Usage> {
    let lines = membership.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        match controllers {
            "" => Some((root.to_path_buf(), path, &VERSION_2)),
            list if list.split(',').any(|name| name == "memory") => Some((root.join("memory"), path, &VERSION_1)),
            _ => None,
        }
    });
    lines.filter_map(|(mount, path, files)| narrowest(&mount, path, files)).next()
}

/// A container may see its own cgroup at the mount's root, whatever its path says.
fn narrowest(mount: &Path, path: &str, files: &'static Files) -> Option<Usage> {
    let own = mount.join(path.trim_start_matches('/'));
    let directories = own.ancestors().take_while(|directory| directory.starts_with(mount));
    let bounded = directories.filter_map(|directory| Some((limit(directory, files)?, directory)));
    let (_, directory) = bounded.min_by_key(|(limit, _)| *limit)?;
    Some(Usage::Cgroup(directory.to_path_buf(), files))
}

fn limit(directory: &Path, files: &Files) -> Option<u64> {
    number(&directory.join(files.limit)).filter(|limit| *limit < UNLIMITED)
}

/// `max` is no number.
fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

fn entry(stat: &str, name: &str) -> Option<u64> {
    stat.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

/// The second number of `/proc/self/statm`, in pages (proc_pid_statm(5)).
fn resident() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

static VERSION_2: Files = Files { used: "memory.current", limit: "memory.max", reclaimable: "inactive_file" };
static VERSION_1: Files =
    Files { used: "memory.usage_in_bytes", limit: "memory.limit_in_bytes", reclaimable: "total_inactive_file" };
/// Version 1 says a number of this order where there is no limit.
const UNLIMITED: u64 = 1 << 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    #[test]
    fn version_2_knows_what_the_kernel_could_take_back() {
        let root = tempfile::tempdir().unwrap();
        write(
            root.path(),
            &[
                ("a/memory.max", "1000\n"),
                ("a/memory.current", "900\n"),
                ("a/memory.stat", "anon 1\ninactive_file 300\nactive_file 7\n"),
                ("a/b/memory.max", "max\n"),
                ("a/b/memory.current", "5\n"),
            ],
        );
        let usage = find("0::/a/b\n", root.path()).unwrap();
        assert_eq!(usage, Usage::Cgroup(root.path().join("a"), &VERSION_2), "the one above it is the bound");
        assert_eq!(usage.read(), Some((600, 1000)));
        write(root.path(), &[("a/memory.max", "2000\n")]);
        assert_eq!(usage.read(), Some((600, 2000)), "a limit may change");
    }

    #[test]
    fn a_container_finds_its_cgroup_at_the_root() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), &[("memory.max", "1000"), ("memory.current", "10")]);
        for membership in ["0::/\n", "0::/system.slice/docker-1.scope\n"] {
            assert_eq!(find(membership, root.path()).unwrap().read(), Some((10, 1000)), "{membership}");
        }
    }

    #[test]
    fn version_1_is_known_too() {
        let root = tempfile::tempdir().unwrap();
        write(
            root.path(),
            &[
                ("memory/memory.limit_in_bytes", "9223372036854771712"),
                ("memory/x/memory.limit_in_bytes", "1000"),
                ("memory/x/memory.usage_in_bytes", "500"),
                ("memory/x/memory.stat", "inactive_file 1\ntotal_inactive_file 100\n"),
            ],
        );
        let usage = find("5:cpu,cpuacct:/y\n4:memory:/x\n0::/\n", root.path()).unwrap();
        assert_eq!(usage.read(), Some((400, 1000)));
    }

    #[test]
    fn without_a_bound_there_is_nothing_to_watch() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), &[("a/memory.max", "max"), ("memory/memory.limit_in_bytes", "9223372036854771712")]);
        for membership in ["0::/a\n", "4:memory:/\n", "", "nonsense"] {
            assert_eq!(find(membership, root.path()), None, "{membership}");
        }
    }

    #[test]
    fn the_process_knows_its_own_size() {
        let (used, limit) = Usage::of_process(7).read().unwrap();
        assert!((100_000..1 << 40).contains(&used) && limit == 7, "{used}");
    }
}
