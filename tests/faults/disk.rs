//! A disk that is full, or that cannot be written to.

use std::{
    fs,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use rollgate_testkit::{Backend, Gateway, Launch, command, wait::eventually};
use rustix::process::Signal;

use crate::configuration;

/// A file system of its own, of 64 KiB.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: &Path, options: &str) -> Self {
        fs::create_dir_all(at).expect("a folder can be made");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at);
        let output = command::run(mount);
        assert_eq!(output.code, 0, "mounting takes root: {output:?}");
        Self(at.to_owned())
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let error = fs::write(self.0.join("filler"), vec![0; 1 << 20]).expect_err("there is no such room");
        assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::NOSPC.raw_os_error()), "{error}");
    }

    fn empty(&self) {
        fs::remove_file(self.0.join("filler")).expect("the filler is there");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let mut unmount = Command::new("umount");
        unmount.arg("--lazy").arg(&self.0);
        command::run(unmount);
    }
}

async fn dropped(gateway: &Gateway) -> f64 {
    gateway.metrics().await.sum("rollgate_access_log_dropped_total", &[])
}

/// So many requests, each of which must be answered.
async fn all_answered(gateway: &Gateway, count: usize) {
    for _ in 0..count {
        assert_eq!(gateway.get("http://h/").await.status, 200);
    }
}

fn whole_lines(log: &Path) -> usize {
    let text = fs::read_to_string(log).expect("the log is there");
    let is_whole = |line: &&str| line.starts_with("127.0.0.1 - - [") && line.ends_with("ms");
    text.lines().filter(is_whole).count()
}

#[tokio::test]
async fn a_full_disk_costs_lines_of_the_access_log_and_no_request() {
    let backend = Backend::echo("s");
    let launch = Launch::new(&configuration(&backend, "accessLog: {filePath: './disk/access.log'}"));
    let disk = Disk::mount(&launch.directory().join("disk"), "size=64k");
    let gateway = launch.start();
    let path = disk.0.join("access.log");
    all_answered(&gateway, 10).await;
    eventually("ten lines are written", async || (whole_lines(&path) == 10).then_some(())).await;
    disk.fill();
    // More than the page that the file has already.
    all_answered(&gateway, 100).await;
    let lost = eventually("every line is written or counted", async || {
        let lost = dropped(&gateway).await as usize;
        (lost > 0 && whole_lines(&path) + lost == 110).then_some(lost)
    })
    .await;
    disk.empty();
    all_answered(&gateway, 10).await;
    eventually("writing goes on", async || (whole_lines(&path) + lost == 120).then_some(())).await;
    assert_eq!(dropped(&gateway).await as usize, lost);
}

#[tokio::test]
async fn a_full_disk_costs_lines_of_our_own_log_and_no_request() {
    let backend = Backend::echo("s");
    let log = "log: {level: DEBUG, filePath: './disk/rollgate.log'}";
    let launch = Launch::new(&configuration(&backend, log));
    let disk = Disk::mount(&launch.directory().join("disk"), "size=64k");
    let gateway = launch.start();
    disk.fill();
    let path = disk.0.join("rollgate.log");
    let length = || fs::metadata(&path).expect("the log is there").len();
    for _ in 0..200 {
        // Refused requests are told of at this level.
        assert_eq!(gateway.get("http://h/%zz").await.status, 400);
        assert_eq!(gateway.get("http://h/").await.status, 200);
    }
    let full = length();
    disk.empty();
    eventually("the log goes on", async || {
        assert_eq!(gateway.get("http://h/%zz").await.status, 400);
        (length() > full).then_some(())
    })
    .await;
    assert_eq!(gateway.metrics().await.sum("rollgate_panics_total", &[]), 0.0);
}

#[tokio::test]
async fn logs_that_cannot_be_opened_anew_go_on_in_the_old_files() {
    let backend = Backend::echo("s");
    let log = "accessLog: {filePath: './disk/access.log'}\nlog: {level: DEBUG, filePath: './disk/rollgate.log'}";
    let launch = Launch::new(&configuration(&backend, log));
    let folder = launch.directory().join("disk");
    let disk = Disk::mount(&folder, "size=1m");
    let gateway = launch.start();
    let (path, before) = (folder.join("access.log"), folder.join("before.log"));
    all_answered(&gateway, 1).await;
    fs::rename(&path, &before).expect("a log can be renamed");
    // Below what is mounted over it, it is read through what is open.
    let said = fs::File::open(folder.join("rollgate.log")).expect("the log is there");
    let over = Disk::mount(&folder, "size=64k,ro");
    gateway.signal(Signal::USR1);
    eventually("it has tried to open it", async || {
        let mut text = vec![0; said.metadata().ok()?.len() as usize];
        said.read_exact_at(&mut text, 0).ok()?;
        String::from_utf8_lossy(&text).contains("access log cannot be reopened").then_some(())
    })
    .await;
    all_answered(&gateway, 1).await;
    drop(over);
    eventually("the old file has the new line", async || (whole_lines(&before) == 2).then_some(())).await;
    gateway.signal(Signal::USR1);
    eventually("the new file is there", async || {
        all_answered(&gateway, 1).await;
        path.exists().then_some(())
    })
    .await;
    drop(disk);
}

#[tokio::test]
async fn it_serves_from_a_file_system_that_is_read_only() {
    let backend = Backend::echo("s");
    let launch = Launch::empty();
    let folder = launch.directory().join("disk");
    let disk = Disk::mount(&folder, "size=1m");
    fs::write(folder.join("rollgate.yml"), configuration(&backend, "")).expect("a file can be written");
    let mut remount = Command::new("mount");
    remount.args(["-o", "remount,ro"]).arg(&folder);
    assert_eq!(command::run(remount).code, 0);
    let gateway = launch.arguments(&["run", "--config", "@DIR@/disk/rollgate.yml"]).start();
    all_answered(&gateway, 10).await;
    drop(disk);
}
