//! The process that keeps a job: begins it, takes what it prints, ends it in time, and writes down how it ended.

use std::{
    fs::{self, File},
    io::{self, PipeReader, Read as _, Write as _, pipe},
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::{FlockOperation, flock},
    process::{Pid, Signal, kill_process_group},
};

use super::{CANCEL, ENDED, Ended, JOB, Job, LOCK, OUTPUT, absent, put};

/// Keeps the job of a folder until it has ended. Where another process keeps it, waits for that one; a job that has ended is left
/// alone. The process should have a session of its own.
///
/// # Errors
/// The folder cannot be used.
pub fn keep(folder: &Path) -> io::Result<()> {
    let lock = File::create(folder.join(LOCK))?;
    flock(&lock, FlockOperation::LockExclusive)?;
    if folder.join(ENDED).exists() {
        return Ok(());
    }
    let job: Job = serde_json::from_slice(&fs::read(folder.join(JOB))?)?;
    let ended = match is_wanted(folder) {
        true => run(folder, &job).unwrap_or_else(|error| Ended::NotBegun(error.to_string())),
        false => Ended::Canceled,
    };
    if !folder.join(JOB).exists() {
        // It was forgotten meanwhile.
        return absent(fs::remove_dir_all(folder));
    }
    put(folder, ENDED, &serde_json::to_vec(&ended)?)
}

/// It was neither canceled nor forgotten.
fn is_wanted(folder: &Path) -> bool {
    !folder.join(CANCEL).exists() && folder.join(JOB).exists()
}

/// Whether a process keeps the job of a folder now.
pub(super) fn is_kept(folder: &Path) -> io::Result<bool> {
    match File::open(folder.join(LOCK)) {
        Ok(lock) => Ok(flock(&lock, FlockOperation::NonBlockingLockShared).is_err()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn run(folder: &Path, job: &Job) -> io::Result<Ended> {
    let (printed, printing) = pipe()?;
    let output = File::create(folder.join(OUTPUT))?;
    let Some((program, arguments)) = job.command.split_first() else {
        return Ok(Ended::NotBegun("there is no command".to_owned()));
    };
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(&job.env).current_dir(&job.directory).process_group(0);
    command.stdin(Stdio::null()).stdout(printing.try_clone()?).stderr(printing);
    let began = Instant::now();
    let mut child = command.spawn()?;
    // It holds the other end of the pipe, which the child's end must close.
    drop(command);
    let (done, read) = mpsc::channel();
    thread::spawn(move || {
        let taken = take(printed, output);
        drop(done.send(taken));
    });
    let ended = wait(folder, &mut child, began + job.timeout)?;
    // What it has started may still hold the pipe.
    if let Ok(taken) = read.recv_timeout(LAST_WORDS) {
        taken?;
    }
    Ok(ended)
}

fn wait(folder: &Path, child: &mut Child, by: Instant) -> io::Result<Ended> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(of(status));
        }
        let why = match Instant::now() >= by {
            true => Ended::TimedOut,
            false if !is_wanted(folder) => Ended::Canceled,
            false => {
                thread::sleep(LOOK);
                continue;
            }
        };
        end(child)?;
        return Ok(why);
    }
}

fn of(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Exit(code),
        (None, signal) => Ended::Signal(signal.unwrap_or_default()),
    }
}

/// The child and all that it has started.
fn end(child: &mut Child) -> io::Result<()> {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let signal = |signal| group.map_or(Ok(()), |group| kill_process_group(group, signal));
    // Whoever is gone needs none.
    let _asked = signal(Signal::TERM);
    let by = Instant::now() + GRACE;
    while child.try_wait()?.is_none() {
        if Instant::now() >= by {
            let _made = signal(Signal::KILL);
            child.wait()?;
            break;
        }
        thread::sleep(LOOK);
    }
    // Those that do not listen to the first signal.
    let _made = signal(Signal::KILL);
    Ok(())
}

/// Writes down the beginning of what comes as it comes, and the end of it when there is no more.
fn take(mut printed: PipeReader, mut output: File) -> io::Result<()> {
    let mut buffer = [0; 8192];
    let (mut written, mut left_out) = (0, 0);
    let mut tail = std::collections::VecDeque::with_capacity(TAIL);
    loop {
        let length = match printed.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let (head, rest) = buffer[..length].split_at(length.min(HEAD - written));
        output.write_all(head)?;
        written += head.len();
        tail.extend(rest);
        let over = tail.len().saturating_sub(TAIL);
        tail.drain(..over);
        left_out += over;
    }
    if left_out > 0 {
        writeln!(output, "\n[{left_out} bytes are left out]")?;
    }
    let (first, second) = tail.as_slices();
    output.write_all(first)?;
    output.write_all(second)
}

/// Of what a job prints: so many bytes of its beginning are kept.
pub const HEAD: usize = 32 << 10;
/// And so many of its end.
pub const TAIL: usize = 32 << 10;

/// Between two looks at a command.
const LOOK: Duration = Duration::from_millis(20);
/// From the first signal to the last.
const GRACE: Duration = Duration::from_secs(5);
/// For what a command has printed when it has ended.
const LAST_WORDS: Duration = Duration::from_secs(1);
