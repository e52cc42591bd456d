//! One connection to a server, kept by a task of the helper thread: dialled, tried, and dialled again when it has failed.
//!
//! It carries the questions of all workers at once. A question that is not answered in time, or answered with an error, is a
//! failure of the server: all that wait for it are told at once, and until it has been dialled and tried again, nobody waits.

use std::{error::Error, future::Future, io, pin::Pin, sync::Arc, time::Duration};

use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, RedisConnectionInfo, RedisError, ServerErrorKind, Value,
    aio::MultiplexedConnection,
};
use rustls::{ClientConfig, pki_types::ServerName};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::TcpStream,
    runtime::Handle,
    sync::{Notify, watch},
    time::{Instant, sleep, timeout},
};
use tokio_rustls::TlsConnector;

use super::{
    super::bucket::{Decision, Rate},
    script,
};

/// How servers are reached.
#[derive(Clone)]
pub(super) struct Reach {
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) login: RedisConnectionInfo,
    pub(super) dial_timeout: Duration,
    pub(super) read_timeout: Duration,
    pub(super) write_timeout: Duration,
}

/// A host and its port.
pub(super) type Address = (String, u16);

/// A connection, or what there is of it.
#[derive(Debug)]
pub(super) struct Link(watch::Receiver<State>);

#[derive(Clone, Debug)]
enum State {
    /// For the first time: nobody knows yet.
    Dialling,
    Up(MultiplexedConnection, Arc<Notify>),
    Down,
}

/// What came of a question.
pub(super) enum Answer {
    Decided(Decision),
    /// The key's slot is at another server, from now on.
    Moved(usize, String),
    /// The key may be at another server, this once.
    Asked(String),
}

/// Nobody has decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// No connection is up, or it was lost.
    Down,
    /// The server's answer was an error, or none came in time.
    Failed,
    /// As many requests wait as may.
    Full,
}

impl Link {
    /// Begins to dial. `tells`: what becomes of it goes into the log.
    pub(super) fn new(runtime: &Handle, reach: &Arc<Reach>, address: &Address, tells: bool) -> Self {
        let (state, watched) = watch::channel(State::Dialling);
        runtime.spawn(keep(reach.clone(), address.clone(), tells, state));
        Self(watched)
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(*self.0.borrow(), State::Up(..))
    }

    pub(super) fn is_down(&self) -> bool {
        matches!(*self.0.borrow(), State::Down)
    }

    /// Asks for a token. Waits for the first dialling, and then for the answer, each within its timeout.
    pub(super) async fn ask(&self, key: &[u8], rate: &Rate, reach: &Reach, asking: bool) -> Result<Answer, Failure> {
        let mut state = self.0.clone();
        let mut connection = loop {
            match state.borrow_and_update().clone() {
                State::Up(connection, _) => break connection,
                State::Down => return Err(Failure::Down),
                State::Dialling => {}
            }
            state.changed().await.map_err(|_| Failure::Down)?;
        };
        let answer = tokio::select! {
            answer = timeout(reach.read_timeout, decided(&mut connection, key, rate, asking)) => answer,
            // Another question has failed, or the server has gone away.
            _ = state.changed() => return Err(Failure::Down),
        };
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                tracing::debug!(%error, "redis: a question failed");
                Err(Failure::Failed)
            }
            Err(_) => Err(Failure::Failed),
        }
    }

    /// A question to the server has failed: the connection is given up and dialled anew.
    pub(super) fn fail(&self) {
        if let State::Up(_, failed) = &*self.0.borrow() {
            failed.notify_one();
        }
    }
}

/// One round trip; two if the server does not know the script yet.
async fn decided(
    connection: &mut MultiplexedConnection,
    key: &[u8],
    rate: &Rate,
    asking: bool,
) -> Result<Answer, RedisError> {
    let mut answer = query(connection, &script::by_digest(key, rate), asking).await;
    if let Err(error) = &answer
        && error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
    {
        answer = query(connection, &script::by_text(key, rate), asking).await;
    }
    match answer {
        Ok(value) => {
            let unknown = || RedisError::from((ErrorKind::UnexpectedReturnType, "no answer of the script's"));
            Ok(Answer::Decided(script::decision(&value, rate).ok_or_else(unknown)?))
        }
        Err(error) => match (error.kind(), error.redirect_node()) {
            (ErrorKind::Server(ServerErrorKind::Moved), Some((node, slot))) => {
                Ok(Answer::Moved(usize::from(slot), node.to_owned()))
            }
            (ErrorKind::Server(ServerErrorKind::Ask), Some((node, _))) => Ok(Answer::Asked(node.to_owned())),
            _ => Err(error),
        },
    }
}

async fn query(connection: &mut MultiplexedConnection, command: &Cmd, asking: bool) -> Result<Value, RedisError> {
    if !asking {
        return command.query_async(connection).await;
    }
    let mut both = redis::pipe();
    both.cmd("ASKING").ignore().add_command(command.clone());
    let (value,) = both.query_async(connection).await?;
    Ok(value)
}

/// Until nobody wants it any more.
async fn keep(reach: Arc<Reach>, address: Address, tells: bool, state: watch::Sender<State>) {
    let (mut pause, mut first) = (SHORTEST_PAUSE, true);
    loop {
        let began = Instant::now();
        let why = tokio::select! {
            () = state.closed() => return,
            why = once(&reach, &address, tells, &state) => why,
        };
        let is_up = matches!(state.send_replace(State::Down), State::Up(..));
        if tells && (is_up || first) {
            tracing::warn!(host = %address.0, port = address.1, error = %why, "redis cannot be asked");
        }
        if is_up && began.elapsed() > STEADY {
            pause = SHORTEST_PAUSE;
        }
        first = false;
        tokio::select! {
            () = state.closed() => return,
            () = sleep(pause) => {}
        }
        pause = (2 * pause).min(LONGEST_PAUSE);
    }
}

/// Dials, tries, and drives a connection until it fails; why it did.
async fn once(
    reach: &Reach,
    address: &Address,
    tells: bool,
    state: &watch::Sender<State>,
) -> Box<dyn Error + Send + Sync> {
    let (mut connection, mut driver) = match timeout(reach.dial_timeout, dial(reach, address)).await {
        Ok(Ok(dialled)) => dialled,
        Ok(Err(error)) => return error,
        Err(_) => return "it does not accept connections within dialTimeout".into(),
    };
    tokio::select! {
        () = &mut driver => return "it closed the connection".into(),
        tried = timeout(reach.read_timeout, try_out(&mut connection)) => match tried {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error.into(),
            Err(_) => return "it does not answer within readTimeout".into(),
        },
    }
    let failed = Arc::new(Notify::new());
    if tells {
        tracing::info!(host = %address.0, port = address.1, "redis is asked");
    }
    state.send_replace(State::Up(connection, failed.clone()));
    tokio::select! {
        () = driver => "it closed the connection".into(),
        () = failed.notified() => "a question failed".into(),
    }
}

type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

async fn dial(
    reach: &Reach,
    (host, port): &Address,
) -> Result<(MultiplexedConnection, Driver), Box<dyn Error + Send + Sync>> {
    let tcp = TcpStream::connect((host.as_str(), *port)).await?;
    prepare(&tcp, reach)?;
    let config = AsyncConnectionConfig::new()
        .set_response_timeout(None)
        .set_connection_timeout(None)
        .set_pipeline_buffer_size(QUEUED);
    let Some(tls) = &reach.tls else {
        let (connection, driver) = MultiplexedConnection::new_with_config(&reach.login, tcp, config).await?;
        return Ok((connection, Box::pin(driver)));
    };
    let name = ServerName::try_from(host.clone())?;
    let stream = TlsConnector::from(tls.clone()).connect(name, tcp).await?;
    let (connection, driver) = MultiplexedConnection::new_with_config(&reach.login, stream, config).await?;
    Ok((connection, Box::pin(driver)))
}

fn prepare(tcp: &TcpStream, reach: &Reach) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let socket = SockRef::from(tcp);
    socket.set_tcp_user_timeout(Some(reach.write_timeout))?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE))
}

/// Whether the server would decide: the script is run as it will be, on a key of nobody's.
async fn try_out(connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
    let rate = Rate::new(1, Duration::from_secs(1), 1).unwrap_or_default();
    let tried: Result<Value, RedisError> = query(connection, &script::by_text(TRIED, &rate), false).await;
    match tried {
        // Of a cluster, another server has that key.
        Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::Moved) => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Ok(()),
    }
}

const TRIED: &[u8] = b"rollgate:rate:tried";
/// Between two attempts, at first and at last; from now to then it doubles.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// What was up for so long is as good as new.
const STEADY: Duration = Duration::from_secs(10);
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Questions that one connection takes before they are written; more wait for it.
const QUEUED: usize = 1024;
