//! A terminal as a canvas: opened, put back as it was, and its keys.

use std::io;

use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui::DefaultTerminal;
use tokio::sync::mpsc;

/// An empty canvas. The terminal is as it was again after a panic too.
pub(crate) fn open() -> io::Result<DefaultTerminal> {
    ratatui::try_init().inspect_err(|_| drop(ratatui::try_restore()))
}

/// The terminal is as it was.
pub(crate) fn close(mut terminal: DefaultTerminal) {
    // What cannot be restored is not there any more, and cannot be told so either: dropping a terminal whose cursor is
    // hidden would panic on stderr.
    if terminal.show_cursor().is_err() {
        std::mem::forget(terminal);
    }
    drop(ratatui::try_restore());
}

/// Keys and changes of size. Read on a thread of their own, since reading from a terminal that is gone may never return:
/// signals must be heard nevertheless. The thread ends with the process.
pub(crate) fn events() -> io::Result<mpsc::Receiver<Event>> {
    let (sender, receiver) = mpsc::channel(EVENTS);
    let read = move || {
        while let Ok(event) = event::read() {
            if sender.blocking_send(event).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("keys".to_owned()).spawn(read)?;
    Ok(receiver)
}

/// `q`, or Ctrl-C, which is a key like others on a canvas.
pub(crate) fn asks_to_end(key: &KeyEvent) -> bool {
    let interrupts = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    interrupts || key.code == KeyCode::Char('q')
}

/// Keys that are not looked at yet.
const EVENTS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q_and_ctrl_c_ask_to_end_and_nothing_else() {
        for (code, modifiers, ends) in [
            (KeyCode::Char('q'), KeyModifiers::NONE, true),
            (KeyCode::Char('c'), KeyModifiers::CONTROL, true),
            (KeyCode::Char('c'), KeyModifiers::NONE, false),
            (KeyCode::Esc, KeyModifiers::NONE, false),
        ] {
            assert_eq!(asks_to_end(&KeyEvent::new(code, modifiers)), ends, "{code:?}");
        }
    }
}
