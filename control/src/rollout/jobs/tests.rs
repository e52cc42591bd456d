use std::{thread::JoinHandle, time::Instant};

use super::*;

/// Jobs that a thread keeps in place of a process: `true` is begun, and does nothing.
fn jobs(folder: &Path) -> Jobs {
    Jobs::new(folder.to_owned(), vec!["true".into()])
}

fn job(script: &str) -> Job {
    Job {
        command: ["sh", "-c", script].map(str::to_owned).to_vec(),
        env: BTreeMap::from([("GREETING".to_owned(), "hello".to_owned()), ("PATH".to_owned(), PATH.to_owned())]),
        directory: "/".into(),
        timeout: Duration::from_secs(60),
    }
}

const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Keeps a job here, and tells what came of it.
fn kept(job: &Job) -> (Ended, String) {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), JOB, &serde_json::to_vec(job).unwrap()).unwrap();
    keeper::keep(folder.path()).unwrap();
    (ended(folder.path()).unwrap().unwrap(), output(folder.path()))
}

/// The folder `a` of a job that takes ten minutes, and the thread that keeps it.
fn under_way(folder: &Path) -> (PathBuf, JoinHandle<io::Result<()>>) {
    let place = folder.join("a");
    fs::create_dir(&place).unwrap();
    put(&place, JOB, &serde_json::to_vec(&job("sleep 600")).unwrap()).unwrap();
    let keeper = {
        let place = place.clone();
        thread::spawn(move || keeper::keep(&place))
    };
    while !place.join(OUTPUT).exists() {
        thread::yield_now();
    }
    (place, keeper)
}

/// Whether a process is there and has not ended; who has ended may not have been waited for yet.
fn runs(id: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}

#[test]
fn what_a_command_prints_and_how_it_ends_is_written_down() {
    let (ended, printed) = kept(&job("echo $GREETING; echo $HOME there >&2; pwd; exit 3"));
    assert_eq!((ended, printed.as_str()), (Ended::Exit(3), "hello\nthere\n/\n"));
    assert_eq!(kept(&job("kill -9 $$")).0, Ended::Signal(9));
    assert!(kept(&job("true")).0.is_success());
}

#[test]
fn a_command_that_cannot_be_begun_says_why() {
    let (ended, printed) = kept(&Job { command: vec!["/no/such/program".to_owned()], ..job("") });
    assert_eq!((ended.to_string().contains("No such file"), printed.as_str()), (true, ""), "{ended}");
    assert!(!ended.is_success());
}

#[test]
fn of_much_that_is_printed_the_beginning_and_the_end_are_kept() {
    let (ended, printed) = kept(&job("echo first; head -c 200000 /dev/zero | tr '\\0' x; echo; echo last"));
    assert!(ended.is_success());
    assert!(printed.starts_with("first\nxxx") && printed.ends_with("xxx\nlast\n"), "{}", printed.len());
    assert_eq!(printed.len(), HEAD_AND_TAIL + "\n[134476 bytes are left out]\n".len());
    assert!(printed.contains("\n[134476 bytes are left out]\n"));
}

const HEAD_AND_TAIL: usize = keeper::HEAD + keeper::TAIL;

#[test]
fn a_command_that_takes_too_long_is_ended_with_all_that_it_has_started() {
    let folder = tempfile::tempdir().unwrap();
    let started = folder.path().join("started");
    // Neither listens to the first signal.
    let script = format!("trap '' TERM; sleep 60 & echo $! > {}; wait", started.display());
    let began = Instant::now();
    let (ended, _) = kept(&Job { timeout: Duration::from_millis(200), ..job(&script) });
    assert_eq!(ended, Ended::TimedOut);
    let id = fs::read_to_string(&started).unwrap();
    while runs(id.trim()) {
        assert!(began.elapsed() < Duration::from_secs(50), "what it had started goes on");
        thread::yield_now();
    }
    assert!(began.elapsed() < Duration::from_secs(50), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_job_is_run_once_whoever_asks_again() {
    let folder = tempfile::tempdir().unwrap();
    let jobs = jobs(folder.path());
    let place = folder.path().join("r1.migrate.1");
    let count = folder.path().join("count");
    let job = job(&format!("echo x >> {}; sleep 0.3", count.display()));
    let keeper = {
        let place = place.clone();
        thread::spawn(move || {
            while !place.join(JOB).exists() {
                thread::yield_now();
            }
            keeper::keep(&place)
        })
    };
    fs::create_dir_all(&place).unwrap();
    put(&place, JOB, &serde_json::to_vec(&job).unwrap()).unwrap();
    while !keeper::is_kept(&place).unwrap() {
        tokio::task::yield_now().await;
    }
    let (first, second) = tokio::join!(jobs.run("r1.migrate.1", &job), jobs.run("r1.migrate.1", &job));
    assert!(first.unwrap().ended.is_success() && second.unwrap().ended.is_success());
    keeper.join().unwrap().unwrap();
    assert!(jobs.run("r1.migrate.1", &job).await.unwrap().ended.is_success());
    assert_eq!(fs::read_to_string(&count).unwrap(), "x\n");
    jobs.forget("r1.migrate.1").unwrap();
    assert!(!place.exists());
}

#[tokio::test]
async fn a_job_whose_keeper_is_gone_is_lost_and_not_begun_again() {
    let folder = tempfile::tempdir().unwrap();
    // The keeper that is started here ends at once.
    let report = jobs(folder.path()).run("r1.migrate.1", &job("true")).await.unwrap();
    assert_eq!(report.ended, Ended::Lost);
    assert_eq!(jobs(folder.path()).run("r1.migrate.1", &job("true")).await.unwrap().ended, Ended::Lost);
    let nobody = Jobs::new(folder.path().to_owned(), vec!["/no/such/keeper".into()]);
    assert!(nobody.run("r1.migrate.2", &job("true")).await.is_err());
    assert!(!folder.path().join("r1.migrate.2").exists(), "nothing was begun");
}

#[test]
fn a_job_that_is_canceled_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (place, keeper) = under_way(folder.path());
    jobs(folder.path()).cancel("a").unwrap();
    keeper.join().unwrap().unwrap();
    assert_eq!(ended(&place).unwrap(), Some(Ended::Canceled));
}

#[test]
fn a_job_that_is_forgotten_while_it_is_under_way_ends_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (place, keeper) = under_way(folder.path());
    // As at the end of a rollout that is aborted: its keeper has not seen the first when the second comes.
    let jobs = jobs(folder.path());
    jobs.cancel("a").unwrap();
    jobs.forget("a").unwrap();
    keeper.join().unwrap().unwrap();
    assert!(!place.exists());
}

#[test]
fn an_id_is_the_name_of_a_folder_and_nothing_else() {
    let jobs = jobs(Path::new("/nowhere"));
    for id in ["", ".", "..", "a/b", "../a", ".hidden", "a b", &"x".repeat(201)] {
        assert!(jobs.cancel(id).is_err(), "{id:?}");
    }
    assert!(jobs.cancel("a.b-c_1").is_ok());
    assert!(!format!("{:?}", job("x")).contains("hello"));
}
