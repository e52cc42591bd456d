//! Work over thousands of things in steps, between which a caller may pause: whoever reads a long configuration may do it on a
//! processor that others need.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::atomic::{AtomicUsize, Ordering},
};

/// Calls `pause` between steps of what `work` does here, on this thread, each time after a few of them. What `work` comes to does not
/// depend on it. Within another one, this one counts.
pub fn in_steps<T>(pause: impl Fn() + 'static, work: impl FnOnce() -> T) -> T {
    // Given back also where `work` panics.
    struct Before(Option<Rc<dyn Fn()>>);
    impl Drop for Before {
        fn drop(&mut self) {
            PAUSE.set(self.0.take());
        }
    }
    let _before = Before(PAUSE.replace(Some(Rc::new(pause))));
    work()
}

/// A step is done: a few microseconds' work.
pub fn step() {
    let steps = STEPS.get() + 1;
    if steps < BETWEEN {
        return STEPS.set(steps);
    }
    STEPS.set(0);
    large_step();
}

/// One is done that may have taken a good part of a millisecond.
pub fn large_step() {
    // Not borrowed while it pauses; not there any more where a thread ends.
    let pause = PAUSE.try_with(|pause| pause.borrow().clone());
    if let Ok(Some(pause)) = pause {
        pause();
    }
}

/// How many wait for something that is held over steps. As long as anybody does, whoever holds it should not pause.
#[derive(Debug, Default)]
pub struct Awaited(AtomicUsize);

impl Awaited {
    /// One more waits, until what is returned is dropped.
    pub fn wait(&self) -> Waiting<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Waiting(self)
    }

    /// Whether anybody waits.
    pub fn by_anybody(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

/// Somebody who waits.
#[derive(Debug)]
pub struct Waiting<'a>(&'a Awaited);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

thread_local! {
    static STEPS: Cell<u32> = const { Cell::new(0) };
    static PAUSE: RefCell<Option<Rc<dyn Fn()>>> = const { RefCell::new(None) };
}

/// Steps from one pause to the next: so few that they take well below a millisecond where each of them reads something new.
const BETWEEN: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Allow, Document, Format, read_dynamic};

    #[test]
    fn reading_pauses_between_entries_and_comes_to_the_same() {
        let routers: String =
            (0..1_000).map(|number| format!("    r{number}: {{rule: Host(`h{number}`), service: s}}\n")).collect();
        let text = format!(
            "http:\n  routers:\n{routers}  services: {{s: {{loadBalancer: {{servers: [{{url: 'http://a'}}]}}}}}}\n"
        );
        let read = |text: &str| {
            let document = Document::parse("a.yml", text, Format::Yaml).expect("it is YAML");
            read_dynamic(&[document], "file", None, &Allow::default()).value.expect("it is right")
        };
        let pauses = Rc::new(Cell::new(0));
        let counts = pauses.clone();
        let paused = in_steps(move || counts.set(counts.get() + 1), || read(&text));
        // Each router is found, parsed, read and checked.
        assert!(pauses.get() >= 4 * 1_000 / BETWEEN, "{} pauses", pauses.get());
        let until_then = pauses.get();
        assert_eq!(format!("{paused:?}"), format!("{:?}", read(&text)));
        assert_eq!(pauses.get(), until_then, "nobody pauses any more");
    }

    #[test]
    fn it_is_awaited_as_long_as_anybody_waits() {
        let awaited = Awaited::default();
        let (one, other) = (awaited.wait(), awaited.wait());
        drop(one);
        assert!(awaited.by_anybody());
        drop(other);
        assert!(!awaited.by_anybody());
    }

    #[test]
    fn of_two_the_inner_one_pauses_and_the_outer_one_again_when_it_is_over() {
        let told = Rc::new(RefCell::new(Vec::new()));
        let tell = |name: &'static str| {
            let told = told.clone();
            move || told.borrow_mut().push(name)
        };
        let some = || (0..BETWEEN).for_each(|_| step());
        in_steps(tell("outer"), || {
            some();
            in_steps(tell("inner"), some);
            some();
        });
        some();
        assert_eq!(*told.borrow(), ["outer", "inner", "outer"]);
    }
}
