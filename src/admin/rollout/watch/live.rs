//! On a terminal: a picture that follows the rollout, and keys. Requests are made on threads of their own, so that a gateway that
//! does not answer keeps nobody from leaving.

use std::{
    io,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use crossterm::event::Event;
use ratatui::DefaultTerminal;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use super::{
    super::{
        super::{
            Done,
            client::{Client, fresh_key},
            failure::Failure,
            screen::Screen,
        },
        Look, act, look, sections, state,
    },
    LOOK,
    attention::{Attention, Wants},
    done,
    picture::draw,
};
use crate::terminal;

/// What the threads tell.
enum Heard {
    Looked(Box<Result<Look, Failure>>),
    Acted(&'static str, Result<(), Failure>),
}

/// Shows a rollout until it has ended or is left, then tells how it stands.
pub(super) fn show(id: &str, client: &Client, screen: &Screen) -> Result<Done, Failure> {
    let first = look(id, client)?;
    let mut attention = Attention::new(first);
    let how = if attention.look.rollout.has_ended() {
        done(&attention.look.rollout)
    } else {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(Failure::Output)?.block_on(on_terminal(&mut attention, id, client))?
    };
    sections(&state(&attention.look), screen)?;
    if how == Done::Left {
        screen.note(&format!("it goes on: `rollgate rollout status {id} --watch` watches it"));
    }
    Ok(how)
}

async fn on_terminal(attention: &mut Attention, id: &str, client: &Client) -> Result<Done, Failure> {
    let told = told_to_end().map_err(Failure::Output)?;
    let mut terminal = terminal::open().map_err(Failure::Output)?;
    let how = until_left(&mut terminal, attention, (id, client), told).await;
    terminal::close(terminal);
    how
}

/// By a signal, the terminal's end among them: drawing and reading may not notice that.
fn told_to_end() -> io::Result<impl Future<Output = ()>> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = hangup.recv() => {}
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

async fn until_left(
    terminal: &mut DefaultTerminal,
    attention: &mut Attention,
    (id, client): (&str, &Client),
    told: impl Future<Output = ()>,
) -> Result<Done, Failure> {
    let mut told = std::pin::pin!(told);
    let mut keys = terminal::events().map_err(Failure::Output)?;
    let (tells, mut heard) = mpsc::channel(HEARD);
    let wakes = look_on(id, client, tells.clone()).map_err(Failure::Output)?;
    let mut second = tokio::time::interval(SECOND);
    let mut seen = Instant::now();
    loop {
        let now = attention.look.at.saturating_add(i64::try_from(seen.elapsed().as_millis()).unwrap_or(i64::MAX));
        terminal.draw(|frame| draw(frame, attention, now)).map_err(Failure::Output)?;
        let wants = tokio::select! {
            _ = second.tick() => Wants::Nothing,
            () = &mut told => Wants::Leave,
            event = keys.recv() => match event {
                Some(Event::Key(key)) => attention.key(&key),
                Some(_) => Wants::Nothing,
                None => Wants::Leave,
            },
            Some(news) = heard.recv() => {
                match news {
                    Heard::Acted(action, answer) => {
                        attention.acted(action, answer);
                        // Whoever looks has gone only if the process goes too.
                        wakes.send(()).ok();
                    }
                    Heard::Looked(looked) => {
                        let is_new = looked.is_ok();
                        if let Some(how) = attention.looked(*looked)? {
                            return Ok(how);
                        }
                        if is_new {
                            seen = Instant::now();
                        }
                    }
                }
                Wants::Nothing
            }
        };
        match wants {
            Wants::Nothing => {}
            Wants::Leave => return Ok(Done::Left),
            Wants::Act(action) => act_on(id, action, client, tells.clone()).map_err(Failure::Output)?,
        }
    }
}

/// Looks again and again, sooner when woken, until nobody listens.
fn look_on(id: &str, client: &Client, tells: mpsc::Sender<Heard>) -> io::Result<Sender<()>> {
    let (id, client) = (id.to_owned(), client.clone());
    let (wakes, woken): (Sender<()>, Receiver<()>) = channel();
    let looks = move || {
        while tells.blocking_send(Heard::Looked(Box::new(look(&id, &client)))).is_ok() {
            if woken.recv_timeout(LOOK) == Err(RecvTimeoutError::Disconnected) {
                return;
            }
        }
    };
    thread::Builder::new().name("looks".to_owned()).spawn(looks)?;
    Ok(wakes)
}

fn act_on(id: &str, action: &'static str, client: &Client, tells: mpsc::Sender<Heard>) -> io::Result<()> {
    let (id, client) = (id.to_owned(), client.clone());
    let acts = move || {
        let answer = fresh_key().and_then(|key| act(&id, (action, key), None, &client)).map(drop);
        // Nobody listens any more: he has left.
        drop(tells.blocking_send(Heard::Acted(action, answer)));
    };
    thread::Builder::new().name("acts".to_owned()).spawn(acts).map(drop)
}

/// Times that pass are drawn so often.
const SECOND: Duration = Duration::from_secs(1);
/// Answers that were not looked at yet.
const HEARD: usize = 4;
