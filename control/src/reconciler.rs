//! The one writer: takes what the files say and makes it live, all of it but for the files that are at fault.
//!
//! ```text
//! look -> settle (which texts) -> prepare (parse, merge, validate, certificates) -> publish -> report -> keep a copy
//! ```
//!
//! From the start on it has a thread of its own, on which what takes long is done in small pieces: neither requests nor the admin
//! API wait for a long file.

mod prepare;
mod rest;
mod settle;
mod thread;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use rollgate_config::{
    problem::{Place, Problem},
    static_config::Static,
};
use rollgate_gateway::{Gateway, ListeningSocket};
use serde_json::json;
use tokio::sync::Notify;

pub use self::{
    prepare::{Prepared, read},
    rest::{Applied, Inbox, NotApplied, RestProvider},
};
use self::{rest::Rest, settle::Settled};
use crate::{
    certificates::{Filled, Good},
    events::EventKind,
    file::{
        FILE, REST, Seen, Sources, Text, Texts,
        last_good::Name,
        reader::{Content, Kind, Reader},
        watch::{Watch, Woken},
    },
    instance::StartFailure,
    providers::{Known, Providers},
    report::{Held, Report},
    state::{Copy, Keeper, KeptText},
    statics::Started,
    traffic::Traffic,
};

/// Keeps the gateway's configuration what the files say.
pub struct Reconciler {
    started: Started,
    sources: Sources,
    reader: Reader,
    plane: Plane,
    live: Live,
    /// What the files said at the last look, whether or not it is live.
    seen: Texts,
    folders: Vec<PathBuf>,
    /// And the files with certificates that were read for it.
    certificates: BTreeMap<PathBuf, Content>,
    /// Middlewares with the text of their files.
    filled: Filled,
    /// What is wrong with the files, without what is wrong with the folder for copies.
    found: Report,
    reported: Report,
    keeper: Option<Keeper>,
    traffic: Arc<Traffic>,
    providers: Arc<Providers>,
    /// What was wrong with the store at the start.
    store: Option<Problem>,
    rest: Rest,
    /// Why there is something new, if it was not a file that changed.
    cause: Option<String>,
}

/// The data plane, before and after its start.
enum Plane {
    Starting { workers: usize, inherited: Vec<ListeningSocket> },
    Running(Arc<Gateway>),
}

/// What is live: texts that are good together.
#[derive(Debug, Default)]
struct Live {
    texts: Texts,
    /// Since when each of them has been, in seconds since 1970.
    since: BTreeMap<Name, i64>,
    certificates: Good,
    statics: Option<Static>,
    restart: Vec<Problem>,
    /// What is wrong with certificates that count as they last were.
    outdated: Vec<Problem>,
}

impl Reconciler {
    /// `kept`: the copy from before, which is what is fallen back to at the start.
    pub fn new(
        started: Started,
        sources: Sources,
        (kept, keeper): (Option<Copy>, Option<Keeper>),
        traffic: Arc<Traffic>,
        providers: Arc<Providers>,
    ) -> Self {
        let live = kept.map(|copy| Live::of_copy(copy, &sources)).unwrap_or_default();
        Self {
            started,
            sources,
            reader: Reader::default(),
            plane: Plane::Starting { workers: 0, inherited: Vec::new() },
            live,
            seen: Texts::new(),
            folders: Vec::new(),
            certificates: BTreeMap::new(),
            filled: Filled::default(),
            found: Report::default(),
            reported: Report::default(),
            keeper,
            traffic,
            providers,
            store: None,
            rest: Rest::default(),
            cause: None,
        }
    }

    /// Makes live what comes into the inbox of the provider `rest`, too. `document`: what it held before.
    #[must_use]
    pub fn with_rest(mut self, inbox: Inbox, document: Option<&str>) -> Self {
        self.rest = Rest::new(inbox, document);
        if let Some(text) = self.rest.newest.clone().filter(|_| !self.live.texts.is_empty()) {
            self.live.texts.insert(REST.into(), text);
        }
        self
    }

    /// Tells of what was wrong with the store, too.
    #[must_use]
    pub fn with_store(mut self, problem: Option<&str>) -> Self {
        self.store = problem.map(|what| Problem::new(&Place::whole("--state-dir"), "", what, ""));
        self
    }

    /// Reads the files and starts the gateway. What is wrong is an error, unless there is a copy to fall back to.
    pub async fn start(
        &mut self,
        workers: usize,
        inherited: Vec<ListeningSocket>,
    ) -> Result<Arc<Gateway>, StartFailure> {
        self.plane = Plane::Starting { workers, inherited };
        let Seen { texts, folders, .. } = self.see();
        let mut settled = self.first(&texts).await?;
        if matches!(self.plane, Plane::Starting { .. }) && texts.contains_key(REST) {
            // What was sent cannot be good with files that are not the ones that it was sent to: it waits for them.
            let mut files = texts.clone();
            files.remove(REST);
            self.live.texts.remove(REST);
            let Settled { held_back, .. } = self.first(&files).await?;
            settled.held_back = held_back;
            settled.held_back.push(REST.into());
        }
        let Plane::Running(gateway) = &self.plane else {
            let problems = settled.problems.into_iter().chain(self.problem_with_copies()).collect();
            return Err(StartFailure::Problems(problems));
        };
        let gateway = gateway.clone();
        (self.seen, self.folders) = (texts, folders);
        self.tell(settled, &BTreeSet::new());
        self.keep();
        Ok(gateway)
    }

    /// Makes the first texts live, with what was good before to fall back to, if there is any.
    async fn first(&mut self, texts: &Texts) -> Result<Settled, StartFailure> {
        if self.live.texts.is_empty() { self.at_once(texts).await } else { self.settle(texts).await }
    }

    /// Follows the files until told to `stop`. `now` asks for a look at once (SIGHUP).
    async fn until(mut self, watched: bool, now: Arc<Notify>, stop: Arc<Notify>) {
        let mut watch = watched.then(Watch::new);
        // Nothing is watched yet, and something may have changed since the start.
        let mut look = Some(Look::Noticed).filter(|_| watched);
        loop {
            if let Some(look) = look.take() {
                self.look_and_watch(look, watch.as_mut()).await;
            }
            tokio::select! {
                woken = changed(&mut watch) => look = Some(match woken {
                    Woken::Noticed => Look::Noticed,
                    Woken::ByClock => Look::IfChanged,
                }),
                () = now.notified() => look = Some(Look::InAnyCase),
                sent = self.rest.received() => {
                    // It may name files that were not watched before.
                    look = self.receive(sent).await.then_some(Look::Noticed).filter(|_| watched);
                }
                () = self.traffic.documents_changed() => {
                    self.adopt();
                    look = Some(Look::IfChanged);
                }
                () = kept(&mut self.keeper) => self.report(&BTreeSet::new()),
                () = stop.notified() => break,
            }
        }
        if let Some(keeper) = self.keeper.take() {
            keeper.finish().await;
        }
    }

    /// Looks, and watches what is there then; what changed before it was watched is looked at again.
    async fn look_and_watch(&mut self, look: Look, mut watch: Option<&mut Watch>) {
        let mut changed = self.look(look).await;
        while let Some(watch) = watch.as_mut().filter(|_| changed || look != Look::IfChanged) {
            let files = self.seen.iter().filter(|(_, text)| text.provider == FILE);
            let files = files.map(|(name, _)| std::path::Path::new(&**name));
            let files = files.chain(self.certificates.keys().map(PathBuf::as_path));
            if !watch.renew(files, &self.folders) {
                break;
            }
            changed = self.look(Look::IfChanged).await;
        }
    }

    /// Applies what the files say, if that is new: whether it was.
    async fn look(&mut self, look: Look) -> bool {
        if look == Look::InAnyCase {
            self.reader.distrust();
        }
        let Seen { texts, folders, .. } = self.see();
        let reader = &mut self.reader;
        let certificates_changed =
            self.certificates.iter().filter(|(path, content)| reader.read(path, Kind::Pem) != **content).count() > 0;
        let folders_changed = self.folders != folders;
        self.folders = folders;
        // Whoever asks for it wants what was refused to be tried again: a port may be free now.
        let again = look == Look::InAnyCase && !self.found.held_back.is_empty();
        if texts == self.seen && !certificates_changed && !again {
            return folders_changed;
        }
        let before = std::mem::replace(&mut self.seen, texts);
        let mut changed: BTreeSet<Name> = self
            .seen
            .iter()
            .filter(|(name, text)| before.get(*name) != Some(text))
            .map(|(name, _)| name.clone())
            .collect();
        if again {
            changed.extend(self.found.held_back.iter().map(|held| held.name.clone()));
        }
        self.settle_and_tell(&changed).await;
        true
    }

    async fn settle_and_tell(&mut self, changed: &BTreeSet<Name>) {
        let texts = self.seen.clone();
        match self.settle(&texts).await {
            Ok(settled) => self.tell(settled, changed),
            // Only a start can fail in any other way than by problems.
            Err(StartFailure::Problems(problems)) => self.tell(Settled { problems, held_back: Vec::new() }, changed),
            Err(StartFailure::System(error)) => tracing::error!("{error}"),
        }
        self.keep();
    }

    fn see(&mut self) -> Seen {
        let mut seen = self.sources.look(&mut self.reader, &self.seen);
        seen.assume(&self.live.texts);
        seen.texts.extend(self.rest.newest.clone().map(|text| (REST.into(), text)));
        let (texts, certificates) = (&seen.texts, &self.certificates);
        self.reader.retain(|path| certificates.contains_key(path) || texts.contains_key(&*path.to_string_lossy()));
        seen
    }

    fn tell(&mut self, settled: Settled, changed: &BTreeSet<Name>) {
        let problems = settled.problems.into_iter().chain(self.live.outdated.iter().cloned()).collect();
        let held_back = settled.held_back.into_iter().map(|name| {
            let since = self.live.texts.contains_key(&name).then(|| self.live.since.get(&name).copied());
            Held { name, since: since.flatten() }
        });
        let held_back = held_back.collect();
        self.found = Report { problems: Report::in_order(problems), held_back, restart: self.live.restart.clone() };
        self.report(changed);
    }

    fn report(&mut self, changed: &BTreeSet<Name>) {
        let Plane::Running(gateway) = &self.plane else { return };
        let mut report = self.found.clone();
        report.problems.extend(self.problem_with_copies().into_iter().chain(self.store.clone()));
        let now = unix_seconds();
        report.log(&self.reported, changed, now);
        let providers = [FILE, REST];
        report.show(gateway, if self.rest.is_on() { &providers } else { &providers[..1] });
        self.tell_providers(&report);
        self.reported = report;
    }

    /// What whoever asks is told, and an event where it has changed.
    fn tell_providers(&mut self, report: &Report) {
        let statics = self.live.statics.clone().map_or_else(|| self.providers.statics(), Arc::new);
        let before = self.providers.known();
        let known =
            Known { statics, texts: self.live.texts.clone(), since: self.live.since.clone(), report: report.clone() };
        let (applied, refused) = (before.texts != known.texts, before.report.problems != report.problems);
        self.providers.tell(known);
        let generation = self.traffic.generation();
        let cause = self.cause.take();
        if applied {
            self.traffic.event(EventKind::ConfigApplied, cause, [("generation", json!(generation))]);
        }
        if refused && !report.problems.is_empty() {
            let problems = report.problems.iter().take(SHOWN).map(ToString::to_string).collect::<Vec<_>>();
            let count = report.problems.len();
            self.traffic.event(
                EventKind::ConfigRefused,
                problems.first().cloned(),
                [("problems", json!(count)), ("first", json!(problems))],
            );
        }
    }

    fn problem_with_copies(&self) -> Option<Problem> {
        let what = self.keeper.as_ref()?.problem()?;
        Some(Problem::new(&Place::whole("--state-dir"), "", what, ""))
    }

    /// Has a copy of what is live written, if it is not what was written before.
    fn keep(&mut self) {
        if let Some(keeper) = &mut self.keeper {
            keeper.keep(self.live.copy());
        }
    }
}

/// How thorough a look is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    IfChanged,
    /// Something has happened to the files.
    Noticed,
    /// Whatever the file system says of them.
    InAnyCase,
}

impl Live {
    /// What was live before this process, as far as it would be read today.
    fn of_copy(copy: Copy, sources: &Sources) -> Self {
        let mut live = Self { certificates: copy.certificates, ..Self::default() };
        for (path, KeptText { text, since }) in copy.files {
            if let Some(name) = sources.name_of(&path) {
                let is_main = sources.main.as_ref().is_some_and(|main| main.display().to_string() == *name);
                let text = Text::parse(&name, Ok(text), is_main);
                live.texts.insert(name.clone(), Arc::new(text));
                live.since.insert(name, since);
            }
        }
        live
    }

    fn copy(&self) -> Copy {
        let files = self.texts.iter().filter(|(_, text)| text.provider == FILE).filter_map(|(name, text)| {
            let text = text.content.as_ref().ok()?.clone();
            let since = self.since.get(name).copied().unwrap_or_default();
            Some((std::path::absolute(&**name).ok()?, KeptText { text, since }))
        });
        Copy { saved: unix_seconds(), files: files.collect(), certificates: self.certificates.clone() }
    }
}

/// Of all problems, in an event.
const SHOWN: usize = 20;

async fn changed(watch: &mut Option<Watch>) -> Woken {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}

async fn kept(keeper: &mut Option<Keeper>) {
    match keeper {
        Some(keeper) => keeper.changed().await,
        None => std::future::pending().await,
    }
}

/// For the metrics and the age of texts.
pub fn unix_seconds() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}
