//! What somebody who watches has before him: the last look, what he is asked, what came of it. Nothing here reads a clock or a key.

use crossterm::event::{KeyCode, KeyEvent};

use super::{
    super::{
        super::{Done, failure::Failure},
        Look,
    },
    done,
};
use crate::terminal::asks_to_end;

/// All of it.
#[derive(Debug)]
pub(super) struct Attention {
    /// The last that came.
    pub(super) look: Look,
    /// Why none comes at present.
    lost: Option<String>,
    question: Option<Question>,
    /// Sent, and not answered yet.
    acting: Option<&'static str>,
    /// What came of what he did last, and how many looks it stays for.
    note: Option<(String, u8)>,
}

/// Whether he means it.
#[derive(Debug)]
struct Question {
    action: &'static str,
    /// The rollout was at this stage when he was asked.
    stage: String,
    text: String,
}

/// What follows from a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wants {
    Nothing,
    Leave,
    Act(&'static str),
}

/// The last line of the picture.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Foot {
    Question(String),
    Trouble(String),
    Note(String),
    Keys(String),
}

impl Attention {
    pub(super) fn new(look: Look) -> Self {
        Self { look, lost: None, question: None, acting: None, note: None }
    }

    /// A key was pressed.
    pub(super) fn key(&mut self, key: &KeyEvent) -> Wants {
        self.note = None;
        if let Some(Question { action, .. }) = self.question.take() {
            return match key.code {
                KeyCode::Char('y') => {
                    self.acting = Some(action);
                    Wants::Act(action)
                }
                // Ctrl-C is meant whatever was asked.
                KeyCode::Char('c') if asks_to_end(key) => Wants::Leave,
                _ => {
                    self.note(format!("{action}: not done"));
                    Wants::Nothing
                }
            };
        }
        match key.code {
            _ if asks_to_end(key) => return Wants::Leave,
            KeyCode::Char('a') => self.ask("approve"),
            KeyCode::Char('b') => self.ask("abort"),
            _ => {}
        }
        Wants::Nothing
    }

    fn ask(&mut self, action: &'static str) {
        let rollout = &self.look.rollout;
        if let Some(acting) = self.acting {
            self.note(format!("{acting} was sent and is not answered yet"));
            return;
        }
        if !self.may(action) {
            self.note(format!("{action} is not possible now"));
            return;
        }
        let says = rollout.stages.iter().find(|stage| stage.is_current).map(|stage| stage.says.as_str());
        let text = match action {
            "approve" => format!("approve {} ({})?", rollout.stage, says.unwrap_or_default()),
            _ => "abort? The weights will be what they were before, and the rollout ends.".to_owned(),
        };
        self.question =
            Some(Question { action, stage: rollout.stage.clone(), text: format!("{text} y: yes, other keys: no") });
    }

    fn may(&self, action: &str) -> bool {
        self.look.rollout.possible.iter().any(|possible| possible == action)
    }

    /// Somebody has looked. Returns how it has ended, if it has; fails if looking again would not help.
    pub(super) fn looked(&mut self, looked: Result<Look, Failure>) -> Result<Option<Done>, Failure> {
        self.note = self.note.take().and_then(|(text, stays)| Some((text, stays.checked_sub(1)?)));
        match looked {
            Ok(look) => {
                self.look = look;
                self.lost = None;
            }
            Err(failure) if failure.is_passing() => {
                self.lost = Some(failure.lines().swap_remove(0));
                return Ok(None);
            }
            Err(failure) => return Err(failure),
        }
        let rollout = &self.look.rollout;
        if let Some(question) = self.question.take() {
            // A yes is for what was asked about.
            match rollout.stage == question.stage && self.may(question.action) {
                true => self.question = Some(question),
                false => self.note(format!("{}: not done, the rollout has gone on", question.action)),
            }
        }
        Ok(self.look.rollout.has_ended().then(|| done(&self.look.rollout)))
    }

    /// What was sent is answered.
    pub(super) fn acted(&mut self, action: &str, answer: Result<(), Failure>) {
        self.acting = None;
        self.note(match answer {
            Ok(()) => format!("{action}: done"),
            Err(failure @ Failure::Refused(_)) => format!("{action}: {}", failure.lines().swap_remove(0)),
            Err(failure) => format!("{action}: not known whether it was done: {}", failure.lines().swap_remove(0)),
        });
    }

    fn note(&mut self, text: String) {
        self.note = Some((text, STAYS));
    }

    pub(super) fn foot(&self) -> Foot {
        if let Some(Question { text, .. }) = &self.question {
            return Foot::Question(text.clone());
        }
        if let Some((note, _)) = &self.note {
            return Foot::Note(note.clone());
        }
        if let Some(acting) = self.acting {
            return Foot::Note(format!("{acting}: sent"));
        }
        if let Some(lost) = &self.lost {
            return Foot::Trouble(format!("{lost}; asking again"));
        }
        let keys = [("approve", "a approves"), ("abort", "b aborts")];
        let keys = keys.into_iter().filter(|(action, _)| self.may(action)).map(|(_, key)| key);
        let keys: Vec<&str> = keys.chain(["q leaves, the rollout goes on"]).collect();
        Foot::Keys(keys.join(", "))
    }
}

/// Looks that a note stays for: some seconds.
const STAYS: u8 = 10;

#[cfg(test)]
mod tests {
    use crossterm::event::KeyModifiers;
    use serde_json::{Value, json};

    use super::{super::super::contract::Rollout, *};

    fn look(stage: &str, possible: &[&str]) -> Look {
        let possible = possible.iter().map(ToString::to_string).collect();
        let rollout = Rollout { stage: stage.to_owned(), possible, ..Rollout::default() };
        Look { rollout, body: Value::Null, at: 0 }
    }

    fn ended(status: &str) -> Look {
        let mut look = look("promote", &[]);
        look.rollout.status = status.to_owned();
        look.rollout.ended_at = Some("2026-11-26T10:00:00Z".to_owned());
        look
    }

    fn press(attention: &mut Attention, key: char) -> Wants {
        attention.key(&KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE))
    }

    #[test]
    fn what_is_decided_is_asked_about_first() {
        let mut attention = Attention::new(look("look", &["approve", "abort"]));
        assert_eq!(attention.foot(), Foot::Keys("a approves, b aborts, q leaves, the rollout goes on".to_owned()));
        for (key, action) in [('a', "approve"), ('b', "abort")] {
            for no in ['n', 'q', key] {
                assert_eq!(press(&mut attention, key), Wants::Nothing);
                assert!(matches!(attention.foot(), Foot::Question(text) if text.starts_with(action)));
                assert_eq!(press(&mut attention, no), Wants::Nothing, "{no}");
                assert_eq!(attention.foot(), Foot::Note(format!("{action}: not done")));
            }
            assert_eq!(press(&mut attention, 'y'), Wants::Nothing, "nothing is asked");
            press(&mut attention, key);
            assert_eq!(press(&mut attention, 'y'), Wants::Act(action));
            assert_eq!(press(&mut attention, key), Wants::Nothing);
            assert_eq!(attention.foot(), Foot::Note(format!("{action} was sent and is not answered yet")));
            attention.acted(action, Ok(()));
            assert_eq!(attention.foot(), Foot::Note(format!("{action}: done")));
        }
        press(&mut attention, 'b');
        assert_eq!(attention.key(&KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)), Wants::Leave);
        assert_eq!(press(&mut attention, 'q'), Wants::Leave);
    }

    #[test]
    fn a_yes_is_not_for_another_stage_than_the_one_that_was_asked_about() {
        let mut attention = Attention::new(look("look", &["approve"]));
        press(&mut attention, 'a');
        assert_eq!(attention.looked(Ok(look("look", &["approve"]))).unwrap(), None);
        assert!(matches!(attention.foot(), Foot::Question(_)));
        for moved in [look("release", &["approve"]), look("look", &["abort"])] {
            attention = Attention::new(look("look", &["approve"]));
            press(&mut attention, 'a');
            attention.looked(Ok(moved)).unwrap();
            assert_eq!(attention.foot(), Foot::Note("approve: not done, the rollout has gone on".to_owned()));
            assert_eq!(press(&mut attention, 'y'), Wants::Nothing);
        }
        let mut attention = Attention::new(look("ramp", &["abort"]));
        press(&mut attention, 'a');
        assert_eq!(attention.foot(), Foot::Note("approve is not possible now".to_owned()));
    }

    #[test]
    fn a_gateway_that_is_lost_is_waited_for_and_one_that_refuses_is_not() {
        let lost = || Failure::Unreached { what: "http://g: Connection refused".to_owned(), passing: true };
        let mut attention = Attention::new(look("ramp", &[]));
        assert_eq!(attention.looked(Err(lost())).unwrap(), None);
        assert_eq!(attention.foot(), Foot::Trouble("http://g: Connection refused; asking again".to_owned()));
        attention.looked(Ok(look("ramp", &[]))).unwrap();
        assert!(matches!(attention.foot(), Foot::Keys(_)));
        attention.acted("abort", Err(lost()));
        assert!(
            matches!(attention.foot(), Foot::Note(text) if text.starts_with("abort: not known whether it was done"))
        );
        let body = json!({ "type": "urn:rollgate:problem:not-found", "detail": "there is no rollout r" });
        let problem = super::super::super::super::contract::Problem::of(404, body.to_string().as_bytes()).unwrap();
        assert!(attention.looked(Err(Failure::Refused(Box::new(problem)))).is_err());
    }

    #[test]
    fn an_end_is_told_by_its_status() {
        for (status, expected) in [
            ("SUCCEEDED", Done::Well),
            ("ROLLED_BACK", Done::RolledBack),
            ("FAILED", Done::Failed),
            ("CANCELED", Done::Canceled),
            ("EVAPORATED", Done::Failed),
        ] {
            let mut attention = Attention::new(look("ramp", &[]));
            assert_eq!(attention.looked(Ok(ended(status))).unwrap(), Some(expected), "{status}");
        }
    }
}
